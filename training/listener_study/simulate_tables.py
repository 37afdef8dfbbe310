"""The simulation's figures: policies and journeys compared, in Markdown and as numbers. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.felt_model.model import Prior
from training.listener_study.protocol import interval
from training.listener_study.simulate import N_SESSIONS, SESSION_SONGS, Simulated, Songs
from training.listener_study.simulate_journeys import Journey
from training.listener_study.simulate_policies import OURS, POLICIES, Course, run

# Policies run a second time with the prior of a new installation, which has learned from nobody yet.
_ALSO_NEW = (OURS, "no adaptation")
Courses = Mapping[str, Sequence[Course]]
NOTE = (
    "A simulation: the listeners are not real. Their coefficients are drawn from what real listeners (SiTunes, "
    "Emotify) have in common, and their answers are made by the model that the recommender fits."
)


def compare(
    listeners: Sequence[Simulated],
    songs: Songs,
    learned: Prior,
    seed: int,
    seen: Callable[[str], None] = lambda policy: None,
) -> dict[str, list[Course]]:
    """Let every policy choose for every listener; the same policy seeds for all.

    Args:
        listeners: who.
        songs: what there is.
        learned: what the policies believe of listeners at large.
        seed: of the policies' own chance.
        seen: called with each policy that is done.
    """
    runs = [(name, policy, learned) for name, policy in POLICIES.items()]
    runs += [(f"{name}, new installation", POLICIES[name], Prior.default()) for name in _ALSO_NEW]
    courses = {}
    for name, policy, prior in runs:
        seeds = range(seed * len(listeners), (seed + 1) * len(listeners))
        courses[name] = [run(who, songs, prior, policy, each) for who, each in zip(listeners, seeds, strict=True)]
        seen(name)
    return courses


MEASURES: Mapping[str, Callable[[Course], float]] = {
    "regret": lambda course: float(course.regret.sum()),
    "distance to target": lambda course: float(course.distance.mean()),
    "liking": lambda course: float(course.liking.mean()),
    "diversity": lambda course: float(course.diversity.mean()),
    "different songs": lambda course: len(np.unique(course.rows)) / course.rows.size,
}


def measured(courses: Sequence[Course], measure: str) -> NDArray[np.float64]:
    """Return one measure of each listener, `(n,)`."""
    return np.array([MEASURES[measure](course) for course in courses])


def coverage(courses: Sequence[Course], n_songs: int) -> float:
    """Return the share of all songs that anybody got; it grows with the listeners, so it has no interval over them."""
    return len(np.unique([course.rows for course in courses])) / n_songs


def policy_table(courses: Courses, n_songs: int) -> str:
    """Return each policy's measures with intervals, a row per policy."""
    lines = [_row("policy", *MEASURES, "coverage"), _rule(len(MEASURES) + 2)]
    for name, its in courses.items():
        cells = [_written(interval(measured(its, measure))) for measure in MEASURES]
        lines.append(_row(name, *cells, f"{coverage(its, n_songs):.3f}"))
    return "\n".join(lines)


def regret_table(courses: Courses) -> str:
    """Return the mean regret added up after each session, a row per policy."""
    after = [f"after {(session + 1) * SESSION_SONGS} songs" for session in range(N_SESSIONS)]
    lines = [_row("policy", *after), _rule(len(after) + 1)]
    for name, its in courses.items():
        total = np.mean([course.regret.sum(axis=1).cumsum() for course in its], axis=0)
        lines.append(_row(name, *(f"{value:.2f}" for value in total)))
    return "\n".join(lines)


def difference_table(courses: Courses) -> str:
    """Return `ours` less each other policy, listener by listener, with intervals."""
    shown = list(MEASURES)[:4]
    lines = [_row("ours less", *shown), _rule(len(shown) + 1)]
    for name, its in courses.items():
        if name != OURS:
            changes = [measured(courses[OURS], each) - measured(its, each) for each in shown]
            lines.append(_row(name, *(_written(interval(change)) for change in changes)))
    return "\n".join(lines)


JOURNEY_MEASURES: Mapping[str, Callable[[Journey], float]] = {
    "mean step": lambda journey: journey.quality.mean_step,
    "largest step": lambda journey: journey.quality.largest_step,
    "steps not back": lambda journey: journey.quality.monotone_share,
    "departure": lambda journey: journey.quality.departure,
    "arrival": lambda journey: journey.quality.arrival,
    "liking": lambda journey: journey.liking,
    "artist again": lambda journey: journey.again,
}


def journey_table(journeys: Sequence[Mapping[str, Journey]]) -> str:
    """Return each way's measures with intervals over listeners, a row per way."""
    lines = [_row("journey", *JOURNEY_MEASURES), _rule(len(JOURNEY_MEASURES) + 1)]
    for name in journeys[0]:
        values = [np.array([of(each[name]) for each in journeys]) for of in JOURNEY_MEASURES.values()]
        lines.append(_row(name, *(_written(interval(value)) for value in values)))
    return "\n".join(lines)


def as_json(courses: Courses, journeys: Sequence[Mapping[str, Journey]], n_songs: int) -> dict[str, Any]:
    """Return all figures, each a mean and its interval."""
    policies: dict[str, Any] = {
        name: {measure: interval(measured(its, measure)) for measure in MEASURES} | {"coverage": coverage(its, n_songs)}
        for name, its in courses.items()
    }
    ways = {
        name: {what: interval(np.array([of(each[name]) for each in journeys])) for what, of in JOURNEY_MEASURES.items()}
        for name in journeys[0]
    }
    return {"note": NOTE, "listeners": len(journeys), "policies": policies, "journeys": ways}


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _rule(n_columns: int) -> str:
    return "|---" * n_columns + "|"


def _written(values: tuple[float, float, float]) -> str:
    mean, low, high = values
    return f"{mean:.3f} ({low:.3f} to {high:.3f})"
