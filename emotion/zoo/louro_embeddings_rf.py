"""A random forest on the pooled activations of two public taggers: `forest` without features from outside.

Louro et al. put a random forest on OpenL3's embeddings, whose weights are a file that a user brings; the same forest
reads here what two fully convolutional taggers find (Million Song Dataset and Jamendo), whose weights are at hand.

Source: Louro et al., section 3.3; weights of Won et al. (2020), Evaluation of CNN-based automatic music tagging models,
Apache-2.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from emotion.zoo.forest import ForestNetwork, ForestOptions
from emotion.zoo.frontends import TaggerMel
from emotion.zoo.hybrid_b3 import N_TAGGERS, TAGGER_FEATURES, Taggers
from emotion.zoo.registry import register_model

_FRONT_END = TaggerMel()


@dataclass(frozen=True, slots=True)
class LouroEmbeddingsRfConfig(ForestOptions):
    """The architecture's options, saved with every checkpoint."""

    tagger_frames: int = _FRONT_END.prepared_shape[1]

    @property
    def input_shape(self) -> tuple[int, ...]:
        return 1, _FRONT_END.prepared_shape[0], self.tagger_frames


class LouroEmbeddingsRf(ForestNetwork):
    """A random forest on what two taggers find; their weights are loaded before the forest is grown."""

    config: LouroEmbeddingsRfConfig

    def __init__(self, config: LouroEmbeddingsRfConfig) -> None:
        super().__init__(config, N_TAGGERS * TAGGER_FEATURES)
        self.taggers = Taggers().requires_grad_(False)

    def load_taggers(self, files: Sequence[Path]) -> None:
        """Take the public weights of both.

        Raises:
            CheckpointError: A file is missing or holds another network.
        """
        self.taggers.load(files)

    def features(self, inputs: Tensor) -> Tensor:
        return self.taggers.features(inputs)


_SMALL = TaggerMel(window_s=6.0)


@register_model(
    LouroEmbeddingsRfConfig,
    title="Random forest on the features of two public taggers",
    paper="Louro et al., section 3.3",
    licence="Apache-2.0",
    front_end=_FRONT_END,
    parameters=888_964,
    saves_halves=False,
    small=(_SMALL, LouroEmbeddingsRfConfig(n_trees=50, tagger_frames=_SMALL.prepared_shape[1])),
)
def louro_embeddings_rf(config: LouroEmbeddingsRfConfig) -> LouroEmbeddingsRf:
    """Build the network."""
    return LouroEmbeddingsRf(config)
