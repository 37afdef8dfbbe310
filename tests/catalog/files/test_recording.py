"""What is heard of a file is what plays, whatever its header says and whatever happened to it on its way."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile as sf
from numpy.typing import NDArray

from catalog.exceptions import FileRejectedError
from catalog.files import recording as reader
from catalog.files.probe import probe
from catalog.files.recording import Recording
from tests.audio_fixtures import make_audio, make_waveform
from tests.encodings import DAMAGES, ENCODINGS, ape, chirp, encode, id3, page_of, says, second_of

LONG_S = 40.0
# A centre is at most so far from the middle.
NEAR_S = 0.1


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("encoded")
    return {
        name: encode(folder / f"{name}.{how.suffix}", chirp(LONG_S, how.rate_hz), name).read_bytes()
        for name, how in ENCODINGS.items()
    }


def written(folder: Path, data: bytes) -> Path:
    path = folder / "song"
    path.write_bytes(data)
    return path


def heard(path: Path) -> tuple[float, float, float]:
    """Return the length, the second in the middle of the first half of the window, and the second it should be."""
    with Recording(path) as recording:
        mono, start, n_heard = recording.window(0.5, reader.WINDOW_S)
        assert n_heard >= reader.LEAST_SHARE * len(mono)
        blocks = list(recording.blocks())
        assert sum(len(block.mono) for block in blocks) == recording.n_samples, "the curve covers all of it"
        half, rate_hz = mono[: len(mono) // 2], recording.sample_rate_hz
        # Where the halves of two windows overlap, both readings are the same sound.
        whole = np.concatenate([block.mono for block in blocks])[start : start + len(half)]
        assert abs(second_of(whole, rate_hz) - second_of(half, rate_hz)) < NEAR_S
        return recording.duration_s, second_of(half, rate_hz), (start + len(half) / 2) / rate_hz


def refusal(path: Path) -> tuple[str, str]:
    with pytest.raises(FileRejectedError) as caught:
        probe(path)
    assert "Errno" not in str(caught.value)
    return caught.value.code, str(caught.value)


# --- Every encoding, and what happens to it ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ENCODINGS)
def test_the_middle_of_every_encoding_is_heard(encoded: dict[str, bytes], name: str, tmp_path: Path) -> None:
    path = written(tmp_path, encoded[name])

    length_s, second, middle = heard(path)

    assert length_s == pytest.approx(LONG_S, abs=NEAR_S)
    assert second == pytest.approx(middle, abs=NEAR_S)
    assert probe(path).duration_s == length_s


@pytest.mark.parametrize("damage", ["", "tags before", "tags after", "twice in a row", "header says 400 x", "cover"])
@pytest.mark.parametrize("name", ENCODINGS)
def test_the_bit_rate_is_that_of_the_sound(encoded: dict[str, bytes], name: str, damage: str, tmp_path: Path) -> None:
    data = encoded[name]
    # The file has no tags and next to no headers.
    expected = 8 * len(data) / LONG_S
    if damage == "cover":
        data += ape(bytes(1_000_000)) if name not in {"m4a", "alac", "ogg", "opus"} else b""
    elif damage:
        data = DAMAGES[damage][0](data)
    path = written(tmp_path, data)

    assert probe(path).bit_rate == pytest.approx(expected, rel=0.1)
    with Recording(path) as recording:
        before = recording.window(0.25, 1.0).mono
        recording.bit_rate()
        assert np.array_equal(recording.window(0.25, 1.0).mono, before), "the place in the file is no one's"


# What no player can know, or must not: (encoding, damage).
_WITHOUT_ITS_BEGINNING = {"flac", "m4a", "alac", "ogg", "opus", "wav", "wav-float", "aiff"}
_INDEX_AT_ITS_END = {"m4a", "alac"}
_ENDS_WHERE_IT_SAYS = {"m4a", "alac", "wav", "wav-float", "aiff", "flac"}


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_left_of_a_damaged_file_is_heard(
    encoded: dict[str, bytes], name: str, damage: str, tmp_path: Path
) -> None:
    change, share = DAMAGES[damage]
    path = written(tmp_path, change(encoded[name]))
    if damage == "first 1 kB lost" and name in _WITHOUT_ITS_BEGINNING:
        assert refusal(path)[0] == "not_audio"
        return
    if damage == "cut to 60 %" and name in _INDEX_AT_ITS_END:
        assert refusal(path)[0] == "damaged"
        return
    if damage == "twice in a row" and name in _ENDS_WHERE_IT_SAYS:
        share = 1.0

    length_s, second, middle = heard(path)

    # A bad stretch of a stream without time stamps is missing, and bits are no seconds.
    slack_s = {"a tenth zeroed": 0.12, "4,000 bad bytes": 0.05, "cut to 60 %": 0.05}.get(damage, 0.01) * LONG_S
    assert length_s == pytest.approx(share * LONG_S, abs=slack_s)
    if damage != "twice in a row" or share == 1.0:
        lost_s = LONG_S - length_s if damage == "first 1 kB lost" else 0.0
        assert second == pytest.approx(middle + lost_s, abs=NEAR_S)
    assert probe(path).duration_s == length_s


# --- Lengths that lie -------------------------------------------------------------------------------------------------


def test_an_index_in_front_of_sound_that_was_cut_off(tmp_path: Path) -> None:
    fast = tmp_path / "fast.m4a"
    with av.open(str(fast), "w", format="ipod", options={"movflags": "faststart"}) as out:
        stream = out.add_stream("aac", rate=44_100, layout="stereo")
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(chirp(LONG_S, 44_100).T), "fltp", "stereo")
        frame.sample_rate = 44_100
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            out.mux(packet)

    length_s, second, middle = heard(written(tmp_path, fast.read_bytes()[: int(0.7 * fast.stat().st_size)]))

    assert length_s == pytest.approx(0.7 * LONG_S, abs=1)
    assert second == pytest.approx(middle, abs=NEAR_S)


def test_a_quiet_beginning_does_not_move_the_centre_of_a_variable_bit_rate(tmp_path: Path) -> None:
    sound = chirp(LONG_S, 44_100, intro_s=15.0)
    for name in ("aac", "mp3-vbr-plain"):
        length_s, second, middle = heard(encode(tmp_path / name, sound, name))

        assert length_s == pytest.approx(LONG_S + 15, abs=NEAR_S)
        assert second == pytest.approx(middle - 15, abs=NEAR_S)


@pytest.mark.parametrize(("factor", "last"), [(400.0, None), (1.05, None), (0.0, None), (1.0, 2**63 - 1)])
@pytest.mark.parametrize("name", ["ogg", "opus"])
def test_an_ogg_whose_last_page_lies(
    encoded: dict[str, bytes], name: str, factor: float, last: int | None, tmp_path: Path
) -> None:
    data = says(encoded[name], factor)
    if last is not None:
        at = data.rfind(b"OggS")
        data = data[:at] + page_of(data[at : at + 6] + struct.pack("<Q", last) + data[at + 14 :])

    length_s, second, middle = heard(written(tmp_path, data))

    assert length_s == pytest.approx(LONG_S, abs=NEAR_S)
    assert second == pytest.approx(middle, abs=NEAR_S)


def test_two_ogg_files_joined_are_as_long_as_both(tmp_path: Path) -> None:
    for name in ("ogg", "opus"):
        rate_hz = ENCODINGS[name].rate_hz
        first = encode(tmp_path / "a", chirp(20, rate_hz), name).read_bytes()
        second = encode(tmp_path / "b", chirp(50, rate_hz), name).read_bytes()

        length_s, at, middle = heard(written(tmp_path, first + second))

        assert length_s == pytest.approx(70, abs=NEAR_S)
        assert at == pytest.approx(middle - 20, abs=NEAR_S)


@pytest.mark.parametrize("codec", ["mp3", "aac"])
def test_a_joined_part_at_another_rate_keeps_its_time(tmp_path: Path, codec: str) -> None:
    parts = [make_audio(tmp_path / str(rate), 20, codec, sample_rate_hz=rate) for rate in (44_100, 22_050)]
    path = written(tmp_path, b"".join(part.read_bytes() for part in parts))

    assert probe(path).duration_s == pytest.approx(40, abs=0.3)
    with Recording(path) as recording:
        assert recording.window(0.5, reader.WINDOW_S).n_heard == 24 * 44_100
        assert sum(len(block.mono) for block in recording.blocks()) == recording.n_samples


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_a_wav_that_came_through_a_pipe_has_no_length(encoded: dict[str, bytes], size: int, tmp_path: Path) -> None:
    data = encoded["wav"]
    at = data.find(b"data") + 4
    riff = data[:4] + struct.pack("<I", size) + data[8:at] + struct.pack("<I", size) + data[at + 4 :]

    assert heard(written(tmp_path, riff))[0] == pytest.approx(LONG_S, abs=0.01)


def test_a_length_over_the_limit_is_found_without_reading_on(encoded: dict[str, bytes], tmp_path: Path) -> None:
    with Recording(written(tmp_path, encoded["mp3-vbr-plain"]), at_most_s=10) as recording:
        assert 10 < recording.duration_s < 11


@pytest.mark.parametrize("name", ["wav", "aiff", "m4a", "ogg", "aac", "flac"])
def test_tags_of_another_format_before_a_container(encoded: dict[str, bytes], name: str, tmp_path: Path) -> None:
    for size in (600, 1_500_000):
        assert heard(written(tmp_path, id3(size) + id3() + encoded[name]))[0] == pytest.approx(LONG_S, abs=NEAR_S)


# --- What cannot be heard ---------------------------------------------------------------------------------------------


def test_what_is_mostly_damaged_is_refused_at_the_door(encoded: dict[str, bytes], tmp_path: Path) -> None:
    data = encoded["m4a"]
    start, stop = int(0.02 * len(data)), int(0.96 * len(data))
    noise = np.random.default_rng(3).bytes(stop - start)

    code, sentence = refusal(written(tmp_path, data[:start] + noise + data[stop:]))

    assert code == "damaged"
    assert sentence.startswith("Only ")
    assert sentence.endswith("it is damaged or truncated. Copy it from its source again.")


@pytest.mark.parametrize("rate_hz", [1, 3_999, 768_001, 50_000_000, 4_000_000_000])
def test_rates_that_no_recording_has_are_refused(encoded: dict[str, bytes], rate_hz: int, tmp_path: Path) -> None:
    data = encoded["wav"]
    path = written(tmp_path, data[:24] + struct.pack("<II", rate_hz, min(4 * rate_hz, 2**32 - 1)) + data[32:])

    code, sentence = refusal(path)

    assert code in ("unsupported_rate", "damaged", "undecodable")
    if code == "unsupported_rate":
        assert sentence == f"Its sample rate is {rate_hz} Hz; Moodplane accepts 4 to 768 kHz."


@pytest.mark.parametrize("rate_hz", [4_000, 768_000])
def test_rates_that_recordings_have_are_taken(tmp_path: Path, rate_hz: int) -> None:
    assert probe(make_audio(tmp_path / "song.wav", 6, sample_rate_hz=rate_hz)).sample_rate_hz == rate_hz


def test_a_thousand_channels_are_refused(encoded: dict[str, bytes], tmp_path: Path) -> None:
    data = encoded["wav"]
    path = written(tmp_path, data[:22] + struct.pack("<H", 1000) + data[24:32] + struct.pack("<H", 2000) + data[34:])

    assert refusal(path)[0] in ("unsupported_channels", "undecodable")


def test_a_script_that_points_elsewhere_is_never_followed(tmp_path: Path) -> None:
    secret = make_audio(tmp_path / "secret.wav", 6)
    for script in (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{secret}\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile '{secret}'\n",
    ):
        with pytest.raises(FileRejectedError):
            Recording(written(tmp_path, script.encode()))


# --- What is mixed ----------------------------------------------------------------------------------------------------


def mono_of(path: Path) -> NDArray[np.float32]:
    with Recording(path) as recording:
        return recording.window(0.5, reader.WINDOW_S).mono


def test_channels_that_cancel_out_are_heard_by_the_loudest(tmp_path: Path) -> None:
    left = chirp(10, 22_050)[:, :1]
    path = make_audio(tmp_path / "a.flac", waveform=np.hstack([left, -left]))

    assert np.abs(mono_of(path) - left[:, 0]).max() < 1e-4
    with Recording(path) as recording:
        assert np.abs(np.concatenate([block.mono for block in recording.blocks()]) - left[:, 0]).max() < 1e-4


def test_wide_stereo_is_still_the_mean(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sound = (0.1 * rng.standard_normal((6 * 22_050, 2))).astype(np.float32)
    sound[:, 1] -= 0.6 * sound[:, 0]

    assert np.abs(mono_of(make_audio(tmp_path / "a.wav", waveform=sound)) - sound.mean(axis=1)).max() < 1e-4


@pytest.mark.parametrize(("sample_format", "bits"), [("s16", 16), ("s32", 24)])
def test_lossless_encodings_of_the_same_samples_are_the_same_sound(
    tmp_path: Path, sample_format: str, bits: int
) -> None:
    whole = np.round(make_waveform(8, sample_rate_hz=44_100) * (2 ** (bits - 1) - 1)).astype(np.int32)
    samples = whole.astype(np.int16) if bits == 16 else whole << 8
    sounds = []
    for muxer, encoder, planar in (("flac", "flac", ""), ("ipod", "alac", "p")):
        path = tmp_path / encoder
        with av.open(str(path), "w", format=muxer) as out:
            stream = out.add_stream(encoder, rate=44_100, layout="stereo")
            assert isinstance(stream, av.AudioStream)
            stream.codec_context.format = sample_format + planar
            packed = samples.T if planar else samples.reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(packed), sample_format + planar, "stereo")
            frame.sample_rate = 44_100
            for packet in [*stream.encode(frame), *stream.encode(None)]:
                out.mux(packet)
        sounds.append(mono_of(path))

    assert np.array_equal(sounds[0], sounds[1])
    assert np.abs(sounds[0] - whole.mean(axis=1) / 2 ** (bits - 1)).max() < 2.0 ** (1 - bits)


@pytest.mark.parametrize("absurd", [1e9, -1e30, np.nan, np.inf])
@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_an_absurd_sample_is_no_louder_than_loud(tmp_path: Path, absurd: float, subtype: str) -> None:
    sound = make_waveform(6)
    plain = sound.mean(axis=1)
    sound[70_000, 1] = absurd
    sf.write(tmp_path / "a.wav", sound, 22_050, subtype=subtype)

    mono = mono_of(tmp_path / "a.wav")

    assert np.abs(mono).max() <= reader.CEILING
    assert np.abs(np.delete(mono - plain, 70_000)).max() < 1e-6


# --- What is told apart -----------------------------------------------------------------------------------------------


def test_alac_is_told_from_aac(encoded: dict[str, bytes], tmp_path: Path) -> None:
    types = [probe(written(tmp_path, encoded[name])).mime_type for name in ("m4a", "alac")]

    assert types == ["audio/mp4", 'audio/mp4; codecs="alac"']


def with_pictures(path: Path, n_pictures: int, seconds: int) -> Path:
    with av.open(str(path), "w", format="mp4") as out:
        picture = out.add_stream("png", rate=10)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "rgb24"
        sound = out.add_stream("aac", rate=22_050, layout="stereo")
        for place in range(n_pictures):
            image = np.full((48, 64, 3), 80 * place % 256, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = place * 10 * seconds // n_pictures
            out.mux(picture.encode(frame))
        out.mux(picture.encode(None))
        frames = av.AudioFrame.from_ndarray(np.ascontiguousarray(chirp(seconds, 22_050).T), "fltp", "stereo")
        frames.sample_rate = 22_050
        for packet in [*sound.encode(frames), *sound.encode(None)]:
            out.mux(packet)
    return path


def test_pictures_of_chapters_are_no_video(tmp_path: Path) -> None:
    assert probe(with_pictures(tmp_path / "podcast", 3, 40)).duration_s == pytest.approx(40, abs=NEAR_S)
    assert refusal(with_pictures(tmp_path / "film", 40, 10))[0] == "video"
