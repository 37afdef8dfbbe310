"""Splits: no artist of the training set is tested, no clip is lost, and every list is reproducible."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.inference.quadrants import Quadrant
from emotion.signal.landmarks import Match
from training.data import splits
from training.data.duplicates import group_labels
from training.data.splits import (
    PARTS,
    Fold,
    Folds,
    Protocol,
    SplitError,
    artist_grouped_folds,
    artist_grouped_split,
    artist_grouped_test_folds,
    leave_one_source_out,
    linked_groups,
    paper_folds,
    stratified_folds,
)
from training.datasets import DATASETS, Clip


def clips(n: int = 400) -> list[Clip]:
    rng = np.random.default_rng(0)
    return [
        Clip(
            f"a/{i}", "a" if i % 2 else "b", str(i), f"artist {rng.integers(0, n // 3)}", Path("x"), Quadrant(i % 4 + 1)
        )
        for i in range(n)
    ]


def two_sources(n: int = 400) -> list[Clip]:
    """Clips with every quadrant in both datasets, unlike `clips`, whose numbers are pinned."""
    made = [replace(clip, dataset="ab"[i // 4 % 2]) for i, clip in enumerate(clips(n))]
    # A few artists are in both.
    return [clip if len(clip.artist) == 8 else replace(clip, artist=f"{clip.dataset} {clip.artist}") for clip in made]


def ids(folds: Folds, part: str) -> list[set[str]]:
    return [set(getattr(fold, part)) for fold in folds.folds]


# --- The split of the shipped model -------------------------------------------------------------------------------


def test_no_artist_is_in_two_parts_and_nothing_is_lost() -> None:
    made = clips()
    [fold] = artist_grouped_split(made, seed=1).folds
    by_id = {clip.id: clip for clip in made}
    parts = [{by_id[i].artist for i in part} for part in (fold.train, fold.validation, fold.test)]
    assert not (parts[0] & parts[1])
    assert not (parts[0] & parts[2])
    assert not (parts[1] & parts[2])
    assert sorted(fold.train + fold.validation + fold.test) == sorted(by_id)
    assert 0.15 < len(fold.test) / len(made) < 0.25


def published(n: int = 60) -> list[Clip]:
    return [
        Clip(f"e/{i}", "e", str(i), f"song {i}", Path("x"), Quadrant.Q1, split="val" if i < 20 else "train")
        for i in range(n)
    ]


def test_a_published_split_stays() -> None:
    [fold] = artist_grouped_split([*clips(), *published()], seed=1).folds
    assert {i for i in fold.test if i.startswith("e/")} == {f"e/{i}" for i in range(20)}


def test_clips_linked_with_a_published_test_are_not_trained_on() -> None:
    """Published splits do not know of near-duplicates, nor of clips that they leave out."""
    made = [*clips(), *published()]
    n = len(made)
    made += [replace(made[-60], id="e/follows", split=""), replace(made[-1], id="e/joins", split="")]
    duplicates = np.arange(len(made))
    duplicates[[400, 459]] = n  # e/0, tested, and e/59, trained on
    [fold] = artist_grouped_split(made, seed=1, duplicates=duplicates).folds
    assert {"e/0", "e/follows", "e/joins"} <= set(fold.test)
    assert "e/59" not in {*fold.train, *fold.validation, *fold.test}
    assert {i for i in fold.test if i.startswith("e/")} == {f"e/{i}" for i in range(20)} | {"e/follows", "e/joins"}
    [fold] = artist_grouped_split(made, seed=1).folds
    assert {"e/59", "e/joins"} <= {*fold.train, *fold.validation}


def test_the_fingerprint_names_the_exact_ids() -> None:
    made = clips()
    one, same, other = (artist_grouped_split(made, seed=seed).folds[0].fingerprint() for seed in (1, 1, 2))
    assert one == same != other
    assert one == "4e545334f33ba3ff2b5156ba98a42d7780d1cf52e713ea5a3095dd71a0e202c3"


# --- Groups -------------------------------------------------------------------------------------------------------


def test_artist_song_and_recording_link_clips_through_one_another() -> None:
    a, b, c, d, e = (replace(clip, song_id=f"s{i}", artist=f"artist {i}") for i, clip in enumerate(two_sources(5)))
    made = [a, replace(b, artist=a.artist), replace(c, song_id=b.song_id, dataset=b.dataset), d, e]
    groups = linked_groups(made, duplicates=[0, 1, 2, 2, 4])
    assert groups[0] == groups[1] == groups[2] == groups[3] != groups[4]


def test_the_same_song_number_in_two_datasets_is_two_songs() -> None:
    a, b = clips()[:2]
    groups = linked_groups([replace(a, song_id="1", artist="x"), replace(b, song_id="1", artist="y")])
    assert groups[0] != groups[1]


def test_labels_of_duplicates_must_fit_the_clips() -> None:
    with pytest.raises(SplitError, match="3 duplicate labels for 4 clips"):
        linked_groups(clips(4), duplicates=[0, 1, 2])


# --- Folds --------------------------------------------------------------------------------------------------------


def test_every_clip_is_tested_once_and_in_one_part_of_each_fold() -> None:
    made = two_sources()
    for folds in (stratified_folds(made, seed=1), artist_grouped_folds(made, seed=1)):
        assert sorted(i for fold in folds.folds for i in fold.test) == sorted(clip.id for clip in made)
        for fold in folds.folds:
            assert sorted(fold.train + fold.validation + fold.test) == sorted(clip.id for clip in made)
            assert len(fold.validation) == pytest.approx(0.1 * 0.8 * len(made), rel=0.25)


def test_folds_without_validation_test_what_those_with_it_test() -> None:
    made = two_sources()
    duplicates = np.arange(len(made))
    duplicates[[3, 90]] = 3
    numbers = artist_grouped_test_folds(made, seed=1, n_folds=5, duplicates=duplicates)
    folds = artist_grouped_folds(made, seed=1, duplicates=duplicates)
    assert [set(np.flatnonzero(numbers == fold)) for fold in range(5)] == [set(r.test) for r in folds.rows(made)]


def test_stratified_folds_have_the_same_share_of_every_class_of_every_source() -> None:
    made = [clip for i, clip in enumerate(two_sources(800)) if i % 4 or i % 3]
    size = Counter((clip.dataset, clip.quadrant) for clip in made)
    by_id = {clip.id: clip for clip in made}
    for fold in stratified_folds(made, seed=3).folds:
        found = Counter((by_id[i].dataset, by_id[i].quadrant) for i in fold.test)
        assert all(abs(found[cell] - size[cell] / 5) <= 1 for cell in size)


@pytest.mark.parametrize(
    "protocol",
    [
        artist_grouped_split,
        artist_grouped_folds,
        leave_one_source_out,
        lambda made, **options: paper_folds(made, grouped=True, **options),
    ],
)
def test_no_artist_and_no_recording_is_on_two_sides(protocol: Callable[..., Folds]) -> None:
    made = two_sources()
    duplicates = np.arange(len(made))
    duplicates[[10, 130, 311]] = 7
    groups = dict(zip([clip.id for clip in made], linked_groups(made, duplicates).tolist(), strict=True))
    for fold in protocol(made, seed=2, duplicates=duplicates).folds:
        train, validation, test = ({groups[i] for i in getattr(fold, part)} for part in PARTS)
        assert not train & validation
        assert not (train | validation) & test
        assert train
        assert validation
        assert test


def test_stratified_folds_keep_only_duplicates_together() -> None:
    made = two_sources()
    duplicates = np.arange(len(made)) // 2
    for fold in stratified_folds(made, seed=1, duplicates=duplicates).folds:
        for part in PARTS:
            places = [int(i.split("/")[1]) for i in getattr(fold, part)]
            assert all(count == 2 for count in Counter(place // 2 for place in places).values())


def test_leaving_a_source_out_leaves_all_of_it_out() -> None:
    made = two_sources()
    folds = leave_one_source_out(made, seed=1)
    by_id = {clip.id: clip for clip in made}
    for source, fold in zip("ab", folds.folds, strict=True):
        assert set(fold.test) == {clip.id for clip in made if clip.dataset == source}
        artists = {by_id[i].artist for i in fold.test}
        assert any(clip.artist in artists for clip in made if clip.dataset != source)
        others = {clip.id for clip in made if clip.dataset != source and clip.artist not in artists}
        assert {*fold.train, *fold.validation} == others


# --- The paper ----------------------------------------------------------------------------------------------------


def of_the_paper(n: int = 1600) -> list[Clip]:
    made = two_sources(n)
    genres = ("rock", "jazz", "folk")
    return [
        replace(clip, dataset="emomusic" if clip.dataset == "b" else "a", artist=f"artist {i}", genre=genres[i % 7 % 3])
        for i, clip in enumerate(made)
    ]


def test_the_paper_s_test_is_a_tenth_of_every_dataset_class_and_genre() -> None:
    made = of_the_paper()
    by_id = {clip.id: clip for clip in made}
    folds = paper_folds(made, seed=5)
    [test] = {fold.test for fold in folds.folds}
    assert len(test) == 160
    for cell_of in (
        lambda clip: (clip.dataset, clip.quadrant),
        lambda clip: (clip.quadrant, clip.genre) if clip.dataset == "emomusic" else None,
    ):
        size, found = Counter(map(cell_of, made)), Counter(cell_of(by_id[i]) for i in test)
        assert all(abs(found[cell] - size[cell] / 10) <= 1 for cell in size)


def test_the_paper_s_folds_validate_on_each_of_the_rest_once() -> None:
    made = of_the_paper()
    folds = paper_folds(made, seed=5)
    rest = {clip.id for clip in made} - set(folds.folds[0].test)
    assert sorted(i for fold in folds.folds for i in fold.validation) == sorted(rest)
    assert all({*fold.train, *fold.validation} == rest for fold in folds.folds)
    assert folds.protocol == "paper"


def test_a_duplicate_of_a_test_clip_is_tested_too() -> None:
    made = of_the_paper()
    duplicates = np.arange(len(made)) % (len(made) // 2)
    folds = paper_folds(made, seed=5, duplicates=duplicates)
    tested = {int(i.split("/")[1]) for i in folds.folds[0].test}
    assert tested == {(i + 800) % 1600 for i in tested}
    assert len(tested) == pytest.approx(160, abs=2)


# --- Lists --------------------------------------------------------------------------------------------------------


def test_folds_are_saved_and_read_again(tmp_path: Path) -> None:
    made = two_sources()
    folds = artist_grouped_folds(made, seed=1)
    folds.save(tmp_path / "splits.json")
    content = json.loads((tmp_path / "splits.json").read_text())
    assert set(content) == {"protocol", "folds", "sha256"}
    assert set(content["folds"][0]) == {"train", "validation", "test"}
    assert Folds.load(tmp_path / "splits.json") == folds
    assert list(tmp_path.iterdir()) == [tmp_path / "splits.json"]
    rows = folds.rows(made)[2]
    assert [made[i].id for i in rows.test] == list(folds.folds[2].test)
    assert folds.sha256 == artist_grouped_folds(made, seed=1).sha256 != artist_grouped_folds(made, seed=2).sha256


def test_a_list_of_an_earlier_run_is_read_by_its_own_hash(tmp_path: Path) -> None:
    """Until 0.2.0 the flagship wrote its held-out fold alone, with a hash of the bare ids."""
    fold = {"train": ["a", "b"], "validation": ["c"], "test": ["d"]}
    sha256 = hashlib.sha256(b"a\nb\n\nc\n\nd").hexdigest()
    old = {"protocol": "held_out", "folds": [fold], "sha256": sha256}
    (tmp_path / "splits.json").write_text(json.dumps(old))
    folds = Folds.load(tmp_path / "splits.json")
    assert folds == Folds(Protocol.HELD_OUT, (Fold(("a", "b"), ("c",), ("d",)),))
    assert folds.is_named(sha256)
    assert folds.to_json()["sha256"] == folds.sha256 != sha256
    fold["test"] = ["e"]
    with pytest.raises(SplitError, match="changed after they were saved"):
        Folds.from_json(old)


def test_changed_or_foreign_lists_are_refused(tmp_path: Path) -> None:
    folds = Folds(Protocol.HELD_OUT, (Fold(("a",), ("b",), ("c",)),))
    content = folds.to_json()
    content["folds"][0]["test"] = ["d"]
    with pytest.raises(SplitError, match="changed after they were saved"):
        Folds.from_json(content)
    with pytest.raises(SplitError, match="not a list of folds: 'folds'"):
        Folds.from_json({"protocol": "held_out"})
    with pytest.raises(SplitError, match="'bootstrap' is not a valid Protocol"):
        Folds.from_json({**folds.to_json(), "protocol": "bootstrap"})
    (tmp_path / "splits.json").write_text("{")
    with pytest.raises(SplitError, match=r"splits\.json is not a list of folds"):
        Folds.load(tmp_path / "splits.json")
    with pytest.raises(SplitError, match="names 3 clips that are not here, such as a:"):
        folds.rows(clips(4))


# --- What cannot be dealt -----------------------------------------------------------------------------------------


def test_fewer_artists_than_folds_is_said_with_dataset_and_class() -> None:
    made = [
        replace(clip, artist=f"artist {i % 12 // 4}") if clip.dataset == "b" and clip.quadrant is Quadrant.Q2 else clip
        for i, clip in enumerate(two_sources())
    ]
    with pytest.raises(SplitError, match=r"b has Q2 \(Tense\) by 3 artists .*fold 4 of 5 would lack it"):
        artist_grouped_folds(made, seed=1)


def test_fewer_clips_than_folds_is_said_with_dataset_and_class() -> None:
    made = [clip for i, clip in enumerate(two_sources()) if clip.quadrant is not Quadrant.Q3 or i < 24]
    with pytest.raises(SplitError, match=r"a has Q3 \(Sad\) by 3 .* of 5"):
        stratified_folds(made, seed=1)


def test_a_fold_that_lacks_a_class_of_a_source_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups of very different sizes can be dealt so, though there are enough of them."""
    made = two_sources()

    def all_in_one(clips: list[Clip], members: list[int], *_: object) -> NDArray[np.int64]:
        return np.array(
            [i % 5 if clips[i].quadrant is not Quadrant.Q4 or clips[i].dataset == "a" else 2 for i in members]
        )

    monkeypatch.setattr(splits, "_deal", all_in_one)
    with pytest.raises(
        SplitError, match=r"Fold 1 of 5 \(stratified\): the test part has no clip of Q4 \(Calm\) from b"
    ):
        stratified_folds(made, seed=1)


def test_a_source_without_which_a_class_is_missing_cannot_be_left_out() -> None:
    made = [clip for clip in two_sources() if clip.dataset == "a" or clip.quadrant is not Quadrant.Q1]
    with pytest.raises(SplitError, match=r"Fold \d of 2 .*train part has no clip of Q1 \(Happy\) from a"):
        leave_one_source_out(made, seed=1)


@pytest.mark.parametrize(
    ("work", "sentence"),
    [
        (lambda made: leave_one_source_out([c for c in made if c.dataset == "a"], seed=1), "needs two .* only a"),
        (lambda made: stratified_folds(made, seed=1, n_folds=1), "at least 2"),
        (lambda made: stratified_folds([*made, made[7]], seed=1), "Two clips are called a/7"),
    ],
)
def test_what_cannot_be_split_is_refused(work: Callable[[list[Clip]], Folds], sentence: str) -> None:
    with pytest.raises(SplitError, match=sentence):
        work(two_sources())


@pytest.mark.needs_data
def test_the_real_sets_are_dealt_by_every_protocol(mer_data: Path, tmp_path: Path) -> None:
    names = ("4qaed", "emomusic", "deam", "emotify")
    made = [clip for name in names for clip in DATASETS[name].load(mer_data / DATASETS[name].folder, tmp_path)]
    for protocol in (stratified_folds, artist_grouped_folds, leave_one_source_out, paper_folds):
        folds = protocol(made, seed=20261120)
        assert len(folds.folds) == (4 if protocol is leave_one_source_out else 5)
        tested = {i for fold in folds.folds for i in fold.test}
        assert len(tested) == (pytest.approx(259, abs=1) if protocol is paper_folds else 2588)


@pytest.mark.needs_data
def test_known_near_duplicates_of_emopia_stay_on_one_side(mer_data: Path, tmp_path: Path) -> None:
    """Each is one recording under two songs, four of them across the published split."""
    known = [
        ("Q1_TNoaOTrTkTQ_1", "Q1_bIx4DwkZxFY_1"),
        ("Q4_FoTXpYZXxJs_0", "Q4_Ie5koh4qvJc_16"),
        ("Q4_FoTXpYZXxJs_1", "Q4_Ie5koh4qvJc_16"),
        ("Q4_FoTXpYZXxJs_1", "Q4_Ie5koh4qvJc_17"),
        ("Q4_Ie5koh4qvJc_28", "Q4_jO2zX6Ul8GM_2"),
    ]
    made = list(DATASETS["emopia"].read(mer_data / "emopia", tmp_path).clips)
    place = {clip.id.removeprefix("emopia/"): i for i, clip in enumerate(made)}
    duplicates = group_labels(len(made), [Match(place[a], place[b], 0.0, 30.0, 0.7) for a, b in known])
    groups = linked_groups(made, duplicates)
    for deal in (artist_grouped_split, artist_grouped_folds):
        for fold in deal(made, seed=20261121, duplicates=duplicates).rows(made):
            train, validation, test = (set(groups[part].tolist()) for part in fold)
            assert not train & validation
            assert not (train | validation) & test
