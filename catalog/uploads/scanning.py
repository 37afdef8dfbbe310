"""Compares a watched folder with what is known of it: files that are new, changed, moved, gone and back.

A scan can be killed at any time and repeated: each file is settled by itself, a song is known by its content, and what
was not settled is found again.
"""

import errno
import logging
import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from django.contrib.auth.models import User
from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import Count, Exists, F, Max, OuterRef, QuerySet, Subquery
from django.utils import timezone

from catalog.core.locks import Lock, session_lock
from catalog.core.names import folder_hint
from catalog.exceptions import ReadingInterruptedError, StorageFullError
from catalog.files.probe import AudioFacts
from catalog.files.storage import StagedFile, local_copy
from catalog.models import FolderFile, Song, WatchedFolder
from catalog.songs.lyrics import lyrics_file_take, lyrics_signature
from catalog.songs.replacing import song_replace, sound_digest
from catalog.songs.services import song_of_content
from catalog.uploads.folders import Announcer, file_offer
from catalog.uploads.steady import FileChangingError, Steadiness, SteadyFile
from catalog.uploads.walking import LeftOut, Signature, audio_walk, device_of, path_shown, reason_of, signature_of

logger = logging.getLogger(__name__)

# Files that one scan reads; more wait for the next, so that a large folder is compared again every few minutes.
BATCH = 200
# Songs that are missing for longer are listed for a curator to decide.
MISSING_FOR = timedelta(days=30)
_NAMED_MOST = 20
# An installation that moves to another disk must not keep too many ids in one statement.
_IDS_AT_ONCE = 5000


@dataclass(slots=True)
class Scan:
    """What a scan did. `problem` is a code of `page.PROBLEMS` if the folder could not be compared."""

    problem: str = ""
    is_busy: bool = False
    is_full: bool = False
    n_found: int = 0
    n_added: int = 0
    n_changed: int = 0
    n_missing: int = 0
    n_moved: int = 0  # Missing before, and found elsewhere, or as another file of the same song.
    n_returned: int = 0
    n_refused: int = 0
    n_waiting: int = 0  # Still being written.
    n_queued: int = 0  # Left for the next scan.
    n_unmounted: int = 0
    faults: list[tuple[str, str]] = field(default_factory=list)

    @property
    def has_news(self) -> bool:
        counts = (self.n_added, self.n_changed, self.n_missing, self.n_moved, self.n_returned, self.n_refused)
        return any(counts)


class _Known(NamedTuple):
    pk: int
    path: bytes
    signature: Signature
    device: int
    has_song: bool


def folder_of(path: Path) -> WatchedFolder:
    """Return the row of a watched folder, made if it is new."""
    return WatchedFolder.objects.get_or_create(path=os.fsencode(path.absolute()))[0]


def folder_scan(
    *,
    folder: WatchedFolder,
    steadiness: Steadiness,
    owner: User | None = None,
    at_most: int = BATCH,
    stopping: Callable[[], bool] = lambda: False,
) -> Scan:
    """Bring what is known of a folder up to date; one process at a time scans.

    A file is read when it has looked the same for `STABLE_S`, so a new one is settled by the second scan at the
    earliest. A folder that is not there, or that is empty where it had files, changes nothing. Once `stopping` is true,
    the next file is left for the next scan.
    """
    with session_lock(Lock.FOLDER_SCAN) as is_mine:
        return _Scanner(folder, steadiness, owner, stopping).run(at_most) if is_mine else Scan(is_busy=True)


class _Scanner:
    def __init__(
        self, folder: WatchedFolder, steadiness: Steadiness, owner: User | None, stopping: Callable[[], bool]
    ) -> None:
        self._folder, self._steadiness, self._owner, self._stopping = folder, steadiness, owner, stopping
        self._root = Path(os.fsdecode(bytes(folder.path)))
        self._rows = FolderFile.objects.filter(folder=folder)
        self._scan, self._left_out = Scan(), LeftOut()
        self._announcer = Announcer()

    def run(self, at_most: int) -> Scan:
        self._scan.problem = self._root_problem()
        found = {} if self._scan.problem else self._walk()
        present, gone = self._known()
        self._scan.n_found = len(found)
        if not self._scan.problem and (problem := self._walk_problem(found, present)):
            self._scan.problem = problem
        if not self._scan.problem:
            vanished = [known for path, known in present.items() if path not in found]
            self._missing_mark(self._really_gone(vanished, [known for path, known in present.items() if path in found]))
            new = self._back(found, present, gone)
            self._take(new, present, at_most)
            self._songs_link()
            self._lyrics_take()
            self._moved_forget()
        self._report_store()
        return self._scan

    # --- What is there ----------------------------------------------------------------------------------------------

    def _walk(self) -> dict[bytes, os.stat_result]:
        prefix = len(os.fsencode(self._root)) + 1
        return {os.fsencode(path)[prefix:]: status for path, status in audio_walk([self._root], self._left_out)}

    def _known(self) -> tuple[dict[bytes, _Known], dict[bytes, _Known]]:
        """Return by path the files that were there last, and the latest of those that are missing."""
        columns = ("pk", "path", "size_bytes", "mtime_ns", "ctime_ns", "device", "song_id", "missing_since")
        present: dict[bytes, _Known] = {}
        gone: dict[bytes, _Known] = {}
        rows = self._rows.order_by("missing_since").values_list(*columns)
        for pk, path, size, mtime_ns, ctime_ns, device, song_id, since in rows:
            known = _Known(pk, bytes(path), (size, mtime_ns, ctime_ns), device, song_id is not None)
            (present if since is None else gone)[known.path] = known
        return present, gone

    def _root_problem(self) -> str:
        try:
            mode = self._root.stat().st_mode
        except OSError as error:
            return "gone" if error.errno in (errno.ENOENT, errno.ENOTDIR) else "unreadable"
        return "" if stat.S_ISDIR(mode) else "no_folder"

    def _walk_problem(self, found: dict[bytes, os.stat_result], present: dict[bytes, _Known]) -> str:
        if any(path == self._root for path, _reason in self._left_out.unreadable):
            return "unreadable"
        # So looks the place of a disk that is not mounted.
        return "empty" if not found and any(known.has_song for known in present.values()) else ""

    def _really_gone(self, vanished: Iterable[_Known], seen: Iterable[_Known]) -> list[_Known]:
        """Return the files that are gone, and not only out of reach for the time being."""
        closed = tuple(os.fsencode(path) + b"/" for path, _reason in self._left_out.unreadable)
        odd = {os.fsencode(path) for path, _reason in self._left_out.unreadable}
        mounted = {known.device for known in seen}
        root, gone = os.fsencode(self._root), []
        for known in vanished:
            path = root + b"/" + known.path
            if path in odd or path.startswith(closed):
                continue
            # A disk of which nothing is seen, and whose place another disk has now, is not mounted.
            if known.device not in mounted and _device_at(path) != known.device:
                self._scan.n_unmounted += 1
                continue
            gone.append(known)
        return gone

    # --- What became of it -------------------------------------------------------------------------------------------

    def _missing_mark(self, gone: list[_Known]) -> None:
        now = timezone.now()
        for ids in _parts([known.pk for known in gone]):
            rows = self._rows.filter(pk__in=ids)
            # Of what never became a song nothing needs to be kept.
            rows.exclude(refusal_code="").delete()
            self._scan.n_missing += rows.filter(song__isnull=False).count()
            rows.update(missing_since=now)

    def _back(
        self, found: dict[bytes, os.stat_result], present: dict[bytes, _Known], gone: dict[bytes, _Known]
    ) -> list[tuple[bytes, os.stat_result]]:
        """Take back missing files that look as they did; return the files that must be read."""
        back: list[int] = []
        new = []
        for path, status in found.items():
            known, missing = present.get(path), gone.get(path)
            if known is None and missing is not None and missing.signature == signature_of(status):
                back.append(missing.pk)
            elif known is None or known.signature != signature_of(status):
                new.append((path, status))
        for ids in _parts(back):
            self._scan.n_returned += self._rows.filter(pk__in=ids).update(missing_since=None)
        return new

    def _take(self, new: list[tuple[bytes, os.stat_result]], present: dict[bytes, _Known], at_most: int) -> None:
        stable = []
        for path, status in new:
            if self._steadiness.is_stable(self._root / os.fsdecode(path), signature_of(status)):
                stable.append(path)
            else:
                self._scan.n_waiting += 1
        n_taken = 0
        for path in stable:
            # Files that cannot be read do not count: many of them would keep the others waiting for ever.
            if n_taken >= at_most or self._scan.is_full or self._stopping():
                self._scan.n_queued += 1
                continue
            known = present.get(path)
            n_taken += self._tried(path, known.pk if known else None)
        self._announcer.finish()

    def _tried(self, path: bytes, pk: int | None) -> bool:
        place = self._root / os.fsdecode(path)
        try:
            self._announcer.add(self._file_take(path, pk))
        except (FileChangingError, ReadingInterruptedError):
            self._scan.n_waiting += 1
        except StorageFullError:
            self._scan.is_full = True
        except OSError as error:
            self._scan.faults.append((path_shown(path), reason_of(error)))
        except (DatabaseError, InterfaceError):
            raise
        except Exception:
            # One file must not stop the others, nor the watcher.
            logger.exception("%s could not be taken.", path_shown(place))
            self._scan.faults.append((path_shown(path), "internal error"))
        else:
            self._steadiness.forget(place)
            return True
        return False

    def _file_take(self, path: bytes, pk: int | None) -> Song | None:
        place = self._root / os.fsdecode(path)
        before = FolderFile.objects.select_related("song").filter(pk=pk).first() if pk else None
        last = before or self._rows.filter(path=path, missing_since__isnull=False).order_by("-missing_since").first()
        with SteadyFile(place) as file:
            content_hash = file.digest()
            size, mtime_ns, ctime_ns = file.signature
            row = FolderFile(
                folder=self._folder,
                path=path,
                size_bytes=size,
                mtime_ns=mtime_ns,
                ctime_ns=ctime_ns,
                device=file.device,
                content_hash=content_hash,
            )
            if before and before.content_hash == content_hash:
                # Only touched, or its permissions were changed.
                row.sound_hash, row.song, row.refusal_code = before.sound_hash, before.song, before.refusal_code
                row.refusal_reason = before.refusal_reason
            song = song_of_content(content_hash)
            if song:
                row.song = song
                row.sound_hash = row.sound_hash or _sound_of(song)
            elif not (row.song or row.refusal_code or self._is_deleted(content_hash)):
                self._offer(row, file, place.name, last)
        self._row_store(row, before)
        return row.song

    def _is_deleted(self, content_hash: str) -> bool:
        """Whether a curator deleted the song of such a file."""
        return FolderFile.objects.filter(content_hash=content_hash, song=None, refusal_code="").exists()

    def _offer(self, row: FolderFile, file: SteadyFile, name: str, last: FolderFile | None) -> None:
        is_changed = False

        def replacing(staged: StagedFile, facts: AudioFacts) -> Song | None:
            nonlocal is_changed
            row.sound_hash = sound_digest(staged.path)
            for earlier in self._earlier(row, last):
                song = earlier.song
                names = os.fsdecode(os.path.basename(bytes(earlier.path))), name  # noqa: PTH119 - it is of bytes.
                if song and song_replace(song=song, staged=staged, facts=facts, names=names):
                    is_changed = True
                    return song
            return None

        upload = file_offer(
            file,
            name,
            self._owner,
            hint=folder_hint(self._root / os.fsdecode(bytes(row.path))),
            replacing=replacing,
            but=(StorageFullError, ReadingInterruptedError),
        )
        row.song, row.refusal_code, row.refusal_reason = upload.song, "", ""
        if upload.song is None:
            row.refusal_code, row.refusal_reason = upload.failure_code, upload.failure_reason
            self._scan.n_refused += 1
        elif is_changed:
            self._scan.n_changed += 1
        else:
            self._scan.n_added += 1

    def _earlier(self, row: FolderFile, last: FolderFile | None) -> list[FolderFile]:
        """Return the files whose song this may be: of the same path, or missing and of the same sound."""
        missing = FolderFile.objects.select_related("song").filter(missing_since__isnull=False, song__isnull=False)
        moved = missing.filter(sound_hash=row.sound_hash).order_by("-missing_since")[:1] if row.sound_hash else []
        candidates = [each for each in (last, *moved) if each is not None and each.song_id is not None]
        return [each for each in candidates if not _is_elsewhere(each)]

    @transaction.atomic
    def _row_store(self, row: FolderFile, before: FolderFile | None) -> None:
        if before is not None and before.song_id and before.song_id != row.song_id:
            # Another recording took the place of this song's file.
            before.missing_since = timezone.now()
            before.save(update_fields=["missing_since"])
            self._scan.n_missing += 1
        elif before is not None:
            row.pk = before.pk
        row.save()

    def _songs_link(self) -> None:
        """Link files that were left out to the songs that somebody has added again."""
        again = Song.objects.filter(content_hash=OuterRef("content_hash"))
        left_out = FolderFile.objects.filter(Exists(again), song=None, refusal_code="")
        left_out.update(song=Subquery(again.values("pk")[:1]))

    def _lyrics_take(self) -> None:
        """Read the lyrics that lie beside songs, where they are new or have changed."""
        prefix = len(os.fsencode(self._root)) + 1
        # A name may have both endings; the walk goes by the alphabet, so the better one is first.
        beside = {
            os.path.splitext(os.fsencode(path)[prefix:])[0]: (path, lyrics_signature(status))  # noqa: PTH122 - bytes.
            for path, status in reversed(self._left_out.lyrics)
        }
        if not beside:
            return
        rows = self._rows.filter(missing_since=None, song__isnull=False)
        for path, song_id, known in rows.values_list("path", "song_id", "song__lyrics__signature"):
            found, signature = beside.get(os.path.splitext(bytes(path))[0], (None, ""))  # noqa: PTH122 - it is of bytes.
            if found is not None and signature != known and not self._stopping():
                lyrics_file_take(song_id=song_id, path=found)

    def _moved_forget(self) -> None:
        """Forget missing files whose song, or whose content, is in another file."""
        present = FolderFile.objects.filter(missing_since=None)
        gone = FolderFile.objects.filter(missing_since__isnull=False)
        by_song = gone.filter(Exists(present.filter(song=OuterRef("song"))), song__isnull=False)
        by_content = gone.filter(Exists(present.filter(content_hash=OuterRef("content_hash"))), song=None)
        self._scan.n_moved = by_song.delete()[0]
        by_content.delete()

    def _report_store(self) -> None:
        scan = self._scan
        self._folder.report = {
            "problem": scan.problem,
            "found": scan.n_found,
            "waiting": scan.n_waiting,
            "queued": scan.n_queued,
            "unmounted": scan.n_unmounted,
            "full": scan.is_full,
            "faults": [[path, reason] for path, reason in scan.faults[:_NAMED_MOST]],
            "n_faults": len(scan.faults),
            "left_out": self._left_out.counts(),
        }
        self._folder.scanned_at = timezone.now()
        # It may have been forgotten meanwhile.
        WatchedFolder.objects.filter(pk=self._folder.pk).update(
            report=self._folder.report, scanned_at=self._folder.scanned_at
        )


def _is_elsewhere(file: FolderFile) -> bool:
    """Whether another file still has the recording of this one; the other name of a hard link changes with it."""
    others = FolderFile.objects.filter(song=file.song_id, missing_since=None).exclude(pk=file.pk)
    return any(_is_as_known(other) for other in others.select_related("folder"))


def _is_as_known(file: FolderFile) -> bool:
    try:
        status = Path(os.fsdecode(bytes(file.folder.path)), os.fsdecode(bytes(file.path))).stat()
    except OSError:
        return False
    return signature_of(status) == (file.size_bytes, file.mtime_ns, file.ctime_ns)


def _sound_of(song: Song) -> str:
    with local_copy(song.audio) as path:
        return sound_digest(path)


def _device_at(path: bytes) -> int:
    """Return the number of the disk that now holds a path, or would."""
    while True:
        try:
            return device_of(os.stat(path))  # noqa: PTH116 - it is of bytes.
        except OSError:
            parent = os.path.dirname(path)  # noqa: PTH120 - it is of bytes.
            if parent == path:
                return -1
            path = parent


def _parts(ids: list[int]) -> Iterable[list[int]]:
    return (ids[at : at + _IDS_AT_ONCE] for at in range(0, len(ids), _IDS_AT_ONCE))


def songs_missing() -> QuerySet[FolderFile]:
    """Return the missing files of songs, the longest missing first."""
    missing = FolderFile.objects.filter(missing_since__isnull=False, song__isnull=False)
    return missing.select_related("folder", "song__artist").order_by("missing_since", "pk")


def missing_since_of(song: str) -> Subquery:
    """Return since when the file of a song, named by its field, is missing; none if one is there or never was."""
    files = FolderFile.objects.filter(song=OuterRef(song)).order_by().values("song")
    gone = files.annotate(n_files=Count("pk"), n_gone=Count("missing_since"), since=Max("missing_since"))
    return Subquery(gone.filter(n_files=F("n_gone")).values("since"))


def missing_since(song: Song) -> datetime | None:
    """Return since when the file of a song is missing; None if one is there or never was."""
    since: datetime | None = Song.objects.values_list(missing_since_of("pk"), flat=True).get(pk=song.pk)
    return since


def folder_emptied(*, folder: WatchedFolder) -> int:
    """Mark the files of a folder that is empty on purpose as missing; return how many."""
    if folder.report.get("problem") != "empty":
        return 0
    WatchedFolder.objects.filter(pk=folder.pk).update(report={**folder.report, "problem": ""})
    return FolderFile.objects.filter(folder=folder, missing_since=None).update(missing_since=timezone.now())


def folder_forget(*, folder: WatchedFolder) -> None:
    """Forget a folder and its files; songs stay. If it is still watched, the next scan knows its songs by content."""
    folder.delete()


def missing_keep(*, song_ids: Iterable[int]) -> None:
    """Let songs stay without their missing files."""
    FolderFile.objects.filter(song__in=list(song_ids), missing_since__isnull=False).delete()
