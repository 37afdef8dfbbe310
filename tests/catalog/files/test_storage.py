"""Audio and covers in a storage that has no paths, and the redirect to addresses that a storage signs."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage, storages
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from catalog.files.storage import (
    bytes_place,
    file_place,
    file_staged,
    incoming_path,
    local_copy,
    media_exists,
    media_remove,
)
from catalog.models import Song

DATA = bytes(range(256)) * 5000


def arriving() -> list[Path]:
    return list(incoming_path().glob("*"))


def test_a_file_system_lends_the_file_itself(stored_song: Song) -> None:
    with local_copy(stored_song.audio) as path:
        assert path == Path(stored_song.audio.path)
        assert arriving() == []


def test_a_storage_without_paths_lends_a_copy_that_is_gone_afterwards(object_storage: None) -> None:
    song = Song(audio=default_storage.save("audio/x.mp3", ContentFile(DATA)))
    with local_copy(song.audio) as path:
        assert path.read_bytes() == DATA
        assert arriving() == [path]
    assert arriving() == []


def test_the_copy_is_gone_after_an_error_too(object_storage: None) -> None:
    song = Song(audio=default_storage.save("audio/x.mp3", ContentFile(DATA)))
    with pytest.raises(ValueError, match="reader"), local_copy(song.audio):
        raise ValueError("reader")
    assert arriving() == []


def test_the_path_to_a_lost_file_leads_nowhere(object_storage: None) -> None:
    song = Song(audio="audio/lost.mp3")
    assert not media_exists(song.audio)
    with local_copy(song.audio) as path:
        assert not path.exists()


def test_bytes_are_placed_once_under_the_name_of_their_content(object_storage: None) -> None:
    name = bytes_place(DATA, "covers", "png")
    assert bytes_place(DATA, "covers", "png") == name
    assert default_storage.listdir(name.rpartition("/")[0]) == ([], [name.rpartition("/")[2]])
    assert default_storage.open(name).read() == DATA
    media_remove(name)
    media_remove(name)
    assert not default_storage.exists(name)
    assert arriving() == []


def test_of_two_that_place_the_same_bytes_at_once_one_stays(
    object_storage: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with file_staged([DATA]) as first, file_staged([DATA]) as second:
        file_place(first, "audio/x.mp3")
        # The second looked before the first was done.
        monkeypatch.setattr(storages["default"], "exists", lambda name: False)
        monkeypatch.setattr(storages["default"], "get_available_name", lambda name, max_length=None: f"{name}.1")
        file_place(second, "audio/x.mp3")
    monkeypatch.undo()
    assert default_storage.listdir("audio") == ([], ["x.mp3"])


def test_a_storage_that_signs_addresses_serves_the_bytes_itself(
    client: Client, stored_song: Song, settings: Settings
) -> None:
    settings.MOODPLANE_MEDIA_ORIGIN = "https://bucket.example"
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.InMemoryStorage",
            "OPTIONS": {"base_url": "https://bucket.example/"},
        },
    }
    default_storage.save(str(stored_song.audio.name), ContentFile(DATA))
    url = reverse("catalog:song_audio", args=[stored_song.pk])

    response = client.get(url)
    assert (response.status_code, response["Cache-Control"]) == (302, "no-store")
    assert response["Location"] == f"https://bucket.example/{stored_song.audio.name}"
    assert client.head(url)["Content-Length"] == str(len(DATA)), "the player asks with HEAD whether a song is there"
