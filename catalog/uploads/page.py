"""Selects the rows of the upload page: by group, with counts, the time left, changes, and comparisons."""

from __future__ import annotations

import re
from dataclasses import astuple, dataclass, replace
from datetime import datetime, timedelta
from typing import cast

from django.core.cache import cache
from django.core.paginator import Page, Paginator
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from catalog.models import PartialUpload, PossibleDuplicate, Song, Upload
from catalog.permissions import User
from catalog.selectors import PENDING_STATES, uploads_visible

PER_PAGE = 50
_RATE_OVER = timedelta(minutes=5)
_ETA_HOLDS_S = 5
_SEEN_ROW = re.compile(r"(\d{1,18})([a-z]{1,2})")
_ACCEPTED, _DUPLICATE = Upload.Outcome.ACCEPTED, Upload.Outcome.DUPLICATE

# The groups that the page can be narrowed to, with what each is called.
GROUPS = {
    "": _("All"),
    "way": _("In progress"),
    "done": _("Done"),
    "question": _("To review"),
    "duplicate": _("Duplicates"),
    "failed": _("Failed"),
}
# A rejected file was not stored, so it cannot be retried.
_COUNTED = (*(group for group in GROUPS if group), "retryable")


@dataclass(frozen=True, slots=True)
class UploadCounts:
    """Numbers of uploads, in all and by group."""

    total: int
    way: int
    done: int
    question: int
    duplicate: int
    failed: int
    retryable: int

    @property
    def through(self) -> int:
        """How many have a final state."""
        return self.total - self.way

    def of(self, group: str) -> int:
        """How many a group has."""
        return int(getattr(self, group or "total"))


@dataclass(frozen=True, slots=True)
class UploadList:
    """A page of rows with its counts and choices."""

    page: Page[Upload]
    counts: UploadCounts
    group: str
    query: str
    eta_s: float | None

    @property
    def seen(self) -> str:
        """What is shown, in short: the page sends it when it asks for changes."""
        numbers = "-".join(map(str, astuple(self.counts)[:-1]))
        return "".join(f"{upload.pk}{_code(upload)}" for upload in self.page) + "." + numbers

    def changed_since(self, seen: str) -> list[Upload] | None:
        """Return the rows that changed; None where other rows are shown now, so that the list must be drawn again."""
        before = _SEEN_ROW.findall(seen.partition(".")[0])
        if [int(pk) for pk, _code_then in before] != [upload.pk for upload in self.page]:
            return None
        return [upload for upload, (_pk, code) in zip(self.page, before, strict=True) if code != _code(upload)]


def upload_list(user: User, *, group: str = "", query: str = "", page: str | int | None = 1) -> UploadList:
    """Return a page of the uploads that a user may see, the newest first, without hidden rows.

    Args:
        user: The staff see everyone's.
        group: One of `GROUPS`; any other means all.
        query: Part of a file name.
        page: Its number; a wrong one gives the nearest page.
    """
    group = group if group in GROUPS else ""
    query = query.replace("\x00", "").strip()
    visible = uploads_visible(user).filter(hidden_at=None)
    named = visible.filter(file_name__icontains=query) if query else visible
    counts = _counts(named)
    rows = cast("QuerySet[Upload]", named.filter(_in_group(group)).annotate(has_question=_has_question()))
    paginator = Paginator(rows.order_by("-id"), PER_PAGE)
    # The counts know it already, so the list is not counted once more.
    paginator.count = counts.of(group)
    return UploadList(paginator.get_page(page), counts, group, query, _eta_s() if counts.way else None)


def partials_unfinished(user: User) -> QuerySet[PartialUpload]:
    """Return a user's unfinished partial uploads, the newest first."""
    return PartialUpload.objects.filter(owner_id=user.pk, finished_at=None, expires_at__gt=timezone.now())


def questions_of(upload: Upload) -> list[Song]:
    """Return the songs that the song of an upload may be, undecided ones only."""
    if upload.song_id is None or upload.outcome != _ACCEPTED:
        return []
    asked = PossibleDuplicate.objects.filter(song_id=upload.song_id, verdict=PossibleDuplicate.Verdict.OPEN)
    return [pair.other for pair in asked.select_related("other__artist", "other__album")]


def first_upload_of(song: Song) -> Upload | None:
    """Return the first upload of a song, unless it came with the program."""
    brought = Upload.objects.filter(song=song, outcome=_ACCEPTED).select_related("owner")
    return brought.order_by("id").first()


def _counts(uploads: QuerySet[Upload]) -> UploadCounts:
    by_group = {group: Count("pk", filter=_in_group(group)) for group in _COUNTED}
    return UploadCounts(**uploads.order_by().aggregate(total=Count("pk"), **by_group))


def _in_group(group: str) -> Q:
    accepted, failed = Q(outcome=_ACCEPTED), Q(song__state=Song.State.FAILED)
    groups = {
        "way": accepted & Q(song__state__in=PENDING_STATES),
        "done": accepted & Q(song__state=Song.State.ANALYSED),
        "question": accepted & Q(_has_question()),
        "duplicate": Q(outcome=_DUPLICATE),
        "retryable": accepted & failed,
        "failed": Q(outcome=Upload.Outcome.FAILED) | accepted & (Q(song=None) | failed),
    }
    return groups.get(group, Q())


def _has_question() -> Exists:
    return Exists(PossibleDuplicate.objects.filter(song=OuterRef("song_id"), verdict=PossibleDuplicate.Verdict.OPEN))


def _eta_s() -> float | None:
    # Every open upload page asks every two seconds.
    return cache.get_or_set("catalog.uploads.page.eta_s", _eta_now_s, timeout=_ETA_HOLDS_S)


def _eta_now_s() -> float | None:
    since = timezone.now() - _RATE_OVER
    final = (Song.State.ANALYSED, Song.State.FAILED)
    finished = Song.objects.filter(state__in=final, state_changed_at__gte=since).count()
    waiting = Song.objects.filter(state__in=PENDING_STATES).count()
    return waiting * _RATE_OVER.total_seconds() / finished if finished else None


def _code(upload: Upload) -> str:
    is_asked = getattr(upload, "has_question", False) and upload.outcome == _ACCEPTED
    return upload.state[0] + ("z" if is_asked else "")


@dataclass(frozen=True, slots=True)
class Side:
    """One column of a comparison; `song` is None for a file that did not become one."""

    is_new: bool
    song: Song | None
    file_name: str
    size_bytes: int
    offered_at: datetime | None
    offered_by: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """An upload and the songs that it is compared with; `is_question` while they may be the same recording."""

    upload: Upload
    sides: list[Side]
    is_question: bool


def compare(upload: Upload) -> Comparison | None:
    """Compare an upload with the song that its bytes already are, or with those that its song may be."""
    if upload.outcome == Upload.Outcome.DUPLICATE and upload.song is not None:
        return Comparison(upload, [_side(upload, song=None), _side_of(upload.song)], is_question=False)
    others = questions_of(upload)
    if not others:
        return None
    return Comparison(upload, [_side(upload, song=upload.song), *map(_side_of, others)], is_question=True)


def _side(upload: Upload, song: Song | None) -> Side:
    who = upload.owner.get_username() if upload.owner else ""
    return Side(True, song, upload.file_name, upload.size_bytes, upload.created_at, who)


def _side_of(song: Song) -> Side:
    first = first_upload_of(song)
    if first is None:
        return Side(False, song, "", song.size_bytes, song.created_at, "")
    return replace(_side(first, song), is_new=False, size_bytes=song.size_bytes)
