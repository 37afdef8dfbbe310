"""Bayesian optimisation of a few numbers.

Source: Jones et al. (1998), Efficient global optimization of expensive black-box functions (expected improvement).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, qmc
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern, WhiteKernel

EVALUATIONS = 25
_FIRST = 8
_CANDIDATES = 2048


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
