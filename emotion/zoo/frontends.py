"""From a decoded window of a song to what a network reads, in two steps that serving and training share.

`prepare` turns one window into a compact array, on the CPU, once per song: caches may store it. `tensor` makes network
inputs of a batch of those, on any device.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import librosa
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from catalog.core.files import digest
from emotion.signal.audio import SAMPLE_RATE_HZ, WINDOW_S

if TYPE_CHECKING:
    from torch import Tensor

Waveform = NDArray[np.float32]
# What centres an image in [0, 1] for the network, in serving and in training.
IMAGE_CENTRE, IMAGE_SPREAD = 0.5, 0.25
CHANNELS = 3


def _above(least: float, **numbers: float) -> None:
    """Refuse what is no number, or not above `least`."""
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not least < value < math.inf:
            raise ValueError(f"{name} is {value!r}; it must be a number above {least:g}")


def _whole_from(least: int, **numbers: int) -> None:
    """Refuse what is no whole number, or less than `least`."""
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"{name} is {value!r}; it must be a whole number from {least} on")


class FrontEnd:
    """A frozen dataclass that makes network inputs of a waveform `(n_samples,)`, float32 at 22,050 Hz."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """Which kind it is: a key of `FRONT_ENDS`."""
        raise NotImplementedError

    @property
    def window_s(self) -> float:
        """Seconds of a song that it reads; a shorter song is repeated until it fills them."""
        raise NotImplementedError

    @property
    def chunks(self) -> int:
        """Inputs that it makes of one window; the network's answers to them are averaged."""
        return 1

    @property
    def of_a_chunk(self) -> FrontEnd:
        """What prepares one chunk: itself, where there is one."""
        return self

    @property
    def image(self) -> MelConfig | None:
        """The log-mel image that it makes, if it makes one: what saliency maps lie on."""
        return None

    @property
    def prepared_shape(self) -> tuple[int, ...]:
        """Shape of what `prepare` returns."""
        raise NotImplementedError

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input of the network."""
        raise NotImplementedError

    def prepare(self, waveform: Waveform) -> NDArray[np.float32]:
        """Turn one window into its compact form."""
        raise NotImplementedError

    def tensor(self, prepared: Tensor) -> Tensor:
        """Make network inputs of `(n, *prepared_shape)`: `(n, *input_shape)`, with `chunks` after `n` where several."""
        return prepared.reshape(-1, *self.input_shape)

    def weights(self) -> tuple[Path, ...]:
        """Return the files that `prepare` reads beside its numbers: with other content it makes something else.

        Raises:
            emotion.exceptions.CheckpointError: One is not there.
        """
        return ()

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as a plain dictionary; `front_end_of` reads it with the name."""
        return dict(asdict(self))  # type: ignore[call-overload]

    def describe(self) -> str:
        """Say in a few words what the network reads."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class MelConfig(FrontEnd):
    """The front end `log_mel_image`: every number between a waveform and an image, saved with the weights.

    EfficientNet reads three channels. The paper resizes the spectrogram to a square of `image_size` pixels and repeats
    it. With `frames_as_channels` nothing is resized: each column holds three successive frames, one a channel, and the
    image is a third as wide.

    Source: Cazzaniga et al., section 4.1; choices of this project where the paper is silent.
    """

    name: ClassVar[str] = "log_mel_image"

    sample_rate_hz: int = SAMPLE_RATE_HZ
    window_s: float = WINDOW_S
    n_fft: int = 2048
    hop_samples: int = 512
    n_mels: int = 128
    f_min_hz: float = 20.0
    f_max_hz: float = 11_025.0
    reference_db: float = 40.0
    range_db: float = 90.0
    image_size: int = 300
    frames_as_channels: bool = False

    def __post_init__(self) -> None:
        _above(0, window_s=self.window_s, range_db=self.range_db, f_max_hz=self.f_max_hz)
        _whole_from(1, hop_samples=self.hop_samples, n_mels=self.n_mels, image_size=self.image_size)
        _whole_from(2, n_fft=self.n_fft)
        if self.sample_rate_hz != SAMPLE_RATE_HZ:
            raise ValueError(f"sample_rate_hz is {self.sample_rate_hz!r}; songs are read at {SAMPLE_RATE_HZ} Hz")
        if not 0 <= self.f_min_hz < self.f_max_hz <= SAMPLE_RATE_HZ / 2:
            raise ValueError(
                f"f_min_hz is {self.f_min_hz!r} and f_max_hz {self.f_max_hz!r}; they must rise from 0 to at most "
                f"{SAMPLE_RATE_HZ / 2:g}"
            )

    @property
    def image(self) -> MelConfig:
        return self

    @property
    def image_shape(self) -> tuple[int, int]:
        """Rows and columns of what `log_mel_image` returns."""
        if not self.frames_as_channels:
            return self.image_size, self.image_size
        n_frames = 1 + round(self.window_s * self.sample_rate_hz) // self.hop_samples
        return self.n_mels, n_frames // CHANNELS * CHANNELS

    @property
    def network_shape(self) -> tuple[int, int]:
        """Rows and columns of what `tensor` returns."""
        rows, columns = self.image_shape
        return rows, columns // CHANNELS if self.frames_as_channels else columns

    @property
    def prepared_shape(self) -> tuple[int, ...]:
        return self.image_shape

    @property
    def input_shape(self) -> tuple[int, ...]:
        return CHANNELS, *self.network_shape

    def prepare(self, waveform: Waveform) -> NDArray[np.float32]:
        return log_mel_image(waveform, self)

    def tensor(self, prepared: Tensor) -> Tensor:
        """Centre images and spread them over three channels: `(n, 3, *network_shape)`, channels last in memory.

        Images are `(n, rows, columns)` or `(n, 1, rows, columns)` in [0, 1]; a crop in time has fewer columns.
        """
        # A caller with a tensor has loaded torch; the web server uses this class without it.
        import torch

        centred = (prepared.reshape(len(prepared), *prepared.shape[-2:]) - IMAGE_CENTRE) / IMAGE_SPREAD
        if self.frames_as_channels:
            n, rows, columns = centred.shape
            centred = centred.reshape(n, rows, columns // CHANNELS, CHANNELS).permute(0, 3, 1, 2)
        else:
            centred = centred[:, None].expand(-1, CHANNELS, -1, -1)
        return centred.contiguous(memory_format=torch.channels_last)

    def describe(self) -> str:
        rows, columns = self.image_shape
        return f"{rows}x{columns} log-mel image of {self.window_s:.0f} s at {self.sample_rate_hz} Hz"

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that change with any number."""
        return digest(json.dumps(self.to_json(), sort_keys=True).encode())[:12]


def fill_window(waveform: Waveform, frontend: FrontEnd) -> NDArray[np.float32]:
    """Repeat a waveform until it fills the window, or cut it: `(window_s * 22,050,)`."""
    # Repetition keeps tempo and level, where padding with silence would add an event.
    return np.resize(waveform, round(frontend.window_s * SAMPLE_RATE_HZ))


def log_mel(waveform: Waveform, config: MelConfig) -> NDArray[np.float32]:
    """Return the log-mel spectrogram, `(n_mels, n_frames)` float32 dB of power of at least -100, of any waveform."""
    power = librosa.feature.melspectrogram(
        y=waveform,
        sr=config.sample_rate_hz,
        n_fft=config.n_fft,
        hop_length=config.hop_samples,
        n_mels=config.n_mels,
        fmin=config.f_min_hz,
        fmax=config.f_max_hz,
    )
    return np.asarray(10.0 * np.log10(np.maximum(power, 1e-10)), np.float32)


def log_mel_image(waveform: Waveform, config: MelConfig) -> NDArray[np.float32]:
    """Compute the log-mel image of a window, filled by repetition.

    Returns:
        `config.image_shape` float32 in [0, 1]: rows are mel bands from low to high, columns are time.
        0 is `range_db` below the reference, 1 is the reference: one stored number, so loudness still matters.

    Source: Cazzaniga et al., section 4.1.
    """
    rows, columns = config.image_shape
    level_db = log_mel(fill_window(waveform, config), config)
    image = ((level_db - config.reference_db) / config.range_db + 1.0).astype(np.float32)
    if config.frames_as_channels:
        return np.clip(image, 0.0, 1.0)[:, :columns]
    resized = Image.fromarray(image).resize((columns, rows), Image.Resampling.BILINEAR)
    return np.clip(np.asarray(resized), 0.0, 1.0)


# The input of public taggers: 96 HTK bands to 8 kHz, a frame every 16 ms.
TAGGER_RATE_HZ = 16_000
TAGGER_HOP = 256
TAGGER_MELS = 96
# Their last block needs 320 frames.
_TAGGER_LEAST_S = 5.1


def tagger_db(waveform: Waveform) -> NDArray[np.float32]:
    """Return the mel spectrogram of the public taggers, `(96, n_frames)` dB of at least -100, of any waveform."""
    return np.asarray(10.0 * np.log10(np.maximum(_tagger_power(waveform, htk=True, norm=None), 1e-10)), np.float32)


def musicnn_level(waveform: Waveform) -> NDArray[np.float32]:
    """Return the mel spectrogram of MusiCNN, `(96, n_frames)` log10(10,000 m + 1) of power m, of any waveform.

    Source: Pons and Serra (2019), musicnn; bands are Slaney's, as librosa has them.
    """
    return np.asarray(np.log10(1e4 * _tagger_power(waveform) + 1), np.float32)


def _tagger_power(waveform: Waveform, **bands: Any) -> NDArray[np.float32]:
    at_16k = librosa.resample(waveform, orig_sr=SAMPLE_RATE_HZ, target_sr=TAGGER_RATE_HZ, res_type="soxr_hq")
    return np.asarray(
        librosa.feature.melspectrogram(
            y=at_16k, sr=TAGGER_RATE_HZ, n_fft=512, hop_length=TAGGER_HOP, n_mels=TAGGER_MELS, **bands
        )
    )


@dataclass(frozen=True, slots=True)
class TaggerMel(FrontEnd):
    """The mel spectrogram of the public taggers alone."""

    name: ClassVar[str] = "tagger_mel"

    window_s: float = WINDOW_S

    def __post_init__(self) -> None:
        _above(_TAGGER_LEAST_S, window_s=self.window_s)

    @property
    def prepared_shape(self) -> tuple[int, ...]:
        return TAGGER_MELS, 1 + round(self.window_s * TAGGER_RATE_HZ) // TAGGER_HOP

    @property
    def input_shape(self) -> tuple[int, ...]:
        return 1, *self.prepared_shape

    def prepare(self, waveform: Waveform) -> NDArray[np.float32]:
        return tagger_db(fill_window(waveform, self))

    def describe(self) -> str:
        bands, frames = self.prepared_shape
        return f"{bands}x{frames} mel spectrogram at {TAGGER_RATE_HZ} Hz"


@dataclass(frozen=True, slots=True)
class TaggerMels(FrontEnd):
    """The mel spectrogram of the public taggers, and that of MusiCNN."""

    name: ClassVar[str] = "tagger_mels"

    window_s: float = WINDOW_S

    def __post_init__(self) -> None:
        TaggerMel(self.window_s)

    @property
    def prepared_shape(self) -> tuple[int, ...]:
        return 2, *TaggerMel(self.window_s).prepared_shape

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.prepared_shape

    def prepare(self, waveform: Waveform) -> NDArray[np.float32]:
        filled = fill_window(waveform, self)
        return np.stack([tagger_db(filled), musicnn_level(filled)])

    def describe(self) -> str:
        _, bands, frames = self.prepared_shape
        return f"two {bands}x{frames} mel spectrograms at {TAGGER_RATE_HZ} Hz"


@dataclass(frozen=True, slots=True)
class ImageAndTaggerMel(FrontEnd):
    """A log-mel image and the mel spectrogram of the public taggers, of one window, in one flat array."""

    name: ClassVar[str] = "image_and_tagger_mel"

    mel: MelConfig  # Of the image.

    def __post_init__(self) -> None:
        TaggerMel(self.mel.window_s)

    @property
    def image(self) -> MelConfig:
        return self.mel

    @property
    def window_s(self) -> float:
        return self.mel.window_s

    @property
    def tagger_shape(self) -> tuple[int, int]:
        """Bands and frames of the taggers' spectrogram."""
        return TAGGER_MELS, 1 + round(self.window_s * TAGGER_RATE_HZ) // TAGGER_HOP

    @property
    def prepared_shape(self) -> tuple[int, ...]:
        return (math.prod(self.mel.prepared_shape) + math.prod(self.tagger_shape),)

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (math.prod(self.mel.input_shape) + math.prod(self.tagger_shape),)

    def prepare(self, waveform: Waveform) -> NDArray[np.float32]:
        filled = fill_window(waveform, self)
        return np.concatenate([self.mel.prepare(filled).ravel(), tagger_db(filled).ravel()])

    def tensor(self, prepared: Tensor) -> Tensor:
        return _with_image(self.mel, prepared)

    @classmethod
    def from_json(cls, mel: Mapping[str, Any]) -> ImageAndTaggerMel:
        """Build it from what `to_json` returned."""
        return cls(MelConfig(**mel))

    def describe(self) -> str:
        bands, frames = self.tagger_shape
        return f"{self.mel.describe()} and a {bands}x{frames} mel spectrogram at {TAGGER_RATE_HZ} Hz"


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

    def __post_init__(self) -> None:
        _above(0, window_s=self.window_s, range_db=self.range_db)
        _whole_from(3, size=self.size)

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

    def __post_init__(self) -> None:
        _above(0, window_s=self.window_s)

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
            raise ValueError(f"there is no feature extractor {self.extractor!r}; known are {', '.join(EXTRACTORS)}")
        _above(0, window_s=self.window_s)

    @property
    def prepared_shape(self) -> tuple[int, ...]:
        return (EXTRACTORS[self.extractor][1],)

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.prepared_shape

    def prepare(self, waveform: Waveform) -> NDArray[np.float32]:
        return EXTRACTORS[self.extractor][0](fill_window(waveform, self)).astype(np.float32)

    def weights(self) -> tuple[Path, ...]:
        if self.extractor != "openl3":
            return ()
        from emotion.zoo.openl3 import openl3_file

        return (openl3_file(),)

    def describe(self) -> str:
        return f"{self.prepared_shape[0]} features ({self.extractor}) of {self.window_s:g} s"


@dataclass(frozen=True, slots=True)
class ImageAndFeatures(FrontEnd):
    """A log-mel image and the features of a named extractor, of one window, in one flat array.

    Source: Louro et al., section 3.2 (Hybrid Augmented).
    """

    name: ClassVar[str] = "image_and_features"

    mel: MelConfig  # Of the image.
    extractor: str = "mfcc_means"

    def __post_init__(self) -> None:
        # It knows the extractors.
        Features(self.extractor)

    @property
    def image(self) -> MelConfig:
        return self.mel

    @property
    def window_s(self) -> float:
        return self.mel.window_s

    @property
    def features(self) -> Features:
        """The front end of the features alone."""
        return Features(self.extractor, self.window_s)

    @property
    def prepared_shape(self) -> tuple[int, ...]:
        return (math.prod(self.mel.prepared_shape) + math.prod(self.features.prepared_shape),)

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (math.prod(self.mel.input_shape) + math.prod(self.features.input_shape),)

    def prepare(self, waveform: Waveform) -> NDArray[np.float32]:
        filled = fill_window(waveform, self)
        return np.concatenate([self.mel.prepare(filled).ravel(), self.features.prepare(filled)])

    def weights(self) -> tuple[Path, ...]:
        return self.features.weights()

    def tensor(self, prepared: Tensor) -> Tensor:
        return _with_image(self.mel, prepared)

    @classmethod
    def from_json(cls, mel: Mapping[str, Any], extractor: str = "mfcc_means") -> ImageAndFeatures:
        """Build it from what `to_json` returned."""
        return cls(MelConfig(**mel), extractor)

    def describe(self) -> str:
        return f"{self.mel.describe()} and {self.features.describe()}"


def _with_image(mel: MelConfig, prepared: Tensor) -> Tensor:
    # Flat arrays that begin with a log-mel image: the image becomes network inputs, what follows stays.
    import torch

    n = math.prod(mel.prepared_shape)
    image = mel.tensor(prepared[:, :n].reshape(-1, *mel.prepared_shape))
    return torch.cat([image.flatten(1), prepared[:, n:]], dim=1)


@dataclass(frozen=True, slots=True)
class Chunked(FrontEnd):
    """Another front end on overlapping chunks of the window, as long as its own window; the last one ends in silence.

    Source: Bathigama et al. (5 s, hop 2.5 s), Louro et al. (ShortChunk: 3.5 s).
    """

    each: FrontEnd
    hop_s: float
    window_s: float = WINDOW_S

    def __post_init__(self) -> None:
        _above(0, hop_s=self.hop_s, window_s=self.window_s)
        if self.each.window_s > self.window_s:
            raise ValueError(f"chunks of {self.each.window_s:g} s do not fit in a window of {self.window_s:g} s")

    @property
    def name(self) -> str:
        return self.each.name

    @property
    def of_a_chunk(self) -> FrontEnd:
        return self.each

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

    def weights(self) -> tuple[Path, ...]:
        return self.each.weights()

    def to_json(self) -> dict[str, Any]:
        return {**self.each.to_json(), "chunks": {"hop_s": self.hop_s, "window_s": self.window_s}}

    def describe(self) -> str:
        return f"{self.chunks} chunks in {self.window_s:g} s, each a {self.each.describe()}"


def _mfcc_means(waveform: Waveform) -> NDArray[np.float32]:
    return np.asarray(librosa.feature.mfcc(y=waveform, sr=SAMPLE_RATE_HZ, n_mfcc=20).mean(axis=1), np.float32)


def _song_features(waveform: Waveform) -> NDArray[np.float32]:
    # Imported here because it loads much of scipy, and the web server needs none of it.
    from emotion.zoo.song_features import song_features

    return song_features(waveform)


def _openl3(waveform: Waveform) -> NDArray[np.float32]:
    from emotion.zoo.openl3 import openl3_means

    return openl3_means(waveform)


# By name: what measures a filled window, and how many numbers it returns.
EXTRACTORS: dict[str, tuple[Callable[[Waveform], NDArray[np.float32]], int]] = {
    "mfcc_means": (_mfcc_means, 20),
    "song_features": (_song_features, 561),
    "openl3": (_openl3, 512),
}
FRONT_ENDS: dict[str, Callable[..., FrontEnd]] = {
    **{each.name: each for each in (MelConfig, PowerSpectrogram, RawWaveform, Features, TaggerMel, TaggerMels)},
    ImageAndTaggerMel.name: ImageAndTaggerMel.from_json,
    ImageAndFeatures.name: ImageAndFeatures.from_json,
}


def front_end_of(card: Mapping[str, Any]) -> FrontEnd:
    """Build the front end that a model's card names; a card of before the zoo has the numbers of a log-mel image.

    Raises:
        KeyError: The card has neither, or names a front end that is not known.
        TypeError: It has numbers that this front end does not take.
        ValueError: A number makes no sense.
    """
    raw = dict(card["frontend"]) if "frontend" in card else {"name": MelConfig.name, **card["mel"]}
    make, chunks = FRONT_ENDS[raw.pop("name")], raw.pop("chunks", None)
    made = make(**raw)
    return made if chunks is None else Chunked(made, **chunks)
