"""EMOPIA: solo-piano clips in MIDI with a quadrant each, rendered with fluidsynth.

Paper: Hung et al. (2021), EMOPIA: A Multi-Modal Pop Piano Dataset for Emotion Recognition.
Licence: CC BY-NC-SA 4.0. Labels: one annotator's quadrant per clip; the published split is song-disjoint.
"""

from __future__ import annotations

import csv
import shutil
import subprocess
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from emotion.quadrants import Quadrant
from training.datasets.base import Clip, Dataset, DatasetError, required

CITATION = "Hung, Ching, Doh, Kim, Nam, Yang (2021). EMOPIA. ISMIR."
LICENSE = "CC BY-NC-SA 4.0"
SOURCE = "https://zenodo.org/record/5090631"

_SOUND_FONTS = ("/usr/share/sounds/sf2/FluidR3_GM.sf2", "/usr/share/sounds/sf2/TimGM6mb.sf2")
# fluidsynth's own default of 0.2 leaves piano some 20 dB below commercial recordings.
_GAIN = "1.0"


def load(folder: Path, work_dir: Path) -> list[Clip]:
    """Read labels and the published split; MIDI is rendered once into `work_dir/emopia`."""
    splits: dict[str, str] = {}
    for split in ("train", "val", "test"):
        path = folder / f"{split}.csv"
        if path.exists() or split != "test":
            with required(path).open(encoding="utf-8", newline="") as file:
                splits |= {row["fname"]: split for row in csv.DictReader(file)}
    with required(folder / "label.csv").open(encoding="utf-8", newline="") as file:
        labels = {row["ID"]: Quadrant(int(row["4Q"])) for row in csv.DictReader(file)}
    rendered = render_midis(required(folder / "midis.zip"), work_dir / "emopia")
    clips = []
    for name, quadrant in sorted(labels.items()):
        if name not in rendered:
            continue
        song = name.split("_", 1)[1].rsplit("_", 1)[0]
        clips.append(
            Clip(f"emopia/{name}", "emopia", song, f"song {song}", rendered[name], quadrant, split=splits.get(name, ""))
        )
    return clips


def render_midis(archive: Path, out_dir: Path) -> dict[str, Path]:
    """Render every MIDI file of a zip to FLAC at 22,050 Hz; what is there already is kept.

    Returns:
        The audio file of each MIDI file's stem.

    Raises:
        DatasetError: fluidsynth or a General MIDI sound font is missing.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    midi_dir = out_dir / "midi"
    with zipfile.ZipFile(archive) as zipped:
        members = [name for name in zipped.namelist() if name.endswith(".mid") and "__MACOSX" not in name]
        targets = {Path(name).stem: out_dir / f"{Path(name).stem}.flac" for name in members}
        missing = [name for name in members if not targets[Path(name).stem].exists()]
        if missing:
            zipped.extractall(midi_dir, missing)
    if missing:
        command = _fluidsynth()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda name: _render(command, midi_dir / name, targets[Path(name).stem]), missing))
    return targets


def _fluidsynth() -> list[str]:
    font = next((font for font in _SOUND_FONTS if Path(font).exists()), None)
    program = shutil.which("fluidsynth")
    if program is None or font is None:
        raise DatasetError("Rendering MIDI needs fluidsynth and a General MIDI sound font (fluid-soundfont-gm).")
    return [program, "-ni", "-q", "-g", _GAIN, "-r", "22050", "-T", "flac", font]


def _render(command: list[str], midi: Path, target: Path) -> None:
    beside = target.with_suffix(".part")
    font = command[-1]
    subprocess.run(
        [*command[:-1], "-F", str(beside), font, str(midi)], check=True, stdout=subprocess.DEVNULL, timeout=120
    )
    beside.replace(target)


DATASET = Dataset("emopia", "emopia", LICENSE, load)
