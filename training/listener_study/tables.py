"""The figures of a protocol as tables for people, in Markdown, and as numbers for programs. Pure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.listener_study.protocol import Errors, Outcome, harmed, interval


def heading(outcome: Outcome) -> str:
    """Say whose figures these are."""
    mood = "with the mood before" if outcome.with_mood else "without the mood before"
    return f"{outcome.cohort}, {mood}: {len(outcome.listeners)} listeners"


def error_table(outcome: Outcome) -> str:
    """Return mean absolute errors of valence / arousal, a row per method and a column per support size."""
    supports = list(next(iter(outcome.errors.values())).absolute)
    lines = [
        "| ratings heard | " + " | ".join(str(k) for k in supports) + " |",
        "|---" * (len(supports) + 1) + "|",
    ]
    for name, errors in outcome.errors.items():
        cells = [_pair(errors, k) for k in supports]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def detail_table(outcome: Outcome, method: str = "ours") -> str:
    """Return, for one method, every support size with its intervals, the change from none, RMSE, CCC and harm."""
    errors = outcome.errors[method]
    lines = [
        "| ratings | listeners | MAE valence | MAE arousal | change from none | RMSE | CCC | harmed | like, MAE |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for k, absolute in errors.absolute.items():
        change = interval((absolute - errors.absolute[0]).mean(axis=1))
        worse, of = harmed(errors, k)
        root = " / ".join(_short(_mean(errors.squared[k][:, axis]) ** 0.5) for axis in (0, 1))
        concordance = " / ".join(_short(_mean(errors.concordance[k][:, axis])) for axis in (0, 1))
        like = _interval(interval(outcome.liking[k]))
        lines.append(
            f"| {k} | {of} | {_interval(interval(absolute[:, 0]))} | {_interval(interval(absolute[:, 1]))} "
            f"| {_interval(change)} | {root} | {concordance} | {worse} of {of} | {like} |"
        )
    lines.append(f"\nLike by the others' median, whoever it is: {_interval(interval(outcome.liking_floor))}.")
    return "\n".join(lines)


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Return all figures: per method and support size, per axis, the mean and its interval."""
    return {
        "cohort": outcome.cohort,
        "with_mood": outcome.with_mood,
        "listeners": list(outcome.listeners),
        "methods": {name: _method_json(errors) for name, errors in outcome.errors.items()},
        "liking": {str(k): interval(values) for k, values in outcome.liking.items()},
        "liking_floor": interval(outcome.liking_floor),
    }


def _method_json(errors: Errors) -> dict[str, Any]:
    return {
        str(k): {
            "mae_valence": interval(absolute[:, 0]),
            "mae_arousal": interval(absolute[:, 1]),
            "change": interval((absolute - errors.absolute[0]).mean(axis=1)),
            "harmed": harmed(errors, k),
            "per_listener": absolute.round(4).tolist(),
        }
        for k, absolute in errors.absolute.items()
    }


def _pair(errors: Errors, k: int) -> str:
    return " / ".join(_short(_mean(errors.absolute[k][:, axis])) for axis in (0, 1))


def _interval(values: tuple[float, float, float]) -> str:
    mean, low, high = values
    return f"{_short(mean)} ({_short(low)} to {_short(high)})"


def _mean(values: NDArray[np.float64]) -> float:
    kept = values[np.isfinite(values)]
    return float(kept.mean()) if len(kept) else float("nan")


def _short(value: float) -> str:
    """Write .171 for 0.171, as the field's tables do, and a dash where nobody was left."""
    if not np.isfinite(value):
        return "–"
    text = f"{value:.3f}"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text
