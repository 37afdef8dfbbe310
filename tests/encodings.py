"""One recording in twelve encodings, and ten things that happen to files in the world."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from tests.audio_fixtures import make_audio

# What a chirp says at a second: 200 Hz at the beginning, 10 Hz more each second.
_FIRST_HZ, _RISE_HZ = 200.0, 10.0


class Encoding(NamedTuple):
    """An encoder of FFmpeg, in one of its containers; libsndfile's Vorbis has no name."""

    suffix: str
    muxer: str
    encoder: str
    rate_hz: int = 44_100
    quality: float = 0.0  # For a variable bit rate.
    bit_rate: int = 0
    mux_options: tuple[tuple[str, str], ...] = ()
    sample_format: str = "fltp"


ENCODINGS = {
    "mp3": Encoding("mp3", "mp3", "libmp3lame", bit_rate=128_000),
    "mp3-vbr": Encoding("mp3", "mp3", "libmp3lame", quality=4.0),
    "mp3-vbr-plain": Encoding("mp3", "mp3", "libmp3lame", quality=4.0, mux_options=(("write_xing", "0"),)),
    "aac": Encoding("aac", "adts", "aac", bit_rate=96_000),
    "m4a": Encoding("m4a", "ipod", "aac", bit_rate=96_000),
    "alac": Encoding("m4a", "ipod", "alac", sample_format="s16p"),
    "flac": Encoding("flac", "flac", "flac", sample_format="s16"),
    "ogg": Encoding("ogg", "ogg", ""),
    "opus": Encoding("opus", "ogg", "libopus", rate_hz=48_000, bit_rate=96_000, sample_format="flt"),
    "wav": Encoding("wav", "wav", "pcm_s16le", sample_format="s16"),
    "wav-float": Encoding("wav", "wav", "pcm_f32le", sample_format="flt"),
    "aiff": Encoding("aiff", "aiff", "pcm_s16be", sample_format="s16"),
}


def chirp(seconds: float, rate_hz: int, *, intro_s: float = 0.0) -> NDArray[np.float32]:
    """Return stereo `(n_samples, 2)` whose pitch tells the second, after `intro_s` of silence."""
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    tone = 0.4 * np.sin(2 * np.pi * (_FIRST_HZ * time_s + _RISE_HZ / 2 * time_s**2))
    silence = np.zeros(round(intro_s * rate_hz))
    return np.repeat(np.concatenate([silence, tone])[:, None], 2, axis=1).astype(np.float32)


def second_of(mono: NDArray[np.float32], rate_hz: int) -> float:
    """Return which second of the chirp is heard in the middle."""
    half = rate_hz // 4
    piece = mono[len(mono) // 2 - half : len(mono) // 2 + half]
    spectrum = np.abs(np.fft.rfft(piece * np.hanning(len(piece)), 16 * len(piece)))
    return float((spectrum.argmax() * rate_hz / (16 * len(piece)) - _FIRST_HZ) / _RISE_HZ)


def encode(path: Path, sound: NDArray[np.float32], name: str) -> Path:
    """Write stereo `(n_samples, 2)`, at the encoding's own rate, and return the path."""
    how = ENCODINGS[name]
    if not how.encoder:
        return make_audio(path, codec="ogg", sample_rate_hz=how.rate_hz, waveform=sound)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format=how.muxer, options=dict(how.mux_options)) as out:
        stream = out.add_stream(how.encoder, rate=how.rate_hz, layout="stereo")
        assert isinstance(stream, av.AudioStream)
        context = stream.codec_context
        if how.bit_rate:
            context.bit_rate = how.bit_rate
        if how.quality:
            context.qscale, context.global_quality = True, round(how.quality * 118)
        context.format = how.sample_format
        converter = av.AudioResampler(format=how.sample_format, layout="stereo", rate=how.rate_hz)
        for start in range(0, len(sound), how.rate_hz):
            piece = np.ascontiguousarray(sound[start : start + how.rate_hz].T)
            frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = how.rate_hz, start, Fraction(1, how.rate_hz)
            for each in converter.resample(frame):
                out.mux(stream.encode(each))
        out.mux(stream.encode(None))
    return path


# --- What happens to files --------------------------------------------------------------------------------------------


def id3(size: int = 600) -> bytes:
    """Return an ID3v2.4 tag with a title and padding."""
    title = b"\x03Before"
    frame = b"TIT2" + bytes([0, 0, 0, len(title)]) + b"\0\0" + title
    body = frame.ljust(size, b"\0")
    return b"ID3\4\0\0" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0)) + body


def ape(cover: bytes = b"") -> bytes:
    """Return an APEv2 tag with header, one item and footer."""
    item = struct.pack("<II", 3, 0) + b"Title\0Ape"
    if cover:
        item = struct.pack("<II", len(cover), 2) + b"Cover Art (Front)\0" + cover
    ends = [
        struct.pack("<8sIIIIQ", b"APETAGEX", 2000, len(item) + 32, 1, flags, 0) for flags in (0xA0000000, 0x80000000)
    ]
    return ends[0] + item + ends[1]


def _spoilt(data: bytes, n_bytes: int) -> bytes:
    middle = len(data) // 2
    return data[:middle] + np.random.default_rng(5).bytes(n_bytes) + data[middle + n_bytes :]


def _silenced(data: bytes) -> bytes:
    start, stop = int(0.45 * len(data)), int(0.55 * len(data))
    return data[:start] + bytes(stop - start) + data[stop:]


def says(data: bytes, factor: float) -> bytes:
    """Let the header say `factor` times the length, 0 for one that it does not know; what has no header stays."""
    for magic, at in ((b"Xing", 8), (b"Info", 8)):
        if (place := data[:4096].find(magic)) > 0:
            return _number_put(data, place + at, ">I", factor)
    if data[:4] == b"fLaC":
        bits = int.from_bytes(data[18:26], "big")
        total = min(int((bits & (1 << 36) - 1) * factor), (1 << 36) - 1)
        return data[:18] + (bits >> 36 << 36 | total).to_bytes(8, "big") + data[26:]
    if data[:4] == b"OggS":
        last = data.rfind(b"OggS")
        return data[:last] + page_of(_number_put(data[last:], 6, "<Q", factor))
    if data[8:12] == b"WAVE":
        return _number_put(data, data.find(b"data") + 4, "<I", factor)
    if data[8:12] == b"AIFF":
        return _number_put(data, data.find(b"COMM") + 10, ">I", factor)
    if data[4:8] == b"ftyp":
        for box, at in ((b"mvhd", 20), (b"mdhd", 20)):
            data = _number_put(data, data.rfind(box) + at, ">I", factor)
    return data


def _number_put(data: bytes, at: int, kind: str, factor: float) -> bytes:
    size = struct.calcsize(kind)
    number = int(struct.unpack_from(kind, data, at)[0] * factor)
    return data[:at] + struct.pack(kind, min(number, (1 << 8 * size - 1) - 1)) + data[at + size :]


def page_of(page: bytes) -> bytes:
    """Return the only page of Ogg in these bytes with the checksum that belongs to it."""
    crc = 0
    for byte in page[:22] + bytes(4) + page[26:]:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
    return page[:22] + struct.pack("<I", crc) + page[26:]


# Each with the length that a listener hears, as a share of the whole, where it does not depend on the encoding.
DAMAGES: dict[str, tuple[Callable[[bytes], bytes], float]] = {
    "cut to 60 %": (lambda data: data[: int(0.6 * len(data))], 0.6),
    "first 1 kB lost": (lambda data: data[1000:], 1.0),
    "200 bad bytes": (lambda data: _spoilt(data, 200), 1.0),
    "4,000 bad bytes": (lambda data: _spoilt(data, 4000), 1.0),
    "a tenth zeroed": (_silenced, 1.0),
    "tags before": (lambda data: ape() + id3() + id3(200) + data, 1.0),
    "tags after": (lambda data: data + ape() + b"TAG".ljust(128, b"\0"), 1.0),
    "twice in a row": (lambda data: data + data, 2.0),
    "header says 400 x": (lambda data: says(data, 400.0), 1.0),
    "header says 0": (lambda data: says(data, 0.0), 1.0),
}
