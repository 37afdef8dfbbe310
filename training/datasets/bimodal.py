"""Bi-Modal Emotion Dataset: 162 thirty-second clips (133 with lyrics that agree), rated by 39 people.

Paper: Malheiro, Panda, Gomes, Paiva (2016), Bi-Modal Music Emotion Recognition: Novel Lyrical Features and Dataset.
Licence: research only, as its authors' other sets. Scale: -4 to 4 on both axes.
Converted by Table 2 of Cazzaniga et al.: strictly above 0 is high.

Layout, not seen: the archive behind the authors' page could not be looked into, and no public code that reads it was
found. It is read as the same group publishes 4QAED and MERGE: `*annotations*.csv` with `Song` and either `Valence` and
`Arousal` or `Quadrant`; `*metadata*.csv` with `Song`, `Artist` and `Title`; `Q1/` to `Q4/` with `<song>.mp3`, or all of
them in `audio/`. Another layout gets a sentence that says what was expected where.
"""

from __future__ import annotations

from pathlib import Path

from emotion.inference.quadrants import Quadrant
from training.datasets.base import (
    UNKNOWN,
    Clip,
    Dataset,
    DatasetError,
    Reading,
    Row,
    Scale,
    artist_key,
    audio_file,
    collect,
    table,
)

CITATION = "Malheiro, Panda, Gomes, Paiva (2016). Bi-Modal Music Emotion Recognition. MML."
LICENSE = "research only"
SOURCE = "https://mir.dei.uc.pt/downloads.html"

SCALE = Scale(-4, 4)


def read(folder: Path, work_dir: Path) -> Reading:
    """Read annotations and metadata; rated valence and arousal decide the quadrant where both are there."""
    annotations = _only(folder, "annotations")
    songs = {row["Song"]: row for row in table(_only(folder, "metadata"), "Song", "Artist")}
    rows = table(annotations, "Song")
    columns = rows[0].cells.keys() if rows else ()
    is_rated = {"Valence", "Arousal"} <= set(columns)
    if not is_rated and "Quadrant" not in columns:
        raise DatasetError(f"{annotations} has neither Valence and Arousal nor Quadrant among its columns.")

    def build(row: Row) -> Clip:
        song = row["Song"]
        valence = arousal = None
        if is_rated:
            valence, arousal = row.point(SCALE, valence="Valence", arousal="Arousal")
            quadrant = Quadrant.from_valence_arousal(valence, arousal)
        else:
            quadrant = row.quadrant("Quadrant")
        known = songs.get(song, UNKNOWN)
        # A song may lie in another quadrant's folder than the one that its ratings give.
        names = (quadrant.name, *(other.name for other in Quadrant), "audio")
        places = [audio_file(folder / name, song) for name in names]
        return Clip(
            id=f"bimodal/{song}",
            dataset="bimodal",
            song_id=song,
            artist=artist_key(known.get("Artist")) or f"song {song}",
            audio=next((path for path in places if path.exists()), places[0]),
            quadrant=quadrant,
            valence=valence,
            arousal=arousal,
            title=known.get("Title"),
            album=known.get("Album"),
            genre=known.get("Genre"),
        )

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


DATASET = Dataset("bimodal", "bimodal", LICENSE, read)
