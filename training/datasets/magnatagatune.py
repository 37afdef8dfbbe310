"""MagnaTagATune: 25,863 clips of 29 s with some of 188 tags, mostly of instruments and genres.

Labels: 0 or 1 for each clip and tag, as players of a game agreed. No quadrant is derived from them.
Layout, as the dataset's page and public code have it: `annotations_final.csv` (`clip_id`, one column for each tag,
`mp3_path`) and `clip_info_final.csv` (`clip_id`, `title`, `artist`, `album`, ...), both with tabs between quoted cells;
the audio is `0/` to `f/` with the files of `mp3_path`, here or in `mp3/`. Three of the published files are empty:
validation names them. There is no published split; the customary one takes folders 0 to b for training, c for
validation, d to f for testing.
"""

from __future__ import annotations

import re
from pathlib import Path

from training.datasets import base
from training.datasets.base import Clip, Dataset, Reading, Row, required, table

CITATION = (
    "Law, West, Mandel, Bay, Downie (2009). Evaluation of Algorithms Using Games: The Case of Music Tagging. ISMIR."
)
LICENSE = "CC BY-NC-SA 3.0"
SOURCE = "https://mirg.city.ac.uk/codeapps/the-magnatagatune-dataset"

_NOT_TAGS = ("clip_id", "mp3_path")


def read(folder: Path, work_dir: Path) -> Reading:
    """Read tags and descriptions of the clips; clips cut from one track share its `song_id`."""
    annotations, info = folder / "annotations_final.csv", folder / "clip_info_final.csv"
    required(annotations, info)
    known = base.rows_by("clip_id", info, "artist", "album", "title", delimiter="\t")
    audio = folder / "mp3" if (folder / "mp3").is_dir() else folder

    def build(row: Row) -> Clip:
        name, path = row["clip_id"], row["mp3_path"]
        # Without the seconds that the clip was cut from, "...-30-59.mp3".
        song = re.sub(r"-\d+-\d+$", "", Path(path).stem)
        about = known.get(name, base.UNKNOWN).about(artist="artist", title="title", album="album")
        artist, tags = base.artist_key(about.pop("artist")) or f"song {song}", row.tags(without=_NOT_TAGS)
        return Clip(f"magnatagatune/{name}", "magnatagatune", song, artist, audio / path, None, tags=tags, **about)

    return base.collect(table(annotations, *_NOT_TAGS, delimiter="\t"), build)


def vocabulary(folder: Path) -> list[str]:
    """Return the tags, in the order of the table."""
    return base.columns(table(folder / "annotations_final.csv", *_NOT_TAGS, delimiter="\t"), without=_NOT_TAGS)


DATASET = Dataset("magnatagatune", LICENSE, read, vocabulary=vocabulary)
