"""Find the audio of clips, and check that its headers can be read. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import av
import soundfile

from emotion.exceptions import AudioUnreadableError

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
