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

from catalog.uploads.services import upload_create
from emotion.inference.quadrants import Quadrant
from emotion.pages.covers import COLOURS, initial_of
from tests.audio_fixtures import make_audio
from tests.factories import AlbumFactory, EstimateFactory, SongFactory


@pytest.mark.django_db
def test_a_song_without_a_cover_gets_a_letter_on_the_colour_of_its_mood(client: Client) -> None:
    album = AlbumFactory(title="“Évasion” & more")
    song, other, waiting = (SongFactory(album=album), SongFactory(album=album), SongFactory(title="<b>"))
    for each, quadrant in ((song, Quadrant.Q2), (other, Quadrant.Q4)):
        EstimateFactory(song=each, quadrant=quadrant)
    responses = [client.get(reverse("emotion:song_cover", args=[each.pk])) for each in (song, other, waiting)]
    pictures = [response.content.decode() for response in responses]

    assert responses[0]["Content-Type"] == "image/svg+xml"
    assert "style" not in pictures[0], "the Content-Security-Policy would drop it"
    letters = [ElementTree.fromstring(picture).find("{*}text") for picture in pictures]  # noqa: S314
    assert [letter.text for letter in letters if letter is not None] == ["É", "É", "B"]
    assert "#b8401f" in pictures[0]
    assert "#7cc4b4" in pictures[1]
    again = client.get(reverse("emotion:song_cover", args=[song.pk]), headers={"If-None-Match": responses[0]["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    ("name", "initial"),
    [
        ("abba", "A"),
        ("...And Justice", "A"),
        ("E\u0301tude", "E\u0301"),
        ("99", "9"),
        ("أجمل", "أ"),
        ("初恋", "初"),
        ("???", "♪"),
    ],
)
def test_the_initial_of_a_name(name: str, initial: str) -> None:
    assert initial_of(name) == initial


def contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted([luminance(one), luminance(other)])
    return (light + 0.05) / (dark + 0.05)


def test_the_letters_can_be_read() -> None:
    assert all(contrast(ground, ink) >= 4.5 for ground, ink in COLOURS.values())


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

    response = client.get(reverse("emotion:song_cover", args=[song.pk]))

    assert response["Content-Type"] == "image/png"
    assert response.getvalue() == picture.getvalue()
    assert song.cover.name.startswith("covers/")
