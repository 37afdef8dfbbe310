"""The plots of a report: the paper's figures, calibration, folds and errors, each as SVG. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from emotion.inference.quadrants import Quadrant
from training.evaluation.comparison import of_protocol
from training.evaluation.metrics import Scores, reliability
from training.evaluation.predictions import Predictions
from training.evaluation.report.errors import Group
from training.evaluation.report.run import Label, NotInRunError
from training.evaluation.report.scores import all_scores, fold_scores, protocol_title, protocols_of
from training.evaluation.report.svg import ACCENT, INK, LINE, ON_DARK, QUADRANT_COLOURS, SECOND, SOFT, plot_of

_MARKERS = "o^sD"
_WIDTH = 9.3
_HALVES = (-1, -0.5, 0, 0.5, 1)


def _panels(n: int, height_to_width: float) -> tuple[int, tuple[float, float]]:
    """Return how many small plots stand in a row, and the size of all of them in inches."""
    columns = n if n <= 4 else 3
    width = _WIDTH / max(columns, 3)
    return columns, (width * columns, width * height_to_width * -(-n // columns))


def label_plane(labels: Sequence[Label]) -> str:
    """Draw the songs of each rated dataset on the plane, selected or not: the paper's Figure 2.

    Raises:
        NotInRunError: No clip is rated.
    """
    rated = [label for label in labels if np.isfinite(label.valence) and np.isfinite(label.arousal)]
    datasets = list(dict.fromkeys(label.dataset for label in rated))
    if not rated:
        raise NotInRunError("No clip of this run has rated valence and arousal.")
    columns, size = _panels(len(datasets), 1.06)
    with plot_of(*size, "Rated songs on the plane") as plot:
        for axes, dataset in zip(plot.panels(len(datasets), columns), datasets, strict=True):
            members = [label for label in rated if label.dataset == dataset]
            left = [label for label in members if not label.selected]
            axes.plot(*_points(left), "o", color=SOFT, markersize=2, alpha=0.35, label="not used")
            for quadrant, colour in zip(Quadrant, QUADRANT_COLOURS, strict=True):
                used = [label for label in members if label.selected and label.quadrant == quadrant.index]
                axes.plot(*_points(used), "o", color=colour, markersize=3, alpha=0.8, label=quadrant.name)
            _plane(axes)
            unused = f", {len(left)} not used" if left else ""
            axes.set_title(f"{dataset}: {len(members) - len(left)} used{unused}")
    return plot.svg


def _points(labels: Sequence[Label]) -> tuple[list[float], list[float]]:
    return [label.valence for label in labels], [label.arousal for label in labels]


def _plane(axes: Axes) -> None:
    axes.axhline(0, color=LINE, linewidth=1)
    axes.axvline(0, color=LINE, linewidth=1)
    axes.set(xlim=(-1.02, 1.02), ylim=(-1.02, 1.02), xlabel="valence", ylabel="arousal", aspect="equal")
    axes.set_xticks((-1, 0, 1))
    axes.set_yticks((-1, 0, 1))
    for quadrant in Quadrant:
        valence, arousal = quadrant.corner
        axes.text(
            0.97 * valence,
            0.97 * arousal,
            quadrant.name,
            ha="right" if valence > 0 else "left",
            va="top" if arousal > 0 else "bottom",
            color=SOFT,
        )


def spectrograms(examples: Mapping[Quadrant, tuple[str, NDArray[np.float32]]]) -> str:
    """Draw what the network sees of one clip of each quadrant: the paper's Figure 3.

    Args:
        examples: A name and an image `(rows, columns)` in [0, 1], low bands first.

    Raises:
        NotInRunError: There is none.
    """
    if not examples:
        raise NotInRunError("There is no audio here to make example images of.")
    with plot_of(_WIDTH, 5.2, "Log-mel images of one clip of each quadrant") as plot:
        for axes, (quadrant, (name, image)) in zip(plot.panels(len(examples), 2), examples.items(), strict=True):
            axes.imshow(image, origin="lower", aspect="auto", cmap="magma", vmin=0, vmax=1, interpolation="nearest")
            axes.set_title(f"{quadrant.name} {quadrant.sign}: {name}")
            axes.set(xlabel="time", ylabel="mel band", xticks=[], yticks=[])
    return plot.svg


def class_distribution(labels: Sequence[Label], parts: Mapping[str, str]) -> str:
    """Draw how many clips of each class and dataset were trained on and tested: the paper's Figure 4.

    Args:
        labels: Clips; those without a quadrant or not used are left out.
        parts: "train", "validation" or "test" by clip; where it is empty, all clips count as one part.

    Raises:
        NotInRunError: No clip has a quadrant.
    """
    used = [label for label in labels if label.selected and label.quadrant >= 0]
    there = set(parts.values())
    names: list[str] = [part for part in ("train", "validation", "test") if part in there] or ["tested"]
    datasets = list(dict.fromkeys(label.dataset for label in used))
    if not used:
        raise NotInRunError("No clip of this run has a quadrant.")
    with plot_of(_WIDTH / 3 * len(names), 1.2 + 0.42 * len(datasets), "Clips by class, dataset and part") as plot:
        for axes, name in zip(plot.panels(len(names), len(names), sharey=True), names, strict=True):
            members = [label for label in used if parts.get(label.clip, "tested") == name]
            counts = np.zeros((len(datasets), 4), int)
            for label in members:
                counts[datasets.index(label.dataset), label.quadrant] += 1
            _stacked(axes, counts, datasets)
            axes.set_title(f"{name}: {counts.sum()} clips")
        plot.figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    return plot.svg


def _stacked(axes: Axes, counts: NDArray[np.int64], datasets: Sequence[str]) -> None:
    starts = np.cumsum(counts, axis=1) - counts
    for quadrant, colour in zip(Quadrant, QUADRANT_COLOURS, strict=True):
        column = quadrant.index
        bars = axes.barh(
            datasets, counts[:, column], left=starts[:, column], color=colour, height=0.7, label=quadrant.name
        )
        wide = counts.sum(axis=1).max() * 0.08
        shown = [str(n) if n >= max(wide, 1) else "" for n in counts[:, column]]
        axes.bar_label(bars, shown, label_type="center", color=ON_DARK if column in (1, 2) else "#20202a", fontsize=8)
    axes.invert_yaxis()
    axes.grid(axis="x")
    axes.set_xlabel("clips")


Stages = Mapping[str, Sequence[Mapping[str, Any]]]


def loss_curves(stages: Stages, most: int = 6) -> str:
    """Draw the training and the validation loss of each fold and stage: the paper's Figure 5.

    Args:
        stages: Epochs by the name of the fold and stage, as `Run.stages` gives them.
        most: Of them are drawn.

    Raises:
        NotInRunError: There is no history.
    """
    shown = {"loss": ("training", ACCENT), "validation_loss": ("validation", SECOND)}
    return _curves(stages, shown, "loss", most)


def accuracy_curves(stages: Stages, most: int = 6) -> str:
    """Draw the validation accuracy of each fold and stage; arguments and errors as in `loss_curves`."""
    return _curves(stages, {"validation_accuracy": ("validation", SECOND)}, "accuracy", most)


def _curves(stages: Stages, shown: Mapping[str, tuple[str, str]], unit: str, most: int) -> str:
    known = {
        name: lines
        for name, lines in stages.items()
        if any(line.get(key) is not None for line in lines for key in shown)
    }
    if not known:
        raise NotInRunError(f"This run has no {unit} by epoch (history.jsonl).")
    chosen = list(known.items())[:most]
    columns, size = _panels(len(chosen), 0.75)
    with plot_of(*size, f"{unit.capitalize()} by epoch") as plot:
        panels = plot.panels(len(chosen), columns, sharey=True)
        for axes, (name, lines) in zip(panels, chosen, strict=True):
            for key, (label, colour) in shown.items():
                points = [
                    (line.get("epoch", i), line[key]) for i, line in enumerate(lines, 1) if line.get(key) is not None
                ]
                marker = "o" if len(points) == 1 else ""
                axes.plot(*np.array(points, float).reshape(-1, 2).T, marker=marker, color=colour, label=label)
            if unit == "loss":
                _mark_best(axes, lines)
            axes.set(title=name, xlabel="epoch", ylabel=unit)
            axes.grid(axis="y")
        if len(shown) > 1:
            panels[0].legend(fontsize=8)
    return plot.svg


def _mark_best(axes: Axes, lines: Sequence[Mapping[str, Any]]) -> None:
    losses = [line.get("validation_loss") for line in lines]
    if len(lines) > 1 and all(loss is not None for loss in losses):
        best = lines[int(np.argmin(losses))]  # type: ignore[arg-type]
        axes.axvline(best.get("epoch", 0), color=SOFT, linewidth=0.8, linestyle=":")


def fold_spread(predictions: Predictions) -> str:
    """Draw the macro-F1 of each fold by protocol and dataset, with their mean.

    Raises:
        NotInRunError: No protocol has two folds of the same dataset.
    """
    strips = {}
    for protocol in protocols_of(predictions):
        rows = of_protocol(predictions, protocol)
        for dataset in dict.fromkeys(rows.dataset.tolist()):
            scores = [f1 for _, f1 in fold_scores(rows.where(rows.dataset == dataset)).values()]
            if len(scores) > 1:
                strips[protocol, dataset] = scores
    if not strips:
        raise NotInRunError("No dataset of this run was tested in two folds or more, so that nothing spreads.")
    with plot_of(_WIDTH, 0.8 + 0.26 * len(strips), "Macro-F1 of each fold") as plot:
        (axes,) = plot.panels(1, 1)
        for y, scores in enumerate(strips.values()):
            axes.plot(scores, [y] * len(scores), "o", color=ACCENT, markersize=5, alpha=0.45)
            axes.plot([np.mean(scores)], [y], "|", color=INK, markersize=14, markeredgewidth=2)
        names = [f"{dataset}, {protocol_title(protocol).lower()}" for protocol, dataset in strips]
        axes.set_yticks(range(len(strips)), names)
        axes.set(xlabel="macro-F1", ylim=(len(strips) - 0.5, -0.5))
        axes.grid(axis="x")
    return plot.svg


def score_forest(predictions: Predictions) -> str:
    """Draw accuracy and macro-F1 by dataset and protocol, with intervals and floors."""
    scores = {
        (protocol, dataset): each
        for protocol in protocols_of(predictions)
        for dataset, each in all_scores(predictions, protocol).items()
    }
    if not scores:
        raise NotInRunError("This run has no predictions of labelled clips yet (predictions.npz).")
    with plot_of(_WIDTH, 1.2 + 0.24 * len(scores), "Accuracy and macro-F1 with intervals and floors") as plot:
        panels = plot.panels(2, 2, sharey=True)
        for axes, measure, title in zip(panels, ("accuracy", "macro_f1"), ("accuracy", "macro-F1"), strict=True):
            _forest(axes, list(scores.values()), measure)
            axes.set(title=title, xlim=(0, 1))
        names = [f"{dataset}, {protocol_title(protocol).lower()}" for protocol, dataset in scores]
        panels[0].set_yticks(range(len(scores)), names)
        panels[0].set_ylim(len(scores) - 0.5, -0.5)
    return plot.svg


def _forest(axes: Axes, scores: Sequence[Scores], measure: str) -> None:
    values = [getattr(s, measure) for s in scores]
    intervals = np.array([getattr(s, f"{measure}_interval") for s in scores])
    y = np.arange(len(scores))
    axes.hlines(y, intervals[:, 0], intervals[:, 1], color=ACCENT, linewidth=2, alpha=0.6)
    axes.plot(values, y, "o", color=ACCENT, markersize=6)
    floors = [getattr(s, f"floor_{measure}") for s in scores]
    axes.plot(floors, y, "|", color=SECOND, markersize=11, markeredgewidth=2)
    axes.grid(axis="x")


def reliability_diagram(predictions: Predictions, protocol: str) -> str:
    """Draw how often the model is right when it is so sure, by dataset and over all."""
    rows = of_protocol(predictions, protocol)
    scores = all_scores(predictions, protocol)
    columns, size = _panels(len(scores), 1.0)
    with plot_of(*size, f"Reliability, {protocol_title(protocol).lower()}") as plot:
        for axes, (dataset, each) in zip(plot.panels(len(scores), columns), scores.items(), strict=True):
            part = rows if dataset == "all" else rows.where(rows.dataset == dataset)
            curve = reliability(part.truth, part.probabilities)
            axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle="--")
            sure, right = [found.confidence for found in curve], [found.accuracy for found in curve]
            axes.vlines(sure, sure, right, color=SECOND, linewidth=1.5, alpha=0.6)
            axes.plot(sure, right, "o", color=ACCENT, markersize=4)
            axes.set(xlim=(0, 1.02), ylim=(-0.02, 1.02), xlabel="how sure", ylabel="how often right", aspect="equal")
            axes.set_title(f"{dataset}: ECE {each.ece:.3f}")
            axes.grid()
    return plot.svg


def rated_against_said(predictions: Predictions, protocol: str) -> str:
    """Draw rated against said valence and arousal.

    Raises:
        NotInRunError: No tested clip was rated.
    """
    rows = predictions.where((predictions.protocol == protocol) & np.isfinite(predictions.valence_true))
    if not len(rows):
        raise NotInRunError("No tested clip of this run has rated valence and arousal.")
    with plot_of(_WIDTH, 4.6, "Rated against said valence and arousal") as plot:
        for axes, axis in zip(plot.panels(2, 2), ("valence", "arousal"), strict=True):
            axes.plot([-1, 1], [-1, 1], color=SOFT, linewidth=1, linestyle="--")
            for i, dataset in enumerate(dict.fromkeys(rows.dataset.tolist())):
                part = rows.where(rows.dataset == dataset)
                colour = (ACCENT, SECOND, QUADRANT_COLOURS[3], QUADRANT_COLOURS[0], SOFT)[i % 5]
                said, rated = getattr(part, axis), getattr(part, f"{axis}_true")
                axes.plot(rated, said, _MARKERS[i % 4], color=colour, markersize=3.5, alpha=0.6, label=dataset)
            axes.set(xlim=(-1, 1), ylim=(-1, 1), xlabel=f"rated {axis}", ylabel=f"said {axis}", aspect="equal")
            axes.set(xticks=_HALVES, yticks=_HALVES)
            axes.grid()
        axes.legend(fontsize=8, loc="lower right")
    return plot.svg


def said_plane(predictions: Predictions, protocol: str) -> str:
    """Draw where the model puts the clips of each dataset, coloured by their label."""
    rows = of_protocol(predictions, protocol)
    datasets = list(dict.fromkeys(rows.dataset.tolist()))
    columns, size = _panels(len(datasets), 1.06)
    with plot_of(*size, "Clips where the model puts them") as plot:
        for axes, dataset in zip(plot.panels(len(datasets), columns), datasets, strict=True):
            for quadrant, colour in zip(Quadrant, QUADRANT_COLOURS, strict=True):
                part = rows.where((rows.dataset == dataset) & (rows.truth == quadrant.index))
                axes.plot(part.valence, part.arousal, "o", color=colour, markersize=3, alpha=0.75)
            _plane(axes)
            axes.set_title(dataset)
    return plot.svg


def group_forest(title: str, groups: Sequence[Group]) -> str:
    """Draw the accuracy of groups of clips, with intervals and floors.

    Raises:
        NotInRunError: No group is large enough.
    """
    if not groups:
        raise NotInRunError("No group of clips is large enough to say anything of.")
    with plot_of(_WIDTH, 0.8 + 0.26 * len(groups), f"Accuracy: {title.lower()}") as plot:
        (axes,) = plot.panels(1, 1)
        y = np.arange(len(groups))
        low, high = zip(*(group.accuracy_interval for group in groups), strict=True)
        axes.hlines(y, low, high, color=ACCENT, linewidth=2, alpha=0.6)
        axes.plot([group.accuracy for group in groups], y, "o", color=ACCENT, markersize=6)
        axes.plot([group.floor for group in groups], y, "|", color=SECOND, markersize=11, markeredgewidth=2)
        axes.set_yticks(y, [f"{group.name} ({group.n})" for group in groups])
        axes.set(xlim=(0, 1), ylim=(len(groups) - 0.5, -0.5), xlabel="accuracy; the bar is the floor")
        axes.grid(axis="x")
    return plot.svg
