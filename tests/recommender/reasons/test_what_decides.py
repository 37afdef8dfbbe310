"""What a reason names decided: taking it away changes the choice, in made situations and with real estimates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.inference.quadrants import Quadrant
from recommender.felt_model.model import ListenerModel, Prior, Ratings
from recommender.generate import ListContext, _evidence, rank_list
from recommender.listener import History, ListenerState, Predicted
from recommender.ranking.lists import TERM_ROW, Candidates, RankedSong, Weights, _Greedy, draw_temperature, rank
from recommender.reasons.reasons import Evidence, Factor, LikeSignal, deciding, reasons
from recommender.requests import PlaylistRequest, Target
from recommender.retrieval import Pool
from tests.recommender.ranking.test_lists import everything_at_work
from tests.recommender.real_songs import REAL, embeddings, points
from tests.recommender.reasons.test_reasons import TERM_OF

LENGTH = 12
_OBJECTIONS = (Factor.OWN_DISLIKE, Factor.FEW_STARS, Factor.SKIPPED)


class _Asked(NamedTuple):
    """A list that was asked for."""

    pool: Candidates
    targets: NDArray[np.float64]
    weights: Weights
    quadrant: Quadrant | None
    seed: int


def _winner(asked: _Asked, songs: Sequence[RankedSong], place: int, factor: Factor) -> int:
    """Return the row that a place would go to without the term, or the rule, that a factor stands for."""
    greedy = _Greedy(asked.pool, asked.targets, asked.weights, {}, asked.quadrant, asked.seed)
    for song in songs[:place]:
        greedy.choose(song.position)
    terms = greedy.terms(place + 1).copy()
    left, apart = greedy.allowed(place + 1)
    assert int(np.argmax(np.where(apart, terms.sum(axis=0), -np.inf))) == songs[place].row
    if factor is Factor.KEPT_APART and "artist" not in songs[place].decided:
        return int(np.argmax(np.where(left, terms.sum(axis=0), -np.inf)))
    terms[TERM_ROW[TERM_OF[factor]]] = 0.0
    return int(np.argmax(np.where(apart, terms.sum(axis=0), -np.inf)))


def _check(asked: _Asked, songs: Sequence[RankedSong], given: Mapping[int, Evidence]) -> set[Factor]:
    named = set()
    for place, evidence in given.items():
        found = deciding(evidence)
        if found is not None and found.factor not in _OBJECTIONS:
            assert _winner(asked, songs, place, found.factor) != songs[place].row, (place, found)
            named.add(found.factor)
    return named


def test_in_two_thousand_made_situations_what_is_named_decided() -> None:
    rng = np.random.default_rng(0)
    seen: set[Factor] = set()
    for number in range(2000):
        pool = everything_at_work(number, n_songs=40)
        quadrant = [None, *Quadrant][number % 5]
        targets = np.tile(quadrant.target if quadrant else rng.uniform(-0.8, 0.8, 2), (6, 1))
        weights = Weights.of(float(rng.choice([0.0, 0.3, 1.0])), region=quadrant is not None)
        asked = _Asked(pool, targets, weights, quadrant, number)
        songs = rank(pool, targets, weights=weights, quadrant=quadrant, seed=number)
        place = int(rng.integers(len(songs)))
        song = songs[place]
        evidence = Evidence(
            decided=song.decided,
            helped=frozenset(name for name, value in song.terms.as_dict().items() if value > 0),
            by_ratings=_pair(pool.rated[song.row] - pool.shared[song.row]),
            by_mood=_pair(pool.felt[song.row] - pool.rated[song.row]),
            mood=(0.5, 0.5),
            target=_pair(targets[0]),
            is_new=True,
            kept_apart=song.kept_apart,
        )
        seen |= _check(asked, songs, {place: evidence})
    assert {Factor.ALL_RATINGS, Factor.MOOD, Factor.SHARED_LIKING, Factor.EXPLORATION} <= seen
    assert {Factor.FRESH, Factor.CONTRAST, Factor.KEPT_APART} <= seen


def _pair(point: NDArray[np.float64]) -> tuple[float, float]:
    return float(point[0]), float(point[1])


# --- Real estimates -----------------------------------------------------------------------------------------------


class _Situation(NamedTuple):
    context: ListContext
    asked: _Asked
    songs: list[RankedSong]
    evidence: list[Evidence]


def _real_pool() -> Pool:
    probabilities = REAL["probabilities"]
    n_songs = len(probabilities)
    _, artists = np.unique(REAL["artist"], return_inverse=True)
    return Pool(
        song_ids=np.arange(1, n_songs + 1),
        artist_ids=artists + 1,
        album_ids=np.zeros(n_songs, np.int64),
        years=np.zeros(n_songs, np.int16),
        quadrants=tuple(Quadrant(int(column) + 1) for column in probabilities.argmax(axis=1)),
        confidence=probabilities.max(axis=1).astype(np.float64),
        perceived=points(),
        embeddings=embeddings(),
        model_version=str(REAL["model_version"]),
    )


def _context(request: PlaylistRequest, state: ListenerState, pool: Pool, predicted: Predicted) -> ListContext:
    """Return the context of a list of which nothing is placed yet, all of whose songs can be played."""
    every = np.ones(len(pool.song_ids), bool)
    return ListContext(request, state, pool, predicted, {}, None, choosable=every)


def _history(pool: Pool, rng: np.random.Generator) -> History:
    """Return what a listener said about some songs, if anything: feelings, likes, and moods before."""
    rows = rng.choice(len(pool.song_ids), int(rng.choice([0, 1, 4, 10, 20])), replace=False)
    n_rated = len(rows)
    felt = np.clip(pool.perceived[rows] + rng.normal(rng.uniform(-0.3, 0.3, 2), 0.2, (n_rated, 2)), -1, 1)
    moods = np.where(rng.random((n_rated, 1)) < 0.5, rng.uniform(-1, 1, (n_rated, 2)), np.nan)
    likes = rng.choice([1.0, -1.0, np.nan], n_rated)
    ratings = Ratings(
        song_ids=pool.song_ids[rows],
        perceived=pool.perceived[rows],
        felt=felt,
        embeddings=pool.embeddings[rows],
        weights=np.ones(n_rated),
        likes=likes,
        like_weights=np.ones(n_rated),
        moods=moods,
        familiar=np.zeros(n_rated),
    )
    said = {1.0: LikeSignal.LIKED, -1.0: LikeSignal.DISLIKED}
    signals = {int(song_id): said[like] for song_id, like in zip(ratings.song_ids, likes, strict=True) if like in said}
    return History(ratings, signals, {}, ())


def _situations(n_situations: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Situation]:
    pool = _real_pool()
    monkeypatch.setattr("recommender.generate.recordings_of", lambda pool: pool.song_ids)
    basis = np.linalg.svd(pool.embeddings - pool.embeddings.mean(axis=0), full_matrices=False)[2][:8]
    shared = ListenerModel.fit(Ratings.none(64), Prior.default(), basis)
    for number in range(n_situations):
        rng = np.random.default_rng(number)
        history = _history(pool, rng)
        variety = float(rng.choice([0.0, 0.3, 0.8]))
        model = ListenerModel.fit(history.ratings, Prior.default(), basis)
        state = ListenerState(
            shared, model, model.draw(number, draw_temperature(variety)) if variety else model, history
        )
        quadrant = [None, *Quadrant][number % 5]
        target = Target.of_quadrant(quadrant) if quadrant else Target(*rng.uniform(-0.8, 0.8, 2).tolist())
        mood = _pair(rng.uniform(-1, 1, 2)) if number % 3 == 0 else None
        request = PlaylistRequest(target, length=LENGTH, mood=mood, variety=variety, seed=number)
        recency = (rng.random(len(pool.song_ids)) < 0.05).astype(np.float64)
        predicted = state.predict(pool, mood=mood, recency=recency)
        context = _context(request, state, pool, predicted)
        ranked = rank_list(context)
        evidence = [_evidence(context, song, ranked.candidates.felt[song.row]) for song in ranked.songs]
        targets = np.tile(target.point, (LENGTH, 1))
        asked = _Asked(ranked.candidates.take(ranked.rows), targets, context.weights, quadrant, number)
        songs = [replace(song, row=int(np.searchsorted(ranked.rows, song.row))) for song in ranked.songs]
        yield _Situation(context, asked, songs, evidence)


def test_in_five_hundred_real_situations_reasons_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is named decided, nothing is spoken of that was not said, and no reason is given too often."""
    seen: set[Factor] = set()
    n_said = 0
    for situation in _situations(500, monkeypatch):
        context, songs = situation.context, situation.songs
        said = reasons(situation.evidence)
        n_said += sum(map(bool, said))
        spoken = {place: situation.evidence[place] for place, words in enumerate(said) if words}
        seen |= _check(situation.asked, songs, spoken)
        factors = [found.factor for each in spoken.values() if (found := deciding(each))]
        assert all(factors.count(factor) <= max(len(songs) // 3, 1) for factor in factors)
        assert all(said.count(words) <= max(len(songs) // 3, 1) for words in said if words)
        likes = context.state.history.like_signals
        for song, words in zip(songs, said, strict=True):
            assert words.count(".") == bool(words)
            if context.request.mood is None:
                assert "You said" not in words
            if len(context.state.history.ratings.song_ids) == 0:
                assert "our rating" not in words
                assert "liked" not in words
                assert "your likes" not in words
            if "liked it" in words:
                assert song.song_id in likes
    assert n_said > 500
    assert {Factor.SIMILAR_RATINGS, Factor.CONTRAST, Factor.OWN_LIKE, Factor.OWN_DISLIKE} <= seen | set(_OBJECTIONS)


def test_a_mood_puts_no_song_of_the_opposite_corner_into_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """For every target and every mood, with the songs that are a list's without a mood as the measure."""
    pool = _real_pool()
    monkeypatch.setattr("recommender.generate.recordings_of", lambda pool: pool.song_ids)
    shared = ListenerModel.fit(Ratings.none(64), Prior.default(), np.zeros((0, 64)))
    state = ListenerState(shared, shared, shared, History(Ratings.none(64), {}, {}, ()))
    for quadrant in Quadrant:
        opposite = Quadrant.from_valence_arousal(*(-np.asarray(quadrant.target)))
        counts: dict[Target, int] = {}
        for mood in (None, *(each.target for each in Quadrant), (-1.0, 1.0), (1.0, 1.0), (-1.0, -1.0), (1.0, -1.0)):
            for target in (Target.of_quadrant(quadrant), Target(*quadrant.target)):
                request = PlaylistRequest(target, length=LENGTH, mood=mood, variety=0.0, seed=1)
                predicted = state.predict(pool, mood=mood, recency=np.zeros(96))
                moved = Quadrant.from_valence_arousal
                for row, each in enumerate(pool.quadrants):
                    assert moved(*predicted.candidates.felt[row]) is each
                context = _context(request, state, pool, predicted)
                n_opposite = sum(pool.quadrants[song.row] is opposite for song in rank_list(context).songs)
                assert n_opposite <= counts.setdefault(target, n_opposite), (quadrant, mood, target)
