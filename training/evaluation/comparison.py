"""Which of two models is better on the same clips, and whether an embedding still names the dataset of its song."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, confusion_matrix
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from training.data.splits import Labels, Protocol, artist_grouped_test_folds
from training.datasets import Clip
from training.evaluation.metrics import (
    Interval,
    accuracy_of,
    confusion_cells,
    confusion_of,
    expected_calibration_error,
    interval_95,
    log_loss_of,
    macro_f1_of,
    resampled_sums,
    rounded,
)
from training.evaluation.predictions import Predictions

# A bootstrap over fewer artists says "surely worse" far more often than it should.
MIN_ARTISTS = 5
PROBE_FOLDS = 5
_UNKNOWN: Interval = (-1.0, 1.0)


@dataclass(frozen=True, slots=True)
class SourceComparison:
    """Two models on the same `n` clips of one dataset, or of "all"; differences are candidate minus live.

    Intervals are 95 %, of the difference, from a paired bootstrap over `artists`; with fewer artists than `MIN_ARTISTS`
    they are (-1, 1): nothing is known.
    """

    dataset: str
    n: int
    artists: int
    live_accuracy: float
    candidate_accuracy: float
    accuracy_difference: float
    accuracy_interval: Interval
    live_macro_f1: float
    candidate_macro_f1: float
    macro_f1_difference: float
    macro_f1_interval: Interval
    live_ece: float
    candidate_ece: float
    live_log_loss: float
    candidate_log_loss: float
    log_loss_difference: float
    log_loss_interval: Interval

    @property
    def is_worse(self) -> bool:
        """Whether the whole interval of a difference, in accuracy or in macro-F1, is below zero."""
        return self.accuracy_interval[1] < 0 or self.macro_f1_interval[1] < 0


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """A candidate against the live model, on the clips that both were tested on, by dataset and overall.

    `only_live` and `only_candidate` count clips of one model alone, which are left out; `relabelled` shared clips of
    another label, of which the candidate's counts.
    """

    protocol: str
    sources: tuple[SourceComparison, ...]
    overall: SourceComparison
    only_live: int
    only_candidate: int
    relabelled: int

    @property
    def worse_on(self) -> tuple[str, ...]:
        """Datasets on which the candidate is worse beyond the interval."""
        return tuple(source.dataset for source in self.sources if source.is_worse)

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as a plain dictionary, rounded to four digits, with the verdict of each source."""
        sources = {each.dataset: {**asdict(each), "is_worse": each.is_worse} for each in self.sources}
        overall = {**asdict(self.overall), "is_worse": self.overall.is_worse}
        figures = {**asdict(self), "sources": sources, "overall": overall, "worse_on": self.worse_on}
        return dict(rounded(figures))


def compare(live: Predictions, candidate: Predictions, *, protocol: str = Protocol.HELD_OUT) -> PairedComparison:
    """Compare two models on the labelled clips of one protocol that both were tested on.

    Raises:
        ValueError: There is no such clip.
    """
    return _compare(live.of_protocol(protocol), candidate.of_protocol(protocol), protocol)


def _compare(live: Predictions, candidate: Predictions, name: str) -> PairedComparison:
    live_rows, candidate_rows = _shared(live, candidate)
    if not len(live_rows):
        raise ValueError(
            f"The two have no labelled {name} clip in common ({len(live)} and {len(candidate)} clips), "
            "so that they cannot be compared; score both on the same clips first."
        )
    only_live, only_candidate = len(live) - len(live_rows), len(candidate) - len(live_rows)
    live, candidate = live.where(live_rows), candidate.where(candidate_rows)
    return PairedComparison(
        protocol=name,
        sources=tuple(
            _compare_rows(dataset, live.where(candidate.dataset == dataset), rows)
            for dataset, rows in candidate.by_dataset().items()
        ),
        overall=_compare_rows("all", live, candidate),
        only_live=only_live,
        only_candidate=only_candidate,
        relabelled=int(np.sum(live.truth != candidate.truth)),
    )


def _shared(live: Predictions, candidate: Predictions) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return positions of the same clips in both; the second time a clip is tested meets the second time."""
    places: dict[str, list[int]] = defaultdict(list)
    for i, clip in enumerate(live.clip.tolist()):
        places[clip].append(i)
    pairs = [(places[clip].pop(0), i) for i, clip in enumerate(candidate.clip.tolist()) if places.get(clip)]
    first, second = np.array(pairs, np.int64).reshape(-1, 2).T
    return first, second


def _compare_rows(name: str, live: Predictions, candidate: Predictions) -> SourceComparison:
    truth = candidate.truth
    both = (live, candidate)
    cells = np.hstack([confusion_cells(truth, each.predicted) for each in both])
    losses = np.stack([log_loss_of(truth, each.probabilities) for each in both], axis=1)
    totals = cells.sum(axis=0).reshape(2, 4, 4)
    sums = resampled_sums(np.hstack([cells, losses]), candidate.artist)
    drawn = sums[:, :32].reshape(-1, 2, 4, 4)
    drawn_losses = sums[:, 32:] / drawn[:, 0].sum(axis=(1, 2))[:, None]
    artists = len(np.unique(candidate.artist))
    accuracy, f1 = accuracy_of(totals), macro_f1_of(totals)
    intervals = [
        interval_95(np.diff(figures, axis=1)) if artists >= MIN_ARTISTS else _UNKNOWN
        for figures in (accuracy_of(drawn), macro_f1_of(drawn), drawn_losses)
    ]
    live_loss, candidate_loss = map(float, losses.mean(axis=0))
    return SourceComparison(
        dataset=name,
        n=len(truth),
        artists=artists,
        live_accuracy=float(accuracy[0]),
        candidate_accuracy=float(accuracy[1]),
        accuracy_difference=float(accuracy[1] - accuracy[0]),
        accuracy_interval=intervals[0],
        live_macro_f1=float(f1[0]),
        candidate_macro_f1=float(f1[1]),
        macro_f1_difference=float(f1[1] - f1[0]),
        macro_f1_interval=intervals[1],
        live_ece=expected_calibration_error(truth, live.probabilities),
        candidate_ece=expected_calibration_error(truth, candidate.probabilities),
        live_log_loss=live_loss,
        candidate_log_loss=candidate_loss,
        log_loss_difference=candidate_loss - live_loss,
        log_loss_interval=intervals[2],
    )


def protocol_gap(predictions: Predictions) -> PairedComparison:
    """Compare folds that keep artists together ("live") with stratified ones ("candidate"): the gain from the artist.

    Raises:
        ValueError: The run has not both.
    """
    grouped, stratified = Protocol.ARTIST_GROUPED, Protocol.STRATIFIED
    missing = [name for name in (grouped, stratified) if name not in predictions.protocol]
    if missing:
        raise ValueError(f"The run has no {' and no '.join(missing)} folds, so that the gap is unknown.")
    name = f"{grouped} and {stratified}"
    return _compare(predictions.of_protocol(grouped), predictions.of_protocol(stratified), name)


@dataclass(frozen=True, slots=True)
class McNemar:
    """Clips that only one of two systems gets right, and the probability of a split as uneven by chance."""

    only_first: int
    only_second: int
    p_value: float


def mcnemar(first_right: NDArray[np.bool_], second_right: NDArray[np.bool_]) -> McNemar:
    """Test whether two systems err equally often on the same clips, `(n,)` (exact, two-sided).

    Source: McNemar (1947); Dietterich (1998), Approximate statistical tests for comparing supervised classifiers.
    """
    only_first, only_second = int(np.sum(first_right & ~second_right)), int(np.sum(~first_right & second_right))
    either = only_first + only_second
    return McNemar(only_first, only_second, float(stats.binomtest(only_first, either).pvalue) if either else 1.0)


@dataclass(frozen=True, slots=True)
class FoldTest:
    """The mean difference over folds, second minus first, with a 95 % interval and a two-sided p-value."""

    difference: float
    interval: Interval
    p_value: float
    folds: int


def corrected_t_test(first: Sequence[float], second: Sequence[float], *, test_to_train: float) -> FoldTest:
    """Compare two systems' scores of the same folds, allowing for training sets that overlap.

    `test_to_train` is the size of a test fold divided by that of its training set: 1 / (k - 1) for k folds.

    Raises:
        ValueError: Not the same number of folds, or fewer than two.

    Source: Nadeau and Bengio (2003), Inference for the generalization error, section 3.
    """
    if len(first) != len(second) or len(first) < 2:
        raise ValueError(f"{len(first)} and {len(second)} folds: the test needs two or more, the same ones of both.")
    differences = np.asarray(second, float) - np.asarray(first, float)
    folds, mean = len(differences), float(differences.mean())
    error = float(np.sqrt((1 / folds + test_to_train) * differences.var(ddof=1)))
    if error == 0.0:
        return FoldTest(mean, (mean, mean), 1.0 if mean == 0.0 else 0.0, folds)
    reach = float(stats.t.ppf(0.975, folds - 1)) * error
    p_value = float(2 * stats.t.sf(abs(mean) / error, folds - 1))
    return FoldTest(mean, (mean - reach, mean + reach), p_value, folds)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return p-values adjusted for the number of systems tested.

    Source: Holm (1979), A simple sequentially rejective multiple test procedure.
    """
    adjusted, highest = {}, 0.0
    for rank, (name, p_value) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_value))
        adjusted[name] = highest
    return {name: adjusted[name] for name in p_values}


@dataclass(frozen=True, slots=True)
class SystemComparison:
    """One of several systems against the reference, which comes first in `comparison` and in McNemar's `test`.

    `adjusted_p` is the test's p-value after Holm's correction over the systems; `folds` the corrected t-test of
    macro-F1, where both were tested on two or more of the same folds.
    """

    name: str
    comparison: PairedComparison
    test: McNemar
    adjusted_p: float
    folds: FoldTest | None


def compare_systems(
    reference: Predictions, others: Mapping[str, Predictions], *, protocol: str = Protocol.HELD_OUT
) -> list[SystemComparison]:
    """Compare several systems with one, each on the clips it shares with it, by the labels that the reference has.

    Raises:
        ValueError: A system shares no clip with the reference.
    """
    first = reference.of_protocol(protocol)
    tests, comparisons, folds = {}, {}, {}
    for name, system in others.items():
        second = system.of_protocol(protocol)
        rows, second_rows = _shared(first, second)
        shared = first.where(rows)
        second = replace(second.where(second_rows), truth=shared.truth)
        comparisons[name], folds[name] = _compare(first, second, protocol), _fold_test(first, second)
        tests[name] = mcnemar(shared.is_correct, second.is_correct)
    adjusted = holm({name: test.p_value for name, test in tests.items()})
    return [SystemComparison(name, comparisons[name], tests[name], adjusted[name], folds[name]) for name in others]


def _fold_test(first: Predictions, second: Predictions) -> FoldTest | None:
    """Test over folds whose test clips are the same in both; None where there are fewer than two, or one fixed test."""
    one, two = first.by_fold(), second.by_fold()
    shared = [fold for fold in one if fold in two and set(one[fold].clip) == set(two[fold].clip)]
    clips = len(set(first.clip.tolist()))
    tested = float(np.mean([len(one[fold]) for fold in shared])) if shared else 0.0
    if len(shared) < 2 or tested >= clips:
        return None
    scores = [[float(macro_f1_of(confusion_of(by[fold]))) for fold in shared] for by in (one, two)]
    return corrected_t_test(scores[0], scores[1], test_to_train=tested / (clips - tested))


@dataclass(frozen=True, slots=True)
class Probe:
    """How well a linear map of the embedding names the dataset of `n` songs of artists that it was not fitted on.

    Near the floor is good: then the embedding describes the music and not its source. The interval is 95 %, over
    artists; the floor always names the largest dataset; `balanced_accuracy` is the mean recall, by chance 1 / datasets.
    Rows of `confusion` are the truth, in the order of `datasets`.
    """

    datasets: tuple[str, ...]
    n: int
    accuracy: float
    accuracy_interval: Interval
    floor_accuracy: float
    balanced_accuracy: float
    confusion: list[list[int]]

    def to_json(self) -> dict[str, Any]:
        """Return the probe as a plain dictionary, rounded to four digits."""
        return dict(rounded(asdict(self)))


def name_the_dataset(
    embedding: NDArray[np.floating], dataset: ArrayLike, artist: ArrayLike, duplicates: Labels | None = None
) -> Probe:
    """Fit a logistic regression in artist-grouped cross-validation and score how often it names the dataset.

    Embeddings `(n, n_features)` must be of one network: the spaces of two have nothing in common. Songs of one artist
    `(n,)` or with one label of `duplicates` `(n,)` stay on one side of each fold.

    Raises:
        ValueError: There are fewer than two datasets, or one has too few artists for the folds.
    """
    names, truth = np.unique(np.asarray(dataset), return_inverse=True)
    artists = np.asarray(artist)
    if len(names) < 2:
        raise ValueError(f"There is only {', '.join(names) or 'no dataset'}: to be distinguished there must be two.")
    for i, name in enumerate(names):
        n_artists = len(np.unique(artists[truth == i]))
        if n_artists < PROBE_FOLDS:
            raise ValueError(f"{name} has {n_artists} artists here; {PROBE_FOLDS} artist-grouped folds need one each.")
    # Without quadrants, folds are stratified by dataset alone.
    songs = [
        Clip(str(i), names[place], str(i), str(who), Path(), None)
        for i, (place, who) in enumerate(zip(truth, artists, strict=True))
    ]
    predicted = np.zeros_like(truth)
    folds = artist_grouped_test_folds(songs, seed=0, n_folds=PROBE_FOLDS, duplicates=duplicates)
    for fold in np.unique(folds):
        fitted, tested = folds != fold, folds == fold
        classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        classifier.fit(embedding[fitted].astype(np.float64), truth[fitted])
        predicted[tested] = classifier.predict(embedding[tested].astype(np.float64))
    correct = (predicted == truth).astype(float)
    drawn = resampled_sums(np.column_stack([correct, np.ones_like(correct)]), artists)
    return Probe(
        datasets=tuple(names.tolist()),
        n=len(truth),
        accuracy=float(correct.mean()),
        accuracy_interval=interval_95(drawn[:, 0] / drawn[:, 1]),
        floor_accuracy=float(np.bincount(truth).max() / len(truth)),
        balanced_accuracy=float(balanced_accuracy_score(truth, predicted)),
        confusion=confusion_matrix(truth, predicted).tolist(),
    )


def probe_run(predictions: Predictions, duplicates: Mapping[str, int] | None = None) -> Probe:
    """Probe the one network of a run that was tested on most clips of two or more datasets.

    Datasets with fewer artists than folds are left out. `duplicates` are labels by clip id, equal for near-duplicates;
    a clip without one is linked with its artist's alone.

    Raises:
        ValueError: No network of the run was tested on two datasets with enough artists.
    """
    networks = zip(predictions.protocol.tolist(), predictions.fold.tolist(), strict=True)
    for (protocol, fold), _ in Counter(networks).most_common():
        rows = predictions.where((predictions.protocol == protocol) & (predictions.fold == fold))
        enough = [name for name, part in rows.by_dataset().items() if len(set(part.artist.tolist())) >= PROBE_FOLDS]
        if len(enough) > 1:
            rows = rows.where(np.isin(rows.dataset, enough))
            known = duplicates or {}
            labels = [known.get(clip, -i) for i, clip in enumerate(rows.clip.tolist(), start=1)]
            return name_the_dataset(rows.embedding, rows.dataset, rows.artist, labels)
    raise ValueError("No network of this run was tested on two datasets, so that there is nothing to distinguish.")
