"""A listener as the ranking needs them: the shared model, their own, a draw of it, their mood and what they told."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalog.core.points import Point
from recommender.felt_model.model import Felt, ListenerModel, Prior
from recommender.felt_model.ratings import MOOD, TYPICAL_MOOD, Ratings
from recommender.index.songs import FeltQuery, SongIndex
from recommender.listener.history import History, history_of
from recommender.models import FeltPrior
from recommender.ranking.journey_planner import Drift
from recommender.ranking.lists import Candidates, draw_temperature
from recommender.retrieval.pool import Pool
from recommender.values import Listener

logger = logging.getLogger(__name__)


def current_prior() -> Prior:
    """Return the prior learned last, or that of a new installation while there is none that can be read."""
    row = FeltPrior.objects.filter(is_current=True).only("parameters").first()
    if row is None:
        return Prior.default()
    try:
        return Prior.from_json(row.parameters)
    except ValueError as error:
        logger.warning("The prior of all listeners cannot be read, so the built-in one is used: %s", error)
        return Prior.default()


# A generator takes no negative seed; a playlist's may be one.
_SEEDS = 2**63


@dataclass(frozen=True, slots=True)
class Person:
    """`shared` is the model of anybody, `model` the listener's own, `drawn` a draw from its posterior.

    `history` is what it was fitted to, and what else they told.
    """

    shared: ListenerModel
    model: ListenerModel
    drawn: ListenerModel
    history: History

    @property
    def drift(self) -> Drift:
        """How moods move what this listener feels."""
        return Drift(self.model.coefficients[:, MOOD], self.drawn.coefficients[:, MOOD], TYPICAL_MOOD)

    def queries(
        self, points: NDArray[np.float64], moods: Sequence[Point | None], models: Sequence[ListenerModel]
    ) -> list[FeltQuery]:
        """Return what finds the songs for some points, each in a mood, by each of some models of this listener.

        Args:
            points: `(n, 2)`, what is to be felt.
            moods: `n` moods before, None where it is not known.
            models: `model`, `drawn` or both.
        """
        asked = zip(points, moods, strict=True)
        return [FeltQuery.of(point, each.linear(mood)) for point, mood in asked for each in models]


@dataclass(frozen=True, slots=True)
class Predicted:
    """Candidates as the ranking takes them, a row per song of the pool, and what the predictions were made of."""

    pool: Pool
    candidates: Candidates
    felt: Felt
    shared_liking: NDArray[np.float64]


def person_of(listener: Listener, index: SongIndex, *, seed: int = 0, variety: float = 0.0) -> Person:
    """Fit a listener's model.

    Args:
        listener: whose ratings and listens count.
        index: whose embeddings the model lives on.
        seed: decides the draw.
        variety: how far the draw may go, in [0, 1]; 0 is the model itself.
    """
    history = history_of(listener, index)
    prior, basis = current_prior(), index.basis
    model = ListenerModel.fit(history.ratings, prior, basis)
    temperature = draw_temperature(variety)
    return Person(
        shared=ListenerModel.fit(Ratings.none(index.n_dimensions), prior, basis),
        model=model,
        drawn=model.draw(seed % _SEEDS, temperature) if temperature else model,
        history=history,
    )


def predict(
    person: Person,
    pool: Pool,
    *,
    mood: Point | None,
    recency: NDArray[np.float64],
    likeness: NDArray[np.float64] | None = None,
) -> Predicted:
    """Predict what a listener feels for every song of a pool.

    Args:
        person: the listener.
        pool: `n` songs.
        mood: how they said they are before listening; None when they did not.
        recency: `(n,)`, 1 for a song heard within a day, falling to 0.
        likeness: `(n,)`, the cosine with the song that a list is around; None for 0.
    """
    songs = pool.song_ids, pool.perceived, pool.embeddings
    shared = person.shared.predict(*songs)
    felt = person.model.predict(*songs, mood=mood)
    drawn, drawn_liking = _drawn(person, pool, felt, mood)
    candidates = Candidates(
        song_ids=pool.song_ids,
        artist_ids=pool.artist_ids,
        album_ids=pool.album_ids,
        embeddings=pool.embeddings,
        shared=shared.point,
        rated=np.clip(felt.point - felt.by_mood, -1.0, 1.0),
        felt=felt.point,
        drawn=drawn,
        confidence=pool.confidence,
        liking=felt.liking,
        drawn_liking=drawn_liking,
        recency=recency,
        likeness=np.zeros(len(pool.song_ids)) if likeness is None else likeness,
    )
    return Predicted(pool=pool, candidates=candidates, felt=felt, shared_liking=shared.liking)


def _drawn(
    person: Person, pool: Pool, felt: Felt, mood: Point | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return points and liking of the draw, as the prediction plus what the draw changed in its coefficients.

    Predicting with the drawn model would also look for the ratings that moved each song, which costs most and which
    nobody asks of a draw. What a rating said of the very song halves the doubt about it, and so what a draw may change.
    """
    if person.drawn is person.model:
        return felt.point, felt.liking
    drawn, model = person.drawn.linear(mood), person.model.linear(mood)
    change = pool.perceived @ (drawn.on_perceived - model.on_perceived).T
    change += pool.embeddings @ (drawn.on_embedding - model.on_embedding).T + (drawn.offset - model.offset)
    change[felt.by_own_rating] *= 0.5
    liking = felt.liking + pool.embeddings @ (drawn.liking - model.liking)
    return np.clip(felt.point + change, -1.0, 1.0), np.clip(liking, -1.0, 1.0)
