"""MusiCNN: a tagging network whose first filters are shaped after timbre and rhythm, without its output layers.

Source: Pons and Serra (2019), musicnn: pre-trained convolutional neural networks for music audio tagging, weights under
the ISC licence.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from emotion.exceptions import CheckpointError

# Filters of timbre: their number, and bands that each spans over 7 frames. Filters of rhythm: theirs, and frames.
_TIMBRE, _BANDS = 204, (38, 67)
_RHYTHM, _FRAMES = 51, (128, 64, 32)
_MIDDLE, _EPSILON = 64, 1e-3
_WIDTH = len(_BANDS) * _TIMBRE + len(_FRAMES) * _RHYTHM
MUSICNN_FEATURES = 2 * (_WIDTH + 3 * _MIDDLE)
# By our names: theirs of a convolution and of its normalisation.
_THEIRS = {
    "timbre.0": ("f74", "bn74"),
    "timbre.1": ("f77", "bn77"),
    **{f"rhythm.{i}": (f"s{i + 1}", f"bns{i + 1}") for i in range(len(_FRAMES))},
    **{f"middle.{i}": (f"mid{i + 1}", f"bnm{i + 1}") for i in range(3)},
}


class _Conv(nn.Module):
    # Convolution, ReLU, then normalisation; as many frames come out as go in.
    def __init__(self, conv: nn.Conv1d | nn.Conv2d, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
        super().__init__()
        self.conv, self.norm = conv, norm
        missing = conv.kernel_size[0] - 1
        # Axes are padded from the last one on.
        self.padding = [0, 0] * (len(conv.kernel_size) - 1) + [missing // 2, missing - missing // 2]

    def forward(self, maps: Tensor) -> Tensor:
        found: Tensor = self.norm(torch.relu(self.conv(nn.functional.pad(maps, self.padding))))
        return found


def _first(n_maps: int, frames: int, bands: int) -> _Conv:
    return _Conv(nn.Conv2d(1, n_maps, (frames, bands)), nn.BatchNorm2d(n_maps, eps=_EPSILON))


def _further(n_inputs: int) -> _Conv:
    return _Conv(nn.Conv1d(n_inputs, _MIDDLE, 7), nn.BatchNorm1d(_MIDDLE, eps=_EPSILON))


class MusiCnn(nn.Module):
    """The convolutions, over a song of any length, and the mean and the maximum of what they find."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(1, eps=_EPSILON)
        self.timbre = nn.ModuleList(_first(_TIMBRE, 7, bands) for bands in _BANDS)
        self.rhythm = nn.ModuleList(_first(_RHYTHM, frames, 1) for frames in _FRAMES)
        self.middle = nn.ModuleList(_further(n_inputs) for n_inputs in (_WIDTH, _MIDDLE, _MIDDLE))

    @torch.no_grad()
    def load(self, file: Path) -> None:
        """Take the public weights, one safetensors file.

        Raises:
            CheckpointError: The file is missing or holds another network.
        """
        try:
            theirs = load_file(file)
            parts = {"norm": "bn0"}
            for ours, (conv, norm) in _THEIRS.items():
                parts |= {f"{ours}.conv": conv, f"{ours}.norm": norm}
            for ours, name in parts.items():
                module = self.get_submodule(ours)
                module.load_state_dict({key: theirs[f"{name}.{key}"] for key in module.state_dict()})
        except (OSError, RuntimeError, KeyError, SafetensorError) as error:
            raise CheckpointError(f"{file} does not hold the weights of MusiCNN: {error}") from error
        self.eval()

    def maps(self, level: Tensor) -> Tensor:
        """Return `(n, 753, n_frames)` of spectrograms `(n, 1, 96, n_frames)`, log10(10,000 m + 1) of mel power m."""
        measured = self.norm(level.transpose(2, 3))
        found = torch.cat([conv(measured).amax(dim=3) for conv in (*self.timbre, *self.rhythm)], dim=1)
        first = self.middle[0](found)
        second = self.middle[1](first) + first
        return torch.cat([found, first, second, self.middle[2](second) + second], dim=1)

    def features(self, level: Tensor) -> Tensor:
        """Return the mean, then the maximum over time of `maps`: `(n, 1506)`."""
        maps = self.maps(level)
        return torch.cat([maps.mean(dim=2), maps.amax(dim=2)], dim=1)
