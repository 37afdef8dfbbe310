"""VGMIDI: 114 piano arrangements of game music in MIDI, rated by about thirty listeners who drew a curve per measure.

Labels: `vgmidi_labelled.csv` has the sign of valence and of arousal, the authors' summary of the curves; it gives the
quadrant. Valence and arousal are the means over listeners and measures of the curves in `vgmidi_raw_{1,2}.json.gz`,
from -1 to 1 with the midpoint at 0. For 8 of the 114 pieces the two differ in a sign, because the authors cluster the
curves and do not average them.
Layout, seen: these files and `midis.zip` (or the folder `midi/`). Rendered with fluidsynth. Pieces of one series are
mostly by one composer, so the series stands for the artist.
"""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from emotion.inference.quadrants import Quadrant
from training.datasets import base
from training.datasets.base import Clip, Curve, Dataset, DatasetError, Reading, Row, Scale, one_of, required, table
from training.datasets.midi import render_midis

CITATION = "Ferreira, Whitehead (2019). Learning to Generate Music with Sentiment. ISMIR."
LICENSE = "none stated; internal use only"
SOURCE = "https://github.com/lucasnfe/vgmidi"

_SCALE = Scale(-1, 1)
_RAW = ("vgmidi_raw_1.json.gz", "vgmidi_raw_2.json.gz")


def read(folder: Path, work_dir: Path) -> Reading:
    """Read signs and curves; the audio is what `render` makes."""
    by_midi = _curves_by_midi(folder)

    def build(row: Row) -> Clip:
        stem = Path(row["midi"]).stem
        curves = by_midi.get(stem, [])
        return base.song_clip(
            "vgmidi",
            row["id"],
            work_dir / "vgmidi" / f"{stem}.flac",
            Quadrant.from_valence_arousal(row.number("valence", _SCALE), row.number("arousal", _SCALE)),
            valence=float(np.mean([curve.valence.mean() for curve in curves])) if curves else None,
            arousal=float(np.mean([curve.arousal.mean() for curve in curves])) if curves else None,
            raters=tuple(curve.listener for curve in curves),
            n_raters=len(curves),
            genre="game",
            **row.about(artist="series", title="piece", album="game"),
        )

    return base.collect(table(folder / "vgmidi_labelled.csv", "id", "series", "midi", "valence", "arousal"), build)


def render(folder: Path, work_dir: Path) -> None:
    """Render every piece once into `work_dir/vgmidi`."""
    render_midis(one_of(folder / "midis.zip", folder / "midi"), work_dir / "vgmidi")


def curves(folder: Path) -> dict[str, list[Curve]]:
    """Return the curves of each piece, one per listener, with one point in the middle of each measure.

    The measures are taken as equally long: the files say how long a piece is, and not when its measures begin.
    """
    by_midi = _curves_by_midi(folder)
    rows = table(folder / "vgmidi_labelled.csv", "id", "midi")
    return {f"vgmidi/{row['id']}": by_midi.get(Path(row["midi"]).stem, []) for row in rows}


def _curves_by_midi(folder: Path) -> dict[str, list[Curve]]:
    required(folder / "vgmidi_labelled.csv", *(folder / name for name in _RAW))
    curves: dict[str, list[Curve]] = defaultdict(list)
    for name in _RAW:
        try:
            raw = json.loads(gzip.decompress((folder / name).read_bytes()))
            for key, drawn in raw["annotations"].items():
                piece = raw["pieces"][key.rpartition("_")[0]]
                curves[Path(piece["midi"]).stem].append(_curve(key, drawn, float(piece["duration"])))
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise DatasetError(f"{folder / name} is not the file of VGMIDI ({error!r}); fetch it again.") from error
    return curves


def _curve(listener: str, drawn: dict[str, Any], duration_s: float) -> Curve:
    # Two pieces have listeners with one measure more in one curve than in the other.
    n = min(len(drawn["valence"]), len(drawn["arousal"]))
    valence, arousal = (np.array(drawn[axis][:n], np.float64) for axis in ("valence", "arousal"))
    if n == 0 or np.abs([valence, arousal]).max() > _SCALE.high:
        raise ValueError(f"the curves of {listener} are empty or leave -1 to 1")
    return Curve((np.arange(n) + 0.5) * duration_s / n, valence, arousal, listener, drawn.get("isKnown"))


DATASET = Dataset("vgmidi", LICENSE, read, render=render, curves=curves)
