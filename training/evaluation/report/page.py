"""A run as one page for people: words, tables and plots, in one file that needs nothing else. Pure."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from emotion.inference.quadrants import Quadrant
from training.data.splits import Protocol
from training.evaluation.comparison import SystemComparison, folds_of, of_protocol
from training.evaluation.dataset_probe import Probe, probe_run
from training.evaluation.metrics import confusion_of
from training.evaluation.predictions import Predictions
from training.evaluation.report import errors, plots, tables
from training.evaluation.report.examples import Examples
from training.evaluation.report.run import Label, NotInRunError, Run, labels_of
from training.evaluation.report.scores import PROTOCOLS, all_scores, main_protocol, protocol_title, protocols_of
from training.evaluation.report.summary import summary
from training.evaluation.report.table import Table

_PAGE = Path(__file__).with_name("page.html")


@dataclass(frozen=True, slots=True)
class Extras:
    """What a report shows beside the run itself.

    Attributes:
        systems: Others on the same clips.
        examples: Images of one clip of each quadrant.
        labels: Of all clips of the data, as `all_labels` gives them; by default those that were tested.
    """

    systems: Sequence[SystemComparison] = ()
    examples: Examples = field(default_factory=dict)
    labels: Sequence[Label] = ()


def report_page(run: Run, extras: Extras | None = None) -> str:
    """Return the report as HTML; what the run lacks is said where it would be."""
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
        *([_systems(extras.systems)] if extras.systems else []),
        *_told(run.metrics),
        _repeat(run),
    ]
    links = "".join(f'<li><a href="#{section.anchor}">{html.escape(section.title)}</a></li>' for section in sections)
    return Template(_PAGE.read_text(encoding="utf-8")).substitute(
        title=html.escape(f"{run.version}: report"),
        version=html.escape(run.version),
        lede=html.escape(_lede(run)),
        links=links,
        sections="\n".join(section.to_html() for section in sections),
    )


@dataclass(frozen=True, slots=True)
class _Section:
    anchor: str
    title: str
    parts: Sequence[str]

    def to_html(self) -> str:
        body = "\n".join(self.parts)
        return f'<section id="{self.anchor}">\n<h2>{html.escape(self.title)}</h2>\n{body}\n</section>'


def _part(make: Callable[[], str]) -> str:
    """Return a part, or the sentence that says why this run has none."""
    try:
        return make()
    except NotInRunError as reason:
        return f'<p class="absent">{html.escape(str(reason))}</p>'


def _table(make: Callable[[], Table]) -> str:
    return _part(lambda: _shown(make()))


def _shown(table: Table) -> str:
    note = f"<p>{html.escape(table.note)}</p>" if table.note else ""
    return f"<h3>{html.escape(table.title)}</h3>{note}{table.to_html()}"


def _plot(caption: str, make: Callable[[], str]) -> str:
    return _part(lambda: f"<figure>{make()}<figcaption>{html.escape(caption)}</figcaption></figure>")


def _paragraph(text: str) -> str:
    return f"<p>{html.escape(text)}</p>"


def _list(sentences: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{html.escape(sentence)}</li>' for sentence in sentences)}</ul>"


def _lede(run: Run) -> str:
    ended = str(run.facts.get("ended") or run.facts.get("started") or "")[:16].replace("T", " ")
    parts = [f"Run {run.folder.name}", ended, f"seed {run.facts['seed']}" if "seed" in run.facts else ""]
    return " · ".join(part for part in parts if part)


def _in_short(run: Run, probe: Probe | str) -> _Section:
    def words() -> str:
        return _list(summary(run.predictions, probe if isinstance(probe, Probe) else None))

    caption = "With 95 % intervals over artists; the bars are the floors, the best that a constant can do."
    return _Section("short", "In short", [_part(words), _plot(caption, lambda: plots.score_forest(run.predictions))])


def _data(run: Run, extras: Extras) -> _Section:
    labels = extras.labels or labels_of(run.predictions)
    return _Section(
        "data",
        "The data",
        [
            _table(lambda: tables.data_table(run)),
            _plot(
                "Clips by quadrant, dataset and part of the first fold, as the paper's Figure 4.",
                lambda: plots.class_distribution(labels, run.parts()),
            ),
            _plot("Rated songs on the plane, used or not, as the paper's Figure 2.", lambda: plots.label_plane(labels)),
            _plot(
                "What the network sees, one clip of each quadrant, as the paper's Figure 3: those that it is "
                "surest of, rightly.",
                lambda: plots.spectrograms(extras.examples),
            ),
        ],
    )


def _training(run: Run) -> _Section:
    caption = "Loss by epoch, as the paper's Figure 5; the dotted line is the epoch that was kept. At most six folds."
    return _Section(
        "training",
        "How training went",
        [
            _plot(caption, lambda: plots.loss_curves(run.stages())),
            _plot("Accuracy on validation clips by epoch.", lambda: plots.accuracy_curves(run.stages())),
            _table(lambda: tables.history_table(run)),
        ],
    )


def _protocol(predictions: Predictions, protocol: str) -> _Section:
    first = protocol == main_protocol(predictions)
    title, note = PROTOCOLS.get(protocol, (protocol_title(protocol), ""))
    scores = all_scores(predictions, protocol)
    several = protocol != Protocol.LEAVE_ONE_SOURCE_OUT and len(folds_of(of_protocol(predictions, protocol))) > 1
    folds = [_table(lambda: tables.fold_table(predictions, protocol))] if several else []
    said = (
        "Where the model puts the clips, coloured by their label: a clip of another colour in a quadrant is an error."
    )
    return _Section(
        protocol,
        title,
        [
            _paragraph(note),
            _shown(tables.score_rows(scores, "Scores", _SCORES_NOTE if first else "")),
            *folds,
            _table(lambda: tables.class_table(predictions, protocol)),
            "<h3>Confusion matrices</h3>",
            _paragraph("Rows are the label, columns what the model said; the shade is the share of the row."),
            _matrices(predictions, protocol),
            _plot(
                "Reliability over 15 bins of equal mass: on the dashed line, confidence is what it says.",
                lambda: plots.reliability_diagram(predictions, protocol),
            ),
            *([_plot(said, lambda: plots.said_plane(predictions, protocol))] if first else []),
        ],
    )


_SCORES_NOTE = (
    "Intervals are a bootstrap over artists. Floors: the best constant for accuracy and macro-F1, ranking by frequency "
    "for the top 3, always giving the frequencies for Brier. ECE over 15 bins of equal mass."
)


def _matrices(predictions: Predictions, protocol: str) -> str:
    rows = of_protocol(predictions, protocol)
    datasets = list(dict.fromkeys(rows.dataset.tolist()))
    parts = {name: rows.where(rows.dataset == name) for name in datasets}
    if len(parts) > 1:
        parts["all"] = rows
    return f'<div class="matrices">{"".join(_matrix(name, confusion_of(part)) for name, part in parts.items())}</div>'


def _matrix(name: str, confusion: np.ndarray[Any, Any]) -> str:
    head = "".join(f'<th scope="col">{quadrant.name}</th>' for quadrant in Quadrant)
    body = []
    for quadrant in Quadrant:
        counts = confusion[quadrant.index]
        shares = 100 * counts / max(counts.sum(), 1)
        cells = "".join(
            f'<td style="--share:{share:.0f}%" title="{share:.0f} % of {quadrant.name}">{count:.0f}</td>'
            for count, share in zip(counts, shares, strict=True)
        )
        body.append(f'<tr><th scope="row">{quadrant.name}</th>{cells}</tr>')
    caption = f"<caption>{html.escape(name)}</caption>"
    return (
        f'<table class="matrix">{caption}<thead><tr><td></td>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'
    )


def _other_sources(predictions: Predictions, probe: Probe | str) -> _Section:
    shown = (
        _shown(tables.probe_table(probe)) if isinstance(probe, Probe) else f'<p class="absent">{html.escape(probe)}</p>'
    )
    return _Section(
        "sources",
        "Beyond its own sources",
        [
            _table(lambda: tables.leave_one_out_table(predictions)),
            _table(lambda: tables.gap_table(predictions)),
            _plot("Macro-F1 of each fold; the bar is their mean.", lambda: plots.fold_spread(predictions)),
            shown,
        ],
    )


def _plane(predictions: Predictions) -> _Section:
    def table() -> Table:
        return tables.axis_table(predictions, main_protocol(predictions))

    def plot() -> str:
        return plots.rated_against_said(predictions, main_protocol(predictions))

    return _Section(
        "plane",
        "Valence and arousal",
        [_table(table), _plot("Rated against said; on the dashed line they are the same.", plot)],
    )


def _errors(predictions: Predictions) -> _Section:
    title = "Where it errs"
    try:
        rows = of_protocol(predictions, main_protocol(predictions))
    except NotInRunError as reason:
        return _Section("errors", title, [f'<p class="absent">{html.escape(str(reason))}</p>'])
    groupings = {
        "By arousal": (errors.by_arousal, "The label's half of the plane, and the rating where there is one."),
        "By genre": (errors.by_genre, f"Genres with at least {errors.MIN_CLIPS} tested clips."),
        "By loudness": (errors.by_loudness, "Quarters of the clips' mean level. Sources differ in level, too."),
    }
    parts = [_grouping(name, note, lambda group=group: group(rows)) for name, (group, note) in groupings.items()]  # type: ignore[misc]
    return _Section("errors", title, [*parts, _shown(errors.surest_mistakes(rows))])


def _grouping(name: str, note: str, group: Callable[[], list[errors.Group]]) -> str:
    def part() -> str:
        groups = group()
        plot = f"<figure>{plots.group_forest(name, groups)}</figure>"
        return _shown(errors.group_table(name, note, groups)) + plot

    return _part(part)


def _systems(systems: Sequence[SystemComparison]) -> _Section:
    each = [tables.comparison_table(system.comparison, "this run", system.name) for system in systems]
    return _Section("systems", "Beside other systems", [_shown(tables.systems_table(systems)), *map(_shown, each)])


def _told(metrics: Mapping[str, Any]) -> list[_Section]:
    """Return what the run itself has to say: further tables, what was tried, limits."""
    found = [Table.from_json(raw) for raw in metrics.get("tables", ())]
    if metrics.get("tried"):
        rows = tuple((row["what"], row["result"]) for row in metrics["tried"])
        found.append(Table("What was tried", "", ("what", "result"), rows))
    limits = [f"<h3>Limits</h3>{_list(metrics['limits'])}"] if metrics.get("limits") else []
    parts = [*map(_shown, found), *limits]
    return [_Section("told", "Further figures of this run", parts)] if parts else []


def _repeat(run: Run) -> _Section:
    facts = {key: value for key, value in run.facts.items() if key != "datasets"}
    for protocol, split in run.splits.items():
        facts[f"split {protocol}"] = f"{len(split.folds)} folds, SHA-256 {split.sha256}"
    if not facts:
        return _Section("repeat", "How to repeat it", ['<p class="absent">This run has no run.json.</p>'])
    items = "".join(
        f"<dt>{html.escape(str(key))}</dt><dd>{html.escape(_plain(value))}</dd>" for key, value in facts.items()
    )
    return _Section("repeat", "How to repeat it", [f"<dl>{items}</dl>"])


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
