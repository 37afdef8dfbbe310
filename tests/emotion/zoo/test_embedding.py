"""The 64 numbers for the index, of any number of hidden ones."""

import pytest
import torch

from emotion.zoo.embedding import Embedding
from emotion.zoo.registry import EMBEDDING_SIZE

pytestmark = pytest.mark.zoo


def test_many_numbers_are_projected_on_an_orthonormal_basis_that_is_always_the_same() -> None:
    embedding, again = Embedding(200), Embedding(200)
    assert torch.equal(embedding.projection, again.projection)
    assert torch.allclose(embedding.projection.T @ embedding.projection, torch.eye(EMBEDDING_SIZE), atol=1e-6)
    hidden = torch.randn(3, 200)
    assert torch.equal(embedding(hidden), hidden @ embedding.projection)
    assert [*embedding.parameters()] == []
    assert [*embedding.state_dict()] == ["projection"]


def test_sixty_four_stay_and_fewer_are_followed_by_zeros() -> None:
    assert torch.equal(Embedding(64)(torch.ones(2, 64)), torch.ones(2, 64))
    padded = Embedding(10)(torch.ones(2, 10))
    assert padded.shape == (2, EMBEDDING_SIZE)
    assert torch.equal(padded.sum(dim=1), torch.full((2,), 10.0))
