"""What every dataset module gives: clips with labels, artists to group by, and a check of its files. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from emotion.quadrants import Quadrant


@dataclass(frozen=True, slots=True)
class Clip:
    """One labelled recording.

    Attributes:
        id: Unique over all datasets, such as "4qaed/MT0000040632".
        dataset: Name of the dataset.
        song_id: Clips of one song share it.
        artist: Groups folds; the song where the artist is unknown.
        audio: The file.
        quadrant: The label, or None where only valence and arousal are known.
        valence: In [-1, 1], or None.
        arousal: In [-1, 1], or None.
        split: A split published with the dataset ("train", "val"), or empty.
    """

    id: str
    dataset: str
    song_id: str
    artist: str
    audio: Path
    quadrant: Quadrant | None
    valence: float | None = None
    arousal: float | None = None
    split: str = ""


class DatasetError(Exception):
    """A dataset folder that does not hold what its official layout promises; the message names file and place."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset's name, licence and loader.

    Attributes:
        name: As used on the command line.
        folder: Below the data root.
        licence: As stated at the source.
        load: From the dataset's folder and a work folder (for rendered audio) to its clips.
    """

    name: str
    folder: str
    licence: str
    load: Callable[[Path, Path], list[Clip]]

    def validate(self, root: Path, work_dir: Path) -> list[str]:
        """Return one sentence for each missing or empty file; an empty list when all is there."""
        try:
            clips = self.load(root / self.folder, work_dir)
        except DatasetError as error:
            return [str(error)]
        return [
            f"{clip.id}: {clip.audio} is missing or empty."
            for clip in clips
            if not clip.audio.is_file() or clip.audio.stat().st_size == 0
        ]


def required(path: Path) -> Path:
    """Return the path of a file that must be there.

    Raises:
        DatasetError: It is not.
    """
    if not path.exists():
        raise DatasetError(f"Expected {path.name} at {path}; point MER_DATA at the folder that holds the datasets.")
    return path


def artist_key(name: str) -> str:
    """Return an artist's name as folds compare it: lower case, single spaces."""
    return " ".join(name.casefold().split())
