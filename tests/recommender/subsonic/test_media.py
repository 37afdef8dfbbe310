"""The bytes that players get: songs as they are or converted, covers in a size."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pytest_django.fixtures import Settings

from catalog.exceptions import TranscodersBusyError
from catalog.files.encoding import Encoding
from catalog.files.recording import Recording
from catalog.models import Song
from recommender.subsonic import media
from recommender.subsonic.media import encoding_for
from tests.factories import SongFactory
from tests.recommender.subsonic.conftest import Ask, Library, call


def read(response: Any) -> bytes:
    return b"".join(response) if response.streaming else bytes(response.content)


@pytest.mark.parametrize(
    ("suffix", "bit_rate", "name", "most", "wanted"),
    [
        ("flac", 900_000, "", 0, None),
        ("flac", 900_000, "raw", 64, None),
        ("flac", 900_000, "flac", 0, None),
        ("flac", 900_000, "mp3", 0, Encoding.MP3_320),
        ("flac", 900_000, "mp3", 256, Encoding.MP3_192),
        ("flac", 900_000, "", 128, Encoding.MP3_128),
        ("flac", 900_000, "", 32, Encoding.MP3_128),
        ("flac", 900_000, "opus", 0, Encoding.OPUS_128),
        ("flac", 900_000, "opus", 100, Encoding.OPUS_96),
        ("flac", 900_000, "flac", 320, Encoding.MP3_320),
        ("mp3", 320_000, "mp3", 320, None),
        ("mp3", 320_000, "mp3", 192, Encoding.MP3_192),
        ("mp3", 320_000, "flac", 0, Encoding.FLAC),
        ("m4a", 256_000, "aac", 0, None),
        # No player is left with silence for the name of a format.
        ("mp3", 128_000, "wma", 0, None),
    ],
)
def test_a_song_is_converted_where_it_has_to_be(
    suffix: str, bit_rate: int, name: str, most: int, wanted: Encoding | None
) -> None:
    song = SongFactory.build(audio=f"audio/a.{suffix}", bit_rate=bit_rate)
    assert encoding_for(song, name, most) is wanted


def test_a_song_streams_as_it_is_converted_and_from_the_middle(sound: Song, key_alice: str, tmp_path: Path) -> None:
    number = f"tr-{sound.pk}"
    whole = call("stream", key_alice, id=number)
    assert (whole["Content-Type"], read(whole)[:4]) == ("audio/flac", b"fLaC")
    asked = {"id": number, "format": "mp3", "maxBitRate": 128, "estimateContentLength": "true"}
    converted = call("stream.view", key_alice, **asked)
    data = read(converted)
    assert (converted["Content-Type"], int(converted["Content-Length"])) == ("audio/mpeg", len(data))
    part = call("stream", key_alice, **asked, timeOffset=4)
    (tmp_path / "part.mp3").write_bytes(rest := read(part))
    assert int(part["Content-Length"]) == len(rest)
    with Recording(tmp_path / "part.mp3") as recording:
        assert recording.duration_s == pytest.approx(2.0, abs=0.15)
    # An original is never cut, so that it is converted for it.
    for name, mime_type in ((None, "audio/mpeg"), ("raw", "audio/flac")):
        response = call("stream", key_alice, id=number, timeOffset=4, format=name)
        assert (response["Content-Type"], len(read(response)) > 1000) == (mime_type, True)
    saved = call("download", key_alice, id=number)
    assert saved["Content-Disposition"].startswith("attachment;")
    assert read(saved)[:4] == b"fLaC"


def test_a_busy_server_says_when_to_come_again(sound: Song, key_alice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_args: Any) -> None:
        raise TranscodersBusyError("Busy.")

    monkeypatch.setattr(media, "song_response", busy)
    response = call("stream", key_alice, id=f"tr-{sound.pk}", f=None)
    assert (response.status_code, response["Retry-After"], b'code="0"' in response.content) == (503, "3", True)


def test_covers_come_in_the_size_that_is_asked_for(library: Library, key_alice: str, settings: Settings) -> None:
    album = f"al-{library.album.pk}"
    drawn = call("getCoverArt", key_alice, id=album, size=120)
    assert (drawn["Content-Type"], Image.open(io.BytesIO(drawn.content)).size) == ("image/png", (120, 120))
    path = Path(settings.MEDIA_ROOT) / "covers" / "abc.png"
    path.parent.mkdir(parents=True)
    Image.new("RGB", (800, 400), "red").save(path)
    Song.objects.filter(pk=library.songs[3].pk).update(cover="covers/abc.png")
    for number in (album, f"tr-{library.songs[3].pk}", f"ar-{library.album.artist_id}"):
        cover = call("getCoverArt", key_alice, id=number, size=200)
        assert (cover["Content-Type"], Image.open(io.BytesIO(cover.content)).size) == ("image/jpeg", (200, 100))
    for number in (f"pl-{library.playlist.pk}", "mood-1"):
        assert call("getCoverArt", key_alice, id=number)["Content-Type"].startswith("image/")
    path.write_bytes(b"no picture")
    assert call("getCoverArt", key_alice, id=album)["Content-Type"] == "image/png"
    assert call("getAvatar", key_alice, username="alice")["Content-Type"] == "image/png"


def test_lyrics_have_the_millisecond_of_each_line(library: Library, ask: Ask) -> None:
    [found] = ask("getLyricsBySongId", id=f"tr-{library.songs[0].pk}")["lyricsList"]["structuredLyrics"]
    assert (found["synced"], found["line"][1]) == (True, {"start": 4250, "value": "& another <one>"})
    named = ask("getLyrics", artist="the lanterns", title="lantern 0")["lyrics"]
    assert named == {
        "artist": "The Lanterns feat. Mira Vale",
        "title": "Lantern 0",
        "value": "A lantern\n& another <one>",
    }
    assert ask("getLyrics", title="none such")["lyrics"] == {"value": ""}
