"""Ingests files and whole folders from the server's disk, once; `catalog.uploads.watching` keeps folders in step."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from os import stat_result
from pathlib import Path

from django.contrib.auth.models import User
from django.utils.translation import gettext as _

from catalog.core.names import FolderHint, folder_hint
from catalog.exceptions import CatalogError
from catalog.files.tags import file_name_clean
from catalog.models import Song, Upload
from catalog.songs.lyrics import lyrics_beside
from catalog.songs.services import song_of_content, songs_announce
from catalog.uploads.services import Replacing, duplicate_sentence, upload_record
from catalog.uploads.steady import STABLE_S, FileChangingError, Steadiness, SteadyFile
from catalog.uploads.walking import LeftOut, audio_walk, reason_of, signature_of

# Announced together, so that the network gets full batches; a killed run leaves at most this many songs unannounced,
# which the tick finds.
_ANNOUNCE_BATCH = 16
# A file that grows for longer is left out.
_WAIT_AT_MOST_S = 600.0

# Called after each file with (files done, files in all, the file).
Progress = Callable[[int, int, Path], None]


@dataclass(slots=True)
class IngestSummary:
    """The outcome of a run; `song_ids` holds the new and the existing songs."""

    added: int = 0
    duplicates: int = 0
    failed: list[tuple[Path, str]] = field(default_factory=list)
    song_ids: list[int] = field(default_factory=list)
    left_out: LeftOut = field(default_factory=LeftOut)


class Announcer:
    """Announces songs in batches, each once."""

    def __init__(self) -> None:
        self._waiting: list[int] = []
        self._announced: set[int] = set()

    def add(self, song: Song | None) -> None:
        # Includes songs that an interrupted run stored without announcing; a folder may hold a recording twice.
        if song and song.state == Song.State.UPLOADED and song.pk not in self._announced:
            self._waiting.append(song.pk)
            self._announced.add(song.pk)
        if len(self._waiting) >= _ANNOUNCE_BATCH:
            self.finish()

    def finish(self) -> None:
        songs_announce(song_ids=self._waiting)
        self._waiting = []


def paths_ingest(
    *,
    paths: Iterable[Path],
    owner: User | None = None,
    progress: Progress | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> IngestSummary:
    """Ingest files and whole folders; a second run adds only new files, so an interrupted run can be repeated.

    Files that were written within the last `STABLE_S` come last, each when it has not changed for as long.
    """
    summary, announcer, steadiness = IngestSummary(), Announcer(), Steadiness()
    found = dict(audio_walk(paths, summary.left_out))
    fresh = _fresh(found)
    for path, status in fresh.items():
        steadiness.is_stable(path, signature_of(status))
    for number, path in enumerate([*(path for path in found if path not in fresh), *fresh], start=1):
        if path not in fresh or _stable_wait(path, steadiness, sleep):
            announcer.add(_path_ingest(path, owner, summary))
        else:
            summary.failed.append((path, _growing()))
        if progress is not None:
            progress(number, len(found), path)
    announcer.finish()
    summary.song_ids = list(dict.fromkeys(summary.song_ids))
    return summary


def _fresh(found: Mapping[Path, stat_result]) -> dict[Path, stat_result]:
    # By this machine's clock alone, because most folders have long been complete and nobody wants to wait for them.
    newest = time.time() - STABLE_S
    return {path: status for path, status in found.items() if status.st_mtime > newest}


def _stable_wait(path: Path, steadiness: Steadiness, sleep: Callable[[float], None]) -> bool:
    left_s = _WAIT_AT_MOST_S
    while left_s > 0:
        try:
            if steadiness.is_stable(path, signature_of(path.stat())):
                return True
        except OSError:
            # Reading it says why.
            return True
        sleep(1.0)
        left_s -= 1.0
    return False


def _growing() -> str:
    return _("It is still being written. Add it when it is complete.")


def _path_ingest(path: Path, owner: User | None, summary: IngestSummary) -> Song | None:
    try:
        with SteadyFile(path) as file:
            # Looked up first, so that a second run copies nothing.
            song = song_of_content(file.digest())
            upload = None if song else file_offer(file, path.name, owner, hint=folder_hint(path))
            if song:
                duplicate_record(path.name, file.size, owner, song)
    except FileChangingError:
        summary.failed.append((path, _growing()))
        return None
    except OSError as error:
        summary.failed.append((path, f"It cannot be read: {reason_of(error)}."))
        return None
    if upload is not None and upload.song is None:
        summary.failed.append((path, upload.reason))
        return None
    is_new = upload is not None and upload.outcome == Upload.Outcome.ACCEPTED
    summary.added += is_new
    summary.duplicates += not is_new
    song = song or (upload.song if upload else None)
    if song:
        summary.song_ids.append(song.pk)
        lyrics_beside(song_id=song.pk, path=path)
    return song


def file_offer(
    file: SteadyFile,
    name: str,
    owner: User | None,
    *,
    hint: FolderHint | None = None,
    replacing: Replacing | None = None,
    but: type[CatalogError] | tuple[type[CatalogError], ...] = (),
) -> Upload:
    """Take a file as `upload_record` does; one that fails again in the same way has one row."""
    upload = upload_record(owner=owner, file=file, file_name=name, hint=hint, replacing=replacing, but=but)
    if upload.outcome == Upload.Outcome.FAILED:
        same = {"file_name": upload.file_name, "outcome": upload.outcome, "failure_reason": upload.failure_reason}
        Upload.objects.filter(owner=owner, **same).exclude(pk=upload.pk).delete()
    return upload


def duplicate_record(name: str, size_bytes: int, owner: User | None, song: Song) -> None:
    """Record that a file has the bytes of a song; one row for each name, however often it is offered."""
    name = file_name_clean(name)
    if not Upload.objects.filter(owner=owner, song=song, file_name=name).exists():
        Upload.objects.create(
            owner=owner,
            file_name=name,
            size_bytes=size_bytes,
            outcome=Upload.Outcome.DUPLICATE,
            song=song,
            failure_code="duplicate",
            failure_reason=duplicate_sentence(song),
        )
