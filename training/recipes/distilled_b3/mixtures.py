"""Spectra of clips, and training batches mixed from them, the same for student and teachers.

Spectra are cached in place of audio, and powers add, so a batch costs milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from librosa import mel_frequencies
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor
from tqdm import tqdm

from catalog.core.files import write_atomic
from emotion.exceptions import AudioUnreadableError
from emotion.signal.audio import SAMPLE_RATE_HZ, read_window_at
from emotion.zoo.frontends import CHANNELS, TAGGER_HOP, TAGGER_MELS, TAGGER_RATE_HZ, MelConfig, log_mel, tagger_db
from training.data.cache import content_digest

LONGEST_S = 60.0
FLOOR_DB = -100.0
_NEPERS_PER_DB = math.log(10) / 10
CPU = torch.device("cpu")

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Spectra:
    """One clip, twice."""

    student: NDArray[np.float16]  # `(n_frames, n_mels)` float16 dB, by the student's `MelConfig`.
    teacher: NDArray[np.float16]  # `(n_teacher_frames, 96)` float16 dB, 62.5 frames a second.
    level_db: float  # Mean level of the waveform, dB full scale.


def spectra_of(
    paths: Sequence[Path], *, config: MelConfig, cache_dir: Path, workers: int = 2
) -> list[Spectra | AudioUnreadableError]:
    """Return the spectra of the middle `LONGEST_S` seconds of audio files, or the error of a file, from a cache."""
    folder = cache_dir / config.fingerprint
    folder.mkdir(parents=True, exist_ok=True)
    files = in_processes(partial(_cached, config=config, folder=folder), paths, workers=workers, desc="spectra")
    return [file if isinstance(file, AudioUnreadableError) else _loaded(file) for file in files]


def _loaded(file: Path) -> Spectra:
    with np.load(file) as arrays:
        return Spectra(arrays["student"], arrays["teacher"], float(arrays["level_db"]))


def in_processes(work: Callable[[Path], _Result], paths: Sequence[Path], *, workers: int, desc: str) -> list[_Result]:
    """Return the result for each file, in order, with a progress bar."""
    # Left alone, the BLAS of every process starts a thread per core, and they spend most of their time waiting.
    with ProcessPoolExecutor(workers, initializer=threadpool_limits, initargs=(1,)) as pool:
        return list(tqdm(pool.map(work, paths, chunksize=4), total=len(paths), desc=desc, mininterval=10))


def content_name(path: Path) -> str:
    """Return an audio file's name in the caches: 24 hexadecimal digits of its content."""
    return content_digest(path).hex()[:24]


def _cached(path: Path, *, config: MelConfig, folder: Path) -> Path | AudioUnreadableError:
    target = folder / f"{content_name(path)}.npz"
    if target.exists():
        return target
    try:
        waveform = read_window_at(path, 0.5, window_s=LONGEST_S).waveform
        student, teacher = log_mel(waveform, config), tagger_db(waveform)
    except AudioUnreadableError as error:
        return error
    rms = float(np.sqrt(np.mean(np.square(waveform, dtype=np.float64)))) if waveform.size else 0.0
    arrays: dict[str, Any] = {
        "student": student.T.astype(np.float16),
        "teacher": teacher.T.astype(np.float16),
        "level_db": float(20 * np.log10(max(rms, 1e-6))),
    }
    write_atomic(target, lambda file: np.savez(file, **arrays), durable=False)
    return target


def stretch_at(frames: NDArray[np.float16], n: int, place: float = 0.5) -> NDArray[np.float32]:
    """Return `n` frames `(n, bands)` of a clip at a place, 0 first, 0.5 centre, 1 last; a short clip repeats."""
    start = int(max(0, len(frames) - n) * place)
    return frames[(start + np.arange(n)) % len(frames)].astype(np.float32)


@dataclass(frozen=True, slots=True)
class MixtureConfig:
    """How far a batch's sound is from its clips; zero switches a change off."""

    mix_chance: float = 0.5  # How often a second clip sounds as well.
    mix_db: float = 12.0  # Largest difference of level between the two.
    gain_db: float = 12.0  # Largest change of level, either way.
    eq_db: float = 10.0  # Largest boost or cut of one of three equaliser bells.
    lowpass_chance: float = 0.3  # How often the top of the spectrum is cut, as codecs do.
    noise_chance: float = 0.15  # How often there is coloured noise.
    speed: float = 0.15  # Largest change of tempo, as a fraction; pitch stays.


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch."""

    images: Tensor  # `(n, 3, n_mels, columns)`, what the student sees.
    teacher_db: Tensor  # `(n, 1, 96, frames)` dB, the input of the teachers.


class Sampler(Protocol):
    """What draws batches."""

    @property
    def device(self) -> torch.device: ...

    def batch(self, n: int, columns: int, rng: np.random.Generator, scene: MixtureConfig | None = None) -> Batch:
        """Return a batch of `n` mixtures of `columns` image columns."""


class MixtureSampler:
    """Draws batches of mixtures from the spectra of clips."""

    def __init__(
        self,
        spectra: Sequence[Spectra],
        weights: NDArray[np.float64],
        mel: MelConfig,
        config: MixtureConfig,
        device: torch.device = CPU,
    ) -> None:
        """Draw from clips by `weights`, `(n,)`; they are mixed on the device, by the same random numbers on any."""
        self.device = device
        self._weights = weights / weights.sum()
        self._pools = [_Pool([getattr(each, kind) for each in spectra], device) for kind in ("student", "teacher")]
        self._mel, self._config = mel, config
        student_hz = mel_frequencies(mel.n_mels + 2, fmin=mel.f_min_hz, fmax=mel.f_max_hz)
        teacher_hz = mel_frequencies(TAGGER_MELS + 2, fmin=0.0, fmax=TAGGER_RATE_HZ / 2, htk=True)
        self._student_hz, self._teacher_hz = (
            torch.from_numpy(hz[1:-1]).float().to(device) for hz in (student_hz, teacher_hz)
        )

    def batch(self, n: int, columns: int, rng: np.random.Generator, scene: MixtureConfig | None = None) -> Batch:
        """Return a batch of `n` mixtures of `columns` image columns."""
        config = scene or self._config
        (student, teacher), (other_student, other_teacher) = (
            self._crops(rng.choice(len(self._weights), n, p=self._weights), columns, rng, config.speed)
            for _ in range(2)
        )
        mixed = rng.random(n) < config.mix_chance
        relative_db = rng.uniform(-config.mix_db, config.mix_db, n).astype(np.float32)
        quieter = torch.from_numpy(np.where(mixed, relative_db, np.float32(-200))).to(self.device).view(n, 1, 1)
        student, teacher = add_db(student, other_student + quieter), add_db(teacher, other_teacher + quieter)
        filtered = _filter(n, config, rng, self.device)
        student, teacher = filtered(student, self._student_hz), filtered(teacher, self._teacher_hz)
        return Batch(student_images(student, self._mel), teacher.transpose(1, 2)[:, None].contiguous())

    def views(self, clips: NDArray[np.int64], columns: int, rng: np.random.Generator) -> Tensor:
        """Return network inputs of a random stretch of each of these clips, filtered and scaled but not mixed."""
        student, _ = self._crops(clips, columns, rng, self._config.speed)
        return student_images(_filter(len(clips), self._config, rng, self.device)(student, self._student_hz), self._mel)

    def _crops(
        self, clips: NDArray[np.int64], columns: int, rng: np.random.Generator, speed: float
    ) -> tuple[Tensor, Tensor]:
        n = len(clips)
        of_student, of_teacher = self._pools
        student_s, teacher_s = self._mel.hop_samples / SAMPLE_RATE_HZ, TAGGER_HOP / TAGGER_RATE_HZ
        n_student = columns * CHANNELS
        n_teacher = round(n_student * student_s / teacher_s)
        starts_s, rates = np.zeros(n), np.zeros(n)
        for row, clip in enumerate(clips):
            rates[row] = 1 + rng.uniform(-speed, speed)
            room_s = of_student.lengths[clip] * student_s - n_student * student_s * rates[row]
            starts_s[row] = rng.uniform(0, max(0.0, room_s))
        students = of_student.crops(clips, starts_s / student_s, n_student, rates)
        return students, of_teacher.crops(clips, starts_s / teacher_s, n_teacher, rates)


class _Pool:
    """Spectra of many clips: a list on the CPU, and one tensor on a GPU, which would wait for the copies."""

    def __init__(self, spectra: Sequence[NDArray[np.float16]], device: torch.device, *, in_one: bool = False) -> None:
        self._spectra, self._device = spectra, device
        self.lengths = np.array([len(each) for each in spectra])
        self._starts = np.cumsum(self.lengths) - self.lengths
        self._frames = None
        if in_one or device.type != "cpu":
            self._frames = torch.cat([torch.from_numpy(each).to(device) for each in spectra])

    def crops(
        self, clips: NDArray[np.int64], starts: NDArray[np.float64], n: int, rates: NDArray[np.float64]
    ) -> Tensor:
        """Return `n` frames of each clip, `(len(clips), n, bands)`; one that ends begins again."""
        places = (starts[:, None] + np.arange(n) * rates[:, None]).astype(np.int64) % self.lengths[clips][:, None]
        if self._frames is not None:
            places += self._starts[clips][:, None]
            return self._frames[torch.from_numpy(places).to(self._device)].float()
        crops = [self._spectra[clip][place].astype(np.float32) for clip, place in zip(clips, places, strict=True)]
        return torch.from_numpy(np.stack(crops))


def _filter(
    n: int, config: MixtureConfig, rng: np.random.Generator, device: torch.device
) -> Callable[[Tensor, Tensor], Tensor]:
    """Draw gain, bells, a low-pass and noise; return the change of `(n, frames, bands)` dB at `(bands,)` Hz."""

    def between(low: float, high: float, *shape: int) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, (n, *shape)).astype(np.float32)).to(device)

    cut_octave = torch.where(between(0, 1) < config.lowpass_chance, between(11.5, 13.0), 20.0)
    noisy = between(0, 1) < config.noise_chance
    gain_db = between(-config.gain_db, config.gain_db)
    bell_octave, bell_width = between(6, 13, 3), between(0.5, 2.0, 3)
    bell_db = between(-config.eq_db, config.eq_db, 3)
    cut_hz = 2**cut_octave
    noise_db = torch.where(noisy, between(-45, -10), -200.0)
    noise_slope = between(-6, 0)

    def apply(level_db: Tensor, band_hz: Tensor) -> Tensor:
        octave = torch.log2(band_hz.clamp(min=30.0))
        distance = (octave - bell_octave[..., None]) / bell_width[..., None]
        curve = (bell_db[..., None] * torch.exp(-0.5 * distance**2)).sum(dim=1)
        # 48 dB an octave and more, as resamplers and codecs cut.
        over = (octave - torch.log2(cut_hz)[:, None]).clamp(min=0) * 300.0
        curve = curve + gain_db[:, None] - over
        noise = (noise_db[:, None] + noise_slope[:, None] * (octave - 10.0))[:, None]
        return add_db(level_db + curve[:, None], noise).clamp(min=FLOOR_DB)

    return apply


def add_db(first: Tensor, second: Tensor) -> Tensor:
    """Return the level of two sounds at once: powers add."""
    return torch.logaddexp(first * _NEPERS_PER_DB, second * _NEPERS_PER_DB) / _NEPERS_PER_DB


def student_images(level_db: Tensor, mel: MelConfig) -> Tensor:
    """Return network inputs `(n, 3, n_mels, frames / 3)`, channels last in memory, of spectra `(n, frames, n_mels)`."""
    image = ((level_db - mel.reference_db) / mel.range_db + 1.0).clamp(0.0, 1.0)
    return mel.tensor(image.transpose(1, 2))
