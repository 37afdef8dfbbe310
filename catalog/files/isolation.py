"""Reads strangers' files in processes of their own, with limits on memory, time and output.

A process that crashes or reaches a limit is replaced. Sound and tags are read in two steps: sound that is fine is taken
without tags that cannot be read.
"""

import functools
import gettext as catalogues
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import TimeoutError as LateError
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.utils import formats, translation
from django.utils.translation import gettext as _
from pebble import ProcessExpired, ProcessPool

from catalog.core import wording
from catalog.exceptions import FileRejectedError, ReadingInterruptedError
from catalog.files.limits import cpu_confine, process_confine
from catalog.files.lyrics import SongLyrics, lyrics_file_read
from catalog.files.probe import AudioFacts, sound_probe, tags_of

# Of each process of a web server; one that waits holds 75 MB, of which half is shared.
_PROCESSES = 2
_FILES_BEFORE_REPLACED = 500


class _Limit(NamedTuple):
    """Seconds of CPU for a file; on a busy machine they take longer, so that real seconds are only a safety net."""

    base_s: int
    s_in_mb: float

    def of(self, n_bytes: int) -> int:
        """Return the seconds that a file of so many bytes may cost."""
        return self.base_s + round(self.s_in_mb * n_bytes / 1e6)


# Decoding all of a good file costs at most a tenth of it.
_SOUND, _TAGS = _Limit(2, 1.0), _Limit(1, 0.05)
_REAL_SECONDS = 8


def probe_isolated(path: Path) -> AudioFacts:
    """Recognise a stranger's audio file by its content, with its tags.

    Raises:
        FileRejectedError: The catalog does not accept such a file, or reading it costs too much.
        ReadingInterruptedError: The processes were ended from outside, twice.
    """
    facts: AudioFacts
    try:
        longest_s = float(settings.MOODPLANE_MAX_DURATION_S)
        facts = _isolated(_SOUND, path, sound_probe, path, max_duration_s=longest_s)
    except _CostlyError as error:
        sentence = _(
            "Reading this file takes more time or memory than a song does: it is damaged, or made to be. "
            "Convert it to FLAC or MP3, then upload that."
        )
        raise FileRejectedError("too_costly", sentence) from error
    try:
        tags, cover = _isolated(_TAGS, path, tags_of, path, facts.metadata)
    except _CostlyError:
        return replace(facts, remark=_("Reading its tags took too much time or memory, so it was taken without them."))
    return replace(facts, tags=tags, cover=cover)


def lyrics_isolated(path: Path) -> SongLyrics | None:
    """Read a stranger's file of lyrics; None where it has no words, or reading it costs too much.

    Raises:
        OSError: The file cannot be read.
    """
    try:
        read: SongLyrics | None = _isolated(_TAGS, path, lyrics_file_read, path)
    except _CostlyError:
        return None
    return read


class _CostlyError(Exception):
    """A process crashed or reached a limit."""


class _Wording(NamedTuple):
    """The language of the person who waits, without Django, whose applications take four times the memory."""

    folder: Path
    language: str
    decimal_mark: str

    def install(self) -> None:
        """Make refusals speak this language."""
        catalogue = catalogues.translation("django", self.folder, [self.language], fallback=True)
        wording.install(catalogue, lambda value, decimals: f"{value:.{decimals}f}".replace(".", self.decimal_mark))


def _isolated(limit: _Limit, path: Path, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    cpu_s = limit.of(path.stat().st_size)
    language = translation.get_language() or settings.LANGUAGE_CODE
    wording_of = _Wording(settings.LOCALE_PATHS[0], language, formats.get_format("DECIMAL_SEPARATOR", language))
    task = functools.partial(_run, cpu_s, wording_of, function, *args, **kwargs)
    for _attempt in range(2):
        try:
            return _pool().schedule(task, timeout=cpu_s * _REAL_SECONDS).result()
        except ProcessExpired as error:
            # Somebody else ended it: a supervisor that stops all of a service, or a machine without memory.
            if abs(error.exitcode) not in (signal.SIGTERM, signal.SIGKILL):
                raise _CostlyError from error
        except (LateError, MemoryError, RecursionError) as error:
            raise _CostlyError from error
    raise ReadingInterruptedError(_("Reading this file was interrupted; nothing is wrong with it. Send it again."))


_lock = threading.Lock()
_pools: dict[int, ProcessPool] = {}


def _pool() -> ProcessPool:
    # By process: a server that forks must not share the pipes of its parent.
    with _lock:
        pool = _pools.get(os.getpid())
        if pool is None or not pool.active:
            pool = _pools[os.getpid()] = ProcessPool(
                max_workers=_PROCESSES,
                max_tasks=_FILES_BEFORE_REPLACED,
                initializer=process_confine,
                # Of a forked process, threads that hold locks are missing.
                context=multiprocessing.get_context("spawn"),
            )
        return pool


# --- In the other process ---------------------------------------------------------------------------------------------


def _run(cpu_s: int, wording_of: _Wording, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    cpu_confine(cpu_s)
    wording_of.install()
    return function(*args, **kwargs)
