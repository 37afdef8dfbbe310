"""From a decoded window of a song to what a network reads, in two steps that serving and training share.

`prepare` turns one window into a compact array, on the CPU, once per song: caches may store it. `tensor` makes network
inputs of a batch of those, on any device. `MelConfig` in `emotion.signal.mel` is the front end `log_mel_image`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import librosa
import numpy as np
from numpy.typing import NDArray

from emotion.signal.audio import SAMPLE_RATE_HZ, WINDOW_S
from emotion.signal.mel import IMAGE_CENTRE, IMAGE_SPREAD, FrontEnd, MelConfig, fill_window

if TYPE_CHECKING:
    from torch import Tensor

Waveform = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PowerSpectrogram(FrontEnd):
    """A square image of the power spectrum: as many frames as there are frequencies.

    The window of the FFT is as long as the FFT, so an image of `size` rows has `2 * (size - 1)` samples a frame. Frames
    are spread evenly over the song's window, which gives the paper's overlap ((M + 1) N - L) / M; where that is
    negative, samples between frames are skipped.

    Where the paper is silent: a Hann window, and decibels scaled to [0, 1] as in `MelConfig`.

    Source: Liu et al., equations 1 and 2.
    """

    name: ClassVar[str] = "power_spectrogram"

    size: int = 257
    window_s: float = WINDOW_S
    reference_db: float = 40.0
    range_db: float = 90.0

    @property
    def prepared_shape(self) -> tuple[int, ...]:
        return self.size, self.size

    @property
    def input_shape(self) -> tuple[int, ...]:
        return 1, self.size, self.size

    def prepare(self, waveform: Waveform) -> NDArray[np.float32]:
        n_fft = 2 * (self.size - 1)
        filled = fill_window(waveform, self)
        filled = np.pad(filled, (0, max(0, n_fft - len(filled))))
        starts = np.arange(self.size) * (len(filled) - n_fft) // self.size
        frames = filled[starts[:, None] + np.arange(n_fft)] * np.hanning(n_fft + 1)[:-1].astype(np.float32)
        level_db = 10 * np.log10(np.maximum(np.square(np.abs(np.fft.rfft(frames, axis=1))), 1e-10)).T
        return np.clip((level_db - self.reference_db) / self.range_db + 1, 0, 1).astype(np.float32)

    def tensor(self, prepared: Tensor) -> Tensor:
        return (FrontEnd.tensor(self, prepared) - IMAGE_CENTRE) / IMAGE_SPREAD

    def describe(self) -> str:
        return f"{self.size}x{self.size} power spectrogram of {self.window_s:g} s"


@dataclass(frozen=True, slots=True)
class RawWaveform(FrontEnd):
    """The samples themselves, one channel.

    Source: Bathigama et al. (chunks of 5 s), Louro et al. (Sample CNN: 59,049 samples).
    """

    name: ClassVar[str] = "waveform"

    window_s: float = WINDOW_S

    @property
    def prepared_shape(self) -> tuple[int, ...]:
        return (round(self.window_s * SAMPLE_RATE_HZ),)

    @property
    def input_shape(self) -> tuple[int, ...]:
        return 1, *self.prepared_shape

    def prepare(self, waveform: Waveform) -> NDArray[np.float32]:
        return fill_window(waveform, self)

    def describe(self) -> str:
        return f"waveform of {self.window_s:g} s"


@dataclass(frozen=True, slots=True)
class Features(FrontEnd):
    """A vector that a named extractor measures; networks scale it by what they fitted in training."""

    name: ClassVar[str] = "features"

    extractor: str = "mfcc_means"
    window_s: float = WINDOW_S

    def __post_init__(self) -> None:
        if self.extractor not in EXTRACTORS:
            raise TypeError(f"there is no feature extractor {self.extractor!r}; known are {', '.join(EXTRACTORS)}")

    @property
    def prepared_shape(self) -> tuple[int, ...]:
        return (EXTRACTORS[self.extractor][1],)

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.prepared_shape

    def prepare(self, waveform: Waveform) -> NDArray[np.float32]:
        return EXTRACTORS[self.extractor][0](fill_window(waveform, self)).astype(np.float32)

    def describe(self) -> str:
        return f"{self.prepared_shape[0]} features ({self.extractor}) of {self.window_s:g} s"


@dataclass(frozen=True, slots=True)
class Chunked(FrontEnd):
    """Another front end on overlapping chunks of the window, as long as its own window; the last one ends in silence.

    Source: Bathigama et al. (5 s, hop 2.5 s), Louro et al. (ShortChunk: 3.5 s).
    """

    each: FrontEnd
    hop_s: float
    window_s: float = WINDOW_S

    @property
    def name(self) -> str:
        return self.each.name

    @property
    def chunks(self) -> int:
        return 1 + max(0, math.ceil(round((self.window_s - self.each.window_s) / self.hop_s, 6)))

    @property
    def prepared_shape(self) -> tuple[int, ...]:
        return self.chunks, *self.each.prepared_shape

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.each.input_shape

    def prepare(self, waveform: Waveform) -> NDArray[np.float32]:
        n_chunk, n_hop = (round(seconds * SAMPLE_RATE_HZ) for seconds in (self.each.window_s, self.hop_s))
        filled = fill_window(waveform, self)
        filled = np.pad(filled, (0, max(0, n_chunk + (self.chunks - 1) * n_hop - len(filled))))
        starts = (n_hop * i for i in range(self.chunks))
        return np.stack([self.each.prepare(filled[start : start + n_chunk]) for start in starts])

    def tensor(self, prepared: Tensor) -> Tensor:
        inputs = self.each.tensor(prepared.reshape(-1, *self.each.prepared_shape))
        return inputs.reshape(-1, self.chunks, *self.input_shape) if self.chunks > 1 else inputs

    def to_json(self) -> dict[str, Any]:
        return {**self.each.to_json(), "chunks": {"hop_s": self.hop_s, "window_s": self.window_s}}

    def describe(self) -> str:
        return f"{self.chunks} chunks in {self.window_s:g} s, each a {self.each.describe()}"


def _mfcc_means(waveform: Waveform) -> NDArray[np.float32]:
    return np.asarray(librosa.feature.mfcc(y=waveform, sr=SAMPLE_RATE_HZ, n_mfcc=20).mean(axis=1), np.float32)


# By name: what measures a filled window, and how many numbers it returns.
EXTRACTORS: dict[str, tuple[Callable[[Waveform], NDArray[np.float32]], int]] = {"mfcc_means": (_mfcc_means, 20)}
FRONT_ENDS: dict[str, Callable[..., FrontEnd]] = {
    each.name: each for each in (MelConfig, PowerSpectrogram, RawWaveform, Features)
}


def front_end_of(card: Mapping[str, Any]) -> FrontEnd:
    """Build the front end that a model's card names; a card of before the zoo has the numbers of a log-mel image.

    Raises:
        KeyError: The card has neither, or names a front end that is not known.
        TypeError: It has numbers that this front end does not take.
    """
    raw = dict(card["frontend"]) if "frontend" in card else {"name": MelConfig.name, **card["mel"]}
    make, chunks = FRONT_ENDS[raw.pop("name")], raw.pop("chunks", None)
    made = make(**raw)
    return made if chunks is None else Chunked(made, **chunks)
