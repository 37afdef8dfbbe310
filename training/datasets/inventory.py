"""What is here of a dataset, and what is missing. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from emotion.inference.quadrants import Quadrant
from training.datasets.base import Dataset, DatasetError


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
