"""A checkpoint's model card as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emotion.inference.checkpoint import Card
from emotion.zoo.registry import architecture
from training.evaluation.report.tables import Table, figure

# Limits of every model of this kind; those that a card names take their place.
_LIMITS = (
    "It hears 24 s of a song, from the middle, and says one thing of them.",
    "Emotify's labels are *felt* emotions read as perceived ones; they are the only such labels in the training data.",
    "Emotion in Music and DEAM were heard as 10 s cuts, EMOPIA as MIDI rendered with one sound font.",
    "Sources differ in level and timbre, and a network learns to tell them apart. How it does on a source it never saw "
    "is not measured here: each figure is on unseen artists of sources that were trained on.",
    "Western popular, classical and game-like piano music; nothing is known about the rest.",
)


def scores_table(scores: Mapping[str, Mapping[str, Any]]) -> str:
    """Return scores by dataset, as `Scores.to_json` gives them, as a Markdown table: each figure next to its floor."""
    rows = [
        (
            name,
            s["n"],
            figure(s["accuracy"], s["accuracy_interval"], bold=True),
            s["floor_accuracy"],
            figure(s["macro_f1"], s["macro_f1_interval"], bold=True),
            s["floor_macro_f1"],
            s["ece"],
        )
        for name, s in scores.items()
    ]
    columns = ("test clips", "n", "accuracy (95 %)", "floor", "macro-F1 (95 %)", "floor", "ECE")
    return Table("", "", columns, tuple(rows)).to_markdown()


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
`{card.weights_sha256}`. Temperature {card.temperature:.3f}, fitted on validation clips."""
    rows = tuple((name, d["clips"], d["licence"]) for name, d in facts["datasets"].items())
    data = Table("Data", "", ("dataset", "clips", "licence as stated at the source"), rows)
    terms = "**Not for commercial use**: several licences above forbid it. "
    terms += "No audio is in this repository or in the weights."
    parts = [head, facts.get("method", ""), _table(data), terms]
    if "test" in facts:
        parts.append(_scores(facts))
    parts += [_table(Table.from_json(raw)) for raw in facts.get("tables", ())]
    if "test" in facts:
        parts += ["## Confusion matrices", "Rows are the label, columns what the model said."]
        for name, scores in facts["test"]["model"].items():
            counts = tuple((f"**Q{i}**", *row) for i, row in enumerate(scores["confusion"], start=1))
            parts.append(Table("", "", (name, "Q1", "Q2", "Q3", "Q4"), counts).to_markdown())
    if facts.get("tried"):
        tried = tuple((row["what"], row["result"]) for row in facts["tried"])
        parts.append(_table(Table("What was tried", "", ("what", "result"), tried)))
    limits = "\n".join(f"- {sentence}" for sentence in facts.get("limits") or _LIMITS)
    return "\n\n".join([*filter(None, parts), f"## What it is not good at\n\n{limits}"]) + "\n"


def _scores(facts: Mapping[str, Any]) -> str:
    split, teacher = facts["split"], facts["test"].get("teacher")
    alone = "" if facts.get("tables") else " One seed, one split."
    # A split with a note is one of which this is not wholly true.
    unseen = "" if split.get("note") else " Training never saw an artist of the test."
    sizes = ", ".join(f"{n} {name}" for name, n in split.get("sizes", {}).items())
    lines = [
        "## Scores",
        f"Split: {split['protocol']}.{unseen}{f' Clips: {sizes}.' if sizes else ''}\n"
        f"SHA-256 of the exact ids `{split['sha256']}`.\n{_folds(facts)}"
        "The floor is the best that a constant can do on the same clips; intervals are a bootstrap over artists."
        f"{alone}\nMeasured from audio files through the serving code (`manage.py evaluate`).",
        scores_table(facts["test"]["model"]),
    ]
    if teacher:
        what = "a support vector machine on features of two public tagging networks"
        lines += [f"The teacher it learned from ({what}), on the same clips:", scores_table(teacher)]
    return "\n\n".join(lines)


def _folds(facts: Mapping[str, Any]) -> str:
    lines = [split["note"]] if (split := facts["split"]).get("note") else []
    if further := {name: sha256 for name, sha256 in facts.get("folds", {}).items() if sha256 != split["sha256"]}:
        names = ", ".join(f"{name.replace('_', ' ')} `{sha256}`" for name, sha256 in further.items())
        lines.append(f"The ids of all folds lie in the run folder (`splits*.json`); further hashes: {names}.")
    return "".join(f"{line}\n" for line in lines)


def _table(table: Table) -> str:
    return "\n\n".join(part for part in (f"## {table.title}", table.note, table.to_markdown()) if part)
