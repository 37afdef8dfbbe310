"""Keeps songs encoded anew, for browsers that cannot play a file and for slow lines, in a folder of limited size.

One process encodes one song, on a machine at most `MOODPLANE_TRANSCODERS` at a time; what comes on top is refused at
once, not queued. All who ask for a song wait for the same process, which ends when none of them waits any more. The
original is only read.

Files are claimed by locks on themselves, which the system frees when a process dies, whichever process of the web
server it was.
"""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.core.files.storage import FileSystemStorage
from django.db.models.fields.files import FieldFile
from django.utils.translation import gettext as _
from pebble import ProcessExpired, ProcessFuture, concurrent

from catalog.exceptions import FileRejectedError, TranscodersBusyError
from catalog.files.encoding import Encoding, encode_confined
from catalog.files.storage import file_lost, local_copy, storage_full_explained
from catalog.models import Song

# Requests of one process that may wait, for each transcoder: the other threads answer pages.
_WAITING_FOR_EACH = 2
# Proxies usually give up after a minute.
_PATIENCE_S = 25.0
# Who was sent away is expected back; who is gone is not.
_BACK_WITHIN_S, _UNWANTED_AFTER_S = 30.0, 2.0
_LOOK_S = 0.1
_PART = ".part"

_Encode = Callable[[Path, Path], "ProcessFuture[None]"]
encode_apart = concurrent.process(mp_context=multiprocessing.get_context("spawn"))(encode_confined)


def transcoded_storage() -> FileSystemStorage:
    """Return where songs lie that were encoded anew."""
    return FileSystemStorage(location=Path(settings.MOODPLANE_VAR) / "transcoded")


def song_transcode(*, song: Song, encoding: Encoding, is_wanted: Callable[[], bool] = lambda: True) -> str:
    """Return the name, in `transcoded_storage`, of a song in another encoding, and wait for it if it must be made.

    `is_wanted` is asked again and again while this waits.

    Raises:
        TranscodersBusyError: All transcoders work on other songs, or this one takes long; the same request can succeed
            in a few seconds.
        FileRejectedError: The song cannot be decoded.
        SongFileLostError, StorageFullError: The song's file is missing, or the disk has no room.
    """
    name = f"{song.content_hash[:2]}/{song.content_hash}-{encoding}.{encoding.extension}"
    path = Path(transcoded_storage().path(name))
    if _used(path):
        return name
    with _seat():
        deadline = time.monotonic() + _PATIENCE_S
        while not _used(path):
            if not is_wanted():
                raise busy()
            making = _making_of(path, song, encoding)
            if making is None:
                # Another process of the web server makes it.
                time.sleep(_LOOK_S)
            elif making.wait():
                making.check()
            if time.monotonic() > deadline:
                if making is not None:
                    making.keep(_BACK_WITHIN_S)
                raise busy()
    return name


def transcoded_remove(*, content_hash: str) -> None:
    """Remove what was made of a content that is gone."""
    folder = Path(transcoded_storage().path(content_hash[:2]))
    for path in folder.glob(f"{content_hash}-*"):
        path.unlink(missing_ok=True)


def busy() -> TranscodersBusyError:
    """Return the error of a request that has to come again."""
    return TranscodersBusyError(_("The server is busy converting songs. Try again in a moment."))


# --- One song -------------------------------------------------------------------------------------------------------


class _Making:
    """A song that a thread of this process has encoded."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self._done = threading.Event()
        self._wanted_until = time.monotonic() + _UNWANTED_AFTER_S

    def wait(self) -> bool:
        """Wait a moment for the end, and keep it wanted meanwhile; return whether it has come."""
        self.keep(_UNWANTED_AFTER_S)
        return self._done.wait(_LOOK_S)

    def keep(self, seconds: float) -> None:
        self._wanted_until = max(self._wanted_until, time.monotonic() + seconds)

    def check(self) -> None:
        """Raise what went wrong."""
        if self.error is not None:
            raise self.error

    def run(self, claims: ExitStack, part: Path, path: Path, audio: FieldFile, encode: _Encode) -> None:
        """Encode into `part`, whose claim is held, and give it its name when it is complete."""
        try:
            with claims, storage_full_explained(), local_copy(audio) as source:
                try:
                    self._encode(encode, source, part)
                    part.replace(path)
                finally:
                    part.unlink(missing_ok=True)
            _room_make(path)
        except BaseException as error:
            self.error = error
        finally:
            with _lock:
                _makings.pop(path, None)
            self._done.set()

    def _encode(self, encode: _Encode, source: Path, part: Path) -> None:
        if not source.exists():
            raise file_lost()
        future = encode(source, part)
        try:
            while not future.done():
                if time.monotonic() > self._wanted_until:
                    future.cancel()
                    raise busy()
                with suppress(TimeoutError):
                    future.exception(timeout=_LOOK_S)
            future.result()
        except ProcessExpired as error:
            # Ended from outside, or by its limits.
            if abs(error.exitcode) in (signal.SIGTERM, signal.SIGKILL):
                raise busy() from error
            raise _costly() from error
        except MemoryError as error:
            raise _costly() from error


def _costly() -> FileRejectedError:
    return FileRejectedError("too_costly", _("Converting this song takes more time or memory than a song does."))


_lock = threading.Lock()
_makings: dict[Path, _Making] = {}
_waiting: list[int] = []


def _making_of(path: Path, song: Song, encoding: Encoding) -> _Making | None:
    """Join who makes a song in this process, or start to make it; None while another process does."""
    with _lock:
        if path in _makings:
            return _makings[path]
        part = path.with_name(path.name + _PART)
        part.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as claims:
            if not _claimed(claims, part):
                return None
            if path.exists():
                part.unlink(missing_ok=True)
                return None
            if not any(_claimed(claims, slot) for slot in _slots(path.parents[1])):
                part.unlink(missing_ok=True)
                raise busy()
            making = _makings[path] = _Making()

            def encode(source: Path, target: Path) -> ProcessFuture[None]:
                return encode_apart(
                    source, target, encoding, duration_s=song.duration_s, sample_rate_hz=song.sample_rate_hz
                )

            held = claims.pop_all()
        arguments = (held, part, path, song.audio, encode)
        threading.Thread(target=making.run, args=arguments, daemon=True, name="transcoding").start()
        return making


# --- Claims ---------------------------------------------------------------------------------------------------------


@contextmanager
def _seat() -> Iterator[None]:
    """Hold one of the places of those who wait in this process."""
    with _lock:
        if len(_waiting) >= _WAITING_FOR_EACH * int(settings.MOODPLANE_TRANSCODERS):
            raise busy()
        _waiting.append(threading.get_ident())
    try:
        yield
    finally:
        with _lock:
            _waiting.remove(threading.get_ident())


def _slots(folder: Path) -> list[Path]:
    return [folder / f"transcoder-{n}.lock" for n in range(int(settings.MOODPLANE_TRANSCODERS))]


def _claimed(claims: ExitStack, path: Path) -> bool:
    """Lock a file until the claims end, unless somebody else holds it."""
    file: BinaryIO = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Its last holder may have removed or renamed it between opening and locking.
        if os.fstat(file.fileno()).st_ino == path.stat().st_ino:
            claims.enter_context(file)
            return True
    except (BlockingIOError, FileNotFoundError):
        pass
    file.close()
    return False


# --- The folder's size ----------------------------------------------------------------------------------------------


def _used(path: Path) -> bool:
    """Whether a file is there; if so, note that it is used now."""
    try:
        mtime_ns = path.stat().st_mtime_ns
        # The time of change stays: browsers compare it between two parts of a song.
        os.utime(path, ns=(time.time_ns(), mtime_ns))
    except FileNotFoundError:
        return False
    return True


def _room_make(newest: Path) -> None:
    """Remove the files that were used least recently, until the others are within the limit; the newest stays."""
    files = []
    for path in newest.parents[1].glob("*/*"):
        with suppress(FileNotFoundError):
            files.append((path.stat(), path))
    excess_bytes = sum(stat.st_size for stat, _path in files) - int(settings.MOODPLANE_TRANSCODED_BYTES)
    for stat, path in sorted(files, key=lambda file: file[0].st_atime_ns):
        if excess_bytes <= 0:
            return
        with ExitStack() as claims:
            if path == newest or (path.suffix == _PART and not _claimed(claims, path)):
                continue
            path.unlink(missing_ok=True)
            excess_bytes -= stat.st_size
