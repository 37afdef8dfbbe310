"""The 24 s rule and the extreme corners, on made clips and on the real ratings."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emotion.exceptions import AudioUnreadableError
from emotion.inference.quadrants import Quadrant
from tests.audio_fixtures import make_audio
from training.datasets import DATASETS, Clip
from training.datasets.base import duration_s
from training.recipes.paper.recipe import SelectionError, ShortClips, extreme_corners, long_enough


def rated(*points: tuple[float, float], dataset: str = "pmemo") -> list[Clip]:
    return [
        Clip(f"{dataset}/{i}", dataset, str(i), str(i), Path("x"), Quadrant.from_valence_arousal(v, a), v, a)
        for i, (v, a) in enumerate(points)
    ]


def scattered(n: int, *, dataset: str = "pmemo") -> list[Clip]:
    rng = np.random.default_rng(n)
    return rated(*map(tuple, rng.uniform((-0.6, -1.0), (1.0, 0.5), (n, 2)).tolist()), dataset=dataset)


def per_quadrant(clips: list[Clip]) -> list[int]:
    found = Counter(clip.quadrant for clip in clips)
    return [found[quadrant] for quadrant in Quadrant]


# --- 24 s ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def long_and_short(tmp_path: Path) -> list[Clip]:
    """Clips of 24, 23.9, 30 and 10 s, the last from another dataset."""
    lengths = {"a/0": 24.0, "a/1": 23.9, "a/2": 30.0, "b/3": 10.0}
    return [
        Clip(name, name[0], name, name, make_audio(tmp_path / f"{i}.wav", s, channels=1), Quadrant.Q1)
        for i, (name, s) in enumerate(lengths.items())
    ]


def test_clips_shorter_than_the_window_are_dropped(long_and_short: list[Clip]) -> None:
    kept = long_enough(long_and_short[:3])
    assert [clip.id for clip in kept] == ["a/0", "a/2"]


@pytest.mark.parametrize("short", [ShortClips.REPEAT, ShortClips.PAD])
def test_short_clips_stay_where_configured(long_and_short: list[Clip], short: ShortClips) -> None:
    assert long_enough(long_and_short, short=short) == long_and_short


def test_a_dataset_of_short_clips_only_is_not_dropped_in_silence(long_and_short: list[Clip]) -> None:
    with pytest.raises(SelectionError, match=r"Every clip of b is shorter than 24 s\. Keep short clips"):
        long_enough(long_and_short)


def test_a_labelled_part_of_a_file_counts_by_its_own_length(long_and_short: list[Clip]) -> None:
    whole = long_and_short[2]
    parts = [replace(whole, id=f"a/{i}", start_s=s, end_s=e) for i, (s, e) in enumerate([(2.0, 27.0), (2.0, 20.0)])]
    assert [clip.id for clip in long_enough([*parts, replace(whole, id="a/9", start_s=7.0)])] == ["a/0"]


@pytest.mark.parametrize("codec", ["mp3", "opus", "m4a"])
def test_the_length_is_read_from_any_format(tmp_path: Path, codec: str) -> None:
    assert duration_s(make_audio(tmp_path / f"a.{codec}", 6, sample_rate_hz=48_000)) == pytest.approx(6, abs=0.1)


def test_a_file_without_sound_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.mp3").write_text("no music")
    for name in ("text.mp3", "nowhere.mp3"):
        with pytest.raises(AudioUnreadableError, match=name):
            duration_s(tmp_path / name)


# --- Corners ------------------------------------------------------------------------------------------------------


def test_each_quadrant_keeps_as_many_as_the_smallest_has() -> None:
    made = scattered(300)
    kept = extreme_corners(made)
    assert per_quadrant(kept) == [min(per_quadrant(made))] * 4
    assert [clip.id for clip in made if clip in kept] == [clip.id for clip in kept]


def test_selected_clips_lie_deeper_in_their_corner_than_the_others() -> None:
    made = scattered(300)
    kept = extreme_corners(made)

    def depth(clip: Clip) -> float:
        assert clip.valence is not None
        assert clip.arousal is not None
        return min(abs(clip.valence), abs(clip.arousal))

    for quadrant in Quadrant:
        inside = [depth(clip) for clip in kept if clip.quadrant is quadrant]
        outside = [depth(clip) for clip in made if clip.quadrant is quadrant and clip not in kept]
        assert not outside or min(inside) > max(outside)


def test_of_equally_deep_clips_the_one_farther_from_the_origin_is_selected() -> None:
    made = rated((0.5, 0.5), (0.9, 0.5), (0.5, 0.7), (-0.3, 0.3), (-0.3, -0.3), (0.3, -0.3))
    assert [clip.song_id for clip in extreme_corners(made)] == ["1", "3", "4", "5"]


def test_a_cap_lets_larger_quadrants_keep_more() -> None:
    made = scattered(300)
    sizes = per_quadrant(made)
    most = int(1.5 * min(sizes))
    assert per_quadrant(extreme_corners(made, cap=1.5)) == [min(size, most) for size in sizes]


@pytest.mark.parametrize("total", [1, 58, 232, 300])
def test_a_total_is_met_as_evenly_as_the_quadrants_allow(total: int) -> None:
    made = scattered(300)
    sizes = per_quadrant(made)
    counts = per_quadrant(extreme_corners(made, totals={"pmemo": total}))
    assert sum(counts) == total
    free = [count for count, size in zip(counts, sizes, strict=True) if count < size]
    assert not free or (max(counts) - min(free) <= 1)


def test_each_dataset_is_balanced_by_itself_and_some_stay_whole() -> None:
    unrated = [replace(clip, valence=None, arousal=None) for clip in scattered(30, dataset="emopia")]
    bimodal, small, large = scattered(40, dataset="bimodal"), scattered(120, dataset="x"), scattered(200, dataset="y")
    kept = extreme_corners([*unrated, *bimodal, *small, *large])
    by_dataset = {name: [clip for clip in kept if clip.dataset == name] for name in ("emopia", "bimodal", "x", "y")}
    assert by_dataset["emopia"] == unrated
    assert by_dataset["bimodal"] == bimodal
    assert by_dataset["x"] == extreme_corners(small)
    assert by_dataset["y"] == extreme_corners(large)


def test_clips_that_cannot_be_ranked_leave_a_rated_dataset() -> None:
    made = scattered(100)
    made[5] = replace(made[5], valence=None)
    made[6] = replace(made[6], quadrant=None)
    assert not {made[5].id, made[6].id} & {clip.id for clip in extreme_corners(made, cap=100)}


def test_what_would_keep_nothing_or_too_much_is_refused() -> None:
    with pytest.raises(SelectionError, match=r"pmemo has no clip in Q2 \(Tense\)"):
        extreme_corners(rated((0.5, 0.5), (-0.3, -0.3), (0.3, -0.3)))
    with pytest.raises(SelectionError, match="pmemo has 20 rated clips; a total of 21"):
        extreme_corners(scattered(20), totals={"pmemo": 21})
    with pytest.raises(SelectionError, match=r"cap of 0\.5"):
        extreme_corners(scattered(20), cap=0.5)


@pytest.mark.needs_data
def test_the_real_ratings_of_emotion_in_music(mer_data: Path, tmp_path: Path) -> None:
    dataset = DATASETS["emomusic"]
    clips = dataset.load(mer_data / dataset.folder, tmp_path)
    assert per_quadrant(extreme_corners(clips)) == [73, 73, 73, 73]
    assert per_quadrant(extreme_corners(clips, totals={"emomusic": 346})) == [91, 73, 91, 91]
    with pytest.raises(SelectionError, match="Every clip of emomusic"):
        long_enough(clips[:20])
