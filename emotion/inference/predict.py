"""From files to quadrant probabilities, in batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import special
from threadpoolctl import threadpool_limits

from emotion.exceptions import AudioUnreadableError
from emotion.inference import checkpoint
from emotion.inference.engines import Engine, make_engine
from emotion.inference.quadrants import Quadrant, nearest_in_quadrant, valence_arousal_from_probabilities
from emotion.signal.audio import Window, read_window

BATCH_SIZE = 8
_Source = TypeVar("_Source")


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the network says of one file.

    Attributes:
        probabilities: `(4,)` calibrated, in quadrant order.
        valence: Perceived, [-1, 1].
        arousal: Perceived, [-1, 1].
        embedding: `(64,)` float32 of unit length.
        window_start_s: Where the window begins.
        window_s: How long it is.
        is_partial: Whether the file was shorter than the model's window.
        decode_ms: Reading and resampling.
        mel_ms: The front end.
        network_ms: The batch's time divided by its size.
    """

    quadrant: Quadrant
    probabilities: NDArray[np.float64]
    valence: float
    arousal: float
    embedding: NDArray[np.float32]
    window_start_s: float
    window_s: float
    is_partial: bool
    decode_ms: float
    mel_ms: float
    network_ms: float


class BatchPrediction(NamedTuple):
    """What the network says of a batch of songs, calibrated and without contradictions.

    Attributes:
        probabilities: `(n, 4)`, in quadrant order.
        valence: `(n,)`, [-1, 1].
        arousal: `(n,)`, [-1, 1].
        embeddings: `(n, 64)` float32 of unit length.
    """

    probabilities: NDArray[np.float64]
    valence: NDArray[np.floating]
    arousal: NDArray[np.floating]
    embeddings: NDArray[np.float32]


class _Prepared(NamedTuple):
    frontend_output: NDArray[np.float32]
    window: Window
    decode_ms: float
    mel_ms: float


class Predictor:
    """A loaded model and the engine that runs it. Loading takes seconds: keep one per process."""

    def __init__(self, card: checkpoint.Card, engine: Engine) -> None:
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
        """Predict files in batches, in order.

        Threads decode at most a few batches ahead of the network, so memory stays bounded.

        Args:
            sources: Audio files: their paths, or what `local` makes one of.
            local: Lends the path of a source while it is decoded, so that at most `workers` copies lie on this machine.
            workers: Threads that decode.

        Yields:
            A prediction per file, or the error that says why there is none; one bad file does not stop the others.
        """
        # Without the limit each decoding thread's matrix product wakes a BLAS thread per core: five times slower here.
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(workers) as pool:
            for start in range(0, len(sources), BATCH_SIZE * 4):
                ahead = list(pool.map(self._prepare, map(local, sources[start : start + BATCH_SIZE * 4])))
                for batch_start in range(0, len(ahead), BATCH_SIZE):
                    batch = ahead[batch_start : batch_start + BATCH_SIZE]
                    predictions = iter(self._predict([item for item in batch if isinstance(item, _Prepared)]))
                    for item in batch:
                        yield item if isinstance(item, AudioUnreadableError) else next(predictions)

    def judge(self, prepared: NDArray[np.float32]) -> BatchPrediction:
        """Judge songs that the front end prepared, `(n, *frontend.prepared_shape)`."""
        outputs = self.engine.run(prepared)
        probabilities = softmax(outputs.logits, self.card.temperature)
        valence, arousal = points_of(probabilities, outputs.points)
        lengths = np.maximum(np.linalg.norm(outputs.embeddings, axis=1, keepdims=True), 1e-12)
        return BatchPrediction(probabilities, valence, arousal, (outputs.embeddings / lengths).astype(np.float32))

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

    def _predict(self, prepared: Sequence[_Prepared]) -> list[Prediction]:
        if not prepared:
            return []
        started = time.perf_counter()
        judged = self.judge(np.stack([item.frontend_output for item in prepared]))
        network_ms = 1e3 * (time.perf_counter() - started) / len(prepared)
        return [
            Prediction(
                quadrant=Quadrant(int(probabilities.argmax()) + 1),
                probabilities=probabilities,
                valence=float(valence),
                arousal=float(arousal),
                embedding=embedding,
                window_start_s=item.window.start_s,
                window_s=item.window.duration_s,
                is_partial=item.window.is_partial,
                decode_ms=item.decode_ms,
                mel_ms=item.mel_ms,
                network_ms=network_ms,
            )
            for item, probabilities, valence, arousal, embedding in zip(prepared, *judged, strict=True)
        ]


def points_of(
    probabilities: NDArray[np.floating], points: NDArray[np.floating] | None
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return valence and arousal, each `(n,)`, that never contradict the likeliest quadrant.

    Args:
        probabilities: `(n, 4)`.
        points: `(n, 2)` from a network that regresses; without them the probabilities are projected.
    """
    valence, arousal = valence_arousal_from_probabilities(probabilities) if points is None else points.T.astype(float)
    return nearest_in_quadrant(valence, arousal, probabilities.argmax(axis=-1))


def softmax(logits: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    """Return calibrated probabilities `(n, 4)` of logits `(n, 4)`."""
    return np.asarray(special.softmax(logits.astype(np.float64) / temperature, axis=1))
