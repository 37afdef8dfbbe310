"""What every network of the zoo offers, and the head that several share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

EMBEDDING_SIZE = 64


class Network(nn.Module):
    """A member of the zoo.

    Attributes:
        config: The options that it was built with: a frozen dataclass with an `input_shape`.
        architecture: Its name in the registry; `create_model` sets it.
    """

    config: Any
    architecture: str = ""

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Judge inputs `(n, *config.input_shape)`.

        Returns:
            Logits `(n, n_classes)`, for a model that serves in quadrant order; embeddings `(n, 64)`; and, from a
            network that regresses, valence and arousal `(n, 2)` in [-1, 1].
        """
        raise NotImplementedError

    def saliency_blocks(self) -> Sequence[nn.Module]:
        """Return the blocks whose maps `(n, channels, rows, columns)` say where the network looked, first to last."""
        raise NotImplementedError


class HeadedNetwork(Network):
    """A backbone under the head of Cazzaniga et al.: 512 - dropout .5 - 128 - dropout .3 - 64 - dropout .1 - 4.

    The 64 activations before the last layer are the song's embedding; a second output may regress the point from them.

    Attributes:
        backbone: Begins with ImageNet weights, or is pre-trained.
        feature_size: Of what `features` returns.

    Source: Cazzaniga et al., section 4.2.
    """

    DROPOUTS: ClassVar[tuple[float, float, float]] = (0.5, 0.3, 0.1)

    def __init__(self, config: Any, backbone: nn.Module, feature_size: int, *, regresses: bool) -> None:
        super().__init__()
        self.config = config
        self.backbone = backbone
        self.feature_size = feature_size
        sizes = (feature_size, 512, 128, EMBEDDING_SIZE)
        layers = zip(pairwise(sizes), self.DROPOUTS, strict=True)
        blocks = ((nn.Linear(*of), nn.ReLU(), nn.Dropout(share)) for of, share in layers)
        self.head = nn.Sequential(*chain.from_iterable(blocks))
        self.classifier = nn.Linear(EMBEDDING_SIZE, 4)
        self.regressor = nn.Sequential(nn.Linear(EMBEDDING_SIZE, 2), nn.Tanh()) if regresses else None

    def features(self, inputs: Tensor) -> Tensor:
        """Return the backbone's features `(n, feature_size)`."""
        raise NotImplementedError

    def judge(self, features: Tensor) -> tuple[Tensor, ...]:
        """Return what `forward` does, from the backbone's features."""
        embedding = self.head(features)
        logits = self.classifier(embedding)
        return (logits, embedding) if self.regressor is None else (logits, embedding, self.regressor(embedding))

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        return self.judge(self.features(inputs))

    def load_imagenet(self, file: Path | None = None) -> None:
        """Start the backbone from ImageNet weights: a state dict on disk, or what its library downloads."""
        raise NotImplementedError

    def skip_no_block(self) -> None:
        """Switch stochastic depth off: a backbone that learns from endless batches has nothing to overfit."""


class OverChunks(nn.Module):
    """A network on several chunks of each song: the song's answer is the mean of the chunks'."""

    def __init__(self, network: nn.Module, chunks: int) -> None:
        super().__init__()
        self.network = network
        self.chunks = chunks

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Judge `(n, chunks, *input_shape)` as `Network.forward` does; its logits are those of the mean probability."""
        outputs = self.network(inputs.flatten(0, 1))
        logits, *others = (output.reshape(-1, self.chunks, output.shape[-1]) for output in outputs)
        mean = torch.softmax(logits, dim=-1).mean(dim=1).clamp(min=1e-12).log()
        return mean, *(output.mean(dim=1) for output in others)
