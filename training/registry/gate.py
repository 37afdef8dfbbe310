"""The gate: the criteria that a model must meet before it goes live; docs/model-gate.md quotes `CRITERIA`.

It runs the weights. Nothing that a model's folder says of itself counts, but for training clips that it names.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from catalog.core.wording import gettext, gettext_noop, number
from emotion.exceptions import AudioUnreadableError, EmotionError
from emotion.inference.quadrants import valence_arousal_from_probabilities
from training.data.splits import Folds, SplitError
from training.datasets import DATASETS, DatasetError
from training.evaluation.predictions import Predictions

if TYPE_CHECKING:
    from emotion.inference.predict import Predictor
    from training.datasets import Clip
    from training.evaluation.comparison import PairedComparison
    from training.evaluation.held_out import HeldOut

logger = logging.getLogger(__name__)

MIN_CLIPS = 40
# Of the points of held-out clips on each axis, in terms of P(high) - P(low); a trained reading gives them more than 1.
MIN_POINT_SPREAD = 0.25
# Less in log loss is nothing: rounding alone, which is the same on every clip, would have an interval above zero.
MAX_LOSS = 0.01

_CRITERIA = {
    "serves": gettext_noop(
        "Serving can load it: the card has the four quadrants in the program's order and a known "
        "architecture and front end, the file has the card's hash, and a recording passes through the "
        "serving code to four probabilities and a finite embedding."
    ),
    "comparable": gettext_noop(
        "It and the live model are run here, by the serving code, on the same held-out clips that come with the "
        "program: at least %(clips)d, some from every source; none is among the training clips that it names."
    ),
    "not_worse": gettext_noop(
        "On no source, nor on all together, is it worse than the live model: worse means that the whole 95 %% interval "
        "of its difference, in accuracy or macro-F1, paired by clip and clustered by artist, is below zero. Without a "
        "live model it is better than the best constant: on all together both intervals are above zero."
    ),
    "calibrated": gettext_noop(
        "Its probabilities are not worse than the live model's: the whole 95 %% interval of its difference in log loss "
        "on all together, paired and clustered in the same way, is not above %(loss)s. Without a live model it is "
        "below zero, compared with the best constant."
    ),
}
CRITERIA = {code: text % {"clips": MIN_CLIPS, "loss": f"{MAX_LOSS:.2f}"} for code, text in _CRITERIA.items()}
# A reason can overrule a verdict on quality, but no reason makes a file load.
NEVER_FORCED = frozenset({"serves"})


def criteria() -> dict[str, str]:
    """Return the text of the gate, criterion by criterion, in the reader's language."""
    figures = {"clips": MIN_CLIPS, "loss": number(MAX_LOSS, 2)}
    return {code: gettext(text) % figures for code, text in _CRITERIA.items()}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one criterion is met, and why."""

    code: str
    passed: bool
    sentence: str


class _NotComparableError(Exception):
    """A sentence on why two models cannot be compared."""


def judge(
    weights: Path,
    *,
    live: Path | None,
    live_version: str,
    held_out: Path,
    data_root: Path,
    work_dir: Path,
    engine: str,
    device: str,
) -> tuple[list[Verdict], dict[str, Any]]:
    """Check a checkpoint against every criterion; `live` are the live model's weights, or None.

    Both models are run on the stored clips in `held_out` where their front ends fit, else on the same clips' audio in
    `data_root`; sound rendered of MIDI is kept in `work_dir`. That takes up to a minute, with audio several.

    Returns:
        All verdicts, in the order of `CRITERIA`, and the comparison that two of them rest on, empty without one.
    """
    # Imported here because torch takes seconds, and pages read the text of the gate.
    from emotion.inference.predict import Predictor
    from training.evaluation.comparison import compare

    load = partial(Predictor.load, engine=engine, device=device)
    serves, predictor = _serves(weights, load)
    try:
        if predictor is None:
            raise _NotComparableError("It cannot be run.")
        clips = _held_out(held_out)
        _check_not_learned(weights, clips)
        models = {"It": predictor}
        if live is not None:
            try:
                models[f"The live model {live_version}"] = load(live)
            except EmotionError as error:
                raise _NotComparableError(f"The live model {live_version} cannot be run: {error}") from error
        mine, *others = _run(models, clips, data_root, work_dir)
    except _NotComparableError as error:
        unknown = "That cannot be said without clips to compare on."
        rest = (Verdict(code, False, unknown) for code in ("not_worse", "calibrated"))
        return [serves, Verdict("comparable", False, str(error)), *rest], {}
    comparison = compare(others[0] if others else _best_constant(mine), mine)
    sources = ", ".join(mine.by_dataset())
    if live is None:
        ran = f"It was run on {len(mine)} held-out clips of {sources}. No other model is live; a constant stands in."
        return [serves, Verdict("comparable", True, ran), *_better_than_a_constant(comparison)], {}
    ran = f"Both were run on the same {len(mine)} held-out clips of {sources}."
    verdicts = [serves, Verdict("comparable", True, ran), _not_worse(comparison), _calibrated(comparison)]
    return verdicts, comparison.to_json()


def _serves(weights: Path, load: Callable[[Path], Predictor]) -> tuple[Verdict, Predictor | None]:
    """Return the verdict, and the loaded model if it is good."""
    import soundfile

    try:
        predictor = load(weights)
        time_s = np.arange(round(predictor.card.frontend.window_s * 22_050)) / 22_050
        chord = sum(np.sin(2 * np.pi * hz * time_s) for hz in (220.0, 277.2, 329.6))
        waveform = (0.2 * chord * (0.6 + 0.4 * np.sin(2 * np.pi * 2 * time_s))).astype(np.float32)
        with tempfile.TemporaryDirectory() as folder:
            probe = Path(folder) / "probe.wav"
            soundfile.write(probe, waveform, 22_050)
            [result] = predictor.predict([probe])
    except (EmotionError, ValueError, RuntimeError, TypeError) as error:
        return Verdict("serves", False, f"It cannot serve: {error}"), None
    if isinstance(result, AudioUnreadableError):
        return Verdict("serves", False, f"It cannot serve: {result}"), None
    if not (np.isfinite(result.probabilities).all() and abs(result.probabilities.sum() - 1) < 1e-3):
        return Verdict(
            "serves", False, f"The probe recording gives the probabilities {result.probabilities.tolist()}."
        ), None
    if not np.isfinite(result.embedding).all():
        return Verdict("serves", False, "The probe recording gives an embedding that is not finite."), None
    sure = float(result.probabilities.max())
    return Verdict(
        "serves", True, f"It serves; the probe recording is {result.quadrant.name}, {sure:.0%} sure."
    ), predictor


def _held_out(path: Path) -> HeldOut:
    from training.evaluation.held_out import HeldOut

    try:
        return HeldOut.load(path)
    except ValueError as error:
        raise _NotComparableError(str(error)) from error


def _check_not_learned(weights: Path, clips: HeldOut) -> None:
    """Raise if the training clips that came with a model, if any did, include held-out ones."""
    splits = weights.with_suffix(".splits.json")
    if not splits.is_file():
        return
    try:
        folds = Folds.load(splits).folds
    except SplitError as error:
        raise _NotComparableError(f"The list of its training clips is no such list. {error}") from error
    learned = {clip for fold in folds for part in (fold.train, fold.validation) for clip in part}
    if both := sorted(learned & {*clips.clip.tolist()}):
        raise _NotComparableError(
            f"It learned from {len(both)} of the {len(clips)} held-out clips, such as {both[0]}: what it says of them "
            "is no test. Train it on the split of the bundled model."
        )


def _run(models: dict[str, Predictor], clips: HeldOut, data_root: Path, work_dir: Path) -> list[Predictions]:
    """Return what each model, by its name in a sentence, says of the same clips."""
    from training.evaluation.held_out import said_of_audio, said_of_spectra

    others = [name for name, predictor in models.items() if not clips.fits(predictor.card.frontend)]
    if others:
        audio = _with_audio(clips, data_root, work_dir)
        said = [said_of_audio(predictor, audio, logger.warning) for predictor in models.values()]
    else:
        said = [said_of_spectra(predictor, clips) for predictor in models.values()]
    shared = set.intersection(*({*each.clip.tolist()} for each in said))
    said = [each.where(np.isin(each.clip, list(shared))) for each in said]
    missing = sorted({*clips.dataset.tolist()} - {*said[0].dataset.tolist()})
    # Of the stored spectra none can be missing.
    if others and (len(shared) < MIN_CLIPS or missing):
        name = others[0]
        described = models[name].card.frontend.describe()
        raise _NotComparableError(
            f"{name} reads another input ({described}) than the stored clips are ({clips.frontend.describe()}), and "
            f"only {len(shared)} of their {len(clips)} recordings are here, of {', '.join(missing) or 'no source'} "
            "none. It takes the data sets in MER_DATA, or the front end of the bundled model, to compare them."
        )
    for name, each in zip(models, said, strict=True):
        points = np.stack([each.valence, each.arousal])
        if not (np.isfinite(each.probabilities).all() and np.isfinite(points).all()):
            raise _NotComparableError(f"{name} gives no probabilities, or no point, for some of the held-out clips.")
        projected = np.stack(valence_arousal_from_probabilities(each.probabilities))
        if (points.std(axis=1) < MIN_POINT_SPREAD * projected.std(axis=1)).any():
            raise _NotComparableError(
                f"{name} gives nearly the same point to clips whose probabilities differ: the reading on its card is "
                "none that training fits."
            )
    return said


def _with_audio(clips: HeldOut, data_root: Path, work_dir: Path) -> list[Clip]:
    """Return the clips whose data sets are here, labelled as stored."""
    files: dict[str, Path] = {}
    for name in sorted({*clips.dataset.tolist()}):
        with suppress(DatasetError):
            loaded = DATASETS[name].load(data_root / DATASETS[name].folder, work_dir)
            files |= {clip.id: clip.audio for clip in loaded}
    return [replace(clip, audio=files[clip.id]) for clip in clips.clips() if clip.id in files]


def _best_constant(said: Predictions) -> Predictions:
    """Return what a model says that knows only how frequent the quadrants are among these clips."""
    shares = np.bincount(said.truth, minlength=4) / len(said)
    return replace(said, probabilities=np.tile(shares, (len(said), 1)).astype(np.float32))


def _better_than_a_constant(comparison: PairedComparison) -> tuple[Verdict, Verdict]:
    all_clips = comparison.overall
    accuracy, macro_f1 = all_clips.accuracy_interval, all_clips.macro_f1_interval
    better = (
        f"Accuracy {all_clips.candidate_accuracy:.3f}; its difference from the best constant is "
        f"{all_clips.accuracy_difference:+.3f} ({accuracy[0]:+.3f} to {accuracy[1]:+.3f}), in macro-F1 "
        f"{all_clips.macro_f1_difference:+.3f} ({macro_f1[0]:+.3f} to {macro_f1[1]:+.3f})."
    )
    return (
        Verdict("not_worse", accuracy[0] > 0 and macro_f1[0] > 0, better),
        Verdict("calibrated", all_clips.log_loss_interval[1] < 0, _log_losses(comparison, "the best constant's")),
    )


def _not_worse(comparison: PairedComparison) -> Verdict:
    parts = [*comparison.sources, replace(comparison.overall, dataset="all together")]
    worse = [part for part in parts if part.is_worse]
    if not worse:
        differences = ", ".join(f"{each.dataset} {each.accuracy_difference:+.3f}" for each in parts)
        return Verdict("not_worse", True, f"Not worse on any source; differences in accuracy: {differences}.")
    differences = "; ".join(
        f"{each.dataset}: accuracy {each.accuracy_difference:+.3f} ({each.accuracy_interval[0]:+.3f} to "
        f"{each.accuracy_interval[1]:+.3f}), macro-F1 {each.macro_f1_difference:+.3f} "
        f"({each.macro_f1_interval[0]:+.3f} to {each.macro_f1_interval[1]:+.3f}), {each.n} clips"
        for each in worse
    )
    n_sources = len(comparison.worse_on)
    return Verdict(
        "not_worse", False, f"Worse beyond chance on {n_sources} of {len(comparison.sources)} sources: {differences}."
    )


def _calibrated(comparison: PairedComparison) -> Verdict:
    passed = comparison.overall.log_loss_interval[0] <= MAX_LOSS
    return Verdict("calibrated", passed, _log_losses(comparison, "the live model's"))


def _log_losses(comparison: PairedComparison, whose: str) -> str:
    each = comparison.overall
    low, high = each.log_loss_interval
    return (
        f"Its log loss is {each.candidate_log_loss:.3f}, {whose} is {each.live_log_loss:.3f}; the difference is "
        f"{each.log_loss_difference:+.3f} ({low:+.3f} to {high:+.3f}). Its calibration error is "
        f"{each.candidate_ece:.3f}."
    )
