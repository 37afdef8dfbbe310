"""One estimate of a song, from which tag, probabilities, point and uncertainty follow; none contradicts another.

Each axis has a score s: the perceived side is high with probability 1 / (1 + exp(-s)), that is, what people perceive
lies around s with logistic noise. The plane shows tanh(s / reach), an increasing map of fixed reach for each axis, so
the point of a song is the median of its density, and the mass of the density on either side of an axis is the
probability of that side. The axes are independent: a quadrant's probability is the product of its two sides', and the
likeliest quadrant is the one in which the point lies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_softmax, logsumexp

# One standard deviation of a normal distribution, as the score between whose two signs a logistic one has as much mass.
_ONE_SD = 1.6584
# The columns of the quadrants on the high side of each axis, and of those on the low side.
HIGH = {"valence": (0, 3), "arousal": (0, 1)}
LOW = {"valence": (1, 2), "arousal": (2, 3)}
AXES = tuple(HIGH)


class Estimates(NamedTuple):
    """Estimates of n songs.

    Attributes:
        probabilities: `(n, 4)`, in quadrant order; the likeliest quadrant is that of the point.
        valence: `(n,)`, in (-1, 1).
        arousal: `(n,)`, in (-1, 1).
        valence_sd: `(n,)`, the uncertainty of valence: half of the middle 68 %.
        arousal_sd: `(n,)`.
    """

    probabilities: NDArray[np.float64]
    valence: NDArray[np.float64]
    arousal: NDArray[np.float64]
    valence_sd: NDArray[np.float64]
    arousal_sd: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Axis:
    """How the score of one axis is made of a network's outputs, and where the plane shows it.

    Attributes:
        margin: Weight of the log odds of the axis's sides under the quadrants' probabilities.
        regression: Weight of the network's own output of the axis; 0 for a network without one.
        reach: The score that the plane shows at tanh(1) = .76.
    """

    margin: float = 1.0
    regression: float = 0.0
    reach: float = 2.0

    def __post_init__(self) -> None:
        if not (0 <= self.margin < np.inf and 0 <= self.regression < np.inf and 0 < self.reach < np.inf):
            raise ValueError(f"{self} reads no score: weights are 0 or more, the reach is above 0, all are finite")


@dataclass(frozen=True, slots=True)
class Reading:
    """How estimates are read from a network's outputs; fitted on training clips and saved on the model's card.

    The default is for a model without one: the margins of its calibrated probabilities, shown at P(high) - P(low).
    """

    valence: Axis = field(default_factory=Axis)
    arousal: Axis = field(default_factory=Axis)

    @classmethod
    def from_json(cls, raw: Mapping[str, Mapping[str, float]] | None) -> Reading:
        """Read what a card holds; a card of before 0.3 holds none.

        Raises:
            TypeError, AttributeError: It has numbers of another kind.
            ValueError: No score can be read with them.
        """
        return cls() if raw is None else cls(**{name: Axis(**numbers) for name, numbers in raw.items()})

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as plain dictionaries."""
        return asdict(self)

    def scores(self, logits: NDArray[np.floating], points: NDArray[np.floating] | None = None) -> NDArray[np.float64]:
        """Return the scores `(n, 2)` of valence and arousal.

        Args:
            logits: `(n, 4)`, divided by the card's temperature.
            points: `(n, 2)` from a network that regresses, or None.
        """
        margins = margins_of(logits)
        regressions = np.zeros_like(margins) if points is None else points.astype(np.float64)
        axes = (self.valence, self.arousal)
        return np.stack(
            [axis.margin * margins[:, i] + axis.regression * regressions[:, i] for i, axis in enumerate(axes)], axis=1
        )

    def estimates(self, logits: NDArray[np.floating], points: NDArray[np.floating] | None = None) -> Estimates:
        """Return the estimates of n songs; arguments as in `scores`."""
        scores = self.scores(logits, points)
        reach = np.array([self.valence.reach, self.arousal.reach])
        shown, sd = np.tanh(scores / reach), _half_of_the_middle(scores, reach)
        return Estimates(quadrant_probabilities(scores), shown[:, 0], shown[:, 1], sd[:, 0], sd[:, 1])

    def uncertainty(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return how uncertain stored points `(n, 2)` of valence and arousal are, `(n, 2)`; NaN where they are NaN."""
        reach = np.array([self.valence.reach, self.arousal.reach])
        # In half precision a sure point may have been rounded to the edge, which no score reaches.
        return _half_of_the_middle(reach * np.arctanh(np.clip(points, -0.9999, 0.9999)), reach)


def _half_of_the_middle(scores: NDArray[np.float64], reach: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((np.tanh((scores + _ONE_SD) / reach) - np.tanh((scores - _ONE_SD) / reach)) / 2)


def margins_of(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the log odds `(n, 2)` of high valence and high arousal under quadrant logits `(n, 4)`."""
    log_p = log_softmax(logits.astype(np.float64), axis=1)
    sides = [(logsumexp(log_p[:, HIGH[axis]], axis=1), logsumexp(log_p[:, LOW[axis]], axis=1)) for axis in AXES]
    return np.stack([high - low for high, low in sides], axis=1)


def quadrant_probabilities(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the probabilities `(n, 4)` of the quadrants under scores `(n, 2)`: products of the axes' sides."""
    high, low = expit(scores), expit(-scores)
    (hv, ha), (lv, la) = high.T, low.T
    return np.stack([hv * ha, lv * ha, lv * la, hv * la], axis=1)
