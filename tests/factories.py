"""Rows for tests. Files are not written: a test that plays or analyses a song brings its own audio."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from django.contrib.auth.models import User
from django.db.models import Model
from factory.declarations import LazyAttribute, LazyFunction, Sequence, SubFactory
from factory.django import DjangoModelFactory, Password

from catalog.models import Album, Artist, Song, Upload
from emotion.inference.quadrants import Quadrant, valence_arousal_from_probabilities
from emotion.models import AnalysisWorker, EmotionEstimate
from recommender.models import FeltRating, Listen, Playlist, PlaylistItem

PASSWORD = "a quiet password for tests 7"
MODEL_VERSION = "test-model-1"
EMBEDDING_SIZE = 64


# Chance in a ranking is a function of a song's id, so songs that a test ranks have ids of their own. Those that the
# database gives begin at 1 and never come so far.
FIXED_IDS = 1_000_000


def unit_embedding(seed: int, size: int = EMBEDDING_SIZE) -> bytes:
    """Return a random unit vector, float32 and little-endian, as estimates store it; the same for the same seed."""
    vector = np.random.default_rng(seed).normal(size=size)
    return bytes((vector / np.linalg.norm(vector)).astype("<f4").tobytes())


def probabilities_for(quadrant: Quadrant, confidence: float = 0.7) -> dict[str, float]:
    """Return `p_q1` to `p_q4` with `confidence` on one quadrant and the rest spread evenly."""
    rest = (1.0 - confidence) / 3
    return {f"p_q{each.value}": confidence if each is quadrant else rest for each in Quadrant}


T = TypeVar("T", bound=Model)


class RowFactory(DjangoModelFactory[T]):
    """A factory whose call gives a row, for the type checker too; factory_boy does it in a metaclass without types."""

    class Meta:
        abstract = True

    if TYPE_CHECKING:

        def __new__(cls, **values: Any) -> T: ...  # type: ignore[misc]


class UserFactory(RowFactory[User]):
    class Meta:
        model = User
        skip_postgeneration_save = True

    username = Sequence(lambda n: f"listener{n}")
    password = Password(PASSWORD)


class ArtistFactory(RowFactory[Artist]):
    class Meta:
        model = Artist

    name = Sequence(lambda n: f"Artist {n}")
    name_key = LazyAttribute(lambda artist: " ".join(artist.name.casefold().split()))


class AlbumFactory(RowFactory[Album]):
    class Meta:
        model = Album

    title = Sequence(lambda n: f"Album {n}")
    title_key = LazyAttribute(lambda album: " ".join(album.title.casefold().split()))
    artist = SubFactory(ArtistFactory)


class SongFactory(RowFactory[Song]):
    """A tagged song; give `state` for another. Its estimate is a separate factory."""

    class Meta:
        model = Song

    title = Sequence(lambda n: f"Song {n}")
    artist = SubFactory(ArtistFactory)
    genre = "Rock"
    content_hash = Sequence(lambda n: hashlib.sha256(f"song {n}".encode()).hexdigest())
    audio = LazyAttribute(lambda song: f"audio/{song.content_hash[:2]}/{song.content_hash}.ogg")
    mime_type = "audio/ogg"
    size_bytes = 1_000_000
    duration_s = 60.0
    sample_rate_hz = 44_100
    channels = 2
    state = Song.State.ANALYSED


class UploadFactory(RowFactory[Upload]):
    class Meta:
        model = Upload

    owner = SubFactory(UserFactory)
    file_name = Sequence(lambda n: f"song {n}.ogg")
    size_bytes = 1_000_000
    outcome = Upload.Outcome.ACCEPTED
    song = SubFactory(SongFactory, state=Song.State.QUEUED)


class EstimateFactory(RowFactory[EmotionEstimate]):
    """The current estimate of a song. `quadrant` and `confidence` set the probabilities and the point."""

    class Meta:
        model = EmotionEstimate

    class Params:
        confidence = 0.7
        seed = Sequence(lambda n: n)

    song = SubFactory(SongFactory)
    model_version = MODEL_VERSION
    is_current = True
    quadrant = Quadrant.Q1
    embedding_bytes = LazyAttribute(lambda estimate: unit_embedding(estimate.seed))
    window_start_s = 18.0
    window_s = 24.0
    is_partial = False
    engine = "torch"
    device = "cpu"
    decode_ms = 20.0
    mel_ms = 10.0
    network_ms = 200.0

    p_q1 = LazyAttribute(lambda estimate: _probability(estimate, "p_q1"))
    p_q2 = LazyAttribute(lambda estimate: _probability(estimate, "p_q2"))
    p_q3 = LazyAttribute(lambda estimate: _probability(estimate, "p_q3"))
    p_q4 = LazyAttribute(lambda estimate: _probability(estimate, "p_q4"))
    valence = LazyAttribute(lambda estimate: _point(estimate)[0])
    arousal = LazyAttribute(lambda estimate: _point(estimate)[1])


def _probability(estimate: Any, name: str) -> float:
    return probabilities_for(Quadrant(estimate.quadrant), estimate.confidence)[name]


def _point(estimate: Any) -> tuple[float, float]:
    probabilities = np.array([estimate.p_q1, estimate.p_q2, estimate.p_q3, estimate.p_q4])
    valence, arousal = valence_arousal_from_probabilities(probabilities)
    return float(valence), float(arousal)


class WorkerFactory(RowFactory[AnalysisWorker]):
    class Meta:
        model = AnalysisWorker

    name = Sequence(lambda n: f"gpu{n}@test")
    device = "cpu"
    engine = "torch"
    model_version = MODEL_VERSION
    started_at = LazyFunction(lambda: _now())
    seen_at = LazyFunction(lambda: _now())


def _now() -> Any:
    from django.utils import timezone

    return timezone.now()


class PlaylistFactory(RowFactory[Playlist]):
    """An empty playlist for the first quadrant; give `owner=None, session_key=...` for an anonymous one."""

    class Meta:
        model = Playlist

    owner = SubFactory(UserFactory)
    title = "Happy"
    target_quadrant = Quadrant.Q1
    target_valence = 0.6
    target_arousal = 0.6
    requested_length = 12
    seed = 1
    model_version = MODEL_VERSION


class PlaylistItemFactory(RowFactory[PlaylistItem]):
    class Meta:
        model = PlaylistItem

    playlist = SubFactory(PlaylistFactory)
    position = Sequence(lambda n: n)
    song = SubFactory(SongFactory)
    reason = "Energetic and positive, 70 % sure."
    felt_valence = 0.5
    felt_arousal = 0.5


class RatingFactory(RowFactory[FeltRating]):
    class Meta:
        model = FeltRating

    listener = SubFactory(UserFactory)
    song = SubFactory(SongFactory)
    felt_valence = 0.5
    felt_arousal = 0.5
    model_version = MODEL_VERSION


class ListenFactory(RowFactory[Listen]):
    class Meta:
        model = Listen

    listener = SubFactory(UserFactory)
    song = SubFactory(SongFactory)
