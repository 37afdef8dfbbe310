"""Encodes a recording anew: as FLAC, which loses nothing and which every browser plays, or as Opus, which is small."""

from __future__ import annotations

import os
from collections.abc import Iterator
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from catalog.files.limits import cpu_confine, process_confine
from catalog.files.recording import Recording, nothing_decodes

# Pages and analyses of the same machine come first.
_NICENESS = 10
# A song of four minutes costs 2 to 4 s.
_CPU_BASE_S, _CPU_SHARE = 20, 0.1
_OPUS_RATE_HZ = 48_000
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

    @property
    def mime_type(self) -> str:
        """The media type."""
        return "audio/flac" if self is Encoding.FLAC else "audio/ogg"

    @property
    def extension(self) -> str:
        """The ending of file names."""
        return "flac" if self is Encoding.FLAC else "opus"

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
        rate_hz = _OPUS_RATE_HZ if encoding.bit_rate else min(recording.sample_rate_hz, _MOST_FLAC_RATE_HZ)
        layout = "mono" if recording.channels == 1 else "stereo"
        stream = out.add_stream("libopus" if encoding.bit_rate else "flac", rate=rate_hz, layout=layout)
        assert isinstance(stream, av.AudioStream)
        context = stream.codec_context
        context.options = {"compression_level": "5"}
        if encoding.bit_rate:
            context.bit_rate = encoding.bit_rate
        kind = "flt" if encoding.bit_rate else _depth(recording)
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


def _muxer(encoding: Encoding) -> str:
    return "flac" if encoding is Encoding.FLAC else "ogg"


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
    """Return at most so many samples of a frame whose channels are interleaved."""
    if frame.samples <= n_samples:
        return frame
    kept = frame.to_ndarray()[:, : n_samples * frame.layout.nb_channels]
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
