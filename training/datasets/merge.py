"""MERGE (audio): 3,554 thirty-second clips (3,232 balanced) with a quadrant each, extending 4QAED.

Paper: Louro, Redinho, Santos, Malheiro, Panda, Paiva (2024), MERGE: A Bimodal Audio-Lyrics Dataset for Static Music
Emotion Recognition.
Licence: CC BY-NC-SA 4.0 for the annotations; commercial previews, never redistributed. Labels: quadrants from AllMusic
mood tags, validated by listeners; valence and arousal from 0 to 1 with the midpoint at .5, computed from the same tags.
The quadrant is the published one.
Layout, as public code reads the record at Zenodo: `MERGE_Audio_Complete/` or `MERGE_Audio_Balanced/` with
`merge_audio_<subset>_metadata.csv`, `merge_audio_<subset>_av_values.csv`, `Q1/` to `Q4/` with `<Song>.mp3`, and the
published split in `tvt_dataframes/tvt_70_15_15/`. Part of 4QAED is in it, under 4QAED's own ids: search for duplicates
before both are merged.
"""

from __future__ import annotations

from pathlib import Path

from training.datasets.base import (
    Clip,
    Dataset,
    Reading,
    Row,
    Scale,
    artist_key,
    audio_file,
    collect,
    one_of,
    table,
)

CITATION = "Louro, Redinho, Santos, Malheiro, Panda, Paiva (2024). MERGE. arXiv:2407.06060."
LICENSE = "CC BY-NC-SA 4.0; commercial previews, never redistributed"
SOURCE = "https://zenodo.org/records/13939205"

SCALE = Scale(0, 1)
_SUBSETS = ("complete", "balanced")
_SPLITS = {"train": "train", "validate": "val", "test": "test"}


def read(folder: Path, work_dir: Path) -> Reading:
    """Read the complete subset, or the balanced one where only that is here."""
    metadata = one_of(
        place / f"merge_audio_{subset}_metadata.csv"
        for subset in _SUBSETS
        for place in (folder / f"MERGE_Audio_{subset.title()}", folder)
    )
    root, subset = metadata.parent, metadata.stem.split("_")[2]
    values = {
        row["Song"]: row for row in table(root / f"merge_audio_{subset}_av_values.csv", "Song", "Valence", "Arousal")
    }
    published = root / "tvt_dataframes" / "tvt_70_15_15"
    paths = {split: published / f"tvt_70_15_15_{name}_audio_{subset}.csv" for name, split in _SPLITS.items()}
    splits = {row["Song"]: split for split, path in paths.items() if path.exists() for row in table(path, "Song")}

    def build(row: Row) -> Clip:
        song, quadrant = row["Song"], row.quadrant("Quadrant")
        rated = values.get(song)
        valence, arousal = rated.point(SCALE, valence="Valence", arousal="Arousal") if rated else (None, None)
        return Clip(
            id=f"merge/{song}",
            dataset="merge",
            song_id=song,
            artist=artist_key(row["Artist"]) or f"song {song}",
            audio=audio_file(root / quadrant.name, song),
            quadrant=quadrant,
            valence=valence,
            arousal=arousal,
            split=splits.get(song, ""),
            title=row["Title"],
            genre=row.get("Genres"),
            tags=tuple(tag.strip() for tag in row.get("MoodsAll").split(",") if tag.strip()),
        )

    rows = table(metadata, "Song", "Quadrant", "Artist", "Title")
    return collect(rows, build, order=lambda clip: clip.song_id)


DATASET = Dataset("merge", "merge", LICENSE, read)
