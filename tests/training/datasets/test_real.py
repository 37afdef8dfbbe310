"""Every importer against the real annotation files: what they hold, counted."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from emotion.inference.quadrants import Quadrant
from training.datasets import DATASETS
from training.datasets.base import Curve, Reading

pytestmark = pytest.mark.needs_data

Read = Callable[[str], Reading]
Curves = Callable[[str], dict[str, list[Curve]]]
_READ: dict[str, Reading] = {}
_CURVES: dict[str, dict[str, list[Curve]]] = {}


@pytest.fixture
def read(mer_data: Path) -> Read:
    """Reads a dataset once for all tests; opens no audio and renders nothing."""

    def once(name: str) -> Reading:
        if name not in _READ:
            _READ[name] = DATASETS[name].read(mer_data / DATASETS[name].folder, Path("/nowhere"))
        return _READ[name]

    return once


@pytest.fixture
def curves(mer_data: Path) -> Curves:
    """Reads the curves of a dataset once for all tests."""

    def once(name: str) -> dict[str, list[Curve]]:
        load = DATASETS[name].curves
        assert load is not None
        if name not in _CURVES:
            _CURVES[name] = load(mer_data / name)
        return _CURVES[name]

    return once


@pytest.mark.parametrize(
    ("name", "counts", "artists"),
    [
        ("4qaed", (225, 225, 225, 225), 664),
        ("pmemo", (491, 76, 138, 62), 395),
        ("emomusic", (251, 73, 307, 113), 411),
        ("deam", (187, 49, 230, 78), 304),
        ("emotify", (114, 100, 69, 117), 138),
        ("emopia", (225, 246, 232, 287), 355),
        ("vgmidi", (44, 22, 15, 33), 8),
    ],
)
def test_the_real_files_give_these_quadrants(read: Read, name: str, counts: tuple[int, ...], artists: int) -> None:
    clips, problems = read(name).clips, read(name).problems
    found = Counter(clip.quadrant for clip in clips)
    assert tuple(found[quadrant] for quadrant in Quadrant) == counts
    assert len(clips) == sum(counts)
    assert len({clip.id for clip in clips}) == len(clips)
    assert len({clip.artist for clip in clips}) == artists
    assert problems == ()


@pytest.mark.parametrize(
    ("name", "clips", "songs", "artists", "tags"),
    [
        ("cal500", 502, 502, 499, 174),
        ("cal500exp", 3223, 500, 497, 67),
        ("jamendo", 18_486, 18_486, 1533, 59),
    ],
)
def test_the_real_files_give_these_tags(
    read: Read, mer_data: Path, name: str, clips: int, songs: int, artists: int, tags: int
) -> None:
    found = read(name).clips
    assert len(found) == len({clip.id for clip in found}) == clips
    assert len({clip.song_id for clip in found}) == songs
    assert len({clip.artist for clip in found}) == artists
    vocabulary = DATASETS[name].vocabulary
    assert vocabulary is not None
    assert {tag for clip in found for tag in clip.tags} == set(vocabulary(mer_data / name))
    assert len(vocabulary(mer_data / name)) == tags
    assert {clip.quadrant for clip in found} == {None}
    assert read(name).problems == ()


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("4qaed", "166e937816543b64"),
        ("emomusic", "63b093fd4db9e0cb"),
        ("deam", "667b48e56c94cad5"),
        ("emotify", "2cd70b3350db816a"),
        ("emopia", "ab18a4e7d2277c98"),
    ],
)
def test_clips_that_models_were_trained_on_stay_what_they_were(read: Read, name: str, digest: str) -> None:
    """Saved splits name clips by id and group them by artist: ids, artists, labels and order are a promise."""
    lines = (f"{c.id}|{c.song_id}|{c.artist}|{c.quadrant.name}|{c.split}" for c in read(name).clips if c.quadrant)
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16] == digest


@pytest.mark.parametrize("name", ["4qaed", "emomusic", "deam", "emotify"])
def test_all_real_audio_can_be_opened(mer_data: Path, tmp_path: Path, name: str) -> None:
    seen: list[Path] = []
    assert DATASETS[name].validate(mer_data, tmp_path, seen=seen.append) == []
    assert len(seen) == {"4qaed": 900, "emomusic": 744, "deam": 544, "emotify": 400}[name]


def test_pmemo_names_the_songs_that_are_not_here(read: Read, mer_data: Path, tmp_path: Path) -> None:
    problems = DATASETS["pmemo"].validate(mer_data, tmp_path)
    here = {path.stem for path in (mer_data / "pmemo").glob("*/*.mp3")}
    assert len(problems) == 767 - len(here)
    assert all(problem.endswith(".mp3 is missing or empty.") for problem in problems)
    assert not DATASETS["pmemo"].is_trainable(mer_data, tmp_path)


def test_the_published_splits(read: Read) -> None:
    emopia = Counter(clip.split for clip in read("emopia").clips)
    assert (emopia["train"], emopia["val"]) == (767, 198)
    jamendo = Counter(clip.split for clip in read("jamendo").clips)
    assert (jamendo["train"], jamendo["val"], jamendo["test"], jamendo[""]) == (9949, 3802, 4231, 504)


def test_emotify_s_known_duplicates_share_their_group(read: Read) -> None:
    clips = {clip.id: clip for clip in read("emotify").clips}
    assert clips["emotify/176"].artist == clips["emotify/170"].artist
    assert clips["emotify/366"].artist == clips["emotify/359"].artist
    assert sum(clip.n_raters for clip in clips.values()) == 8407


def test_emomusic_is_not_read_from_deam_s_swapped_file(read: Read, mer_data: Path) -> None:
    clips = {clip.id: clip for clip in read("emomusic").clips}
    path = mer_data / "emomusic" / "annotations" / "static_annotations.csv"
    with path.open(newline="") as file:
        first = next(csv.DictReader(file))
    clip = clips[f"emomusic/{first['song_id']}"]
    assert clip.valence == pytest.approx((float(first["mean_valence"]) - 5) / 4)
    assert clip.arousal == pytest.approx((float(first["mean_arousal"]) - 5) / 4)


def test_the_known_facts_about_the_songs(read: Read) -> None:
    assert Counter(clip.genre for clip in read("emomusic").clips).keys() >= {"Blues", "Classical", "Jazz", "Rock"}
    assert len({clip.genre for clip in read("emomusic").clips}) == 8
    assert all(clip.title and clip.genre and clip.tags for clip in read("4qaed").clips)
    assert all(clip.title for clip in read("pmemo").clips)
    assert sum(bool(clip.album) for clip in read("pmemo").clips) > 700
    assert {rater for clip in read("emopia").clips for rater in clip.raters} == {"A", "B", "C", "D"}
    assert all(28 <= clip.n_raters <= 32 for clip in read("vgmidi").clips)


@pytest.mark.parametrize(
    ("name", "clips", "count"),
    [("pmemo", 767, 767), ("emomusic", 744, 744), ("deam", 544, 544), ("vgmidi", 114, 3408)],
)
def test_the_real_curves(curves: Curves, name: str, clips: int, count: int) -> None:
    found = curves(name)
    assert (len(found), sum(map(len, found.values()))) == (clips, count)
    for curve in (curve for each in found.values() for curve in each):
        assert curve.times_s.shape == curve.valence.shape == curve.arousal.shape
        assert np.abs([curve.valence, curve.arousal]).max() <= 1
        assert (np.diff(curve.times_s) > 0).all()


def test_the_curves_of_deam_agree_with_its_songs(read: Read, curves: Curves) -> None:
    """Curves cut to the 10 s of audio rise with the song's own rating, so that neither axis is the other."""
    clips = read("deam").clips
    for axis, other in (("valence", "arousal"), ("arousal", "valence")):
        means = [float(getattr(curves("deam")[clip.id][0], axis).mean()) for clip in clips]
        own = np.corrcoef(means, [getattr(clip, axis) for clip in clips])[0, 1]
        crossed = np.corrcoef(means, [getattr(clip, other) for clip in clips])[0, 1]
        assert own > max(0.5, crossed)
