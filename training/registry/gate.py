"""The gate: the criteria that a model must meet before it goes live; docs/model-gate.md quotes `CRITERIA`."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from catalog.core.wording import gettext, gettext_noop, number
from emotion.exceptions import AudioUnreadableError, EmotionError
from training.data.splits import Protocol
from training.evaluation.predictions import Predictions

if TYPE_CHECKING:
    from training.evaluation.comparison import PairedComparison

MAX_ECE = 0.05
MIN_SHARED_CLIPS = 40

_CRITERIA = {
    "serves": gettext_noop(
        "Serving can load it: the card has the four quadrants in the program's order and a known "
        "architecture and front end, the file has the card's hash, and a recording passes through the "
        "serving code to four probabilities and a finite embedding."
    ),
    "comparable": gettext_noop(
        "Its held-out clips include at least %(clips)d of those of the live model, and some from "
        "every source of the live model."
    ),
    "not_worse": gettext_noop(
        "On no source is it worse than the live model on the same held-out clips: worse means that "
        "the whole 95 %% interval of its difference, in accuracy or macro-F1, paired by clip and "
        "clustered by artist, is below zero."
    ),
    "calibrated": gettext_noop(
        "Its expected calibration error on those clips is at most %(ece)s, or not above the live model's."
    ),
}
CRITERIA = {code: text % {"clips": MIN_SHARED_CLIPS, "ece": f"{MAX_ECE:.2f}"} for code, text in _CRITERIA.items()}
# A reason can overrule a verdict on quality, but no reason makes a file load.
NEVER_FORCED = frozenset({"serves"})


def criteria() -> dict[str, str]:
    """Return the text of the gate, criterion by criterion, in the reader's language."""
    figures = {"clips": MIN_SHARED_CLIPS, "ece": number(MAX_ECE, 2)}
    return {code: gettext(text) % figures for code, text in _CRITERIA.items()}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one criterion is met, and why."""

    code: str
    passed: bool
    sentence: str


def judge(
    weights: Path, predictions: Path, *, live: Path | None, live_version: str
) -> tuple[list[Verdict], dict[str, Any]]:
    """Check a checkpoint and its held-out predictions against every criterion; `live` are the live model's, or None.

    Returns:
        All verdicts, in the order of `CRITERIA`, and the comparison that two of them rest on, empty without one.
    """
    serves = _serves(weights)
    if live is None:
        first = "No model is live, so there is nothing to compare it with."
        return [serves, *(Verdict(code, True, first) for code in CRITERIA if code != "serves")], {}
    mine, theirs = _held_out(predictions), _held_out(live)
    comparable = _comparable(mine, theirs, live_version)
    if mine is None or theirs is None or not comparable.passed:
        unknown = "That cannot be said without clips to compare on."
        rest = (Verdict(code, False, unknown) for code in ("not_worse", "calibrated"))
        return [serves, comparable, *rest], {}
    from training.evaluation.comparison import compare

    comparison = compare(theirs, mine)
    return [serves, comparable, _not_worse(comparison), _calibrated(comparison)], comparison.to_json()


def _serves(weights: Path) -> Verdict:
    # Imported here because torch takes seconds, and pages read the text of the gate.
    import soundfile

    from emotion.inference.predict import Predictor

    try:
        predictor = Predictor.load(weights, engine="torch", device="cpu")
        time_s = np.arange(round(predictor.card.frontend.window_s * 22_050)) / 22_050
        chord = sum(np.sin(2 * np.pi * hz * time_s) for hz in (220.0, 277.2, 329.6))
        waveform = (0.2 * chord * (0.6 + 0.4 * np.sin(2 * np.pi * 2 * time_s))).astype(np.float32)
        with tempfile.TemporaryDirectory() as folder:
            probe = Path(folder) / "probe.wav"
            soundfile.write(probe, waveform, 22_050)
            [result] = predictor.predict([probe])
    except (EmotionError, ValueError, RuntimeError, TypeError) as error:
        return Verdict("serves", False, f"It cannot serve: {error}")
    if isinstance(result, AudioUnreadableError):
        return Verdict("serves", False, f"It cannot serve: {result}")
    if not (np.isfinite(result.probabilities).all() and abs(result.probabilities.sum() - 1) < 1e-3):
        return Verdict("serves", False, f"The probe recording gives the probabilities {result.probabilities.tolist()}.")
    if not np.isfinite(result.embedding).all():
        return Verdict("serves", False, "The probe recording gives an embedding that is not finite.")
    sure = float(result.probabilities.max())
    return Verdict("serves", True, f"It serves; the probe recording is {result.quadrant.name}, {sure:.0%} sure.")


def _held_out(path: Path) -> Predictions | None:
    try:
        rows = Predictions.load(path).of_protocol(Protocol.HELD_OUT)
    except (OSError, ValueError):
        return None
    return rows if len(rows) else None


def _comparable(mine: Predictions | None, theirs: Predictions | None, live_version: str) -> Verdict:
    if mine is None:
        problem = "It has no predictions of held-out clips: import the folder of its run."
    elif theirs is None:
        problem = f"The live model {live_version} has no predictions of held-out clips."
    else:
        shared = np.intersect1d(mine.clip, theirs.clip)
        missing = sorted({*theirs.dataset.tolist()} - {*theirs.dataset[np.isin(theirs.clip, shared)].tolist()})
        if len(shared) < MIN_SHARED_CLIPS:
            problem = f"Both were held out from {len(shared)} clips only; {MIN_SHARED_CLIPS} are needed."
        elif missing:
            problem = f"It was not tried on {', '.join(missing)}, as the live model {live_version} was."
        else:
            return Verdict("comparable", True, f"Both were held out from the same {len(shared)} clips.")
    return Verdict("comparable", False, problem)


def _not_worse(comparison: PairedComparison) -> Verdict:
    worse = [source for source in comparison.sources if source.is_worse]
    if not worse:
        differences = ", ".join(f"{each.dataset} {each.accuracy_difference:+.3f}" for each in comparison.sources)
        return Verdict("not_worse", True, f"Not worse on any source; differences in accuracy: {differences}.")
    differences = "; ".join(
        f"{each.dataset}: accuracy {each.accuracy_difference:+.3f} ({each.accuracy_interval[0]:+.3f} to "
        f"{each.accuracy_interval[1]:+.3f}), macro-F1 {each.macro_f1_difference:+.3f} "
        f"({each.macro_f1_interval[0]:+.3f} to {each.macro_f1_interval[1]:+.3f}), {each.n} clips"
        for each in worse
    )
    beyond = f"Worse beyond chance on {len(worse)} of {len(comparison.sources)}: {differences}."
    return Verdict("not_worse", False, beyond)


def _calibrated(comparison: PairedComparison) -> Verdict:
    mine, theirs = comparison.overall.candidate_ece, comparison.overall.live_ece
    sentence = f"Its calibration error is {mine:.3f}, the live model's is {theirs:.3f}; the limit is {MAX_ECE:.2f}."
    return Verdict("calibrated", mine <= max(MAX_ECE, theirs), sentence)
