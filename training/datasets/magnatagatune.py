"""MagnaTagATune: 25,863 clips of 29 s with some of 188 tags that players of a game agreed on.

Paper: Law, West, Mandel, Bay, Downie (2009), Evaluation of Algorithms Using Games: The Case of Music Tagging.
Licence: CC BY-NC-SA 3.0. Labels: 0 or 1 for each clip and tag, mostly of instruments and genres; no quadrant.
Layout, as the dataset's page and public code have it: `annotations_final.csv` (`clip_id`, one column for each tag,
`mp3_path`) and `clip_info_final.csv` (`clip_id`, `title`, `artist`, `album`, ...), both with tabs between quoted cells;
the audio is `0/` to `f/` with the files of `mp3_path`, here or in `mp3/`. Three of the published files are empty:
validation names them. There is no published split; the customary one takes folders 0 to b for training, c for
validation, d to f for testing.
"""

from __future__ import annotations

import re
from pathlib import Path

from training.datasets.base import UNKNOWN, Clip, Dataset, Reading, Row, artist_key, collect, required, table

CITATION = "Law, West, Mandel, Bay, Downie (2009). Evaluation of Algorithms Using Games. ISMIR."
LICENSE = "CC BY-NC-SA 3.0"
SOURCE = "https://mirg.city.ac.uk/codeapps/the-magnatagatune-dataset"

_NOT_TAGS = ("clip_id", "mp3_path")


def read(folder: Path, work_dir: Path) -> Reading:
    """Read tags and what is known of the clips; clips cut from one track share its `song_id`."""
    annotations, info = folder / "annotations_final.csv", folder / "clip_info_final.csv"
    required(annotations, info)
    known = {row["clip_id"]: row for row in table(info, "clip_id", "artist", "album", "title", delimiter="\t")}
    audio = folder / "mp3" if (folder / "mp3").is_dir() else folder

    def build(row: Row) -> Clip:
        clip, path = row["clip_id"], row["mp3_path"]
        about = known.get(clip, UNKNOWN)
        # Without the seconds that the clip was cut from, "...-30-59.mp3".
        song = re.sub(r"-\d+-\d+$", "", Path(path).stem)
        return Clip(
            id=f"magnatagatune/{clip}",
            dataset="magnatagatune",
            song_id=song,
            artist=artist_key(about.get("artist")) or f"song {song}",
            audio=audio / path,
            quadrant=None,
            title=about.get("title"),
            album=about.get("album"),
            tags=tuple(tag for tag in row.cells if tag not in _NOT_TAGS and row.applies(tag)),
        )

    return collect(table(annotations, *_NOT_TAGS, delimiter="\t"), build)


def vocabulary(folder: Path) -> list[str]:
    """Return the tags, in the order of the table."""
    rows = table(folder / "annotations_final.csv", *_NOT_TAGS, delimiter="\t")
    return [column for column in rows[0].cells if column not in _NOT_TAGS] if rows else []


DATASET = Dataset("magnatagatune", "magnatagatune", LICENSE, read, vocabulary=vocabulary)
