"""A small library with everything in it that players ask for, and a way to ask as they do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from catalog.models import Album, FolderFile, Lyrics, Song, WatchedFolder
from catalog.songs.services import further_artists_set
from emotion.inference.quadrants import Quadrant
from emotion.models import Waveform
from recommender.models import Playlist
from recommender.requests import Listener, Target
from recommender.services import collecting, feedback, playlists, sharing
from recommender.subsonic import credentials
from tests.audio_fixtures import make_audio
from tests.factories import AlbumFactory, ArtistFactory, EstimateFactory, RatingFactory, SongFactory

SALT = "c19b2d"
_FACTS = {"size_bytes": 1, "mtime_ns": 1, "ctime_ns": 1, "device": 1, "content_hash": "0" * 64}


@dataclass(frozen=True)
class Library:
    """A library, and what Alice keeps in it."""

    songs: list[Song]
    album: Album
    single: Song
    folder: WatchedFolder
    playlist: Playlist


@pytest.fixture
def library(alice: User) -> Library:
    """Eight songs of an album and one without, analysed and measured; Alice likes, plays and keeps some of them."""
    artist, guest = ArtistFactory(name="The Lanterns"), ArtistFactory(name="Mira Vale")
    album = AlbumFactory(title="Copper & <Salt>", artist=artist)
    songs = [
        SongFactory(
            title=f"Lantern {n}", artist=artist, album=album, genre="Folk;Dream Pop", year=1990 + n, track_number=n + 1,
            disc_number=1, bit_rate=192_000, track_gain_db=-6.5, track_peak=0.98,
        )
        for n in range(8)
    ]  # fmt: skip
    single = SongFactory(title="Adrift\x0b", artist=guest, genre="")
    Song.objects.filter(pk=songs[0].pk).update(credit="The Lanterns feat. Mira Vale")
    further_artists_set({songs[0].pk: [guest.pk]})
    for n, song in enumerate([*songs, single]):
        EstimateFactory(song=song, quadrant=Quadrant(n % 4 + 1), seed=n)
    Waveform.objects.create(song=songs[0], bpm=120.4, loudness_lufs=-11.5, true_peak_dbtp=-0.6)
    lines = [[0.5, "A lantern"], [4.25, "& another <one>"]]
    Lyrics.objects.create(song=songs[0], text="A lantern\n& another <one>", lines=lines, source=Lyrics.Source.TAG)
    folder = WatchedFolder.objects.create(path=b"/srv/music")
    FolderFile.objects.create(folder=folder, path=b"Lanterns/one.ogg", song=songs[0], **_FACTS)
    FolderFile.objects.create(folder=folder, path=b"loose.ogg", song=songs[1], **_FACTS)
    listener = Listener(alice)
    RatingFactory(listener=alice, song=songs[0], liked=True)
    collecting.album_like(user=alice, album=album, liked=True)
    feedback.listen_finish(listener=listener, song=songs[0], listened_s=60.0, completed=True)
    playlist = collecting.playlist_create_by_hand(
        listener=listener, title="By hand", description="For tea", song_ids=[songs[2].pk, songs[1].pk]
    )
    sharing.playlist_share(playlist=playlist)
    made = playlists.playlist_create(listener=listener, target=Target.of_point(0.5, -0.4), length=3, seed=1)
    playlists.playlist_save(playlist=made)
    collecting.smart_list_create(listener=listener, title="Early", query="year_to=1993")
    return Library(songs, album, single, folder, playlist)


@pytest.fixture
def sound(library: Library, settings: Settings, tmp_path: Path) -> Song:
    """A song of the library that has a file: six seconds of FLAC."""
    settings.MOODPLANE_VAR = tmp_path / "var"
    song = library.songs[0]
    song.audio.name, song.mime_type, song.duration_s = f"audio/{song.content_hash}.flac", "audio/flac", 6.0
    song.save(update_fields=["audio", "mime_type", "duration_s"])
    path = Path(settings.MEDIA_ROOT) / str(song.audio.name)
    path.parent.mkdir(parents=True)
    make_audio(tmp_path / "song.flac").replace(path)
    return song


def signed(secret: str, name: str = "alice") -> dict[str, str]:
    """Return how a player signs a request with a secret."""
    token = hashlib.md5(f"{secret}{SALT}".encode(), usedforsecurity=False).hexdigest()
    return {"u": name, "t": token, "s": SALT, "v": "1.16.1", "c": "tests"}


Ask = Callable[..., Any]


@pytest.fixture
def key_alice(alice: User) -> str:
    """A key of Alice's."""
    return credentials.key_make(user=alice, name="Tests")[1]


def call(name: str, key: str, /, **parameters: object) -> Any:
    """Ask by a key, and return the response as it is."""
    given: dict[str, Any] = {"apiKey": key, "v": "1.16.1", "c": "tests", "f": "json", **parameters}
    return Client().get(f"/rest/{name}", {name: value for name, value in given.items() if value is not None})


def said(response: Any) -> Any:
    """Return what a response says in JSON."""
    return json.loads(response.content)["subsonic-response"]


@pytest.fixture
def ask(key_alice: str) -> Ask:
    """Ask as Alice's player, and return what the answer says; it must have succeeded."""

    def asked(name: str, /, **parameters: object) -> Any:
        answer = said(call(name, key_alice, **parameters))
        assert answer["status"] == "ok", answer
        return answer

    return asked


@pytest.fixture
def refused(key_alice: str) -> Ask:
    """Ask as Alice's player, and return the code with which that fails."""

    def asked(name: str, /, **parameters: object) -> int:
        answer = said(call(name, key_alice, **parameters))
        assert answer["status"] == "failed", answer
        return int(answer["error"]["code"])

    return asked


def now_ms() -> int:
    """Return now as players write it."""
    return int(1000 * timezone.now().timestamp())
