"""A teacher for the flagship: a support vector machine on features of small public tagging networks. Pure.

The features are pooled activations of fully convolutional taggers (five 3x3 convolution blocks on a 96-band mel
spectrogram at 16 kHz; Choi et al. 2016, weights of Won et al. 2020, Apache-2.0). The student learns both the features,
which need no labels, and the teacher's opinions, which are out-of-fold for the clips it learns from.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import librosa
import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits
from torch import Tensor, nn
from tqdm import tqdm

from emotion.audio import SAMPLE_RATE_HZ, read_window_at
from emotion.network import channels_last

TAGGERS = ("msd_fcn.pth", "jamendo_fcn.pth")
_RATE_HZ = 16_000
_BLOCKS = ((1, 64, (2, 4)), (64, 128, (2, 4)), (128, 128, (2, 4)), (128, 128, (3, 5)), (128, 64, (4, 4)))


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, pool: tuple[int, int]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.bn = nn.BatchNorm2d(outputs)
        self.mp = nn.MaxPool2d(pool)

    def forward(self, maps: Tensor) -> Tensor:
        return self.mp(torch.relu(self.bn(self.conv(maps))))


class Tagger(nn.Module):
    """The convolutional part of a tagger; parameter names are those of the public state dicts."""

    def __init__(self) -> None:
        super().__init__()
        self.spec_bn = nn.BatchNorm2d(1)
        for number, block in enumerate(_BLOCKS, start=1):
            self.add_module(f"layer{number}", _Block(*block))

    def forward(self, level_db: Tensor) -> Tensor:
        """Pool the activations of the last three blocks.

        Args:
            level_db: `(n, 1, 96, n_frames)` power mel spectrogram in dB.

        Returns:
            `(n, 640)`: mean and standard deviation over the maps of blocks 3, 4 and 5.
        """
        maps, pooled = self.spec_bn(level_db), []
        for number in range(1, len(_BLOCKS) + 1):
            maps = getattr(self, f"layer{number}")(maps)
            if number >= 3:
                pooled += [maps.mean(dim=(2, 3)), maps.float().std(dim=(2, 3), correction=0)]
        return torch.cat(pooled, dim=1)


def load_tagger(file: Path) -> Tagger:
    """Load a public tagger, leaving its output layer behind."""
    tagger = Tagger()
    state = torch.load(file, map_location="cpu", weights_only=True)
    for key, value in tagger.state_dict().items():
        value.copy_(state[key])
        if value.is_floating_point():
            # Weight decay left denormal numbers behind, on which a processor is twenty times slower.
            value[value.abs() < 1e-20] = 0.0
    return channels_last(tagger.eval())


def teacher_features(
    paths: Sequence[Path], taggers: Sequence[Path], cache: Path, *, workers: int = 2
) -> NDArray[np.float32]:
    """Compute the teacher's features of the centre window of each file.

    Args:
        paths: Audio files.
        taggers: State dicts of public taggers.
        cache: An `.npz` file of features by path; extended and written back.
        workers: Processes.

    Returns:
        `(n, n_features)` float32.
    """
    known = dict(np.load(cache)) if cache.exists() else {}
    missing = [path for path in paths if str(path) not in known]
    if missing:
        with ProcessPoolExecutor(workers, initializer=_start, initargs=(tuple(taggers),)) as pool:
            found = pool.map(_features, missing, chunksize=8)
            for path, row in zip(missing, tqdm(found, total=len(missing), desc="teacher", mininterval=5), strict=True):
                known[str(path)] = row
        cache.parent.mkdir(parents=True, exist_ok=True)
        np.savez(cache, **known)
    return np.stack([known[str(path)] for path in paths])


_taggers: list[Tagger] = []


def _start(files: tuple[Path, ...]) -> None:
    torch.set_num_threads(1)
    threadpool_limits(1)
    _taggers[:] = [load_tagger(file) for file in files]


@torch.inference_mode()
def _features(path: Path) -> NDArray[np.float32]:
    waveform = read_window_at(path, 0.5).waveform
    level_db = torch.from_numpy(_level_db(waveform))[None, None]
    with torch.autocast("cpu", torch.bfloat16):
        pooled = [tagger(level_db)[0].float().numpy() for tagger in _taggers]
    return np.concatenate([*pooled, _statistics(waveform)]).astype(np.float32)


def _level_db(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    at_16k = librosa.resample(waveform, orig_sr=SAMPLE_RATE_HZ, target_sr=_RATE_HZ, res_type="soxr_hq")
    at_16k = np.resize(at_16k, 24 * _RATE_HZ)
    power = librosa.feature.melspectrogram(
        y=at_16k, sr=_RATE_HZ, n_fft=512, hop_length=256, n_mels=96, fmin=0.0, fmax=8000.0, htk=True, norm=None
    )
    return (10.0 * np.log10(np.maximum(power, 1e-10))).astype(np.float32)


def _statistics(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a dozen and a half measures of level, onsets, brightness and pitch classes."""
    spectrum = np.abs(librosa.stft(waveform, n_fft=2048, hop_length=1024))
    rms = librosa.feature.rms(S=spectrum)[0]
    centroid = librosa.feature.spectral_centroid(S=spectrum, sr=SAMPLE_RATE_HZ)[0]
    onset = librosa.onset.onset_strength(S=librosa.amplitude_to_db(spectrum), sr=SAMPLE_RATE_HZ)
    chroma = librosa.feature.chroma_stft(S=spectrum**2, sr=SAMPLE_RATE_HZ, tuning=0.0).mean(axis=1)
    level = [np.log10(rms.mean() + 1e-6), rms.std() / (rms.mean() + 1e-6)]
    brightness = [centroid.mean() / 1e3, centroid.std() / 1e3]
    # Pitch classes relative to the strongest say something of mode without naming a key.
    relative = np.roll(chroma, -int(chroma.argmax()))
    return np.array([*level, *brightness, onset.mean(), onset.std(), *relative], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Lesson:
    """What the student is to learn of each training clip.

    Attributes:
        features: `(n, n_features)`, standardised on the training clips.
        probabilities: `(n, 4)`, the teacher's out-of-fold opinion.
    """

    features: NDArray[np.float32]
    probabilities: NDArray[np.float32]


def make_classifier() -> CalibratedClassifierCV:
    """Return the teacher's classifier: standardised features, RBF kernel, calibrated probabilities."""
    machine = make_pipeline(StandardScaler(), SVC(C=3.0, gamma="scale", class_weight="balanced"))
    return CalibratedClassifierCV(machine, ensemble=False, cv=5)


def make_lesson(features: NDArray[np.float32], quadrants: NDArray[np.int64], groups: Sequence[str]) -> Lesson:
    """Fit the teacher on training clips only, and note what it says of each from the folds it was not in."""
    probabilities = cross_val_predict(
        make_classifier(), features, quadrants, groups=groups, cv=GroupKFold(5), method="predict_proba"
    )
    return Lesson(StandardScaler().fit_transform(features).astype(np.float32), probabilities.astype(np.float32))
