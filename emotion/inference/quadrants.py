"""The four quadrants of Russell's valence/arousal plane: their order, names and geometry.

Source: Russell (1980), A circumplex model of affect; label order of the project: Q1, Q2, Q3, Q4.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from catalog.core.wording import gettext, gettext_noop


class Quadrant(IntEnum):
    """A quadrant of the plane; the value is the human number, `index` the column in a probability vector."""

    Q1 = 1
    Q2 = 2
    Q3 = 3
    Q4 = 4

    @property
    def index(self) -> int:
        return self.value - 1

    @property
    def label(self) -> str:
        """Name for people, such as "Happy"."""
        return gettext(_WORDS[self][0])

    @property
    def description(self) -> str:
        """Two plain adjectives for reasons and captions, such as "energetic and positive"."""
        return gettext(_WORDS[self][1])

    @property
    def sign(self) -> str:
        """The literature's notation, such as "A+V-"."""
        valence, arousal = self.corner
        return f"A{'+' if arousal > 0 else '-'}V{'+' if valence > 0 else '-'}"

    @property
    def corner(self) -> tuple[float, float]:
        """Signs of (valence, arousal), each -1.0 or 1.0."""
        return _CORNERS[self]

    @property
    def target(self) -> tuple[float, float]:
        """The (valence, arousal) point that stands for the quadrant as a playlist target."""
        valence, arousal = self.corner
        return 0.6 * valence, 0.6 * arousal

    @classmethod
    def from_valence_arousal(cls, valence: float, arousal: float) -> Quadrant:
        """Return the quadrant of a point; strictly above zero is high (the paper's Table 2).

        Source: Cazzaniga et al., Table 2.
        """
        if arousal > 0:
            return cls.Q1 if valence > 0 else cls.Q2
        return cls.Q4 if valence > 0 else cls.Q3


_WORDS = {
    Quadrant.Q1: (gettext_noop("Happy"), gettext_noop("energetic and positive")),
    Quadrant.Q2: (gettext_noop("Tense"), gettext_noop("energetic and dark")),
    Quadrant.Q3: (gettext_noop("Sad"), gettext_noop("quiet and sad")),
    Quadrant.Q4: (gettext_noop("Calm"), gettext_noop("calm and positive")),
}
_CORNERS = {Quadrant.Q1: (1.0, 1.0), Quadrant.Q2: (-1.0, 1.0), Quadrant.Q3: (-1.0, -1.0), Quadrant.Q4: (1.0, -1.0)}


# Nearer to the middle of an axis than the first, a point is at neither end; nearer than the second, only slightly.
_NEUTRAL, _SLIGHT = 0.15, 0.4
_PLACES = {
    (1, 1): gettext_noop("bright and lively"),
    (1, 0): gettext_noop("bright"),
    (1, -1): gettext_noop("warm and calm"),
    (0, 1): gettext_noop("lively"),
    (0, 0): gettext_noop("balanced"),
    (0, -1): gettext_noop("quiet"),
    (-1, 1): gettext_noop("dark and driving"),
    (-1, 0): gettext_noop("dark"),
    (-1, -1): gettext_noop("sad and quiet"),
}


def place_words(valence: float, arousal: float) -> str:
    """Describe a point of the plane to a listener, such as "bright and lively" or "slightly dark"."""
    end = _end_of(valence), _end_of(arousal)
    words = gettext(_PLACES[end])
    if any(end) and max(abs(valence), abs(arousal)) < _SLIGHT:
        return gettext("slightly %(words)s") % {"words": words}
    return words


def _end_of(value: float) -> int:
    return 0 if abs(value) < _NEUTRAL else 1 if value > 0 else -1


def valence_arousal_from_probabilities(
    probabilities: NDArray[np.floating],
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Project quadrant probabilities `(..., 4)` onto the plane: valence and arousal, each `(...)`, in [-1, 1]."""
    p1, p2, p3, p4 = np.moveaxis(np.asarray(probabilities), -1, 0)
    return p1 + p4 - p2 - p3, p1 + p2 - p3 - p4


# An override has no probability: where a number is needed it is 1, which no model reaches.
CURATOR_CONFIDENCE = 1.0
MODEL_CONFIDENCE_MAX = 0.9999
