"""Read the seconds of a file that the model hears: mono, 22,050 Hz, from the centre. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

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
MIN_AUDIBLE_S = 5.0
# Below this level after resampling there is nothing that a listener, or the model, would hear: -60 dBFS.
SILENCE_RMS = 1e-3
# Where the window is looked for, as fractions of the room left by it: the centre first, as in the paper.
_PLACES = (0.5, 0.25, 0.75)


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of audio as the model hears it.

    Attributes:
        waveform: `(n_samples,)` float32 at 22,050 Hz, full scale at 1.0; `heard_s` seconds long.
        start_s: Where it begins in the file.
        heard_s: How long it is.
        is_partial: Whether the file was shorter than the window asked for.
    """

    waveform: NDArray[np.float32]
    start_s: float
    heard_s: float
    is_partial: bool


def read_window(path: Path, *, window_s: float = WINDOW_S, min_s: float = MIN_AUDIBLE_S) -> Window:
    """Read the centre window of a file without decoding the rest where the format allows it.

    A centre that is silent (a long pause, a hidden track) is replaced by the window a quarter, then three
    quarters, into the file.

    Args:
        path: Any format that libsndfile or FFmpeg decodes.
        window_s: Seconds wanted.
        min_s: Fewer decodable seconds than this are an error.

    Returns:
        The window; shorter than `window_s` where the file is.

    Raises:
        AudioUnreadableError: `not_decodable`, `too_short` or `silent`.

    Source: Cazzaniga et al., section 4.1 (24 s from the centre, 22,050 Hz with anti-alias, no loudness normalisation).
    """
    window = None
    for place in _PLACES:
        window = read_window_at(path, place, window_s=window_s)
        if window.heard_s < min_s:
            raise AudioUnreadableError(
                "too_short",
                _("Only %(heard)s s of audio could be decoded; at least %(least)d s are needed.")
                % {"heard": number(window.heard_s, 1), "least": min_s},
            )
        if not is_silent(window.waveform):
            return window
        if window.is_partial:
            break
    raise AudioUnreadableError(
        "silent",
        gettext_noop("There is no sound that a listener would hear: everything below 11 kHz is quieter than -60 dBFS."),
    )


def is_silent(waveform: NDArray[np.float32]) -> bool:
    """Whether there is nothing that a listener, or the model, would hear."""
    return not waveform.size or float(np.sqrt(np.mean(np.square(waveform, dtype=np.float64)))) < SILENCE_RMS


def read_window_at(path: Path, place: float, *, window_s: float = WINDOW_S) -> Window:
    """Read one window, silent or not.

    Args:
        path: Any format that libsndfile or FFmpeg decodes.
        place: Where the window lies in the room that it leaves: 0 first, 0.5 centre, 1 last.
        window_s: Seconds wanted.

    Raises:
        AudioUnreadableError: `not_decodable`.
    """
    try:
        samples, rate_hz, start_s, is_partial = _read_soundfile(path, place, window_s)
    except (soundfile.LibsndfileError, RuntimeError):
        try:
            samples, rate_hz, start_s, is_partial = _read_av(path, place, window_s)
        except (av.FFmpegError, ValueError, IndexError) as error:
            raise AudioUnreadableError(
                "not_decodable", _("The audio could not be decoded: %(problem)s.") % {"problem": error}
            ) from error
    mono = samples.mean(axis=1) if samples.ndim == 2 else samples
    mono = np.nan_to_num(mono, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    waveform = soxr.resample(mono, rate_hz, SAMPLE_RATE_HZ, quality="HQ").astype(np.float32, copy=False)
    return Window(waveform, start_s, len(waveform) / SAMPLE_RATE_HZ, is_partial)


def _read_soundfile(path: Path, place: float, window_s: float) -> tuple[NDArray[np.float32], int, float, bool]:
    with soundfile.SoundFile(path) as file:
        rate_hz, wanted = file.samplerate, math.ceil(window_s * file.samplerate)
        start = max(0, int((file.frames - wanted) * place))
        if start:
            file.seek(start)
        samples = file.read(wanted, dtype="float32", always_2d=True)
    if len(samples) == 0:
        # A truncated file can promise frames that it does not have; FFmpeg counts what is really there.
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
        held = 0
        for frame in container.decode(stream):
            if frame.time is not None and first_s is None:
                first_s = frame.time
            for out in resampler.resample(frame):
                piece = out.to_ndarray().reshape(-1).astype(np.float32, copy=False)
                pieces.append(piece)
                held += len(piece)
            # A seek lands on the packet before the wanted place; what precedes it is cut below.
            if held >= wanted + int(max(0.0, start_s - (first_s or 0.0)) * rate_hz):
                break
    samples = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    lead = int(max(0.0, start_s - (first_s or 0.0)) * rate_hz)
    samples = samples[lead : lead + wanted]
    return samples, rate_hz, start_s, len(samples) < wanted
