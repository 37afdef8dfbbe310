"""A support vector machine on the pooled activations of public taggers: what the shipped model learned from.

Source: weights of Won et al. (2020), Evaluation of CNN-based automatic music tagging models, Apache-2.0; Pons and Serra
(2019), musicnn: pre-trained convolutional neural networks for music audio tagging, ISC.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emotion.zoo.frontends import TaggerMel
from emotion.zoo.hybrid_b3 import N_TAGGERS, TAGGER_FEATURES, Taggers
from emotion.zoo.musicnn import MUSICNN_FEATURES, MusiCnn
from emotion.zoo.registry import FrozenNetwork, register_model
from emotion.zoo.svm import Svm, SvmConfig

_FRONT_END = TaggerMel()
_N_FEATURES = N_TAGGERS * TAGGER_FEATURES


@dataclass(frozen=True, slots=True)
class TaggerSvmConfig(SvmConfig):
    """The architecture's options, saved with every checkpoint; C and gamma are those of the teacher of `b3-fast`."""

    n_features: int = _N_FEATURES
    n_columns: int = _N_FEATURES
    c: float = 3.0
    gamma: float = 1 / _N_FEATURES
    tagger_frames: int = _FRONT_END.prepared_shape[1]
    has_musicnn: bool = False  # Whether it reads a second spectrogram, by MusiCNN.

    def __post_init__(self) -> None:
        there = _N_FEATURES + MUSICNN_FEATURES * self.has_musicnn
        if self.n_features != there:
            raise ValueError(f"n_features is {self.n_features}; its taggers find {there}")

    @property
    def input_shape(self) -> tuple[int, ...]:
        return 1 + self.has_musicnn, _FRONT_END.prepared_shape[0], self.tagger_frames


class TaggerSvm(FrozenNetwork):
    """A support vector machine on what taggers find; their weights are loaded before it is fitted."""

    config: TaggerSvmConfig

    def __init__(self, config: TaggerSvmConfig) -> None:
        super().__init__()
        self.config = config
        self.taggers = Taggers().requires_grad_(False)
        self.musicnn = MusiCnn().requires_grad_(False) if config.has_musicnn else None
        self.machine = Svm(config)

    def load_taggers(self, files: Sequence[Path]) -> None:
        """Take public weights: of the two taggers, then of MusiCNN where there is one.

        Raises:
            CheckpointError: A file is missing or holds another network.
        """
        self.taggers.load(files[:N_TAGGERS])
        if self.musicnn is not None:
            [file] = files[N_TAGGERS:]
            self.musicnn.load(file)

    def features(self, inputs: Tensor) -> Tensor:
        found = [self.taggers.features(inputs[:, :1])]
        if self.musicnn is not None:
            found.append(self.musicnn.features(inputs[:, 1:]))
        return torch.cat(found, dim=1)

    def fit_features(self, features: Tensor, quadrants: Tensor, groups: NDArray[np.int64] | None = None) -> None:
        self.machine.fit(features, quadrants, groups)
        self.config = replace(self.config, n_support=self.machine.config.n_support)

    def judge(self, features: Tensor) -> tuple[Tensor, ...]:
        return self.machine(features)


_SMALL = TaggerMel(window_s=6.0)
_CONFIG = TaggerSvmConfig()


@register_model(
    TaggerSvmConfig,
    title="Support vector machine on the features of public taggers",
    paper="Moodplane",
    licence="Apache-2.0; MusiCNN ISC",
    front_end=_FRONT_END,
    parameters=888_964,
    saves_halves=False,
    small=(_SMALL, replace(_CONFIG, tagger_frames=_SMALL.prepared_shape[1])),
)
def tagger_svm(config: TaggerSvmConfig) -> TaggerSvm:
    """Build the network."""
    return TaggerSvm(config)
