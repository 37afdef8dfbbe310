"""Scores of quadrant probabilities, with floors and intervals clustered by artist. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, f1_score

N_BOOTSTRAP = 1000


@dataclass(frozen=True, slots=True)
class Scores:
    """What one set of predictions is worth.

    Attributes:
        n: Clips.
        accuracy: Top-1, with a 95 % interval from a bootstrap over artists.
        macro_f1: Mean of the four F1 scores, with its interval.
        floor_accuracy: Always saying the most frequent class of these very clips: the best that a constant can do.
        floor_macro_f1: The same constant's macro-F1.
        ece: Expected calibration error over 15 bins of equal mass.
        brier: Mean squared distance between probabilities and the truth.
        confusion: Rows are the truth, columns what was said, Q1 to Q4.
    """

    n: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    macro_f1: float
    macro_f1_interval: tuple[float, float]
    floor_accuracy: float
    floor_macro_f1: float
    ece: float
    brier: float
    confusion: list[list[int]]

    def to_json(self) -> dict[str, Any]:
        """Return the scores as a plain dictionary, rounded to four digits."""
        return {key: _rounded(value) for key, value in asdict(self).items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    return [_rounded(item) for item in value] if isinstance(value, (tuple, list)) else value


def score(truth: NDArray[np.int64], probabilities: NDArray[np.floating], artists: Sequence[str]) -> Scores:
    """Score predictions.

    Args:
        truth: `(n,)`, 0 to 3.
        probabilities: `(n, 4)`.
        artists: Clusters of the bootstrap, one per clip.
    """
    said = probabilities.argmax(axis=1)
    constant = int(np.bincount(truth, minlength=4).argmax())
    accuracy_interval, f1_interval = _intervals(truth, said, artists)
    return Scores(
        n=len(truth),
        accuracy=float(np.mean(said == truth)),
        accuracy_interval=accuracy_interval,
        macro_f1=_macro_f1(truth, said),
        macro_f1_interval=f1_interval,
        floor_accuracy=float(np.mean(truth == constant)),
        floor_macro_f1=_macro_f1(truth, np.full_like(truth, constant)),
        ece=expected_calibration_error(truth, probabilities),
        brier=float(np.mean(np.sum((probabilities - np.eye(4)[truth]) ** 2, axis=1))),
        confusion=confusion_matrix(truth, said, labels=range(4)).tolist(),
    )


def _macro_f1(truth: NDArray[np.int64], said: NDArray[np.int64]) -> float:
    return float(f1_score(truth, said, labels=range(4), average="macro", zero_division=0.0))


def _intervals(
    truth: NDArray[np.int64], said: NDArray[np.int64], artists: Sequence[str]
) -> tuple[tuple[float, float], tuple[float, float]]:
    rng = np.random.default_rng(0)
    names, cluster = np.unique(np.asarray(artists), return_inverse=True)
    members = [np.flatnonzero(cluster == i) for i in range(len(names))]
    accuracies, f1s = [], []
    for _ in range(N_BOOTSTRAP):
        drawn = np.concatenate([members[i] for i in rng.integers(0, len(names), len(names))])
        accuracies.append(np.mean(said[drawn] == truth[drawn]))
        f1s.append(_macro_f1(truth[drawn], said[drawn]))
    return _percentiles(accuracies), _percentiles(f1s)


def _percentiles(values: Sequence[float]) -> tuple[float, float]:
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)


def expected_calibration_error(
    truth: NDArray[np.int64], probabilities: NDArray[np.floating], *, bins: int = 15
) -> float:
    """Return the mean gap between confidence and accuracy over bins of equal mass, 0 (best) to 1.

    Source: Nixon et al. (2019), Measuring calibration in deep learning (adaptive bins).
    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == truth
    order = np.argsort(confidence)
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return float(sum(len(part) * abs(confidence[part].mean() - correct[part].mean()) for part in parts) / len(truth))


def fit_temperature(truth: NDArray[np.int64], logits: NDArray[np.floating]) -> float:
    """Return the temperature in [0.2, 5] whose softmax of `logits / temperature` is likeliest on validation clips.

    Source: Guo et al. (2017), On calibration of modern neural networks.
    """
    grid = np.geomspace(0.2, 5.0, 241)
    losses = [-np.mean(log_softmax(logits / t)[np.arange(len(truth)), truth]) for t in grid]
    return float(grid[int(np.argmin(losses))])


def log_softmax(logits: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return logarithms of probabilities, `(n, 4)`."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
