"""The state of a listener that the ranking needs: the shared model, the listener's, a draw of it, the history."""

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
from recommender.requests import Listener
from recommender.retrieval.pool import Pool

logger = logging.getLogger(__name__)

# A generator takes no negative seed; a playlist's may be one.
_SEEDS = 2**63


@dataclass(frozen=True, slots=True)
class Predicted:
    """Candidates, a row per song of a pool, and the prediction and shared liking `(n,)` that they were made of."""

    candidates: Candidates
    felt: Felt
    shared_liking: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ListenerState:
    """A fitted listener; make one with `listener_state`.

    `shared` is everybody's model, `model` the listener's own, fitted to `history`, `drawn` a draw from its posterior.
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
        """Return the queries for some points, each in a mood, by each of some models of this listener.

        Args:
            points: `(n, 2)`, where the listener wants to be.
            moods: `n` moods before, None where it is not known.
            models: `model`, `drawn` or both.
        """
        targets = zip(points, moods, strict=True)
        return [FeltQuery(point, model.linear(mood)) for point, mood in targets for model in models]

    def predict(
        self,
        pool: Pool,
        *,
        mood: Point | None,
        recency: NDArray[np.float64],
        likeness: NDArray[np.float64] | None = None,
    ) -> Predicted:
        """Predict what the listener feels for every song of a pool.

        Args:
            pool: `n` songs.
            mood: the stated mood before listening; None when there is none.
            recency: `(n,)`, 1 for a song played within a day, falling to 0.
            likeness: `(n,)`, the cosine with the song that a list is around; None for 0.
        """
        songs = pool.song_ids, pool.perceived, pool.embeddings
        shared = self.shared.predict(*songs)
        felt = self.model.predict(*songs, mood=mood)
        drawn, drawn_liking = self._predict_drawn(pool, felt, mood)
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
        return Predicted(candidates, felt, shared.liking)

    def _predict_drawn(
        self, pool: Pool, felt: Felt, mood: Point | None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return points `(n, 2)` and liking `(n,)` of the draw: the prediction plus the change of its coefficients.

        Predicting with the drawn model would also find the ratings that moved each song, which costs most and which a
        draw does not need. A rating of the very song halves the doubt about it, and so what a draw may change.
        """
        if self.drawn is self.model:
            return felt.point, felt.liking
        drawn, model = self.drawn.linear(mood), self.model.linear(mood)
        change = pool.perceived @ (drawn.on_perceived - model.on_perceived).T
        change += pool.embeddings @ (drawn.on_embedding - model.on_embedding).T + (drawn.offset - model.offset)
        change[felt.by_own_rating] *= 0.5
        liking = felt.liking + pool.embeddings @ (drawn.liking - model.liking)
        return np.clip(felt.point + change, -1.0, 1.0), np.clip(liking, -1.0, 1.0)


def listener_state(listener: Listener, index: SongIndex, *, seed: int = 0, variety: float = 0.0) -> ListenerState:
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
    return ListenerState(
        shared=ListenerModel.fit(Ratings.none(index.n_dimensions), prior, basis),
        model=model,
        drawn=model.draw(seed % _SEEDS, temperature) if temperature else model,
        history=history,
    )


def current_prior() -> Prior:
    """Return the prior learned last; that of a new installation when there is none or it cannot be read."""
    row = FeltPrior.objects.filter(is_current=True).only("parameters").first()
    if row is None:
        return Prior.default()
    try:
        return Prior.from_json(row.parameters)
    except ValueError as error:
        logger.warning("The prior of all listeners cannot be read, so the built-in one is used: %s", error)
        return Prior.default()
