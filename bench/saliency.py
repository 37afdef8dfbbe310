"""Which explanation of a tag is the most faithful: how the tag's probability changes without the marked part.

Run: python bench/saliency.py FOLDER [number of songs [version]]. Each rule marks places of the images of songs drawn
from the folder, by gradients of the served score. The fifth of an image that it marks most is blanked (each band by its
mean), then the fifth that it marks least: a faithful rule loses much by the first and little by the second. Prints the
mean losses of the served probability, and how often the first is the larger.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from emotion.exceptions import AudioUnreadableError
from emotion.inference import checkpoint
from emotion.inference.quadrants import Quadrant
from emotion.saliency.saliency import scores_of
from emotion.signal.audio import read_window
from emotion.zoo.registry import Network

SUFFIXES = {".mp3", ".ogg", ".flac", ".wav", ".m4a", ".opus"}
FIFTH = 0.2
# The ends of B3's stages, by block.
LAYERS = {"stride 8": 7, "stride 16, first stage": 12, "stride 16, second stage": 17, "stride 32": 25}


def log_probability(network: Network, card: checkpoint.Card, inputs: Tensor, quadrant: Quadrant | None) -> Tensor:
    """Return the served log probability of a quadrant, or of the tag."""
    logits, _, *points = network(inputs)
    scores = scores_of(card, logits, *points)
    side = torch.tensor((quadrant or Quadrant.from_valence_arousal(*scores.tolist())).corner)
    return functional.logsigmoid(scores * side).sum()


def maps(network: Network, card: checkpoint.Card, inputs: Tensor) -> dict[str, Tensor]:
    """Return the map of each layer and rule for the likeliest quadrant, `(rows, columns)`."""
    outputs_by_name: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[Any, Any, Tensor], None]:
        return lambda _module, _inputs, output: outputs_by_name.__setitem__(name, output)

    blocks = network.saliency_blocks()
    hooks = [blocks[place].register_forward_hook(keep(name)) for name, place in LAYERS.items()]
    target = log_probability(network, card, inputs.requires_grad_(), None)
    for hook in hooks:
        hook.remove()
    gradients = torch.autograd.grad(target, list(outputs_by_name.values()))
    maps_by_name = {}
    for (name, output), gradient in zip(outputs_by_name.items(), gradients, strict=True):
        maps_by_name[f"Grad-CAM, {name}"] = (gradient.mean((2, 3), keepdim=True) * output).sum(1)[0]
        maps_by_name[f"LayerCAM, {name}"] = (torch.relu(gradient) * output).sum(1)[0]
        maps_by_name[f"HiResCAM, {name}"] = (gradient * output).sum(1)[0]
    maps_by_name["at random"] = torch.rand(8, 11)
    return {name: torch.relu(one).detach() for name, one in maps_by_name.items()}


def blanked(image: NDArray[np.float32], heat: Tensor) -> list[NDArray[np.float32]]:
    """Return the image without the fifth that is marked most, and without the fifth that is marked least."""
    full = functional.interpolate(heat[None, None], image.shape, mode="bilinear")[0, 0].numpy()
    order = full.ravel().argsort(kind="stable")
    n = round(FIFTH * len(order))
    mean = np.repeat(image.mean(axis=1), image.shape[1])
    made = []
    for places in (order[-n:], order[:n]):
        one = image.copy()
        one.ravel()[places] = mean[places]
        made.append(one)
    return made


def main() -> None:
    folder, n_songs = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 40
    torch.manual_seed(0)
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    weights = (
        checkpoint.SHIPPED_DIR / f"{sys.argv[3]}.safetensors" if len(sys.argv) > 3 else checkpoint.shipped_weights()
    )
    network, card = checkpoint.load(weights)
    assert card.frontend.image is not None
    shape = card.frontend.image.prepared_shape
    losses: dict[str, list[tuple[float, float]]] = {}
    for place in np.random.default_rng(0).permutation(len(files))[:n_songs]:
        try:
            window = read_window(files[place], window_s=card.frontend.window_s)
        except AudioUnreadableError:
            continue
        prepared = card.frontend.prepare(window.waveform)
        # The image comes first in what any of these networks reads.
        image = prepared.reshape(-1)[: np.prod(shape)].reshape(shape)
        inputs = [card.frontend.tensor(torch.from_numpy(prepared[None]))]
        maps_by_name = maps(network, card, inputs[0])
        for heat in maps_by_name.values():
            for one in blanked(image, heat):
                changed = prepared.copy()
                changed.reshape(-1)[: one.size] = one.ravel()
                inputs.append(card.frontend.tensor(torch.from_numpy(changed[None])))
        with torch.inference_mode():
            logits, _, *points = network(inputs[0])
            quadrant = Quadrant.from_valence_arousal(*scores_of(card, logits, *points).tolist())
            sure = [log_probability(network, card, each, quadrant).exp().item() for each in inputs]
        for i, name in enumerate(maps_by_name):
            losses.setdefault(name, []).append((sure[0] - sure[1 + 2 * i], sure[0] - sure[2 + 2 * i]))
    for name, pairs in losses.items():
        most, least = np.array(pairs).T
        print(f"{name:34s} most {most.mean():.3f}  least {least.mean():.3f}  larger in {(most > least).mean():.2f}")
    print(f"{len(pairs)} songs of {folder}, {card.version}.")


if __name__ == "__main__":
    main()
