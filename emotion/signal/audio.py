"""Reads what the model analyses of a file: mono at 22,050 Hz, the centre window or overlapping windows of the whole."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from catalog.core.wording import gettext as _
from catalog.core.wording import gettext_noop, number
from emotion.exceptions import AudioUnreadableError

SAMPLE_RATE_HZ = 22_050
WINDOW_S = 24.0
MIN_S = 5.0
# -60 dBFS: below this level after resampling there is nothing to hear.
SILENCE_RMS = 1e-3
# Seconds decoded at a time.
_BLOCK_S = 4


class Window(NamedTuple):
    """A stretch of audio as the model reads it."""

    waveform: NDArray[np.float32]  # `(n_samples,)` at 22,050 Hz, full scale at 1.0.
    start_s: float
    duration_s: float
    is_partial: bool  # Whether the file is shorter than the window.


def read_window(path: Path, *, window_s: float = WINDOW_S) -> Window:
    """Read the centre window of a file without decoding the rest where the format allows it.

    A silent centre (a long pause, a hidden track) is replaced by the window a quarter, then three quarters, into the
    file. The window is shorter than `window_s` where the file is.

    Raises:
        AudioUnreadableError: `not_decodable`, `too_short` (fewer than `MIN_S` decodable seconds) or `silent`.

    Source: Cazzaniga et al., section 4.1 (24 s from the centre, 22,050 Hz with anti-alias, no loudness normalisation).
    """
    for place in (0.5, 0.25, 0.75):
        window = read_window_at(path, place, window_s=window_s)
        if window.duration_s < MIN_S:
            raise AudioUnreadableError(
                "too_short",
                _("Only %(heard)s s of audio could be decoded; at least %(least)d s are needed.")
                % {"heard": number(window.duration_s, 1), "least": MIN_S},
            )
        if not is_silent(window.waveform):
            return window
        if window.is_partial:
            break
    silent = gettext_noop("There is no audible sound: everything below 11 kHz is quieter than -60 dBFS.")
    raise AudioUnreadableError("silent", silent)


def is_silent(waveform: NDArray[np.float32]) -> bool:
    """Return whether a waveform is quieter than `SILENCE_RMS`."""
    return not waveform.size or float(np.sqrt(np.mean(np.square(waveform, dtype=np.float64)))) < SILENCE_RMS


def read_window_at(path: Path, place: float, *, window_s: float = WINDOW_S) -> Window:
    """Read one window, silent or not; `place` is 0 for the first possible, 0.5 for the centre, 1 for the last.

    Raises:
        AudioUnreadableError: `not_decodable`.
    """
    try:
        samples, rate_hz, start_s, is_partial = _read_soundfile(path, place, window_s)
    except (soundfile.LibsndfileError, RuntimeError):
        try:
            samples, rate_hz, start_s, is_partial = _read_av(path, place, window_s)
        except (av.FFmpegError, ValueError, IndexError) as error:
            raise _not_decodable(error) from error
    mono = _finite(samples.mean(axis=1) if samples.ndim == 2 else samples)
    waveform = soxr.resample(mono, rate_hz, SAMPLE_RATE_HZ, quality="HQ").astype(np.float32, copy=False)
    return Window(waveform, start_s, len(waveform) / SAMPLE_RATE_HZ, is_partial)


def _not_decodable(error: Exception) -> AudioUnreadableError:
    return AudioUnreadableError("not_decodable", _("The audio could not be decoded: %(problem)s.") % {"problem": error})


def _finite(mono: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.nan_to_num(mono, nan=0.0, posinf=0.0, neginf=0.0)


def _read_soundfile(path: Path, place: float, window_s: float) -> tuple[NDArray[np.float32], int, float, bool]:
    with soundfile.SoundFile(path) as file:
        rate_hz, wanted = file.samplerate, math.ceil(window_s * file.samplerate)
        start = max(0, int((file.frames - wanted) * place))
        if start:
            file.seek(start)
        samples = file.read(wanted, dtype="float32", always_2d=True)
    if len(samples) == 0:
        # A truncated file can promise frames that it lacks; FFmpeg counts those that exist.
        raise RuntimeError("no frames at the window")
    return samples, rate_hz, start / rate_hz, len(samples) < wanted


def _read_av(path: Path, place: float, window_s: float) -> tuple[NDArray[np.float32], int, float, bool]:
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        rate_hz = stream.codec_context.sample_rate
        wanted = math.ceil(window_s * rate_hz)
        duration_s = float(container.duration or 0) / av.time_base
        start_s = max(0.0, (duration_s - window_s) * place)
        if start_s > 0:
            container.seek(int(start_s * av.time_base))
        resampler = av.AudioResampler(format="flt", layout="mono", rate=rate_hz)
        pieces: list[NDArray[np.float32]] = []
        first_s: float | None = None
        n_samples = lead = 0
        for frame in container.decode(stream):
            if frame.time is not None and first_s is None:
                first_s = frame.time
            for out in resampler.resample(frame):
                pieces.append(out.to_ndarray().reshape(-1).astype(np.float32, copy=False))
                n_samples += len(pieces[-1])
            # A seek lands on the packet before the place; what precedes it is cut below.
            lead = int(max(0.0, start_s - (first_s or 0.0)) * rate_hz)
            if n_samples >= wanted + lead:
                break
    samples = np.concatenate([*pieces, np.zeros(0, np.float32)])[lead : lead + wanted]
    return samples, rate_hz, start_s, len(samples) < wanted


def stream_windows(
    path: Path,
    *,
    hop_s: float,
    window_s: float = WINDOW_S,
    on_block: Callable[[NDArray[np.float32], int], object] = lambda _mono, _rate_hz: None,
) -> Iterator[Window]:
    """Yield a window every `hop_s` seconds, silent ones included, with one window and a few seconds in memory.

    What remains after the last whole window, less than a hop, is not read. A file shorter than a window gives one
    partial window. A file that breaks off in the middle is read up to there. `on_block` receives everything that is
    decoded, mono, with its rate.

    Raises:
        AudioUnreadableError: `not_decodable`.
    """
    n_window, n_hop = round(window_s * SAMPLE_RATE_HZ), round(hop_s * SAMPLE_RATE_HZ)
    buffer = np.zeros(0, np.float32)
    n_windows = 0
    for piece in _resampled(path, on_block):
        buffer = np.concatenate([buffer, piece])
        while len(buffer) >= n_window:
            yield Window(buffer[:n_window].copy(), n_windows * hop_s, window_s, False)
            n_windows += 1
            buffer = buffer[n_hop:]
    if n_windows == 0 and len(buffer):
        yield Window(buffer, 0.0, len(buffer) / SAMPLE_RATE_HZ, True)


def _resampled(path: Path, on_block: Callable[[NDArray[np.float32], int], object]) -> Iterator[NDArray[np.float32]]:
    blocks = stream_blocks(path)
    rate_hz, block = next(blocks, (SAMPLE_RATE_HZ, np.zeros(0, np.float32)))
    resampler = soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", quality="HQ")
    on_block(block, rate_hz)
    for _rate_hz, following in blocks:
        yield resampler.resample_chunk(_finite(block))
        block = following
        on_block(block, rate_hz)
    yield resampler.resample_chunk(_finite(block), last=True)


def stream_blocks(path: Path) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield the file's rate with each mono block of a few seconds; FFmpeg decodes what libsndfile cannot.

    Raises:
        AudioUnreadableError: `not_decodable`.
    """
    try:
        file = soundfile.SoundFile(path)
        block = file.read(_BLOCK_S * file.samplerate, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError):
        yield from _decoded_by_ffmpeg(path)
        return
    with file:
        while len(block):
            yield file.samplerate, block.mean(axis=1)
            try:
                block = file.read(_BLOCK_S * file.samplerate, dtype="float32", always_2d=True)
            except (soundfile.LibsndfileError, RuntimeError):
                return


def _decoded_by_ffmpeg(path: Path) -> Iterator[tuple[int, NDArray[np.float32]]]:
    n_blocks = 0
    try:
        with av.open(str(path)) as container:
            stream = container.streams.audio[0]
            rate_hz = stream.codec_context.sample_rate
            resampler = av.AudioResampler(format="flt", layout="mono", rate=rate_hz, frame_size=_BLOCK_S * rate_hz)
            for frame in itertools.chain(container.decode(stream), [None]):
                for out in resampler.resample(frame):
                    yield rate_hz, out.to_ndarray().reshape(-1).astype(np.float32, copy=False)
                    n_blocks += 1
    except (av.FFmpegError, ValueError, IndexError) as error:
        if n_blocks == 0:
            raise _not_decodable(error) from error
