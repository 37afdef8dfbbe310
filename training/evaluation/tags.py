"""Scores of tags, of which a clip may have any number, with floors and intervals clustered by artist.

Choices that the definitions leave open:

- **Folds.** Precision, recall, F1, Hamming loss and one-error are of all clips together; AUC and average precision are
  of each fold's test clips, whose scores come from one network, and averaged over the folds.
- **Macro figures** leave out a tag that no clip has: nothing can recall it. False alarms of it still count in micro
  figures and in the Hamming loss. AUC also leaves out a tag that every clip has. Where a fold's test lacks a tag, the
  tag's AUC and average precision are those of the other folds.
- **Precision** is 0 for a tag that is never given.
- **Intervals** of average precision lean upwards: fewer different clips of a fold are in a draw than in the fold.
- **One-error** counts a clip without any tag as an error: whatever is ranked first is wrong.

Source: Liu et al., section 3.2 (the figures, as scikit-learn has them); Schapire and Singer (2000), BoosTexter
(one-error); Forman and Scholz (2010), Apples-to-apples in cross-validation studies (F1 of all folds' counts, AUC by
fold).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import average_precision_score, hamming_loss, precision_recall_fscore_support, roc_auc_score

from training.evaluation.metrics import Interval, interval_95, resampled_sums, rounded

Flags = NDArray[np.bool_]
_TINY = np.finfo(float).tiny


@dataclass(frozen=True, slots=True)
class TagFigures:
    """Each figure of the paper's tables, of one set of answers; NaN where it is undefined."""

    macro_precision: float
    macro_recall: float
    macro_f1: float
    micro_precision: float
    micro_recall: float
    micro_f1: float
    hamming_loss: float  # The share of wrong decisions.
    auc: float  # Macro.
    average_precision: float  # Macro.
    one_error: float  # The share of clips whose first tag is wrong.


@dataclass(frozen=True, slots=True)
class TagAnswers:
    """What a system says of `n` clips, fold by fold."""

    scores: NDArray[np.floating]  # `(n, n_tags)`: by these the tags of a clip, and the clips of a tag, are ranked.
    given: Flags  # `(n, n_tags)`: the tags that it gives each clip.

    @classmethod
    def above(cls, scores: NDArray[np.floating], threshold: float) -> TagAnswers:
        """Give each clip the tags that reach a threshold."""
        return cls(scores, scores >= threshold)


@dataclass(frozen=True, slots=True)
class OneTag:
    """How well one tag is given: `n` clips have it, and it is given to `n_given`."""

    n: int
    n_given: int
    precision: float
    recall: float
    f1: float
    auc: float
    average_precision: float


@dataclass(frozen=True, slots=True)
class TagScores:
    """Scores of `n` clips, 95 % intervals from a bootstrap over artists, and what training frequencies alone reach."""

    n: int
    n_tags: int  # Of macro figures: those that some clip has.
    tags_per_clip: float
    figures: TagFigures
    intervals: dict[str, Interval]
    floor: TagFigures
    by_tag: dict[str, OneTag]

    def to_json(self) -> dict[str, Any]:
        """Return the scores as a plain dictionary, rounded to four digits."""
        return dict(rounded(asdict(self)))


def score_tags(
    names: Sequence[str],
    truth: Flags,
    answers: TagAnswers,
    floor: TagAnswers,
    artists: ArrayLike,
    folds: ArrayLike | None = None,
) -> TagScores:
    """Score answers about clips `(n,)` whose tags are `truth` `(n, n_tags)`, in the order of `names`.

    Artists `(n,)` are the clusters of the bootstrap; folds `(n,)` say which clips one network answered for, by default
    all.

    Raises:
        ValueError: There is no clip, or no clip has a tag.
    """
    if not truth.any():
        raise ValueError("None of these clips has a tag: there is nothing to score.")
    fold = np.zeros(len(truth), np.int64) if folds is None else np.asarray(folds)
    return TagScores(
        n=len(truth),
        n_tags=int(truth.any(axis=0).sum()),
        tags_per_clip=float(truth.sum(axis=1).mean()),
        figures=figures_of(truth, answers, fold),
        intervals=_intervals(truth, answers, artists, fold),
        floor=figures_of(truth, floor, fold),
        by_tag=_by_tag(names, truth, answers, fold),
    )


def figures_of(truth: Flags, answers: TagAnswers, folds: NDArray[Any]) -> TagFigures:
    """Return every figure of answers about clips `(n,)`, AUC and average precision as means over folds."""
    present = np.flatnonzero(truth.any(axis=0))
    macro, micro = (
        precision_recall_fscore_support(truth, answers.given, labels=labels, average=average, zero_division=0)
        for labels, average in ((present, "macro"), (None, "micro"))
    )
    auc, average_precision = (_mean_of_known(each) for each in _ranking_of_tags(truth, answers.scores, folds))
    return TagFigures(
        macro_precision=float(macro[0]),
        macro_recall=float(macro[1]),
        macro_f1=float(macro[2]),
        micro_precision=float(micro[0]),
        micro_recall=float(micro[1]),
        micro_f1=float(micro[2]),
        hamming_loss=float(hamming_loss(truth, answers.given)),
        auc=float(auc),
        average_precision=float(average_precision),
        one_error=float(one_errors(truth, answers.scores).mean()),
    )


def one_errors(truth: Flags, scores: NDArray[np.floating]) -> Flags:
    """Return whether the first tag of each clip is wrong, `(n,)`; of equal scores the earlier column is first."""
    return ~np.take_along_axis(truth, scores.argmax(axis=1)[:, None], axis=1)[:, 0]


def best_threshold(truth: Flags, scores: NDArray[np.floating]) -> float:
    """Return the threshold, the same for all tags, of the highest macro-F1 on validation clips.

    It lies halfway between two scores, or at the lowest; of equally good ones it is the lowest.
    """
    known = np.unique(scores.astype(np.float64))
    candidates = np.concatenate([known[:1], (known[1:] + known[:-1]) / 2])
    present = truth.any(axis=0)
    given = scores[:, present] >= candidates[:, None, None]
    hits, n_given = (given & truth[:, present]).sum(axis=1), given.sum(axis=1)
    f1 = _ratio(2 * hits, n_given + truth[:, present].sum(axis=0))
    return float(candidates[f1.sum(axis=1).argmax()])


def frequency_floor(trained: Flags, validated: Flags, n: int) -> TagAnswers:
    """Return the answers about `n` clips of a system that knows only how frequent each tag is in training.

    It ranks tags by frequency, the same for every clip; its threshold is chosen as a network's is.
    """
    shares = trained.mean(axis=0)
    threshold = best_threshold(validated, np.tile(shares, (len(validated), 1)))
    return TagAnswers.above(np.tile(shares, (n, 1)), threshold)


def _by_tag(names: Sequence[str], truth: Flags, answers: TagAnswers, folds: NDArray[Any]) -> dict[str, OneTag]:
    precision, recall, f1, n = precision_recall_fscore_support(truth, answers.given, average=None, zero_division=0)
    columns = (n, answers.given.sum(axis=0), precision, recall, f1, *_ranking_of_tags(truth, answers.scores, folds))
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return {name: OneTag(*row) for name, row in zip(names, rows, strict=True)}


def _ranking_of_tags(
    truth: Flags, scores: NDArray[np.floating], folds: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    # AUC and average precision of each tag, `(n_tags,)`.
    numbers = np.unique(folds)
    auc, average_precision = np.full((2, len(numbers), truth.shape[1]), np.nan)
    for place, tag in np.ndindex(auc.shape):
        mine = folds == numbers[place]
        have, ranked = truth[mine, tag], scores[mine, tag]
        if have.any():
            average_precision[place, tag] = average_precision_score(have, ranked)
            auc[place, tag] = np.nan if have.all() else roc_auc_score(have, ranked)
    return _mean_of_known(auc), _mean_of_known(average_precision)


def _intervals(truth: Flags, answers: TagAnswers, artists: ArrayLike, folds: NDArray[Any]) -> dict[str, Interval]:
    # How often each draw of artists holds each clip, `(draws, n)`.
    counts = resampled_sums(np.eye(len(truth)), artists)
    given = answers.given
    hits, n_given, n_true = (counts @ each for each in (truth & given, given, truth))
    totals = hits.sum(axis=1), n_given.sum(axis=1), n_true.sum(axis=1)
    n_clips = counts.sum(axis=1)
    ranking = np.full((2, len(np.unique(folds)), truth.shape[1], len(counts)), np.nan)
    for place, fold in enumerate(np.unique(folds)):
        mine = folds == fold
        for tag in range(truth.shape[1]):
            ranking[:, place, tag] = weighted_ranking(truth[mine, tag], answers.scores[mine, tag], counts[:, mine])
    auc, average_precision = (_mean_of_known(_mean_of_known(each)) for each in ranking)
    drawn = (
        *(_mean_of_known(each.T) for each in _precision_recall_f1(hits, n_given, n_true)),
        *_precision_recall_f1(*totals),
        (totals[1] + totals[2] - 2 * totals[0]) / (n_clips * truth.shape[1]),
        auc,
        average_precision,
        counts @ one_errors(truth, answers.scores) / n_clips,
    )
    return {field.name: interval_95(values) for field, values in zip(fields(TagFigures), drawn, strict=True)}


def weighted_ranking(
    truth: Flags, scores: NDArray[np.floating], weights: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return AUC and average precision `(draws,)` of one tag of clips `(n,)` under weights `(draws, n)`.

    They are scikit-learn's with `sample_weight`, for many weights at once; NaN where they are undefined.
    """
    order = np.argsort(-scores, kind="stable")
    # Clips of one score come in together.
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    hits, alarms = (
        np.cumsum(weights[:, order] * flags[order], axis=1)[:, ends].astype(np.float64) for flags in (truth, ~truth)
    )
    new_hits, new_alarms = (np.diff(each, axis=1, prepend=0.0) for each in (hits, alarms))
    n_hits, n_alarms = hits[:, -1], alarms[:, -1]
    area, precisions = new_alarms * (hits - new_hits / 2), new_hits * hits / np.maximum(hits + alarms, _TINY)
    return (
        _ratio(area.sum(axis=1), n_hits * n_alarms, undefined=np.nan),
        _ratio(precisions.sum(axis=1), n_hits, undefined=np.nan),
    )


def _precision_recall_f1(
    hits: NDArray[Any], n_given: NDArray[Any], n_true: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    # NaN where no clip has the tag.
    recall = _ratio(hits, n_true, undefined=np.nan)
    precision, f1 = _ratio(hits, n_given), _ratio(2 * hits, n_given + n_true)
    return precision + 0 * recall, recall, f1 + 0 * recall


def _ratio(over: NDArray[Any], under: NDArray[Any], undefined: float = 0.0) -> NDArray[np.float64]:
    return np.divide(over, under, out=np.full(np.shape(over), undefined), where=np.asarray(under) > 0)


def _mean_of_known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    # Over the first axis; NaN where nothing is known.
    known = np.isfinite(values)
    return _ratio(np.where(known, values, 0.0).sum(axis=0), known.sum(axis=0), undefined=np.nan)
