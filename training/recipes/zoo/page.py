"""The page of the zoo's table, in Markdown: every system beside the papers' numbers, the floor and the tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def zoo_page(rows: Sequence[dict[str, Any]], systems: Sequence[str]) -> str:
    """Return the page; systems without a row are listed as not run."""
    lines = ["# The zoo", "", "| system | protocol | macro-F1 (95 %) | floor |", "|---|---|---|---|"]
    for row in sorted(rows, key=lambda row: -row["macro_f1"]):
        figure = f"{row['macro_f1']:.3f} ({row['low']:.3f}–{row['high']:.3f})"
        lines.append(f"| `{row['system']}` | {row['protocol']} | {figure} | {row['floor']:.3f} |")
    missing = sorted(set(systems) - {row["system"] for row in rows})
    lines += ["", f"Not run: {', '.join(missing) or 'none'}.", ""]
    return "\n".join(lines)
