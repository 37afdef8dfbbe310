"""The tables of a run: Markdown in a model card, HTML on a page, JSON in a card's facts; and the card itself.

A table that a run has no figures for raises `NotInRunError`.
"""

from __future__ import annotations

import html
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotion.inference.checkpoint import Card
from emotion.inference.quadrants import Quadrant
from emotion.zoo.registry import architecture
from training.data.splits import PARTS, Protocol
from training.evaluation.comparison import PairedComparison, Probe, SystemComparison, protocol_gap
from training.evaluation.metrics import Interval, Scores, class_scores, confusion_of, interval_95, resampled_sums
from training.evaluation.predictions import Predictions
from training.evaluation.report.run import (
    PROTOCOLS,
    NotInRunError,
    Run,
    all_scores,
    axis_scores,
    fold_scores,
    labels_of,
    main_protocol,
    protocol_title,
    protocols_of,
)

Cell = str | int | float | None

MAX_FOLD_COLUMNS = 12
# Below this a group's interval is wider than any difference between groups.
MIN_CLIPS = 10
_RATED_EDGES = (-1.0, -0.3, 0.0, 0.3, 1.0)
_HIGH = np.array([quadrant.corner[1] > 0 for quadrant in Quadrant])
_POSITIVE = np.array([quadrant.corner[0] > 0 for quadrant in Quadrant])
_FOLDED = (Protocol.ARTIST_GROUPED, Protocol.PAPER, Protocol.STRATIFIED)
_NUMBER = re.compile(r"[-+−]?[\d.,]+( ?%)?( .*)?")
# Limits of every model of this kind, unless the card names its own.
_LIMITS = (
    "It analyses 24 s from the middle of a song and gives one estimate for them.",
    "Emotify's labels are *felt* emotions read as perceived ones; they are the only such labels in the training data.",
    "Of Emotion in Music and DEAM, it was trained on 10 s cuts, of EMOPIA on MIDI rendered with one sound font.",
    "Sources differ in level and timbre, and a network learns to distinguish them. Its accuracy on a source without "
    "training data is not measured here: each figure is on unseen artists of sources that it was trained on.",
    "Western popular, classical and game-like piano music; nothing is known about other music.",
)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns, with a heading and a sentence or two on the measurement.

    A cell is text, an integer, a float (three digits) or None (a dash); text between double asterisks is bold.
    """

    title: str
    note: str
    columns: tuple[str, ...]
    # Any and not Cell: mixed tuples lose the types of their items.
    rows: tuple[tuple[Any, ...], ...]

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Table:
        """Read what `to_json` wrote.

        Raises:
            ValueError: A key is missing, or a row has more or fewer cells than there are columns.
        """
        try:
            rows = tuple(tuple(row) for row in raw["rows"])
            table = cls(str(raw["title"]), str(raw.get("note", "")), tuple(raw["columns"]), rows)
        except (KeyError, TypeError) as error:
            raise ValueError(f"{raw!r:.80} is not a table: it needs title, columns and rows.") from error
        for row in table.rows:
            if len(row) != len(table.columns):
                raise ValueError(
                    f"A row of “{table.title}” has {len(row)} cells for {len(table.columns)} columns: {row}."
                )
        return table

    def to_json(self) -> dict[str, Any]:
        """Return the table as a plain dictionary."""
        return {**asdict(self), "columns": [*self.columns], "rows": [[*row] for row in self.rows]}

    def to_markdown(self) -> str:
        """Return the rows as a Markdown table, without title and note."""
        lines = [self.columns, *(map(cell_text, row) for row in self.rows)]
        escaped = ([text.replace("|", "\\|").replace("\n", " ") for text in line] for line in lines)
        head, *body = (f"| {' | '.join(line)} |" for line in escaped)
        return "\n".join([head, "|---" * len(self.columns) + "|", *body])

    def to_html(self) -> str:
        """Return the rows as an HTML table, without title and note; everything in it is escaped."""
        texts = [[cell_text(cell) for cell in row] for row in self.rows]
        head = "".join(
            f'<th scope="col"{_number_class(*column)}>{_markup(name)}</th>'
            for name, *column in zip(self.columns, *texts, strict=True)
        )
        body = "\n".join(
            f'<tr><th scope="row">{_markup(first)}</th>'
            + "".join(f"<td{_number_class(cell)}>{_markup(cell)}</td>" for cell in others)
            + "</tr>"
            for first, *others in texts
        )
        return f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>'


def cell_text(cell: Cell) -> str:
    """Return a cell as text."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return "–"
    return f"{cell:.3f}" if isinstance(cell, float) else str(cell)


def figure(value: float, interval: Sequence[float] | None = None, *, bold: bool = False) -> str:
    """Return a figure with its interval, such as "**0.611** (0.523–0.697)"."""
    shown = f"**{value:.3f}**" if bold else f"{value:.3f}"
    if interval is None or any(end is None or math.isnan(end) for end in interval):
        return shown
    # Between negative numbers a dash would read as a minus.
    between = " to " if interval[0] < 0 else "–"
    return f"{shown} ({interval[0]:.3f}{between}{interval[1]:.3f})"


def _number_class(*cells: str) -> str:
    """Return the class of cells that all are numbers, or unknown: figures stand under figures."""
    known = [cell.replace("*", "") for cell in cells if cell != "–"]
    return ' class="number"' if known and all(map(_NUMBER.fullmatch, known)) else ""


def _markup(text: str) -> str:
    return re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", html.escape(text))


SCORES = ("n", "**accuracy", "floor_accuracy", "**macro_f1", "floor_macro_f1")
SCORE_COLUMNS = ("n", "accuracy (95 %)", "floor", "macro-F1 (95 %)", "floor")


def cells(source: Any, *names: str) -> tuple[Cell, ...]:
    """Return fields of a record as cells, with the interval of those that have one, bold after two asterisks."""
    values = source if isinstance(source, Mapping) else asdict(source)
    return tuple(
        figure(values[field], values[f"{field}_interval"], bold=name != field)
        if f"{field}_interval" in values
        else values[field]
        for name in names
        for field in [name.removeprefix("**")]
    )


def score_rows(scores: Mapping[str, Scores], title: str, note: str) -> Table:
    """Return scores by dataset, each figure next to its floor."""
    columns = ("test clips", *SCORE_COLUMNS, "top 3", "floor", "ECE", "Brier", "floor")
    further = ("top3", "floor_top3", "ece", "brier", "floor_brier")
    rows = tuple((name, *cells(each, *SCORES, *further)) for name, each in scores.items())
    return Table(title, note, columns, rows)


def fold_table(predictions: Predictions, protocol: str) -> Table:
    """Return accuracy and macro-F1 of each fold, over all clips and by dataset: the paper's Table 3."""
    rows = predictions.of_protocol(protocol)
    folds = list(rows.by_fold())
    if len(folds) < 2:
        raise NotInRunError(f"{protocol_title(protocol)}: one fold only, so that there is no spread.")
    by_dataset = rows.by_dataset()
    # For a hundred folds of ten times ten, mean and spread suffice.
    shown = folds if len(folds) <= MAX_FOLD_COLUMNS else []
    body: list[tuple[Cell, ...]] = []
    for name, part in {"all": rows, **(by_dataset if len(by_dataset) > 1 else {})}.items():
        scores = fold_scores(part)
        for i, measure in enumerate(("accuracy", "macro-F1")):
            # A small dataset may be missing from a fold.
            each = [scores[fold][i] if fold in scores else None for fold in shown]
            values = [figures[i] for figures in scores.values()]
            spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
            body.append((f"{name}, {measure}", *each, f"**{np.mean(values):.3f}**{spread}"))
    columns = ("", *(f"fold {i + 1}" for i in range(len(shown))), "all folds")
    note = f"As the paper's Table 3: {len(folds)} folds, their mean and standard deviation."
    return Table(f"{protocol_title(protocol)}: by fold", note, columns, tuple(body))


def class_table(predictions: Predictions, protocol: str) -> Table:
    """Return precision, recall and F1 of each quadrant, averaged over folds: the paper's Table 4."""
    by_fold = [class_scores(confusion_of(rows)) for rows in predictions.of_protocol(protocol).by_fold().values()]
    rows = tuple(
        (
            f"{quadrant.name} {quadrant.sign} ({quadrant.description})",
            *(float(np.mean([getattr(s, measure) for s in folds])) for measure in ("precision", "recall", "f1")),
            sum(s.n for s in folds),
        )
        for quadrant, folds in zip(Quadrant, zip(*by_fold, strict=True), strict=True)
    )
    note = f"As the paper's Table 4{f', averaged over {len(by_fold)} folds' if len(by_fold) > 1 else ''}."
    return Table("By quadrant", note, ("quadrant", "precision", "recall", "F1", "n"), rows)


def leave_one_out_table(predictions: Predictions) -> Table:
    """Return the scores of each source by a model fitted without its labels, and by one fitted with them."""
    protocols = protocols_of(predictions)
    if Protocol.LEAVE_ONE_SOURCE_OUT not in protocols:
        raise NotInRunError("This run left no source out.")
    other = next((name for name in protocols if name != Protocol.LEAVE_ONE_SOURCE_OUT), None)
    seen = {name: (s.accuracy, s.macro_f1) for name, s in all_scores(predictions, other).items()} if other else {}
    rows = tuple(
        (name, *cells(each, *SCORES, "ece"), *seen.get(name, (None, None)))
        for name, each in all_scores(predictions, Protocol.LEAVE_ONE_SOURCE_OUT).items()
    )
    columns = ("source left out", *SCORE_COLUMNS, "ECE", "accuracy with its labels", "macro-F1 with its labels")
    note = "To the model, a listener's own collection is such a source."
    if other:
        title = protocol_title(other)
        note += f" The last two columns are from “{title}”: the difference is the gain from the source's own labels."
    return Table("Each source, fitted without its labels", note, columns, rows)


def gap_table(predictions: Predictions) -> Table:
    """Return the gain from other songs of the same artist in training."""
    try:
        gap = protocol_gap(predictions)
    except ValueError as error:
        raise NotInRunError(str(error)) from error
    note = "The same clips, in folds that keep artists together and in folds that do not; intervals over artists."
    columns = _difference_columns("grouped", "stratified", "gap")
    return Table("The gain from other songs of the artist", note, columns, _difference_rows(gap))


def comparison_table(comparison: PairedComparison, first: str, second: str) -> Table:
    """Return a paired comparison of two models, by dataset."""
    note = f"{comparison.overall.n} clips that both were tested on; intervals from a paired bootstrap over artists."
    if comparison.worse_on:
        note += f" Worse beyond the interval on {', '.join(comparison.worse_on)}."
    columns = _difference_columns(first, second, "difference")
    return Table(f"{second} against {first}", note, columns, _difference_rows(comparison))


def _difference_columns(first: str, second: str, difference: str) -> tuple[str, ...]:
    measures = ((f"{name}, {first}", second, f"{difference} (95 %)") for name in ("accuracy", "macro-F1"))
    return ("test clips", "n", *chain.from_iterable(measures))


def _difference_rows(comparison: PairedComparison) -> tuple[tuple[Cell, ...], ...]:
    shown = comparison.sources if len(comparison.sources) == 1 else (*comparison.sources, comparison.overall)
    return tuple(
        (
            *cells(each, "dataset", "n", "live_accuracy", "candidate_accuracy"),
            figure(each.accuracy_difference, each.accuracy_interval, bold=True),
            *cells(each, "live_macro_f1", "candidate_macro_f1"),
            figure(each.macro_f1_difference, each.macro_f1_interval, bold=True),
        )
        for each in shown
    )


def systems_table(systems: Sequence[SystemComparison], reference: str = "this run") -> Table:
    """Compare several systems with the reference, with tests corrected for their number."""
    columns: tuple[str, ...] = ("system", "clips", "accuracy", reference, "only it is right", f"only {reference}")
    columns += ("p (McNemar, Holm)", "macro-F1, mean over folds: difference (95 %)", "p (corrected t)")
    rows = tuple(
        (
            each.name,
            *cells(each.comparison.overall, "n", "candidate_accuracy", "live_accuracy"),
            *cells(each.test, "only_second", "only_first"),
            each.adjusted_p,
            figure(each.folds.difference, each.folds.interval) if each.folds else None,
            each.folds.p_value if each.folds else None,
        )
        for each in systems
    )
    note = (
        "Each on the clips it shares with the reference. McNemar's exact test over clips, Holm's correction over "
        "systems; over folds, the corrected resampled t-test of Nadeau and Bengio."
    )
    return Table("Against other systems", note, columns, rows)


def axis_table(predictions: Predictions, protocol: str) -> Table:
    """Return the scores of valence and arousal, by dataset, each next to its floor."""
    rows = tuple(
        (f"{dataset}, {axis}", name, *cells(each, "n", "r", "**ccc", "r2", "rmse", "floor_rmse"))
        for (dataset, axis, name), each in axis_scores(predictions, protocol).items()
    )
    columns = ("test clips", "figure", "n", "correlation (95 %)", "CCC (95 %)", "R² (95 %)", "RMSE (95 %)", "floor")
    note = "Against mean ratings, on [-1, 1]. The floor of the RMSE is predicting the mean; R² is 0 there."
    return Table(f"Valence and arousal: {protocol_title(protocol).lower()}", note, columns, rows)


def probe_table(probe: Probe) -> Table:
    """Return how often the embedding names its dataset."""
    figures = cells(probe, "n", "**accuracy", "floor_accuracy", "balanced_accuracy")
    row = (", ".join(probe.datasets), *figures, 1 / len(probe.datasets))
    columns = ("datasets", "n", "accuracy (95 %)", "floor", "balanced accuracy", "chance")
    note = (
        "A logistic regression on the embedding, in artist-grouped folds. Near the floor is good: then the embedding "
        "describes the music and not its source."
    )
    return Table("Can the embedding name its dataset?", note, columns, (row,))


def data_table(run: Run) -> Table:
    """Return clips by part and licence of each dataset."""
    datasets = run.facts.get("datasets", {})
    if not isinstance(datasets, dict) or not datasets:
        raise NotInRunError("run.json does not name the datasets.")
    parts, where = run.parts(), {label.clip: label.dataset for label in labels_of(run.predictions)}
    counts = Counter((where.get(clip, clip.split("/")[0]), part) for clip, part in parts.items())
    rows = tuple(
        (name, facts.get("clips"), *(counts[name, part] if parts else None for part in PARTS), facts.get("licence"))
        for name, facts in datasets.items()
    )
    columns = ("dataset", "clips", "train", "validation", "test", "licence as stated at the source")
    return Table("Data", "Clips of each part are those of the first fold.", columns, rows)


def history_table(run: Run) -> Table:
    """Return each fold's best epoch and speed."""

    def known(line: Mapping[str, Any], key: str, otherwise: float = float("nan")) -> float:
        value = line.get(key)
        return otherwise if value is None else float(value)

    stages = run.stages()
    if not stages:
        raise NotInRunError("This run has no history (history.jsonl).")
    rows = []
    for name, lines in stages.items():
        best = min(lines, key=lambda line: known(line, "validation_loss", np.inf))
        speed = [known(line, "images_per_s") for line in lines]
        mean_speed = f"{np.nanmean(speed):.1f}" if np.isfinite(speed).any() else None
        validation = known(best, "validation_loss"), known(best, "validation_accuracy")
        rows.append((name, len(lines), best.get("epoch"), *validation, mean_speed))
    columns = ("stage", "epochs", "best epoch", "validation loss there", "validation accuracy there", "images/s")
    return Table("Training", "The best epoch is that of the lowest validation loss.", columns, tuple(rows))


def run_tables(predictions: Predictions, systems: Sequence[SystemComparison] = ()) -> list[Table]:
    """Return the tables that a card and a terminal show, as far as the run has what they need."""
    protocols, leading = protocols_of(predictions), main_protocol(predictions)
    tables = [
        score_rows(all_scores(predictions, protocol), protocol_title(protocol), PROTOCOLS.get(protocol, ("", ""))[1])
        for protocol in protocols
        if protocol != Protocol.LEAVE_ONE_SOURCE_OUT
    ]
    further: list[Callable[[], Table]] = [
        partial(class_table, predictions, leading),
        *(partial(fold_table, predictions, protocol) for protocol in protocols if protocol in _FOLDED),
        partial(leave_one_out_table, predictions),
        partial(gap_table, predictions),
        partial(axis_table, predictions, leading),
    ]
    for make in further:
        with suppress(NotInRunError):
            tables.append(make())
    return [*tables, *([systems_table(systems)] if systems else [])]


@dataclass(frozen=True, slots=True)
class ClipGroup:
    """Clips with something in common, and the accuracy on them, with a 95 % interval over artists.

    `floor` is the best that a constant can do; `right_about_arousal` the share put into the right half of the plane;
    `slip` the most frequent error in words, if there is one.
    """

    name: str
    n: int
    accuracy: float
    accuracy_interval: Interval
    floor: float
    right_about_arousal: float
    right_about_valence: float
    slip: str


def by_arousal(predictions: Predictions) -> list[ClipGroup]:
    """Group by the label's arousal, and where arousal was rated by the rating."""
    high = _HIGH[predictions.truth]
    groups = {"high arousal (Q1, Q2)": high, "low arousal (Q3, Q4)": ~high}
    rated = predictions.arousal_true
    for low, top in pairwise(_RATED_EDGES):
        # The lowest ratings belong to the lowest part.
        above = rated > low if low > _RATED_EDGES[0] else rated >= low
        groups[f"arousal rated {low:g} to {top:g}"] = above & (rated <= top)
    return _groups(predictions, groups)


def by_genre(predictions: Predictions) -> list[ClipGroup]:
    """Group by genre, where it is known."""
    genres = Counter(genre for genre in predictions.genre.tolist() if genre)
    if not genres:
        raise NotInRunError("No clip of this run has a genre.")
    return _groups(predictions, {genre: predictions.genre == genre for genre, _ in genres.most_common()})


def by_loudness(predictions: Predictions) -> list[ClipGroup]:
    """Group into quarters by mean level."""
    level = predictions.loudness_db
    if not np.isfinite(level).any():
        raise NotInRunError("No clip of this run has a level.")
    edges = np.nanquantile(level, (0.25, 0.5, 0.75))
    quarter = np.where(np.isfinite(level), np.searchsorted(edges, level, side="right"), -1)
    names = (
        f"quietest quarter, below {edges[0]:.1f} dB",
        f"{edges[0]:.1f} to {edges[1]:.1f} dB",
        f"{edges[1]:.1f} to {edges[2]:.1f} dB",
        f"loudest quarter, above {edges[2]:.1f} dB",
    )
    return _groups(predictions, {name: quarter == i for i, name in enumerate(names)})


def _groups(predictions: Predictions, groups: Mapping[str, NDArray[np.bool_]]) -> list[ClipGroup]:
    return [_group(name, predictions.where(rows)) for name, rows in groups.items() if rows.sum() >= MIN_CLIPS]


def _group(name: str, rows: Predictions) -> ClipGroup:
    truth, predicted = rows.truth, rows.predicted
    correct = rows.is_correct.astype(float)
    drawn = resampled_sums(np.column_stack([correct, np.ones_like(correct)]), rows.artist)
    slips = Counter((t, p) for t, p in zip(truth.tolist(), predicted.tolist(), strict=True) if t != p)
    slip = "".join(
        f"Q{label + 1} taken for Q{answer + 1}, {100 * times / len(truth):.0f} %"
        for (label, answer), times in slips.most_common(1)
    )
    return ClipGroup(
        name=name,
        n=len(truth),
        accuracy=float(correct.mean()),
        accuracy_interval=interval_95(drawn[:, 0] / drawn[:, 1]),
        floor=float(np.bincount(truth).max() / len(truth)),
        right_about_arousal=float(np.mean(_HIGH[truth] == _HIGH[predicted])),
        right_about_valence=float(np.mean(_POSITIVE[truth] == _POSITIVE[predicted])),
        slip=slip,
    )


def group_table(title: str, note: str, groups: Iterable[ClipGroup]) -> Table:
    """Return groups as a table, each accuracy next to its floor."""
    columns: tuple[str, ...] = ("clips that are", "n", "accuracy (95 %)", "floor")
    columns += ("right about arousal", "right about valence", "most frequent error")
    fields = ("name", "n", "accuracy", "floor", "right_about_arousal", "right_about_valence", "slip")
    return Table(title, note, columns, tuple(cells(group, *fields) for group in groups))


def confident_errors(predictions: Predictions, n: int = 10) -> Table:
    """Return the errors of the highest confidence, where wrong labels and real weaknesses come first."""
    confidence = np.where(predictions.is_correct, -1.0, predictions.probabilities.max(axis=1))
    order = [i for i in np.argsort(-confidence, kind="stable")[:n] if confidence[i] > 0]
    rows = tuple(
        (
            str(predictions.clip[i]),
            str(predictions.artist[i]),
            f"Q{predictions.truth[i] + 1}",
            f"Q{predictions.predicted[i] + 1}",
            float(confidence[i]),
            float(predictions.probabilities[i, predictions.truth[i]]),
        )
        for i in order
    )
    columns = ("clip", "artist", "label", "predicted", "confidence", "probability of the label")
    return Table("The most confident errors", "Worth listening to: in some, the label is wrong.", columns, rows)


def scores_table(scores: Mapping[str, Mapping[str, Any]]) -> str:
    """Return scores by dataset, as `Scores.to_json` gives them, as a Markdown table: each figure next to its floor."""
    rows = tuple((name, *cells(each, *SCORES, "ece")) for name, each in scores.items())
    return Table("", "", ("test clips", *SCORE_COLUMNS, "ECE"), rows).to_markdown()


def _reading(card: Card) -> str:
    parts = []
    for name, axis in (("Valence", card.reading.valence), ("arousal", card.reading.arousal)):
        score = f"{axis.margin:.3f} x log odds + {axis.regression:.3f} x regression"
        parts.append(f"{name}: score {score}, shown at tanh(score / {axis.reach:.3f})")
    return f"Log odds of logits over {card.temperature:.3f}. {'; '.join(parts)}."


def card_page(card: Card) -> str:
    """Return the model card as Markdown: data and licences, protocol, scores, what was tried, limits.

    Of `card.facts`, `datasets` is needed; `method` (a paragraph), `split` and `test` (scores by dataset of the model,
    and of a teacher), `tables`, `tried` and `limits` are optional.

    Raises:
        ValueError: A table of the facts is not one.
    """
    facts = card.facts
    head = f"""\
# Model card: {card.version}

{architecture(card.architecture).title}: the quadrant of Russell's valence/arousal plane that a song expresses,
from a {card.frontend.describe()}. Half precision, safetensors, SHA-256
`{card.weights_sha256}`. {_reading(card)}"""
    rows = tuple((name, d["clips"], d["licence"]) for name, d in facts["datasets"].items())
    data = Table("Data", "", ("dataset", "clips", "licence as stated at the source"), rows)
    terms = "**Not for commercial use**: several licences above forbid it. "
    terms += "No audio is in this repository or in the weights."
    parts = [head, facts.get("method", ""), _section(data), terms]
    if "test" in facts:
        parts.append(_scores_part(facts))
    parts += [_section(Table.from_json(raw)) for raw in facts.get("tables", ())]
    if "test" in facts:
        parts += ["## Confusion matrices", "Rows are the label, columns the prediction."]
        for name, scores in facts["test"]["model"].items():
            counts = tuple((f"**Q{i}**", *row) for i, row in enumerate(scores["confusion"], start=1))
            parts.append(Table("", "", (name, "Q1", "Q2", "Q3", "Q4"), counts).to_markdown())
    if facts.get("tried"):
        tried = tuple((row["what"], row["result"]) for row in facts["tried"])
        parts.append(_section(Table("What was tried", "", ("what", "result"), tried)))
    limits = "\n".join(f"- {sentence}" for sentence in facts.get("limits") or _LIMITS)
    return "\n\n".join([*filter(None, parts), f"## Limits\n\n{limits}"]) + "\n"


def _scores_part(facts: Mapping[str, Any]) -> str:
    split, teacher = facts["split"], facts["test"].get("teacher")
    alone = "" if facts.get("tables") else " One seed, one split."
    # Of a split with a note this is not wholly true.
    unseen = "" if split.get("note") else " Training never saw an artist of the test."
    sizes = ", ".join(f"{n} {name}" for name, n in split.get("sizes", {}).items())
    lines = [
        "## Scores",
        f"Split: {split['protocol']}.{unseen}{f' Clips: {sizes}.' if sizes else ''}\n"
        f"SHA-256 of the exact ids `{split['sha256']}`.\n{_folds_of_card(facts)}"
        "The floor is the best that a constant can do on the same clips; intervals are a bootstrap over artists."
        f"{alone}\nMeasured from audio files through the serving code (`manage.py evaluate`).",
        scores_table(facts["test"]["model"]),
    ]
    if teacher:
        what = "a support vector machine on features of two public tagging networks"
        lines += [f"Its teacher ({what}), on the same clips:", scores_table(teacher)]
    if fast := facts["test"].get("fast"):
        lines += ["`b3-fast`, its EfficientNetB3 alone, on the same clips:", scores_table(fast)]
    return "\n\n".join(lines)


def _folds_of_card(facts: Mapping[str, Any]) -> str:
    lines = [split["note"]] if (split := facts["split"]).get("note") else []
    if further := {name: sha256 for name, sha256 in facts.get("folds", {}).items() if sha256 != split["sha256"]}:
        names = ", ".join(f"{name.replace('_', ' ')} `{sha256}`" for name, sha256 in further.items())
        lines.append(f"The ids of all folds lie in the run folder (`splits*.json`); further hashes: {names}.")
    return "".join(f"{line}\n" for line in lines)


def _section(table: Table) -> str:
    return "\n\n".join(part for part in (f"## {table.title}", table.note, table.to_markdown()) if part)
