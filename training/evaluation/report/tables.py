"""The tables of a report, each from a run's predictions. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from emotion.inference.quadrants import Quadrant
from training.data.splits import PARTS, Protocol
from training.evaluation.comparison import Comparison, SystemComparison, folds_of, of_protocol, protocol_gap
from training.evaluation.dataset_probe import Probe
from training.evaluation.metrics import Scores, class_scores, confusion_of
from training.evaluation.predictions import Predictions
from training.evaluation.report.run import NotInRunError, Run, labels_of
from training.evaluation.report.scores import (
    PROTOCOLS,
    all_scores,
    axis_scores,
    fold_scores,
    main_protocol,
    protocol_title,
    protocols_of,
)
from training.evaluation.report.table import Cell, Table, figure

MAX_FOLD_COLUMNS = 12


def score_rows(scores: Mapping[str, Scores], title: str, note: str) -> Table:
    """Return scores by dataset, each figure beside its floor."""
    columns: tuple[str, ...] = ("test clips", "n", "accuracy (95 %)", "floor", "macro-F1 (95 %)", "floor")
    columns += ("top 3", "floor", "ECE", "Brier", "floor")
    rows = tuple(
        (
            name,
            s.n,
            figure(s.accuracy, s.accuracy_interval, bold=True),
            s.floor_accuracy,
            figure(s.macro_f1, s.macro_f1_interval, bold=True),
            s.floor_macro_f1,
            s.top3,
            s.floor_top3,
            s.ece,
            s.brier,
            s.floor_brier,
        )
        for name, s in scores.items()
    )
    return Table(title, note, columns, rows)


def fold_table(predictions: Predictions, protocol: str) -> Table:
    """Return accuracy and macro-F1 of each fold, over all clips and by dataset: the paper's Table 3.

    Raises:
        NotInRunError: There is only one fold.
    """
    rows = of_protocol(predictions, protocol)
    folds = list(folds_of(rows))
    if len(folds) < 2:
        raise NotInRunError(f"{protocol_title(protocol)}: there is one fold only, so that nothing spreads.")
    datasets = list(dict.fromkeys(rows.dataset.tolist()))
    parts = {"all": rows, **{name: rows.where(rows.dataset == name) for name in datasets if len(datasets) > 1}}
    # A hundred folds of ten times ten are told by their mean and spread alone.
    shown = folds if len(folds) <= MAX_FOLD_COLUMNS else []
    body: list[tuple[Cell, ...]] = []
    for name, part in parts.items():
        scores = fold_scores(part)
        for i, measure in enumerate(("accuracy", "macro-F1")):
            # A small dataset may be missing from a fold.
            each = [scores[fold][i] if fold in scores else None for fold in shown]
            values = [found[i] for found in scores.values()]
            spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
            body.append((f"{name}, {measure}", *each, f"**{np.mean(values):.3f}**{spread}"))
    columns = ("", *(f"fold {i + 1}" for i in range(len(shown))), "all folds")
    note = f"As the paper's Table 3: {len(folds)} folds, their mean and standard deviation."
    return Table(f"{protocol_title(protocol)}: by fold", note, columns, tuple(body))


def class_table(predictions: Predictions, protocol: str) -> Table:
    """Return precision, recall and F1 of each quadrant, averaged over folds: the paper's Table 4."""
    folds = folds_of(of_protocol(predictions, protocol))
    by_fold = [class_scores(confusion_of(rows)) for rows in folds.values()]
    rows = tuple(
        (
            f"{quadrant.name} {quadrant.sign} ({quadrant.description})",
            *(float(np.mean([getattr(fold[quadrant.index], what) for fold in by_fold])) for what in _CLASS_FIGURES),
            sum(fold[quadrant.index].n for fold in by_fold),
        )
        for quadrant in Quadrant
    )
    note = f"As the paper's Table 4{f', averaged over {len(folds)} folds' if len(folds) > 1 else ''}."
    return Table("By quadrant", note, ("quadrant", "precision", "recall", "F1", "n"), rows)


_CLASS_FIGURES = ("precision", "recall", "f1")


def leave_one_out_table(predictions: Predictions) -> Table:
    """Return how each source is judged by a model fitted without its labels, beside one fitted with them.

    Raises:
        NotInRunError: The run left no source out.
    """
    if Protocol.LEAVE_ONE_SOURCE_OUT not in protocols_of(predictions):
        raise NotInRunError("This run left no source out.")
    unseen = all_scores(predictions, Protocol.LEAVE_ONE_SOURCE_OUT)
    beside = next((name for name in protocols_of(predictions) if name != Protocol.LEAVE_ONE_SOURCE_OUT), None)
    seen = all_scores(predictions, beside) if beside else {}
    rows = tuple(
        (
            name,
            s.n,
            figure(s.accuracy, s.accuracy_interval, bold=True),
            s.floor_accuracy,
            figure(s.macro_f1, s.macro_f1_interval, bold=True),
            s.floor_macro_f1,
            s.ece,
            seen[name].accuracy if name in seen else None,
            seen[name].macro_f1 if name in seen else None,
        )
        for name, s in unseen.items()
    )
    columns: tuple[str, ...] = ("source left out", "n", "accuracy (95 %)", "floor", "macro-F1 (95 %)", "floor", "ECE")
    columns += ("accuracy with its labels", "macro-F1 with its labels")
    note = "What a listener's own collection is to the model."
    if beside:
        note += (
            f" The last two columns are from “{protocol_title(beside)}”: the distance is what the source itself taught."
        )
    return Table("Each source, fitted without its labels", note, columns, rows)


def gap_table(predictions: Predictions) -> Table:
    """Return what is gained by having heard other songs of the same artist.

    Raises:
        NotInRunError: The run has not both kinds of folds.
    """
    try:
        gap = protocol_gap(predictions)
    except ValueError as error:
        raise NotInRunError(str(error)) from error
    note = "The same clips, in folds that keep artists together and in folds that do not; intervals over artists."
    columns: tuple[str, ...] = ("test clips", "n", "accuracy, grouped", "stratified", "gap (95 %)")
    columns += ("macro-F1, grouped", "stratified", "gap (95 %)")
    return Table("What knowing the artist is worth", note, columns, _difference_rows(gap))


def comparison_table(comparison: Comparison, first: str, second: str) -> Table:
    """Return a paired comparison of two models, by dataset."""
    columns: tuple[str, ...] = ("test clips", "n", f"accuracy, {first}", second, "difference (95 %)")
    columns += (f"macro-F1, {first}", second, "difference (95 %)")
    note = f"{comparison.overall.n} clips that both were tested on; intervals from a paired bootstrap over artists."
    if comparison.worse_on:
        note += f" Worse beyond the interval on {', '.join(comparison.worse_on)}."
    return Table(f"{second} beside {first}", note, columns, _difference_rows(comparison))


def _difference_rows(comparison: Comparison) -> tuple[tuple[Cell, ...], ...]:
    shown = comparison.sources if len(comparison.sources) == 1 else (*comparison.sources, comparison.overall)
    return tuple(
        (
            source.dataset,
            source.n,
            source.live_accuracy,
            source.candidate_accuracy,
            figure(source.accuracy_difference, source.accuracy_interval, bold=True),
            source.live_macro_f1,
            source.candidate_macro_f1,
            figure(source.macro_f1_difference, source.macro_f1_interval, bold=True),
        )
        for source in shown
    )


def systems_table(systems: Sequence[SystemComparison], reference: str = "this run") -> Table:
    """Return several systems beside the reference, with tests corrected for their number."""
    columns: tuple[str, ...] = (
        "system",
        "clips",
        "accuracy",
        reference,
        "only it is right",
        f"only {reference}",
        "p (McNemar, Holm)",
    )
    columns += ("macro-F1, mean over folds: difference (95 %)", "p (corrected t)")
    rows = tuple(
        (
            system.name,
            system.comparison.overall.n,
            system.comparison.overall.candidate_accuracy,
            system.comparison.overall.live_accuracy,
            system.test.only_second,
            system.test.only_first,
            system.adjusted_p,
            figure(system.folds.difference, system.folds.interval) if system.folds else None,
            system.folds.p_value if system.folds else None,
        )
        for system in systems
    )
    note = (
        "Each on the clips it shares with the reference. McNemar's exact test over clips, Holm's correction over "
        "systems; over folds, the corrected resampled t-test of Nadeau and Bengio."
    )
    return Table("Beside other systems", note, columns, rows)


def axis_table(predictions: Predictions, protocol: str) -> Table:
    """Return the scores of valence and arousal, by dataset, each beside its floor."""
    rows = tuple(
        (
            f"{dataset}, {axis}",
            name,
            s.n,
            figure(s.r, s.r_interval),
            figure(s.ccc, s.ccc_interval, bold=True),
            figure(s.r2, s.r2_interval),
            figure(s.rmse, s.rmse_interval),
            s.floor_rmse,
        )
        for (dataset, axis, name), s in axis_scores(predictions, protocol).items()
    )
    columns = ("test clips", "figure", "n", "correlation (95 %)", "CCC (95 %)", "R² (95 %)", "RMSE (95 %)", "floor")
    note = "Against mean ratings, on [-1, 1]. The floor of the RMSE is saying the mean; R² is 0 there."
    return Table(f"Valence and arousal: {protocol_title(protocol).lower()}", note, columns, rows)


def probe_table(probe: Probe) -> Table:
    """Return whether the embedding names its dataset."""
    row = (
        ", ".join(probe.datasets),
        probe.n,
        figure(probe.accuracy, probe.accuracy_interval, bold=True),
        probe.floor_accuracy,
        probe.balanced_accuracy,
        1 / len(probe.datasets),
    )
    columns = ("datasets", "n", "accuracy (95 %)", "floor", "balanced accuracy", "chance")
    note = (
        "A logistic regression on the embedding, in artist-grouped folds. Near the floor is good: then the network "
        "hears music and not where it came from."
    )
    return Table("Can the embedding name its dataset?", note, columns, (row,))


def data_table(run: Run) -> Table:
    """Return what the run was made of: clips by part and licence of each dataset.

    Raises:
        NotInRunError: The run does not say.
    """
    parts, where = run.parts(), {label.clip: label.dataset for label in labels_of(run.predictions)}
    datasets = run.facts.get("datasets", {})
    if not isinstance(datasets, dict) or not datasets:
        raise NotInRunError("run.json does not name the datasets.")
    rows = []
    for name, facts in datasets.items():
        counts = [
            sum(part == wanted and where.get(clip, clip.split("/")[0]) == name for clip, part in parts.items())
            for wanted in PARTS
        ]
        rows.append((name, facts.get("clips"), *(counts if parts else (None,) * 3), facts.get("licence")))
    columns = ("dataset", "clips", "train", "validation", "test", "licence as stated at the source")
    return Table("Data", "Clips of each part are those of the first fold.", columns, tuple(rows))


def history_table(run: Run) -> Table:
    """Return each fold's best epoch and speed.

    Raises:
        NotInRunError: The run has no history.
    """
    stages = run.stages()
    if not stages:
        raise NotInRunError("This run has no history (history.jsonl).")
    rows = []
    for name, lines in stages.items():
        best = min(lines, key=lambda line: _known(line, "validation_loss", np.inf))
        speed = [_known(line, "images_per_s") for line in lines]
        rows.append(
            (
                name,
                len(lines),
                best.get("epoch"),
                _known(best, "validation_loss"),
                _known(best, "validation_accuracy"),
                f"{np.nanmean(speed):.1f}" if np.isfinite(speed).any() else None,
            )
        )
    columns = ("stage", "epochs", "best epoch", "validation loss there", "validation accuracy there", "images/s")
    return Table("Training", "The best epoch is that of the lowest validation loss.", columns, tuple(rows))


def _known(line: Mapping[str, Any], key: str, otherwise: float = float("nan")) -> float:
    value = line.get(key)
    return otherwise if value is None else float(value)


def run_tables(predictions: Predictions, systems: Sequence[SystemComparison] = ()) -> list[Table]:
    """Return the tables that a card and a terminal show, as far as the run has what they need.

    Raises:
        NotInRunError: No labelled clip was tested.
    """
    found = [
        score_rows(all_scores(predictions, protocol), protocol_title(protocol), PROTOCOLS.get(protocol, ("", ""))[1])
        for protocol in protocols_of(predictions)
        if protocol != Protocol.LEAVE_ONE_SOURCE_OUT
    ]
    leading = main_protocol(predictions)
    further: list[Callable[[], Table]] = [
        partial(class_table, predictions, leading),
        *(partial(fold_table, predictions, protocol) for protocol in protocols_of(predictions) if protocol in _FOLDED),
        partial(leave_one_out_table, predictions),
        partial(gap_table, predictions),
        partial(axis_table, predictions, leading),
    ]
    for make in further:
        with suppress(NotInRunError):
            found.append(make())
    return [*found, *([systems_table(systems)] if systems else [])]


_FOLDED = (Protocol.ARTIST_GROUPED, Protocol.PAPER, Protocol.STRATIFIED)
