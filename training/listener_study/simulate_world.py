"""What a simulation is made of: the songs of Emotify, and what SiTunes and Emotify teach of listeners. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recommender.felt_model.learning import learn
from recommender.felt_model.model import Prior
from recommender.felt_model.ratings import Ratings
from training.listener_study import emotify, situnes
from training.listener_study.cohort import Cohort
from training.listener_study.simulate import Simulated, Songs, draw_listener, mood_spread, world_prior


@dataclass(frozen=True, slots=True)
class World:
    """The songs, what listeners have in common, and the covariance `(2, 2)` of their moods before a session."""

    songs: Songs
    prior: Prior
    moods: NDArray[np.float64]

    def draw(self, n_listeners: int, seed: int) -> list[Simulated]:
        """Draw listeners; the first ones are the same however many are drawn."""
        return [draw_listener(self.prior, self.songs, self.moods, (seed, number)) for number in range(n_listeners)]


def load(data: Path, weights: Path, cache: Path | None = None) -> World:
    """Learn a world from a folder that holds `situnes` and `emotify`.

    Args:
        data: The folder.
        weights: The model that hears the songs.
        cache: Folder that keeps what it heard.

    Raises:
        DatasetError: a study is missing or cannot be read.
    """
    moods, study = situnes.load(data / "situnes"), emotify.load(data / "emotify", weights, cache)
    artists = np.unique([clip.artist for clip in study.clips], return_inverse=True)[1]
    songs = Songs(
        perceived=study.heard.perceived,
        embeddings=study.heard.embeddings,
        confidence=study.heard.confidence,
        artist_ids=np.asarray(artists, np.int64),
        popularity=_popularity(list(study.cohort.listeners.values()), len(study.clips)),
        basis=study.cohort.basis,
    )
    prior = world_prior(moods_from=_learned(moods), songs_from=_learned(study.cohort))
    return World(songs, prior, mood_spread(list(moods.listeners.values())))


def _learned(cohort: Cohort) -> Prior:
    return learn(list(cohort.listeners.values()), cohort.basis, Prior.default())


def _popularity(listeners: list[Ratings], n_songs: int) -> NDArray[np.float64]:
    """Return each song's mean like `(n,)`, drawn towards that of all songs as by five listeners more."""
    songs = np.concatenate([each.song_ids for each in listeners])
    likes = np.concatenate([each.likes for each in listeners])
    count, total = np.bincount(songs, minlength=n_songs), np.bincount(songs, weights=likes, minlength=n_songs)
    return np.asarray((total + 5.0 * likes.mean()) / (count + 5.0))
