"""Every page in German: nothing is left in English, and numbers that machines read stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import translation

from catalog.models import Song, Upload
from emotion.inference.quadrants import Quadrant
from emotion.models import EmotionCurve, EmotionEstimate
from recommender.models import Playlist
from recommender.requests import Listener, Target
from recommender.services import feedback, playlists, sharing
from tests.factories import ArtistFactory, EstimateFactory, SongFactory, UploadFactory, UserFactory, WorkerFactory
from tests.site.page_reader import differing, english_in

pytestmark = pytest.mark.django_db

APPS = ("catalog", "emotion", "recommender", "training", "accounts")
GERMAN = {"Accept-Language": "de"}

# --- A site on which everything has happened ------------------------------------------------------------------------


@dataclass(frozen=True)
class Site:
    """A user who may see everything, and one of each object."""

    user: User
    song: Song
    playlist: Playlist
    token: str
    upload: Upload

    def arguments(self, name: str, names: list[str]) -> dict[str, Any] | None:
        """Return what the address of a page needs; None when it is not of a kind that this site has."""
        thing = name.rpartition(":")[2].split("_")[0]
        known: dict[str, Any] = {"token": self.token, "song_pk": self.song.pk}
        if "pk" in names:
            things = {"song": self.song, "playlist": self.playlist, "upload": self.upload, "pad": self.song}
            if thing not in things:
                return None
            known["pk"] = things[thing].pk
        return {each: known[each] for each in names} if set(names) <= set(known) else None


@pytest.fixture
def site(db: None) -> Site:
    """A small catalog with German names, and what a busy listener, curator and member of the staff has done in it."""
    user = UserFactory(username="gerda", is_staff=True)
    user.groups.add(Group.objects.get_or_create(name="curator")[0])
    songs = [_song(number, user) for number in range(16)]
    for number, state in enumerate(Song.State):
        waiting = SongFactory(title=f"Lied W{number}", artist=songs[0].artist, genre="Schlager", state=state)
        UploadFactory(owner=user, song=waiting, file_name=f"lied-{number}.ogg")
    failed = Song.objects.get(state=Song.State.FAILED)
    Song.objects.filter(pk=failed.pk).update(failure_code="silent", failure_reason=_silence())
    refused = UploadFactory(owner=user, song=None, outcome=Upload.Outcome.FAILED, file_name="bild.png")
    UploadFactory(owner=user, song=songs[0], outcome=Upload.Outcome.DUPLICATE, file_name="doppelt.ogg")
    WorkerFactory()
    listener = Listener(user=user)
    with translation.override("de"):
        for number, song in enumerate(songs[:12]):
            feedback.feedback_record(
                user=user, song=song, felt_valence=0.35 - number / 20, felt_arousal=0.15, liked=number % 3 == 0
            )
        feedback.check_in_create(listener=listener, valence=-0.45, arousal=0.25)
        playlists.playlist_create(listener=listener, target=Target.of_quadrant(Quadrant.Q4), length=5)
        playlist = playlists.journey_create(listener=listener, path=[(-0.45, 0.55), (0.65, -0.35)], length=4)
        feedback.feedback_record(user=user, song=songs[12], felt_nothing=True)
    return Site(user, songs[0], playlist, sharing.playlist_share(playlist=playlist), refused)


def _song(number: int, user: User) -> Song:
    quadrant = Quadrant(number % 4 + 1)
    estimate = EstimateFactory(
        quadrant=quadrant,
        confidence=0.415 + number / 40,
        song__title=f"Lied {number}",
        song__artist=ArtistFactory(name=f"Kapelle {number}"),
        song__genre="Schlager",
        song__year=1994,
        song__duration_s=200.5,
    )
    _curve(estimate)
    return estimate.song


def _curve(estimate: EmotionEstimate) -> None:
    probabilities = np.full((20, 4), 0.05)
    probabilities[:10, Quadrant.Q4.index] = probabilities[10:, Quadrant.Q2.index] = 0.85
    side = np.where(np.arange(20) < 10, 1, -1) * 0.55
    points = np.column_stack([side, -side, probabilities]).astype("<f4").tobytes()
    EmotionCurve.objects.create(
        song=estimate.song,
        model_version=estimate.model_version,
        state=EmotionCurve.State.DONE,
        hop_s=8.5,
        window_s=24.0,
        points_bytes=points,
    )


def _silence() -> str:
    return "There is no audible sound: everything below 11 kHz is quieter than -60 dBFS."


def addresses(site: Site) -> Iterator[tuple[str, str]]:
    """Yield the name and address of everything that may be a page."""
    for namespace, (_, resolver) in get_resolver().namespace_dict.items():
        if namespace in APPS:
            for name, names in _patterns(resolver, namespace):
                arguments = site.arguments(name, names)
                if arguments is not None:
                    yield name, reverse(name, kwargs=arguments)
    journey = "start_valence=-0.45&start_arousal=0.25&end_valence=0.6&end_arousal=-0.4&length=4&seed=7"
    yield "a journey", f"{reverse('recommender:journey')}?{journey}"
    yield "a wrong form", f"{reverse('recommender:journey')}?start_valence=7&length=1000"
    yield "nothing found", f"{reverse('recommender:song_list')}?q=zzzz&quadrant=2"
    yield "some songs", f"{reverse('recommender:song_list')}?q=lied&genre=Schlager"
    yield "nothing there", "/nirgends/"


def _patterns(resolver: URLResolver, namespace: str) -> Iterator[tuple[str, list[str]]]:
    for entry in resolver.url_patterns:
        if isinstance(entry, URLPattern) and entry.name:
            yield f"{namespace}:{entry.name}", list(entry.pattern.converters)
        elif isinstance(entry, URLResolver):
            yield from _patterns(entry, namespace)


def pages(client: Client, site: Site, **headers: str) -> dict[str, str]:
    """Return the readable text of every address, as a user with JavaScript sees it on whole pages."""
    found = {}
    for name, address in addresses(site):
        answer = client.get(address, headers=headers)
        if answer.get("Content-Type", "").startswith("text/html") and answer.status_code != 302:
            found[name] = answer.content.decode()
    return found


# --- The walk -------------------------------------------------------------------------------------------------------


def test_every_page_is_german_and_its_numbers_are_those_of_the_english_one(site: Site) -> None:
    client = Client()
    client.force_login(site.user)
    german, english = pages(client, site, **GERMAN), pages(client, site)
    assert len(german) > 20
    assert {name for name, page in german.items() if "<html" in page and '<html lang="de"' not in page} == set()
    visitor = {f"{name}, for a visitor": page for name, page in pages(Client(), site, **GERMAN).items()}
    found = [line for name, page in (german | visitor).items() for line in english_in(name, page)]
    found += [line for name in german for line in differing(name, german[name], english[name])]
    if found:
        pytest.fail("\n".join(dict.fromkeys(found)))
