"""The listeners of one study, and the shipped model's estimates of its recordings, which are cached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalog.core.files import write_atomic
from emotion.exceptions import AudioUnreadableError, CheckpointError
from emotion.inference import checkpoint
from recommender.felt_model.model import Ratings
from recommender.index import songs as index_songs
from training.datasets.base import Clip, DatasetError


@dataclass(frozen=True, slots=True)
class Cohort:
    """The listeners of one study.

    `listeners` maps names to answers, a row each; songs of different listeners share ids. `basis` `(r, d)` has
    orthonormal rows onto which embeddings are projected.
    """

    name: str
    listeners: dict[str, Ratings]
    basis: NDArray[np.float64]

    @property
    def n_ratings(self) -> int:
        """Answers of all listeners."""
        return sum(len(ratings.song_ids) for ratings in self.listeners.values())

    @property
    def knows_mood(self) -> bool:
        """Whether any listener's mood before listening is known."""
        return any(np.isfinite(ratings.moods).any() for ratings in self.listeners.values())

    def without_mood(self) -> Cohort:
        """Return the same answers without the moods before."""
        listeners = {
            name: replace(ratings, moods=np.full_like(ratings.moods, np.nan))
            for name, ratings in self.listeners.items()
        }
        return replace(self, listeners=listeners)


def principal_directions(embeddings: NDArray[np.float64], n_directions: int) -> NDArray[np.float64]:
    """Return orthonormal rows `(r, d)` along which embeddings `(n, d)` vary most, as the index chooses them."""
    directions = index_songs.principal_directions(embeddings.sum(axis=0), embeddings.T @ embeddings, len(embeddings))
    return directions[:n_directions]


@dataclass(frozen=True, slots=True)
class SongEstimates:
    """A row per song: `perceived` `(n, 2)` in [-1, 1], unit `embeddings` `(n, d)`, `confidence` `(n,)` in [0, 1]."""

    perceived: NDArray[np.float64]
    embeddings: NDArray[np.float64]
    confidence: NDArray[np.float64]

    def ratings(
        self,
        songs: NDArray[np.int64],
        felt: NDArray[np.float64],
        *,
        likes: NDArray[np.float64] | None = None,
        moods: NDArray[np.float64] | None = None,
        familiar: NDArray[np.float64] | None = None,
    ) -> Ratings:
        """Return one listener's answers to songs `(n,)`, given as rows; what is None was not asked."""
        n = len(songs)
        return Ratings(
            song_ids=songs,
            perceived=self.perceived[songs],
            felt=felt,
            embeddings=self.embeddings[songs],
            weights=np.ones(n),
            likes=np.full(n, np.nan) if likes is None else likes,
            like_weights=np.ones(n),
            moods=np.full((n, 2), np.nan) if moods is None else moods,
            familiar=np.zeros(n) if familiar is None else familiar,
        )


def estimate_clips(clips: Sequence[Clip], weights: Path, cache: Path | None = None) -> SongEstimates:
    """Estimate clips with a checkpoint, through the code that serves; `cache` is a folder for the estimates.

    Raises:
        DatasetError: The audio of a clip cannot be read, or the model cannot be loaded.
    """
    try:
        version = checkpoint.read_card(weights).version
    except CheckpointError as error:
        raise DatasetError(str(error)) from error
    path = cache / f"{clips[0].dataset}.{version}.npz" if cache else None
    ids = [clip.id for clip in clips]
    if path and path.is_file():
        with np.load(path) as arrays:
            if arrays["ids"].tolist() == ids:
                return SongEstimates(**{name: arrays[name] for name in SongEstimates.__slots__})
    estimates = _estimate(clips, weights)
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = {name: getattr(estimates, name) for name in SongEstimates.__slots__}
        write_atomic(path, lambda file: np.savez(file, ids=ids, **arrays), durable=False)
    return estimates


def _estimate(clips: Sequence[Clip], weights: Path) -> SongEstimates:
    from emotion.inference.predict import Predictor

    missing = next((clip.audio for clip in clips if not clip.audio.is_file()), None)
    if missing:
        raise DatasetError(f"{missing} is missing, so it cannot be heard; fetch the recordings again.")
    results = []
    for clip, result in zip(clips, Predictor.load(weights).predict([clip.audio for clip in clips]), strict=True):
        if isinstance(result, AudioUnreadableError):
            raise DatasetError(f"{clip.audio} cannot be heard: {result}")
        results.append(result)
    return SongEstimates(
        perceived=np.array([(result.valence, result.arousal) for result in results]),
        embeddings=np.array([result.embedding for result in results], np.float64),
        confidence=np.array([result.probabilities.max() for result in results]),
    )
