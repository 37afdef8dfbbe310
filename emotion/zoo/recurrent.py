"""A recurrent network over the time of convolutional maps."""

from __future__ import annotations

from torch import Tensor, nn


class LastStep(nn.Module):
    """Two stacked gated recurrent units over time; their last step."""

    def __init__(self, n_inputs: int, n_hidden: int) -> None:
        super().__init__()
        self.gru = _Gru(n_inputs, n_hidden, num_layers=2, batch_first=True)

    def forward(self, maps: Tensor) -> Tensor:
        """Return `(n, n_hidden)` of maps `(n, n_inputs, 1, steps)`, which have one row left."""
        outputs, _ = self.gru(maps.squeeze(2).transpose(1, 2))
        last: Tensor = outputs[:, -1]
        return last


class _Gru(nn.GRU):
    def check_forward_args(self, input: Tensor, hidden: Tensor, batch_sizes: Tensor | None) -> None:  # noqa: A002
        # torch compares shapes, which stand still in the traces that OpenVINO makes, and warns of it each time.
        pass
