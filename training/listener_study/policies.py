"""Policies and journey planners compared on simulated listeners, and their figures in Markdown and as numbers.

A policy chooses the next song of a session. A journey is judged by the true felt points, each in the mood that the song
before it truly left; it is planned with the model after `N_RATED` ratings, and compared with the song predicted nearest
to each place's target and with songs at random.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotion.inference.quadrants import Quadrant
from recommender.felt_model.model import MOOD, TYPICAL_MOOD, ListenerModel, Prior, Ratings
from recommender.ranking.journeys import Drift, PathQuality, path_quality, place_targets, walk
from recommender.ranking.lists import Candidates, Weights, draw_temperature, rank
from training.evaluation.report.tables import Table
from training.listener_study.protocol import interval, interval_text
from training.listener_study.simulation import N_SESSIONS, SESSION_SONGS, VARIETY, WEIGHTS, SimulatedListener, SongPool

NOTE = (
    "A simulation: the listeners are not real. Their coefficients are drawn from what real listeners (SiTunes, "
    "Emotify) have in common, and their answers are made by the model that the recommender fits."
)


@dataclass(frozen=True, slots=True)
class PolicyContext:
    """The input of a policy; only the oracles may look at `listener`.

    `ratings` are all answers so far; `played` are the rows of this session's songs so far, in order.
    """

    songs: SongPool
    prior: Prior
    mood: NDArray[np.float64]
    target: NDArray[np.float64]
    ratings: Ratings
    played: tuple[int, ...]
    session: int
    seed: int
    listener: SimulatedListener


Policy = Callable[[PolicyContext], int]


def _thompson(context: PolicyContext, temperature: float) -> int:
    """Rank with a draw from the listener's posterior; at temperature 0 with its mean, at 1 with a full draw."""
    model = ListenerModel.fit(context.ratings, context.prior, context.songs.basis)
    # One seed for a session, as one playlist has one.
    seed = context.seed * N_SESSIONS + context.session
    return _ranked(context, model.draw(seed, temperature) if temperature else model)


def no_adaptation(context: PolicyContext) -> int:
    """Rank with the model of a listener without ratings, which knows the mood."""
    nothing = Ratings.none(context.ratings.embeddings.shape[1])
    return _ranked(context, ListenerModel.fit(nothing, context.prior, context.songs.basis))


def popularity(context: PolicyContext) -> int:
    """Take the song that real listeners liked best of those perceived in the target's quadrant."""
    inside = (np.sign(context.songs.estimates.perceived) == np.sign(context.target)).all(axis=1)
    # A quadrant with fewer songs than a session is filled up with the others.
    return _best_left(context, context.songs.popularity + 10.0 * inside)


def random_song(context: PolicyContext) -> int:
    """Take any song."""
    rng = np.random.default_rng((context.seed, context.session, len(context.played)))
    return _best_left(context, rng.random(len(context.songs)))


def coefficient_oracle(context: PolicyContext) -> int:
    """Take the best song by the listener's true coefficients: the limit of what ratings of other songs teach."""
    return _best_left(context, context.listener.without_song_effects().utility(context.songs, context.session))


def oracle(context: PolicyContext) -> int:
    """Take the song of the highest true utility: the measure of regret."""
    return _best_left(context, context.listener.utility(context.songs, context.session))


OURS = "ours"
POLICIES: Mapping[str, Policy] = {
    OURS: lambda context: _thompson(context, draw_temperature(VARIETY)),
    "a full draw": lambda context: _thompson(context, 1.0),
    "greedy": lambda context: _thompson(context, 0.0),
    "no adaptation": no_adaptation,
    "popularity": popularity,
    "random": random_song,
    "knows the coefficients": coefficient_oracle,
    "all-knowing": oracle,
}
# Policies run a second time with the prior of a new installation, which has learned from no listener yet.
_ALSO_NEW = (OURS, "no adaptation")


@dataclass(frozen=True, slots=True)
class PolicyRun:
    """One listener's sessions: `rows` `(sessions, songs)` as played, and per song `(sessions, songs)` its figures.

    `regret` is the utility missing to the best songs of that session, as many; `distance` that of the true felt point
    to the target; `liking` the true one. `diversity` `(sessions,)` is 1 less the mean cosine between a session's songs.
    """

    rows: NDArray[np.int64]
    regret: NDArray[np.float64]
    distance: NDArray[np.float64]
    liking: NDArray[np.float64]
    diversity: NDArray[np.float64]


def run_policy(listener: SimulatedListener, songs: SongPool, prior: Prior, policy: Policy, seed: int) -> PolicyRun:
    """Let a policy choose every song of a listener's sessions, each after the answer to the one before.

    `prior` is the policy's, of listeners at large; `seed` decides its own chance.
    """
    answers: list[Ratings] = []
    rows = np.zeros((N_SESSIONS, SESSION_SONGS), np.int64)
    for session, (mood, target) in enumerate(zip(listener.moods, listener.targets, strict=True)):
        for place in range(SESSION_SONGS):
            played = tuple(rows[session, :place].tolist())
            ratings = joined(answers, songs)
            row = policy(PolicyContext(songs, prior, mood, target, ratings, played, session, seed, listener))
            rows[session, place] = row
            answers.append(listener.answer(songs, session, row))
    utility = np.array([listener.utility(songs, session) for session in range(N_SESSIONS)])
    felt = np.array([listener.felt(songs, mood)[played] for mood, played in zip(listener.moods, rows, strict=True)])
    best = -np.sort(-utility, axis=1)[:, :SESSION_SONGS]
    return PolicyRun(
        rows=rows,
        regret=best - np.take_along_axis(utility, rows, axis=1),
        distance=np.hypot(*np.moveaxis(felt - listener.targets[:, None], 2, 0)),
        liking=listener.likes(songs)[rows],
        diversity=np.array([_diversity(songs.estimates.embeddings[played]) for played in rows]),
    )


def _diversity(embeddings: NDArray[np.float64]) -> float:
    n, cosines = len(embeddings), embeddings @ embeddings.T
    return float(1.0 - (cosines.sum() - np.trace(cosines)) / (n * (n - 1)))


def _ranked(context: PolicyContext, drawn: ListenerModel) -> int:
    """Return the row that the recommender's ranking puts at the next place of the session.

    The mean's prediction is for explanations: in the sum of a song's terms only the draw is left of closeness.
    """
    candidates = candidates_of(context.songs, drawn, drawn, context.mood)
    fixed = dict(enumerate(context.played, start=1))
    targets = np.tile(context.target, (len(context.played) + 1, 1))
    return rank(candidates, targets, weights=WEIGHTS, fixed=fixed)[0].row


def candidates_of(
    songs: SongPool, model: ListenerModel, drawn: ListenerModel, mood: NDArray[np.float64] | None
) -> Candidates:
    """Return the songs as the ranking takes them."""
    ids, estimates = np.arange(len(songs)), songs.estimates
    felt, tried = (each.predict(ids, estimates.perceived, estimates.embeddings, mood) for each in (model, drawn))
    nothing = np.zeros(len(songs))
    return Candidates(
        song_ids=ids,
        artist_ids=songs.artist_ids,
        album_ids=np.zeros(len(songs), np.int64),
        embeddings=estimates.embeddings,
        shared=felt.point,
        rated=felt.point,
        felt=felt.point,
        drawn=tried.point,
        confidence=estimates.confidence,
        liking=felt.liking,
        drawn_liking=tried.liking,
        recency=nothing,
        likeness=nothing,
    )


def _best_left(context: PolicyContext, scores: NDArray[np.float64]) -> int:
    scores = scores.copy()
    scores[list(context.played)] = -np.inf
    return int(np.argmax(scores))


def joined(answers: Sequence[Ratings], songs: SongPool) -> Ratings:
    """Return answers one after the other as one listener's ratings."""
    if not answers:
        return Ratings.none(songs.estimates.embeddings.shape[1])
    names = [field.name for field in fields(Ratings)]
    return Ratings(**{name: np.concatenate([getattr(answer, name) for answer in answers]) for name in names})


N_RATED = 20
N_PLACES = 12
# A way shorter than this is no journey.
MIN_LENGTH = 0.5

Planner = Callable[[Candidates, NDArray[np.float64], Drift, int], NDArray[np.int64]]


def _planned(candidates: Candidates, path: NDArray[np.float64], drift: Drift, _seed: int) -> NDArray[np.int64]:
    return walk(candidates, path, N_PLACES, weights=Weights.of(VARIETY, journey=True), drift=drift).rows


def _nearest(candidates: Candidates, path: NDArray[np.float64], drift: Drift, _seed: int) -> NDArray[np.int64]:
    # For each place, of the songs left, the one predicted nearest to its target.
    targets = place_targets(path, N_PLACES)
    rows: list[int] = []
    for mood, target in zip(np.vstack([path[:1], targets[:-1]]), targets, strict=True):
        away = np.hypot(*(drift.in_mood(candidates, mood).felt - target).T)
        away[rows] = np.inf
        rows.append(int(np.argmin(away)))
    return np.array(rows)


def _random(candidates: Candidates, _path: NDArray[np.float64], _drift: Drift, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).choice(len(candidates), N_PLACES, replace=False)


PLANNERS: Mapping[str, Planner] = {OURS: _planned, "nearest to each target": _nearest, "random": _random}


def journey_path(listener: SimulatedListener, seed: int) -> NDArray[np.float64]:
    """Return a path `(2, 2)` from the listener's first mood to the first quadrant that is far enough from it."""
    rng = np.random.default_rng(seed)
    corners = [np.array(quadrant.target) for quadrant in Quadrant]
    order = [corners[place] for place in rng.permutation(4)]
    start = listener.moods[0]
    return np.vstack([start, next(end for end in order if np.hypot(*(end - start)) >= MIN_LENGTH)])


def rated_model(listener: SimulatedListener, songs: SongPool, prior: Prior, seed: int) -> ListenerModel:
    """Return the model after `N_RATED` songs at random, one after the other in the sessions' moods."""
    rows = np.random.default_rng(seed).choice(len(songs), min(N_RATED, len(songs)), replace=False)
    answers = [listener.answer(songs, place % len(listener.moods), int(row)) for place, row in enumerate(rows)]
    return ListenerModel.fit(joined(answers, songs), prior, songs.basis)


@dataclass(frozen=True, slots=True)
class JourneyOutcome:
    """A journey's true path, its mean true `liking`, and `again`, the share of songs by the last song's artist."""

    quality: PathQuality
    liking: float
    again: float


def journeys(listener: SimulatedListener, songs: SongPool, prior: Prior, seed: int) -> dict[str, JourneyOutcome]:
    """Return each planner's journey of one listener; the seed decides path, earlier ratings and the model's draw."""
    model, path = rated_model(listener, songs, prior, seed), journey_path(listener, seed)
    drawn = model.draw(seed, draw_temperature(VARIETY))
    drift = Drift(model.coefficients[:, MOOD], drawn.coefficients[:, MOOD], TYPICAL_MOOD)
    candidates = candidates_of(songs, model, drawn, None)
    outcomes = {}
    for name, plan in PLANNERS.items():
        rows = plan(candidates, path, drift, seed)
        artists = songs.artist_ids[rows]
        outcomes[name] = JourneyOutcome(
            quality=path_quality(felt_along(listener, songs, rows, path[0]), path),
            liking=float(listener.likes(songs)[rows].mean()),
            again=float((artists[1:] == artists[:-1]).mean()),
        )
    return outcomes


def felt_along(
    listener: SimulatedListener, songs: SongPool, rows: NDArray[np.int64], start: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the felt points of songs `(n,)` one after the other, `(n, 2)`, each in the mood the last one left."""
    points, mood = [], start
    for row in rows.tolist():
        mood = listener.felt(songs, mood)[row]
        points.append(mood)
    return np.array(points)


PolicyRuns = Mapping[str, Sequence[PolicyRun]]
MEASURES: Mapping[str, Callable[[PolicyRun], float]] = {
    "regret": lambda run: float(run.regret.sum()),
    "distance to target": lambda run: float(run.distance.mean()),
    "liking": lambda run: float(run.liking.mean()),
    "diversity": lambda run: float(run.diversity.mean()),
    "different songs": lambda run: len(np.unique(run.rows)) / run.rows.size,
}
JOURNEY_MEASURES: Mapping[str, Callable[[JourneyOutcome], float]] = {
    "mean step": lambda journey: journey.quality.mean_step,
    "largest step": lambda journey: journey.quality.largest_step,
    "steps not back": lambda journey: journey.quality.monotone_share,
    "departure": lambda journey: journey.quality.departure,
    "arrival": lambda journey: journey.quality.arrival,
    "liking": lambda journey: journey.liking,
    "artist again": lambda journey: journey.again,
}


def compare_policies(
    listeners: Sequence[SimulatedListener],
    songs: SongPool,
    learned: Prior,
    seed: int,
    on_done: Callable[[str], None] = lambda _policy: None,
) -> dict[str, list[PolicyRun]]:
    """Let every policy choose for every listener, with the same seeds; `on_done` is called with each policy's name."""
    variants = [(name, policy, learned) for name, policy in POLICIES.items()]
    variants += [(f"{name}, new installation", POLICIES[name], Prior.default()) for name in _ALSO_NEW]
    seeds = range(seed * len(listeners), (seed + 1) * len(listeners))
    runs = {}
    for name, policy, prior in variants:
        pairs = zip(listeners, seeds, strict=True)
        runs[name] = [run_policy(listener, songs, prior, policy, each) for listener, each in pairs]
        on_done(name)
    return runs


def _measured(runs: Sequence[PolicyRun], measure: str) -> NDArray[np.float64]:
    return np.array([MEASURES[measure](run) for run in runs])


def coverage(runs: Sequence[PolicyRun], n_songs: int) -> float:
    """Return the share of songs played at all; it grows with the listeners, so it has no interval over them."""
    return len(np.unique([run.rows for run in runs])) / n_songs


def policy_table(runs: PolicyRuns, n_songs: int) -> str:
    """Return each policy's measures with intervals, a row per policy."""
    rows = tuple(
        (name, *(interval_text(interval(_measured(its, measure))) for measure in MEASURES), coverage(its, n_songs))
        for name, its in runs.items()
    )
    return Table("", "", ("policy", *MEASURES, "coverage"), rows).to_markdown()


def regret_table(runs: PolicyRuns) -> str:
    """Return the mean regret added up after each session, a row per policy."""
    after = (f"after {(session + 1) * SESSION_SONGS} songs" for session in range(N_SESSIONS))
    totals = {name: np.mean([run.regret.sum(axis=1).cumsum() for run in its], axis=0) for name, its in runs.items()}
    rows = tuple((name, *(f"{value:.2f}" for value in total)) for name, total in totals.items())
    return Table("", "", ("policy", *after), rows).to_markdown()


def difference_table(runs: PolicyRuns) -> str:
    """Return `ours` less each other policy, listener by listener, with intervals."""
    shown = list(MEASURES)[:4]
    rows = tuple(
        (name, *(interval_text(interval(_measured(runs[OURS], each) - _measured(its, each))) for each in shown))
        for name, its in runs.items()
        if name != OURS
    )
    return Table("", "", ("ours less", *shown), rows).to_markdown()


def journey_table(outcomes: Sequence[Mapping[str, JourneyOutcome]]) -> str:
    """Return each planner's measures with intervals over listeners, a row per planner."""
    figures = _journey_figures(outcomes)
    rows = tuple((name, *map(interval_text, measures.values())) for name, measures in figures.items())
    return Table("", "", ("journey", *JOURNEY_MEASURES), rows).to_markdown()


def _journey_figures(outcomes: Sequence[Mapping[str, JourneyOutcome]]) -> dict[str, dict[str, Any]]:
    return {
        name: {what: interval(np.array([of(each[name]) for each in outcomes])) for what, of in JOURNEY_MEASURES.items()}
        for name in outcomes[0]
    }


def as_json(runs: PolicyRuns, outcomes: Sequence[Mapping[str, JourneyOutcome]], n_songs: int) -> dict[str, Any]:
    """Return all figures, each a mean and its interval."""
    policies: dict[str, Any] = {
        name: {measure: interval(_measured(its, measure)) for measure in MEASURES}
        | {"coverage": coverage(its, n_songs)}
        for name, its in runs.items()
    }
    journeys = _journey_figures(outcomes)
    return {"note": NOTE, "listeners": len(outcomes), "policies": policies, "journeys": journeys}
