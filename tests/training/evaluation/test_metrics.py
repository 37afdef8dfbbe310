import numpy as np
import pytest
from scipy import stats
from scipy.special import expit
from sklearn.metrics import f1_score, precision_score, r2_score, recall_score, root_mean_squared_error

from emotion.inference.estimate import quadrant_probabilities
from tests.training.made_run import made_predictions
from training.evaluation.metrics import (
    POINT_SD,
    REGRESSION_SHARE,
    expected_calibration_error,
    fit_reading,
    fit_temperature,
    reliability,
    resampled_sums,
    score,
    score_axis,
    score_by_dataset,
)


def predictions(n: int, accuracy: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 4, n)
    said = np.where(rng.random(n) < accuracy, truth, (truth + rng.integers(1, 4, n)) % 4)
    return truth, np.eye(4)[said] * 0.7 + 0.075


def test_perfect_and_constant_predictions() -> None:
    truth = np.array([0, 0, 1, 2, 3, 3, 3, 3])
    artists = list("aabbccdd")
    perfect = score(truth, np.eye(4)[truth], artists)
    assert (perfect.accuracy, perfect.macro_f1, perfect.ece, perfect.brier) == (1, 1, 0, 0)
    constant = score(truth, np.tile(np.eye(4)[3], (8, 1)), artists)
    assert constant.accuracy == constant.floor_accuracy == 0.5
    assert constant.macro_f1 == constant.floor_macro_f1 == pytest.approx(2 / 3 / 4)
    assert np.array(constant.confusion)[:, 3].tolist() == [2, 1, 1, 4]


def test_the_interval_holds_the_figure_and_widens_when_artists_repeat() -> None:
    truth, probabilities = predictions(300, 0.6)
    alone = score(truth, probabilities, [str(i) for i in range(300)])
    low, high = alone.accuracy_interval
    assert low < alone.accuracy < high
    # The same verdict thirty times over is one observation, not thirty.
    order = np.argsort(probabilities.argmax(1) == truth)
    few = score(truth[order], probabilities[order], [str(i // 30) for i in range(300)])
    assert few.accuracy_interval[1] - few.accuracy_interval[0] > high - low


def test_calibration_error_is_the_gap() -> None:
    truth, probabilities = predictions(3000, 0.775)
    assert expected_calibration_error(truth, probabilities) < 0.05
    truth, probabilities = predictions(3000, 0.4)
    assert expected_calibration_error(truth, probabilities) == pytest.approx(0.375, abs=0.05)


def test_temperature_cools_the_overconfident() -> None:
    truth, probabilities = predictions(2000, 0.6)
    logits = 10 * np.log(probabilities)
    temperature = fit_temperature(truth, logits)
    assert temperature > 2
    softened = np.exp(logits / temperature)
    softened /= softened.sum(axis=1, keepdims=True)
    sharp = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert expected_calibration_error(truth, softened) < expected_calibration_error(truth, sharp)


def test_figures_are_those_of_scikit_learn() -> None:
    truth, probabilities = predictions(200, 0.5)
    said = probabilities.argmax(axis=1)
    scores = score(truth, probabilities, [str(i) for i in range(200)])
    assert scores.macro_f1 == pytest.approx(f1_score(truth, said, average="macro"))
    for figure, of in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
        assert [getattr(row, figure) for row in scores.classes] == pytest.approx(of(truth, said, average=None))
    assert [row.n for row in scores.classes] == np.bincount(truth).tolist()


def test_a_class_that_is_absent_scores_zero() -> None:
    truth = np.array([0, 0, 1, 1])
    scores = score(truth, np.eye(4)[truth], list("abcd"))
    assert scores.macro_f1 == pytest.approx(0.5)
    assert (scores.classes[3].precision, scores.classes[3].recall, scores.classes[3].n) == (0, 0, 0)


def test_top_three_stands_beside_the_floor_that_it_flatters() -> None:
    truth = np.array([0] * 60 + [1] * 25 + [2] * 10 + [3] * 5)
    ranking = np.tile([0.6, 0.25, 0.1, 0.05], (100, 1))
    scores = score(truth, ranking, [str(i) for i in range(100)])
    assert scores.top3 == scores.floor_top3 == pytest.approx(0.95)
    assert scores.brier == scores.floor_brier == pytest.approx(1 - np.sum(ranking[0] ** 2))


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(ValueError, match="no labelled clip"):
        score(np.zeros(0, int), np.zeros((0, 4)), [])
    with pytest.raises(ValueError, match="A label is -1"):
        score(np.array([0, -1]), np.eye(4)[:2], ["a", "b"])


def test_a_bootstrap_draws_whole_clusters() -> None:
    values = np.array([[1.0], [1.0], [10.0], [100.0]])
    drawn = resampled_sums(values, ["a", "a", "b", "c"], draws=200)
    # Three clusters that add up to 2, 10 and 100, drawn three times.
    possible = {2 * a + 10 * b + 100 * (3 - a - b) for a in range(4) for b in range(4 - a)}
    assert set(drawn[:, 0].tolist()) <= possible
    assert drawn.mean() == pytest.approx(112, rel=0.1)


def test_reliability_bins_hold_all_clips_and_rise() -> None:
    truth, probabilities = predictions(300, 0.6)
    probabilities = probabilities + np.random.default_rng(0).uniform(0, 0.05, (300, 4))
    curve = reliability(truth, probabilities)
    assert sum(part.n for part in curve) == 300
    assert np.all(np.diff([part.confidence for part in curve]) >= 0)


def test_a_dataset_without_labels_is_left_out() -> None:
    made = made_predictions(("held_out",))
    made.truth[made.dataset == "emomusic"] = -1
    assert list(score_by_dataset(made)) == ["4qaed", "emopia"]


def test_axis_scores_are_those_of_scipy_and_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    rated = rng.uniform(-1, 1, 120)
    said = 0.5 * rated + 0.1 + rng.normal(0, 0.2, 120)
    rated[:3] = np.nan
    scores = score_axis(rated, said, [str(i // 2) for i in range(120)])
    rated, said = rated[3:], said[3:]
    assert scores.n == 117
    assert scores.r == pytest.approx(stats.pearsonr(rated, said).statistic)
    assert scores.r2 == pytest.approx(r2_score(rated, said))
    assert scores.rmse == pytest.approx(root_mean_squared_error(rated, said))
    assert scores.r_interval[0] < scores.r < scores.r_interval[1]
    # Too flat and too high: concordance asks for what correlation forgives.
    by_hand = 2 * np.cov(rated, said, ddof=0)[0, 1] / (rated.var() + said.var() + (rated.mean() - said.mean()) ** 2)
    assert scores.ccc == pytest.approx(by_hand)
    assert scores.ccc < scores.r


def test_a_constant_answer_correlates_with_nothing() -> None:
    scores = score_axis([-0.5, 0.0, 0.5, 0.2], [0.1] * 4, list("abcd"))
    assert np.isnan(scores.r)
    assert scores.to_json()["r"] is None
    assert scores.ccc == pytest.approx(0)
    assert scores.r2 < 0
    with pytest.raises(ValueError, match="2 clips are rated"):
        score_axis([0.1, 0.2, np.nan], [0, 0, 0], list("abc"))
    with pytest.raises(ValueError, match="1 of 3 rated clips have no prediction"):
        score_axis([0.1, 0.2, 0.3], [0, np.nan, 0], list("abc"))


def test_a_fitted_reading_is_calibrated_and_uses_the_plane() -> None:
    rng = np.random.default_rng(4)
    scores = rng.normal(0, 2, (4000, 2))
    high = rng.uniform(size=scores.shape) < expit(scores)
    truth = np.select([high.all(axis=1), ~high[:, 0] & high[:, 1], ~high.any(axis=1)], [0, 1, 2], 3)
    # A network that is twice too sure.
    logits = np.log(quadrant_probabilities(2 * scores))
    plain = fit_reading(truth, logits)
    for axis in (plain.valence, plain.arousal):
        assert axis.margin == pytest.approx(0.5, abs=0.05)
        assert axis.regression == 0
    # Its own point says the same on another scale: half as much of it as of the margins, and as sure in all.
    reading = fit_reading(truth, logits, 0.1 * scores)
    for axis in (reading.valence, reading.arousal):
        assert axis.regression * 0.1 == pytest.approx(REGRESSION_SHARE * axis.margin * 2, rel=0.02)
        assert 2 * axis.margin + 0.1 * axis.regression == pytest.approx(1, abs=0.1)
    estimates = reading.estimates(logits, 0.1 * scores)
    assert expected_calibration_error(truth, estimates.probabilities) < 0.03
    assert estimates.valence.std() == pytest.approx(POINT_SD, abs=1e-6)
    assert estimates.arousal.std() == pytest.approx(POINT_SD, abs=1e-6)


def test_a_network_that_learned_nothing_gets_a_reading() -> None:
    truth = np.array([0, 1, 2, 3])
    reading = fit_reading(truth, np.zeros((4, 4)))
    estimates = reading.estimates(np.zeros((4, 4)))
    np.testing.assert_allclose(estimates.probabilities, 0.25)
    np.testing.assert_allclose(estimates.valence, 0)
