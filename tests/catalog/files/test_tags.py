"""Tags are read from every kind of file, and nothing in them can do harm."""

from __future__ import annotations

import base64
import io
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from mutagen.apev2 import APEv2, APEValue
from mutagen.flac import FLAC, Picture
from mutagen.id3 import APIC, ID3, RVA2, TALB, TCMP, TCON, TDRC, TIT2, TPE1, TPE2, TPOS, TRCK, TXXX
from mutagen.mp3 import MP3
from mutagen.mp4 import MP4, MP4Cover
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis
from PIL import Image

from catalog.files.probe import probe
from catalog.files.tags import MAX_COVER_BYTES, AudioTags, ReplayGain, file_name_clean, tags_read, text_clean
from tests.audio_fixtures import make_audio

_TAGS = {"title": "Tïtle", "artist": "Ann", "album": "Al", "genre": "Rock", "date": "1999-02-03", "track": "3/12"}
_READ = AudioTags("Tïtle", "Ann", "Al", "Rock", 1999, 3)


def png(colour: str = "navy", size: int = 4) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(out, "PNG")
    return out.getvalue()


def read(path: Path) -> AudioTags:
    with path.open("rb") as stream:
        return tags_read(stream, {})[0]


def tagged(path: Path, *frames: object, codec: str = "mp3") -> Path:
    """Write a recording with these ID3 frames alone."""
    make_audio(path, codec=codec)
    tags = ID3()
    for frame in frames:
        tags.add(frame)
    tags.save(path)
    return path


def untagged(path: Path) -> Path:
    """Write an MP3 without any tag."""
    make_audio(path)
    ID3(path).delete()
    return path


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


# --- Several artists, albums of several artists, and dates ------------------------------------------------------------


def test_all_artists_and_genres_of_every_kind_of_file(tmp_path: Path) -> None:
    mp3 = tagged(
        tmp_path / "a.mp3",
        TPE1(encoding=1, text=["Ada Löm", "Bo Kern", "Cy Dahl"]),
        TCON(encoding=3, text=["(17)", "Funk"]),
    )
    flac = FLAC(make_audio(tmp_path / "a.flac"))
    flac["artist"], flac["genre"] = ["Ada Löm", "Bo Kern; Cy Dahl"], ["Rock", "Funk"]
    flac.save()
    m4a = MP4(make_audio(tmp_path / "a.m4a"))
    m4a["\xa9ART"], m4a["\xa9gen"] = ["Ada Löm", "Bo Kern", "Cy Dahl"], ["Rock", "Funk"]
    m4a.save()
    ogg = OggVorbis(make_audio(tmp_path / "a.ogg"))
    ogg["artist"], ogg["genre"] = ["Ada Löm / Bo Kern / Cy Dahl"], ["Rock / Funk"]
    ogg.save()
    only_ape = untagged(tmp_path / "ape.mp3")
    ape = APEv2()
    ape["Artist"], ape["Genre"] = ["Ada Löm", "Bo Kern", "Cy Dahl"], ["Rock", "Funk"]
    ape.save(only_ape)

    for path in (mp3, tmp_path / "a.flac", tmp_path / "a.m4a", tmp_path / "a.ogg", only_ape):
        tags = read(path)
        assert (tags.artist, tags.genre) == ("Ada Löm; Bo Kern; Cy Dahl", "Rock; Funk"), path.name


def test_guests_are_as_written_and_each_artist_is_known(tmp_path: Path) -> None:
    written = TPE1(encoding=3, text=["Ann feat. Bob & Cyd"])
    each = TXXX(encoding=3, desc="Artists", text=["Ann", "Bob", "Cyd"])

    assert read(tagged(tmp_path / "a.mp3", written)).artist == "Ann feat. Bob & Cyd"
    assert read(tagged(tmp_path / "b.mp3", written, each)).artist == "Ann feat. Bob; Cyd"


def test_an_album_of_several_artists(tmp_path: Path) -> None:
    mp3 = tagged(
        tmp_path / "a.mp3",
        TPE2(encoding=3, text=["The Band"]),
        TCMP(encoding=3, text=["1"]),
        TPOS(encoding=3, text=["2/3"]),
        TRCK(encoding=3, text=["7/12"]),
    )
    m4a = MP4(make_audio(tmp_path / "a.m4a"))
    m4a["aART"], m4a["cpil"], m4a["disk"], m4a["trkn"] = ["The Band"], True, [(2, 3)], [(7, 0)]
    m4a.save()
    flac = FLAC(make_audio(tmp_path / "a.flac"))
    flac["albumartist"], flac["compilation"], flac["discnumber"], flac["tracknumber"] = "The Band", "1", "2", "7"
    flac.save()

    for path in (mp3, tmp_path / "a.m4a", tmp_path / "a.flac"):
        assert read(path) == AudioTags(track_number=7, disc_number=2, album_artist="The Band", is_compilation=True), (
            path.name
        )


@pytest.mark.parametrize(
    ("date", "year"),
    [
        ("2021", 2021),
        ("20210315", 2021),
        ("2021-03-15T10:00:00", 2021),
        ("15.03.2021", 2021),
        ("03/15/2021", 2021),
        ("20210315101500", 2021),
        ("c. 1730", 1730),
        ("0000", None),
        ("12345678", None),
        ("121012", None),
        ("soon", None),
    ],
)
def test_dates(tmp_path: Path, date: str, year: int | None) -> None:
    flac = FLAC(make_audio(tmp_path / "a.flac"))
    flac["date"] = date
    flac.save()

    assert read(tmp_path / "a.flac").year == year


def test_a_date_in_an_id3_tag_is_read_as_it_stands(tmp_path: Path) -> None:
    path = untagged(tmp_path / "a.mp3")
    frames = frame(b"TDRC", b"\x0315.03.2021") + frame(b"TIT2", b"\x03Tide")
    path.write_bytes(id3_tag(frames) + path.read_bytes())

    assert read(path) == AudioTags("Tide", year=2021)


# --- Kinds of tags ----------------------------------------------------------------------------------------------------


def frame(name: bytes, data: bytes, flags: int = 0) -> bytes:
    """Return a frame of ID3v2.3."""
    return name + struct.pack(">IH", len(data), flags) + data


def id3_tag(frames: bytes) -> bytes:
    """Return a tag of ID3v2.3."""
    return b"ID3\3\0\0" + bytes(len(frames) >> shift & 0x7F for shift in (21, 14, 7, 0)) + frames


def test_ape_tags_fill_what_id3_leaves_open(tmp_path: Path) -> None:
    path = tagged(tmp_path / "a.mp3", TIT2(encoding=3, text=["Tide"]))
    ape = APEv2()
    ape["Title"], ape["Artist"], ape["Year"], ape["Track"] = "Other", "Ann", "1999", "7/9"
    ape["Cover Art (Front)"] = APEValue(b"cover.png\0" + png(), 1)
    ape.save(path)

    facts = probe(path)

    assert facts.tags == AudioTags("Tide", "Ann", year=1999, track_number=7)
    assert getattr(facts.cover, "data", None) == png()


def wav_with_info(path: Path, *fields: tuple[bytes, bytes]) -> Path:
    """Write a WAV with a list INFO."""
    make_audio(path)
    body = b"INFO" + b"".join(
        key + struct.pack("<I", len(value)) + value + bytes(len(value) % 2) for key, value in fields
    )
    data = path.read_bytes() + b"LIST" + struct.pack("<I", len(body)) + body
    path.write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])
    return path


def test_replay_gain_of_every_kind_of_file(tmp_path: Path) -> None:
    said = {"track_gain": "-7,30 dB", "track_peak": "1.012", "album_gain": "+0.5 dB", "album_peak": "0.9"}
    expected = ReplayGain(-7.3, 1.012, 0.5, 0.9)
    frames = [TXXX(encoding=3, desc=f"replaygain_{name}", text=value) for name, value in said.items()]
    assert read(tagged(tmp_path / "song.mp3", *frames)).replay_gain == expected
    flac = FLAC(make_audio(tmp_path / "song.flac"))
    flac.update({f"REPLAYGAIN_{name}": value for name, value in said.items()})
    flac.save()
    m4a = MP4(make_audio(tmp_path / "song.m4a"))
    m4a.update({f"----:com.apple.iTunes:replaygain_{name}": [value.encode()] for name, value in said.items()})
    m4a.save()
    ape = APEv2()
    ape.update({f"REPLAYGAIN_{name.upper()}": value for name, value in said.items()})
    ape.save(untagged(tmp_path / "ape.mp3"))
    assert [read(tmp_path / name).replay_gain for name in ("song.flac", "song.m4a", "ape.mp3")] == [expected] * 3
    volumes = [RVA2(desc=name, channel=1, gain=gain, peak=0.75) for name, gain in (("track", -3.0), ("album", -2.5))]
    assert read(tagged(tmp_path / "old.mp3", *volumes)).replay_gain == ReplayGain(-3.0, 0.75, -2.5, 0.75)
    opus = OggOpus(make_audio(tmp_path / "song.opus"))
    opus.update({"R128_TRACK_GAIN": "-1536", "R128_ALBUM_GAIN": "256"})
    opus.save()
    assert read(tmp_path / "song.opus").replay_gain == ReplayGain(-1.0, None, 6.0, None)


@pytest.mark.parametrize("gain", ["", "loud", "-7.3 LUFS", "1e9", "99999 dB", "nan", "٣"])
def test_a_gain_that_is_none_is_left_out(tmp_path: Path, gain: str) -> None:
    frames = [TXXX(encoding=3, desc=f"REPLAYGAIN_TRACK_{name}", text=gain or "0") for name in ("GAIN", "PEAK")]
    found = read(tagged(tmp_path / "song.mp3", *frames)).replay_gain
    assert found == (ReplayGain(track_gain_db=0.0) if not gain else ReplayGain())


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8"])
def test_riff_info_in_its_code_page(tmp_path: Path, encoding: str) -> None:
    path = wav_with_info(
        tmp_path / "a.wav",
        (b"INAM", "Grüße an alle".encode(encoding) + b"\0"),
        (b"IART", "Zoë".encode(encoding)),
        (b"ICRD", b"1977-02-01"),
        (b"ITRK", b"5"),
    )

    assert probe(path).tags == AudioTags("Grüße an alle", "Zoë", year=1977, track_number=5)


def test_tags_before_a_container(tmp_path: Path) -> None:
    path = make_audio(tmp_path / "a.flac")
    flac = FLAC(path)
    flac["title"] = "Inside"
    flac.save()
    path.write_bytes(2 * id3_tag(frame(b"TIT2", b"\0Before") + frame(b"TPE1", b"\0Ann")) + path.read_bytes())

    assert probe(path).tags == AudioTags("Inside", "Ann")


def test_tags_of_id3_version_1(tmp_path: Path) -> None:
    path = untagged(tmp_path / "a.mp3")
    path.write_bytes(path.read_bytes() + b"TAG" + b"Tide".ljust(30, b"\0") + b"Ann".ljust(30) + bytes(64) + b"\x11")

    tags = read(path)
    assert (tags.title, tags.artist, tags.genre) == ("Tide", "Ann", "Rock")


# --- Nothing to see, and too much -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "title", ["\u200b", "\ufeff \u2060", "\u0301\u0302", "\x07\x1b", "\u3164", "\u2800", "\u200d\u200e", "\u00ad"]
)
def test_a_title_of_nothing_to_see_is_none(tmp_path: Path, title: str) -> None:
    assert text_clean(title) == ""
    assert read(tagged(tmp_path / "a.mp3", TIT2(encoding=3, text=[title]))).title == ""


def test_signs_without_width_do_not_make_names_differ() -> None:
    assert text_clean("\ufeffAnn\u200b Lee") == "Ann Lee"


def _floods() -> Iterator[tuple[str, bytes]]:
    nuls = bytes(400_000)
    yield "NULs", frame(b"TPE1", b"\0" + nuls)
    yield "NULs in UTF-16", frame(b"TPE1", b"\1\xff\xfe" + nuls)
    packed = zlib.compress(b"\0" + b"a\0" * 50_000_000, 9)
    yield "100 MB packed", frame(b"TPE1", struct.pack(">I", 100_000_001) + packed, 0x0080)
    yield "accents", frame(b"TPE1", b"\3" + ("a" + "\u0315\u0300" * 100_000).encode())
    yield "a picture of 1 GB", frame(b"APIC", struct.pack(">I", 1_000_000_000) + packed, 0x0080)


@pytest.mark.parametrize(("kind", "flood"), list(_floods()), ids=[kind for kind, _ in _floods()])
def test_a_flood_costs_nothing(kind: str, flood: bytes) -> None:
    stream = io.BytesIO(id3_tag(flood + frame(b"TIT2", b"\0Tide")) + bytes(1000))

    started = time.process_time()
    tags, cover = tags_read(stream, {})

    assert time.process_time() - started < (0.5 if "picture" in kind else 0.1)
    assert (tags.title, cover) == ("Tide", None)
    assert len(tags.artist) <= 1000


def test_long_names_of_files_are_cut_before_they_are_cleaned() -> None:
    started = time.process_time()
    shown = file_name_clean("\u0315\u0300" * 500_000 + ".mp3")

    assert time.process_time() - started < 0.1
    assert shown.endswith(".mp3")


# --- Covers -----------------------------------------------------------------------------------------------------------


def test_the_front_cover_comes_first(tmp_path: Path) -> None:
    pictures = {1: "red", 4: "green", 0: "white", 3: "navy"}
    mp3 = tagged(
        tmp_path / "a.mp3",
        *(APIC(encoding=3, mime="image/png", type=kind, desc=str(kind), data=png(of)) for kind, of in pictures.items()),
    )
    flac = FLAC(make_audio(tmp_path / "a.flac"))
    ogg = OggVorbis(make_audio(tmp_path / "a.ogg"))
    blocks = []
    for kind, colour in pictures.items():
        picture = Picture()
        picture.data, picture.mime, picture.type = png(colour), "image/png", kind
        flac.add_picture(picture)
        blocks.append(base64.b64encode(picture.write()).decode())
    flac.save()
    ogg["metadata_block_picture"] = blocks
    ogg.save()

    for path in (mp3, tmp_path / "a.flac", tmp_path / "a.ogg"):
        cover = probe(path).cover
        assert getattr(cover, "data", None) == png("navy"), path.name


@pytest.mark.parametrize(("kinds", "chosen"), [((1, 4), 4), ((2, 0), 0), ((4, 8), 8), ((1,), 1)])
def test_other_pictures_stand_in_for_a_front_cover(tmp_path: Path, kinds: tuple[int, ...], chosen: int) -> None:
    colours = {0: "white", 1: "red", 2: "pink", 4: "green", 8: "blue"}
    path = tagged(
        tmp_path / "a.mp3",
        *(APIC(encoding=3, mime="image/png", type=kind, desc=str(kind), data=png(colours[kind])) for kind in kinds),
    )

    with path.open("rb") as stream:
        cover = tags_read(stream, {})[1]
    assert getattr(cover, "data", None) == png(colours[chosen])


def noisy_png(size: int) -> bytes:
    out = io.BytesIO()
    Image.effect_noise((size, size), 200).convert("RGB").save(out, "PNG", compress_level=1)
    return out.getvalue()


def test_a_cover_over_the_limit_is_scaled(tmp_path: Path) -> None:
    picture = noisy_png(3400)
    assert len(picture) > MAX_COVER_BYTES
    path = tagged(tmp_path / "a.mp3", APIC(encoding=3, mime="image/png", type=3, data=picture))

    cover = probe(path).cover

    assert cover is not None
    assert cover.mime_type == "image/jpeg"
    assert len(cover.data) < MAX_COVER_BYTES
    with Image.open(io.BytesIO(cover.data)) as image:
        assert image.size == (1600, 1600)


def test_a_bomb_of_a_cover_is_left_out(tmp_path: Path) -> None:
    out = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(out, "PNG")
    bomb = out.getvalue() + bytes(MAX_COVER_BYTES)
    path = tagged(tmp_path / "a.mp3", APIC(encoding=3, mime="image/png", type=3, data=bomb))

    started = time.process_time()
    assert read(path) == AudioTags()
    assert time.process_time() - started < 0.5
    assert probe(path).cover is None
