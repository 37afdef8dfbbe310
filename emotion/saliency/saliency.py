"""Where on its image the network looked when it analysed a song.

HiResCAM weighs each place of a layer with its own gradient, where Grad-CAM takes the map's mean. Of the ends of B3's
stages, and of Grad-CAM, LayerCAM and HiResCAM, this layer and rule took most from the quadrant's probability when the
fifth of the image that they mark was blanked, against the fifth that they mark least (bench/saliency.py). The last
layer, Grad-CAM's usual place, has 4 by 6 places here and did little better than chance.

Source: Draelos and Carin (2020), Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional neural
networks.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import NamedTuple

import librosa
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from catalog.core.wording import gettext_noop
from emotion.exceptions import SaliencyUnavailableError
from emotion.inference.checkpoint import Card
from emotion.inference.estimate import AXES, HIGH, LOW
from emotion.inference.quadrants import Quadrant
from emotion.signal.audio import Window
from emotion.zoo.frontends import MelConfig
from emotion.zoo.registry import Network, architecture


class Saliency(NamedTuple):
    """What mattered for the estimate of a quadrant."""

    quadrant: Quadrant
    heat: NDArray[np.float32]  # `(n_rows, n_columns)` in [0, 1]: rows from low to high pitch, columns over the window.


class Span(NamedTuple):
    """A stretch of seconds or of Hz, and its share of all the weight."""

    start: float
    end: float
    share: float


def hirescam(network: Network, card: Card, window: Window) -> Saliency:
    """Weigh the places of a window's image by what they did for the likeliest quadrant's log odds, on the CPU.

    Raises:
        SaliencyUnavailableError: The architecture cannot say where it looked, or it looked at no log-mel image.
    """
    if not (architecture(card.architecture).has_saliency and (image := card.frontend.image)):
        raise SaliencyUnavailableError(gettext_noop("This architecture does not support saliency maps."))
    inputs = card.frontend.tensor(torch.from_numpy(card.frontend.prepare(window.waveform)[None]))
    outputs: list[Tensor] = []
    with torch.enable_grad(), ExitStack() as hooks:
        for block in network.saliency_blocks():
            hooks.enter_context(block.register_forward_hook(lambda _, __, output: outputs.append(output)))
        logits, _, *points = network(inputs.requires_grad_())
        scores = scores_of(card, logits, *points)
        valence, arousal = scores.tolist()
        quadrant = Quadrant.from_valence_arousal(valence, arousal)
        # The end of the first stage that is 16 times smaller than the image.
        at_stride = [output for output in outputs if output.shape[2] == -(-image.network_shape[0] // 16)]
        layer = [output for output in at_stride if output.shape[1] == at_stride[0].shape[1]][-1]
        # The log probability of the quadrant: the product of its sides.
        target = nn.functional.logsigmoid(scores * torch.tensor(quadrant.corner)).sum()
        [gradient] = torch.autograd.grad(target, [layer])
    weight = torch.relu((gradient * layer.detach()).sum(dim=1))[0].numpy()
    return Saliency(quadrant, (weight / (weight.max() or 1.0)).astype(np.float32))


def scores_of(card: Card, logits: Tensor, points: Tensor | None = None) -> Tensor:
    """Return the scores `(2,)` of one song, as `Reading.scores` does, with their gradients."""
    log_p = torch.log_softmax(logits[0].double() / card.temperature, dim=0)
    high = [torch.logsumexp(log_p[list(HIGH[axis])], 0) for axis in AXES]
    low = [torch.logsumexp(log_p[list(LOW[axis])], 0) for axis in AXES]
    margins = torch.stack(high) - torch.stack(low)
    axes = (card.reading.valence, card.reading.arousal)
    scores = margins * torch.tensor([axis.margin for axis in axes], dtype=torch.float64)
    if points is not None:
        scores = scores + points[0].double() * torch.tensor([axis.regression for axis in axes], dtype=torch.float64)
    return scores


def seconds_that_weighed(heat: NDArray[np.float32], window: Window, config: MelConfig) -> list[Span]:
    """Return the stretches of the song, in seconds, that stand out, heaviest first."""
    edges = np.linspace(0.0, config.window_s, heat.shape[1] + 1)
    # A song shorter than the window was repeated to fill it; the repetitions have no seconds of their own.
    is_played = edges[:-1] < window.duration_s
    spans = _spans(heat.sum(axis=0)[is_played], np.minimum(edges[: is_played.sum() + 1], window.duration_s))
    return [Span(window.start_s + span.start, window.start_s + span.end, span.share) for span in spans]


def bands_that_weighed(heat: NDArray[np.float32], config: MelConfig) -> list[Span]:
    """Return the bands of frequency, in Hz, that stand out, heaviest first."""
    lowest, highest = librosa.hz_to_mel([config.f_min_hz, config.f_max_hz])
    edges = librosa.mel_to_hz(np.linspace(lowest, highest, heat.shape[0] + 1))
    return _spans(heat.sum(axis=1), edges)


def _spans(weights: NDArray[np.floating], edges: NDArray[np.floating]) -> list[Span]:
    total = float(weights.sum())
    if total <= 0:
        return []
    stands_out = np.concatenate([[False], weights > 1.25 * weights.mean(), [False]]).astype(np.int8)
    bounds = np.flatnonzero(np.diff(stands_out)).reshape(-1, 2)
    spans = [Span(float(edges[a]), float(edges[b]), float(weights[a:b].sum()) / total) for a, b in bounds]
    return sorted(spans, key=lambda span: -span.share)[:2]
