"""Rows for tests. Files are not written: a test that plays or analyses a song brings its own audio."""

from __future__ import annotations

import hashlib
from typing import Any

import factory
import numpy as np
from django.contrib.auth.models import User
from factory.django import DjangoModelFactory

from catalog.models import Album, Artist, Song, Upload
from emotion.inference.quadrants import Quadrant, valence_arousal_from_probabilities
from emotion.models import AnalysisWorker, EmotionEstimate
from recommender.models import FeltRating, Listen, Playlist, PlaylistItem

PASSWORD = "a quiet password for tests 7"
MODEL_VERSION = "test-model-1"
EMBEDDING_SIZE = 64


def unit_embedding(seed: int, size: int = EMBEDDING_SIZE) -> bytes:
    """Return a random unit vector, float32 and little-endian, as estimates store it; the same for the same seed."""
    vector = np.random.default_rng(seed).normal(size=size)
    return bytes((vector / np.linalg.norm(vector)).astype("<f4").tobytes())


def probabilities_for(quadrant: Quadrant, confidence: float = 0.7) -> dict[str, float]:
    """Return `p_q1` to `p_q4` with `confidence` on one quadrant and the rest spread evenly."""
    rest = (1.0 - confidence) / 3
    return {f"p_q{each.value}": confidence if each is quadrant else rest for each in Quadrant}


class UserFactory(DjangoModelFactory[User]):
    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"listener{n}")
    password = factory.django.Password(PASSWORD)


class ArtistFactory(DjangoModelFactory[Artist]):
    class Meta:
        model = Artist

    name = factory.Sequence(lambda n: f"Artist {n}")
    name_key = factory.LazyAttribute(lambda artist: " ".join(artist.name.casefold().split()))


class AlbumFactory(DjangoModelFactory[Album]):
    class Meta:
        model = Album

    title = factory.Sequence(lambda n: f"Album {n}")
    title_key = factory.LazyAttribute(lambda album: " ".join(album.title.casefold().split()))
    artist = factory.SubFactory(ArtistFactory)


class SongFactory(DjangoModelFactory[Song]):
    """A tagged song; give `state` for another. Its estimate is a separate factory."""

    class Meta:
        model = Song

    title = factory.Sequence(lambda n: f"Song {n}")
    artist = factory.SubFactory(ArtistFactory)
    genre = "Rock"
    content_hash = factory.Sequence(lambda n: hashlib.sha256(f"song {n}".encode()).hexdigest())
    audio = factory.LazyAttribute(lambda song: f"audio/{song.content_hash[:2]}/{song.content_hash}.ogg")
    mime_type = "audio/ogg"
    size_bytes = 1_000_000
    duration_s = 60.0
    sample_rate_hz = 44_100
    channels = 2
    state = Song.State.ANALYSED


class UploadFactory(DjangoModelFactory[Upload]):
    class Meta:
        model = Upload

    owner = factory.SubFactory(UserFactory)
    file_name = factory.Sequence(lambda n: f"song {n}.ogg")
    size_bytes = 1_000_000
    outcome = Upload.Outcome.ACCEPTED
    song = factory.SubFactory(SongFactory, state=Song.State.QUEUED)


class EstimateFactory(DjangoModelFactory[EmotionEstimate]):
    """The current estimate of a song. `quadrant` and `confidence` set the probabilities and the point."""

    class Meta:
        model = EmotionEstimate

    class Params:
        confidence = 0.7
        seed = factory.Sequence(lambda n: n)

    song = factory.SubFactory(SongFactory)
    model_version = MODEL_VERSION
    is_current = True
    quadrant = Quadrant.Q1
    embedding_bytes = factory.LazyAttribute(lambda estimate: unit_embedding(estimate.seed))
    window_start_s = 18.0
    window_s = 24.0
    is_partial = False
    engine = "torch"
    device = "cpu"
    decode_ms = 20.0
    mel_ms = 10.0
    network_ms = 200.0

    @factory.lazy_attribute
    def p_q1(self) -> float:
        return probabilities_for(Quadrant(self.quadrant), self.confidence)["p_q1"]

    @factory.lazy_attribute
    def p_q2(self) -> float:
        return probabilities_for(Quadrant(self.quadrant), self.confidence)["p_q2"]

    @factory.lazy_attribute
    def p_q3(self) -> float:
        return probabilities_for(Quadrant(self.quadrant), self.confidence)["p_q3"]

    @factory.lazy_attribute
    def p_q4(self) -> float:
        return probabilities_for(Quadrant(self.quadrant), self.confidence)["p_q4"]

    @factory.lazy_attribute
    def valence(self) -> float:
        return _point(self)[0]

    @factory.lazy_attribute
    def arousal(self) -> float:
        return _point(self)[1]


def _point(estimate: Any) -> tuple[float, float]:
    probabilities = np.array([estimate.p_q1, estimate.p_q2, estimate.p_q3, estimate.p_q4])
    valence, arousal = valence_arousal_from_probabilities(probabilities)
    return float(valence), float(arousal)


class WorkerFactory(DjangoModelFactory[AnalysisWorker]):
    class Meta:
        model = AnalysisWorker

    name = factory.Sequence(lambda n: f"gpu{n}@test")
    device = "cpu"
    engine = "torch"
    model_version = MODEL_VERSION
    started_at = factory.LazyFunction(lambda: _now())
    seen_at = factory.LazyFunction(lambda: _now())


def _now() -> Any:
    from django.utils import timezone

    return timezone.now()


class PlaylistFactory(DjangoModelFactory[Playlist]):
    """An empty playlist for the first quadrant; give `owner=None, session_key=...` for an anonymous one."""

    class Meta:
        model = Playlist

    owner = factory.SubFactory(UserFactory)
    title = "Happy"
    target_quadrant = Quadrant.Q1
    target_valence = 0.6
    target_arousal = 0.6
    requested_length = 12
    seed = 1
    model_version = MODEL_VERSION


class PlaylistItemFactory(DjangoModelFactory[PlaylistItem]):
    class Meta:
        model = PlaylistItem

    playlist = factory.SubFactory(PlaylistFactory)
    position = factory.Sequence(lambda n: n)
    song = factory.SubFactory(SongFactory)
    reason = "Energetic and positive, 70 % sure."
    felt_valence = 0.5
    felt_arousal = 0.5


class RatingFactory(DjangoModelFactory[FeltRating]):
    class Meta:
        model = FeltRating

    listener = factory.SubFactory(UserFactory)
    song = factory.SubFactory(SongFactory)
    felt_valence = 0.5
    felt_arousal = 0.5
    model_version = MODEL_VERSION


class ListenFactory(DjangoModelFactory[Listen]):
    class Meta:
        model = Listen

    listener = factory.SubFactory(UserFactory)
    song = factory.SubFactory(SongFactory)
