"""Data made before the pictures are taken, so that no screen is empty; and songs that are hard to show."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.models import User
from django.utils import timezone

from catalog.models import Song, Upload
from emotion.jobs.saliency import saliency_request
from emotion.models import ModelVersion, SaliencyMap
from emotion.selectors import current_estimate
from recommender.models import FeltRating, MoodCheckIn
from recommender.requests import Listener, Target
from recommender.services.feedback import check_in_create
from recommender.services.playlists import journey_create, playlist_create, playlist_save
from recommender.services.sharing import playlist_share
from tests.factories import EstimateFactory, RatingFactory, UploadFactory, UserFactory

NAME = "edith"
_RATED = 14
_HARD_TITLES = (
    "Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz",
    "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch, the Long Way Round by the Slow Train, Second Version",
    "قمر على البحر الهادئ",
    "שיר לילה ארוך מאוד על הים ועל הרוח שבאה מן המדבר",
    "夜明けの海を渡る風の歌",
    "🌊🌙✨ 👩‍👩‍👧‍👦🎻",
    "Ꙗ̈ z̶a̶l̶g̶o̶ ḿ̧̛ǟ̭r̤̈́k̡̈́s",
    "x",
)


@dataclass(frozen=True, slots=True)
class Story:
    """Where the pictures are taken: paths by the name of a place."""

    song: str
    playlist: str
    journey: str
    shared: str
    model: str
    upload: str


def prepared() -> Story:
    """Let a member of the staff listen, rate, report moods, keep playlists and upload."""
    forgotten()
    edith = UserFactory(username=NAME, is_staff=True)
    songs = list(Song.objects.filter(state=Song.State.ANALYSED).order_by("pk"))
    _ratings(edith, songs)
    listener = Listener(edith)
    calm = playlist_create(listener=listener, target=Target.of_point(0.5, -0.4))
    playlist_create(listener=listener, target=Target.of_point(0.6, 0.6))
    journey = journey_create(listener=listener, path=[(-0.5, 0.4), (0.0, -0.1), (0.5, -0.4)])
    for playlist in (calm, journey):
        playlist_save(playlist=playlist)
    duplicate = _uploads(edith, songs)
    saliency_request(song=songs[2])
    return Story(
        song=f"/songs/{songs[2].pk}/",
        playlist=f"/playlists/{calm.pk}/",
        journey=f"/playlists/{journey.pk}/",
        shared=f"/shared/{playlist_share(playlist=calm)}/",
        model=f"/models/{ModelVersion.objects.earliest('pk').pk}/",
        upload=f"/uploads/{duplicate.pk}/compare/",
    )


def forgotten() -> None:
    """Undo what an earlier round did."""
    User.objects.filter(username=NAME).delete()


def explained() -> bool:
    """Whether the explanation that was asked for is there."""
    return not SaliencyMap.objects.filter(state__in=SaliencyMap.PENDING).exists()


def _ratings(edith: User, songs: list[Song]) -> None:
    chance = random.Random(5)
    for days_ago, song in enumerate(songs[:_RATED]):
        estimate = current_estimate(song)
        assert estimate is not None
        rating = RatingFactory(
            listener=edith,
            song=song,
            felt_valence=_within(estimate.valence + chance.gauss(0.25, 0.2)),
            felt_arousal=_within(estimate.arousal + chance.gauss(-0.15, 0.2)),
            liked=chance.random() < 0.7,
            model_version=estimate.model_version,
        )
        then = timezone.now() - timedelta(days=days_ago, hours=2)
        FeltRating.objects.filter(pk=rating.pk).update(created_at=then)
        if days_ago % 3 == 0:
            mood = check_in_create(
                listener=Listener(edith), valence=chance.uniform(-0.6, 0.6), arousal=chance.uniform(-0.6, 0.6)
            )
            MoodCheckIn.objects.filter(pk=mood.pk).update(created_at=then)


def _within(value: float) -> float:
    return max(-1.0, min(1.0, value))


def _uploads(edith: User, songs: list[Song]) -> Upload:
    for song in songs[:5]:
        UploadFactory(owner=edith, song=song, file_name=f"{song.title}.flac", size_bytes=song.size_bytes)
    UploadFactory(
        owner=edith, song=None, file_name="holiday film.mp4", size_bytes=91_000_000, outcome=Upload.Outcome.FAILED,
        failure_code="not_audio", failure_reason="This file holds a film. Upload its sound alone.",
    )  # fmt: skip
    return UploadFactory(
        owner=edith, song=songs[5], file_name="the same once more.flac", size_bytes=songs[5].size_bytes,
        outcome=Upload.Outcome.DUPLICATE,
    )  # fmt: skip


def hard(n_songs: int) -> None:
    """Add so many songs with names that are long, from right to left, or hardly letters at all."""
    chance = random.Random(7)
    for number in range(n_songs):
        title = _HARD_TITLES[number % len(_HARD_TITLES)]
        EstimateFactory(
            quadrant=chance.choice((1, 2, 3, 4)),
            valence=chance.uniform(-1, 1),
            arousal=chance.uniform(-1, 1),
            song__title=title if number < len(_HARD_TITLES) else f"{title} {number}"[:300],
            song__artist__name=f"{title[:60]} {number}",
            song__album=None,
        )
