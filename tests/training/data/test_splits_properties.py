"""Whatever the artists, songs and near-duplicates: every clip is tested once, no group has two sides."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from emotion.inference.quadrants import Quadrant
from training.data.splits import (
    PARTS,
    Folds,
    Protocol,
    artist_grouped_folds,
    artist_grouped_split,
    leave_one_source_out,
    linked_groups,
    paper_folds,
    stratified_folds,
)
from training.datasets import Clip

N_FOLDS = 3
FREE = 160
Made = tuple[list[Clip], list[int]]
GROUPED = (
    artist_grouped_folds,
    leave_one_source_out,
    lambda clips, **options: paper_folds(clips, grouped=True, **options),
)

# Few examples, each of them a whole set: dealing one takes some 50 ms.
few = settings(max_examples=8, deadline=None)


@st.composite
def collections(draw: st.DrawFn, *, published: bool = False) -> Made:
    """Draw two sources with every quadrant by enough artists, some of whose clips are linked in three ways."""
    clips = [
        Clip(f"{'ab'[i % 2]}/{i}", "ab"[i % 2], str(i), f"artist {i}", Path("x"), Quadrant(i // 2 % 4 + 1))
        for i in range(FREE)
    ]
    # Half of the clips stay alone, so that every fold can have every class.
    linkable = st.integers(0, FREE // 2 - 1)
    for i, other in draw(st.lists(st.tuples(linkable, linkable), max_size=12)):
        clips[i] = replace(clips[i], artist=clips[other].artist)
    for i, other in draw(st.lists(st.tuples(linkable, linkable), max_size=6)):
        if clips[i].dataset == clips[other].dataset:
            clips[i] = replace(clips[i], song_id=clips[other].song_id)
    duplicates = list(range(FREE))
    for i, other in draw(st.lists(st.tuples(linkable, linkable), max_size=6)):
        duplicates[i] = duplicates[other]
    if published:
        for i, part in draw(st.dictionaries(linkable, st.sampled_from(("train", "val", "test")), max_size=20)).items():
            clips[i] = replace(clips[i], split=part)
    return clips, duplicates


def sides_of(folds: Folds, labels: dict[str, int]) -> list[list[set[int]]]:
    return [[{labels[i] for i in getattr(fold, part)} for part in PARTS] for fold in folds.folds]


def assert_apart(folds: Folds, labels: dict[str, int]) -> None:
    for train, validation, test in sides_of(folds, labels):
        assert not train & validation
        assert not train & test
        assert not validation & test


def labels_of(clips: list[Clip], duplicates: list[int]) -> dict[str, int]:
    return dict(zip([clip.id for clip in clips], linked_groups(clips, duplicates).tolist(), strict=True))


@given(collections())
@few
def test_groups_are_the_transitive_closure_of_the_three_links(made: Made) -> None:
    clips, duplicates = made
    near = range(40)
    groups = list(near)
    names = [{("a", c.artist), ("s", c.dataset, c.song_id), ("d", d)} for c, d in zip(clips, duplicates, strict=True)]
    pairs = [(i, k) for i in near for k in near if names[i] & names[k]]
    while any(groups[i] != groups[k] for i, k in pairs):
        for i, k in pairs:
            groups[i] = groups[k] = min(groups[i], groups[k])
    found = linked_groups(clips[:40], duplicates[:40]).tolist()
    assert len(set(zip(groups, found, strict=True))) == len(set(groups)) == len(set(found))


@given(collections(), st.integers(0, 2**31))
@few
def test_every_clip_is_tested_in_exactly_one_fold_and_no_group_in_two(made: Made, seed: int) -> None:
    clips, duplicates = made
    labels = labels_of(clips, duplicates)
    for deal in (artist_grouped_folds, stratified_folds):
        folds = deal(clips, seed=seed, n_folds=N_FOLDS, duplicates=duplicates)
        assert sorted(i for fold in folds.folds for i in fold.test) == sorted(labels)
        for fold in folds.folds:
            assert sorted((*fold.train, *fold.validation, *fold.test)) == sorted(labels)
        recordings = dict(zip(labels, duplicates, strict=True))
        kept_apart = recordings if folds.protocol is Protocol.STRATIFIED else labels
        assert_apart(folds, kept_apart)
        tests = [side[2] for side in sides_of(folds, kept_apart)]
        assert sum(map(len, tests)) == len(set().union(*tests))


@given(collections(), st.integers(0, 2**31))
@few
def test_no_grouped_protocol_lets_a_group_across(made: Made, seed: int) -> None:
    clips, duplicates = made
    labels = labels_of(clips, duplicates)
    for deal in GROUPED:
        assert_apart(deal(clips, seed=seed, duplicates=duplicates), labels)


@given(collections(published=True), st.integers(0, 2**31))
@few
def test_the_held_out_split_keeps_groups_apart_and_published_tests_whole(made: Made, seed: int) -> None:
    clips, duplicates = made
    folds = artist_grouped_split(clips, seed=seed, duplicates=duplicates)
    assert_apart(folds, labels_of(clips, duplicates))
    [fold] = folds.folds
    assert {clip.id for clip in clips if clip.split in ("val", "test")} <= set(fold.test)
    assert not {clip.id for clip in clips if clip.split == "train"} & set(fold.test)
    left_out = {clip.id for clip in clips} - {*fold.train, *fold.validation, *fold.test}
    assert left_out <= {clip.id for clip in clips if clip.split == "train"}


@given(collections(), st.integers(0, 2**31))
@few
def test_a_seed_deals_the_same_folds_again(made: Made, seed: int) -> None:
    clips, duplicates = made
    for deal in (artist_grouped_split, artist_grouped_folds):
        first, again = (deal(clips, seed=seed, duplicates=duplicates) for _ in range(2))
        assert first == again
        assert first.sha256 == again.sha256
        assert Folds.from_json(first.to_json()) == first


@given(collections(), st.integers(0, 2**31))
@few
def test_cells_are_spread_evenly_as_far_as_the_largest_group_allows(made: Made, seed: int) -> None:
    clips, duplicates = made
    size = Counter((clip.dataset, clip.quadrant) for clip in clips)
    by_id = {clip.id: clip for clip in clips}
    groups = labels_of(clips, duplicates)
    for deal, labels in ((stratified_folds, dict(zip(by_id, duplicates, strict=True))), (artist_grouped_folds, groups)):
        largest = max(Counter(labels.values()).values())
        for fold in deal(clips, seed=seed, n_folds=N_FOLDS, duplicates=duplicates).folds:
            found = Counter((by_id[i].dataset, by_id[i].quadrant) for i in fold.test)
            assert all(abs(found[cell] - n / N_FOLDS) <= 1 + largest for cell, n in size.items())
