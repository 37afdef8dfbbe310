"""One estimate: whatever a network returns, tag, point and probabilities agree."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import logistic, norm

from emotion.inference.estimate import Axis, Reading, margins_of, quadrant_probabilities
from emotion.inference.quadrants import Quadrant, valence_arousal_from_probabilities

READING = Reading(Axis(0.9, 1.4, 2.2), Axis(1.1, 0.6, 3.1))
_REAL = st.floats(-30, 30, allow_subnormal=False)
_UNIT = st.floats(-1, 1, allow_subnormal=False)


@given(st.tuples(_REAL, _REAL, _REAL, _REAL), st.tuples(_UNIT, _UNIT))
def test_tag_point_and_probabilities_agree(logits: tuple[float, ...], point: tuple[float, float]) -> None:
    [probabilities], [valence], [arousal], *_ = READING.estimates(np.array([logits]), np.array([point]))
    assert probabilities.sum() == pytest.approx(1)
    quadrant = Quadrant.from_valence_arousal(valence, arousal)
    assert probabilities[quadrant.index] == probabilities.max()
    assert -1 <= valence <= 1
    assert -1 <= arousal <= 1
    for value, projected in zip((valence, arousal), valence_arousal_from_probabilities(probabilities), strict=True):
        assert value * projected >= 0 or abs(projected) < 1e-12


def test_the_mass_on_a_side_is_its_probability() -> None:
    score, reach = 0.7, 2.5
    sides = quadrant_probabilities(np.array([[score, -1.2]]))[0]
    seen = np.tanh(logistic.rvs(loc=score, size=200_000, random_state=3) / reach)
    assert sides[[0, 3]].sum() == pytest.approx((seen > 0).mean(), abs=0.005)
    reading = Reading(Axis(1.0, 0.0, reach), Axis())
    estimate = reading.estimates(np.log(sides)[None])
    assert estimate.valence[0] == pytest.approx(np.median(seen), abs=0.005)
    low, high = np.quantile(seen, norm.cdf([-1, 1]))
    assert estimate.valence_sd[0] == pytest.approx((high - low) / 2, abs=0.005)


def test_a_card_without_a_reading_shows_the_difference_of_the_sides() -> None:
    logits = np.array([[2.0, 0.5, -1.0, 0.3]])
    softmax = np.exp(logits) / np.exp(logits).sum()
    estimate = Reading().estimates(logits)
    np.testing.assert_allclose(
        [estimate.valence, estimate.arousal], valence_arousal_from_probabilities(softmax), atol=1e-12
    )


def test_margins_are_log_odds() -> None:
    probabilities = np.array([[0.4, 0.3, 0.2, 0.1]])
    np.testing.assert_allclose(margins_of(np.log(probabilities)), [[0.0, np.log(0.7 / 0.3)]], atol=1e-12)


def test_a_reading_survives_its_card() -> None:
    assert Reading.from_json(READING.to_json()) == READING
    assert Reading.from_json(None) == Reading()
    with pytest.raises(TypeError):
        Reading.from_json({"valence": {"slope": 1.0}})


def test_the_uncertainty_of_a_stored_point_is_that_of_its_estimate() -> None:
    logits = np.random.default_rng(0).normal(0, 2, (50, 4))
    estimates = READING.estimates(logits, np.zeros((50, 2)))
    stored = np.column_stack([estimates.valence, estimates.arousal]).astype(np.float32)
    expected = np.column_stack([estimates.valence_sd, estimates.arousal_sd])
    assert READING.uncertainty(stored) == pytest.approx(expected, abs=1e-3)
    assert np.isnan(READING.uncertainty(np.full((1, 2), np.nan))).all()
