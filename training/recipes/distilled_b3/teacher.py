"""The teacher: a support vector machine on features of small public tagging networks.

The features are pooled activations of fully convolutional taggers (five 3x3 convolution blocks on a 96-band mel
spectrogram at 16 kHz; Choi et al. 2016, weights of Won et al. 2020, Apache-2.0). The student learns the features, which
need no labels, and the teacher's soft targets, which are out-of-fold for its training clips.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import librosa
import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import Tensor
from tqdm import tqdm

from catalog.core.files import write_atomic
from emotion.inference.predict import Features, softmax
from emotion.signal.audio import SAMPLE_RATE_HZ, WINDOW_S, read_window_at
from emotion.zoo.frontends import TAGGER_HOP, TAGGER_MELS, TAGGER_RATE_HZ
from emotion.zoo.hybrid_b3 import Taggers
from training.evaluation.metrics import fit_temperature
from training.recipes.distilled_b3 import mixtures
from training.recipes.distilled_b3.mixtures import CPU, Spectra, stretch_at

TAGGERS = ("msd_fcn.pth", "jamendo_fcn.pth")


class TaggerFeatures:
    """Several taggers as one function, in bf16: by OpenVINO seven times as fast as by torch on a CPU with bf16."""

    def __init__(self, files: Sequence[Path], device: torch.device = CPU) -> None:
        self._taggers, self._device = Taggers(len(files)), device
        self._taggers.load(files)
        self._by_length: dict[int, Features] = {}

    def features(self, level_db: Tensor) -> Tensor:
        """Return features `(n, 576 * n_taggers)`, on the device, of spectra `(n, 1, 96, n_frames)` in dB."""
        n_frames = level_db.shape[-1]
        if n_frames not in self._by_length:
            shape = (1, TAGGER_MELS, n_frames)
            self._by_length[n_frames] = Features(self._taggers, shape, self._device, precision="bf16")
        return self._by_length[n_frames](level_db)


def teacher_features(
    spectra: Sequence[Spectra], paths: Sequence[Path], taggers: TaggerFeatures, cache_dir: Path, *, workers: int = 2
) -> NDArray[np.float32]:
    """Compute the teacher's features `(n, n_features)` float32 of the centre window of each clip."""
    n_frames = 1 + round(WINDOW_S * TAGGER_RATE_HZ) // TAGGER_HOP
    pooled = []
    for start in tqdm(range(0, len(spectra), 16), desc="teacher", mininterval=10):
        batch = [stretch_at(each.teacher, n_frames).T[None] for each in spectra[start : start + 16]]
        pooled.append(taggers.features(torch.from_numpy(np.stack(batch))).cpu().numpy())
    cache_dir.mkdir(parents=True, exist_ok=True)
    work = partial(_cached_statistics, cache_dir=cache_dir)
    statistics = mixtures.in_processes(work, paths, workers=workers, desc="measures")
    return np.concatenate([np.concatenate(pooled), np.stack(statistics)], axis=1)


def _cached_statistics(path: Path, *, cache_dir: Path) -> NDArray[np.float32]:
    target = cache_dir / f"{mixtures.content_name(path)}.npy"
    if not target.exists():
        write_atomic(target, partial(np.save, arr=_statistics(read_window_at(path, 0.5).waveform)), durable=False)
    return np.asarray(np.load(target))


def _statistics(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    spectrum = np.abs(librosa.stft(waveform, n_fft=2048, hop_length=1024))
    rms = librosa.feature.rms(S=spectrum)[0]
    centroid = librosa.feature.spectral_centroid(S=spectrum, sr=SAMPLE_RATE_HZ)[0]
    onset = librosa.onset.onset_strength(S=librosa.amplitude_to_db(spectrum), sr=SAMPLE_RATE_HZ)
    chroma = librosa.feature.chroma_stft(S=spectrum**2, sr=SAMPLE_RATE_HZ, tuning=0.0).mean(axis=1)
    level = [np.log10(rms.mean() + 1e-6), rms.std() / (rms.mean() + 1e-6)]
    brightness = [centroid.mean() / 1e3, centroid.std() / 1e3]
    # Pitch classes relative to the strongest depend on the mode and not on the key.
    relative = np.roll(chroma, -int(chroma.argmax()))
    return np.array([*level, *brightness, onset.mean(), onset.std(), *relative], dtype=np.float32)


class Judge:
    """The teacher's classifier: standardised features, RBF kernel, decision values read as logits with a temperature.

    Sigmoids fitted to each class against the rest are underconfident (a calibration error of .2 to .3 on five sources);
    one temperature on the out-of-fold decision values is not, and costs one fit instead of six.
    """

    def __init__(self) -> None:
        self._machine = make_pipeline(StandardScaler(), SVC(C=3.0, gamma="scale", class_weight="balanced"))
        self._temperature = 1.0

    def fit(
        self, features: NDArray[np.float32], quadrants: NDArray[np.int64], groups: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Fit to training clips; return each one's probabilities `(n, 4)` from the folds that its group was not in."""
        decisions = cross_val_predict(
            self._machine, features, quadrants, groups=groups, cv=GroupKFold(5), method="decision_function", n_jobs=2
        )
        self._temperature = fit_temperature(quadrants, decisions)
        self._machine.fit(features, quadrants)
        return softmax(decisions, self._temperature).astype(np.float32)

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return calibrated logits `(n, 4)` of clips that were not fitted to."""
        return np.asarray(self._machine.decision_function(features) / self._temperature, np.float32)
