"""EMOPIA: solo-piano clips in MIDI with a quadrant each, rendered with fluidsynth.

Labels: one annotator's quadrant per clip; the published split is song-disjoint.
Layout, seen: `label.csv`, `train.csv`, `val.csv` (and `test.csv` where it is), `midis.zip` or the folder `midis/`. The
recordings are on YouTube and are not published; if they lie in `audio/<ID>.mp3` or `.wav`, they replace the rendering.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training.datasets import base
from training.datasets.base import Clip, Dataset, Reading, Row, one_of, required, table
from training.datasets.midi import render_midis

CITATION = (
    "Hung, Ching, Doh, Kim, Nam, Yang (2021). EMOPIA: A Multi-Modal Pop Piano Dataset for Emotion Recognition. ISMIR."
)
LICENSE = "CC BY-NC-SA 4.0"
SOURCE = "https://zenodo.org/record/5090631"


def read(folder: Path, work_dir: Path) -> Reading:
    """Read labels and the published split; the audio is the recording where it is, else what `render` makes."""
    paths = {split: folder / f"{split}.csv" for split in ("train", "val", "test")}
    required(folder / "label.csv", paths["train"], paths["val"])
    splits = {row["fname"]: split for split, path in paths.items() if path.exists() for row in table(path, "fname")}

    def build(row: Row) -> Clip:
        name = row["ID"]
        song = name.partition("_")[2].rpartition("_")[0]
        recording = base.audio_file(folder / "audio", name)
        audio = recording if recording.exists() else work_dir / "emopia" / f"{name}.flac"
        raters = (row["annotator"],) if row.get("annotator") else ()
        more: dict[str, Any] = {"split": splits.get(name, ""), "raters": raters, "n_raters": 1}
        return Clip(f"emopia/{name}", "emopia", song, f"song {song}", audio, row.quadrant("4Q"), **more)

    return base.collect(table(folder / "label.csv", "ID", "4Q"), build, order=lambda clip: clip.id)


def render(folder: Path, work_dir: Path) -> None:
    """Render the MIDI of every clip without a recording, once, into `work_dir/emopia`."""
    missing = {clip.audio.stem for clip in read(folder, work_dir).clips if clip.audio.is_relative_to(work_dir)}
    if missing:
        render_midis(one_of(folder / "midis.zip", folder / "midis"), work_dir / "emopia", only=missing)


DATASET = Dataset("emopia", LICENSE, read, render=render)
