"""What keeps training numbers sound and fast, whatever the recipe. Pure."""

from __future__ import annotations

import torch
from torch import nn


def keep_wide_depthwise_in_float32(network: nn.Module) -> None:
    """Exempt 5x5 depthwise convolutions from autocast, in place.

    On the CPU their backward pass takes four times as long in bf16 as in float32; a whole training step of
    EfficientNetB3 at 128 pixels becomes 1.5 times as fast.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.groups > 1 and module.kernel_size[0] >= 5:
            module.register_forward_pre_hook(lambda _, inputs: tuple(x.float() for x in inputs))
            module.forward = torch.autocast("cpu", enabled=False)(module.forward)  # type: ignore[method-assign]
