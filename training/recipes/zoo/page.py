"""The page of the zoo's table, in Markdown: every system beside the papers' numbers, the floor and the tests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from training.recipes.zoo.standings import (
    BASELINE,
    PROTOCOLS,
    Difference,
    Published,
    Standing,
    Standings,
    published_of,
    standings_of,
)

# What a person writes between these is kept when the page is written anew.
_SLOT = ("<!-- words -->", "<!-- /words -->")
_INTRODUCTION = """\
The systems of the five papers, and ours, trained and tested on the same clips as far as they have rows; the others are
listed as not run. `manage.py zoo run` trains a system and
writes its row into `training/results/zoo.json`; `manage.py zoo table` writes this page from the rows, the files of the
systems and `training/results/published.toml`. A person wrote only the words after this list.

- **Macro-F1** has a 95 % interval from a bootstrap over artists. The **floor** is that of the best constant answer on
  the same clips, for accuracy and top-3 accuracy as well. **Top-3** stands where the paper reports it.
- **ECE** is the expected calibration error, in 15 bins of as many clips.
- **Parameters** are those of the network; what a closed form fits is not counted. **Training** is the time for all
  folds together, **24 s** that for preparing and judging 24 s of music on one CPU.
- **Tests** are corrected resampled t-tests of macro-F1 over the folds (Nadeau and Bengio, 2003), with Holm's correction
  over the systems of a column. Its first number is the system's mean over the folds less the reference's.
- A paper's figure was measured on **its own protocol** unless it says *the same protocol*; then the folds were still
  dealt differently."""


def kept_words(docs: Path) -> str:
    """Return what a person wrote on the results: `zoo_words.md`, or else what the page has between its marks."""
    written, page = docs / "zoo_words.md", docs / "zoo.md"
    if written.exists():
        return written.read_text(encoding="utf-8").strip()
    found = re.search("(.*)".join(_SLOT), page.read_text(encoding="utf-8") if page.exists() else "", re.DOTALL)
    return found[1].strip() if found else ""


def zoo_page(rows: Sequence[Mapping[str, Any]], systems: Sequence[str], words: str = "") -> str:
    """Return the page; systems without a row are listed as not run, and `words` stand between its marks."""
    tables = standings_of(rows, systems)
    idle = [f"`{each.name}` ({each.about})" for each in PROTOCOLS.values() if each not in [t.protocol for t in tables]]
    parts = ["# The zoo", _INTRODUCTION, "\n".join(part for part in (_SLOT[0], words, _SLOT[1]) if part)]
    for table in tables:
        parts += _section(table)
    if idle:
        parts += ["## Not run at all", f"No system was run under {'; '.join(idle)}."]
    if not tables:
        parts.append(_not_run(systems))
    parts += _published(systems, rows) + _systems(rows)
    return "\n\n".join(parts) + "\n"


def _section(table: Standings) -> list[str]:
    first, folds = table.rows[0].row, sorted({each.row["folds"][:12] for each in table.rows})
    parts = [
        f"## {table.protocol.about[0].upper()}{table.protocol.about[1:]}",
        f"Protocol `{table.protocol.name}`, data `{table.data}`, n = {first['n']}, folds `{'`, `'.join(folds)}`.",
        _scores(table),
        _costs(table),
    ]
    if table.is_tested:
        parts.append(_tests(table))
    else:
        parts.append("There are no tests: they need two systems on the same folds, and folds that share no test clip.")
    if BASELINE not in table.references:
        parts.append(f"`{BASELINE}` was not run here, so that nothing is tested against it.")
    if table.not_run:
        parts.append(_not_run(table.not_run))
    return parts


def _scores(table: Standings) -> str:
    head = ["system", "macro-F1 (95 %)", "floor", "accuracy (floor)"]
    head += ["top-3 (floor)"] if table.reports_top3 else []
    return _table([*head, "ECE", "the paper’s figure"], (_score_cells(table, each) for each in table.rows))


def _score_cells(table: Standings, standing: Standing) -> list[str]:
    row = standing.row
    cells = [
        f"`{row['system']}`",
        f"{row['macro_f1']:.3f} ({row['low']:.3f}–{row['high']:.3f})",
        f"{row['floor']:.3f}",
        f"{row['accuracy']:.3f} ({row['floor_accuracy']:.3f})",
    ]
    if table.reports_top3:
        cells.append(f"{row['top3']:.3f} ({row['floor_top3']:.3f})" if standing.reports_top3 else "–")
    return [*cells, f"{row['ece']:.3f}", "; ".join(map(_beside, standing.published)) or "–"]


def _beside(published: Published) -> str:
    own = "the same protocol" if published.is_same else "its own protocol"
    return f"{published.figure:.3g} {published.metric}, {own}"


def _costs(table: Standings) -> str:
    head = ["system", "parameters", "training, s", "24 s on the CPU, ms", "budget, core-minutes", "what the budget cut"]
    rows = (
        [
            f"`{row['system']}`",
            f"{row['parameters']:,}",
            f"{row['train_s']:,.0f}",
            f"{row['infer_ms']:,.1f}",
            f"{row['budget_min']:g}" if row["budget_min"] else "the paper’s own",
            row["cut"] or "nothing",
        ]
        for row in (each.row for each in table.rows)
    )
    return _table(head, rows)


def _tests(table: Standings) -> str:
    head = ["system"]
    for name in table.references:
        best = ", the best" if name == table.rows[0].row["system"] else ""
        head += [f"less `{name}`{best} (95 %)", "p"]
    return _table(head, (_test_cells(each) for each in table.rows))


def _test_cells(standing: Standing) -> list[str]:
    return [f"`{standing.row['system']}`", *(cell for each in standing.against for cell in _difference(each))]


def _difference(difference: Difference | None) -> tuple[str, str]:
    if difference is None:
        return "–", "–"
    words = f"{difference.value:+.3f} ({difference.low:+.3f} to {difference.high:+.3f})"
    return words, "< .001" if difference.p_value < 0.001 else f"{difference.p_value:.3f}"


def _not_run(systems: Sequence[str]) -> str:
    return f"Not run: {', '.join(f'`{name}`' for name in systems) or 'none'}."


def _published(systems: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    names = sorted({*systems, *(row["system"] for row in rows)})
    found = [each for name in names for each in published_of(name, "", "")]
    cells = ([f"`{each.system}`", f"{each.figure:g}", each.metric, each.test, each.where] for each in found)
    return ["## What the papers report", _table(["system", "figure", "of", "test", "where"], cells)] if found else []


def _systems(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    described = sorted({row["system"]: row for row in rows}.items())
    lines = [f"- `{name}`: {row['title']} ({row['paper']}). {row['note']}".rstrip() for name, row in described]
    return ["## What was run", "\n".join(lines)] if lines else []


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
