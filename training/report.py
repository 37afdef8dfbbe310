"""What a checkpoint's card says, as a page for people. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emotion.checkpoint import Card

_LIMITS = """\
## What it is not good at

- It hears 24 s of a song, from the middle, and says one thing of them.
- Emotify's labels are *felt* emotions read as perceived ones; they are the only such labels in the training data.
- Emotion in Music and DEAM were heard as 10 s cuts, EMOPIA as MIDI rendered with one sound font.
- Sources differ in level and timbre, and a network learns to tell them apart. How it does on a source it never saw is
  not measured here: each figure is on unseen artists of sources that were trained on.
- Western popular, classical and game-like piano music; nothing is known about the rest.
"""


def scores_table(scores: Mapping[str, Mapping[str, Any]]) -> str:
    """Return scores by dataset as a Markdown table, each figure beside its floor."""
    lines = [
        "| test clips | n | accuracy (95 %) | floor | macro-F1 (95 %) | floor | ECE |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, s in scores.items():
        accuracy = f"**{s['accuracy']:.3f}** ({s['accuracy_interval'][0]:.3f}–{s['accuracy_interval'][1]:.3f})"
        f1 = f"**{s['macro_f1']:.3f}** ({s['macro_f1_interval'][0]:.3f}–{s['macro_f1_interval'][1]:.3f})"
        floors = f"{s['floor_accuracy']:.3f}", f"{s['floor_macro_f1']:.3f}"
        lines.append(f"| {name} | {s['n']} | {accuracy} | {floors[0]} | {f1} | {floors[1]} | {s['ece']:.3f} |")
    return "\n".join(lines)


def card_page(card: Card) -> str:
    """Return the model card as Markdown: data and licences, protocol, scores, confusion matrices, limits."""
    facts = card.facts
    data = "\n".join(f"| {name} | {d['clips']} | {d['licence']} |" for name, d in facts["datasets"].items())
    matrices = "\n\n".join(_confusion(name, s["confusion"]) for name, s in facts["test"]["model"].items())
    size, seconds = f"{card.mel.image_size}x{card.mel.image_size}", f"{card.mel.window_s:.0f} s"
    return f"""\
# Model card: {card.version}

EfficientNetB3 with the head of Cazzaniga et al.: the quadrant of Russell's valence/arousal plane that a song expresses,
from a {size} log-mel image of {seconds} at {card.mel.sample_rate_hz} Hz. Half precision, safetensors, SHA-256
`{card.weights_sha256}`. Temperature {card.temperature:.3f}, fitted on validation clips.

## Data

| dataset | clips | licence as stated at the source |
|---|---|---|
{data}

**Not for commercial use**: several licences above forbid it. No audio is in this repository or in the weights.

## Scores

Split: {facts["split"]["protocol"]}. Training never saw an artist of the test. Sizes: {facts["split"]["sizes"]};
SHA-256 of the exact ids `{facts["split"]["sha256"]}`. The floor is the best that a constant can do on the same clips;
intervals are a bootstrap over artists. One seed, one split. Measured from audio files through the serving code
(`manage.py evaluate`).

{scores_table(facts["test"]["model"])}

The teacher it learned from (a support vector machine on features of two public tagging networks), on the same clips:

{scores_table(facts["test"]["teacher"])}

### Confusion matrices

Rows are the label, columns what the model said.

{matrices}

{_LIMITS}"""


def _confusion(name: str, rows: list[list[int]]) -> str:
    body = "\n".join(f"| **Q{i}** | " + " | ".join(str(n) for n in row) + " |" for i, row in enumerate(rows, start=1))
    return f"| {name} | Q1 | Q2 | Q3 | Q4 |\n|---|---|---|---|---|\n{body}"
