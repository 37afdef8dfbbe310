"""The staff's tools keep files, keys and states in step."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from catalog.models import Artist, Song
from tests.factories import ArtistFactory, SongFactory, UploadFactory, UserFactory


@pytest.fixture
def client_boss(db: None) -> Client:
    """A browser of a superuser."""
    client = Client()
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    return client


def test_every_page_opens(client_boss: Client) -> None:
    upload = UploadFactory()
    assert upload.song is not None
    for name, pk in (("artist", upload.song.artist_id), ("song", upload.song_id), ("upload", upload.pk)):
        assert client_boss.get(reverse(f"admin:catalog_{name}_changelist"), {"q": "x"}).status_code == 200
        assert client_boss.get(reverse(f"admin:catalog_{name}_change", args=[pk])).status_code == 200


def test_listeners_stay_out(client_bob: Client) -> None:
    assert client_bob.get(reverse("admin:catalog_song_changelist")).status_code == 302


def test_a_renamed_artist_gets_its_key(client_boss: Client) -> None:
    artist = ArtistFactory(name="Old")
    client_boss.post(reverse("admin:catalog_artist_change", args=[artist.pk]), {"name": "The  New One"})

    assert Artist.objects.get().name_key == "the new one"


def test_a_deleted_song_takes_its_file_along(
    client_boss: Client,
    stored_song: Song,
    django_capture_on_commit_callbacks: Callable[..., AbstractContextManager[object]],
) -> None:
    path = Path(stored_song.audio.path)
    assert path.is_file()
    with django_capture_on_commit_callbacks(execute=True):
        client_boss.post(reverse("admin:catalog_song_delete", args=[stored_song.pk]), {"post": "yes"})

    assert not Song.objects.exists()
    assert not path.exists()


def test_failed_songs_are_retried(client_boss: Client) -> None:
    failed, tagged = SongFactory(state=Song.State.FAILED), SongFactory()
    form = {"action": "retry_failed", "_selected_action": [failed.pk, tagged.pk]}
    client_boss.post(reverse("admin:catalog_song_changelist"), form)

    assert list(Song.objects.order_by("pk").values_list("state", flat=True)) == ["uploaded", "tagged"]
