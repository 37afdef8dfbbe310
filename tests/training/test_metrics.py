import numpy as np
import pytest

from training.metrics import expected_calibration_error, fit_temperature, score


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
