"""Clips, curves, annotation tables, audio files and the inventory of the dataset modules."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

from emotion.exceptions import AudioUnreadableError
from emotion.inference.quadrants import Quadrant

_Value = TypeVar("_Value")
_SUFFIXES = (".mp3", ".opus", ".wav", ".flac", ".ogg", ".m4a")


class DatasetError(Exception):
    """A dataset folder that breaks its official layout; each of `problems` is a sentence that names file and place."""

    def __init__(self, *problems: str) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


class RenderError(DatasetError):
    """Single files that could not be rendered; all others were."""


class LabelError(ValueError):
    """A cell that holds no label of its scale; the message names file, line, column and value."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One labelled recording."""

    id: str  # Unique over all datasets, such as "4qaed/MT0000040632".
    dataset: str  # Name of the dataset.
    song_id: str  # Clips of one song share it.
    artist: str  # Groups folds; the song where the artist is unknown.
    audio: Path  # The file, which may be missing: `Dataset.validate` names it.
    quadrant: Quadrant | None  # The label, or None where only valence and arousal, or only tags, are known.
    valence: float | None = None  # In [-1, 1], or None.
    arousal: float | None = None  # In [-1, 1], or None.
    split: str = ""  # A split published with the dataset ("train", "val", "test"), or empty.
    # As the source writes it, or empty; likewise `album` and `genre`, which may be several, joined by ", ".
    title: str = ""
    album: str = ""
    genre: str = ""
    tags: tuple[str, ...] = ()  # Of multi-label sets, those that apply.
    raters: tuple[str, ...] = ()  # Who labelled it, where the source names them.
    n_raters: int = 0  # How many labelled it; 0 is unknown.
    start_s: float = 0.0  # Where in the file the labels begin.
    end_s: float | None = None  # Where in the file they end; None is the end of the file.


@dataclass(frozen=True, slots=True)
class Curve:
    """Valence and arousal through a clip."""

    times_s: NDArray[np.float64]  # `(n,)` seconds from the start of the clip's file.
    valence: NDArray[np.float64]  # `(n,)` in [-1, 1].
    arousal: NDArray[np.float64]  # `(n,)` in [-1, 1].
    listener: str = ""  # Whose curve it is; empty for the mean over listeners.
    is_known: bool | None = None  # Whether the listener knew the piece; None where this is unknown.


@dataclass(frozen=True, slots=True)
class Reading:
    """Clips with valid labels, in the dataset's order, and one sentence for each row that was left out."""

    clips: tuple[Clip, ...]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset's name, licence and loaders."""

    name: str  # As used on the command line, and of the folder below the data root.
    licence: str  # As stated at the source.
    # From the dataset's folder and a work folder (for rendered audio) to its clips; opens no audio.
    read: Callable[[Path, Path], Reading]
    # Makes the audio of the clips that come without, in the work folder; None where all come with audio.
    render: Callable[[Path, Path], object] | None = None
    # From the dataset's folder to the curves of each clip's id; None where there are none.
    curves: Callable[[Path], dict[str, list[Curve]]] | None = None
    # From the dataset's folder to all tags that a clip could have, in a set of tags, which has no quadrants; None in
    # all others.
    vocabulary: Callable[[Path], list[str]] | None = None

    @property
    def folder(self) -> str:
        return self.name

    def load(self, folder: Path, work_dir: Path) -> list[Clip]:
        """Return the clips with valid labels, missing or damaged audio included, and render those that come as MIDI.

        Raises:
            DatasetError: An annotation file is missing or malformed, or nothing can be rendered here.
        """
        if self.render:
            # One broken file is no reason to go without the others.
            with suppress(RenderError):
                self.render(folder, work_dir)
        return list(self.read(folder, work_dir).clips)

    def validate(self, root: Path, work_dir: Path, *, seen: Callable[[Path], object] = lambda _: None) -> list[str]:
        """Return the problems of labels, ids and headers of audio files, one sentence each; render MIDI.

        `seen` is called with each audio file after its check.
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
        users: dict[Path, list[str]] = {}
        for clip in reading.clips:
            users.setdefault(clip.audio, []).append(clip.id)
        for path, clips in users.items():
            if problem := _audio_problem(path):
                others = f" and {len(clips) - 1} more clips" if len(clips) > 1 else ""
                problems.append(f"{clips[0]}{others}: {problem}")
            seen(path)
        return problems

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
        with_audio = sum(self.is_renderable(clip, work_dir) or clip.audio.is_file() for clip in clips)
        return with_audio >= 0.9 * len(clips)

    def is_renderable(self, clip: Clip, work_dir: Path) -> bool:
        return self.render is not None and clip.audio.is_relative_to(work_dir)


@dataclass(frozen=True, slots=True)
class Inventory:
    """Counts of a dataset's clips with valid labels, and one sentence for each problem.

    `with_audio` counts existing files, `to_render` clips to be rendered, `tags` different tags.
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
    """Count the available clips of a dataset.

    `check` returns the problems of a dataset with so many audio files; without it no file is opened.
    """
    folder = root / dataset.folder
    try:
        reading = dataset.read(folder, work_dir)
    except DatasetError as error:
        return Inventory(dataset.name, folder, dataset.licence, is_here=False, problems=error.problems)
    there = {clip.audio: clip.audio.is_file() for clip in reading.clips}
    silent = [clip for clip in reading.clips if not there[clip.audio]]
    problems = list(reading.problems)
    if check:
        problems = check(dataset, len(there))
    elif lost := [path for path, is_there in there.items() if not is_there and not path.is_relative_to(work_dir)]:
        problems.append(f"{len(lost)} of {len(there)} audio files are missing; the first is {lost[0]}.")
    counts = Counter(clip.quadrant for clip in reading.clips)
    return Inventory(
        dataset.name,
        folder,
        dataset.licence,
        is_here=True,
        clips=len(reading.clips),
        with_audio=len(reading.clips) - len(silent),
        to_render=sum(dataset.is_renderable(clip, work_dir) for clip in silent),
        quadrants={quadrant.name: counts[quadrant] for quadrant in Quadrant},
        tags=len({tag for clip in reading.clips for tag in clip.tags}),
        problems=tuple(problems),
    )


def required(*paths: Path) -> Path:
    """Return the first of some files that must all exist.

    Raises:
        DatasetError: Some are missing; the message names every one.
    """
    if missing := [path for path in paths if not path.exists()]:
        raise DatasetError(*(_expected(path) for path in missing))
    return paths[0]


def one_of(*paths: Path) -> Path:
    """Return the first path that exists.

    Raises:
        DatasetError: None does; the message names them all.
    """
    for path in paths:
        if path.exists():
            return path
    raise DatasetError(_expected(*paths))


def _expected(*paths: Path) -> str:
    places = ", or ".join(map(str, paths))
    return f"Expected {paths[0].name} at {places}; point MER_DATA at the folder that holds the datasets."


def artist_key(name: str) -> str:
    """Return an artist's name as folds compare it: lower case, single spaces."""
    return " ".join(name.casefold().split())


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
    """One row of a table; the methods that convert a cell raise LabelError."""

    path: Path  # The table.
    line: int  # Where the row ends in the file, counted from 1.
    cells: Mapping[str, str]  # By column, without surrounding blanks.
    rest: tuple[str, ...] = ()  # Cells beyond the last column.

    def __getitem__(self, column: str) -> str:
        return self.cells[column]

    def get(self, *columns: str) -> str:
        """Return the first filled cell of some columns, which the table may lack; else an empty string."""
        return next((self.cells[column] for column in columns if self.cells.get(column)), "")

    def about(self, **columns: str | tuple[str, ...]) -> dict[str, Any]:
        """Return the cell of each named column, or the first filled one of several; empty where there is none."""
        return {key: self.get(*((names,) if isinstance(names, str) else names)) for key, names in columns.items()}

    @property
    def place(self) -> str:
        return f"{self.path.name}, line {self.line}"

    def number(self, column: str, scale: Scale) -> float:
        rule = f"it must be a number from {scale.low:g} to {scale.high:g}"
        value = self._cell(column, float, rule)
        if not scale.low <= value <= scale.high:
            raise self.wrong(column, rule)
        return value

    def applies(self, column: str) -> bool:
        """Return whether a tag applies, written as 0 or 1."""
        return bool(self._cell(column, lambda text: (0.0, 1.0).index(float(text)), "it must be 0 or 1"))

    def tags(self, *, without: Collection[str]) -> tuple[str, ...]:
        """Return the tags that apply: every column is one, but for some."""
        return tuple(column for column in self.cells if column not in without and self.applies(column))

    def point(self, scale: Scale, *, valence: str, arousal: str) -> tuple[float, float]:
        """Return valence and arousal in [-1, 1] from the columns of these names."""
        return scale.centred(self.number(valence, scale)), scale.centred(self.number(arousal, scale))

    def whole(self, column: str) -> int:
        return self._cell(column, int, "it must be a whole number")

    def quadrant(self, column: str) -> Quadrant:
        """Return a quadrant written as "Q1" or "1"."""
        rule = "it must be one of Q1, Q2, Q3, Q4"
        return self._cell(column, lambda text: Quadrant(int(text.removeprefix("Q"))), rule)

    def _cell(self, column: str, convert: Callable[[str], _Value], rule: str) -> _Value:
        try:
            return convert(self[column])
        except ValueError:
            raise self.wrong(column, rule) from None

    def wrong(self, column: str, rule: str) -> LabelError:
        return LabelError(f"{self.place}: {column} is {self[column]!r}; {rule}. The row is left out.")


# Describes a song of which a dataset has only labels.
UNKNOWN = Row(Path(), 0, {})


def table(path: Path, *columns: str, delimiter: str = ",", encoding: str = "utf-8-sig") -> list[Row]:
    """Read a table with a header that has at least these columns.

    Raises:
        DatasetError: The file is missing, is no text, or lacks a column.
    """
    try:
        with required(path).open(encoding=encoding, newline="") as file:
            reader = csv.DictReader(file, delimiter=delimiter, skipinitialspace=True, restval="")
            rows = []
            for cells in reader:
                rest = tuple(cell.strip() for cell in cells.pop(None, ()))
                stripped = {name.strip(): cell.strip() for name, cell in cells.items()}
                rows.append(Row(path, reader.line_num, stripped, rest))
            header = [name.strip() for name in reader.fieldnames or ()]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path} cannot be read as a table ({error}); fetch it again.") from error
    if missing := [column for column in columns if column not in header]:
        raise DatasetError(f"{path} has no column {', '.join(missing)}; its header is {', '.join(header)}.")
    return rows


def rows_by(column: str, path: Path, *columns: str, **options: str) -> dict[str, Row]:
    """Read a table as `table` does, by the cells of one of its columns."""
    return {row[column]: row for row in table(path, column, *columns, **options)}


def columns(rows: Sequence[Row], *, without: Collection[str]) -> list[str]:
    """Return a table's columns, but for some, in order."""
    return [column for column in rows[0].cells if column not in without] if rows else []


def lines(path: Path, encoding: str) -> list[str]:
    """Return the lines of a file that are not blank, stripped.

    Raises:
        DatasetError: The file is missing.
    """
    return [line.strip() for line in required(path).read_text(encoding=encoding).splitlines() if line.strip()]


def song_clip(
    dataset: str,
    song: str,
    audio: Path,
    quadrant: Quadrant | None = None,
    *,
    point: tuple[float, float] | None = None,
    artist: str = "",
    **known: Any,
) -> Clip:
    """Return a song's only clip; rated valence and arousal give the quadrant where the dataset publishes none."""
    if point is not None:
        quadrant = quadrant or Quadrant.from_valence_arousal(*point)
        known |= {"valence": point[0], "arousal": point[1]}
    return Clip(f"{dataset}/{song}", dataset, song, artist_key(artist) or f"song {song}", audio, quadrant, **known)


def collect(
    rows: Iterable[Row], build: Callable[[Row], Clip | None], *, order: Callable[[Clip], int | str] | None = None
) -> Reading:
    """Build a clip from each row; leave out and name the rows with a wrong label or an id that came before.

    `build` returns None for a row that is not wanted, and may raise LabelError. Clips are sorted by `order`, or stay in
    the order of the rows.
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


def audio_file(folder: Path, stem: str, *, official: str = ".mp3") -> Path:
    """Return the file of this name in the official format, else in any other, else where it should have been."""
    expected = folder / f"{stem}{official}"
    others = (folder / f"{stem}{suffix}" for suffix in _SUFFIXES)
    return expected if expected.exists() else next((path for path in others if path.exists()), expected)


def duration_s(path: Path) -> float:
    """Return the length that a file's header states, in seconds.

    Raises:
        AudioUnreadableError: There is no such file, or no header of sound; the message names it.
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


def _audio_problem(path: Path) -> str:
    if not path.is_file() or path.stat().st_size == 0:
        return f"{path} is missing or empty."
    try:
        return "" if duration_s(path) > 0 else f"{path} is 0 s long."
    except AudioUnreadableError as error:
        return str(error)
