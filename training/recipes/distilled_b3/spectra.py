"""Power spectrograms of whole clips, as the student and as its teachers hear them, side by side in time. Pure.

Kept in decibels and in half precision (a rounding of 0.03 dB), so that clips can be mixed, filtered and re-levelled on
the fly in a way that both hear alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import librosa
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from catalog.core.files import write_atomic
from emotion.exceptions import AudioUnreadableError
from emotion.signal.audio import SAMPLE_RATE_HZ, read_window_at
from emotion.signal.mel import MelConfig, log_mel
from training.data.cache import content_digest

LONGEST_S = 60.0
FLOOR_DB = -100.0
# What the public taggers were trained on: 96 HTK bands to 8 kHz, a frame every 16 ms.
TEACHER_RATE_HZ = 16_000
TEACHER_HOP = 256
TEACHER_MELS = 96


@dataclass(frozen=True, slots=True)
class Spectra:
    """One clip, twice.

    Attributes:
        student: `(n_frames, n_mels)` float16 dB, by the student's `MelConfig`.
        teacher: `(n_teacher_frames, 96)` float16 dB, 62.5 frames a second.
        level_db: Mean level of the waveform, dB full scale.
    """

    student: NDArray[np.float16]
    teacher: NDArray[np.float16]
    level_db: float


def spectra_of(
    paths: Sequence[Path], *, config: MelConfig, cache_dir: Path, workers: int = 2
) -> list[Spectra | AudioUnreadableError]:
    """Return the spectra of audio files, computing those that the cache does not hold.

    Each file's spectra are one `.npz` named by the audio's content; it appears whole or not at all, so that a run that
    was killed goes on where it was.

    Args:
        paths: Audio files; of each, the middle `LONGEST_S` seconds are used.
        config: The student's half.
        cache_dir: Where spectra are kept, below a folder of the configuration's fingerprint.
        workers: Processes.

    Returns:
        Spectra per file, or the error that says why there are none.
    """
    folder = cache_dir / config.fingerprint
    folder.mkdir(parents=True, exist_ok=True)
    # Left alone, the BLAS of every process starts a thread per core, and they spend most of their time waiting.
    with ProcessPoolExecutor(workers, initializer=threadpool_limits, initargs=(1,)) as pool:
        found = pool.map(partial(_cached, config=config, folder=folder), paths, chunksize=4)
        files = list(tqdm(found, total=len(paths), desc="spectra", mininterval=10))
    return [file if isinstance(file, AudioUnreadableError) else _read(file) for file in files]


def content_name(path: Path) -> str:
    """Return what the caches call an audio file: 24 hexadecimal digits of its content.

    Raises:
        AudioUnreadableError: There is no such file; the message names it.
    """
    return content_digest(path).hex()[:24]


def _read(file: Path) -> Spectra:
    with np.load(file) as arrays:
        return Spectra(arrays["student"], arrays["teacher"], float(arrays["level_db"]))


def _cached(path: Path, *, config: MelConfig, folder: Path) -> Path | AudioUnreadableError:
    target = folder / f"{content_name(path)}.npz"
    if target.exists():
        return target
    try:
        spectra = _compute(path, config)
    except AudioUnreadableError as error:
        return error
    arrays: dict[str, Any] = {"student": spectra.student, "teacher": spectra.teacher, "level_db": spectra.level_db}
    write_atomic(target, lambda file: np.savez(file, **arrays), durable=False)
    return target


def _compute(path: Path, config: MelConfig) -> Spectra:
    waveform = read_window_at(path, 0.5, window_s=LONGEST_S).waveform
    rms = float(np.sqrt(np.mean(np.square(waveform, dtype=np.float64)))) if waveform.size else 0.0
    return Spectra(
        student=log_mel(waveform, config).T.astype(np.float16),
        teacher=teacher_db(waveform).T.astype(np.float16),
        level_db=float(20 * np.log10(max(rms, 1e-6))),
    )


def stretch_at(frames: NDArray[np.float16], n: int, place: float = 0.5) -> NDArray[np.float32]:
    """Return `n` frames `(n, bands)` from a place in a clip; a clip that is shorter repeats, as when it is served.

    Args:
        frames: `(n_frames, bands)`.
        n: Frames wanted.
        place: Where they lie in the room that they leave: 0 first, 0.5 centre, 1 last.
    """
    start = int(max(0, len(frames) - n) * place)
    return frames[(start + np.arange(n)) % len(frames)].astype(np.float32)


def teacher_db(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return `(96, n_frames)` dB as the public taggers were trained on.

    Args:
        waveform: `(n_samples,)` at 22,050 Hz.
    """
    at_16k = librosa.resample(waveform, orig_sr=SAMPLE_RATE_HZ, target_sr=TEACHER_RATE_HZ, res_type="soxr_hq")
    power = librosa.feature.melspectrogram(
        y=at_16k,
        sr=TEACHER_RATE_HZ,
        n_fft=512,
        hop_length=TEACHER_HOP,
        n_mels=TEACHER_MELS,
        fmin=0.0,
        fmax=TEACHER_RATE_HZ / 2,
        htk=True,
        norm=None,
    )
    return (10.0 * np.log10(np.maximum(power, 10 ** (FLOOR_DB / 10)))).astype(np.float32)
