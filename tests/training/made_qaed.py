"""A folder of datasets that holds a small 4QAED, made by our own code, in its official layout."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from tests.audio_fixtures import make_audio

# Each quadrant has a register of its own, so that there is something to learn.
REGISTERS_HZ = {"Q1": 880.0, "Q2": 440.0, "Q3": 110.0, "Q4": 220.0}


def made_qaed(data_root: Path, *, clips: int = 6, seconds: float = 6.0, artists: int = 4) -> Path:
    """Write `clips` recordings in each quadrant, by `artists` artists in each, and return the data root."""
    folder = data_root / "4qaed"
    rows, songs = [], []
    for number, (quadrant, register_hz) in enumerate(REGISTERS_HZ.items()):
        for i in range(clips):
            song = f"MT{number}{i:09d}"
            make_audio(
                folder / quadrant / f"{song}.opus",
                seconds,
                channels=1,
                frequency_hz=register_hz,
                seed=10 * number + i + 1,
            )
            rows.append({"Song": song, "Quadrant": quadrant})
            songs.append({"Song": song, "Artist": f"Artist {quadrant} {i % artists}", "Title": f"Song {i}"})
    _write(folder / "panda_dataset_taffc_annotations.csv", rows)
    _write(folder / "panda_dataset_taffc_metadata.csv", songs)
    return data_root


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


# A run of the paper's protocol on it that takes seconds.
SMALL_RUN: dict[str, Any] = {
    "recipe": "paper",
    "version": "b0-made",
    "datasets": ["4qaed", "pmemo"],
    "seed": 3,
    "init": "scratch",
    "backbone": "efficientnet-b0",
    "test_share": 0.25,
    "folds": 2,
    "find_duplicates": False,
    "mel": {"window_s": 6.0, "image_size": 32},
    "training": {"epochs": 2, "batch_size": 8, "bf16": False},
}
