"""From files to quadrant probabilities, in batches: torch on CPU or CUDA, or OpenVINO on the CPU.

The engines agree on every probability to within `TOLERANCE` for the same images; a test holds them to it.
"""

from __future__ import annotations

import copy
import logging
import re
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import special
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from emotion.exceptions import AudioUnreadableError, DeviceUnavailableError
from emotion.inference import checkpoint
from emotion.inference.quadrants import Quadrant
from emotion.signal.audio import Window, read_window
from emotion.zoo.frontends import FrontEnd
from emotion.zoo.registry import OverChunks

if TYPE_CHECKING:
    import openvino

logger = logging.getLogger(__name__)
_Module = TypeVar("_Module", bound=nn.Module)
_Source = TypeVar("_Source")

BATCH_SIZE = 8
# Largest difference of a probability between engines: bf16 on CUDA and AMX has 8 bits of mantissa.
TOLERANCE = 0.02


class Outputs(NamedTuple):
    """The network's answer to a batch."""

    logits: NDArray[np.float32]  # `(n, n_classes)`; quadrants in their order.
    embeddings: NDArray[np.float32]  # `(n, 64)`.
    points: NDArray[np.float32] | None = None  # `(n, 2)` valence and arousal in [-1, 1], from a network that regresses.


# What else a network returns is for its own loss.
_SERVED = len(Outputs._fields)


def device_of(name: str) -> torch.device:
    """Return the device that a name means: "auto" (CUDA where there is some), "cpu", "cuda" (the first) or "cuda:1".

    Raises:
        DeviceUnavailableError: The name means nothing, or this machine lacks the device.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", name):
        raise DeviceUnavailableError(f"There is no device {name!r}; it can be auto, cpu, cuda or cuda:1.")
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise DeviceUnavailableError("CUDA was asked for, but torch sees no CUDA device on this machine.")
    number, count = int(name.partition(":")[2] or 0), torch.cuda.device_count()
    if number >= count:
        last = f" to cuda:{count - 1}" if count > 1 else ""
        raise DeviceUnavailableError(f"{name} was asked for, but this machine has only cuda:0{last}.")
    return torch.device("cuda", number)


def channels_last(network: _Module) -> _Module:
    """Lay a network's weights out as its convolutions are fastest on; changed in place."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def for_songs(network: nn.Module, frontend: FrontEnd) -> nn.Module:
    """Return what answers once for each song: the network, or its mean over the chunks that the front end makes."""
    return network if frontend.chunks == 1 else OverChunks(network, frontend.chunks)


class TorchEngine:
    """torch: float32 on the CPU, bf16 with channels_last on CUDA.

    Raises:
        DeviceUnavailableError: The device is missing; it does not fall back to the CPU silently.
    """

    name = "torch"

    def __init__(self, network: nn.Module, frontend: FrontEnd, device: str = "cpu") -> None:
        self._frontend = frontend
        self._device = device_of(device)
        self._network = channels_last(for_songs(network.eval(), frontend).to(self._device))
        self._bf16 = self._device.type == "cuda"
        self.device = f"{self._device} {torch.cuda.get_device_name(self._device)}" if self._bf16 else "cpu"

    @torch.inference_mode()
    def run(self, prepared: NDArray[np.float32]) -> Outputs:
        """Judge songs that the front end prepared, `(n, *frontend.prepared_shape)`."""
        inputs = self._frontend.tensor(torch.from_numpy(prepared).to(self._device))
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            return Outputs(*(tensor.float().cpu().numpy() for tensor in self._network(inputs)[:_SERVED]))


def compile_openvino(
    network: nn.Module, shape: Sequence[int], *, precision: str = "f32", **options: str
) -> openvino.CompiledModel:
    """Compile a network, which it puts in evaluation mode, for the CPU and batches of any size.

    `shape` is that of one input, `precision` "f32" or "bf16"; `options` are properties of OpenVINO's compilation.
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


class Features:
    """What a network's `features` makes of a batch: by OpenVINO on the CPU, by torch on CUDA.

    The network is copied, and stays where it is. With `precision` "bf16" a batch is faster and less exact.
    """

    def __init__(
        self, network: nn.Module, shape: Sequence[int], device: torch.device, *, precision: str = "f32"
    ) -> None:
        self._device, self._bf16 = device, precision == "bf16"
        self._network = self._compiled = None
        if device.type == "cpu":
            self._compiled = compile_openvino(_OnlyFeatures(network), shape, precision=precision)
        else:
            self._network = channels_last(copy.deepcopy(network).eval().to(device))

    @torch.inference_mode()
    def __call__(self, inputs: Tensor) -> Tensor:
        """Return features `(n, n_features)` float32, on the device, of inputs `(n, *shape)`."""
        if self._network is None:
            assert self._compiled is not None
            # OpenVINO reads memory in the order of the axes.
            return torch.from_numpy(np.array(self._compiled(inputs.contiguous().numpy())[0], np.float32))
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            features: Tensor = self._network.features(inputs.to(self._device))  # type: ignore[operator]
        return features.float()


class _OnlyFeatures(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> tuple[Tensor]:
        return (self.network.features(inputs),)  # type: ignore[operator]


class OpenVinoEngine:
    """OpenVINO on the CPU, in float32; compiled once per process and cached on disk where a folder is given."""

    name = "openvino"
    device = "cpu"

    def __init__(self, network: nn.Module, frontend: FrontEnd, cache_dir: Path | None = None) -> None:
        self._frontend = frontend
        # With several streams OpenVINO 2026.4 gives wrong sums for hybrid-b3; one batch at a time needs only one.
        options = {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": "1"}
        options |= {"CACHE_DIR": str(cache_dir)} if cache_dir else {}
        chunks = (frontend.chunks,) if frontend.chunks > 1 else ()
        self._compiled = compile_openvino(for_songs(network, frontend), (*chunks, *frontend.input_shape), **options)

    def run(self, prepared: NDArray[np.float32]) -> Outputs:
        inputs = self._frontend.tensor(torch.from_numpy(prepared)).numpy()
        # OpenVINO reads memory in the order of the axes, whatever the strides say is fastest for torch.
        result = self._compiled(np.ascontiguousarray(inputs))
        return Outputs(*(np.array(result[i], np.float32) for i in range(min(len(result), _SERVED))))


def make_engine(
    network: nn.Module, frontend: FrontEnd, *, engine: str = "auto", device: str = "auto", cache_dir: Path | None = None
) -> TorchEngine | OpenVinoEngine:
    """Choose and build an engine: "torch", "openvino", or by default torch on CUDA and OpenVINO on a CPU.

    The device is any that `device_of` knows; OpenVINO caches compiled models in `cache_dir`.

    Raises:
        DeviceUnavailableError: The device is not there, or the engine cannot use it.
    """
    chosen = device_of(device)
    if engine == "auto":
        engine = "torch" if chosen.type == "cuda" else "openvino"
    if engine == "openvino" and chosen.type != "cpu":
        raise DeviceUnavailableError("The OpenVINO engine runs on the CPU only; choose the torch engine for CUDA.")
    is_openvino = engine == "openvino"
    made = OpenVinoEngine(network, frontend, cache_dir) if is_openvino else TorchEngine(network, frontend, str(chosen))
    logger.info("The network runs on %s with %s.", made.device, made.name)
    return made


class Prediction(NamedTuple):
    """What the network says of one file, as `emotion.inference.estimate` reads it."""

    quadrant: Quadrant
    probabilities: NDArray[np.float64]  # `(4,)` calibrated, in quadrant order.
    valence: float  # Perceived, in (-1, 1), as is the arousal.
    arousal: float
    valence_sd: float  # How uncertain each is.
    arousal_sd: float
    embedding: NDArray[np.float32]  # `(64,)` of unit length.
    window_start_s: float
    window_s: float
    is_partial: bool  # Whether the file is shorter than the model's window.
    decode_ms: float  # Reading and resampling.
    mel_ms: float  # The front end.
    network_ms: float  # The batch's time divided by its size.


class BatchPrediction(NamedTuple):
    """What the network says of a batch of songs: `Prediction`, with an axis of songs in front."""

    probabilities: NDArray[np.float64]
    valence: NDArray[np.float64]
    arousal: NDArray[np.float64]
    valence_sd: NDArray[np.float64]
    arousal_sd: NDArray[np.float64]
    embeddings: NDArray[np.float32]


class _Prepared(NamedTuple):
    array: NDArray[np.float32]
    window: Window
    decode_ms: float
    mel_ms: float


class Predictor:
    """A loaded model and the engine that runs it. Loading takes seconds: keep one per process."""

    def __init__(self, card: checkpoint.Card, engine: TorchEngine | OpenVinoEngine) -> None:
        self.card = card
        self.engine = engine

    @classmethod
    def load(
        cls, weights: Path, *, engine: str = "auto", device: str = "auto", cache_dir: Path | None = None
    ) -> Predictor:
        """Load a checkpoint and build its engine.

        Raises:
            emotion.exceptions.CheckpointError: The weights or their card cannot be used.
            emotion.exceptions.DeviceUnavailableError: The device is not there.
        """
        network, card = checkpoint.load(weights)
        return cls(card, make_engine(network, card.frontend, engine=engine, device=device, cache_dir=cache_dir))

    def predict(
        self,
        sources: Sequence[_Source],
        *,
        local: Callable[[_Source], AbstractContextManager[Path]] = nullcontext,  # type: ignore[assignment]
        workers: int = 2,
    ) -> Iterator[Prediction | AudioUnreadableError]:
        """Yield a prediction for each file, in order, or the error that says why there is none.

        Threads decode at most a few batches ahead of the network, so memory stays bounded.

        Args:
            sources: Audio files: their paths, or what `local` makes one of.
            local: Lends the path of a source while it is decoded, so that at most `workers` copies lie on this machine.
            workers: Threads that decode.
        """
        # Without the limit each decoding thread's matrix product wakes a BLAS thread per core: five times slower here.
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(workers) as pool:
            for start in range(0, len(sources), BATCH_SIZE * 4):
                ahead = list(pool.map(self._prepare, map(local, sources[start : start + BATCH_SIZE * 4])))
                for batch_start in range(0, len(ahead), BATCH_SIZE):
                    batch = ahead[batch_start : batch_start + BATCH_SIZE]
                    predictions = self._predict([item for item in batch if isinstance(item, _Prepared)])
                    for item in batch:
                        yield item if isinstance(item, AudioUnreadableError) else next(predictions)

    def judge(self, prepared: NDArray[np.float32]) -> BatchPrediction:
        """Judge songs that the front end prepared, `(n, *frontend.prepared_shape)`."""
        outputs = self.engine.run(prepared)
        estimates = self.card.reading.estimates(outputs.logits / self.card.temperature, outputs.points)
        lengths = np.maximum(np.linalg.norm(outputs.embeddings, axis=1, keepdims=True), 1e-12)
        return BatchPrediction(*estimates, (outputs.embeddings / lengths).astype(np.float32))

    def _prepare(self, lent: AbstractContextManager[Path]) -> _Prepared | AudioUnreadableError:
        started = time.perf_counter()
        try:
            with lent as path:
                window = read_window(path, window_s=self.card.frontend.window_s)
        except AudioUnreadableError as error:
            return error
        decoded = time.perf_counter()
        prepared = self.card.frontend.prepare(window.waveform)
        return _Prepared(prepared, window, 1e3 * (decoded - started), 1e3 * (time.perf_counter() - decoded))

    def _predict(self, batch: Sequence[_Prepared]) -> Iterator[Prediction]:
        if not batch:
            return
        started = time.perf_counter()
        judged = self.judge(np.stack([item.array for item in batch]))
        network_ms = 1e3 * (time.perf_counter() - started) / len(batch)
        for item, probabilities, *point, embedding in zip(batch, *judged, strict=True):
            valence, arousal, valence_sd, arousal_sd = map(float, point)
            yield Prediction(
                quadrant=Quadrant.from_valence_arousal(valence, arousal),
                probabilities=probabilities,
                valence=valence,
                arousal=arousal,
                valence_sd=valence_sd,
                arousal_sd=arousal_sd,
                embedding=embedding,
                window_start_s=item.window.start_s,
                window_s=item.window.duration_s,
                is_partial=item.window.is_partial,
                decode_ms=item.decode_ms,
                mel_ms=item.mel_ms,
                network_ms=network_ms,
            )


def softmax(logits: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    """Return calibrated probabilities `(n, 4)` of logits `(n, 4)`."""
    return np.asarray(special.softmax(logits.astype(np.float64) / temperature, axis=1))
