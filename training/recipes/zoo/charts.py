"""Two drawings of the zoo's table: macro-F1 with its interval by system, and macro-F1 against the time it takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from catalog.core.charts import Axes, Tick, polyline
from catalog.core.wording import gettext, number
from training.evaluation.model_report import AXES, Chart, Label
from training.recipes.zoo.standings import Standing, Standings

# The template draws 320 units across. Each system has a line of words, and under it its interval.
_ROW, _WORDS, _INTERVAL = 28, 11, 20
_LEFT, _RIGHT = 10, 310
# Shorter times than this are all alike, and zero has no logarithm.
_SHORTEST_MS = 0.1


@dataclass(frozen=True, slots=True)
class Interval:
    """A system's line of words and its 95 % interval around `x`; `floor_x` is the best constant answer."""

    name: str
    figure: str
    text_y: int
    y: int
    low_x: float
    x: float
    high_x: float
    floor_x: float


@dataclass(frozen=True, slots=True)
class IntervalChart:
    """Intervals one below the other, in SVG units; `sentence` describes them to those who do not see them."""

    title: str
    sentence: str
    axis_y: int
    intervals: tuple[Interval, ...]
    x_ticks: tuple[Tick, ...]


def interval_chart(standings: Standings) -> IntervalChart:
    """Draw macro-F1 and its interval by system, the best first, with the floor of each."""
    rows = standings.rows
    axes = Axes(_LEFT, _RIGHT, 0, _ROW * len(rows), x_range=(0.0, _top(rows)))
    best, worst = rows[0].row, rows[-1].row
    sentence = gettext(
        "From %(worst)s (%(worst_system)s) to %(best)s (%(best_system)s). Lines are 95 %% intervals; a stroke "
        "across marks the floor, %(floor)s, the best constant answer."
    )
    ticks = [step / 5 for step in range(6) if step / 5 <= axes.x_range[1]]
    return IntervalChart(
        title=gettext("Macro-F1 by system"),
        sentence=sentence
        % {
            "worst": number(worst["macro_f1"], 3),
            "worst_system": worst["system"],
            "best": number(best["macro_f1"], 3),
            "best_system": best["system"],
            "floor": number(best["floor"], 3),
        },
        axis_y=_ROW * len(rows),
        intervals=tuple(
            Interval(
                name=f"{each.place} {each.row['system']}",
                figure=number(each.row["macro_f1"], 3),
                text_y=_ROW * i + _WORDS,
                y=_ROW * i + _INTERVAL,
                low_x=axes.x(each.row["low"]),
                x=axes.x(each.row["macro_f1"]),
                high_x=axes.x(each.row["high"]),
                floor_x=axes.x(each.row["floor"]),
            )
            for i, each in enumerate(rows)
        ),
        x_ticks=axes.x_ticks(ticks, (number(tick, 1) for tick in ticks)),
    )


def speed_chart(standings: Standings) -> Chart:
    """Draw macro-F1 against the time for 24 s of music, in powers of ten, and name what nothing surpasses in both."""
    rows = standings.rows
    powers = [math.log10(max(each.row["infer_ms"], _SHORTEST_MS)) for each in rows]
    first, last = math.floor(min(powers)), math.ceil(max(powers))
    last = max(last, first + 1)
    # The last mark may have five digits, centred under its place.
    axes = replace(AXES, right=300, x_range=(first, last), y_range=(0.0, _top(rows)))
    places = axes.points(powers, (each.row["macro_f1"] for each in rows))
    front = sorted(_front(rows), key=lambda i: powers[i])
    named = "; ".join(
        gettext("%(system)s (%(figure)s in %(ms)s ms)")
        % {
            "system": f"{rows[i].place} {rows[i].row['system']}",
            "figure": number(rows[i].row["macro_f1"], 3),
            "ms": number(rows[i].row["infer_ms"], 1),
        }
        for i in front
    )
    sentence = gettext(
        "Upwards macro-F1, to the right the milliseconds that a CPU takes for 24 s of music; each mark is ten times "
        "the one before. No system is both faster and better than these: %(named)s."
    )
    levels = (0.0, axes.y_range[1] / 2, axes.y_range[1])
    marks = range(first, last + 1)
    return Chart(
        title=gettext("Macro-F1 against time"),
        sentence=sentence % {"named": named},
        lines=(polyline(places[i] for i in front),),
        dots=tuple(places),
        x_ticks=axes.x_ticks(marks, (number(10**mark, max(-mark, 0)) for mark in marks)),
        y_ticks=axes.y_ticks(levels, (number(level, 2) for level in levels)),
        labels=tuple(Label(places[i][0], places[i][1] - 6, str(rows[i].place)) for i in front),
    )


def _front(rows: Sequence[Standing]) -> list[int]:
    # The best come first: one is on the front when it is faster than all before it.
    front, fastest = [], math.inf
    for i, each in enumerate(rows):
        if each.row["infer_ms"] < fastest:
            front.append(i)
            fastest = each.row["infer_ms"]
    return front


def _top(rows: Sequence[Standing]) -> float:
    return min(1.0, math.ceil(10 * max(each.row["high"] for each in rows)) / 10)
