"""Reads what the model analyses of a file: mono at 22,050 Hz, the centre window or overlapping windows of the whole."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soxr
from numpy.typing import NDArray

from catalog.core.wording import gettext as _
from catalog.core.wording import gettext_noop, number
from catalog.exceptions import FileRejectedError
from catalog.files import recording as reader
from catalog.files.recording import Block, Recording, Stretch
from emotion.exceptions import AudioUnreadableError

SAMPLE_RATE_HZ = 22_050
WINDOW_S = reader.WINDOW_S
MIN_S = 5.0
# -60 dBFS: below this level after resampling there is nothing to hear.
SILENCE_RMS = 1e-3


class Window(NamedTuple):
    """A stretch of audio as the model reads it."""

    waveform: NDArray[np.float32]  # `(n_samples,)` at 22,050 Hz, full scale at 1.0.
    start_s: float
    duration_s: float
    is_partial: bool  # Whether the file is shorter than the window.


def read_window(path: Path, *, window_s: float = WINDOW_S) -> Window:
    """Read the centre window of a file.

    A centre that is silent (a long pause, a hidden track) or damaged is replaced by the window a quarter, then three
    quarters, into the file. The window is shorter than `window_s` where the file is.

    Raises:
        AudioUnreadableError: `not_decodable`, `too_short` (fewer than `MIN_S` seconds), `damaged` or `silent`.

    Source: Cazzaniga et al., section 4.1 (24 s from the centre, 22,050 Hz with anti-alias, no loudness normalisation).
    """
    with _opened(path) as recording:
        if recording.duration_s < MIN_S:
            raise AudioUnreadableError(
                "too_short",
                _("Only %(heard)s s of audio could be decoded; at least %(least)d s are needed.")
                % {"heard": number(recording.duration_s, 1), "least": MIN_S},
            )
        is_damaged = True
        for place in reader.PLACES:
            stretch = recording.window(place, window_s)
            is_damaged = is_damaged and stretch.is_damaged
            if not stretch.is_damaged:
                window = _window(recording, stretch, window_s)
                if not is_silent(window.waveform):
                    return window
            if len(stretch.mono) == recording.n_samples:
                break
    if is_damaged:
        sentence = _("Too little of it can be decoded: it is damaged. Copy it from its source again.")
        raise AudioUnreadableError("damaged", sentence)
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
    with _opened(path) as recording:
        return _window(recording, recording.window(place, window_s), window_s)


def _window(recording: Recording, stretch: Stretch, window_s: float) -> Window:
    waveform = soxr.resample(stretch.mono, recording.sample_rate_hz, SAMPLE_RATE_HZ, quality="HQ")
    return Window(
        waveform.astype(np.float32, copy=False),
        stretch.start / recording.sample_rate_hz,
        len(waveform) / SAMPLE_RATE_HZ,
        len(stretch.mono) < math.ceil(window_s * recording.sample_rate_hz),
    )


@contextmanager
def _opened(path: Path) -> Iterator[Recording]:
    try:
        with Recording(path) as recording:
            yield recording
    except (FileRejectedError, OSError) as error:
        problem = str(error) if isinstance(error, FileRejectedError) else _("The file cannot be opened.")
        sentence = _("The audio could not be decoded. %(problem)s") % {"problem": problem}
        raise AudioUnreadableError("not_decodable", sentence) from error


def stream_windows(
    path: Path,
    *,
    hop_s: float,
    window_s: float = WINDOW_S,
    on_block: Callable[[Block, int], object] = lambda _block, _rate_hz: None,
    on_sound: Callable[[NDArray[np.float32]], object] = lambda _mono: None,
) -> Iterator[Window]:
    """Yield a window every `hop_s` seconds, silent ones included, with one window and a few seconds in memory.

    What remains after the last whole window, less than a hop, is not read. A file shorter than a window gives one
    partial window. A file that breaks off in the middle is read up to there. `on_block` receives everything that is
    decoded, with its rate; `on_sound` the same in mono at 22,050 Hz.

    Raises:
        AudioUnreadableError: `not_decodable`.
    """
    n_window, n_hop = round(window_s * SAMPLE_RATE_HZ), round(hop_s * SAMPLE_RATE_HZ)
    buffer = np.zeros(0, np.float32)
    n_windows = 0
    for piece in stream_sound(path, on_block=on_block):
        on_sound(piece)
        buffer = np.concatenate([buffer, piece])
        while len(buffer) >= n_window:
            yield Window(buffer[:n_window].copy(), n_windows * hop_s, window_s, False)
            n_windows += 1
            buffer = buffer[n_hop:]
    if n_windows == 0 and len(buffer):
        yield Window(buffer, 0.0, len(buffer) / SAMPLE_RATE_HZ, True)


def stream_sound(
    path: Path, *, on_block: Callable[[Block, int], object] = lambda _block, _rate_hz: None
) -> Iterator[NDArray[np.float32]]:
    """Yield the whole sound of a file in pieces of a few seconds, mono at 22,050 Hz; `on_block` as `stream_windows`.

    Raises:
        AudioUnreadableError: `not_decodable`.
    """
    with _opened(path) as recording:
        rate_hz = recording.sample_rate_hz
        resampler = soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", quality="HQ")
        for block in recording.blocks():
            on_block(block, rate_hz)
            yield resampler.resample_chunk(block.mono)
    yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)
