"""Bi-Modal Emotion Dataset: 162 thirty-second clips (133 with lyrics that agree), rated by 39 people.

Scale: -4 to 4 on both axes. Converted by Table 2 of Cazzaniga et al.: strictly above 0 is high.
Layout, not seen: the archive behind the authors' page could not be inspected, and no public code that reads it was
found. It is read as the group's other sets: `*annotations*.csv` with `Song` and either `Valence` and `Arousal` or
`Quadrant`; `*metadata*.csv` with `Song`, `Artist` and `Title`; `Q1/` to `Q4/` with `<song>.mp3`, or all of them in
`audio/`.
"""

from __future__ import annotations

from pathlib import Path

from emotion.inference.quadrants import Quadrant
from training.datasets import base
from training.datasets.base import Clip, Dataset, DatasetError, Reading, Row, audio_file, collect, rows_by, song_clip

CITATION = (
    "Malheiro, Panda, Gomes, Paiva (2016). Bi-Modal Music Emotion Recognition: Novel Lyrical Features and Dataset. MML."
)
LICENSE = "research only"
SOURCE = "https://mir.dei.uc.pt/downloads.html"

_SCALE = base.Scale(-4, 4)


def read(folder: Path, work_dir: Path) -> Reading:
    """Read annotations and metadata; rated valence and arousal decide the quadrant where both are there."""
    annotations, metadata = (_only(folder, kind) for kind in ("annotations", "metadata"))
    songs = rows_by("Song", metadata, "Artist")
    rows = base.table(annotations, "Song")
    columns = rows[0].cells.keys() if rows else ()
    is_rated = {"Valence", "Arousal"} <= set(columns)
    if not is_rated and "Quadrant" not in columns:
        raise DatasetError(f"{annotations} has neither Valence and Arousal nor Quadrant among its columns.")

    def build(row: Row) -> Clip:
        song = row["Song"]
        point = row.point(_SCALE, valence="Valence", arousal="Arousal") if is_rated else None
        quadrant = Quadrant.from_valence_arousal(*point) if point else row.quadrant("Quadrant")
        # A song may lie in another quadrant's folder than the one that its ratings give.
        names = (quadrant.name, *(other.name for other in Quadrant), "audio")
        places = [audio_file(folder / name, song) for name in names]
        audio = next((path for path in places if path.exists()), places[0])
        about = songs.get(song, base.UNKNOWN).about(artist="Artist", title="Title", album="Album", genre="Genre")
        return song_clip("bimodal", song, audio, quadrant, point=point, **about)

    return collect(rows, build, order=lambda clip: clip.song_id)


def _only(folder: Path, kind: str) -> Path:
    found = sorted(folder.glob(f"*{kind}*.csv"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise DatasetError(
            f"Expected one *{kind}*.csv at {folder / f'*{kind}*.csv'}, found {names}; point MER_DATA at the folder "
            "that holds the datasets."
        )
    return found[0]


DATASET = Dataset("bimodal", LICENSE, read)
