"""Scores of quadrants and of valence and arousal, with floors and intervals clustered by artist."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq, minimize_scalar
from scipy.special import log_softmax
from sklearn.metrics import confusion_matrix

from emotion.inference.estimate import Axis, Reading, margins_of
from emotion.inference.quadrants import Quadrant
from training.evaluation.predictions import Predictions

N_BOOTSTRAP = 1000
N_BINS = 15
# Of the points of calibration clips on each axis: a plane used evenly has .58.
POINT_SD = 0.5
# Of a network's regression in the score of an axis, in units of the margin: chosen on sources left out of training.
REGRESSION_SHARE = 0.5

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class ClassScores:
    """Precision, recall and F1 of one quadrant with `n` clips, each 0 where undefined: a row of the paper's Table 4."""

    precision: float
    recall: float
    f1: float
    n: int


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of one set of predictions, and the best that a constant can do on these clips ("floor").

    Intervals are 95 %, from a bootstrap over artists. `ece` is the expected calibration error over 15 bins of equal
    mass; `brier` the mean squared distance between probabilities and truth, its floor giving the frequencies of these
    clips; `top3` how often the truth is among the three likeliest quadrants (it flatters), its floor ranking by
    frequency. Rows of `confusion` are the truth, columns the prediction, Q1 to Q4, as in `classes`.
    """

    n: int
    accuracy: float
    accuracy_interval: Interval
    macro_f1: float
    macro_f1_interval: Interval
    floor_accuracy: float
    floor_macro_f1: float
    ece: float
    brier: float
    confusion: list[list[int]]
    top3: float
    floor_top3: float
    floor_brier: float
    classes: list[ClassScores] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the scores as a plain dictionary, rounded to four digits."""
        return dict(rounded(asdict(self)))


def rounded(value: Any) -> Any:
    """Return a JSON value with every float at four digits, and null for what is not a number."""
    if isinstance(value, float):
        return round(value, 4) if np.isfinite(value) else None
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, (tuple, list)) else value


def score(truth: NDArray[np.int64], probabilities: NDArray[np.floating], artists: ArrayLike) -> Scores:
    """Score probabilities `(n, 4)` against labels `(n,)`, 0 to 3; artists `(n,)` are the clusters of the bootstrap.

    Raises:
        ValueError: There is no clip, or a label that is not a quadrant.
    """
    if not len(truth):
        raise ValueError("There is no labelled clip to score.")
    if len(strange := truth[(truth < 0) | (truth > 3)]):
        raise ValueError(f"A label is {strange[0]}; quadrants are 0 to 3, and unlabelled clips are left out.")
    predicted = probabilities.argmax(axis=1)
    confusion = confusion_matrix(truth, predicted, labels=range(4))
    drawn = resampled_sums(confusion_cells(truth, predicted), artists).reshape(-1, 4, 4)
    shares = np.bincount(truth, minlength=4) / len(truth)
    constant = np.zeros((4, 4))
    constant[:, shares.argmax()] = shares
    return Scores(
        n=len(truth),
        accuracy=float(accuracy_of(confusion)),
        accuracy_interval=interval_95(accuracy_of(drawn)),
        macro_f1=float(macro_f1_of(confusion)),
        macro_f1_interval=interval_95(macro_f1_of(drawn)),
        floor_accuracy=float(shares.max()),
        floor_macro_f1=float(macro_f1_of(constant)),
        ece=expected_calibration_error(truth, probabilities),
        brier=float(np.mean(np.sum((probabilities - np.eye(4)[truth]) ** 2, axis=1))),
        confusion=confusion.tolist(),
        top3=float(np.mean(probabilities.argmin(axis=1) != truth)),
        floor_top3=float(1 - shares.min()),
        floor_brier=float(1 - np.sum(shares**2)),
        classes=class_scores(confusion),
    )


def score_by_dataset(predictions: Predictions) -> dict[str, Scores]:
    """Score the clips of each dataset apart, in the order of the rows; clips without a quadrant are left out."""
    labelled = predictions.where(predictions.truth >= 0)
    return {name: score(part.truth, part.probabilities, part.artist) for name, part in labelled.by_dataset().items()}


def confusion_cells(truth: NDArray[np.int64], predicted: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return `(n, 16)`: for each clip a one in its cell of the confusion matrix, which they add up to."""
    return np.asarray(np.eye(16)[4 * truth + predicted])


def confusion_of(predictions: Predictions) -> NDArray[np.float64]:
    """Return the confusion matrix `(4, 4)` of labelled rows."""
    return np.asarray(confusion_cells(predictions.truth, predictions.predicted).sum(axis=0).reshape(4, 4))


def accuracy_of(confusion: NDArray[Any]) -> NDArray[np.float64]:
    """Return the accuracy of confusion matrices `(..., 4, 4)`."""
    return np.asarray(np.trace(confusion, axis1=-2, axis2=-1) / confusion.sum(axis=(-2, -1)))


def macro_f1_of(confusion: NDArray[Any]) -> NDArray[np.float64]:
    """Return the mean of the four F1 scores of confusion matrices `(..., 4, 4)`; an absent class counts 0."""
    return np.asarray(_f1_of(confusion).mean(axis=-1))


def _f1_of(confusion: NDArray[Any]) -> NDArray[np.float64]:
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    both = confusion.sum(axis=-1) + confusion.sum(axis=-2)
    return np.asarray(2 * right / np.maximum(both, np.finfo(float).tiny))


def log_loss_of(truth: NDArray[np.int64], probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return each clip's log loss `(n,)`, in nats, at most 20.7: to be certain and wrong is not infinitely bad."""
    return -np.log(np.maximum(probabilities[np.arange(len(truth)), truth].astype(np.float64), 1e-9))


def class_scores(confusion: NDArray[Any]) -> list[ClassScores]:
    """Return precision, recall and F1 of each quadrant of a confusion matrix `(4, 4)`."""
    rows = zip(np.diagonal(confusion), confusion.sum(axis=0), confusion.sum(axis=1), _f1_of(confusion), strict=True)
    return [
        ClassScores(float(hit / max(taken, 1)), float(hit / max(n, 1)), float(f1), int(n)) for hit, taken, n, f1 in rows
    ]


def resampled_sums(
    values: NDArray[np.floating], clusters: ArrayLike, *, draws: int = N_BOOTSTRAP, seed: int = 0
) -> NDArray[np.float64]:
    """Return what clips add up to when whole clusters are drawn with replacement.

    Every score here is a function of sums over clips (cells of a confusion matrix, moments), so that a bootstrap is one
    matrix product of `values` `(n, k)`. Clips of one cluster `(n,)`, such as an artist, are drawn together.

    Returns:
        `(draws, k)`.
    """
    names, cluster = np.unique(np.asarray(clusters), return_inverse=True)
    sums = np.zeros((len(names), values.shape[1]))
    np.add.at(sums, cluster, values)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(names), (draws, len(names)))
    return np.stack([np.bincount(row, minlength=len(names)) for row in drawn]) @ sums


def interval_95(values: NDArray[np.floating]) -> Interval:
    """Return the 2.5th and 97.5th percentile of bootstrapped values; draws that give no figure do not count."""
    known = values[np.isfinite(values)]
    low, high = np.percentile(known, (2.5, 97.5)) if len(known) else (np.nan, np.nan)
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class AxisScores:
    """Scores of valence or arousal on `n` rated clips, each with a 95 % interval over artists.

    `r` is Pearson's correlation; `ccc` Lin's concordance, which also asks for the right level and spread; `r2` the
    share of variance explained, negative where the mean would be better; `rmse` on the scale [-1, 1], its floor
    predicting the mean.
    """

    n: int
    r: float
    r_interval: Interval
    ccc: float
    ccc_interval: Interval
    r2: float
    r2_interval: Interval
    rmse: float
    rmse_interval: Interval
    floor_rmse: float

    def to_json(self) -> dict[str, Any]:
        """Return the scores as a plain dictionary, rounded to four digits."""
        return dict(rounded(asdict(self)))


def score_axis(rated: ArrayLike, predicted: ArrayLike, clusters: ArrayLike) -> AxisScores:
    """Score predictions of one axis of the plane, `(n,)` in [-1, 1], such as valence, against mean ratings.

    Clips with a rating of NaN are left out. `clusters` `(n,)` are those of the bootstrap: artists, or the pieces.

    Raises:
        ValueError: Fewer than three clips are rated, or a prediction of a rated clip is NaN.

    Source: Lin (1989), A concordance correlation coefficient to evaluate reproducibility.
    """
    x, y, names = np.asarray(rated, float), np.asarray(predicted, float), np.asarray(clusters)
    known = np.isfinite(x)
    x, y, names = x[known], y[known], names[known]
    if len(x) < 3:
        raise ValueError(f"{len(x)} clips are rated; a correlation needs at least three.")
    if not np.isfinite(y).all():
        raise ValueError(f"{np.sum(~np.isfinite(y))} of {len(y)} rated clips have no prediction.")
    moments = np.column_stack([np.ones_like(x), x, y, x * x, y * y, x * y])
    figures = _axis_figures(moments.sum(axis=0))
    drawn = _axis_figures(resampled_sums(moments, names))
    scores = {name: float(value) for name, value in figures.items()}
    intervals = {f"{name}_interval": interval_95(values) for name, values in drawn.items()}
    return AxisScores(n=len(x), floor_rmse=float(x.std()), **scores, **intervals)  # type: ignore[arg-type]


def _axis_figures(moments: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return r, CCC, R2 and RMSE of moments `(..., 6)`: n, x, y, xx, yy, xy summed; x is the truth."""
    n, x, y, xx, yy, xy = np.moveaxis(moments, -1, 0)
    mean_x, mean_y = x / n, y / n
    # Rounding must not make the variance of equal numbers negative.
    var_x, var_y = np.maximum(xx / n - mean_x**2, 0.0), np.maximum(yy / n - mean_y**2, 0.0)
    covariance = xy / n - mean_x * mean_y
    mse = np.maximum(xx / n - 2 * xy / n + yy / n, 0.0)
    return {
        "r": _ratio(covariance, np.sqrt(var_x * var_y)),
        "ccc": _ratio(2 * covariance, var_x + var_y + (mean_x - mean_y) ** 2),
        "r2": 1 - _ratio(mse, var_x),
        "rmse": np.sqrt(mse),
    }


def _ratio(over: NDArray[np.float64], under: NDArray[np.float64]) -> NDArray[np.float64]:
    # NaN where nothing varies.
    return np.asarray(np.where(under > 1e-12, over / np.maximum(under, 1e-12), np.nan))


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """The mean confidence and the accuracy on clips of similar confidence."""

    confidence: float
    accuracy: float
    n: int


def reliability(
    truth: NDArray[np.int64], probabilities: NDArray[np.floating], *, bins: int = N_BINS
) -> list[ReliabilityBin]:
    """Return the reliability curve over bins of equal mass, in order of confidence.

    Source: Nixon et al. (2019), Measuring calibration in deep learning (adaptive bins).
    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == truth
    parts = [part for part in np.array_split(np.argsort(confidence), bins) if len(part)]
    return [ReliabilityBin(float(confidence[part].mean()), float(correct[part].mean()), len(part)) for part in parts]


def expected_calibration_error(
    truth: NDArray[np.int64], probabilities: NDArray[np.floating], *, bins: int = N_BINS
) -> float:
    """Return the mean gap between confidence and accuracy over bins of equal mass, 0 (best) to 1."""
    curve = reliability(truth, probabilities, bins=bins)
    return float(sum(part.n * abs(part.confidence - part.accuracy) for part in curve) / len(truth))


def fit_temperature(truth: NDArray[np.int64], logits: NDArray[np.floating]) -> float:
    """Return the temperature in [0.2, 5] whose softmax of `logits / temperature` is likeliest on validation clips.

    Source: Guo et al. (2017), On calibration of modern neural networks.
    """
    grid = np.geomspace(0.2, 5.0, 241)
    losses = [-np.mean(log_softmax(logits / t, axis=1)[np.arange(len(truth)), truth]) for t in grid]
    return float(grid[int(np.argmin(losses))])


def fit_reading(
    truth: NDArray[np.int64], logits: NDArray[np.floating], points: NDArray[np.floating] | None = None
) -> Reading:
    """Fit how estimates are read from a network's outputs, on clips that it did not learn from.

    On each axis the score is the margin plus `REGRESSION_SHARE` of the regression, each scaled to a standard deviation
    of 1, times the factor under which the labelled sides are likeliest. The reach then gives the points of these clips
    a standard deviation of `POINT_SD`.

    Args:
        truth: `(n,)`, quadrants 0 to 3.
        logits: `(n, 4)`, divided by the temperature.
        points: `(n, 2)` from a network that regresses.
    """
    margins, axes = margins_of(logits), []
    for i in range(2):
        margin, regression = 1 / max(margins[:, i].std(), 1e-6), 0.0
        if points is not None:
            regression = REGRESSION_SHARE / max(points[:, i].std(), 1e-6)
        scores = margin * margins[:, i] + (0.0 if points is None else regression * points[:, i])
        sides = np.array([quadrant.corner[i] for quadrant in Quadrant])[truth] * scores
        factor = minimize_scalar(lambda k, sides=sides: np.logaddexp(0, -k * sides).mean(), bounds=(0, 20)).x
        axes.append(Axis(float(factor * margin), float(factor * regression), _reach_of(factor * scores)))
    return Reading(*axes)


def _reach_of(scores: NDArray[np.floating]) -> float:
    def excess(reach: float) -> float:
        return float(np.tanh(scores / reach).std() - POINT_SD)

    # The scores of a network that has learned nothing may all be alike.
    return float(brentq(excess, 0.05, 50.0)) if excess(0.05) > 0 > excess(50.0) else Axis().reach
