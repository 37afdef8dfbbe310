"""Read a whole file as overlapping windows, with no more than one window and a few seconds in memory. Pure."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from catalog.core.wording import gettext
from emotion.exceptions import AudioUnreadableError
from emotion.signal.audio import SAMPLE_RATE_HZ, WINDOW_S, Window

# Decoded at a time, in seconds of the file.
_BLOCK_S = 4


def stream_windows(
    path: Path,
    *,
    hop_s: float,
    window_s: float = WINDOW_S,
    hear: Callable[[NDArray[np.float32], int], None] | None = None,
) -> Generator[Window, None, None]:
    """Read a file from its beginning, one window every `hop_s` seconds.

    What is left after the last whole window, less than a hop, is not read. A file shorter than a window gives one
    partial window. A file that breaks off in the middle is read as far as it goes.

    Args:
        path: Any format that libsndfile or FFmpeg decodes.
        hop_s: Seconds from the start of a window to the start of the next.
        window_s: Seconds of a window.
        hear: Told everything that is decoded, mono, with its rate.

    Yields:
        Windows in order, silent ones included.

    Raises:
        AudioUnreadableError: `not_decodable`.
    """
    n_window, n_hop = round(window_s * SAMPLE_RATE_HZ), round(hop_s * SAMPLE_RATE_HZ)
    held = np.zeros(0, np.float32)
    n_windows = 0
    for piece in _resampled(path, hear or (lambda mono, rate_hz: None)):
        held = np.concatenate([held, piece])
        while len(held) >= n_window:
            yield Window(held[:n_window].copy(), n_windows * hop_s, window_s, False)
            n_windows += 1
            held = held[n_hop:]
    if n_windows == 0 and len(held):
        yield Window(held, 0.0, len(held) / SAMPLE_RATE_HZ, True)


def _resampled(path: Path, hear: Callable[[NDArray[np.float32], int], None]) -> Iterator[NDArray[np.float32]]:
    """Decode to mono at 22,050 Hz, a few seconds at a time."""
    blocks = stream_blocks(path)
    rate_hz, block = next(blocks, (SAMPLE_RATE_HZ, np.zeros(0, np.float32)))
    resampler = soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", quality="HQ")
    hear(block, rate_hz)
    for _, following in blocks:
        yield resampler.resample_chunk(_finite(block))
        block = following
        hear(block, rate_hz)
    yield resampler.resample_chunk(_finite(block), last=True)


def _finite(mono: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.nan_to_num(mono, nan=0.0, posinf=0.0, neginf=0.0)


def stream_blocks(path: Path) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield the file's rate with each mono block, a few seconds long; FFmpeg takes over what libsndfile does not know.

    Raises:
        AudioUnreadableError: `not_decodable`.
    """
    try:
        file = soundfile.SoundFile(path)
        first = file.read(_BLOCK_S * file.samplerate, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError):
        yield from _decoded_by_ffmpeg(path)
        return
    with file:
        rate_hz, block = file.samplerate, first
        while len(block):
            yield rate_hz, block.mean(axis=1)
            try:
                block = file.read(_BLOCK_S * rate_hz, dtype="float32", always_2d=True)
            except (soundfile.LibsndfileError, RuntimeError):
                return


def _decoded_by_ffmpeg(path: Path) -> Iterator[tuple[int, NDArray[np.float32]]]:
    n_blocks = 0
    try:
        with av.open(str(path)) as container:
            stream = container.streams.audio[0]
            rate_hz = stream.codec_context.sample_rate
            resampler = av.AudioResampler(format="flt", layout="mono", rate=rate_hz, frame_size=_BLOCK_S * rate_hz)
            for frame in container.decode(stream):
                for out in resampler.resample(frame):
                    yield rate_hz, out.to_ndarray().reshape(-1).astype(np.float32, copy=False)
                    n_blocks += 1
            for out in resampler.resample(None):
                yield rate_hz, out.to_ndarray().reshape(-1).astype(np.float32, copy=False)
                n_blocks += 1
    except (av.FFmpegError, ValueError, IndexError) as error:
        if n_blocks == 0:
            raise AudioUnreadableError(
                "not_decodable", gettext("The audio could not be decoded: %(problem)s.") % {"problem": error}
            ) from error
