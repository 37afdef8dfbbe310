"""A run as one page for people: words, tables and plots, in one file that needs nothing else."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotion.inference.quadrants import Quadrant
from training.data.splits import Protocol
from training.evaluation.comparison import SystemComparison, protocol_gap
from training.evaluation.dataset_probe import Probe, probe_run
from training.evaluation.metrics import Scores, class_scores, confusion_of
from training.evaluation.predictions import Predictions
from training.evaluation.report import plots, tables
from training.evaluation.report.run import (
    PROTOCOLS,
    ClipLabel,
    NotInRunError,
    Run,
    all_scores,
    axis_scores,
    labels_of,
    main_protocol,
    protocol_title,
    protocols_of,
)
from training.evaluation.report.tables import ClipGroup, Table

_PAGE = Path(__file__).with_name("page.html")
CALIBRATED_ECE = 0.05
_SCORES_NOTE = (
    "Intervals are a bootstrap over artists. Floors: the best constant for accuracy and macro-F1, ranking by frequency "
    "for the top 3, always giving the frequencies for Brier. ECE over 15 bins of equal mass."
)
_TESTED: dict[str, str] = {
    Protocol.HELD_OUT: "Tested on {n} clips of artists that it was not trained on",
    Protocol.ARTIST_GROUPED: "Tested on {n} clips in folds, each by a model fitted without its artist",
    Protocol.PAPER: "Tested by the paper's protocol, {n} answers of all folds on the fixed test set",
    Protocol.STRATIFIED: "Tested on {n} clips in folds that may share artists",
    Protocol.LEAVE_ONE_SOURCE_OUT: "Tested on {n} clips, each by a model fitted without a label of its source",
}


@dataclass(frozen=True, slots=True)
class Extras:
    """Parts of a report that do not come from the run: other systems on the same clips, images, labels of all clips."""

    systems: Sequence[SystemComparison] = ()
    examples: plots.Examples = field(default_factory=dict)
    labels: Sequence[ClipLabel] = ()


@dataclass(frozen=True, slots=True)
class _Section:
    anchor: str
    title: str
    parts: Sequence[str]


def report_page(run: Run, extras: Extras | None = None) -> str:
    """Return the report as HTML; a part that the run lacks is replaced by a sentence that says so."""
    extras = extras or Extras()
    try:
        probe: Probe | str = probe_run(run.predictions)
    except ValueError as error:
        probe = str(error)
    sections = [
        _in_short(run, probe),
        _data(run, extras),
        _training(run),
        *(_protocol(run.predictions, protocol) for protocol in protocols_of(run.predictions)),
        _other_sources(run.predictions, probe),
        _plane(run.predictions),
        _errors(run.predictions),
        *_systems(extras.systems),
        *_run_metrics(run.metrics),
        _repeat(run),
    ]
    ended = str(run.facts.get("ended") or run.facts.get("started") or "")[:16].replace("T", " ")
    lede = (f"Run {run.folder.name}", ended, f"seed {run.facts['seed']}" if "seed" in run.facts else "")
    links = "".join(f'<li><a href="#{section.anchor}">{html.escape(section.title)}</a></li>' for section in sections)
    return Template(_PAGE.read_text(encoding="utf-8")).substitute(
        title=html.escape(f"{run.version}: report"),
        version=html.escape(run.version),
        lede=html.escape(" · ".join(filter(None, lede))),
        links=links,
        sections="\n".join(
            f'<section id="{section.anchor}">\n<h2>{html.escape(section.title)}</h2>\n{body}\n</section>'
            for section in sections
            for body in ["\n".join(section.parts)]
        ),
    )


def _part(make: Callable[[], str]) -> str:
    """Return a part, or the sentence that says why this run has none."""
    try:
        return make()
    except NotInRunError as reason:
        return _absent(str(reason))


def _absent(reason: str) -> str:
    return f'<p class="absent">{html.escape(reason)}</p>'


def _table(make: Callable[[], Table]) -> str:
    return _part(lambda: _shown(make()))


def _shown(table: Table) -> str:
    note = _paragraph(table.note) if table.note else ""
    return f"<h3>{html.escape(table.title)}</h3>{note}{table.to_html()}"


def _plot(caption: str, make: Callable[[], str]) -> str:
    return _part(lambda: f"<figure>{make()}<figcaption>{html.escape(caption)}</figcaption></figure>")


def _paragraph(text: str) -> str:
    return f"<p>{html.escape(text)}</p>"


def _list(sentences: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{html.escape(sentence)}</li>' for sentence in sentences)}</ul>"


def _in_short(run: Run, probe: Probe | str) -> _Section:
    words = _part(lambda: _list(summary(run.predictions, probe if isinstance(probe, Probe) else None)))
    caption = "With 95 % intervals over artists; the bars are the floors, the best that a constant can do."
    return _Section("short", "In short", [words, _plot(caption, lambda: plots.score_forest(run.predictions))])


def _data(run: Run, extras: Extras) -> _Section:
    labels = extras.labels or labels_of(run.predictions)
    parts = [
        _table(lambda: tables.data_table(run)),
        _plot(
            "Clips by quadrant, dataset and part of the first fold, as the paper's Figure 4.",
            lambda: plots.class_distribution(labels, run.parts()),
        ),
        _plot("Rated songs on the plane, used or not, as the paper's Figure 2.", lambda: plots.label_plane(labels)),
        _plot(
            "What the network sees, one clip of each quadrant, as the paper's Figure 3: those that it is surest of, "
            "rightly.",
            lambda: plots.spectrograms(extras.examples),
        ),
    ]
    return _Section("data", "The data", parts)


def _training(run: Run) -> _Section:
    caption = "Loss by epoch, as the paper's Figure 5; the dotted line is the epoch that was kept. At most six folds."
    parts = [
        _plot(caption, lambda: plots.loss_curves(run.stages())),
        _plot("Accuracy on validation clips by epoch.", lambda: plots.accuracy_curves(run.stages())),
        _table(lambda: tables.history_table(run)),
    ]
    return _Section("training", "How training went", parts)


def _protocol(predictions: Predictions, protocol: str) -> _Section:
    is_first = protocol == main_protocol(predictions)
    rows = predictions.of_protocol(protocol)
    title, note = PROTOCOLS.get(protocol, (protocol_title(protocol), ""))
    scores = all_scores(predictions, protocol)
    parts = [_paragraph(note), _shown(tables.score_rows(scores, "Scores", _SCORES_NOTE if is_first else ""))]
    if protocol != Protocol.LEAVE_ONE_SOURCE_OUT and len(rows.by_fold()) > 1:
        parts.append(_table(lambda: tables.fold_table(predictions, protocol)))
    by_dataset = rows.by_dataset()
    matrices = {**by_dataset, "all": rows} if len(by_dataset) > 1 else by_dataset
    parts += [
        _table(lambda: tables.class_table(predictions, protocol)),
        "<h3>Confusion matrices</h3>",
        _paragraph("Rows are the label, columns what the model said; the shade is the share of the row."),
        f'<div class="matrices">{"".join(_matrix(name, confusion_of(part)) for name, part in matrices.items())}</div>',
        _plot(
            "Reliability over 15 bins of equal mass: on the dashed line, confidence is what it says.",
            lambda: plots.reliability_diagram(predictions, protocol),
        ),
    ]
    if is_first:
        caption = "Where the model puts the clips, coloured by their label: a clip of another colour in a quadrant is "
        parts.append(_plot(f"{caption}an error.", lambda: plots.predicted_plane(predictions, protocol)))
    return _Section(protocol, title, parts)


def _matrix(name: str, confusion: NDArray[np.float64]) -> str:
    head = "".join(f'<th scope="col">{quadrant.name}</th>' for quadrant in Quadrant)
    body = []
    for quadrant, counts in zip(Quadrant, confusion, strict=True):
        cells = "".join(
            f'<td style="--share:{share:.0f}%" title="{share:.0f} % of {quadrant.name}">{count:.0f}</td>'
            for count, share in zip(counts, 100 * counts / max(counts.sum(), 1), strict=True)
        )
        body.append(f'<tr><th scope="row">{quadrant.name}</th>{cells}</tr>')
    caption = f"<caption>{html.escape(name)}</caption>"
    return (
        f'<table class="matrix">{caption}<thead><tr><td></td>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'
    )


def _other_sources(predictions: Predictions, probe: Probe | str) -> _Section:
    parts = [
        _table(lambda: tables.leave_one_out_table(predictions)),
        _table(lambda: tables.gap_table(predictions)),
        _plot("Macro-F1 of each fold; the bar is their mean.", lambda: plots.fold_spread(predictions)),
        _shown(tables.probe_table(probe)) if isinstance(probe, Probe) else _absent(probe),
    ]
    return _Section("sources", "Beyond its own sources", parts)


def _plane(predictions: Predictions) -> _Section:
    table = _table(lambda: tables.axis_table(predictions, main_protocol(predictions)))
    plot = _plot(
        "Rated against said; on the dashed line they are the same.",
        lambda: plots.rated_against_predicted(predictions, main_protocol(predictions)),
    )
    return _Section("plane", "Valence and arousal", [table, plot])


def _errors(predictions: Predictions) -> _Section:
    def grouping(name: str, note: str, group: Callable[[Predictions], list[ClipGroup]]) -> str:
        groups = group(rows)
        plot = f"<figure>{plots.group_forest(name, groups)}</figure>"
        return _shown(tables.group_table(name, note, groups)) + plot

    title = "Where it errs"
    try:
        rows = predictions.of_protocol(main_protocol(predictions))
    except NotInRunError as reason:
        return _Section("errors", title, [_absent(str(reason))])
    groupings: list[tuple[str, str, Callable[[Predictions], list[ClipGroup]]]] = [
        ("By arousal", "The label's half of the plane, and the rating where there is one.", tables.by_arousal),
        ("By genre", f"Genres with at least {tables.MIN_CLIPS} tested clips.", tables.by_genre),
        ("By loudness", "Quarters of the clips' mean level. Sources differ in level, too.", tables.by_loudness),
    ]
    parts = [_part(partial(grouping, *each)) for each in groupings]
    return _Section("errors", title, [*parts, _shown(tables.surest_mistakes(rows))])


def _systems(systems: Sequence[SystemComparison]) -> list[_Section]:
    if not systems:
        return []
    each = [tables.comparison_table(system.comparison, "this run", system.name) for system in systems]
    return [_Section("systems", "Beside other systems", [*map(_shown, (tables.systems_table(systems), *each))])]


def _run_metrics(metrics: Mapping[str, Any]) -> list[_Section]:
    # Further tables, what was tried and limits, as the run states them itself.
    further = [Table.from_json(raw) for raw in metrics.get("tables", ())]
    if metrics.get("tried"):
        rows = tuple((row["what"], row["result"]) for row in metrics["tried"])
        further.append(Table("What was tried", "", ("what", "result"), rows))
    limits = [f"<h3>Limits</h3>{_list(metrics['limits'])}"] if metrics.get("limits") else []
    parts = [*map(_shown, further), *limits]
    return [_Section("told", "Further figures of this run", parts)] if parts else []


def _repeat(run: Run) -> _Section:
    facts = {key: value for key, value in run.facts.items() if key != "datasets"}
    for protocol, split in run.splits.items():
        facts[f"split {protocol}"] = f"{len(split.folds)} folds, SHA-256 {split.sha256}"
    items = "".join(
        f"<dt>{html.escape(str(key))}</dt><dd>{html.escape(_plain(value))}</dd>" for key, value in facts.items()
    )
    part = f"<dl>{items}</dl>" if facts else _absent("This run has no run.json.")
    return _Section("repeat", "How to repeat it", [part])


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def summary(predictions: Predictions, probe: Probe | None = None) -> list[str]:
    """Return sentences for readers without statistics, the most important first.

    Raises:
        NotInRunError: No labelled clip was tested.
    """
    protocol = main_protocol(predictions)
    rows, scores = predictions.of_protocol(protocol), all_scores(predictions, protocol)
    sentences = [*_headline(rows, protocol, scores), _quadrants(confusion_of(rows)), _calibration(rows, scores)]
    if Protocol.LEAVE_ONE_SOURCE_OUT in protocols_of(predictions) and protocol != Protocol.LEAVE_ONE_SOURCE_OUT:
        unseen = all_scores(predictions, Protocol.LEAVE_ONE_SOURCE_OUT).items()
        parts = (f"{name} {s.accuracy:.2f} (floor {s.floor_accuracy:.2f})" for name, s in unseen if name != "all")
        sentences.append(f"Fitted without a label of a source, its accuracy there is: {', '.join(parts)}.")
    return [*sentences, *_gap(predictions), *_correlations(predictions, protocol), *_source(probe)]


def _headline(rows: Predictions, protocol: str, scores: Mapping[str, Scores]) -> list[str]:
    tested = _TESTED.get(protocol, "Tested on {n} clips").format(n=len(rows))
    floor = float(np.bincount(rows.truth).max() / len(rows))
    sentences = [
        f"{tested}, the model names the right quadrant for {_of_100(float(rows.is_correct.mean()))}. Always giving the "
        f"same answer would be right for {_of_100(floor)}."
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


def _quadrants(confusion: NDArray[np.float64]) -> str:
    f1 = [scores.f1 for scores in class_scores(confusion)]
    best, worst = Quadrant(int(np.argmax(f1)) + 1), Quadrant(int(np.argmin(f1)) + 1)
    sentence = (
        f"It knows {best.name} ({best.description}) best, with an F1 of {max(f1):.2f}, and {worst.name} "
        f"({worst.description}) least, with {min(f1):.2f}."
    )
    slips = confusion - np.diag(np.diagonal(confusion))
    label, predicted = divmod(int(slips.argmax()), 4)
    if slips.max() > 0:
        share = _of_100(float(slips[label, predicted] / confusion[label].sum()))
        sentence += f" Its most frequent slip is to call Q{label + 1} Q{predicted + 1}: {share} of such clips."
    return sentence


def _calibration(rows: Predictions, scores: Mapping[str, Scores]) -> str:
    ece = (scores.get("all") or next(iter(scores.values()))).ece
    worst = max((name for name in scores if name != "all"), key=lambda name: scores[name].ece)
    too_sure = float(rows.probabilities.max(axis=1).mean() - np.mean(rows.is_correct)) > 0
    if ece <= CALIBRATED_ECE:
        verdict = "its confidence can be believed"
    else:
        verdict = "it is too sure" if too_sure else "it is not sure enough"
    return (
        f"How sure it is differs from how often it is right by {100 * ece:.1f} points on average: {verdict}. The "
        f"largest gap of a source is on {worst}, {100 * scores[worst].ece:.1f} points."
    )


def _gap(predictions: Predictions) -> list[str]:
    try:
        gap = protocol_gap(predictions).overall
    except ValueError:
        return []
    low, high = gap.macro_f1_interval
    chance = "" if low > 0 or high < 0 else ", which may be chance"
    return [
        "Folds that let an artist be on both sides change the macro-F1 by "
        f"{100 * gap.macro_f1_difference:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f}){chance}."
    ]


def _correlations(predictions: Predictions, protocol: str) -> list[str]:
    try:
        scores = axis_scores(predictions, protocol)
    except NotInRunError:
        return []
    r = {(dataset, axis): s.r for (dataset, axis, name), s in scores.items() if name == "as said"}
    return [
        f"Against the ratings of {dataset}, its valence correlates {r[dataset, 'valence']:.2f} and its arousal "
        f"{r[dataset, 'arousal']:.2f}."
        for dataset, axis in r
        if axis == "valence" and (dataset, "arousal") in r
    ]


def _source(probe: Probe | None) -> list[str]:
    if probe is None:
        return []
    near = probe.accuracy_interval[0] <= probe.floor_accuracy
    verdict = "it no longer hears where a song came from" if near else "it still hears where a song came from"
    return [
        f"From its embedding, a song's dataset can be named for {_of_100(probe.accuracy)}; always naming the largest "
        f"would be right for {_of_100(probe.floor_accuracy)}: {verdict}."
    ]


def _of_100(share: float) -> str:
    return f"{100 * share:.0f} in 100"
