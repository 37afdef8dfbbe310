"""Figures of multi-label predictions, against scikit-learn and by hand."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as sk

from training.evaluation.tags import (
    TagAnswers,
    TagScores,
    best_threshold,
    figures_of,
    frequency_floor,
    one_errors,
    score_tags,
    weighted_ranking,
)

N_TAGS = 5
NAMES = [f"tag {number}" for number in range(N_TAGS)]


def made(n: int = 200, seed: int = 0) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return tags that are rarer from column to column, and scores that know something of them, with ties."""
    rng = np.random.default_rng(seed)
    truth = rng.random((n, N_TAGS)) < np.linspace(0.6, 0.1, N_TAGS)
    return truth, np.round(0.3 * truth + 0.7 * rng.random(truth.shape), 1)


def scored(
    truth: NDArray[np.bool_], answers: TagAnswers, *, per_artist: int = 1, folds: NDArray[np.int64] | None = None
) -> TagScores:
    artists = np.arange(len(truth)) // per_artist
    return score_tags(NAMES[: truth.shape[1]], truth, answers, answers, artists, folds)


def test_figures_are_those_of_scikit_learn() -> None:
    truth, scores = made()
    answers = TagAnswers.above(scores, 0.55)
    figures = asdict(scored(truth, answers).figures)
    expected = {
        f"{average}_{name}": of(truth, answers.given, average=average)
        for average in ("macro", "micro")
        for name, of in (("precision", sk.precision_score), ("recall", sk.recall_score), ("f1", sk.f1_score))
    }
    expected |= {
        "hamming_loss": sk.hamming_loss(truth, answers.given),
        "auc": sk.roc_auc_score(truth, scores, average="macro"),
        "average_precision": sk.average_precision_score(truth, scores, average="macro"),
        "one_error": np.mean([not row[ranked.argmax()] for row, ranked in zip(truth, scores, strict=True)]),
    }
    assert figures == pytest.approx(expected, abs=1e-6)
    by_tag = scored(truth, answers).by_tag["tag 3"]
    assert by_tag.n == truth[:, 3].sum()
    assert by_tag.f1 == pytest.approx(sk.f1_score(truth[:, 3], answers.given[:, 3]), abs=1e-6)
    assert by_tag.auc == pytest.approx(sk.roc_auc_score(truth[:, 3], scores[:, 3]), abs=1e-6)


def test_one_error_by_hand() -> None:
    truth = np.array([[1, 0, 0], [0, 1, 1], [0, 0, 1], [0, 0, 0]], bool)
    scores = np.array([[0.9, 0.1, 0.2], [0.8, 0.3, 0.1], [0.4, 0.2, 0.4], [0.1, 0.2, 0.3]])
    # Right; wrong; a tie that the earlier and wrong tag wins; no tag that could be right.
    assert one_errors(truth, scores).tolist() == [False, True, True, True]
    assert scored(truth, TagAnswers.above(scores, 0.5)).figures.one_error == 0.75


def test_a_tag_that_no_clip_has_counts_only_where_false_alarms_do() -> None:
    truth, scores = made()
    truth[:, 2] = False
    others = [0, 1, 3, 4]
    answers = TagAnswers.above(scores, 0.55)
    without = TagAnswers(scores[:, others], answers.given[:, others])
    result, rest = scored(truth, answers), scored(truth[:, others], without)
    assert (result.n_tags, rest.n_tags) == (4, 4)
    for name in ("macro_precision", "macro_recall", "macro_f1", "auc", "average_precision", "micro_recall"):
        assert getattr(result.figures, name) == pytest.approx(getattr(rest.figures, name), abs=1e-12)
        assert result.intervals[name] == pytest.approx(rest.intervals[name], abs=1e-12)
    assert result.figures.micro_precision < rest.figures.micro_precision
    assert result.figures.hamming_loss == pytest.approx(sk.hamming_loss(truth, answers.given), abs=1e-12)
    assert np.isnan(result.by_tag["tag 2"].auc)
    assert json.loads(json.dumps(result.to_json()))["by_tag"]["tag 2"]["auc"] is None


def test_a_tag_that_every_clip_has_has_no_auc() -> None:
    truth, scores = made()
    truth[:, 0] = True
    figures = scored(truth, TagAnswers.above(scores, 0.55)).figures
    assert figures.auc == pytest.approx(sk.roc_auc_score(truth[:, 1:], scores[:, 1:], average="macro"), abs=1e-12)
    assert figures.average_precision == pytest.approx(sk.average_precision_score(truth, scores), abs=1e-12)


def test_ranking_is_of_each_fold_and_decisions_of_all() -> None:
    truth, scores = made()
    folds = np.arange(200) // 100
    # The second network's scores are on another scale, and say the same.
    shifted = scores + folds[:, None]
    alike = TagAnswers(shifted, scores >= 0.55)
    by_fold, pooled = scored(truth, alike, folds=folds).figures, scored(truth, alike).figures
    halves = [sk.roc_auc_score(truth[folds == fold], scores[folds == fold]) for fold in (0, 1)]
    assert by_fold.auc == pytest.approx(np.mean(halves), abs=1e-12)
    assert pooled.auc < by_fold.auc
    assert by_fold.macro_f1 == pooled.macro_f1
    # A fold without the tag leaves it to the other.
    truth[:100, 4] = False
    last = scored(truth, alike, folds=folds).by_tag["tag 4"]
    assert last.auc == pytest.approx(sk.roc_auc_score(truth[100:, 4], scores[100:, 4]), abs=1e-12)


def test_weighted_rankings_are_those_of_scikit_learn() -> None:
    truth, scores = made()
    weights = np.random.default_rng(1).integers(0, 3, (4, 200)).astype(float)
    auc, precision = weighted_ranking(truth[:, 1], scores[:, 1], weights)
    for draw, weight in enumerate(weights):
        known = {"y_true": truth[:, 1], "y_score": scores[:, 1], "sample_weight": weight}
        assert auc[draw] == pytest.approx(sk.roc_auc_score(**known), abs=1e-9)
        assert precision[draw] == pytest.approx(sk.average_precision_score(**known), abs=1e-9)
    assert np.isnan(weighted_ranking(np.zeros(3, bool), np.ones(3), np.ones((1, 3)))).all()


def test_intervals_hold_the_figures_and_widen_when_artists_repeat() -> None:
    truth, scores = made()
    answers = TagAnswers.above(scores, 0.55)
    alone = scored(truth, answers, folds=np.arange(200) % 2)
    for name, figure in asdict(alone.figures).items():
        low, high = alone.intervals[name]
        assert low < figure < high
    # The same clip ten times over is one observation, not ten.
    tenfold = TagAnswers(np.repeat(scores[:20], 10, axis=0), np.repeat(answers.given[:20], 10, axis=0))
    low, high = scored(np.repeat(truth[:20], 10, axis=0), tenfold, per_artist=10).intervals["micro_f1"]
    wide = scored(truth, answers).intervals["micro_f1"]
    assert high - low > wide[1] - wide[0]


def test_the_threshold_is_the_best_of_the_validation_clips() -> None:
    truth, scores = made()
    threshold = best_threshold(truth, scores)
    reached = [sk.f1_score(truth, scores >= each, average="macro") for each in (threshold, *np.linspace(0, 1, 101))]
    assert reached[0] == pytest.approx(max(reached))
    # Every tag given is best where scores say nothing.
    assert best_threshold(truth, np.zeros_like(scores)) == 0.0
    assert best_threshold(np.zeros_like(truth), scores) == scores.min()


def test_the_floor_ranks_by_frequency_and_knows_no_clip() -> None:
    truth, _ = made()
    floor = frequency_floor(truth[:100], truth[100:120], 80)
    assert (floor.scores == truth[:100].mean(axis=0)).all()
    assert (floor.given == floor.given[0]).all()
    assert floor.given[0, 0]
    figures = figures_of(truth[120:], floor, np.zeros(80))
    assert figures.auc == pytest.approx(0.5)
    assert figures.average_precision == pytest.approx(truth[120:].mean())
    assert figures.one_error == pytest.approx(1 - truth[120:, 0].mean())


def test_clips_without_tags_cannot_be_scored() -> None:
    truth, scores = made(4)
    with pytest.raises(ValueError, match="None of these clips has a tag"):
        scored(np.zeros_like(truth), TagAnswers.above(scores, 0.5))
