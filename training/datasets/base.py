"""What dataset modules are made of: clips, curves, annotation tables, audio files and an inventory."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

from emotion.exceptions import AudioUnreadableError
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


class LabelError(ValueError):
    """A cell that holds no label of its scale; the message names file, line, column and value."""


@dataclass(frozen=True, slots=True)
class Scale:
    """A rating scale; strictly above the midpoint is high.

    Source: Cazzaniga et al., Table 2.
    """

    low: float
    high: float

    def centred(self, value: float) -> float:
        """Return a rating as the project stores it, in [-1, 1] with the midpoint at 0."""
        half = (self.high - self.low) / 2
        return (value - (self.low + half)) / half


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table.

    Attributes:
        path: The table.
        line: Where the row ends in the file, counted from 1.
        cells: By column, without the blanks around them.
        rest: Cells beyond the last column.
    """

    path: Path
    line: int
    cells: Mapping[str, str]
    rest: tuple[str, ...] = ()

    def __getitem__(self, column: str) -> str:
        """Return the cell of a column that the table was said to have."""
        return self.cells[column]

    def get(self, *columns: str) -> str:
        """Return the first filled cell of some columns, which the table may lack; else nothing."""
        return next((self.cells[column] for column in columns if self.cells.get(column)), "")

    @property
    def place(self) -> str:
        """Say where the row is."""
        return f"{self.path.name}, line {self.line}"

    def number(self, column: str, scale: Scale) -> float:
        """Return a number on its scale.

        Raises:
            LabelError: It is none, or lies outside.
        """
        text = self[column]
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not scale.low <= value <= scale.high:
            raise self.wrong(column, f"it must be a number from {scale.low:g} to {scale.high:g}")
        return value

    def applies(self, column: str) -> bool:
        """Return whether a tag applies, written as 0 or 1.

        Raises:
            LabelError: It is neither.
        """
        try:
            value = float(self[column])
        except ValueError:
            value = math.nan
        if value not in (0.0, 1.0):
            raise self.wrong(column, "it must be 0 or 1")
        return value == 1.0

    def point(self, scale: Scale, *, valence: str, arousal: str) -> tuple[float, float]:
        """Return valence and arousal in [-1, 1] from the columns of these names.

        Raises:
            LabelError: One is no number on the scale.
        """
        return scale.centred(self.number(valence, scale)), scale.centred(self.number(arousal, scale))

    def whole(self, column: str) -> int:
        """Return a whole number.

        Raises:
            LabelError: It is none.
        """
        try:
            return int(self[column])
        except ValueError:
            raise self.wrong(column, "it must be a whole number") from None

    def quadrant(self, column: str) -> Quadrant:
        """Return a quadrant written as "Q1" or "1".

        Raises:
            LabelError: It is none of the four.
        """
        try:
            return Quadrant(int(self[column].removeprefix("Q")))
        except ValueError:
            raise self.wrong(column, "it must be one of Q1, Q2, Q3, Q4") from None

    def wrong(self, column: str, rule: str) -> LabelError:
        """Return the error of a cell that breaks a rule."""
        return LabelError(f"{self.place}: {column} is {self[column]!r}; {rule}. The row is left out.")


# What is known of a song that a dataset labels and does not describe.
UNKNOWN = Row(Path(), 0, {})


def table(path: Path, *columns: str, delimiter: str = ",", encoding: str = "utf-8-sig") -> list[Row]:
    """Read a table with a header.

    Args:
        path: The file.
        columns: Columns that it must have.
        delimiter: Between cells.
        encoding: Of the text.

    Raises:
        DatasetError: The file is missing, is no text, or lacks a column.
    """
    try:
        with required(path).open(encoding=encoding, newline="") as file:
            reader = csv.DictReader(file, delimiter=delimiter, skipinitialspace=True, restval="")
            rows = [_row(path, reader.line_num, cells) for cells in reader]
            header = [name.strip() for name in reader.fieldnames or ()]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path} cannot be read as a table ({error}); fetch it again.") from error
    missing = [column for column in columns if column not in header]
    if missing:
        raise DatasetError(f"{path} has no column {', '.join(missing)}; its header is {', '.join(header)}.")
    return rows


def _row(path: Path, line: int, cells: dict[str | Any, str | Any]) -> Row:
    rest = tuple(cell.strip() for cell in cells.pop(None, ()))
    return Row(path, line, {name.strip(): cell.strip() for name, cell in cells.items()}, rest)


def collect(
    rows: Iterable[Row],
    build: Callable[[Row], Clip | None],
    *,
    order: Callable[[Clip], int | str] | None = None,
) -> Reading:
    """Build a clip from each row; leave out and name the rows with a wrong label or an id that came before.

    Args:
        rows: One for each clip.
        build: Returns the clip, or None where the row is not wanted; may raise `LabelError`.
        order: Sorts the clips; by default they stay in the order of the rows.
    """
    clips: dict[str, Clip] = {}
    problems: list[str] = []
    for row in rows:
        try:
            clip = build(row)
        except LabelError as error:
            problems.append(str(error))
            continue
        if clip is None:
            continue
        if clip.id in clips:
            problems.append(f"{row.place}: {clip.id} is there already. The row is left out.")
            continue
        clips[clip.id] = clip
    ordered = sorted(clips.values(), key=order) if order else clips.values()
    return Reading(tuple(ordered), tuple(problems))


SUFFIXES = (".mp3", ".opus", ".wav", ".flac", ".ogg", ".m4a")


def audio_file(folder: Path, stem: str, *, official: str = ".mp3") -> Path:
    """Return the file of this name in the official format, else in any other, else where it should have been."""
    expected = folder / f"{stem}{official}"
    others = (folder / f"{stem}{suffix}" for suffix in SUFFIXES)
    return expected if expected.exists() else next((path for path in others if path.exists()), expected)


def duration_s(path: Path) -> float:
    """Return the length that a file's header states, in seconds.

    Raises:
        emotion.exceptions.AudioUnreadableError: There is no such file, or no header of sound; the message names it.
    """
    if not path.is_file():
        raise AudioUnreadableError("missing", f"{path} is not there.")
    try:
        return float(soundfile.info(path).duration)
    except (soundfile.LibsndfileError, RuntimeError):
        try:
            with av.open(str(path)) as container:
                return float(container.duration or 0) / av.time_base
        except (av.FFmpegError, ValueError) as error:
            raise AudioUnreadableError("not_decodable", f"{path} could not be decoded: {error}.") from error


def audio_problems(files: Iterable[tuple[str, Path]], seen: Callable[[Path], None]) -> list[str]:
    """Return one sentence for each file that is missing, empty, or has no header of some length.

    Args:
        files: Of each clip, its id and its file; several may share one, which is then opened once.
        seen: Called with each file after its check.
    """
    known = list(files)
    users = Counter(path for _, path in known)
    first = {path: clip for clip, path in reversed(known)}
    problems = []
    for path, n_clips in users.items():
        problem = audio_problem(path)
        if problem:
            others = f" and {n_clips - 1} more clips" if n_clips > 1 else ""
            problems.append(f"{first[path]}{others}: {problem}")
        seen(path)
    return problems


def audio_problem(path: Path) -> str:
    """Return what is wrong with a file, as its header says, or nothing."""
    if not path.is_file() or path.stat().st_size == 0:
        return f"{path} is missing or empty."
    try:
        return "" if duration_s(path) > 0 else f"{path} is 0 s long."
    except AudioUnreadableError as error:
        return str(error)


@dataclass(frozen=True, slots=True)
class Inventory:
    """What was found.

    Attributes:
        name: Of the dataset.
        folder: Where it was looked for.
        licence: As stated at the source.
        is_here: Whether its annotation files can be read.
        clips: With sound labels.
        with_audio: Of these, those whose file is there.
        to_render: Of these, those whose audio training will make.
        quadrants: Clips in each, by name.
        tags: How many different tags the clips have.
        problems: One sentence for each.
    """

    name: str
    folder: Path
    licence: str
    is_here: bool
    clips: int = 0
    with_audio: int = 0
    to_render: int = 0
    quadrants: dict[str, int] | None = None
    tags: int = 0
    problems: tuple[str, ...] = ()


def take_inventory(
    dataset: Dataset, root: Path, work_dir: Path, *, check: Callable[[Dataset, int], list[str]] | None = None
) -> Inventory:
    """Count what is here of a dataset.

    Args:
        dataset: To look at.
        root: Folder of all datasets.
        work_dir: For rendered audio.
        check: Returns the problems of a dataset that has so many audio files; by default only missing labels and audio
            are looked for, and no file is opened.
    """
    folder = root / dataset.folder
    try:
        reading = dataset.read(folder, work_dir)
    except DatasetError as error:
        return Inventory(dataset.name, folder, dataset.licence, is_here=False, problems=error.problems)
    there = {clip.audio: clip.audio.is_file() for clip in reading.clips}
    silent = [clip for clip in reading.clips if not there[clip.audio]]
    to_render = sum(dataset.is_renderable(clip, work_dir) for clip in silent)
    problems = list(reading.problems)
    if check:
        problems = check(dataset, len(there))
    else:
        lost = [path for path, is_there in there.items() if not is_there and not path.is_relative_to(work_dir)]
        if lost:
            problems.append(f"{len(lost)} of {len(there)} audio files are missing; the first is {lost[0]}.")
    counts = Counter(clip.quadrant for clip in reading.clips)
    return Inventory(
        name=dataset.name,
        folder=folder,
        licence=dataset.licence,
        is_here=True,
        clips=len(reading.clips),
        with_audio=len(reading.clips) - len(silent),
        to_render=to_render,
        quadrants={quadrant.name: counts[quadrant] for quadrant in Quadrant},
        tags=len({tag for clip in reading.clips for tag in clip.tags}),
        problems=tuple(problems),
    )
