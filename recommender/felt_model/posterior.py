"""One listener: the posterior over how they differ from the mean, and over how often songs leave them as they were.

Pure. Source: Bishop (2006), Pattern Recognition and Machine Learning, sections 3.3 (a linear model's posterior) and 9.4
(expectation maximisation); the Student-t noise is a Gaussian whose precision is drawn for each answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import lgamma, log, pi

import numpy as np
from numpy.typing import NDArray

from recommender.felt_model.prior import NOISE_DF
from recommender.felt_model.ratings import Ratings

_ITERATIONS = 10
_T_CONSTANT = lgamma((NOISE_DF + 1) / 2) - lgamma(NOISE_DF / 2) - 0.5 * log(NOISE_DF * pi)


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers set against the prior's mean.

    `x` `(m, p)`, features; `residuals` `(m, 2)`, what was felt less what the mean expects; `noise` `(m, 2)`, variance;
    `unmoved` `(m, 2)`, what was felt less the mood before, NaN when that is not known; `weights` `(m,)`.
    """

    x: NDArray[np.float64]
    residuals: NDArray[np.float64]
    noise: NDArray[np.float64]
    unmoved: NDArray[np.float64]
    weights: NDArray[np.float64]

    @classmethod
    def of(
        cls, usable: Ratings, x: NDArray[np.float64], mean: NDArray[np.float64], noise: NDArray[np.float64]
    ) -> Answers:
        """Set usable ratings with features `x` against mean coefficients `(2, p)`; `noise` `(2, 2)` is as a prior's."""
        return cls(
            x=x,
            residuals=usable.felt - x @ mean.T,
            noise=noise[:, usable.mood_known].T,
            unmoved=usable.felt - usable.moods,
            weights=usable.weights,
        )


@dataclass(frozen=True, slots=True)
class Posterior:
    """Deviations from the mean: `mean` `(2, p)`, `covariance` `(2, p, p)`.

    `precision` `(2, m)`: how much each answer counts, 1 / variance; `squares` `(2, m)`: its expected squared error;
    `moved` `(m,)`: the probability that the song did something; `stay` `(2,)`: the Beta's counts by now.
    """

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    precision: NDArray[np.float64]
    squares: NDArray[np.float64]
    moved: NDArray[np.float64]
    stay: NDArray[np.float64]

    @property
    def stay_share(self) -> float:
        """The expected share of songs that leave the listener as they were."""
        return float(self.stay[0] / self.stay.sum())


def infer(
    answers: Answers,
    spread: NDArray[np.float64],
    stay: NDArray[np.float64],
    stay_sd: NDArray[np.float64],
    uncertainty: NDArray[np.float64] | None = None,
) -> Posterior:
    """Infer how a listener differs from the mean.

    Args:
        answers: `m` of them; without any, the result is the prior.
        spread: variances `(2, p)` of the deviations between listeners.
        stay: `(2,)`, the Beta's counts.
        stay_sd: `(2,)`, how exactly an answer repeats the mood when a song changed nothing.
        uncertainty: `(2, m)`, variance of each expectation, when the mean itself is being learned.
    """
    share = stay[0] / stay.sum()
    known: NDArray[np.bool_] = np.asarray(np.isfinite(answers.unmoved).all(axis=1))
    repeats = _log_normal(np.where(known[:, None], answers.unmoved, 0.0), stay_sd).sum(axis=1)
    moved = np.where(known, 1.0 - share, 1.0)
    precision = moved * answers.weights / answers.noise.T
    mean, covariance, squares = _regress(answers, precision, spread, uncertainty)
    for _ in range(_ITERATIONS if len(known) else 0):
        differs = _log_t(squares, answers.noise.T).sum(axis=0)
        gap = np.clip(log(share) - log(1 - share) + repeats - differs, -50, 50)
        moved = np.where(known, 1.0 / (1.0 + np.exp(gap)), 1.0)
        robust = (NOISE_DF + 1) / (NOISE_DF + squares / answers.noise.T)
        precision = moved * robust * answers.weights / answers.noise.T
        mean, covariance, squares = _regress(answers, precision, spread, uncertainty)
        counts = _counts(stay, moved[known], answers.weights[known])
        share = counts[0] / counts.sum()
    return Posterior(mean, covariance, precision, squares, moved, _counts(stay, moved[known], answers.weights[known]))


def _counts(stay: NDArray[np.float64], moved: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return stay + np.array([weights @ (1 - moved), weights @ moved])


def _regress(
    answers: Answers,
    precision: NDArray[np.float64],
    spread: NDArray[np.float64],
    uncertainty: NDArray[np.float64] | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return mean `(2, p)`, covariance `(2, p, p)` and expected squared errors `(2, m)` for given precisions."""
    x = answers.x
    weighted = precision[:, :, None] * x
    told = weighted.transpose(0, 2, 1) @ x
    covariance = np.linalg.inv(told + np.apply_along_axis(np.diag, 1, 1.0 / spread))
    pull = (weighted * answers.residuals.T[:, :, None]).sum(axis=1)
    mean = (covariance @ pull[:, :, None])[:, :, 0]
    squares = (answers.residuals.T - mean @ x.T) ** 2 + ((x @ covariance) * x).sum(axis=2)
    return mean, covariance, squares if uncertainty is None else squares + uncertainty


def _log_normal(errors: NDArray[np.float64], sd: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(-0.5 * (errors / sd) ** 2 - np.log(sd) - 0.5 * log(2 * pi))


def _log_t(squares: NDArray[np.float64], variance: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = -0.5 * np.log(variance) - (NOISE_DF + 1) / 2 * np.log1p(squares / (NOISE_DF * variance))
    return np.asarray(_T_CONSTANT + spread)
