"""The plots of a report: the paper's figures, calibration, folds and errors, each as SVG.

matplotlib draws in stand-in colours, which the page's light and dark styles set. A plot that a run has no figures for
raises `NotInRunError`.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from emotion.exceptions import AudioUnreadableError
from emotion.inference.quadrants import Quadrant
from emotion.signal.audio import read_window
from emotion.zoo.frontends import MelConfig, log_mel_image
from training.data.splits import PARTS
from training.datasets import Clip
from training.evaluation.metrics import reliability
from training.evaluation.predictions import Predictions
from training.evaluation.report.run import (
    ClipLabel,
    NotInRunError,
    Run,
    all_scores,
    fold_scores,
    main_protocol,
    protocol_title,
    protocols_of,
)
from training.evaluation.report.tables import ClipGroup

_MARKERS = "o^sD"
_WIDTH = 9.3
_HALVES = (-1, -0.5, 0, 0.5, 1)
_MAX_CURVES = 6

Examples = dict[Quadrant, tuple[str, NDArray[np.float32]]]
Stages = Mapping[str, Sequence[Mapping[str, Any]]]

# Stand-ins for the page's own colours: after drawing, each becomes a CSS variable, so that one plot serves both styles.
INK, SOFT, LINE, ACCENT, SECOND, ON_DARK = (f"#0a0b{i:02x}" for i in range(1, 7))
QUADRANT_COLOURS = [f"#0a0b{i:02x}" for i in range(0x11, 0x15)]
_VARIABLES = {INK: "ink", SOFT: "soft", LINE: "line", ACCENT: "accent", SECOND: "second", ON_DARK: "on"}
_VARIABLES |= {colour: f"q{i}" for i, colour in enumerate(QUADRANT_COLOURS, start=1)}

# CSS pixels per point of the drawing: text of nine points is as large as the page's small print.
_SCALE = 1.5

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.titlesize": 10,
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    **dict.fromkeys(("axes.spines.top", "axes.spines.right", "legend.frameon"), False),
    **dict.fromkeys(("text.color", "axes.titlecolor"), INK),
    **dict.fromkeys(("axes.labelcolor", "xtick.color", "ytick.color"), SOFT),
    **dict.fromkeys(("axes.edgecolor", "grid.color"), LINE),
    **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "none"),
}


@dataclass(slots=True)
class SvgPlot:
    """A figure being drawn; `svg` is filled when its block ends."""

    figure: Figure
    svg: str = ""

    def panels(self, n: int, columns: int, **options: Any) -> list[Axes]:
        """Return `n` axes in rows of `columns`."""
        grid = self.figure.subplots(-(-n // columns), columns, squeeze=False, **options)
        for unused in grid.flat[n:]:
            unused.set_axis_off()
        return list(grid.flat[:n])


@contextmanager
def plot_of(width: float, height: float, alt: str) -> Iterator[SvgPlot]:
    """Open a plot of so many inches; `alt` describes it to those who cannot see it."""
    # Two plots on a page must not share the identifiers of their clip paths, and the same plot twice should not differ.
    with mpl.rc_context({**_STYLE, "svg.hashsalt": alt}):
        plot = SvgPlot(Figure(figsize=(width, height), layout="constrained"))
        yield plot
        file = io.StringIO()
        plot.figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
        plot.svg = _inline(file.getvalue(), alt)


def _inline(svg: str, alt: str) -> str:
    """Return the element alone: no XML head, sizes from the page, colours as CSS variables."""
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    # As wide as drawn, and no wider than the page; the height follows.
    svg = re.sub(r' height="[\d.]+pt"', "", svg, count=1)
    svg = re.sub(r' width="([\d.]+)pt"', lambda match: f' width="{_SCALE * float(match[1]):.0f}"', svg, count=1)
    svg = re.sub(r"#0a0b[0-9a-f]{2}", lambda match: f"var(--{_VARIABLES[match[0]]})", svg)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{html.escape(alt)}" ', 1)


def example_images(run: Run, config: MelConfig, clips: Mapping[str, Clip]) -> Examples:
    """Return, of one dataset, each quadrant's correctly classified clip of the highest confidence, and its image."""
    if not protocols_of(run.predictions):
        return {}
    for rows in run.predictions.of_protocol(main_protocol(run.predictions)).by_dataset().values():
        chosen = {}
        for quadrant in Quadrant:
            right = rows.where(rows.is_correct & (rows.truth == quadrant.index))
            if len(right):
                chosen[quadrant] = str(right.clip[right.probabilities[:, quadrant.index].argmax()])
        if len(chosen) == len(Quadrant):
            images = {}
            for quadrant, clip in chosen.items():
                with suppress(KeyError, AudioUnreadableError):
                    window = read_window(clips[clip].audio, window_s=config.window_s)
                    images[quadrant] = clip, log_mel_image(window.waveform, config)
            return images
    return {}


def _grid(n: int, height_to_width: float) -> tuple[int, tuple[float, float]]:
    # Columns of n small plots, and the size of all of them in inches.
    columns = n if n <= 4 else 3
    width = _WIDTH / max(columns, 3)
    return columns, (width * columns, width * height_to_width * -(-n // columns))


def label_plane(labels: Sequence[ClipLabel]) -> str:
    """Draw the songs of each rated dataset on the plane, selected or not: the paper's Figure 2."""
    rated = [label for label in labels if np.isfinite(label.valence) and np.isfinite(label.arousal)]
    datasets = list(dict.fromkeys(label.dataset for label in rated))
    if not rated:
        raise NotInRunError("No clip of this run has rated valence and arousal.")
    columns, size = _grid(len(datasets), 1.06)
    with plot_of(*size, "Rated songs on the plane") as plot:
        for axes, dataset in zip(plot.panels(len(datasets), columns), datasets, strict=True):
            columns_of = [
                (each.valence, each.arousal, each.quadrant, each.selected) for each in rated if each.dataset == dataset
            ]
            valence, arousal, quadrants, used = (np.array(column) for column in zip(*columns_of, strict=True))
            axes.plot(valence[~used], arousal[~used], "o", color=SOFT, markersize=2, alpha=0.35)
            for quadrant, colour in zip(Quadrant, QUADRANT_COLOURS, strict=True):
                rows = used & (quadrants == quadrant.index)
                axes.plot(valence[rows], arousal[rows], "o", color=colour, markersize=3, alpha=0.8)
            _plane(axes)
            unused = f", {np.sum(~used)} not used" if not used.all() else ""
            axes.set_title(f"{dataset}: {used.sum()} used{unused}")
    return plot.svg


def _plane(axes: Axes) -> None:
    axes.axhline(0, color=LINE, linewidth=1)
    axes.axvline(0, color=LINE, linewidth=1)
    axes.set(xlim=(-1.02, 1.02), ylim=(-1.02, 1.02), xlabel="valence", ylabel="arousal", aspect="equal")
    axes.set(xticks=(-1, 0, 1), yticks=(-1, 0, 1))
    for quadrant in Quadrant:
        valence, arousal = quadrant.corner
        ha, va = "right" if valence > 0 else "left", "top" if arousal > 0 else "bottom"
        axes.text(0.97 * valence, 0.97 * arousal, quadrant.name, ha=ha, va=va, color=SOFT)


def spectrograms(examples: Examples) -> str:
    """Draw the network's input of one clip of each quadrant, `(rows, columns)` in [0, 1]: the paper's Figure 3."""
    if not examples:
        raise NotInRunError("There is no audio here to make example images of.")
    with plot_of(_WIDTH, 5.2, "Log-mel images of one clip of each quadrant") as plot:
        for axes, (quadrant, (name, image)) in zip(plot.panels(len(examples), 2), examples.items(), strict=True):
            axes.imshow(image, origin="lower", aspect="auto", cmap="magma", vmin=0, vmax=1, interpolation="nearest")
            axes.set_title(f"{quadrant.name} {quadrant.sign}: {name}")
            axes.set(xlabel="time", ylabel="mel band", xticks=[], yticks=[])
    return plot.svg


def class_distribution(labels: Sequence[ClipLabel], parts: Mapping[str, str]) -> str:
    """Draw the clips of each class and dataset by part, which `parts` names by clip: the paper's Figure 4."""
    used = [label for label in labels if label.selected and label.quadrant >= 0]
    names: list[str] = [part for part in PARTS if part in parts.values()] or ["tested"]
    datasets = list(dict.fromkeys(label.dataset for label in used))
    if not used:
        raise NotInRunError("No clip of this run has a quadrant.")
    with plot_of(_WIDTH / 3 * len(names), 1.2 + 0.42 * len(datasets), "Clips by class, dataset and part") as plot:
        for axes, name in zip(plot.panels(len(names), len(names), sharey=True), names, strict=True):
            counts = np.zeros((len(datasets), 4), int)
            for label in used:
                counts[datasets.index(label.dataset), label.quadrant] += parts.get(label.clip, "tested") == name
            starts = np.cumsum(counts, axis=1) - counts
            least = max(counts.sum(axis=1).max() * 0.08, 1)
            for quadrant, colour in zip(Quadrant, QUADRANT_COLOURS, strict=True):
                column = counts[:, quadrant.index]
                left = starts[:, quadrant.index]
                bars = axes.barh(datasets, column, left=left, color=colour, height=0.7, label=quadrant.name)
                shown = [str(n) if n >= least else "" for n in column]
                ink = ON_DARK if quadrant.index in (1, 2) else "#20202a"
                axes.bar_label(bars, shown, label_type="center", color=ink, fontsize=8)
            axes.invert_yaxis()
            axes.grid(axis="x")
            axes.set(xlabel="clips", title=f"{name}: {counts.sum()} clips")
        plot.figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    return plot.svg


def curves(stages: Stages, unit: str) -> str:
    """Draw "loss" (training and validation) or "accuracy" (validation) of each fold and stage: the paper's Figure 5."""
    shown = {"loss": ("training", ACCENT), "validation_loss": ("validation", SECOND)}
    if unit == "accuracy":
        shown = {"validation_accuracy": ("validation", SECOND)}
    known = {
        name: lines
        for name, lines in stages.items()
        if any(line.get(key) is not None for line in lines for key in shown)
    }
    if not known:
        raise NotInRunError(f"This run has no {unit} by epoch (history.jsonl).")
    chosen = list(known.items())[:_MAX_CURVES]
    columns, size = _grid(len(chosen), 0.75)
    with plot_of(*size, f"{unit.capitalize()} by epoch") as plot:
        panels = plot.panels(len(chosen), columns, sharey=True)
        for axes, (name, lines) in zip(panels, chosen, strict=True):
            for key, (label, colour) in shown.items():
                points = [
                    (line.get("epoch", i), line[key]) for i, line in enumerate(lines, 1) if line.get(key) is not None
                ]
                marker = "o" if len(points) == 1 else ""
                axes.plot(*np.array(points, float).reshape(-1, 2).T, marker=marker, color=colour, label=label)
            losses = [line["validation_loss"] for line in lines if line.get("validation_loss") is not None]
            if unit == "loss" and len(lines) == len(losses) > 1:
                best_epoch = lines[int(np.argmin(losses))].get("epoch", 0)
                axes.axvline(best_epoch, color=SOFT, linewidth=0.8, linestyle=":")
            axes.set(title=name, xlabel="epoch", ylabel=unit)
            axes.grid(axis="y")
        if len(shown) > 1:
            panels[0].legend(fontsize=8)
    return plot.svg


def fold_spread(predictions: Predictions) -> str:
    """Draw the macro-F1 of each fold by protocol and dataset, with their mean."""
    strips = {}
    for protocol in protocols_of(predictions):
        for dataset, rows in predictions.of_protocol(protocol).by_dataset().items():
            scores = [f1 for _, f1 in fold_scores(rows).values()]
            if len(scores) > 1:
                strips[f"{dataset}, {protocol_title(protocol).lower()}"] = scores
    if not strips:
        raise NotInRunError("No dataset of this run was tested in two folds or more, so that there is no spread.")
    with plot_of(_WIDTH, 0.8 + 0.26 * len(strips), "Macro-F1 of each fold") as plot:
        (axes,) = plot.panels(1, 1)
        for y, scores in enumerate(strips.values()):
            axes.plot(scores, [y] * len(scores), "o", color=ACCENT, markersize=5, alpha=0.45)
            axes.plot([np.mean(scores)], [y], "|", color=INK, markersize=14, markeredgewidth=2)
        axes.set_yticks(range(len(strips)), list(strips))
        axes.set(xlabel="macro-F1", ylim=(len(strips) - 0.5, -0.5))
        axes.grid(axis="x")
    return plot.svg


def score_forest(predictions: Predictions) -> str:
    """Draw accuracy and macro-F1 by dataset and protocol, with intervals and floors."""
    scores = {
        f"{dataset}, {protocol_title(protocol).lower()}": each
        for protocol in protocols_of(predictions)
        for dataset, each in all_scores(predictions, protocol).items()
    }
    if not scores:
        raise NotInRunError("This run has no predictions of labelled clips yet (predictions.npz).")
    with plot_of(_WIDTH, 1.2 + 0.24 * len(scores), "Accuracy and macro-F1 with intervals and floors") as plot:
        panels = plot.panels(2, 2, sharey=True)
        for axes, measure, title in zip(panels, ("accuracy", "macro_f1"), ("accuracy", "macro-F1"), strict=True):
            names = (measure, f"{measure}_interval", f"floor_{measure}")
            _forest(axes, *([getattr(each, name) for each in scores.values()] for name in names))
            axes.set(title=title, xlim=(0, 1))
        panels[0].set_yticks(range(len(scores)), list(scores))
        panels[0].set_ylim(len(scores) - 0.5, -0.5)
    return plot.svg


def _forest(axes: Axes, values: ArrayLike, intervals: ArrayLike, floors: ArrayLike) -> None:
    low, high = np.asarray(intervals).T
    y = np.arange(len(low))
    axes.hlines(y, low, high, color=ACCENT, linewidth=2, alpha=0.6)
    axes.plot(values, y, "o", color=ACCENT, markersize=6)
    axes.plot(floors, y, "|", color=SECOND, markersize=11, markeredgewidth=2)
    axes.grid(axis="x")


def reliability_diagram(predictions: Predictions, protocol: str) -> str:
    """Draw accuracy against confidence, by dataset and over all."""
    rows = predictions.of_protocol(protocol)
    parts = {**rows.by_dataset(), "all": rows}
    scores = all_scores(predictions, protocol)
    columns, size = _grid(len(scores), 1.0)
    with plot_of(*size, f"Reliability, {protocol_title(protocol).lower()}") as plot:
        for axes, (dataset, each) in zip(plot.panels(len(scores), columns), scores.items(), strict=True):
            bins = reliability(parts[dataset].truth, parts[dataset].probabilities)
            axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle="--")
            confidence, accuracy = [one.confidence for one in bins], [one.accuracy for one in bins]
            axes.vlines(confidence, confidence, accuracy, color=SECOND, linewidth=1.5, alpha=0.6)
            axes.plot(confidence, accuracy, "o", color=ACCENT, markersize=4)
            axes.set(xlim=(0, 1.02), ylim=(-0.02, 1.02), xlabel="confidence", ylabel="accuracy", aspect="equal")
            axes.set_title(f"{dataset}: ECE {each.ece:.3f}")
            axes.grid()
    return plot.svg


def rated_against_predicted(predictions: Predictions, protocol: str) -> str:
    """Draw rated against predicted valence and arousal."""
    rows = predictions.where((predictions.protocol == protocol) & np.isfinite(predictions.valence_true))
    if not len(rows):
        raise NotInRunError("No tested clip of this run has rated valence and arousal.")
    with plot_of(_WIDTH, 4.6, "Rated against predicted valence and arousal") as plot:
        for axes, axis in zip(plot.panels(2, 2), ("valence", "arousal"), strict=True):
            axes.plot([-1, 1], [-1, 1], color=SOFT, linewidth=1, linestyle="--")
            for i, (dataset, part) in enumerate(rows.by_dataset().items()):
                colour = (ACCENT, SECOND, QUADRANT_COLOURS[3], QUADRANT_COLOURS[0], SOFT)[i % 5]
                rated, predicted = getattr(part, f"{axis}_true"), getattr(part, axis)
                axes.plot(rated, predicted, _MARKERS[i % 4], color=colour, markersize=3.5, alpha=0.6, label=dataset)
            axes.set(xlim=(-1, 1), ylim=(-1, 1), xlabel=f"rated {axis}", ylabel=f"predicted {axis}", aspect="equal")
            axes.set(xticks=_HALVES, yticks=_HALVES)
            axes.grid()
        axes.legend(fontsize=8, loc="lower right")
    return plot.svg


def predicted_plane(predictions: Predictions, protocol: str) -> str:
    """Draw the predicted points of each dataset's clips, coloured by their label."""
    by_dataset = predictions.of_protocol(protocol).by_dataset()
    columns, size = _grid(len(by_dataset), 1.06)
    with plot_of(*size, "Predicted points of the clips") as plot:
        for axes, (dataset, rows) in zip(plot.panels(len(by_dataset), columns), by_dataset.items(), strict=True):
            for quadrant, colour in zip(Quadrant, QUADRANT_COLOURS, strict=True):
                part = rows.where(rows.truth == quadrant.index)
                axes.plot(part.valence, part.arousal, "o", color=colour, markersize=3, alpha=0.75)
            _plane(axes)
            axes.set_title(dataset)
    return plot.svg


def group_forest(title: str, groups: Sequence[ClipGroup]) -> str:
    """Draw the accuracy of groups of clips, with intervals and floors."""
    if not groups:
        raise NotInRunError("No group of clips is large enough for a figure.")
    with plot_of(_WIDTH, 0.8 + 0.26 * len(groups), f"Accuracy: {title.lower()}") as plot:
        (axes,) = plot.panels(1, 1)
        names = ("accuracy", "accuracy_interval", "floor")
        _forest(axes, *([getattr(group, name) for group in groups] for name in names))
        axes.set_yticks(range(len(groups)), [f"{group.name} ({group.n})" for group in groups])
        axes.set(xlim=(0, 1), ylim=(len(groups) - 0.5, -0.5), xlabel="accuracy; the bar is the floor")
    return plot.svg
