"""Whether a song lifts, keeps or drops the valence: classes, order and what may be known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recommender.felt_model.model import Ratings
from training.datasets.base import DatasetError
from training.listener_study import situnes
from training.listener_study.protocol import Cohort
from training.listener_study.valence_change import CLASSES, change_classes, change_table, evaluate

DROP, KEEP, LIFT = range(len(CLASSES))


def _listener(before: list[float], after: list[float]) -> Ratings:
    n = len(before)
    nothing = np.zeros(n)
    moods, felt = (np.column_stack([valence, nothing]) for valence in (before, after))
    embeddings = np.tile([1.0, 0.0], (n, 1))
    return Ratings(np.arange(n), np.zeros((n, 2)), felt, embeddings, nothing + 1, nothing, nothing + 1, moods, nothing)


def _cohort(*listeners: Ratings) -> Cohort:
    named = {f"listener {number}": each for number, each in enumerate(listeners)}
    return Cohort("Made", named, np.array([[1.0, 0.0]]), np.arange(100))


def test_a_change_of_more_than_an_eighth_is_one() -> None:
    made = _listener([0.0, 0.0, 0.0, 0.5, -0.5], [0.13, -0.13, 0.12, 0.4, 0.2])

    assert change_classes(made).tolist() == [LIFT, DROP, KEEP, KEEP, LIFT]


def test_what_all_listeners_do_is_known_at_once_and_what_one_does_from_their_own_answers() -> None:
    rng = np.random.default_rng(3)
    moods = rng.uniform(-0.2, 0.2, (4, 40))
    # Three are left as they were, within a little; the fourth is always lifted.
    kept = [_listener(mood.tolist(), (mood + rng.normal(0, 0.02, 40)).tolist()) for mood in moods[:3]]
    lifted = _listener(moods[3].tolist(), (moods[3] + 0.4).tolist())
    outcome = evaluate(_cohort(*kept, lifted))

    mine = outcome.listeners == "listener 3"
    assert (outcome.truth[mine] == LIFT).all()
    assert (outcome.truth[~mine] == KEEP).all()
    before = outcome.predicted["ours, with the listener's answers before"]
    nothing = outcome.predicted["ours, nothing known of the listener"]
    assert before[mine][0] == nothing[mine][0] == KEEP
    assert (before[mine][20:] == LIFT).all()
    assert (before[~mine] == KEEP).mean() > 0.95
    (accuracy, low, high), _ = outcome.figures("the most frequent class of the others")
    assert (accuracy, low, high) == pytest.approx((0.75, 0.25, 1.0))
    assert "160 answers: drop 0, keep 120, lift 40." in change_table(outcome)


def test_answers_without_a_mood_before_are_left_out_and_nobody_left_is_said() -> None:
    one = _listener([0.0, np.nan], [0.5, 0.5])
    assert len(evaluate(_cohort(one, _listener([0.0, 0.0], [0.5, -0.5]))).truth) == 3
    with pytest.raises(DatasetError, match="before and after"):
        evaluate(_cohort(one))


@pytest.mark.needs_data
def test_real_listeners_change_as_published(mer_data: Path) -> None:
    outcome = evaluate(situnes.load(mer_data / "situnes"))

    assert np.bincount(outcome.truth).tolist() == [98, 278, 170]
    (floor, *_), _ = outcome.figures("the most frequent class of the others")
    (accuracy, *_), (f1, *_) = outcome.figures("ours, with the listener's answers before")
    assert accuracy > floor + 0.03
    assert f1 > 0.45
