"""A run's figures by protocol, dataset and fold. Pure."""

from __future__ import annotations

from typing import Any

import numpy as np

from emotion.inference.quadrants import valence_arousal_from_probabilities
from training.data.splits import Protocol
from training.evaluation.comparison import folds_of, of_protocol
from training.evaluation.metrics import (
    AxisScores,
    Scores,
    accuracy_of,
    confusion_of,
    macro_f1_of,
    score,
    score_axis,
    score_by_dataset,
)
from training.evaluation.predictions import Predictions
from training.evaluation.report.run import NotInRunError

# What each protocol asks, in the order in which a reader should meet them.
PROTOCOLS: dict[str, tuple[str, str]] = {
    Protocol.HELD_OUT: ("Held-out clips", "One network, on clips of artists that it was not trained on."),
    Protocol.ARTIST_GROUPED: (
        "Folds that keep artists together",
        "Each clip by the one model that was fitted without a label of its artist.",
    ),
    Protocol.PAPER: ("The paper's protocol", "Each fold's network on the one fixed, balanced test set."),
    Protocol.STRATIFIED: (
        "Stratified folds",
        "Each clip by a model fitted without its label, but maybe with labels of its artist: it flatters.",
    ),
    Protocol.LEAVE_ONE_SOURCE_OUT: (
        "A source left out",
        "Each source by a model that was fitted without a single label of that source.",
    ),
}


def protocols_of(predictions: Predictions) -> list[str]:
    """Return the protocols under which labelled clips were tested, in the order of `PROTOCOLS`, then others."""
    found = dict.fromkeys(predictions.protocol[predictions.truth >= 0].tolist())
    return [name for name in PROTOCOLS if name in found] + [name for name in found if name not in PROTOCOLS]


def protocol_title(protocol: str) -> str:
    """Return a protocol's name for people."""
    return PROTOCOLS.get(protocol, (protocol.replace("_", " ").capitalize(), ""))[0]


def main_protocol(predictions: Predictions) -> str:
    """Return the protocol whose figures lead.

    Raises:
        NotInRunError: No labelled clip was tested.
    """
    found = protocols_of(predictions)
    if not found:
        raise NotInRunError("This run has no predictions of labelled clips yet (predictions.npz).")
    return found[0]


def all_scores(predictions: Predictions, protocol: str) -> dict[str, Scores]:
    """Return the scores of each dataset, and of all together where there are several."""
    rows = of_protocol(predictions, protocol)
    scores = score_by_dataset(rows)
    if len(scores) > 1:
        scores["all"] = score(rows.truth, rows.probabilities, rows.artist)
    return scores


def scores_by_protocol(predictions: Predictions) -> dict[str, dict[str, Any]]:
    """Return every score as JSON: protocol, then dataset."""
    return {
        protocol: {name: each.to_json() for name, each in all_scores(predictions, protocol).items()}
        for protocol in protocols_of(predictions)
    }


def fold_scores(predictions: Predictions) -> dict[int, tuple[float, float]]:
    """Return accuracy and macro-F1 of each fold that has rows."""
    confusions = {fold: confusion_of(rows) for fold, rows in folds_of(predictions).items()}
    return {fold: (float(accuracy_of(found)), float(macro_f1_of(found))) for fold, found in confusions.items()}


def axis_scores(predictions: Predictions, protocol: str) -> dict[tuple[str, str, str], AxisScores]:
    """Score valence and arousal, as said and as projected from the quadrants' probabilities.

    Returns:
        By dataset, axis and source of the figure ("as said" or "from the quadrants").

    Raises:
        NotInRunError: No tested clip was rated.
    """
    rows = predictions.where(predictions.protocol == protocol)
    projected = dict(zip(("valence", "arousal"), valence_arousal_from_probabilities(rows.probabilities), strict=True))
    found = {}
    for dataset in dict.fromkeys(rows.dataset.tolist()):
        members = rows.dataset == dataset
        for axis in ("valence", "arousal"):
            rated = getattr(rows, f"{axis}_true")[members]
            if np.isfinite(rated).sum() < 3:
                continue
            for name, said in (("as said", getattr(rows, axis)), ("from the quadrants", projected[axis])):
                found[dataset, axis, name] = score_axis(rated, said[members], rows.artist[members])
    if not found:
        raise NotInRunError("No tested clip of this run has rated valence and arousal.")
    return found
