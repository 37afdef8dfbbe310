"""Covers come from the file, or are drawn."""

from __future__ import annotations

import io
from pathlib import Path
from xml.etree import ElementTree

import pytest
from django.test import Client
from django.urls import reverse
from mutagen.id3 import APIC
from mutagen.mp3 import MP3
from PIL import Image

from catalog.files.views import cover_placeholder
from catalog.models import Song
from catalog.uploads.services import upload_create
from tests.audio_fixtures import make_audio


def test_a_song_without_a_cover_gets_its_own_drawing(client: Client, stored_song: Song) -> None:
    response = client.get(reverse("catalog:song_cover", args=[stored_song.pk]))

    assert response["Content-Type"] == "image/svg+xml"
    assert b"style" not in response.content, "the Content-Security-Policy would drop it"
    assert ElementTree.fromstring(response.content).tag.endswith("svg")  # noqa: S314
    assert cover_placeholder("ab" * 32) == cover_placeholder("ab" * 32) != cover_placeholder("cd" * 32)


@pytest.mark.django_db
def test_the_embedded_cover_is_served(client: Client, tmp_path: Path) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (8, 8), "teal").save(picture, "PNG")
    mp3 = MP3(make_audio(tmp_path / "song.mp3"))
    assert mp3.tags is not None
    mp3.tags.add(APIC(encoding=3, mime="image/png", type=3, data=picture.getvalue()))
    mp3.save()
    with (tmp_path / "song.mp3").open("rb") as stream:
        song = upload_create(owner=None, file=stream, file_name="song.mp3").song
    assert song is not None

    response = client.get(reverse("catalog:song_cover", args=[song.pk]))

    assert response["Content-Type"] == "image/png"
    assert response.getvalue() == picture.getvalue()
    assert song.cover.name.startswith("covers/")
