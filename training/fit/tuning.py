"""Bayesian optimisation of a few numbers, and with it the support vector machine of Louro et al. inside one fold.

Source: Louro et al., section 3.1 ("a Bayesian optimization method"); Jones et al. (1998), Efficient global optimization
of expensive black-box functions (expected improvement). What Louro et al. do not say are choices of this project: the
process, the bounds, 25 evaluations, and that five inner folds that share no artist score them by macro-F1.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, qmc
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern, WhiteKernel
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import Tensor

from emotion.zoo.svm import Svm
from training.fit import relieff

EVALUATIONS = 25
_FIRST = 8
_CANDIDATES = 2048
# Of log2 C, and of log2 of gamma times the number of columns.
SVM_BOUNDS = ((-4.0, 8.0), (-6.0, 3.0))
_INNER_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Tuned:
    """The best of the evaluated points, its score, and all of them in order."""

    point: tuple[float, ...]
    score: float
    points: NDArray[np.float64]  # `(n, n_numbers)`
    scores: NDArray[np.float64]  # `(n,)`


def maximise(
    score: Callable[[tuple[float, ...]], float],
    bounds: Sequence[tuple[float, float]],
    *,
    seed: int,
    evaluations: int = EVALUATIONS,
) -> Tuned:
    """Maximise a costly score within bounds: a few spread points, then those of the largest expected improvement.

    A Gaussian process (Matern 5/2 with a length for each number, and noise) stands in for the score. The same seed and
    scores give the same points.
    """
    low, high = np.array(bounds, np.float64).T
    rng = np.random.default_rng(seed)
    with warnings.catch_warnings():
        # Eight points of a Sobol sequence are balanced; any other number is too few to matter.
        warnings.filterwarnings("ignore", message="The balance properties", category=UserWarning)
        unit = qmc.Sobol(len(low), rng=rng).random(min(_FIRST, evaluations))
    scores = [score(_at(row, low, high)) for row in unit]
    for _ in range(evaluations - len(unit)):
        candidates = rng.random((_CANDIDATES, len(low)))
        chosen = candidates[_expected_improvement(unit, np.array(scores), candidates, rng).argmax()]
        unit = np.vstack([unit, chosen])
        scores.append(score(_at(chosen, low, high)))
    found = np.array(scores)
    best = int(found.argmax())
    return Tuned(_at(unit[best], low, high), scores[best], low + unit * (high - low), found)


def _at(unit: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple((low + unit * (high - low)).tolist())


def _expected_improvement(
    points: NDArray[np.float64], scores: NDArray[np.float64], candidates: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    kernel = Matern([0.5] * points.shape[1], (0.05, 5.0), nu=2.5) + WhiteKernel(0.1, (1e-4, 1.0))
    spread = scores.std() or 1.0
    standard = (scores - scores.mean()) / spread
    process = GaussianProcessRegressor(kernel, n_restarts_optimizer=2, random_state=int(rng.integers(2**31)))
    with warnings.catch_warnings():
        # A length at its bound is a number that hardly matters.
        warnings.simplefilter("ignore", ConvergenceWarning)
        process.fit(points, standard)
    mean, deviation = process.predict(candidates, return_std=True)
    # The best so far as the process sees it: a lucky evaluation is no bar.
    gain = mean - process.predict(points).max()
    z = gain / np.maximum(deviation, 1e-9)
    return np.asarray(gain * norm.cdf(z) + deviation * norm.pdf(z))


def fit_svm(
    machine: Svm,
    inputs: Tensor,
    quadrants: Tensor,
    *,
    groups: NDArray[np.int64],
    seed: int,
    evaluations: int = EVALUATIONS,
) -> Tuned:
    """Rank the features, tune C and gamma, and fit a machine, in place, all on the clips of a training fold.

    In each inner fold the features are ranked and scaled without the clips that score it.

    Args:
        machine: Of `machine.config.n_columns` columns.
        inputs: `(n, n_features)`.
        quadrants: `(n,)` 0 to 3.
        groups: `(n,)` equal for clips that stay on one side, such as those of one artist.
        seed: Of the inner folds and of the search.
        evaluations: How many pairs of C and gamma are tried.

    Returns:
        The search, over log2 C and log2 of gamma times the number of columns.

    Raises:
        ValueError: A quadrant has no clip, or the groups are too few for inner folds.
    """
    features, targets = inputs.cpu().numpy(), quadrants.cpu().numpy()
    n_columns = machine.config.n_columns
    splitter = StratifiedGroupKFold(_INNER_FOLDS, shuffle=True, random_state=seed)
    folds = []
    for train, test in splitter.split(features, targets, groups):
        columns = relieff.top_ranked(features[train], targets[train], n_columns)
        folds.append((features[np.ix_(train, columns)], targets[train], features[np.ix_(test, columns)], targets[test]))

    truth = np.concatenate([fold[3] for fold in folds])

    def score(point: tuple[float, ...]) -> float:
        c, gamma = numbers_of(point, n_columns)
        said = []
        for train, learned, test, _ in folds:
            said.append(make_pipeline(StandardScaler(), SVC(C=c, gamma=gamma)).fit(train, learned).predict(test))
        return float(f1_score(truth, np.concatenate(said), average="macro"))

    tuned = maximise(score, SVM_BOUNDS, seed=seed, evaluations=evaluations)
    c, gamma = numbers_of(tuned.point, n_columns)
    machine.config = replace(machine.config, c=c, gamma=gamma)
    machine.select(relieff.top_ranked(features, targets, n_columns))
    machine.fit(inputs, quadrants, groups)
    return tuned


def numbers_of(point: Sequence[float], n_columns: int) -> tuple[float, float]:
    """Return the C and the gamma of a point that `fit_svm` searched."""
    return float(2.0 ** point[0]), float(2.0 ** point[1]) / n_columns
