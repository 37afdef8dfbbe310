"""The 64 numbers for the index, of a network whose last hidden layer has another width."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from emotion.zoo.registry import EMBEDDING_SIZE

_SEED = 20261130


class Embedding(nn.Module):
    """A fixed projection of `n_inputs` numbers to 64: seeded, orthonormal, and saved with the weights.

    64 inputs stay as they are, fewer are followed by zeros; distances of more shrink by about the same factor.
    """

    projection: Tensor

    def __init__(self, n_inputs: int) -> None:
        super().__init__()
        self.n_inputs = n_inputs
        if n_inputs > EMBEDDING_SIZE:
            drawn = np.random.default_rng(_SEED).standard_normal((n_inputs, EMBEDDING_SIZE))
            self.register_buffer("projection", torch.from_numpy(np.linalg.qr(drawn)[0].astype(np.float32)))

    def forward(self, hidden: Tensor) -> Tensor:
        """Return `(n, 64)` of `(n, n_inputs)`."""
        if self.n_inputs > EMBEDDING_SIZE:
            return hidden @ self.projection
        return nn.functional.pad(hidden, (0, EMBEDDING_SIZE - self.n_inputs))
