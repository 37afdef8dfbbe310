"""The image that the network sees: one frozen configuration, used by serving and by training. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

import librosa
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from emotion.audio import SAMPLE_RATE_HZ, WINDOW_S

# What centres an image in [0, 1] for the network, in serving and in training.
IMAGE_CENTRE = 0.5
IMAGE_SPREAD = 0.25


@dataclass(frozen=True, slots=True)
class MelConfig:
    """Every number between a waveform and an image. It travels with the weights; a mismatch refuses to load.

    Source: Cazzaniga et al., section 4.1; choices of this project where the paper is silent.
    """

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

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as a plain dictionary."""
        return asdict(self)

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that change with any number."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:12]


def fill_window(waveform: NDArray[np.float32], config: MelConfig) -> NDArray[np.float32]:
    """Repeat a waveform shorter than the window until it fills it, and cut one that is longer.

    Repetition keeps tempo and level as they are, where padding with silence would add an event of its own.

    Args:
        waveform: `(n_samples,)`, at least one sample.
        config: Gives the length.

    Returns:
        `(window_s * sample_rate_hz,)`.
    """
    return np.resize(waveform, round(config.window_s * config.sample_rate_hz))


def log_mel_image(waveform: NDArray[np.float32], config: MelConfig) -> NDArray[np.float32]:
    """Compute the log-mel image of a window.

    Args:
        waveform: `(n_samples,)` float32 at `config.sample_rate_hz`; filled to the window by repetition.
        config: The numbers.

    Returns:
        `(image_size, image_size)` float32 in [0, 1]: rows are mel bands from low to high, columns are time.
        0 is `range_db` below the reference, 1 is the reference: one stored number, so loudness still matters.

    Source: Cazzaniga et al., section 4.1.
    """
    power = librosa.feature.melspectrogram(
        y=fill_window(waveform, config),
        sr=config.sample_rate_hz,
        n_fft=config.n_fft,
        hop_length=config.hop_samples,
        n_mels=config.n_mels,
        fmin=config.f_min_hz,
        fmax=config.f_max_hz,
    )
    level_db = 10.0 * np.log10(np.maximum(power, 1e-10))
    scaled = (level_db - config.reference_db) / config.range_db + 1.0
    size = (config.image_size, config.image_size)
    image = Image.fromarray(scaled.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    return np.clip(np.asarray(image), 0.0, 1.0)


def network_input(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Centre images and repeat them over three colour channels.

    Args:
        images: `(n, size, size)` in [0, 1].

    Returns:
        `(n, 3, size, size)` float32, about zero mean and unit spread.
    """
    centred = (images.astype(np.float32) - IMAGE_CENTRE) / IMAGE_SPREAD
    return np.repeat(centred[:, None], 3, axis=1)
