"""Deal clips into those that train, validate and test: the one place where folds are made.

Clips of one artist, one song or one recording (a near-duplicate under another name) are linked, also transitively, and
stay on one side. Only the literature's protocols let artists cross.

Functions raise SplitError for too few clips of a class, a class missing in a part, two clips of one id, or lists that
do not fit the clips.
"""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from catalog.core.files import digest, write_atomic
from emotion.inference.quadrants import Quadrant
from training.datasets.base import Clip
from training.exceptions import TrainingError

PARTS = ("train", "validation", "test")
HELD_OUT_FOLDS = 10
TEST_FOLDS = (0, 1)
VALIDATION_FOLDS = (2,)
# Of what a fold does not test, one in so many parts is validated on.
VALIDATION_PARTS = 10
PUBLISHED_TEST = ("val", "test")

Labels = Sequence[int] | NDArray[np.int64]


class SplitError(TrainingError):
    """Clips that cannot be dealt as asked, or lists that do not fit the clips."""

    code = "split_impossible"


class Protocol(StrEnum):
    """How clips are dealt, as files and tables name it; a run is scored by its first one."""

    HELD_OUT = "held_out"
    ARTIST_GROUPED = "artist_grouped"
    PAPER = "paper"
    STRATIFIED = "stratified"
    LEAVE_ONE_SOURCE_OUT = "leave_one_source_out"


class Rows(NamedTuple):
    """Positions of the clips of each part of a fold."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Fold:
    """Clip ids of each part of one fold; no id is in two of them."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]

    def rows(self, places: Mapping[str, int]) -> Rows:
        missing = [i for part in astuple(self) for i in part if i not in places]
        if missing:
            raise SplitError(
                f"A fold names {len(missing)} clips that are not here, such as {missing[0]}: these are not the "
                "datasets that were split."
            )
        return Rows(*(np.array([places[i] for i in part], np.int64) for part in astuple(self)))

    def fingerprint(self) -> str:
        """Return the hash of the ids alone, as runs before 0.2.0 saved it of their held-out fold."""
        return digest("\n\n".join("\n".join(part) for part in astuple(self)).encode())


@dataclass(frozen=True, slots=True)
class Folds:
    """Every fold of a protocol, as exact lists of ids; the position is the number in `Predictions.fold`."""

    protocol: Protocol
    folds: tuple[Fold, ...]

    @property
    def sha256(self) -> str:
        return digest(json.dumps([self.protocol, [asdict(fold) for fold in self.folds]]).encode())

    def is_named(self, sha256: str) -> bool:
        """Return whether a hash is of these folds, in the present form or in that of runs before 0.2.0."""
        return sha256 == self.sha256 or (len(self.folds) == 1 and sha256 == self.folds[0].fingerprint())

    def rows(self, clips: Sequence[Clip]) -> list[Rows]:
        places = places_of(clips)
        return [fold.rows(places) for fold in self.folds]

    def to_json(self) -> dict[str, Any]:
        return {"protocol": self.protocol, "folds": [asdict(fold) for fold in self.folds], "sha256": self.sha256}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Folds:
        try:
            folds = tuple(Fold(*(tuple(fold[part]) for part in PARTS)) for fold in content["folds"])
            dealt, stated = cls(Protocol(content["protocol"]), folds), content["sha256"]
        except (KeyError, TypeError, ValueError) as error:
            raise SplitError(f"This is not a list of folds: {error}.") from error
        if not dealt.is_named(stated):
            raise SplitError(f"The folds were changed after they were saved: their hash is no longer {stated}.")
        return dealt

    def save(self, path: Path) -> None:
        write_atomic(path, json.dumps(self.to_json(), indent=0))

    @classmethod
    def load(cls, path: Path) -> Folds:
        try:
            return cls.from_json(json.loads(path.read_text(encoding="utf-8")))
        except json.JSONDecodeError as error:
            raise SplitError(f"{path} is not a list of folds: {error}.") from error
        except SplitError as error:
            raise SplitError(f"{path}: {error}") from error


def places_of(clips: Sequence[Clip]) -> dict[str, int]:
    """Return the position of each clip by its id."""
    places = {clip.id: i for i, clip in enumerate(clips)}
    if len(places) < len(clips):
        twice = next(clip.id for i, clip in enumerate(clips) if places[clip.id] != i)
        raise SplitError(f"Two clips are called {twice}: give every clip a different id.")
    return places


def artist_grouped_split(clips: Sequence[Clip], *, seed: int, duplicates: Labels | None = None) -> Folds:
    """Hold out two of ten grouped folds for the test and one for validation.

    Folds are stratified by dataset and quadrant. Where a dataset publishes a split, its `val` part is the test and
    only its `train` part is trained and validated on. Clips without a published part follow those that they are linked
    with; training clips that are linked with a published test are in no part.
    """
    places_of(clips)
    groups = linked_groups(clips, duplicates)
    numbers = _deal(clips, range(len(clips)), groups, HELD_OUT_FOLDS, seed)
    for_training, for_test = (
        np.isin(groups, groups[[clip.split in parts for clip in clips]]) for parts in (("train",), PUBLISHED_TEST)
    )
    tested = for_test | (~for_training & np.isin(numbers, TEST_FOLDS))
    test = {i for i in np.flatnonzero(tested).tolist() if clips[i].split != "train"}
    rest = _unlinked(groups, test)
    validation = {i for i in rest if numbers[i] in VALIDATION_FOLDS}
    fold = _fold(clips, [i for i in rest if i not in validation], validation, test)
    return Folds(Protocol.HELD_OUT, (fold,))


def linked_groups(clips: Sequence[Clip], duplicates: Labels | None = None) -> NDArray[np.int64]:
    """Return `(n,)` labels, equal for clips that must stay on one side: of one artist, one song or one recording.

    Labels are numbered by the first artist's name in each group, so that they do not depend on the order of the clips.
    """
    names = [
        name
        for clip, recording in zip(clips, _recordings(clips, duplicates), strict=True)
        for name in (f"artist {clip.artist}", f"song {clip.dataset} {clip.song_id}", f"recording {recording}")
    ]
    nodes = {name: len(clips) + i for i, name in enumerate(dict.fromkeys(names))}
    ends, size = [nodes[name] for name in names], len(clips) + len(nodes)
    graph = coo_matrix((np.ones(len(ends)), (np.repeat(np.arange(len(clips)), 3), ends)), shape=(size, size))
    labels = connected_components(graph, directed=False)[1][: len(clips)]
    first: dict[int, str] = {}
    for label, clip in zip(labels.tolist(), clips, strict=True):
        first[label] = min(clip.artist, first.get(label, clip.artist))
    rank = {label: i for i, label in enumerate(sorted(first, key=first.__getitem__))}
    return np.array([rank[label] for label in labels.tolist()], np.int64)


def stratified_folds(clips: Sequence[Clip], *, seed: int, n_folds: int = 5, duplicates: Labels | None = None) -> Folds:
    """Deal clips into folds by source and quadrant, as the literature does: only near-duplicates stay on one side."""
    return _tested_once(Protocol.STRATIFIED, clips, _recordings(clips, duplicates), n_folds, seed)


def artist_grouped_folds(
    clips: Sequence[Clip], *, seed: int, n_folds: int = 5, duplicates: Labels | None = None
) -> Folds:
    """Deal clips into folds that share no artist, song or recording between their parts."""
    return _tested_once(Protocol.ARTIST_GROUPED, clips, linked_groups(clips, duplicates), n_folds, seed)


def artist_grouped_test_folds(
    clips: Sequence[Clip], *, seed: int, n_folds: int, duplicates: Labels | None = None
) -> NDArray[np.int64]:
    """Return the number `(n,)` of the only fold that tests each clip, of folds without validation parts.

    No artist, song or recording is in two folds.
    """
    return _deal(clips, range(len(clips)), linked_groups(clips, duplicates), n_folds, seed)


def _tested_once(
    protocol: Protocol, clips: Sequence[Clip], groups: NDArray[np.int64], n_folds: int, seed: int
) -> Folds:
    folds = [
        _with_validation(clips, rest, test, groups, seed)
        for rest, test in _rounds(clips, range(len(clips)), groups, n_folds, seed)
    ]
    return _checked(protocol, folds, clips, cells=("train", "test"))


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

    The sample is balanced over datasets and classes, and over genres in the datasets `by_genre`, which have one genre
    per song. `grouped` keeps artists on one side, which the paper does not, and leaves genres alone.

    Source: Cazzaniga et al., sections 4.2 and 5.
    """
    if grouped:
        groups = linked_groups(clips, duplicates)
        _, test = _rounds(clips, range(len(clips)), groups, round(1 / test_share), seed)[0]
    else:
        groups = _recordings(clips, duplicates)
        test = _balanced_sample(clips, groups, test_share, by_genre, seed)
    rest = [i for i in range(len(clips)) if i not in test]
    folds = [_fold(clips, train, part, test) for train, part in _rounds(clips, rest, groups, n_folds, seed)]
    name = Protocol.ARTIST_GROUPED if grouped else Protocol.PAPER
    return _checked(name, folds, clips, cells=PARTS)


def leave_one_source_out(clips: Sequence[Clip], *, seed: int, duplicates: Labels | None = None) -> Folds:
    """Return a fold per dataset, in order of appearance, that tests all of it and trains on none of it.

    Clips of other datasets that are linked with the tested one are in no part of that fold.
    """
    sources = list(dict.fromkeys(clip.dataset for clip in clips))
    if len(sources) < 2:
        raise SplitError(f"Leaving a source out needs two of them; here is only {', '.join(sources) or 'none'}.")
    groups = linked_groups(clips, duplicates)
    folds = []
    for source in sources:
        test = {i for i, clip in enumerate(clips) if clip.dataset == source}
        folds.append(_with_validation(clips, _unlinked(groups, test), test, groups, seed))
    return _checked(Protocol.LEAVE_ONE_SOURCE_OUT, folds, clips)


def _unlinked(groups: NDArray[np.int64], test: set[int]) -> list[int]:
    return np.flatnonzero(~np.isin(groups, groups[sorted(test)])).tolist()


def _recordings(clips: Sequence[Clip], duplicates: Labels | None) -> NDArray[np.int64]:
    if duplicates is None:
        return np.arange(len(clips))
    if len(duplicates) != len(clips):
        raise SplitError(f"There are {len(duplicates)} duplicate labels for {len(clips)} clips; give one for each.")
    return np.asarray(duplicates, np.int64)


def _rounds(
    clips: Sequence[Clip], dealt: Sequence[int], groups: NDArray[np.int64], n_folds: int, seed: int
) -> list[tuple[list[int], set[int]]]:
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
    positions, numbers = np.array(dealt), _deal(clips, dealt, groups, n_folds, seed)
    return [(positions[numbers != fold].tolist(), set(positions[numbers == fold].tolist())) for fold in range(n_folds)]


def _deal(
    clips: Sequence[Clip], members: Sequence[int], groups: NDArray[np.int64], n_folds: int, seed: int
) -> NDArray[np.int64]:
    # Imported here because scikit-learn takes a second, and pages read protocols and lists of folds.
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    strata = [f"{clips[i].dataset} {clips[i].quadrant}" for i in members]
    labels = groups[list(members)]
    alone = len(np.unique(labels)) == len(labels)
    kind = StratifiedKFold if alone else StratifiedGroupKFold
    folds = np.zeros(len(members), np.int64)
    with warnings.catch_warnings():
        # A source may have fewer clips of a class than there are folds.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        splitter = kind(n_folds, shuffle=True, random_state=seed).split(strata, strata, None if alone else labels)
        for fold, (_, taken) in enumerate(splitter):
            folds[taken] = fold
    return folds


def _balanced_sample(
    clips: Sequence[Clip], groups: NDArray[np.int64], share: float, by_genre: Collection[str], seed: int
) -> set[int]:
    # Recordings are sorted by dataset, class and genre and taken at even steps, so that every stretch of the line,
    # large or small, gives its share to within one.
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
    clips: Sequence[Clip], rest: Sequence[int], test: set[int], groups: NDArray[np.int64], seed: int
) -> Fold:
    # Of a class by fewer groups than parts, the first part could get none.
    by_class = {(clips[i].quadrant, int(groups[i])) for i in rest}
    n_parts = max(2, min(VALIDATION_PARTS, *Counter(quadrant for quadrant, _ in by_class).values()))
    numbers = _deal(clips, rest, groups, n_parts, seed)
    validation = {i for i, number in zip(rest, numbers, strict=True) if number == 0}
    return _fold(clips, [i for i in rest if i not in validation], validation, test)


def _fold(clips: Sequence[Clip], train: Sequence[int], validation: set[int], test: set[int]) -> Fold:
    return Fold(*(tuple(clips[i].id for i in part) for part in (train, sorted(validation), sorted(test))))


def _checked(protocol: Protocol, folds: Sequence[Fold], clips: Sequence[Clip], cells: Collection[str] = ()) -> Folds:
    places = places_of(clips)
    labels = [(clip.dataset, clip.quadrant) for clip in clips if clip.quadrant is not None]
    for number, fold in enumerate(folds, start=1):
        for name in PARTS:
            members = [clips[places[i]] for i in getattr(fold, name)]
            cells_here = {(clip.dataset, clip.quadrant) for clip in members}
            classes = {quadrant for _, quadrant in cells_here}
            for dataset, quadrant in dict.fromkeys(labels):
                lacks_cell = name in cells and (dataset, quadrant) not in cells_here
                if lacks_cell or (quadrant not in classes and (name == "train" or (name == "validation" and members))):
                    raise SplitError(
                        f"Fold {number} of {len(folds)} ({protocol}): the {name} part has no clip of "
                        f"{quadrant.name} ({quadrant.label}) from {dataset}. Ask for fewer folds or another seed, or "
                        f"leave {dataset} out."
                    )
    return Folds(protocol, tuple(folds))
