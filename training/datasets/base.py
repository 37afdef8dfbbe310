"""What every dataset module gives: clips with labels, artists to group by, and a check of its files. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotion.inference.quadrants import Quadrant


@dataclass(frozen=True, slots=True)
class Clip:
    """One labelled recording.

    Attributes:
        id: Unique over all datasets, such as "4qaed/MT0000040632".
        dataset: Name of the dataset.
        song_id: Clips of one song share it.
        artist: Groups folds; the song where the artist is unknown.
        audio: The file, which may be missing: `Dataset.validate` names it.
        quadrant: The label, or None where only valence and arousal, or only tags, are known.
        valence: In [-1, 1], or None.
        arousal: In [-1, 1], or None.
        split: A split published with the dataset ("train", "val", "test"), or empty.
        title: As the source writes it, or empty.
        album: Likewise.
        genre: Likewise; several are joined by ", ".
        tags: Of multi-label sets, those that apply.
        raters: Who labelled it, where the source names them.
        n_raters: How many labelled it; 0 is unknown.
        start_s: Where in the file the labels begin.
        end_s: Where in the file they end; None is the end of the file.
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
    title: str = ""
    album: str = ""
    genre: str = ""
    tags: tuple[str, ...] = ()
    raters: tuple[str, ...] = ()
    n_raters: int = 0
    start_s: float = 0.0
    end_s: float | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """How valence and arousal move through a clip.

    Attributes:
        times_s: `(n,)` seconds from the start of the clip's file.
        valence: `(n,)` in [-1, 1].
        arousal: `(n,)` in [-1, 1].
        listener: Whose curve it is; empty for the mean over listeners.
        is_known: Whether the listener knew the piece; None where nobody asked.
    """

    times_s: NDArray[np.float64]
    valence: NDArray[np.float64]
    arousal: NDArray[np.float64]
    listener: str = ""
    is_known: bool | None = None


class DatasetError(Exception):
    """A dataset folder that does not hold what its official layout promises; each problem names file and place."""

    def __init__(self, *problems: str) -> None:
        """Take one sentence for each problem."""
        super().__init__(" ".join(problems))
        self.problems = problems


class RenderError(DatasetError):
    """Single files that could not be rendered; all others were."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the annotation files of a dataset say.

    Attributes:
        clips: Those with sound labels, in the dataset's order.
        problems: One sentence for each row that was left out.
    """

    clips: tuple[Clip, ...]
    problems: tuple[str, ...] = ()


def _nothing(_: Path) -> None:
    """Ignore progress."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset's name, licence and loaders.

    Attributes:
        name: As used on the command line.
        folder: Below the data root.
        licence: As stated at the source.
        read: From the dataset's folder and a work folder (for rendered audio) to its clips; opens no audio.
        render: Makes the audio of the clips that come without, in the work folder; None where all come with audio.
        curves: From the dataset's folder to the curves of each clip's id; None where there are none.
        vocabulary: From the dataset's folder to all tags that a clip could have, in a set of tags, which has no
            quadrants; None in all others.
    """

    name: str
    folder: str
    licence: str
    read: Callable[[Path, Path], Reading]
    render: Callable[[Path, Path], object] | None = None
    curves: Callable[[Path], dict[str, list[Curve]]] | None = None
    vocabulary: Callable[[Path], list[str]] | None = None

    def load(self, folder: Path, work_dir: Path) -> list[Clip]:
        """Return the clips whose labels are sound, rendering what comes as MIDI.

        A clip whose audio is missing or damaged is among them: `validate` names it.

        Raises:
            DatasetError: An annotation file is missing or is not what it should be, or nothing can be rendered here.
        """
        if self.render:
            # One broken file is no reason to go without the others.
            with suppress(RenderError):
                self.render(folder, work_dir)
        return list(self.read(folder, work_dir).clips)

    def validate(self, root: Path, work_dir: Path, *, seen: Callable[[Path], None] = _nothing) -> list[str]:
        """Check labels, ids and the header of every audio file, rendering what comes as MIDI.

        Args:
            root: Folder of all datasets.
            work_dir: For rendered audio.
            seen: Called with each audio file after its check.

        Returns:
            One sentence for each problem; an empty list when all is there.
        """
        from training.datasets.audio import audio_problems

        try:
            reading = self.read(root / self.folder, work_dir)
        except DatasetError as error:
            return list(error.problems)
        problems = list(reading.problems)
        if self.render:
            try:
                self.render(root / self.folder, work_dir)
            except DatasetError as error:
                problems += error.problems
        return problems + audio_problems([(clip.id, clip.audio) for clip in reading.clips], seen)

    def is_trainable(self, root: Path, work_dir: Path) -> bool:
        """Return whether all four quadrants are labelled here and nine in ten clips have, or can get, their audio."""
        if self.vocabulary:
            return False
        try:
            clips = self.read(root / self.folder, work_dir).clips
        except DatasetError:
            return False
        if len({clip.quadrant for clip in clips} - {None}) < len(Quadrant):
            return False
        heard = sum(self.is_renderable(clip, work_dir) or clip.audio.is_file() for clip in clips)
        return heard >= 0.9 * len(clips)

    def is_renderable(self, clip: Clip, work_dir: Path) -> bool:
        """Return whether a clip's audio is made here rather than brought."""
        return self.render is not None and clip.audio.is_relative_to(work_dir)


def required(*paths: Path) -> Path:
    """Return the first of some files that must all be there.

    Raises:
        DatasetError: Some are missing; the message names every one.
    """
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise DatasetError(*(_expected([path]) for path in missing))
    return paths[0]


def one_of(paths: Iterable[Path]) -> Path:
    """Return the first path that exists.

    Raises:
        DatasetError: None does; the message names them all.
    """
    places = list(paths)
    found = next((path for path in places if path.exists()), None)
    if found is None:
        raise DatasetError(_expected(places))
    return found


def _expected(paths: list[Path]) -> str:
    places = ", or ".join(map(str, paths))
    return f"Expected {paths[0].name} at {places}; point MER_DATA at the folder that holds the datasets."


def artist_key(name: str) -> str:
    """Return an artist's name as folds compare it: lower case, single spaces."""
    return " ".join(name.casefold().split())
