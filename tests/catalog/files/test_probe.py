"""What the probe takes, whatever the name says, and the exact sentence for everything that it does not take."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from catalog.exceptions import FileRejectedError
from catalog.files.probe import duration_words, probe
from tests.audio_fixtures import CODECS, make_audio, make_video

_TAKEN = "Moodplane accepts MP3, FLAC, Ogg Vorbis, Opus, WAV, AIFF and M4A/AAC."

_EXPECTED = {
    "wav": ("wav", "pcm_s16le", "audio/wav", "wav"),
    "flac": ("flac", "flac", "audio/flac", "flac"),
    "ogg": ("ogg", "vorbis", "audio/ogg", "ogg"),
    "aiff": ("aiff", "pcm_s16be", "audio/aiff", "aiff"),
    "mp3": ("mp3", "mp3", "audio/mpeg", "mp3"),
    "opus": ("ogg", "opus", "audio/ogg", "opus"),
    "m4a": ("mp4", "aac", "audio/mp4", "m4a"),
    "aac": ("aac", "aac", "audio/aac", "aac"),
}


def refused(path: Path, **limits: float) -> tuple[str, str]:
    with pytest.raises(FileRejectedError) as caught:
        probe(path, **limits)
    return caught.value.code, str(caught.value)


@pytest.mark.parametrize("codec", CODECS)
def test_every_format_is_recognised_by_its_content(tmp_path: Path, codec: str) -> None:
    facts = probe(make_audio(tmp_path / "wrong name.txt", 6.0, codec))

    assert (facts.container, facts.codec, facts.mime_type, facts.extension) == _EXPECTED[codec]
    assert facts.duration_s == pytest.approx(6.0, abs=0.15)
    assert facts.channels == 2
    assert facts.sample_rate_hz == (48_000 if codec == "opus" else 22_050)


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    path.touch()

    assert refused(path) == ("empty_file", "The file is empty (0 bytes). Copy it from its source again.")


def test_text_renamed_to_mp3(tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    path.write_text("Dear diary, today I heard no music.\n" * 500)

    assert refused(path) == (
        "not_audio",
        f"This is not an audio file: its content looks like text. {_TAKEN}",
    )


@pytest.mark.parametrize(
    ("head", "looks_like"),
    [
        (b"%PDF-1.7\n", "a PDF document"),
        (b"\x89PNG\r\n\x1a\n", "an image"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"\x1aE\xdf\xa3", "a Matroska or WebM file"),
    ],
)
def test_other_files_are_named(tmp_path: Path, head: bytes, looks_like: str) -> None:
    path = tmp_path / "song.mp3"
    path.write_bytes(head + os.urandom(3000))

    assert refused(path) == (
        "not_audio",
        f"This is not an audio file: its content looks like {looks_like}. {_TAKEN}",
    )


@pytest.mark.parametrize(
    "script",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/passwd\n",
        "ffconcat version 1.0\nfile '/etc/passwd'\n",
    ],
)
def test_a_script_that_points_elsewhere_is_only_text(tmp_path: Path, script: str) -> None:
    path = tmp_path / "song.mp3"
    path.write_text(script)

    assert refused(path)[0] == "not_audio"


def test_a_header_without_sound(tmp_path: Path) -> None:
    path = make_audio(tmp_path / "song.flac", 6.0)
    path.write_bytes(path.read_bytes()[:42] + np.random.default_rng(1).bytes(50_000))

    assert refused(path) == (
        "undecodable",
        "No audio could be decoded from this file: it is damaged, or only looks like audio. "
        "Copy it from its source again.",
    )


def test_mp3_that_was_cut_off_is_taken_when_five_seconds_are_left(tmp_path: Path) -> None:
    whole = make_audio(tmp_path / "whole.mp3", 20.0).read_bytes()
    half = tmp_path / "half.mp3"
    half.write_bytes(whole[: len(whole) // 2])

    assert probe(half).duration_s == pytest.approx(10.0, abs=0.2), "the length is what is there, not what was promised"


def test_mp3_that_was_cut_off_too_early(tmp_path: Path) -> None:
    whole = make_audio(tmp_path / "whole.mp3", 20.0).read_bytes()
    tenth = tmp_path / "tenth.mp3"
    tenth.write_bytes(whole[: len(whole) // 10])

    assert refused(tenth) == (
        "damaged",
        "Only 1.9 s of its 20.0 s can be decoded: it is damaged or truncated. Copy it from its source again.",
    )


def test_m4a_without_its_index(tmp_path: Path) -> None:
    whole = make_audio(tmp_path / "whole.m4a", 8.0).read_bytes()
    half = tmp_path / "half.m4a"
    half.write_bytes(whole[: len(whole) // 2])

    assert refused(half) == (
        "damaged",
        "It starts like M4A/MP4 but cannot be read: it is damaged or truncated. Copy it from its source again.",
    )


def test_video(tmp_path: Path) -> None:
    assert refused(make_video(tmp_path / "song.mp3")) == (
        "video",
        "This is a video (mpeg4, 64x48). Upload only its audio, for example as MP3 or M4A.",
    )


def test_one_second(tmp_path: Path) -> None:
    assert refused(make_audio(tmp_path / "song.wav", 1.0)) == (
        "too_short",
        "It is 1.0 s long; a song must last at least 5 s to be analysed.",
    )


def test_three_hours(tmp_path: Path) -> None:
    path = tmp_path / "song.flac"
    with sf.SoundFile(path, "w", 4000, 1, subtype="PCM_16", format="FLAC") as out:
        minute = np.zeros(60 * 4000, dtype=np.int16)
        for _ in range(180):
            out.write(minute)

    assert refused(path) == (
        "too_long",
        "It is 3 h 0 min long; a song may last at most 2 h 0 min. Split it and upload the parts.",
    )


def test_a_codec_that_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    sf.write(path, np.zeros((6 * 8000, 1), dtype=np.float32), 8000, subtype="IMA_ADPCM", format="WAV")

    assert refused(path) == ("unsupported_codec", f"The audio in this file is encoded as adpcm_ima_wav. {_TAKEN}")


def test_eight_channels_are_taken(tmp_path: Path) -> None:
    assert probe(make_audio(tmp_path / "song.wav", 6.0, channels=8)).channels == 8


def test_192_khz_is_taken(tmp_path: Path) -> None:
    assert probe(make_audio(tmp_path / "song.flac", 6.0, sample_rate_hz=192_000)).sample_rate_hz == 192_000


def test_length_in_words() -> None:
    assert [duration_words(each) for each in (4.4, 245, 7200, 10_800)] == ["4 s", "4 min 5 s", "2 h 0 min", "3 h 0 min"]
