"""MERGE (audio): 3,554 thirty-second clips (3,232 balanced) with a quadrant each, extending 4QAED.

Labels: quadrants from AllMusic mood tags, validated by listeners; valence and arousal from 0 to 1 with the midpoint at
.5, computed from the same tags. The quadrant is the published one.
Layout, as public code reads the record at Zenodo: `MERGE_Audio_Complete/` or `MERGE_Audio_Balanced/` with
`merge_audio_<subset>_metadata.csv`, `merge_audio_<subset>_av_values.csv`, `Q1/` to `Q4/` with `<Song>.mp3`, and the
published split in `tvt_dataframes/tvt_70_15_15/`. Part of 4QAED is in it, under 4QAED's own ids: search for duplicates
before both are merged.
"""

from __future__ import annotations

from pathlib import Path

from training.datasets import base
from training.datasets.base import Clip, Dataset, Reading, Row, audio_file, collect, rows_by, song_clip

CITATION = (
    "Louro, Redinho, Santos, Malheiro, Panda, Paiva (2024). MERGE: A Bimodal Audio-Lyrics Dataset for Static Music "
    "Emotion Recognition. arXiv:2407.06060."
)
LICENSE = "CC BY-NC-SA 4.0; commercial previews, never redistributed"
SOURCE = "https://zenodo.org/records/13939205"

_SCALE = base.Scale(0, 1)
_SUBSETS = ("complete", "balanced")
_SPLITS = {"train": "train", "validate": "val", "test": "test"}


def read(folder: Path, work_dir: Path) -> Reading:
    """Read the complete subset, or the balanced one where only that is here."""
    metadata = base.one_of(
        *(
            place / f"merge_audio_{subset}_metadata.csv"
            for subset in _SUBSETS
            for place in (folder / f"MERGE_Audio_{subset.title()}", folder)
        )
    )
    root, subset = metadata.parent, metadata.stem.split("_")[2]
    values = rows_by("Song", root / f"merge_audio_{subset}_av_values.csv", "Valence", "Arousal")
    published = root / "tvt_dataframes" / "tvt_70_15_15"
    paths = {split: published / f"tvt_70_15_15_{name}_audio_{subset}.csv" for name, split in _SPLITS.items()}
    splits = {row["Song"]: split for split, path in paths.items() if path.exists() for row in base.table(path, "Song")}

    def build(row: Row) -> Clip:
        song, quadrant = row["Song"], row.quadrant("Quadrant")
        rated = values.get(song)
        point = rated.point(_SCALE, valence="Valence", arousal="Arousal") if rated else None
        more = {"split": splits.get(song, ""), **row.about(artist="Artist", title="Title", genre="Genres")}
        tags = tuple(tag.strip() for tag in row.get("MoodsAll").split(",") if tag.strip())
        audio = audio_file(root / quadrant.name, song)
        return song_clip("merge", song, audio, quadrant, point=point, tags=tags, **more)

    return collect(base.table(metadata, "Song", "Quadrant", "Artist", "Title"), build, order=lambda clip: clip.song_id)


DATASET = Dataset("merge", LICENSE, read)
