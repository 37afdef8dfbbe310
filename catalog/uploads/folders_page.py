"""What curators see of the watched folders: what each holds, its problems, and the songs whose files are missing."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Count, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from catalog.models import FolderFile, WatchedFolder
from catalog.uploads.choosing import FOLLOWED
from catalog.uploads.scanning import MISSING_FOR, songs_missing
from catalog.uploads.walking import left_out_words

PER_PAGE = 50
_REFUSED_SHOWN = 20
# Three rescans without one is no watcher.
_UNWATCHED = timedelta(minutes=30)
# By the code of a scan.
PROBLEMS = {
    "gone": gettext_lazy("This folder is not there. Its songs stay as they are until it is back."),
    "no_folder": gettext_lazy("This is no folder. Its songs stay as they are."),
    "unreadable": gettext_lazy("Moodplane may not read this folder. Its songs stay as they are until it may."),
    "empty": gettext_lazy(
        "This folder is empty although it had songs: its disk is probably not mounted. The songs stay as they are."
    ),
}
_PRESENT = Q(files__missing_since=None)
_COUNTS = {
    "songs": Count("files__song", distinct=True, filter=_PRESENT & Q(files__song__isnull=False)),
    "refused": Count("files", filter=_PRESENT & Q(files__refusal_code__gt="")),
    "deleted": Count("files", filter=_PRESENT & Q(files__song=None, files__refusal_code="")),
    "missing": Count("files", filter=Q(files__missing_since__isnull=False, files__song__isnull=False)),
}


@dataclass(frozen=True, slots=True)
class FolderShown:
    """A folder with its counts, problems in sentences, and some of the files that were refused."""

    folder: WatchedFolder
    counts: dict[str, int]
    n_waiting: int
    problem: str
    words: list[str]
    faults: list[tuple[str, str]]
    refused: list[FolderFile]
    paths: list[str]  # Of what was left out and can be mended.
    is_unwatched: bool

    @property
    def is_chosen(self) -> bool:
        """Whether the staff chose it, and can stop it."""
        return self.folder.mode in FOLLOWED

    @property
    def is_over(self) -> bool:
        """Whether it is to be followed no longer."""
        return self.folder.mode in (WatchedFolder.Mode.ADDED, WatchedFolder.Mode.STOPPED)

    @property
    def n_more(self) -> int:
        """Files and folders that are counted but not named."""
        left_out = self.folder.report.get("left_out", {})
        n_left_out = sum(left_out.get(kind, 0) for kind in left_out.get("paths", {}))
        n_all: int = self.counts["refused"] + self.folder.report.get("n_faults", 0) + n_left_out
        return max(0, n_all - len(self.refused) - len(self.faults) - len(self.paths))

    @property
    def is_empty(self) -> bool:
        """Whether a curator can say that it is empty on purpose."""
        return bool(self.folder.report.get("problem") == "empty")


def folders_shown() -> list[FolderShown]:
    """Return all watched folders."""
    return [_shown(folder) for folder in WatchedFolder.objects.annotate(**_COUNTS).order_by("path")]


def _shown(folder: Any) -> FolderShown:
    report: dict[str, Any] = folder.report
    counts = {name: getattr(folder, name) for name in _COUNTS}
    refused = FolderFile.objects.filter(folder=folder, missing_since=None, refusal_code__gt="").order_by("path")
    return FolderShown(
        folder=folder,
        counts=counts,
        n_waiting=report.get("waiting", 0) + report.get("queued", 0),
        problem=str(PROBLEMS.get(report.get("problem", ""), "")),
        words=_words(report, counts["deleted"]),
        faults=[(path, reason) for path, reason in report.get("faults", [])],
        refused=list(refused[:_REFUSED_SHOWN]) if counts["refused"] else [],
        paths=[path for paths in report.get("left_out", {}).get("paths", {}).values() for path in paths],
        is_unwatched=_is_unwatched(folder),
    )


def _is_unwatched(folder: WatchedFolder) -> bool:
    # One that was chosen just now waits for its first scan.
    if folder.mode in FOLLOWED and folder.scanned_at is None:
        return False
    is_old = folder.scanned_at is None or folder.scanned_at < timezone.now() - _UNWATCHED
    return is_old or folder.mode not in (*FOLLOWED, WatchedFolder.Mode.NAMED)


def _words(report: dict[str, Any], n_deleted: int) -> list[str]:
    words = []
    if report.get("full"):
        words.append(_("The disk of the catalog is full, so new files wait until there is room."))
    if n := report.get("unmounted"):
        sentence = ngettext(
            "%(n)d file is on a disk that is not mounted.", "%(n)d files are on a disk that is not mounted.", n
        )
        words.append(sentence % {"n": n})
    if n := report.get("n_faults"):
        words.append(ngettext("%(n)d file cannot be read.", "%(n)d files cannot be read.", n) % {"n": n})
    if n_deleted:
        sentence = ngettext(
            "%(n)d file is left out, because its song was deleted here.",
            "%(n)d files are left out, because their songs were deleted here.",
            n_deleted,
        )
        words.append(sentence % {"n": n_deleted})
    return words + (left_out_words(report["left_out"]) if report.get("left_out") else [])


@dataclass(frozen=True, slots=True)
class MissingShown:
    """A page of missing files, and how many of all are missing for longer than `MISSING_FOR`."""

    page: Page[FolderFile]
    n_overdue: int
    days: int

    @property
    def overdue_before(self) -> datetime:
        return timezone.now() - MISSING_FOR


def missing_shown(page: str | int | None) -> MissingShown:
    """Return a page of the files that songs are missing, the longest missing first."""
    return MissingShown(Paginator(songs_missing(), PER_PAGE).get_page(page), overdue().count(), MISSING_FOR.days)


def overdue() -> QuerySet[FolderFile]:
    """Return the files that are missing for longer than `MISSING_FOR`."""
    return songs_missing().filter(missing_since__lt=timezone.now() - MISSING_FOR)
