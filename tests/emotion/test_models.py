"""Which moods an estimate leaves open."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logit

from emotion.inference.estimate import quadrant_probabilities
from emotion.inference.quadrants import Quadrant
from emotion.models import UNDECIDED, EmotionEstimate

Q1, Q2, Q3, Q4 = Quadrant


@pytest.mark.parametrize(
    ("valence_high", "arousal_high", "between"),
    [
        (0.9, 0.8, []),
        (0.1, 0.8, []),
        (0.55, 0.9, [Q1, Q2]),
        (0.45, 0.1, [Q3, Q4]),
        (0.8, 0.5, [Q1, Q4]),
        (0.2, 0.41, [Q2, Q3]),
        (0.5, 0.59, [Q1, Q2, Q3, Q4]),
    ],
)
def test_a_model_is_undecided_between_two_moods_or_all_four(
    valence_high: float, arousal_high: float, between: list[Quadrant]
) -> None:
    [probabilities] = quadrant_probabilities(logit(np.array([[valence_high, arousal_high]])))
    estimate = EmotionEstimate(**{f"p_q{i}": p for i, p in enumerate(probabilities, start=1)})
    assert estimate.between == between


@pytest.mark.parametrize(("side", "between"), [(UNDECIDED[0], [Q2, Q3]), (UNDECIDED[1], [Q1, Q4])])
def test_at_the_limits_the_model_is_decided(side: float, between: list[Quadrant]) -> None:
    half, other = side / 2, (1.0 - side) / 2
    assert EmotionEstimate(p_q1=half, p_q2=other, p_q3=other, p_q4=half).between == between
