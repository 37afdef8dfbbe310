"""Tags are read from every kind of file, and nothing in them can do harm."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest
from mutagen.flac import FLAC, Picture
from mutagen.id3 import APIC, TALB, TCON, TDRC, TIT2, TPE1, TRCK
from mutagen.mp3 import MP3
from mutagen.mp4 import MP4, MP4Cover
from mutagen.oggvorbis import OggVorbis
from PIL import Image

from catalog.files.probe import probe
from catalog.files.tags import AudioTags, file_name_clean, text_clean
from tests.audio_fixtures import make_audio

_TAGS = {"title": "Tïtle", "artist": "Ann", "album": "Al", "genre": "Rock", "date": "1999-02-03", "track": "3/12"}
_READ = AudioTags("Tïtle", "Ann", "Al", "Rock", 1999, 3)


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (4, 4), "navy").save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("codec", ["mp3", "flac", "m4a", "opus", "wav"])
def test_tags_of_every_kind_of_file(tmp_path: Path, codec: str) -> None:
    assert probe(make_audio(tmp_path / f"song.{codec}", 6.0, tags=_TAGS)).tags == _READ


def test_covers_of_every_kind_of_file(tmp_path: Path) -> None:
    picture = Picture()
    picture.data, picture.mime, picture.type = png(), "image/png", 3
    mp3 = MP3(make_audio(tmp_path / "song.mp3"))
    assert mp3.tags is not None
    mp3.tags.add(APIC(encoding=3, mime="image/gif", type=3, data=png()))
    mp3.save()
    flac = FLAC(make_audio(tmp_path / "song.flac"))
    flac.add_picture(picture)
    flac.save()
    ogg = OggVorbis(make_audio(tmp_path / "song.ogg"))
    ogg["metadata_block_picture"] = [base64.b64encode(picture.write()).decode()]
    ogg.save()
    m4a = MP4(make_audio(tmp_path / "song.m4a"))
    m4a["covr"] = [MP4Cover(png(), MP4Cover.FORMAT_PNG)]
    m4a.save()

    for name in ("song.mp3", "song.flac", "song.ogg", "song.m4a"):
        facts = probe(tmp_path / name)
        assert facts.cover is not None, f"{name}: a cover is no video"
        assert (facts.cover.mime_type, facts.cover.data) == ("image/png", png())


def test_a_cover_larger_than_the_probe_window(tmp_path: Path) -> None:
    mp3 = MP3(make_audio(tmp_path / "song.mp3"))
    assert mp3.tags is not None
    mp3.tags.add(APIC(encoding=3, mime="image/png", type=3, data=png() + bytes(3_000_000)))
    mp3.save()

    facts = probe(tmp_path / "song.mp3")

    assert facts.codec == "mp3"
    assert facts.cover is not None


def test_a_cover_that_is_no_picture_is_left_out(tmp_path: Path) -> None:
    mp3 = MP3(make_audio(tmp_path / "song.mp3"))
    assert mp3.tags is not None
    mp3.tags.add(APIC(encoding=3, mime="image/png", type=3, data=b"<svg onload='alert(1)'/>"))
    mp3.save()

    assert probe(tmp_path / "song.mp3").cover is None


def test_tags_full_of_nuls(tmp_path: Path) -> None:
    mp3 = MP3(make_audio(tmp_path / "song.mp3"))
    assert mp3.tags is not None
    nuls = "\x00" * 400
    for frame in (TIT2, TPE1, TALB, TCON, TDRC, TRCK):
        mp3.tags.add(frame(encoding=3, text=[nuls + "7" + nuls]))
    mp3.save()

    tags = probe(tmp_path / "song.mp3").tags

    assert "\x00" not in repr(tags)
    assert tags.title == "7"
    assert tags.year is None


def test_broken_tags_do_not_refuse_the_song(tmp_path: Path) -> None:
    path = make_audio(tmp_path / "song.mp3")
    path.write_bytes(
        b"ID3\x04\x00\xff\x00\x00\x00\x40" + b"TIT2\x7f\x7f\x7f\x7f\xff\xff" + bytes(54) + path.read_bytes()
    )

    assert probe(path).duration_s == pytest.approx(6.0, abs=0.2)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("  a \t\r\n b  ", "a b"),
        ("a\x00b\x1b[31m", "a b [31m"),
        ("e\u0301", "é"),
        ("abc\u202egpj", "abc gpj"),
        ("lone \ud800 half", "lone half"),
        ("👩‍🎤", "👩‍🎤"),
        ("x" * 400, "x" * 300),
    ],
)
def test_text_is_cleaned(text: str, cleaned: str) -> None:
    assert text_clean(text) == cleaned


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Music\\song.mp3", "song.mp3"),
        ("🎵 tune 🎶.ogg", "🎵 tune 🎶.ogg"),
        ("..", "unnamed file"),
        ("", "unnamed file"),
        ("a\x00b\n.mp3", "a b .mp3"),
    ],
)
def test_file_names_are_only_shown(name: str, shown: str) -> None:
    assert file_name_clean(name) == shown


def test_a_name_of_more_than_300_characters_keeps_its_ending() -> None:
    shown = file_name_clean("ä" * 500 + ".flac")

    assert len(shown) == 300
    assert shown.endswith("ä….flac")
