"""A small catalog to recommend from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from catalog.models import Song
from emotion.inference.quadrants import Quadrant
from emotion.models import EmotionEstimate
from recommender.models import Playlist
from recommender.requests import Listener, Target
from tests.factories import FIXED_IDS, ArtistFactory, EstimateFactory, SongFactory

SongMaker = Callable[..., list[Song]]

HAPPY = Target.of_quadrant(Quadrant.Q1)


def order(playlist: Playlist) -> list[int]:
    """Return the songs of a playlist in order."""
    return list(playlist.items.order_by("position").values_list("song_id", flat=True))


def tag(song: Song, valence: float, arousal: float, **fields: object) -> EmotionEstimate:
    """Give a song a current estimate at a point of the plane."""
    quadrant = Quadrant.from_valence_arousal(valence, arousal)
    return EstimateFactory(song=song, valence=valence, arousal=arousal, quadrant=quadrant, **fields)


@pytest.fixture
def make_songs(db: None) -> SongMaker:
    """Make tagged songs around a point, each by another artist unless given; the same ones in every run."""

    def make(
        n_songs: int,
        *,
        around: tuple[float, float] = (0.6, 0.6),
        spread: float = 0.3,
        n_artists: int = 0,
        **fields: object,
    ) -> list[Song]:
        rng = np.random.default_rng(n_songs)
        artists = ArtistFactory.create_batch(n_artists or n_songs)
        points = np.clip(np.asarray(around) + rng.uniform(-spread, spread, size=(n_songs, 2)), -1, 1)
        first = FIXED_IDS + Song.objects.count()
        songs = [SongFactory(pk=first + n, artist=artists[n % len(artists)], **fields) for n in range(n_songs)]
        for n, song in enumerate(songs):
            tag(song, float(points[n, 0]), float(points[n, 1]), seed=1000 * n_songs + n)
        return songs

    return make


@pytest.fixture
def nobody() -> Listener:
    """A listener without an account."""
    return Listener(user=None, session_key="a-browser-session")
