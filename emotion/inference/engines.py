"""What runs the network: torch on CPU or CUDA, or OpenVINO on the CPU, behind one interface.

The engines agree on every probability to within `TOLERANCE` for the same images; a test holds them to it.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from emotion.exceptions import DeviceUnavailableError
from emotion.zoo.frontends import FrontEnd
from emotion.zoo.networks import OverChunks

if TYPE_CHECKING:
    import openvino

logger = logging.getLogger(__name__)
_Module = TypeVar("_Module", bound=nn.Module)

# Largest difference of a probability between engines: bf16 on CUDA and AMX has 8 bits of mantissa.
TOLERANCE = 0.02


class Outputs(NamedTuple):
    """The network's answer to a batch.

    Attributes:
        logits: `(n, n_classes)` float32; quadrants in their order.
        embeddings: `(n, 64)` float32.
        points: `(n, 2)` float32 valence and arousal in [-1, 1]; None from a network that does not regress.
    """

    logits: NDArray[np.float32]
    embeddings: NDArray[np.float32]
    points: NDArray[np.float32] | None = None


class Engine(Protocol):
    """Runs the network on songs that its front end prepared, `(n, *frontend.prepared_shape)`."""

    name: str
    device: str

    def run(self, prepared: NDArray[np.float32]) -> Outputs:
        """Judge a batch."""


def channels_last(network: _Module) -> _Module:
    """Lay a network's weights out as its convolutions are fastest on; changed in place."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def for_songs(network: nn.Module, frontend: FrontEnd) -> nn.Module:
    """Return what answers once for each song: the network, or its mean over the chunks that the front end makes."""
    return network if frontend.chunks == 1 else OverChunks(network, frontend.chunks)


class TorchEngine:
    """torch: float32 on the CPU, bf16 with channels_last on CUDA.

    Raises:
        DeviceUnavailableError: CUDA is not there. It does not fall back to the CPU silently.
    """

    name = "torch"

    def __init__(self, network: nn.Module, frontend: FrontEnd, device: str = "cpu") -> None:
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise DeviceUnavailableError("CUDA was asked for, but torch sees no CUDA device on this machine.")
        self._frontend = frontend
        self._device = torch.device(device)
        self._network = channels_last(for_songs(network.eval(), frontend).to(self._device))
        self._bf16 = self._device.type == "cuda"
        self.device = f"{device} {torch.cuda.get_device_name(self._device)}" if self._bf16 else "cpu"

    @torch.inference_mode()
    def run(self, prepared: NDArray[np.float32]) -> Outputs:
        """Judge a batch."""
        inputs = self._frontend.tensor(torch.from_numpy(prepared).to(self._device))
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            return Outputs(*(tensor.float().cpu().numpy() for tensor in self._network(inputs)))


def compile_openvino(
    network: nn.Module, shape: Sequence[int], *, precision: str = "f32", **options: str
) -> openvino.CompiledModel:
    """Compile a network for the CPU, for batches of any size.

    Args:
        network: Put in evaluation mode.
        shape: Of one input, without the batch.
        precision: "f32" or "bf16".
        options: Other properties of OpenVINO's compilation.
    """
    import openvino
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    with torch.inference_mode(), warnings.catch_warnings():
        # OpenVINO traces the network in a way that torch has announced to remove; it is OpenVINO's to change.
        warnings.simplefilter("ignore", DeprecationWarning)
        # Without torch's check, which traces and runs the network twice more: half of the time to load a model.
        example, trace_kwargs = torch.zeros(1, *shape), {"check_trace": False}
        decoder = TorchScriptPythonDecoder(network.eval(), example_input=example, trace_kwargs=trace_kwargs)
        model = openvino.convert_model(decoder)
    model.reshape([-1, *shape])
    return openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision, **options})


class OpenVinoEngine:
    """OpenVINO on the CPU, in float32; compiled once per process and cached on disk where a folder is given."""

    name = "openvino"
    device = "cpu"

    def __init__(self, network: nn.Module, frontend: FrontEnd, cache_dir: Path | None = None) -> None:
        self._frontend = frontend
        options = {"PERFORMANCE_HINT": "THROUGHPUT"} | ({"CACHE_DIR": str(cache_dir)} if cache_dir else {})
        chunks = (frontend.chunks,) if frontend.chunks > 1 else ()
        self._compiled = compile_openvino(for_songs(network, frontend), (*chunks, *frontend.input_shape), **options)

    def run(self, prepared: NDArray[np.float32]) -> Outputs:
        """Judge a batch."""
        inputs = self._frontend.tensor(torch.from_numpy(prepared)).numpy()
        # OpenVINO reads memory in the order of the axes, whatever the strides say is fastest for torch.
        result = self._compiled(np.ascontiguousarray(inputs))
        return Outputs(*(np.array(result[i], np.float32) for i in range(len(result))))


def make_engine(
    network: nn.Module, frontend: FrontEnd, *, engine: str = "auto", device: str = "auto", cache_dir: Path | None = None
) -> Engine:
    """Choose and build an engine.

    Args:
        network: The loaded network.
        frontend: What makes its inputs.
        engine: "torch", "openvino", or "auto": torch on CUDA, OpenVINO on a CPU.
        device: "cuda", "cpu", or "auto": CUDA where there is one.
        cache_dir: Where OpenVINO may cache compiled models.

    Raises:
        DeviceUnavailableError: The device is not there, or the engine cannot use it.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if engine == "auto":
        engine = "torch" if device.startswith("cuda") else "openvino"
    if engine == "openvino" and device != "cpu":
        raise DeviceUnavailableError("The OpenVINO engine runs on the CPU only; choose the torch engine for CUDA.")
    made: Engine = (
        OpenVinoEngine(network, frontend, cache_dir) if engine == "openvino" else TorchEngine(network, frontend, device)
    )
    logger.info("The network runs on %s with %s.", made.device, made.name)
    return made
