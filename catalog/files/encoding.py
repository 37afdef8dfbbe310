"""Encodes a recording anew: as FLAC, which loses nothing, as Opus, which is small, or as MP3, which all play."""

from __future__ import annotations

import os
from collections.abc import Iterator
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av

from catalog.files.limits import cpu_confine, process_confine
from catalog.files.recording import Recording, nothing_decodes

# Pages and analyses of the same machine come first.
_NICENESS = 10
# A song of four minutes costs 2 to 4 s.
_CPU_BASE_S, _CPU_SHARE = 20, 0.1
_OPUS_RATE_HZ = 48_000
# Others are resampled; players with MPEG 2 are rare.
_MP3_RATES_HZ = (32_000, 44_100, 48_000)
_ENCODERS = {"flac": "flac", "opus": "libopus", "mp3": "libmp3lame"}
_SAMPLES = {"opus": "flt", "mp3": "fltp"}
# What browsers play; few recordings have more.
_MOST_FLAC_RATE_HZ = 192_000
# Decoders of formats with more than 16 bits give one of these.
_DEEP = frozenset({"s32", "s64", "flt", "dbl"})
_LOSSLESS = ("alac", "flac", "pcm_")


class Encoding(StrEnum):
    """What a song is encoded as: its name in addresses."""

    FLAC = "flac"
    OPUS_128 = "opus-128"
    OPUS_96 = "opus-96"
    MP3_320 = "mp3-320"
    MP3_192 = "mp3-192"
    MP3_128 = "mp3-128"

    @property
    def extension(self) -> str:
        """The ending of file names, and the name of the codec."""
        return self.value.partition("-")[0]

    @property
    def mime_type(self) -> str:
        """The media type."""
        return {"flac": "audio/flac", "opus": "audio/ogg", "mp3": "audio/mpeg"}[self.extension]

    @property
    def bit_rate(self) -> int:
        """bit/s; 0 for FLAC, whose rate follows from the sound."""
        return 0 if self is Encoding.FLAC else 1000 * int(self.partition("-")[2])

    def most_bytes(self, *, duration_s: float, sample_rate_hz: int) -> int:
        """Return what a file of it cannot exceed."""
        bytes_in_s = 8 * sample_rate_hz if self is Encoding.FLAC else self.bit_rate / 4
        return 1_000_000 + round(bytes_in_s * duration_s)


def encode_confined(source: Path, target: Path, encoding: Encoding, *, duration_s: float, sample_rate_hz: int) -> None:
    """Encode a stranger's file in this process, which sets itself limits and goes behind all others."""
    os.nice(_NICENESS)
    process_confine(file_bytes=encoding.most_bytes(duration_s=duration_s, sample_rate_hz=sample_rate_hz))
    cpu_confine(_CPU_BASE_S + round(_CPU_SHARE * duration_s))
    encode(source, target, encoding)


def encode(source: Path, target: Path, encoding: Encoding) -> None:
    """Encode a recording; its times stay, and silence stands for what is damaged.

    Raises:
        FileRejectedError: Nothing of it can be decoded.
        OSError: A file cannot be read or written.
    """
    with Recording(source) as recording, av.open(str(target), "w", format=_muxer(encoding)) as out:
        rate_hz = _rate_hz(recording.sample_rate_hz, encoding)
        layout = "mono" if recording.channels == 1 else "stereo"
        stream = out.add_stream(_ENCODERS[encoding.extension], rate=rate_hz, layout=layout)
        assert isinstance(stream, av.AudioStream)
        context = stream.codec_context
        context.options = {"compression_level": "5"}
        if encoding.bit_rate:
            context.bit_rate = encoding.bit_rate
        kind = _SAMPLES.get(encoding.extension) or _depth(recording)
        context.format = kind
        done, n_samples = 0, round(recording.n_samples * rate_hz / recording.sample_rate_hz)
        for whole in _resampled(recording, kind, layout, rate_hz):
            # The last packet of AAC decodes to more than there is.
            if done == n_samples:
                break
            frame = _cut(whole, n_samples - done)
            frame.pts, frame.time_base = done, Fraction(1, rate_hz)
            done += frame.samples
            out.mux(stream.encode(frame))
        if not done:
            raise nothing_decodes()
        out.mux(stream.encode(None))


def cut_from(source: Path, out: BinaryIO, encoding: Encoding, start_s: float) -> None:
    """Write a file that `encode` made again without its beginning: packets are copied, nothing is encoded."""
    with av.open(str(source)) as made, av.open(out, "w", format=_muxer(encoding)) as container:
        read = made.streams.audio[0]
        stream = container.add_stream_from_template(read)
        assert read.time_base is not None
        start = round(start_s / read.time_base)
        made.seek(start, stream=read)
        first: int | None = None
        for packet in made.demux(read):
            if packet.pts is None or packet.dts is None or packet.pts + (packet.duration or 0) <= start:
                continue
            first = packet.pts if first is None else first
            packet.pts, packet.dts, packet.stream = packet.pts - first, packet.dts - first, stream
            container.mux(packet)


def _muxer(encoding: Encoding) -> str:
    return "ogg" if encoding.extension == "opus" else encoding.extension


def _rate_hz(source_hz: int, encoding: Encoding) -> int:
    if encoding is Encoding.FLAC:
        return min(source_hz, _MOST_FLAC_RATE_HZ)
    return source_hz if encoding.extension == "mp3" and source_hz in _MP3_RATES_HZ else _OPUS_RATE_HZ


def _depth(recording: Recording) -> str:
    is_deep = recording.codec.startswith(_LOSSLESS) and recording.sample_format in _DEEP
    return "s32" if is_deep else "s16"


def _resampled(recording: Recording, kind: str, layout: str, rate_hz: int) -> Iterator[Any]:
    resampler, alike = None, None
    at = 0
    for start, frame in recording.frames():
        key = (frame.format.name, frame.layout.name, frame.sample_rate)
        if resampler is None or key != alike:
            if resampler is not None:
                yield from resampler.resample(None)
            resampler, alike = av.AudioResampler(format=kind, layout=layout, rate=rate_hz), key
        while at < start:
            silence = _silence(frame, min(start - at, recording.sample_rate_hz))
            yield from resampler.resample(silence)
            at += silence.samples
        frame.pts = None
        yield from resampler.resample(frame)
        at = start + frame.samples
    if resampler is not None:
        yield from resampler.resample(None)


def _cut(frame: Any, n_samples: int) -> Any:
    """Return at most so many samples of a frame."""
    if frame.samples <= n_samples:
        return frame
    width = n_samples if frame.format.is_planar else n_samples * frame.layout.nb_channels
    kept = frame.to_ndarray()[:, :width].copy()
    cut = av.AudioFrame.from_ndarray(kept, format=frame.format.name, layout=frame.layout.name)
    cut.sample_rate = frame.sample_rate
    return cut


def _silence(like: Any, n_samples: int) -> Any:
    frame = av.AudioFrame(format=like.format.name, layout=like.layout.name, samples=n_samples)
    frame.sample_rate = like.sample_rate
    # Unsigned samples are silent in the middle.
    value = b"\x80" if like.format.name.startswith("u8") else b"\0"
    for plane in frame.planes:
        plane.update(value * plane.buffer_size)
    return frame
