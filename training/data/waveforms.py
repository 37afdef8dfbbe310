"""Random changes of waveforms that leave the emotion alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

AUGMENTATIONS: dict[str, Callable[..., NDArray[np.float32]]] = {}
