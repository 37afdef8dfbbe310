import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from tests.training.made_run import made_predictions
from training.evaluation.comparison import compare, compare_systems, corrected_t_test, holm, mcnemar, protocol_gap
from training.evaluation.predictions import Predictions


def spoilt(predictions: Predictions, dataset: str, share: float) -> Predictions:
    """Answer wrongly for a share of the artists of one dataset."""
    artists = np.unique(predictions.artist[predictions.dataset == dataset])
    chosen = set(artists[: int(share * len(artists))])
    rows = np.array([artist in chosen for artist in predictions.artist]) & (predictions.dataset == dataset)
    probabilities = predictions.probabilities.copy()
    probabilities[rows] = np.eye(4, dtype=np.float32)[(predictions.truth[rows] + 2) % 4] * 0.7 + 0.075
    return replace(predictions, probabilities=probabilities)


def test_a_model_is_not_worse_than_itself() -> None:
    live = made_predictions(protocols=("held_out",))
    comparison = compare(live, live)
    assert not comparison.worse_on
    assert comparison.worse_on == ()
    for source in (*comparison.sources, comparison.overall):
        assert source.accuracy_difference == source.macro_f1_difference == 0
        assert source.accuracy_interval == (0, 0)
        assert source.log_loss_interval == (0, 0)
    assert [source.dataset for source in comparison.sources] == ["4qaed", "emomusic", "emopia"]


def test_a_candidate_that_fails_one_source_is_named_with_it() -> None:
    live = made_predictions(protocols=("held_out",))
    comparison = compare(live, spoilt(live, "emopia", 0.5))
    assert comparison.worse_on == ("emopia",)
    assert comparison.worse_on
    said = json.loads(json.dumps(comparison.to_json()))
    assert said["worse_on"] == ["emopia"]
    assert said["sources"]["emopia"]["is_worse"]
    assert said["sources"]["emopia"]["accuracy_interval"][1] < 0
    assert said["sources"]["4qaed"]["accuracy_difference"] == 0
    # The other way round it is better, and better is not worse.
    assert not compare(spoilt(live, "emopia", 0.5), live).worse_on


def test_probabilities_of_the_same_tags_that_are_too_sharp_have_a_higher_log_loss() -> None:
    live = made_predictions(protocols=("held_out",))
    sharp = live.probabilities**6 / (live.probabilities**6).sum(axis=1, keepdims=True)
    overall = compare(live, replace(live, probabilities=sharp)).overall
    assert overall.accuracy_difference == 0
    assert overall.log_loss_difference == pytest.approx(overall.candidate_log_loss - overall.live_log_loss)
    assert 0 < overall.log_loss_interval[0] < overall.log_loss_difference < overall.log_loss_interval[1]
    certain_and_wrong = np.eye(4, dtype=np.float32)[(live.truth + 1) % 4]
    assert compare(live, replace(live, probabilities=certain_and_wrong)).overall.candidate_log_loss < 21


def test_a_small_loss_within_the_interval_is_not_worse() -> None:
    live = made_predictions(protocols=("held_out",))
    comparison = compare(live, spoilt(live, "4qaed", 0.03))
    assert comparison.sources[0].accuracy_difference < 0
    assert not comparison.worse_on


def test_only_shared_clips_are_compared_whatever_their_order() -> None:
    live = made_predictions(protocols=("held_out",))
    order = np.random.default_rng(0).permutation(len(live))[:-30]
    comparison = compare(live, live.where(order))
    assert (comparison.overall.n, comparison.only_live, comparison.only_candidate) == (len(live) - 30, 30, 0)
    assert comparison.overall.accuracy_difference == 0


def test_a_changed_label_holds_for_both() -> None:
    live = made_predictions(protocols=("held_out",))
    truth = live.truth.copy()
    truth[:5] = (truth[:5] + 1) % 4
    comparison = compare(live, replace(live, truth=truth))
    assert comparison.relabelled == 5
    assert comparison.overall.accuracy_difference == 0


def test_without_shared_clips_there_is_no_comparison() -> None:
    live = made_predictions(protocols=("held_out",))
    with pytest.raises(ValueError, match="no labelled held_out clip in common"):
        compare(live, live.where(live.protocol == "paper"))


def test_a_handful_of_artists_says_nothing() -> None:
    live = made_predictions(protocols=("held_out",))
    rows = np.isin(live.artist, np.unique(live.artist[live.dataset == "emopia"])[:4])
    comparison = compare(live.where(rows), spoilt(live.where(rows), "emopia", 1.0))
    assert comparison.overall.accuracy_difference < 0
    assert comparison.overall.accuracy_interval == (-1, 1)
    assert not comparison.worse_on


def test_the_gap_between_stratified_and_grouped_folds() -> None:
    predictions = made_predictions(protocols=("artist_grouped", "stratified"))
    gap = protocol_gap(predictions)
    grouped = predictions.where((predictions.protocol == "artist_grouped") & (predictions.dataset == "4qaed"))
    right = np.mean(grouped.probabilities.argmax(1) == grouped.truth)
    assert gap.sources[0].live_accuracy == pytest.approx(right)
    # The made run is better on artists of its training set.
    assert gap.overall.accuracy_difference > 0
    with pytest.raises(ValueError, match="no stratified folds"):
        protocol_gap(grouped)


def test_mcnemar_looks_only_at_clips_that_one_gets_right() -> None:
    first = np.array([True] * 10 + [False] * 2 + [True] * 50)
    second = np.array([False] * 10 + [True] * 2 + [True] * 50)
    result = mcnemar(first, second)
    assert (result.only_first, result.only_second) == (10, 2)
    assert result.p_value == pytest.approx(stats.binomtest(2, 12).pvalue)
    assert mcnemar(first, first).p_value == 1


def test_the_corrected_test_is_wider_than_the_plain_one() -> None:
    first = [0.60, 0.62, 0.58, 0.61, 0.63]
    second = [0.64, 0.65, 0.60, 0.66, 0.64]
    plain = stats.ttest_rel(second, first)
    result = corrected_t_test(first, second, test_to_train=0.0)
    assert result.p_value == pytest.approx(plain.pvalue)
    assert result.interval == pytest.approx(tuple(plain.confidence_interval()))
    corrected = corrected_t_test(first, second, test_to_train=1 / 4)
    # Variance (1/5 + 1/4) in the place of 1/5.
    assert corrected.interval[1] - corrected.difference == pytest.approx(
        (result.interval[1] - result.difference) * (0.45 / 0.2) ** 0.5
    )
    assert corrected.p_value > result.p_value
    with pytest.raises(ValueError, match="5 and 4 folds"):
        corrected_t_test(first, second[:4], test_to_train=0.25)


def test_holm_by_hand() -> None:
    assert holm({"a": 0.04, "b": 0.01, "c": 0.03}) == pytest.approx({"a": 0.06, "b": 0.03, "c": 0.06})
    assert holm({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0}


def test_several_systems_beside_one() -> None:
    reference = made_predictions(protocols=("artist_grouped",))
    worse, same = spoilt(reference, "4qaed", 0.4), spoilt(reference, "4qaed", 0.0)
    rows = compare_systems(reference, {"worse": worse, "same": same}, protocol="artist_grouped")
    assert [row.name for row in rows] == ["worse", "same"]
    assert rows[0].adjusted_p == pytest.approx(2 * rows[0].test.p_value)
    assert rows[0].adjusted_p < 0.001
    assert rows[0].folds is not None
    assert rows[0].folds.folds == 5
    assert rows[0].folds.difference < 0
    assert rows[1].adjusted_p == 1


def test_systems_are_held_to_the_labels_of_the_reference() -> None:
    reference = made_predictions(protocols=("held_out",))
    system = replace(reference, truth=(reference.truth + 1) % 4)
    (row,) = compare_systems(reference, {"same answers, other labels": system})
    assert row.comparison.overall.candidate_accuracy == row.comparison.overall.live_accuracy
    assert (row.test.only_first, row.test.only_second) == (0, 0)
