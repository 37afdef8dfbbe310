"""The page of the table of tags, in Markdown: each row beside its floor, and the paper's own figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_FIGURES = {
    "macro_f1": "macro-F1",
    "macro_precision": "macro precision",
    "macro_recall": "macro recall",
    "micro_f1": "micro-F1",
    "micro_precision": "micro precision",
    "micro_recall": "micro recall",
    "hamming_loss": "Hamming loss",
    "auc": "AUC, macro",
    "average_precision": "average precision, macro",
    "one_error": "one-error",
}
# Liu et al., Tables 3 to 5.
_PAPER = {
    "cal500": dict(zip(_FIGURES, (0.472, 0.426, 0.583, 0.534, 0.459, 0.640, 0.325, 0.675, 0.458, 0.423), strict=True)),
    "cal500exp": dict(
        zip(_FIGURES, (0.596, 0.603, 0.614, 0.709, 0.686, 0.735, 0.212, 0.799, 0.629, 0.120), strict=True)
    ),
}
_HEAD = """# Tags

The networks of Liu et al. on tags of emotion, of which a clip may have several. `manage.py zoo table` writes this page
from `training/results/tags.json`; the metrics and their choices are in `training/evaluation/tags.py`, the choices of
training in `training/recipes/zoo/tags.py`. Intervals are 95 %, from a bootstrap over artists. The floor knows only how
frequent each tag is in training: it ranks the tags of every clip alike, and its threshold is chosen on validation clips
for the highest macro-F1, as a network's is. For Hamming loss and one-error less is better."""
_PAPER_HEAD = """## Beside the paper

The paper's figures are of CAL500 and CAL500exp, whose labels are here and whose audio is not. **The data differ**:
songs, tags, who felt or agreed, and how many tags a clip has; only distances from the floor can be compared. The paper
deals clips at random, which puts artists, and in CAL500exp segments of one song, on both sides. Floors are of the
labels here, on random folds."""
_BY_TAG = (
    "Of single tags, at the threshold. A precision no higher than the share of clips that have the tag says nothing."
)


def tags_page(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the page of some rows of the table, those that were not run included."""
    run = [row for row in rows if "not_run" not in row]
    parts = [_HEAD]
    for data, protocol in dict.fromkeys((row["data"], row["protocol"]) for row in run):
        parts += _section([row for row in run if (row["data"], row["protocol"]) == (data, protocol)])
    floors = {row["data"]: row["floor"] for row in rows if row["leaks"]}
    parts += [_PAPER_HEAD, _paper(floors)]
    lost = [row for row in rows if "not_run" in row]
    parts.append(
        "\n".join(f"- `{r['system']}` on {r['data']}, {r['protocol']}: not run, {r['not_run']}." for r in lost)
    )
    return "\n\n".join(parts) + "\n"


def _section(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    first = rows[0]
    per_clip = first["tags_per_clip"]
    about = (
        f"{first['n']} clips, {first['n_tags']} tags, each {first['labels']}; {per_clip:.2f} tags a clip, so that "
        f"giving none has a Hamming loss of {per_clip / first['n_tags']:.3f}. Protocol: {first['about']}."
    )
    if first["agreement"] is not None:
        about += (
            " The tags by one half of a song's listeners, against those by the other half, have a macro-F1 of "
            f"{first['agreement']:.3f}."
        )
    figures = [
        [
            name,
            *(f"{row['figures'][key]:.3f} ({_interval(row['intervals'][key])})" for row in rows),
            f"{first['floor'][key]:.3f}",
        ]
        for key, name in _FIGURES.items()
    ]
    systems = [f"`{row['system']}`" for row in rows]
    by_tag = [
        [
            tag.replace("_", " "),
            f"{each['n'] / first['n']:.2f}",
            *(f"{row['by_tag'][tag][key]:.2f}" for row in rows for key in ("precision", "recall", "auc")),
        ]
        for tag, each in first["by_tag"].items()
        if each["n"]
    ]
    columns = [f"{words} {system}" for system in systems for words in ("precision", "recall", "AUC")]
    made = [
        f"- `{row['system']}`: {row['budget_min']:g} core-minutes, {row['train_s'] / 60:.1f} used; "
        f"{row['cut'] or 'nothing cut'}; thresholds {', '.join(f'{each:.2f}' for each in row['thresholds'])}. "
        f"`manage.py zoo tags --data-sets {row['data']} --system {row['system'].removesuffix('-' + row['head'])} "
        f"--head {row['head']} --protocol {row['protocol']} --budget {row['budget_min']:g}`"
        for row in rows
    ]
    return [
        f"## {first['data']}, {first['protocol']}",
        about,
        _table(["figure", *systems, "floor"], figures),
        "\n".join(made),
        _BY_TAG,
        _table(["tag", "share", *columns], by_tag),
    ]


def _paper(floors: Mapping[str, Mapping[str, float]]) -> str:
    head = ["figure", *(f"{data}, {what}" for data in _PAPER for what in ("paper", "floor here"))]
    rows = []
    for key, name in _FIGURES.items():
        row = [name]
        for data, figures in _PAPER.items():
            row += [f"{figures[key]:.3f}", f"{floors[data][key]:.3f}" if data in floors else "not run"]
        rows.append(row)
    return _table(head, rows)


def _interval(ends: Sequence[float]) -> str:
    return f"{ends[0]:.3f}–{ends[1]:.3f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))
