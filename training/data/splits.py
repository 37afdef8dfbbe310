"""Who trains, who validates, who tests: the paper's protocol, folds grouped by artist, whole sources left out. Pure."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from emotion.inference.quadrants import Quadrant
from training.data.folds import (
    Fold,
    Folds,
    Split,
    SplitError,
    places_of,
)
from training.datasets.base import Clip

__all__ = [
    "Fold",
    "Folds",
    "Split",
    "SplitError",
    "artist_grouped_folds",
    "artist_grouped_split",
    "leave_one_source_out",
    "linked_groups",
    "paper_folds",
    "published_folds",
    "stratified_folds",
]

N_FOLDS = 10
TEST_FOLDS = (0, 1)
VALIDATION_FOLDS = (2,)
PUBLISHED_TEST = ("val", "test")

Labels = Sequence[int] | NDArray[np.int64]


def artist_grouped_split(clips: Sequence[Clip], *, seed: int) -> Split:
    """Hold out two of ten artist-grouped folds for the test and one for validation.

    Folds are stratified by dataset and quadrant. Where a dataset publishes a split, its `val` part is the test and
    only its `train` part is trained and validated on.

    Args:
        clips: All clips, of every dataset.
        seed: Of the fold assignment.
    """
    strata = [f"{clip.dataset} {clip.quadrant}" for clip in clips]
    artists = [clip.artist for clip in clips]
    folds = np.zeros(len(clips), int)
    splitter = StratifiedGroupKFold(N_FOLDS, shuffle=True, random_state=seed)
    for fold, (_, members) in enumerate(splitter.split(strata, strata, artists)):
        folds[members] = fold
    train: list[int] = []
    validation: list[int] = []
    test: list[int] = []
    for i, clip in enumerate(clips):
        in_test = clip.split in PUBLISHED_TEST if clip.split else folds[i] in TEST_FOLDS
        part = test if in_test else validation if folds[i] in VALIDATION_FOLDS else train
        part.append(i)
    return Split(tuple(train), tuple(validation), tuple(test))


def linked_groups(clips: Sequence[Clip], duplicates: Labels | None = None) -> NDArray[np.int64]:
    """Return `(n,)` labels, equal for clips that must stay on one side: of one artist, one song or one recording.

    Args:
        clips: Of any datasets; an artist is the same one in all of them.
        duplicates: A label per clip, equal for near-duplicates, as `duplicates.duplicate_groups` returns them.

    Raises:
        SplitError: There is not one label per clip.
    """
    names = [
        (f"artist {clip.artist}", f"song {clip.dataset} {clip.song_id}", f"recording {recording}")
        for clip, recording in zip(clips, _recordings(clips, duplicates), strict=True)
    ]
    nodes = {name: len(clips) + i for i, name in enumerate(dict.fromkeys(name for row in names for name in row))}
    ends = [nodes[name] for row in names for name in row]
    size = len(clips) + len(nodes)
    graph = coo_matrix((np.ones(len(ends)), (np.repeat(np.arange(len(clips)), 3), ends)), shape=(size, size))
    return connected_components(graph, directed=False)[1][: len(clips)].astype(np.int64)


def stratified_folds(
    clips: Sequence[Clip],
    *,
    seed: int,
    n_folds: int = 5,
    validation_share: float = 0.1,
    duplicates: Labels | None = None,
) -> Folds:
    """Deal clips into folds by source and quadrant alone: the literature's protocol, in which artists leak.

    Args:
        clips: All clips, of every dataset.
        seed: Of the deal.
        n_folds: Each is the test once.
        validation_share: Of what is not tested.
        duplicates: As in `linked_groups`; the only clips that are kept together.

    Raises:
        SplitError: A dataset has fewer clips of a class than there are folds, or two clips share an id.
    """
    dealt = list(range(len(clips)))
    groups = _recordings(clips, duplicates)
    folds = [
        _with_validation(clips, rest, test, groups, seed, validation_share)
        for rest, test in _rounds(clips, dealt, groups, n_folds, seed)
    ]
    return _checked("stratified", folds, clips, cells=("train", "test"))


def artist_grouped_folds(
    clips: Sequence[Clip],
    *,
    seed: int,
    n_folds: int = 5,
    validation_share: float = 0.1,
    duplicates: Labels | None = None,
    published: bool = False,
) -> Folds:
    """Deal clips into folds so that no artist, song or recording is on two sides of one.

    Args:
        clips: All clips, of every dataset.
        seed: Of the deal.
        n_folds: Each is the test once.
        validation_share: Of what is not tested, grouped likewise.
        duplicates: As in `linked_groups`.
        published: Keep the splits that datasets publish: their test clips are tested in every fold, their training
            clips in none.

    Raises:
        SplitError: A dataset has a class by fewer artists than there are folds, a fold lacks a class, or two clips
            share an id.
    """
    groups = linked_groups(clips, duplicates)
    kept = {i for i, clip in enumerate(clips) if published and clip.split}
    always_tested = {i for i in kept if clips[i].split in PUBLISHED_TEST}
    dealt = [i for i in range(len(clips)) if i not in kept]
    folds = []
    for rest, test in _rounds(clips, dealt, groups, n_folds, seed):
        tested = test | always_tested
        known = {int(groups[i]) for i in tested}
        unknown = [i for i in sorted({*rest, *(kept - always_tested)}) if int(groups[i]) not in known]
        folds.append(_with_validation(clips, unknown, tested, groups, seed, validation_share))
    return _checked("artist_grouped", folds, clips, cells=("train", "test"))


def paper_folds(
    clips: Sequence[Clip],
    *,
    seed: int,
    n_folds: int = 5,
    test_share: float = 0.1,
    by_genre: Collection[str] = ("emomusic",),
    duplicates: Labels | None = None,
    grouped: bool = False,
) -> Folds:
    """Hold a balanced tenth out, then deal the rest into folds: every model is scored on the same test.

    Args:
        clips: What the selection left.
        seed: Of both.
        n_folds: Each of the rest is validated on once.
        test_share: Held out of every dataset and class.
        by_genre: Datasets with one genre per song, balanced by it as well.
        duplicates: As in `linked_groups`.
        grouped: Keep artists on one side, which the paper does not; genres are then left alone. The protocol is then
            called "artist_grouped".

    Raises:
        SplitError: As in `artist_grouped_folds`.

    Source: Cazzaniga et al., sections 4.2 and 5.
    """
    everyone = list(range(len(clips)))
    if grouped:
        groups = linked_groups(clips, duplicates)
        _, test = _rounds(clips, everyone, groups, round(1 / test_share), seed)[0]
    else:
        groups = _recordings(clips, duplicates)
        test = _balanced_sample(clips, groups, test_share, by_genre, seed)
    rest = [i for i in everyone if i not in test]
    folds = [_fold(clips, train, part, test) for train, part in _rounds(clips, rest, groups, n_folds, seed)]
    name = "artist_grouped" if grouped else "paper"
    return _checked(name, folds, clips, cells=("train", "validation", "test"))


def published_folds(
    clips: Sequence[Clip], *, seed: int, validation_share: float = 0.1, duplicates: Labels | None = None
) -> Folds:
    """Return the one fold that datasets publish: tested on their `val` or `test`, validated within their `train`.

    Clips without a published part are left out.

    Raises:
        SplitError: No dataset publishes both parts, a part lacks a class, or two clips share an id.
    """
    test = {i for i, clip in enumerate(clips) if clip.split in PUBLISHED_TEST}
    rest = [i for i, clip in enumerate(clips) if clip.split == "train"]
    if not test or not rest:
        raise SplitError("None of these datasets publishes a split; choose other folds.")
    fold = _with_validation(clips, rest, test, linked_groups(clips, duplicates), seed, validation_share)
    return _checked("published", [fold], clips)


def leave_one_source_out(
    clips: Sequence[Clip], *, seed: int, validation_share: float = 0.1, duplicates: Labels | None = None
) -> Folds:
    """Return a fold per dataset, in order of appearance, in which all of it is tested and none of it trained on.

    Clips of other datasets that share an artist or a recording with the tested one are in no part of that fold.

    Raises:
        SplitError: There is only one dataset, a fold's training lacks a class, or two clips share an id.
    """
    sources = list(dict.fromkeys(clip.dataset for clip in clips))
    if len(sources) < 2:
        raise SplitError(f"Leaving a source out needs two of them; here is only {', '.join(sources) or 'none'}.")
    groups = linked_groups(clips, duplicates)
    folds = []
    for source in sources:
        test = {i for i, clip in enumerate(clips) if clip.dataset == source}
        known = {int(groups[i]) for i in test}
        rest = [i for i in range(len(clips)) if int(groups[i]) not in known]
        folds.append(_with_validation(clips, rest, test, groups, seed, validation_share))
    return _checked("leave_one_source_out", folds, clips)


def _recordings(clips: Sequence[Clip], duplicates: Labels | None) -> NDArray[np.int64]:
    if duplicates is None:
        return np.arange(len(clips))
    if len(duplicates) != len(clips):
        raise SplitError(f"There are {len(duplicates)} duplicate labels for {len(clips)} clips; give one for each.")
    return np.asarray(duplicates, np.int64)


def _rounds(
    clips: Sequence[Clip], dealt: Sequence[int], groups: NDArray[np.int64], n_folds: int, seed: int
) -> list[tuple[list[int], set[int]]]:
    """Deal positions into folds and return, for each fold in turn, the others and its own."""
    _refuse_small_cells(clips, dealt, groups, n_folds)
    numbers = _deal(clips, dealt, groups, n_folds, seed)
    return [
        (
            [i for i, mine in zip(dealt, numbers == fold, strict=True) if not mine],
            {i for i, mine in zip(dealt, numbers == fold, strict=True) if mine},
        )
        for fold in range(n_folds)
    ]


def _deal(
    clips: Sequence[Clip], members: Sequence[int], groups: NDArray[np.int64], n_folds: int, seed: int
) -> NDArray[np.int64]:
    """Return the fold of each member, even over sources and quadrants as far as groups allow."""
    strata = [f"{clips[i].dataset} {clips[i].quadrant}" for i in members]
    labels = groups[list(members)]
    alone = len(np.unique(labels)) == len(labels)
    kind = StratifiedKFold if alone else StratifiedGroupKFold
    folds = np.zeros(len(members), np.int64)
    with warnings.catch_warnings():
        # A source may well have fewer clips of a class than there are folds where nobody asks for one in each.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        splitter = kind(n_folds, shuffle=True, random_state=seed).split(strata, strata, None if alone else labels)
        for fold, (_, taken) in enumerate(splitter):
            folds[taken] = fold
    return folds


def _refuse_small_cells(clips: Sequence[Clip], dealt: Sequence[int], groups: NDArray[np.int64], n_folds: int) -> None:
    if n_folds < 2:
        raise SplitError(f"{n_folds} folds leave nothing to train on; ask for at least 2.")
    cells: dict[tuple[str, Quadrant], set[int]] = {}
    for i in dealt:
        quadrant = clips[i].quadrant
        if quadrant is not None:
            cells.setdefault((clips[i].dataset, quadrant), set()).add(int(groups[i]))
    for (dataset, quadrant), members in cells.items():
        if len(members) < n_folds:
            raise SplitError(
                f"{dataset} has {quadrant.name} ({quadrant.label}) by {len(members)} artists or recordings only, so "
                f"fold {len(members) + 1} of {n_folds} would lack it. Ask for fewer folds, or leave {dataset} out."
            )


def _balanced_sample(
    clips: Sequence[Clip], groups: NDArray[np.int64], share: float, by_genre: Collection[str], seed: int
) -> set[int]:
    """Take a share of every dataset, of each of its classes and, where asked, of each genre in these.

    Recordings are lined up by dataset, class and genre, and taken at even steps along the line: every stretch of it,
    large or small, then gives its share to within one.
    """
    rng = np.random.default_rng(seed)
    _, first = np.unique(groups, return_index=True)
    lot = dict(zip(first.tolist(), rng.random(len(first)), strict=True))

    def place(i: int) -> tuple[str, int, str, float]:
        clip = clips[i]
        return clip.dataset, clip.quadrant or 0, clip.genre if clip.dataset in by_genre else "", lot[i]

    steps = np.floor(np.arange(len(first) + 1) * share + rng.random())
    taken = {int(groups[i]) for i, step in zip(sorted(lot, key=place), np.diff(steps), strict=True) if step}
    return {i for i, group in enumerate(groups) if int(group) in taken}


def _with_validation(
    clips: Sequence[Clip], rest: Sequence[int], test: set[int], groups: NDArray[np.int64], seed: int, share: float
) -> Fold:
    """Take a share of the rest for validation and train on what is left."""
    numbers = _deal(clips, rest, groups, max(2, round(1 / share)), seed) if share else np.ones(len(rest))
    validation = {i for i, number in zip(rest, numbers, strict=True) if number == 0}
    return _fold(clips, [i for i in rest if i not in validation], validation, test)


def _fold(clips: Sequence[Clip], train: Sequence[int], validation: set[int], test: set[int]) -> Fold:
    return Split(tuple(train), tuple(sorted(validation)), tuple(sorted(test))).fold(clips)


def _checked(protocol: str, folds: Sequence[Fold], clips: Sequence[Clip], cells: Collection[str] = ()) -> Folds:
    """Return the folds, if training and validation have every class, and `cells` every class of every dataset."""
    places = places_of(clips)
    labels = [(clip.dataset, clip.quadrant) for clip in clips if clip.quadrant is not None]
    for number, fold in enumerate(folds, start=1):
        for name in ("train", "validation", "test"):
            members = [clips[places[i]] for i in getattr(fold, name)]
            found = {(clip.dataset, clip.quadrant) for clip in members}
            classes = {quadrant for _, quadrant in found}
            for dataset, quadrant in dict.fromkeys(labels):
                lacks_cell = name in cells and (dataset, quadrant) not in found
                if lacks_cell or (quadrant not in classes and (name == "train" or (name == "validation" and members))):
                    raise SplitError(
                        f"Fold {number} of {len(folds)} ({protocol}): the {name} part has no clip of "
                        f"{quadrant.name} ({quadrant.label}) from {dataset}. Ask for fewer folds or another seed, or "
                        f"leave {dataset} out."
                    )
    return Folds(protocol, tuple(folds))
