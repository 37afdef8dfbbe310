"""SVG for a page: drawn by matplotlib, in colours that the page's light and dark styles set. Pure."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
    "text.color": INK,
    "axes.labelcolor": SOFT,
    "axes.edgecolor": LINE,
    "axes.titlecolor": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "grid.color": LINE,
    "grid.linewidth": 0.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


class Plot:
    """A figure being drawn, and the SVG that becomes of it."""

    def __init__(self, figure: Figure, alt: str) -> None:
        self.figure = figure
        self.svg = ""
        self._alt = alt

    def panels(self, n: int, columns: int, **options: Any) -> list[Axes]:
        """Return `n` axes in rows of `columns`."""
        grid = self.figure.subplots(-(-n // columns), columns, squeeze=False, **options)
        for unused in grid.flat[n:]:
            unused.set_axis_off()
        return list(grid.flat[:n])

    def finish(self) -> None:
        """Write the SVG."""
        file = io.StringIO()
        self.figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
        self.svg = _inline(file.getvalue(), self._alt)


@contextmanager
def plot_of(width: float, height: float, alt: str) -> Iterator[Plot]:
    """Open a plot of so many inches; its `svg` is there when the block ends.

    Args:
        width: In inches.
        height: In inches.
        alt: What it shows, for those who cannot see it.
    """
    # Two plots on a page must not share the identifiers of their clip paths, and the same plot twice should not differ.
    with mpl.rc_context({**_STYLE, "svg.hashsalt": alt}):
        plot = Plot(Figure(figsize=(width, height), layout="constrained"), alt)
        yield plot
        plot.finish()


def _inline(svg: str, alt: str) -> str:
    """Return the element alone: no XML head, sizes from the page, colours as CSS variables."""
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    # As wide as drawn, and no wider than the page; the height follows.
    svg = re.sub(r' height="[\d.]+pt"', "", svg, count=1)
    svg = re.sub(r' width="([\d.]+)pt"', lambda found: f' width="{_SCALE * float(found[1]):.0f}"', svg, count=1)
    svg = re.sub(r"#0a0b[0-9a-f]{2}", lambda found: f"var(--{_VARIABLES[found[0]]})", svg)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{html.escape(alt)}" ', 1)
