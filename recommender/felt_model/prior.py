"""Where a listener's model starts: what listeners have in common, and how far they differ from one another. Pure.

What listener u feels is one of two things. With probability stay_u the song leaves them as they were, and the answer
is the mood before within a little. Else the answer on each axis is x'(mean + w_u) + noise, w_u ~ N(0, variances),
with a Student-t noise: x holds 1, the mood before, whether the song is familiar, its perceived point and its projected
embedding. `stay_u` has a Beta prior. Everything here is learned from all listeners' ratings (`learning`).

Source: Laird and Ware (1982), Random-effects models for longitudinal data; Lange, Little and Taylor (1989), Robust
statistical modelling using the t distribution. That a share of songs changes nothing is what SiTunes shows: half of
its answers lie within .12 of the mood before, a quarter beyond .30 (docs/listeners.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.felt_model.ratings import N_NAMED

# Degrees of freedom of the noise: an answer that fits nothing else counts little.
NOISE_DF = 4.0


@dataclass(frozen=True, slots=True)
class Prior:
    """What is expected of a listener before they said anything; the first index is the axis of what is felt.

    `mean` and `variances` `(2, 6)`, of the coefficients of the named features (`ratings.features`); `timbre` `(2, d)`,
    the mean coefficients on embeddings, `(2, 0)` when none were learned; `timbre_variance` `(2,)`, of the coefficient
    on each projected dimension; `noise` `(2, 2)`, the noise's variance with the mood before unknown and known;
    `stay` `(2,)`, the Beta's counts of songs that changed nothing and that did; `stay_sd` `(2,)`, how exactly such an
    answer repeats the mood before; `liking` `(4,)`: mean and variance of how much a listener likes songs at large,
    variance of each coefficient of liking on the projected embedding, and variance of an answer.
    """

    mean: NDArray[np.float64]
    variances: NDArray[np.float64]
    timbre: NDArray[np.float64]
    timbre_variance: NDArray[np.float64]
    noise: NDArray[np.float64]
    stay: NDArray[np.float64]
    stay_sd: NDArray[np.float64]
    liking: NDArray[np.float64]

    @classmethod
    def default(cls) -> Prior:
        """Return the prior of a new installation: what is felt is what is perceived, moved by the mood before.

        The numbers but the slope of 1 on what is perceived are rounded from fits to real listeners: those of SiTunes
        for mood, spread, noise and liking (docs/listeners.md).
        """
        return cls(
            mean=np.array([[0.0, 0.45, 0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.45, 0.0, 0.0, 1.0]]),
            variances=np.array([[0.01, 0.03, 0.006, 0.005, 0.01, 0.004], [0.01, 0.006, 0.03, 0.005, 0.004, 0.01]]),
            timbre=np.zeros((2, 0)),
            timbre_variance=np.array([0.01, 0.01]),
            noise=np.array([[0.06, 0.045], [0.08, 0.045]]),
            stay=np.array([0.9, 2.1]),
            stay_sd=np.array([0.07, 0.07]),
            liking=np.array([0.0, 0.04, 0.08, 0.3]),
        )

    def coefficients(self, basis: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean coefficients `(2, 6 + r)` on features made with a basis `(r, d)`.

        What was learned on embeddings of another length means nothing here, and is left out.
        """
        known = self.timbre.shape[1] == basis.shape[1]
        return np.hstack([self.mean, self.timbre @ basis.T if known else np.zeros((2, len(basis)))])

    def spread(self, basis: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the variances `(2, 6 + r)` of the coefficients between listeners."""
        return np.hstack([self.variances, np.repeat(self.timbre_variance[:, None], len(basis), axis=1)])

    def as_json(self) -> dict[str, Any]:
        """Return plain lists, for a row."""
        return {name: getattr(self, name).tolist() for name in self.__slots__}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Prior:
        """Read what `as_json` wrote.

        Raises:
            ValueError: it is not a prior, or holds a number that is not finite or a variance that is not positive.
        """
        try:
            read = cls(**{name: np.asarray(stored[name], np.float64) for name in cls.__slots__})
        except (KeyError, TypeError) as error:
            raise ValueError(f"This is not a stored prior: {error}") from error
        read._check()
        return read

    def _check(self) -> None:
        shapes = {"mean": (2, N_NAMED), "variances": (2, N_NAMED), "timbre_variance": (2,), "noise": (2, 2)}
        shapes |= {"stay": (2,), "stay_sd": (2,), "liking": (4,), "timbre": (2, self.timbre.shape[-1])}
        for name, shape in shapes.items():
            values = getattr(self, name)
            if values.shape != shape:
                raise ValueError(f"The stored prior's {name} has the shape {values.shape}, not {shape}.")
            if not np.isfinite(values).all():
                raise ValueError(f"The stored prior's {name} holds a number that is not finite.")
        positive = (self.variances, self.timbre_variance, self.noise, self.stay, self.stay_sd, self.liking[1:])
        if min(values.min() for values in positive) <= 0:
            raise ValueError("The stored prior holds a variance or a count that is not positive.")
