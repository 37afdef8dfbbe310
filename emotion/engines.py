"""What runs the network: torch on CPU or CUDA, or OpenVINO on the CPU, behind one interface. Pure.

The engines agree on every probability to within `TOLERANCE` for the same images; a test holds them to it.
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from emotion.exceptions import DeviceUnavailableError
from emotion.mel import network_input
from emotion.network import QuadrantNetwork, channels_last

logger = logging.getLogger(__name__)

# Largest difference of a probability between engines: bf16 on CUDA and AMX has 8 bits of mantissa.
TOLERANCE = 0.02


class Engine(Protocol):
    """Runs the network on images."""

    name: str
    device: str

    def run(self, images: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return logits `(n, 4)` and embeddings `(n, 64)` of images `(n, size, size)` in [0, 1]."""
        ...


class TorchEngine:
    """torch: float32 on the CPU, bf16 with channels_last on CUDA."""

    name = "torch"

    def __init__(self, network: QuadrantNetwork, device: str = "cpu") -> None:
        """Move the network to a device.

        Raises:
            DeviceUnavailableError: CUDA was asked for and is not there. There is no silent fall back to the CPU.
        """
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise DeviceUnavailableError("CUDA was asked for, but torch sees no CUDA device on this machine.")
        self._device = torch.device(device)
        self._network = channels_last(network.eval().to(self._device))
        self._bf16 = self._device.type == "cuda"
        self.device = f"{device} {torch.cuda.get_device_name(self._device)}" if self._bf16 else "cpu"

    @torch.inference_mode()
    def run(self, images: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        inputs = torch.from_numpy(network_input(images)).to(self._device, memory_format=torch.channels_last)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            logits, embedding = self._network(inputs)
        return logits.float().cpu().numpy(), embedding.float().cpu().numpy()


class OpenVinoEngine:
    """OpenVINO on the CPU, in float32; compiled once per process and cached on disk where a folder is given."""

    name = "openvino"
    device = "cpu"

    def __init__(self, network: QuadrantNetwork, cache_dir: Path | None = None) -> None:
        import openvino

        size = network.config.image_size
        with torch.inference_mode(), warnings.catch_warnings():
            # OpenVINO traces the network in a way that torch has announced to remove; it is OpenVINO's to change.
            warnings.simplefilter("ignore", DeprecationWarning)
            model = openvino.convert_model(network.eval(), example_input=torch.zeros(1, 3, size, size))
        model.reshape([-1, 3, size, size])
        options: dict[str, str] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "THROUGHPUT"}
        if cache_dir is not None:
            options["CACHE_DIR"] = str(cache_dir)
        self._compiled = openvino.Core().compile_model(model, "CPU", options)

    def run(self, images: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        result = self._compiled(network_input(images))
        return np.array(result[0], np.float32), np.array(result[1], np.float32)


def make_engine(
    network: QuadrantNetwork, *, engine: str = "auto", device: str = "auto", cache_dir: Path | None = None
) -> Engine:
    """Choose and build an engine.

    Args:
        network: The loaded network.
        engine: "torch", "openvino", or "auto": torch on CUDA, OpenVINO on a CPU.
        device: "cuda", "cpu", or "auto": CUDA where there is one.
        cache_dir: Where OpenVINO may keep compiled models.

    Raises:
        DeviceUnavailableError: The device is not there, or the engine cannot use it.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if engine == "auto":
        engine = "torch" if device.startswith("cuda") else "openvino"
    if engine == "openvino" and device != "cpu":
        raise DeviceUnavailableError("The OpenVINO engine runs on the CPU only; choose the torch engine for CUDA.")
    made: Engine = OpenVinoEngine(network, cache_dir) if engine == "openvino" else TorchEngine(network, device)
    logger.info("The network runs on %s with %s.", made.device, made.name)
    return made
