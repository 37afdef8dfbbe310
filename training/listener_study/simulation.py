"""Simulated listeners, and the policies and journey planners that are compared on them.

Coefficients, stay share and liking are drawn from a `Prior` learned on real listeners (`world_prior`), the songs are
real recordings with the shipped model's estimates, and answers follow the very model that the recommender fits. So the
simulation can compare policies when the model holds, and cannot show whether it holds: the real listeners do
(`protocol`).

A listener has `N_SESSIONS` sessions of `SESSION_SONGS` songs, some days apart: each has a mood before, which is known,
and a target quadrant. In a session no song comes twice. Each song is answered by a felt point and a like.

A policy chooses the next song of a session, for a point of the pad or for its whole quadrant (`AIMS`), ranked as the
product does. Distance, quadrant and liking are those after the first session, when ten songs have been rated.

A journey is judged by the true felt points, each in the mood that the song before it truly left; it is planned with the
model after `N_RATED` ratings, and compared with the song predicted nearest to each place's target and with songs at
random.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotion.inference.quadrants import Quadrant
from recommender.felt_model.learning import learn
from recommender.felt_model.model import FAMILIAR, MOOD, NOISE_DF, TYPICAL_MOOD, ListenerModel, Prior, Ratings, features
from recommender.generate import ListContext, rank_list
from recommender.listener import History, ListenerState
from recommender.ranking.journeys import path_quality, place_targets, walk
from recommender.ranking.lists import (
    INSIDE,
    Candidates,
    Weights,
    closeness,
    draw_temperature,
    lies_in,
    liking_value,
    nearest_inside,
    typicality,
)
from recommender.requests import PlaylistRequest, Target
from recommender.retrieval import Pool
from training.evaluation.report.tables import Table
from training.listener_study import emotify, situnes
from training.listener_study.protocol import Interval, SongEstimates, interval, interval_text

N_SESSIONS, SESSION_SONGS = 5, 10
VARIETY = 0.3
# The part of what the coefficients leave unexplained that a listener would repeat of the same song another day. In
# SiTunes ratings correlate .48 (.34 to .60), felt valence .04 (-.14 to .19) and felt arousal -.16 (-.29 to -.01)
# (`situnes.retest_reliability`).
SONG_LIKING_SHARE, SONG_FEELING_SHARE = 0.45, 0.1
# A song's popularity is drawn towards that of all songs as by so many listeners more.
_POPULARITY_LISTENERS = 5.0


@dataclass(frozen=True, slots=True)
class Aim:
    """What a session's list is for: its target point, or the quadrant in which that lies."""

    name: str
    is_region: bool

    @property
    def weights(self) -> Weights:
        """The weights of the product's list."""
        return Weights.of(VARIETY, region=self.is_region)

    def quadrant(self, target: NDArray[np.float64]) -> Quadrant | None:
        """Return the region that a list is for, None for the target itself."""
        return Quadrant.from_valence_arousal(*target) if self.is_region else None

    def closeness(self, points: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how close points `(n, 2)` are, as lists have it, `(n,)`."""
        region = self.quadrant(target)
        return closeness(points, target) if region is None else typicality(points, region)

    def distance(self, points: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the distance `(n,)` of points `(n, 2)` to the target, or to the region well inside its quadrant."""
        region = self.quadrant(target)
        nearest = target if region is None else nearest_inside(points, region, INSIDE)
        return np.hypot(*(points - nearest).T)


POINT, QUADRANT = AIMS = Aim("a point", False), Aim("a quadrant", True)


@dataclass(frozen=True, slots=True)
class SongPool:
    """The songs to choose from, a row per song; `len` is their number.

    `estimates` are the shipped model's; `artist_ids` `(n,)`; `popularity` `(n,)` is the mean like of real listeners;
    `basis` `(r, d)` projects embeddings.
    """

    estimates: SongEstimates
    artist_ids: NDArray[np.int64]
    popularity: NDArray[np.float64]
    basis: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.artist_ids)

    @property
    def pool(self) -> Pool:
        """The songs as the product retrieves them."""
        estimates, nothing = self.estimates, np.zeros(len(self), np.int64)
        return Pool(
            song_ids=np.arange(len(self)),
            artist_ids=self.artist_ids,
            album_ids=nothing,
            years=nothing.astype(np.int16),
            quadrants=tuple(Quadrant.from_valence_arousal(*point) for point in estimates.perceived.tolist()),
            confidence=estimates.confidence,
            perceived=estimates.perceived,
            embeddings=estimates.embeddings,
            model_version="",
        )

    def features(self, mood: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the features `(n, 6 + r)` of all songs in one mood `(2,)`."""
        moods = np.tile(mood, (len(self), 1))
        return features(self.estimates.perceived, self.estimates.embeddings, moods, np.zeros(len(self)), self.basis)


@dataclass(frozen=True, slots=True)
class SimulatedListener:
    """A listener who is not real: `coefficients` `(2, 6 + r)`, `liking` `(1 + r,)`, and their sessions.

    `song_felt` `(n, 2)` and `song_like` `(n,)` are effects of single songs; `moods` and `targets` `(sessions, 2)`.
    The chance in each answer is drawn beforehand, so that every policy meets the same, `(sessions, songs, ..)`:
    `felt_noise` `(.., 2)`; `unmoved` `(.., 2)`, how far an unmoved answer is from the mood; `stays`, whether the song
    does nothing; `like_noise`.
    """

    coefficients: NDArray[np.float64]
    liking: NDArray[np.float64]
    song_felt: NDArray[np.float64]
    song_like: NDArray[np.float64]
    moods: NDArray[np.float64]
    targets: NDArray[np.float64]
    felt_noise: NDArray[np.float64]
    unmoved: NDArray[np.float64]
    stays: NDArray[np.bool_]
    like_noise: NDArray[np.float64]

    def felt(self, songs: SongPool, mood: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the felt point of each song in a mood, if the song does something, `(n, 2)`."""
        return np.clip(songs.features(mood) @ self.coefficients.T + self.song_felt, -1.0, 1.0)

    def likes(self, songs: SongPool) -> NDArray[np.float64]:
        """Return the like of each song, `(n,)` in [-1, 1]."""
        by_sound = songs.estimates.embeddings @ songs.basis.T @ self.liking[1:]
        return np.asarray(np.clip(self.liking[0] + by_sound + self.song_like, -1.0, 1.0))

    def utility(self, songs: SongPool, session: int, aim: Aim) -> NDArray[np.float64]:
        """Return each song's true utility in a session, `(n,)`: closeness to what it is for and liking, as ranked."""
        close = aim.closeness(self.felt(songs, self.moods[session]), self.targets[session])
        return np.asarray(aim.weights.closeness * close + aim.weights.liking * liking_value(self.likes(songs)))

    def answer(self, songs: SongPool, session: int, row: int) -> Ratings:
        """Return the answer to a song in a session."""
        mood, place = self.moods[session], (session, row)
        felt = mood + self.unmoved[place] if self.stays[place] else self.felt(songs, mood)[row] + self.felt_noise[place]
        liked = np.clip(np.round(self.likes(songs)[row] + self.like_noise[place]), -1.0, 1.0)
        return songs.estimates.ratings(
            np.array([row]), np.clip(felt, -1.0, 1.0)[None], likes=np.array([liked]), moods=mood[None]
        )


def world_prior(moods_from: Prior, songs_from: Prior) -> Prior:
    """Combine two priors: mood before, noise and stay share of SiTunes, which has no sound, the rest of Emotify."""
    mean, variances = songs_from.mean.copy(), songs_from.variances.copy()
    for part in (MOOD, FAMILIAR):
        mean[:, part], variances[:, part] = moods_from.mean[:, part], moods_from.variances[:, part]
    noise, stay, stay_sd = moods_from.noise, moods_from.stay, moods_from.stay_sd
    return replace(songs_from, mean=mean, variances=variances, noise=noise, stay=stay, stay_sd=stay_sd)


def mood_spread(listeners: Sequence[Ratings]) -> NDArray[np.float64]:
    """Return the covariance `(2, 2)` of the moods that real listeners had before listening."""
    moods = np.concatenate([each.moods for each in listeners])
    return np.asarray(np.cov(moods[np.isfinite(moods).all(axis=1)].T))


def draw_listener(
    prior: Prior, songs: SongPool, moods: NDArray[np.float64], seed: tuple[int, int]
) -> SimulatedListener:
    """Draw a listener; `moods` is the covariance `(2, 2)` of the mood before a session, `seed` run and number."""
    rng = np.random.default_rng(seed)
    spread = np.sqrt(prior.spread(songs.basis))
    at_large, spread_at_large, on_timbre, song_variance = prior.liking
    liking_spread = np.sqrt(np.r_[spread_at_large, np.full(len(songs.basis), on_timbre)])
    liking = np.r_[at_large, np.zeros(len(songs.basis))] + liking_spread * rng.standard_normal(len(liking_spread))
    corners = np.array([quadrant.target for quadrant in Quadrant])
    order = np.concatenate([rng.permutation(4), rng.permutation(4)])[:N_SESSIONS]
    felt_variance, shape = prior.noise[:, 1], (N_SESSIONS, len(songs))
    # The order of the draws decides the listeners of a seed.
    return SimulatedListener(
        coefficients=prior.coefficients(songs.basis) + spread * rng.standard_normal(spread.shape),
        liking=liking,
        song_felt=np.sqrt(SONG_FEELING_SHARE * felt_variance) * rng.standard_normal((len(songs), 2)),
        song_like=np.sqrt(SONG_LIKING_SHARE * song_variance) * rng.standard_normal(len(songs)),
        moods=np.clip(rng.multivariate_normal(TYPICAL_MOOD, moods, N_SESSIONS), -1.0, 1.0),
        targets=corners[order],
        felt_noise=rng.standard_t(NOISE_DF, (*shape, 2)) * np.sqrt((1 - SONG_FEELING_SHARE) * felt_variance),
        unmoved=rng.standard_normal((*shape, 2)) * prior.stay_sd,
        stays=rng.random(shape) < rng.beta(*prior.stay),
        like_noise=rng.standard_normal(shape) * np.sqrt((1 - SONG_LIKING_SHARE) * song_variance),
    )


def load_world(data: Path, weights: Path, work_dir: Path) -> tuple[SongPool, Prior, NDArray[np.float64]]:
    """Learn a world from a folder that holds `situnes` and `emotify`; `weights` and `work_dir` as in `emotify.load`.

    Returns:
        The songs, the listeners' prior, and the covariance `(2, 2)` of their moods before a session.

    Raises:
        DatasetError: A study is missing or cannot be read.
    """
    moods, study = situnes.load(data / "situnes"), emotify.load(data / "emotify", weights, work_dir)
    artists = np.unique([clip.artist for clip in study.clips], return_inverse=True)[1]
    popularity = mean_likes(list(study.cohort.listeners.values()), len(study.clips))
    songs = SongPool(study.estimates, np.asarray(artists, np.int64), popularity, study.cohort.basis)
    of_moods, of_songs = (
        learn(list(each.listeners.values()), each.basis, Prior.default()) for each in (moods, study.cohort)
    )
    prior = world_prior(moods_from=of_moods, songs_from=of_songs)
    return songs, prior, mood_spread(list(moods.listeners.values()))


def mean_likes(listeners: list[Ratings], n_songs: int) -> NDArray[np.float64]:
    """Return the mean like of each song `(n,)`, drawn towards that of all songs."""
    songs = np.concatenate([each.song_ids for each in listeners])
    likes = np.concatenate([each.likes for each in listeners])
    count, total = np.bincount(songs, minlength=n_songs), np.bincount(songs, weights=likes, minlength=n_songs)
    return np.asarray((total + _POPULARITY_LISTENERS * likes.mean()) / (count + _POPULARITY_LISTENERS))


NOTE = (
    "A simulation: the listeners are not real. Their coefficients are drawn from what real listeners (SiTunes, "
    "Emotify) have in common, and their answers are made by the model that the recommender fits."
)


@dataclass(frozen=True, slots=True)
class PolicyContext:
    """The input of a policy: all answers so far, this session's rows so far, and the listener for oracles alone."""

    songs: SongPool
    prior: Prior
    aim: Aim
    mood: NDArray[np.float64]
    target: NDArray[np.float64]
    ratings: Ratings
    played: tuple[int, ...]
    session: int
    seed: int
    listener: SimulatedListener

    @property
    def list_seed(self) -> int:
        """One seed for a session, as one playlist has one."""
        return self.seed * N_SESSIONS + self.session


Policy = Callable[[PolicyContext], int]


def _thompson(context: PolicyContext, temperature: float) -> int:
    """Rank with a draw from the listener's posterior; at temperature 0 with its mean, at 1 with a full draw."""
    model = ListenerModel.fit(context.ratings, context.prior, context.songs.basis)
    return _ranked(context, model, model.draw(context.list_seed, temperature) if temperature else model)


def _no_adaptation(context: PolicyContext) -> int:
    # The model of a listener without ratings still takes the mood into account.
    nothing = Ratings.none(context.ratings.embeddings.shape[1])
    model = ListenerModel.fit(nothing, context.prior, context.songs.basis)
    return _ranked(context, model, model)


def _popularity(context: PolicyContext) -> int:
    # Of the songs perceived in the target's quadrant, the one that real listeners liked best.
    inside = (np.sign(context.songs.estimates.perceived) == np.sign(context.target)).all(axis=1)
    # A quadrant with fewer songs than a session is filled up with the others.
    return _best_left(context, context.songs.popularity + 10.0 * inside)


def _random_song(context: PolicyContext) -> int:
    rng = np.random.default_rng((context.seed, context.session, len(context.played)))
    return _best_left(context, rng.random(len(context.songs)))


def _coefficient_oracle(context: PolicyContext) -> int:
    # The limit of what ratings of other songs teach.
    no_effects = {name: np.zeros_like(getattr(context.listener, name)) for name in ("song_felt", "song_like")}
    return _best_left(
        context, replace(context.listener, **no_effects).utility(context.songs, context.session, context.aim)
    )


def oracle(context: PolicyContext) -> int:
    """Take the song of the highest true utility: the measure of regret."""
    return _best_left(context, context.listener.utility(context.songs, context.session, context.aim))


OURS = "ours"
POLICIES: Mapping[str, Policy] = {
    OURS: lambda context: _thompson(context, draw_temperature(VARIETY)),
    "a full draw": lambda context: _thompson(context, 1.0),
    "greedy": lambda context: _thompson(context, 0.0),
    "no adaptation": _no_adaptation,
    "popularity": _popularity,
    "random": _random_song,
    "knows the coefficients": _coefficient_oracle,
    "all-knowing": oracle,
}
# Policies run a second time with the prior of a new installation, which has learned from no listener yet.
_ALSO_NEW = (OURS, "no adaptation")


@dataclass(frozen=True, slots=True)
class PolicyRun:
    """One listener's sessions: `rows` `(sessions, songs)` as played, and per song `(sessions, songs)` its figures.

    `regret` is the utility missing to the best songs of that session, as many; `distance` that of the true felt point
    to the aim; `inside` whether it lies in the target's quadrant; `liking` the true one. `diversity` `(sessions,)` is 1
    less the mean cosine between a session's songs.
    """

    rows: NDArray[np.int64]
    regret: NDArray[np.float64]
    distance: NDArray[np.float64]
    inside: NDArray[np.bool_]
    liking: NDArray[np.float64]
    diversity: NDArray[np.float64]


def run_policy(
    listener: SimulatedListener, songs: SongPool, prior: Prior, policy: Policy, seed: int, aim: Aim
) -> PolicyRun:
    """Let a policy choose every song of a listener's sessions, each after the last answer; `seed` is the policy's."""
    answers: list[Ratings] = []
    rows = np.zeros((N_SESSIONS, SESSION_SONGS), np.int64)
    for session, (mood, target) in enumerate(zip(listener.moods, listener.targets, strict=True)):
        for place in range(SESSION_SONGS):
            played = tuple(rows[session, :place].tolist())
            ratings = joined(answers, songs)
            row = policy(PolicyContext(songs, prior, aim, mood, target, ratings, played, session, seed, listener))
            rows[session, place] = row
            answers.append(listener.answer(songs, session, row))
    utility = np.array([listener.utility(songs, session, aim) for session in range(N_SESSIONS)])
    felt = [listener.felt(songs, mood)[played] for mood, played in zip(listener.moods, rows, strict=True)]
    reached = list(zip(felt, listener.targets, strict=True))
    best = -np.sort(-utility, axis=1)[:, :SESSION_SONGS]
    embeddings = songs.estimates.embeddings[rows]
    cosines, pairs = embeddings @ embeddings.swapaxes(1, 2), SESSION_SONGS * (SESSION_SONGS - 1)
    return PolicyRun(
        rows=rows,
        regret=best - np.take_along_axis(utility, rows, axis=1),
        distance=np.array([aim.distance(points, target) for points, target in reached]),
        inside=np.array([lies_in(points, Quadrant.from_valence_arousal(*target)) for points, target in reached]),
        liking=listener.likes(songs)[rows],
        diversity=1.0 - (cosines.sum(axis=(1, 2)) - np.trace(cosines, axis1=1, axis2=2)) / pairs,
    )


def _ranked(context: PolicyContext, model: ListenerModel, drawn: ListenerModel) -> int:
    """Let the product choose the next song of a list of which some are played."""
    shared = ListenerModel.fit(Ratings.none(model.embeddings.shape[1]), context.prior, context.songs.basis)
    state = ListenerState(shared, model, drawn, History(context.ratings, {}, {}, ()))
    valence, arousal = context.target.tolist()
    target = Target(valence, arousal, context.aim.quadrant(context.target))
    mood = float(context.mood[0]), float(context.mood[1])
    request = PlaylistRequest(target, SESSION_SONGS, context.list_seed, mood=mood, variety=VARIETY)
    pool = context.songs.pool
    predicted = state.predict(pool, mood=mood, recency=np.zeros(len(context.songs)))
    fixed = dict(enumerate(context.played, start=1))
    every = np.ones(len(context.songs), bool)
    return rank_list(ListContext(request, state, pool, predicted, fixed, None, choosable=every)).songs[0].row


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
        album_ids=np.zeros_like(ids),
        embeddings=estimates.embeddings,
        **dict.fromkeys(("shared", "rated", "felt"), felt.point),
        drawn=tried.point,
        confidence=estimates.confidence,
        liking=felt.liking,
        drawn_liking=tried.liking,
        **dict.fromkeys(("recency", "likeness"), nothing),
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

JourneyFigures = dict[str, float]
Planner = Callable[[Candidates, NDArray[np.float64], int], NDArray[np.int64]]


def _nearest(candidates: Candidates, path: NDArray[np.float64], _seed: int) -> NDArray[np.int64]:
    # For each place, of the songs left, the one predicted nearest to its target.
    rows: list[int] = []
    for target in place_targets(path, N_PLACES):
        away = np.hypot(*(candidates.felt - target).T)
        away[rows] = np.inf
        rows.append(int(np.argmin(away)))
    return np.array(rows)


PLANNERS: Mapping[str, Planner] = {
    OURS: lambda songs, path, _: walk(songs, path, N_PLACES, weights=Weights.of(VARIETY, journey=True)).rows,
    "nearest to each target": _nearest,
    "random": lambda songs, _path, seed: np.random.default_rng(seed).choice(len(songs), N_PLACES, replace=False),
}


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


def journeys(listener: SimulatedListener, songs: SongPool, prior: Prior, seed: int) -> dict[str, JourneyFigures]:
    """Return the true figures of each planner's journey; the seed decides path, earlier ratings and the model's draw.

    "liking" is the mean true one, "artist again" the share of songs by the last song's artist.
    """
    model, path = rated_model(listener, songs, prior, seed), journey_path(listener, seed)
    drawn = model.draw(seed, draw_temperature(VARIETY))
    candidates = candidates_of(songs, model, drawn, None)
    outcomes = {}
    for name, plan in PLANNERS.items():
        rows = plan(candidates, path, seed)
        artists = songs.artist_ids[rows]
        quality = path_quality(felt_along(listener, songs, rows, path[0]), path)
        outcomes[name] = {
            "mean step": quality.mean_step,
            "largest step": quality.largest_step,
            "steps not back": quality.monotone_share,
            "departure": quality.departure,
            "arrival": quality.arrival,
            "liking": float(listener.likes(songs)[rows].mean()),
            "artist again": float((artists[1:] == artists[:-1]).mean()),
        }
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
    # Ten songs are rated in the first session.
    "distance": lambda run: float(run.distance[1:].mean()),
    "in the quadrant": lambda run: float(run.inside[1:].mean()),
    "liking": lambda run: float(run.liking[1:].mean()),
    "diversity": lambda run: float(run.diversity.mean()),
    "different songs": lambda run: len(np.unique(run.rows)) / run.rows.size,
}


def compare_policies(
    listeners: Sequence[SimulatedListener],
    songs: SongPool,
    learned: Prior,
    seed: int,
    aim: Aim,
    on_done: Callable[[str], None] = lambda _policy: None,
) -> dict[str, list[PolicyRun]]:
    """Let every policy choose for every listener, with the same seeds; `on_done` is called with each policy's name."""
    variants = [(name, policy, learned) for name, policy in POLICIES.items()]
    variants += [(f"{name}, new installation", POLICIES[name], Prior.default()) for name in _ALSO_NEW]
    seeds = range(seed * len(listeners), (seed + 1) * len(listeners))
    runs = {}
    for name, policy, prior in variants:
        pairs = zip(listeners, seeds, strict=True)
        runs[name] = [run_policy(listener, songs, prior, policy, each, aim) for listener, each in pairs]
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
    shown, others = list(MEASURES)[:-1], {name: its for name, its in runs.items() if name != OURS}
    rows = []
    for name, its in others.items():
        less = {measure: _measured(runs[OURS], measure) - _measured(its, measure) for measure in shown}
        rows.append(
            (name, *(interval_text(interval(each)) for each in less.values()), percent_of(less["distance"] > 0))
        )
    return Table("", "", ("ours less", *shown, "farther"), tuple(rows)).to_markdown()


def percent_of(which: NDArray[np.bool_]) -> str:
    """Return the share that is true, such as "48 %"."""
    return f"{100 * which.mean():.0f} %"


def journey_table(outcomes: Sequence[Mapping[str, JourneyFigures]]) -> str:
    """Return each planner's measures with intervals over listeners, a row per planner."""
    figures = _journey_intervals(outcomes)
    rows = tuple((name, *map(interval_text, measures.values())) for name, measures in figures.items())
    return Table("", "", ("journey", *figures[OURS]), rows).to_markdown()


def _journey_intervals(outcomes: Sequence[Mapping[str, JourneyFigures]]) -> dict[str, dict[str, Interval]]:
    return {
        name: {measure: interval(np.array([each[name][measure] for each in outcomes])) for measure in figures}
        for name, figures in outcomes[0].items()
    }


def as_json(
    runs: Mapping[str, PolicyRuns], outcomes: Sequence[Mapping[str, JourneyFigures]], n_songs: int
) -> dict[str, Any]:
    """Return all figures, each a mean and its interval; `runs` by the name of the aim."""
    policies: dict[str, Any] = {
        aim: {
            name: {measure: interval(_measured(its, measure)) for measure in MEASURES}
            | {"coverage": coverage(its, n_songs)}
            for name, its in by_policy.items()
        }
        for aim, by_policy in runs.items()
    }
    journeys = _journey_intervals(outcomes)
    return {"note": NOTE, "listeners": len(outcomes), "policies": policies, "journeys": journeys}
