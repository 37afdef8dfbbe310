"""Policies that choose the next song for a simulated listener, and what came of it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from recommender.felt_model.model import ListenerModel, Prior
from recommender.felt_model.ratings import Ratings
from recommender.ranking.lists import Candidates, draw_temperature, rank
from training.listener_study.simulate import N_SESSIONS, SESSION_SONGS, VARIETY, WEIGHTS, Simulated, Songs


@dataclass(frozen=True, slots=True)
class Situation:
    """What a policy is asked with: everything but `who`, at which only those that know may look.

    `ratings` are all answers so far; `played` are the rows of this session's songs so far, in order.
    """

    songs: Songs
    prior: Prior
    mood: NDArray[np.float64]
    target: NDArray[np.float64]
    ratings: Ratings
    played: tuple[int, ...]
    session: int
    seed: int
    who: Simulated


Policy = Callable[[Situation], int]


@dataclass(frozen=True, slots=True)
class Course:
    """What one listener got: `rows` `(sessions, songs)` as played, and per song `(sessions, songs)` what it was.

    `regret` is what the best songs of that session, as many, were worth more; `distance` that of what was truly felt
    to the target; `liking` the true one. `diversity` `(sessions,)` is 1 less the mean cosine between a session's songs.
    """

    rows: NDArray[np.int64]
    regret: NDArray[np.float64]
    distance: NDArray[np.float64]
    liking: NDArray[np.float64]
    diversity: NDArray[np.float64]


def ours(at: Situation) -> int:
    """Rank with a draw from the listener's posterior, as the recommender does (Thompson sampling)."""
    return _adapted(at, draw_temperature(VARIETY))


def thompson_proper(at: Situation) -> int:
    """Rank with a full draw, as at the largest variety, all else as `ours`."""
    return _adapted(at, 1.0)


def greedy(at: Situation) -> int:
    """Rank with the posterior's mean: what is known best, and never a try."""
    return _adapted(at, 0.0)


def no_adaptation(at: Situation) -> int:
    """Rank with the model of everybody, which knows the mood and no rating."""
    nobody = ListenerModel.fit(at.ratings.rows(np.zeros(0, np.int64)), at.prior, at.songs.basis)
    return _ranked(at, nobody)


def popularity(at: Situation) -> int:
    """Take the song that real listeners liked best of those perceived in the target's quadrant."""
    inside = (np.sign(at.songs.perceived) == np.sign(at.target)).all(axis=1)
    # A quadrant with fewer songs than a session is filled up with the others.
    return _best_left(at, at.songs.popularity + 10.0 * inside)


def at_random(at: Situation) -> int:
    """Take any song."""
    rng = np.random.default_rng((at.seed, at.session, len(at.played)))
    return _best_left(at, rng.random(len(at.songs)))


def knows_coefficients(at: Situation) -> int:
    """Take the song worth most by the listener's true coefficients: the end of what ratings of other songs teach."""
    return _best_left(at, at.who.without_surprises().worth(at.songs, at.session))


def all_knowing(at: Situation) -> int:
    """Take the song that is truly worth most: the measure of regret."""
    return _best_left(at, at.who.worth(at.songs, at.session))


OURS = "ours"
POLICIES: Mapping[str, Policy] = {
    OURS: ours,
    "a full draw": thompson_proper,
    "greedy": greedy,
    "no adaptation": no_adaptation,
    "popularity": popularity,
    "random": at_random,
    "knows the coefficients": knows_coefficients,
    "all-knowing": all_knowing,
}


def run(who: Simulated, songs: Songs, prior: Prior, policy: Policy, seed: int) -> Course:
    """Let a policy choose every song of a listener's sessions, each after the answer to the one before.

    Args:
        who: the listener.
        songs: what there is, at least as many as a session has.
        prior: what the policy believes of listeners at large.
        policy: chooses.
        seed: of the policy's own chance.
    """
    answers: list[Ratings] = []
    rows = np.zeros((N_SESSIONS, SESSION_SONGS), np.int64)
    for session in range(N_SESSIONS):
        for place in range(SESSION_SONGS):
            situation = Situation(
                songs=songs,
                prior=prior,
                mood=who.moods[session],
                target=who.targets[session],
                ratings=joined(answers, songs),
                played=tuple(rows[session, :place].tolist()),
                session=session,
                seed=seed,
                who=who,
            )
            rows[session, place] = policy(situation)
            answers.append(who.answer(songs, session, int(rows[session, place])))
    return _course(who, songs, rows)


def _course(who: Simulated, songs: Songs, rows: NDArray[np.int64]) -> Course:
    worth = np.array([who.worth(songs, session) for session in range(len(rows))])
    felt = np.array([who.felt(songs, mood)[played] for mood, played in zip(who.moods, rows, strict=True)])
    best = -np.sort(-worth, axis=1)[:, : rows.shape[1]]
    return Course(
        rows=rows,
        regret=best - np.take_along_axis(worth, rows, axis=1),
        distance=np.hypot(*np.moveaxis(felt - who.targets[:, None], 2, 0)),
        liking=who.likes(songs)[rows],
        diversity=np.array([_diversity(songs.embeddings[played]) for played in rows]),
    )


def _diversity(embeddings: NDArray[np.float64]) -> float:
    n = len(embeddings)
    cosines = embeddings @ embeddings.T
    return float(1.0 - (cosines.sum() - np.trace(cosines)) / (n * (n - 1)))


def _adapted(at: Situation, temperature: float) -> int:
    model = ListenerModel.fit(at.ratings, at.prior, at.songs.basis)
    # One seed for a session, as one playlist has one.
    drawn = model.draw(at.seed * N_SESSIONS + at.session, temperature) if temperature else model
    return _ranked(at, drawn)


def _ranked(at: Situation, drawn: ListenerModel) -> int:
    """Return the row that the recommender's ranking puts at the next place of the session.

    What the mean predicts is for explanations: in the sum of a song's terms only the draw is left of closeness.
    """
    candidates = candidates_of(at.songs, drawn, drawn, at.mood)
    fixed = dict(enumerate(at.played, start=1))
    targets = np.tile(at.target, (len(at.played) + 1, 1))
    return rank(candidates, targets, weights=WEIGHTS, fixed=fixed)[0].row


def candidates_of(
    songs: Songs, model: ListenerModel, drawn: ListenerModel, mood: NDArray[np.float64] | None
) -> Candidates:
    """Return the songs as the ranking takes them."""
    asked = songs.ids, songs.perceived, songs.embeddings, mood
    felt = model.predict(*asked)
    tried = felt if drawn is model else drawn.predict(*asked)
    nothing = np.zeros(len(songs))
    return Candidates(
        song_ids=songs.ids,
        artist_ids=songs.artist_ids,
        album_ids=np.zeros(len(songs), np.int64),
        embeddings=songs.embeddings,
        shared=felt.point,
        rated=felt.point,
        felt=felt.point,
        drawn=tried.point,
        confidence=songs.confidence,
        liking=felt.liking,
        drawn_liking=tried.liking,
        recency=nothing,
        likeness=nothing,
    )


def _best_left(at: Situation, scores: NDArray[np.float64]) -> int:
    scores = scores.copy()
    scores[list(at.played)] = -np.inf
    return int(np.argmax(scores))


def joined(answers: Sequence[Ratings], songs: Songs) -> Ratings:
    """Return answers one after the other as one listener's ratings."""
    if not answers:
        return Ratings.none(songs.embeddings.shape[1])
    names = [field.name for field in fields(Ratings)]
    return Ratings(**{name: np.concatenate([getattr(answer, name) for answer in answers]) for name in names})
