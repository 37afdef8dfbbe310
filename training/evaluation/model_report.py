"""What pages draw of a model: scores, confusion, calibration and curves, stored as JSON at the import."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from catalog.core.charts import Axes, Tick, polyline
from catalog.core.wording import gettext, gettext_noop, ngettext, number
from training.data.splits import Protocol
from training.exceptions import ModelFileError

_TITLES = {
    "loss": gettext_noop("Training loss"),
    "validation_loss": gettext_noop("Validation loss"),
    "validation_accuracy": gettext_noop("Validation accuracy"),
}
_RUN_FACTS = ("seed", "commit", "started", "ended", "wall_s", "data_fingerprint", "datasets")

# The template draws 320 x 180 units; the margins hold the numbers of the axes.
AXES = Axes(40, 308, 12, 152)
_HALVES = (0.0, 0.5, 1.0)

# What is compared of two models, and its interval where there is one.
_COMPARED = {
    "accuracy": (gettext_noop("Accuracy (95 %)"), "accuracy_interval"),
    "macro_f1": (gettext_noop("Macro-F1 (95 %)"), "macro_f1_interval"),
    "ece": (gettext_noop("Calibration error"), ""),
}


def make_report(card: dict[str, Any], predictions: Path, run: Path | None) -> dict[str, Any]:
    """Gather a model's figures from its card, and from predictions and run folder where they exist.

    Returns:
        `protocol`, `scores` by data set, `n`, `accuracy`, `reliability`, `ece`, `curves` and `run`; unknown ones are
        left out. Without predictions the scores are the card's.

    Raises:
        ModelFileError: A file that is there cannot be read.
    """
    facts = card.get("facts") or {}
    history, run_facts = facts.get("history", []), facts
    try:
        report = _scores(predictions) if predictions.is_file() else _scores_of_card(facts)
        if run is not None:
            path = run / "history.jsonl"
            lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
            history = [json.loads(line) for line in lines if line.strip()]
            if (run / "run.json").is_file():
                run_facts = json.loads((run / "run.json").read_text(encoding="utf-8"))
        known = {key: run_facts[key] for key in _RUN_FACTS if key in run_facts}
        return {**report, "curves": _curves(history), "run": known}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelFileError(f"What {run or predictions} says of its model cannot be read: {error}") from error


def _scores(path: Path) -> dict[str, Any]:
    # Imported here because the scores come with scikit-learn, and pages read only what is stored.
    from training.evaluation.metrics import expected_calibration_error, reliability, rounded, score_by_dataset
    from training.evaluation.predictions import Predictions

    predictions = Predictions.load(path)
    tested = {name: rows for name in Protocol if len(rows := predictions.of_protocol(name))}
    if not tested:
        return {}
    protocol, rows = next(iter(tested.items()))
    return {
        "protocol": protocol,
        **_summed({name: scores.to_json() for name, scores in score_by_dataset(rows).items()}),
        "reliability": rounded([asdict(each) for each in reliability(rows.truth, rows.probabilities)]),
        "ece": rounded(expected_calibration_error(rows.truth, rows.probabilities)),
    }


def _scores_of_card(facts: dict[str, Any]) -> dict[str, Any]:
    scores = (facts.get("test") or {}).get("model") or {}
    if not scores:
        return {}
    summed = _summed(scores)
    weighted = sum(each["n"] * each["ece"] for each in scores.values())
    return {"protocol": Protocol.HELD_OUT, **summed, "ece": round(weighted / summed["n"], 4)}


def _summed(scores: dict[str, Any]) -> dict[str, Any]:
    clips = sum(each["n"] for each in scores.values())
    correct = sum(row[i] for each in scores.values() for i, row in enumerate(each["confusion"]))
    return {"scores": scores, "n": clips, "accuracy": round(correct / clips, 4)}


def _curves(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    # One line per fold; a figure that no epoch has gives no curve.
    curves: dict[str, dict[str, list[float]]] = {}
    for figure, row in product(_TITLES, history):
        value = row.get(figure)
        if isinstance(value, int | float) and math.isfinite(value):
            fold = f"{row.get('protocol', '')} {row.get('fold', 0)}".strip()
            curves.setdefault(figure, {}).setdefault(fold, []).append(round(float(value), 4))
    return [{"figure": figure, "lines": lines} for figure, lines in curves.items()]


class Label(NamedTuple):
    """Words in a plot, centred above their place."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines and ticks in SVG units, which templates draw; `sentence` describes it to those who do not see it."""

    title: str
    sentence: str
    lines: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    labels: tuple[Label, ...] = ()


def curve_chart(figure: str, lines: Mapping[str, Sequence[float]]) -> Chart:
    """Draw a figure of the training history over the epochs, one line per fold."""
    values = [value for line in lines.values() for value in line]
    low, high = (0.0, 1.0) if figure.endswith("accuracy") else (min(0.0, *values), max(values) or 1.0)
    longest = max(len(line) for line in lines.values())
    axes = replace(AXES, x_range=(1, longest), y_range=(low, high))
    drawn = [axes.points(range(1, len(line) + 1), line) for line in lines.values()]
    first, last = (number(fmean(line[place] for line in lines.values()), 3) for place in (0, -1))
    if len(lines) > 1:
        sentence = gettext("%(first)s in the first epoch, %(last)s in the last of %(epochs)d (%(folds)d folds, means).")
    else:
        sentence = gettext("%(first)s in the first epoch, %(last)s in the last of %(epochs)d.")
    return Chart(
        title=gettext(_TITLES[figure]) if figure in _TITLES else figure,
        sentence=sentence % {"first": first, "last": last, "epochs": longest, "folds": len(lines)},
        lines=tuple(map(polyline, drawn)),
        dots=tuple(points[0] for points in drawn if len(points) == 1),
        x_ticks=axes.x_ticks(epochs := sorted({1, longest}), map(str, epochs)),
        y_ticks=axes.y_ticks(levels := (low, (low + high) / 2, high), (number(level, 2) for level in levels)),
    )


def reliability_chart(bins: Sequence[Mapping[str, Any]]) -> Chart:
    """Draw how often the model is right against its confidence; the diagonal would be perfect."""
    points = AXES.points([each["confidence"] for each in bins], [each["accuracy"] for each in bins])
    gap = fmean(each["accuracy"] - each["confidence"] for each in bins)
    too_sure = ngettext(
        "%(n)d group of clips; overall the model is overconfident, by %(gap)s on average.",
        "%(n)d groups of clips of equal size; overall the model is overconfident, by %(gap)s on average.",
        len(bins),
    )
    too_careful = ngettext(
        "%(n)d group of clips; overall the model is underconfident, by %(gap)s on average.",
        "%(n)d groups of clips of equal size; overall the model is underconfident, by %(gap)s on average.",
        len(bins),
    )
    title = gettext("Accuracy by confidence")
    sentence = (too_sure if gap < 0 else too_careful) % {"n": len(bins), "gap": number(abs(gap), 3)}
    return _share_chart(title, sentence, points, AXES.x_ticks(_HALVES, (number(value, 1) for value in _HALVES)))


def share_chart(title: str, sentence: str, shares: Sequence[float]) -> Chart:
    """Draw shares in [0, 1] one after the other, the oldest first."""
    points = replace(AXES, x_range=(0, max(len(shares) - 1, 1))).points(range(len(shares)), shares)
    return _share_chart(title, sentence, points, ())


def _share_chart(title: str, sentence: str, points: Sequence[tuple[float, float]], x_ticks: tuple[Tick, ...]) -> Chart:
    y_ticks = AXES.y_ticks(_HALVES, (number(value, 1) for value in _HALVES))
    return Chart(title, sentence, (polyline(points),), tuple(points), x_ticks, y_ticks)


def side_by_side(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Pair the reports of two models, figure by figure.

    Returns:
        "source", "figure", two "cells" with "value" and "interval", None where the model lacks the figure, and their
        "difference", the second less the first.
    """
    scores = first.get("scores", {}), second.get("scores", {})
    rows = []
    for source in dict.fromkeys([*scores[0], *scores[1]]):
        for figure, (name, interval) in _COMPARED.items():
            a, b = cells = [
                {"value": each[source][figure], "interval": each[source].get(interval)}
                if figure in each.get(source, {})
                else None
                for each in scores
            ]
            difference = b["value"] - a["value"] if a and b else None
            rows.append({"source": source, "figure": gettext(name), "cells": cells, "difference": difference})
    return rows
