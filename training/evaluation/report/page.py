"""A run as one self-contained page: words, tables and plots."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotion.inference.quadrants import Quadrant
from training.data.splits import Protocol
from training.evaluation.comparison import Probe, SystemComparison, probe_run, protocol_gap
from training.evaluation.metrics import Scores, class_scores, confusion_of
from training.evaluation.predictions import Predictions
from training.evaluation.report import plots, tables
from training.evaluation.report.run import (
    PREDICTED,
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
from training.evaluation.report.tables import MIN_CLIPS, ClipGroup, Table, by_arousal, by_genre, by_loudness

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
_FOREST = "With 95 % intervals over artists; the bars are the floors, the best that a constant can do."
_BY_CLASS = "Clips by quadrant, dataset and part of the first fold, as the paper's Figure 4."
_RATED = "Rated songs on the plane, used or not, as the paper's Figure 2."
_IMAGES = (
    "The network's input, one clip of each quadrant, as the paper's Figure 3: those classified correctly with the "
    "highest confidence."
)
_LOSS = "Loss by epoch, as the paper's Figure 5; the dotted line is the best epoch. At most six folds."
_PREDICTED = "Ratings against predictions; on the dashed line they are equal."


def report_page(
    run: Run,
    *,
    systems: Sequence[SystemComparison] = (),
    examples: plots.Examples | None = None,
    labels: Sequence[ClipLabel] = (),
    duplicates: Mapping[str, int] | None = None,
) -> str:
    """Return the report as HTML; a part that the run lacks is replaced by a sentence that says so.

    `systems` are others on the same clips; `labels` those of all clips; `duplicates`, by clip id, are equal for
    near-duplicates.
    """
    predictions = run.predictions
    try:
        probe: Probe | str = probe_run(predictions, duplicates)
    except ValueError as error:
        probe = str(error)
    labels = labels or labels_of(predictions)
    facts = {key: value for key, value in run.facts.items() if key != "datasets"}
    facts |= {f"split {name}": f"{len(each.folds)} folds, SHA-256 {each.sha256}" for name, each in run.splits.items()}
    items = "".join(f"<dt>{html.escape(key)}</dt><dd>{html.escape(_plain(value))}</dd>" for key, value in facts.items())
    pairs = [_part(tables.comparison_table, each.comparison, "this run", each.name) for each in systems]
    # By anchor and title; those without parts are left out.
    sections: dict[tuple[str, str], Sequence[str]] = {
        ("short", "In short"): [
            _part(lambda: _list(summary(predictions, probe))),
            _part(plots.score_forest, predictions, caption=_FOREST),
        ],
        ("data", "The data"): [
            _part(tables.data_table, run),
            _part(plots.class_distribution, labels, run.parts(), caption=_BY_CLASS),
            _part(plots.label_plane, labels, caption=_RATED),
            _part(plots.spectrograms, examples or {}, caption=_IMAGES),
        ],
        ("training", "How training went"): [
            _part(plots.curves, run.stages(), "loss", caption=_LOSS),
            _part(plots.curves, run.stages(), "accuracy", caption="Accuracy on validation clips by epoch."),
            _part(tables.history_table, run),
        ],
        **{(each, protocol_title(each)): _protocol(predictions, each) for each in protocols_of(predictions)},
        ("sources", "Beyond its own sources"): [
            _part(tables.leave_one_out_table, predictions),
            _part(tables.gap_table, predictions),
            _part(plots.fold_spread, predictions, caption="Macro-F1 of each fold; the bar is their mean."),
            _part(tables.probe_table, probe) if isinstance(probe, Probe) else _absent(probe),
        ],
        ("plane", "Valence and arousal"): [
            _part(lambda: tables.axis_table(predictions, main_protocol(predictions))),
            _part(lambda: plots.rated_against_predicted(predictions, main_protocol(predictions)), caption=_PREDICTED),
        ],
        ("errors", "Where it errs"): _errors(predictions),
        ("systems", "Against other systems"): [_part(tables.systems_table, systems), *pairs] if systems else [],
        ("further", "Further figures of this run"): _run_metrics(run.metrics),
        ("repeat", "How to repeat it"): [f"<dl>{items}</dl>" if facts else _absent("This run has no run.json.")],
    }
    sections = {names: parts for names, parts in sections.items() if parts}
    ended = str(run.facts.get("ended") or run.facts.get("started") or "")[:16].replace("T", " ")
    lede = (f"Run {run.folder.name}", ended, f"seed {run.facts['seed']}" if "seed" in run.facts else "")
    return Template(_PAGE.read_text(encoding="utf-8")).substitute(
        title=html.escape(f"{run.version}: report"),
        version=html.escape(run.version),
        lede=html.escape(" · ".join(filter(None, lede))),
        links="".join(f'<li><a href="#{anchor}">{html.escape(title)}</a></li>' for anchor, title in sections),
        sections="\n".join(
            "\n".join([f'<section id="{anchor}">', f"<h2>{html.escape(title)}</h2>", *parts, "</section>"])
            for (anchor, title), parts in sections.items()
        ),
    )


def _part(make: Callable[..., Table | str], *arguments: Any, caption: str = "") -> str:
    """Return a table, a plot with its caption or other HTML, or the sentence that says why this run has none."""
    try:
        part = make(*arguments)
    except NotInRunError as reason:
        return _absent(str(reason))
    if isinstance(part, Table):
        note = _paragraph(part.note) if part.note else ""
        return f"<h3>{html.escape(part.title)}</h3>{note}{part.to_html()}"
    return f"<figure>{part}<figcaption>{html.escape(caption)}</figcaption></figure>" if caption else part


def _absent(reason: str) -> str:
    return f'<p class="absent">{html.escape(reason)}</p>'


def _paragraph(text: str) -> str:
    return f"<p>{html.escape(text)}</p>"


def _list(sentences: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{html.escape(sentence)}</li>' for sentence in sentences)}</ul>"


def _protocol(predictions: Predictions, protocol: str) -> Sequence[str]:
    is_first = protocol == main_protocol(predictions)
    rows = predictions.of_protocol(protocol)
    note = PROTOCOLS.get(protocol, ("", ""))[1]
    scores = all_scores(predictions, protocol)
    parts = [_paragraph(note), _part(tables.score_rows, scores, "Scores", _SCORES_NOTE if is_first else "")]
    if protocol != Protocol.LEAVE_ONE_SOURCE_OUT and len(rows.by_fold()) > 1:
        parts.append(_part(tables.fold_table, predictions, protocol))
    by_dataset = rows.by_dataset()
    matrices = {**by_dataset, "all": rows} if len(by_dataset) > 1 else by_dataset
    reliability = "Reliability over 15 bins of equal mass: on the dashed line, confidence equals accuracy."
    parts += [
        _part(tables.class_table, predictions, protocol),
        "<h3>Confusion matrices</h3>",
        _paragraph("Rows are the label, columns the prediction; the shade is the share of the row."),
        f'<div class="matrices">{"".join(_matrix(name, confusion_of(part)) for name, part in matrices.items())}</div>',
        _part(plots.reliability_diagram, predictions, protocol, caption=reliability),
    ]
    if is_first:
        plane = "Predicted points, coloured by the label: a clip of another colour in a quadrant is an error."
        parts.append(_part(plots.predicted_plane, predictions, protocol, caption=plane))
    return parts


def _matrix(name: str, confusion: NDArray[np.float64]) -> str:
    head = "".join(f'<th scope="col">{quadrant.name}</th>' for quadrant in Quadrant)
    body = []
    for quadrant, counts in zip(Quadrant, confusion, strict=True):
        cells = "".join(
            f'<td style="--share:{share:.0f}%" title="{share:.0f} % of {quadrant.name}">{count:.0f}</td>'
            for count, share in zip(counts, 100 * counts / max(counts.sum(), 1), strict=True)
        )
        body.append(f'<tr><th scope="row">{quadrant.name}</th>{cells}</tr>')
    return (
        f'<table class="matrix"><caption>{html.escape(name)}</caption><thead><tr><td></td>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table>"
    )


def _errors(predictions: Predictions) -> Sequence[str]:
    try:
        rows = predictions.of_protocol(main_protocol(predictions))
    except NotInRunError as reason:
        return [_absent(str(reason))]

    def grouping(name: str, note: str, group: Callable[[Predictions], list[ClipGroup]]) -> str:
        groups = group(rows)
        table = _part(tables.group_table, name, note, groups)
        return f"{table}<figure>{plots.group_forest(name, groups)}</figure>"

    return [
        _part(grouping, "By arousal", "The label's half of the plane, and the rating if there is one.", by_arousal),
        _part(grouping, "By genre", f"Genres with at least {MIN_CLIPS} tested clips.", by_genre),
        _part(grouping, "By loudness", "Quarters of the clips' mean level. Sources differ in level, too.", by_loudness),
        _part(tables.confident_errors, rows),
    ]


def _run_metrics(metrics: Mapping[str, Any]) -> Sequence[str]:
    # Further tables, what was tried and limits, as the run states them itself.
    parts = [_part(Table.from_json, raw) for raw in metrics.get("tables", ())]
    if metrics.get("tried"):
        rows = tuple((row["what"], row["result"]) for row in metrics["tried"])
        parts.append(_part(Table, "What was tried", "", ("what", "result"), rows))
    if metrics.get("limits"):
        parts.append(f"<h3>Limits</h3>{_list(metrics['limits'])}")
    return parts


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def summary(predictions: Predictions, probe: Probe | str) -> list[str]:
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
    with suppress(ValueError):
        gap = protocol_gap(predictions).overall
        low, high = gap.macro_f1_interval
        chance = "" if low > 0 or high < 0 else ", which may be chance"
        sentences.append(
            "Folds that let an artist be on both sides change the macro-F1 by "
            f"{100 * gap.macro_f1_difference:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f}){chance}."
        )
    with suppress(NotInRunError):
        axes = axis_scores(predictions, protocol).items()
        r = {(dataset, axis): s.r for (dataset, axis, name), s in axes if name == PREDICTED}
        sentences += [
            f"Its valence correlates {r[dataset, axis]:.2f} with the ratings of {dataset}, its arousal "
            f"{r[dataset, 'arousal']:.2f}."
            for dataset, axis in r
            if axis == "valence" and (dataset, "arousal") in r
        ]
    if isinstance(probe, Probe):
        near = probe.accuracy_interval[0] <= probe.floor_accuracy
        verdict = "it does not give the source away" if near else "it still gives the source away"
        sentences.append(
            f"From its embedding, a song's dataset can be named for {_of_100(probe.accuracy)}; always naming the "
            f"largest would be right for {_of_100(probe.floor_accuracy)}: {verdict}."
        )
    return sentences


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
        f"It recognises {best.name} ({best.description}) best, with an F1 of {max(f1):.2f}, and {worst.name} "
        f"({worst.description}) worst, with {min(f1):.2f}."
    )
    slips = confusion - np.diag(np.diagonal(confusion))
    label, predicted = divmod(int(slips.argmax()), 4)
    if slips.max() > 0:
        share = _of_100(float(slips[label, predicted] / confusion[label].sum()))
        sentence += f" Its most frequent error is to take Q{label + 1} for Q{predicted + 1}: {share} of such clips."
    return sentence


def _calibration(rows: Predictions, scores: Mapping[str, Scores]) -> str:
    ece = (scores.get("all") or next(iter(scores.values()))).ece
    worst = max((name for name in scores if name != "all"), key=lambda name: scores[name].ece)
    too_sure = float(rows.probabilities.max(axis=1).mean() - np.mean(rows.is_correct)) > 0
    if ece <= CALIBRATED_ECE:
        verdict = "it is well calibrated"
    else:
        verdict = "it is overconfident" if too_sure else "it is underconfident"
    return (
        f"Its confidence differs from its accuracy by {100 * ece:.1f} points on average: {verdict}. The largest gap of "
        f"a source is on {worst}, {100 * scores[worst].ece:.1f} points."
    )


def _of_100(share: float) -> str:
    return f"{100 * share:.0f} in 100"
