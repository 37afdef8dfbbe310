"""The zoo's table by protocol: its systems in order, the papers' figures beside them, and the corrected tests."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from catalog.core.wording import gettext_noop

BASELINE = "louro_cnn"
# A row has four digits, and pages show three: rounded once, so that they are the same ones everywhere.
_SHOWN = ("macro_f1", "low", "high", "accuracy", "top3", "floor", "floor_accuracy", "floor_top3", "ece")
PUBLISHED = Path(__file__).resolve().parents[2] / "results" / "published.toml"
# Of the clips outside a test fold; the others validate.
_TRAINS = 0.9
# The paper whose accuracy is that of the three likeliest quadrants.
_REPORTS_TOP3 = "Bathigama"


@dataclass(frozen=True, slots=True)
class ShownProtocol:
    """A protocol for people; `n_folds` of one repetition, 0 where all networks are tested on the same clips."""

    name: str
    title: str
    about: str
    n_folds: int


PROTOCOLS = {
    each.name: each
    for each in (
        ShownProtocol(
            "artist5",
            gettext_noop("Artists apart"),
            gettext_noop("five folds that share no artist, song or recording"),
            5,
        ),
        ShownProtocol(
            "stratified5",
            gettext_noop("Artists shared"),
            gettext_noop("five folds balanced by quadrant, which share artists"),
            5,
        ),
        ShownProtocol(
            "louro10x10",
            gettext_noop("Louro et al.: ten times ten"),
            gettext_noop("ten times ten folds balanced by quadrant, as Louro et al. have them"),
            10,
        ),
        ShownProtocol(
            "paper",
            gettext_noop("Cazzaniga et al.: a fixed tenth"),
            gettext_noop("a fixed tenth as the test of five networks, as Cazzaniga et al. have it"),
            0,
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Published:
    """A figure that a paper reports of a system; `is_same` where our table's protocol and data are the paper's."""

    system: str
    figure: float
    metric: str
    test: str
    where: str
    is_same: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """A system's macro-F1 over the folds less that of another, its 95 % interval, and Holm's p-value."""

    value: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True, slots=True)
class Standing:
    """A system's row at its place; `against` has a difference for each reference, None where there is no test."""

    place: int
    row: Mapping[str, Any]
    published: tuple[Published, ...]
    against: tuple[Difference | None, ...]

    @property
    def reports_top3(self) -> bool:
        """Whether the paper reports top-3 accuracy."""
        return str(self.row["paper"]).startswith(_REPORTS_TOP3)


@dataclass(frozen=True, slots=True)
class Standings:
    """What was run under one protocol on the same data, the best macro-F1 first.

    `references` are the systems that all others are tested against: `louro_cnn` and the best one.
    """

    protocol: ShownProtocol
    data: str
    rows: tuple[Standing, ...]
    references: tuple[str, ...]
    not_run: tuple[str, ...]

    @property
    def reports_top3(self) -> bool:
        """Whether a paper of these systems reports top-3 accuracy."""
        return any(each.reports_top3 for each in self.rows)

    @property
    def published(self) -> list[Published]:
        """What the papers report of these systems."""
        return [published for each in self.rows for published in each.published]

    @property
    def is_tested(self) -> bool:
        """Whether any system could be tested against a reference."""
        return any(difference for each in self.rows for difference in each.against)


def system_names() -> list[str]:
    """Return the names of all systems, read from their files without building a network."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.toml"))


def standings_of(rows: Sequence[Mapping[str, Any]], systems: Sequence[str]) -> list[Standings]:
    """Return the rows by protocol and data, in the order of `PROTOCOLS`."""
    order = list(PROTOCOLS)
    keys = sorted({(order.index(row["protocol"]), row["data"]) for row in rows})
    return [
        _standings(
            PROTOCOLS[order[place]],
            data,
            [row for row in rows if (row["protocol"], row["data"]) == (order[place], data)],
            systems,
        )
        for place, data in keys
    ]


def _standings(
    protocol: ShownProtocol, data: str, rows: Sequence[Mapping[str, Any]], systems: Sequence[str]
) -> Standings:
    ordered = sorted(rows, key=lambda row: (-row["macro_f1"], row["system"]))
    by_name = {row["system"]: row for row in ordered}
    references = tuple(dict.fromkeys(name for name in (BASELINE, ordered[0]["system"]) if name in by_name))
    tests = [_differences(by_name[name], ordered, protocol.n_folds) for name in references]
    return Standings(
        protocol=protocol,
        data=data,
        rows=tuple(
            Standing(
                place,
                {**row, **{name: round(row[name], 3) for name in _SHOWN}},
                published_of(row["system"], protocol.name, data),
                tuple(each.get(row["system"]) for each in tests),
            )
            for place, row in enumerate(ordered, start=1)
        ),
        references=references,
        not_run=tuple(sorted(set(systems) - by_name.keys())),
    )


def _differences(
    reference: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], n_folds: int
) -> dict[str, Difference]:
    # Imported here because the test comes with scikit-learn, and a page of an empty zoo needs none.
    from training.evaluation.comparison import corrected_t_test, holm

    if not n_folds:
        return {}
    ratio = 1 / ((n_folds - 1) * _TRAINS)
    tests = {
        row["system"]: corrected_t_test(reference["by_fold"], row["by_fold"], test_to_train=ratio)
        for row in rows
        if row is not reference and row["folds"] == reference["folds"]
    }
    adjusted = holm({name: test.p_value for name, test in tests.items()})
    return {name: Difference(test.difference, *test.interval, adjusted[name]) for name, test in tests.items()}


@cache
def published_sources() -> list[dict[str, Any]]:
    """Return the figures of the papers, grouped by where and on what they were measured."""
    sources: list[dict[str, Any]] = tomllib.loads(PUBLISHED.read_text(encoding="utf-8"))["source"]
    return sources


def published_of(system: str, protocol: str, data: str) -> tuple[Published, ...]:
    """Return what the papers report of a system, beside our table of a protocol and data."""
    return tuple(
        Published(
            system,
            source["figures"][system],
            source["metric"],
            source["test"],
            source["where"],
            (source.get("protocol"), source.get("data")) == (protocol, data),
        )
        for source in published_sources()
        if system in source["figures"]
    )
