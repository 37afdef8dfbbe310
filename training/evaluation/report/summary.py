"""A run in plain words: a few sentences that a person without statistics can use. Pure."""

from __future__ import annotations

import numpy as np

from emotion.inference.quadrants import Quadrant
from training.data.splits import Protocol
from training.evaluation.comparison import of_protocol, protocol_gap
from training.evaluation.dataset_probe import Probe
from training.evaluation.metrics import class_scores, confusion_of
from training.evaluation.predictions import Predictions
from training.evaluation.report.run import NotInRunError
from training.evaluation.report.scores import all_scores, axis_scores, main_protocol, protocols_of

CALIBRATED_ECE = 0.05


def summary(predictions: Predictions, probe: Probe | None = None) -> list[str]:
    """Return sentences on what the run is worth, the most important first.

    Raises:
        NotInRunError: No labelled clip was tested.
    """
    protocol = main_protocol(predictions)
    found = [*_headline(predictions, protocol), _quadrants(predictions, protocol), _calibration(predictions, protocol)]
    if Protocol.LEAVE_ONE_SOURCE_OUT in protocols_of(predictions) and protocol != Protocol.LEAVE_ONE_SOURCE_OUT:
        found.append(_unseen(predictions))
    found += [*_gap(predictions), *_plane(predictions, protocol), *([_source(probe)] if probe else [])]
    return found


_WHO: dict[str, str] = {
    Protocol.HELD_OUT: "Tested on {n} clips of artists that it was not trained on",
    Protocol.ARTIST_GROUPED: "Tested on {n} clips in folds, each by a model fitted without its artist",
    Protocol.PAPER: "Tested by the paper's protocol, {n} answers of all folds on the fixed test set",
    Protocol.STRATIFIED: "Tested on {n} clips in folds that may share artists",
    Protocol.LEAVE_ONE_SOURCE_OUT: "Tested on {n} clips, each by a model fitted without a label of its source",
}


def _headline(predictions: Predictions, protocol: str) -> list[str]:
    scores = all_scores(predictions, protocol)
    rows = of_protocol(predictions, protocol)
    right = float(np.mean(rows.probabilities.argmax(axis=1) == rows.truth))
    floor = float(np.bincount(rows.truth).max() / len(rows))
    who = _WHO.get(protocol, "Tested on {n} clips").format(n=len(rows))
    sentences = [
        f"{who}, the model names the right quadrant for {_of_100(right)}. Always giving the same answer would be right "
        f"for {_of_100(floor)}."
    ]
    by_f1 = sorted((name for name in scores if name != "all"), key=lambda name: scores[name].macro_f1)
    if len(by_f1) > 1:
        worst, best = scores[by_f1[0]], scores[by_f1[-1]]
        sentences.append(
            f"It does best on {by_f1[-1]} (macro-F1 {best.macro_f1:.2f}, floor {best.floor_macro_f1:.2f}) and worst on "
            f"{by_f1[0]} ({worst.macro_f1:.2f}, floor {worst.floor_macro_f1:.2f})."
        )
    lost = [name for name in by_f1 if scores[name].accuracy_interval[0] <= scores[name].floor_accuracy]
    if lost:
        sentences.append(
            f"On {', '.join(lost)} the interval of its accuracy reaches the floor: nothing is proven there."
        )
    return sentences


def _quadrants(predictions: Predictions, protocol: str) -> str:
    confusion = confusion_of(of_protocol(predictions, protocol))
    f1 = [scores.f1 for scores in class_scores(confusion)]
    best, worst = Quadrant(int(np.argmax(f1)) + 1), Quadrant(int(np.argmin(f1)) + 1)
    slips = confusion - np.diag(np.diagonal(confusion))
    label, said = divmod(int(slips.argmax()), 4)
    sentence = (
        f"It knows {best.name} ({best.description}) best, with an F1 of {max(f1):.2f}, and {worst.name} "
        f"({worst.description}) least, with {min(f1):.2f}."
    )
    if slips.max() > 0:
        share = slips[label, said] / confusion[label].sum()
        sentence += (
            f" Its most frequent slip is to call Q{label + 1} Q{said + 1}: {_of_100(float(share))} of such clips."
        )
    return sentence


def _calibration(predictions: Predictions, protocol: str) -> str:
    scores = all_scores(predictions, protocol)
    rows = of_protocol(predictions, protocol)
    ece = (scores.get("all") or next(iter(scores.values()))).ece
    worst = max((name for name in scores if name != "all"), key=lambda name: scores[name].ece)
    said = rows.probabilities.argmax(axis=1)
    surer = float(rows.probabilities.max(axis=1).mean() - np.mean(said == rows.truth)) > 0
    wrong = "it is too sure" if surer else "it is not sure enough"
    verdict = "its confidence can be believed" if ece <= CALIBRATED_ECE else wrong
    return (
        f"How sure it is differs from how often it is right by {100 * ece:.1f} points on average: {verdict}. The "
        f"largest gap of a source is on {worst}, {100 * scores[worst].ece:.1f} points."
    )


def _unseen(predictions: Predictions) -> str:
    scores = {name: s for name, s in all_scores(predictions, Protocol.LEAVE_ONE_SOURCE_OUT).items() if name != "all"}
    parts = ", ".join(f"{name} {s.accuracy:.2f} (floor {s.floor_accuracy:.2f})" for name, s in scores.items())
    return f"Fitted without a label of a source, its accuracy there is: {parts}."


def _gap(predictions: Predictions) -> list[str]:
    try:
        gap = protocol_gap(predictions).overall
    except ValueError:
        return []
    low, high = gap.macro_f1_interval
    sure = "" if low > 0 or high < 0 else ", which may be chance"
    return [
        "Folds that let an artist be on both sides change the macro-F1 by "
        f"{100 * gap.macro_f1_difference:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f}){sure}."
    ]


def _plane(predictions: Predictions, protocol: str) -> list[str]:
    try:
        scores = axis_scores(predictions, protocol)
    except NotInRunError:
        return []
    datasets = list(dict.fromkeys(dataset for dataset, _, _ in scores))
    return [
        f"Against the ratings of {dataset}, its valence correlates {scores[dataset, 'valence', 'as said'].r:.2f} and "
        f"its arousal {scores[dataset, 'arousal', 'as said'].r:.2f}."
        for dataset in datasets
        if (dataset, "valence", "as said") in scores and (dataset, "arousal", "as said") in scores
    ]


def _source(probe: Probe) -> str:
    near = probe.accuracy_interval[0] <= probe.floor_accuracy
    verdict = "it no longer hears where a song came from" if near else "it still hears where a song came from"
    return (
        f"From its embedding, a song's dataset can be named for {_of_100(probe.accuracy)}; always naming the largest "
        f"would be right for {_of_100(probe.floor_accuracy)}: {verdict}."
    )


def _of_100(share: float) -> str:
    return f"{100 * share:.0f} in 100"
