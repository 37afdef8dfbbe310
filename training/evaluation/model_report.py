"""What pages draw of a model: scores, confusion, calibration and curves, as JSON made once at the import. Pure."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from training.data.splits import Protocol
from training.exceptions import ModelFileError

_CURVES = ("loss", "validation_loss", "validation_accuracy")
_RUN_FACTS = ("seed", "commit", "started", "ended", "wall_s", "data_fingerprint", "datasets")


def make_report(card: dict[str, Any], predictions: Path, run: Path | None) -> dict[str, Any]:
    """Gather what is known of a model.

    Args:
        card: As it lies beside the weights.
        predictions: Need not exist; without it the scores are the card's own.
        run: The run folder, if there is one.

    Returns:
        `protocol`, `scores` by data set, `n`, `accuracy`, `reliability`, `ece`, `curves` and `run`; what is unknown is
        left out.

    Raises:
        ModelFileError: a file that is there cannot be read.
    """
    facts = card.get("facts") or {}
    try:
        report = _scores(predictions) if predictions.is_file() else _scores_of_card(facts)
        history = _history(run) if run is not None else facts.get("history", [])
        told = facts
        if run is not None and (run / "run.json").is_file():
            told = json.loads((run / "run.json").read_text(encoding="utf-8"))
        return {**report, "curves": _curves(history), "run": {key: told[key] for key in _RUN_FACTS if key in told}}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelFileError(f"What {run or predictions} says of its model cannot be read: {error}") from error


def _scores(path: Path) -> dict[str, Any]:
    # Imported here because the scores come with scikit-learn, and pages read only what is stored.
    from training.evaluation.metrics import expected_calibration_error, reliability, rounded, score_by_dataset
    from training.evaluation.predictions import Predictions

    everything = Predictions.load(path)
    labelled = everything.where(everything.truth >= 0)
    found = set(labelled.protocol.tolist())
    protocol = next((name for name in Protocol if name in found), "")
    if not protocol:
        return {}
    kept = labelled.where(labelled.protocol == protocol)
    curve = reliability(kept.truth, kept.probabilities)
    return {
        "protocol": protocol,
        **_summed({name: scores.to_json() for name, scores in score_by_dataset(kept).items()}),
        "reliability": rounded([asdict(one) for one in curve]),
        "ece": rounded(expected_calibration_error(kept.truth, kept.probabilities)),
    }


def _scores_of_card(facts: dict[str, Any]) -> dict[str, Any]:
    scores = (facts.get("test") or {}).get("model") or {}
    if not scores:
        return {}
    summed = _summed(scores)
    weighed = sum(each["n"] * each["ece"] for each in scores.values())
    return {"protocol": Protocol.HELD_OUT, **summed, "ece": round(weighed / summed["n"], 4)}


def _summed(scores: dict[str, Any]) -> dict[str, Any]:
    """Return the scores of each data set, and how many of all clips were said right."""
    clips = sum(each["n"] for each in scores.values())
    right = sum(each["confusion"][i][i] for each in scores.values() for i in range(len(each["confusion"])))
    return {"scores": scores, "n": clips, "accuracy": round(right / clips, 4)}


def _history(run: Path) -> list[dict[str, Any]]:
    path = run / "history.jsonl"
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _curves(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a curve for each figure of the history, one line per fold, with every point's number in its line."""
    curves = []
    for figure in _CURVES:
        lines: dict[str, list[float]] = {}
        for row in history:
            value = row.get(figure)
            if isinstance(value, int | float) and math.isfinite(value):
                fold = f"{row.get('protocol', '')} {row.get('fold', 0)}".strip()
                lines.setdefault(fold, []).append(round(float(value), 4))
        if lines:
            curves.append({"figure": figure, "lines": lines})
    return curves
