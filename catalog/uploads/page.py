"""Selects the rows of the upload page: by group, with counts, the time left, changes, and comparisons."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from django.conf import settings
from django.core.cache import cache
from django.core.paginator import Page, Paginator
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.shortcuts import resolve_url
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from catalog.core.wording import number
from catalog.files.probe import LOSSLESS
from catalog.models import PartialUpload, PossibleDuplicate, Song, Upload
from catalog.permissions import User
from catalog.selectors import PENDING_STATES, duplicates_open, uploads_visible

PER_PAGE = 50
_RATE_OVER = timedelta(minutes=5)
_SEEN_ROW = re.compile(r"(\d{1,18})([a-z]{1,2})")
_ACCEPTED, _DUPLICATE = Upload.Outcome.ACCEPTED, Upload.Outcome.DUPLICATE
_OPEN = PossibleDuplicate.Verdict.OPEN
_OTHER = ("other__artist", "other__album")

# The groups that the page can be narrowed to, with their labels.
GROUPS = {
    "": gettext_lazy("All"),
    "way": gettext_lazy("In progress"),
    "done": gettext_lazy("Done"),
    "question": gettext_lazy("To review"),
    "duplicate": gettext_lazy("Duplicates"),
    "failed": gettext_lazy("Failed"),
}


@dataclass(frozen=True, slots=True)
class UploadList:
    """A page of rows with its choices; `counts` has numbers by group, in `total`, `through` and `retryable`."""

    page: Page[Upload]
    counts: dict[str, int]
    group: str
    query: str
    eta_s: float | None

    @property
    def seen(self) -> str:
        """A short form of the rows and counts shown, which the page sends when it asks for changes."""
        numbers = "-".join(str(self.counts[group or "total"]) for group in GROUPS)
        return "".join(f"{upload.pk}{_code(upload)}" for upload in self.page) + "." + numbers

    def changed_since(self, seen: str) -> list[Upload] | None:
        """Return the rows that changed; None where the list has other rows and must be drawn again."""
        before = _SEEN_ROW.findall(seen.partition(".")[0])
        if [int(pk) for pk, _code_then in before] != [upload.pk for upload in self.page]:
            return None
        return [upload for upload, (_pk, code) in zip(self.page, before, strict=True) if code != _code(upload)]


def upload_list(user: User, *, group: str = "", query: str = "", page: str | int | None = 1) -> UploadList:
    """Return a page of the uploads that a user may see, the newest first, without hidden rows.

    An unknown group means all, a wrong page number the nearest page; `query` is part of a file name.
    """
    group = group if group in GROUPS else ""
    query = query.replace("\x00", "").strip()
    visible = uploads_visible(user).filter(hidden_at=None)
    named = visible.filter(file_name__icontains=query) if query else visible
    groups = _groups()
    by_group = {name: Count("pk", filter=condition) for name, condition in groups.items()}
    counts = named.order_by().aggregate(total=Count("pk"), **by_group)
    counts["through"] = counts["total"] - counts["way"]
    in_group = named.filter(groups.get(group, Q())).annotate(
        has_question=_has_question(), sounds_the_same=_has_question(by_sound=True)
    )
    paginator = Paginator(cast("QuerySet[Upload]", in_group).order_by("-id"), PER_PAGE)
    # Known from the counts, so that the list is not counted again.
    paginator.count = counts[group or "total"]
    # Cached, because every open upload page asks every two seconds.
    eta_s = cache.get_or_set("catalog.uploads.page.eta_s", _eta_s, timeout=5) if counts["way"] else None
    return UploadList(paginator.get_page(page), counts, group, query, eta_s)


def partials_unfinished(user: User) -> QuerySet[PartialUpload]:
    """Return a user's unfinished partial uploads, the newest first."""
    return PartialUpload.objects.filter(owner_id=user.pk, finished_at=None, expires_at__gt=timezone.now())


def questions_of(upload: Upload) -> list[PossibleDuplicate]:
    """Return the undecided pairs of the song of an upload with older ones."""
    if upload.song_id is None or upload.outcome != _ACCEPTED:
        return []
    return list(duplicates_open(upload.song_id).select_related(*_OTHER))


def _groups() -> dict[str, Q]:
    accepted, failed = Q(outcome=_ACCEPTED), Q(song__state=Song.State.FAILED)
    return {
        "way": accepted & Q(song__state__in=PENDING_STATES),
        "done": accepted & Q(song__state=Song.State.ANALYSED),
        "question": accepted & Q(_has_question()),
        "duplicate": Q(outcome=_DUPLICATE),
        "failed": Q(outcome=Upload.Outcome.FAILED) | accepted & (Q(song=None) | failed),
        # A rejected file was not stored, so it cannot be retried.
        "retryable": accepted & failed,
    }


def _has_question(**which: bool) -> Exists:
    return Exists(duplicates_open(OuterRef("song_id")).filter(**which))


def _eta_s() -> float | None:
    since = timezone.now() - _RATE_OVER
    final = (Song.State.ANALYSED, Song.State.FAILED)
    finished = Song.objects.filter(state__in=final, state_changed_at__gte=since).count()
    waiting = Song.objects.filter(state__in=PENDING_STATES).count()
    return waiting * _RATE_OVER.total_seconds() / finished if finished else None


def _code(upload: Upload) -> str:
    is_asked = getattr(upload, "has_question", False) and upload.outcome == _ACCEPTED
    if not is_asked:
        return upload.state[0]
    return upload.state[0] + ("y" if getattr(upload, "sounds_the_same", False) else "z")


def compare(upload: Upload) -> dict[str, Any] | None:
    """Return an upload and, as `sides`, the song that its bytes already are, or those that its song may duplicate."""
    if upload.outcome == _DUPLICATE and upload.song is not None:
        first = _first_uploads([upload.song_id])
        sides = [{"is_new": True, "song": None, **_origin(upload)}, _side_of(upload.song, first)]
        return {"upload": upload, "sides": sides, "is_question": False}
    pairs = questions_of(upload)
    if not pairs or upload.song is None:
        return None
    new = {"is_new": True, "song": upload.song, "quality": quality(upload.song), **_origin(upload)}
    first = _first_uploads([pair.other_id for pair in pairs])
    return {"upload": upload, "sides": [new, *_older(pairs, first)], "is_question": True}


def compare_songs(songs: Collection[Song]) -> list[dict[str, Any]]:
    """Return each song in question and, as `sides`, itself and those that it may duplicate."""
    pairs: dict[int, list[PossibleDuplicate]] = {song.pk: [] for song in songs}
    for pair in PossibleDuplicate.objects.filter(song__in=pairs, verdict=_OPEN).select_related(*_OTHER).order_by("pk"):
        pairs[pair.song_id].append(pair)
    first = _first_uploads([*pairs, *(pair.other_id for each in pairs.values() for pair in each)])
    return [
        {
            "song": song,
            "sides": [
                {**_side_of(song, first), "is_new": True, "delete_url": _delete_url(song)},
                *_older(pairs[song.pk], first),
            ],
            "is_question": True,
        }
        for song in songs
    ]


def quality(song: Song) -> str:
    """Return bit rate, sample rate and channels in words; the better of two files has more, or is lossless."""
    channels = {1: _("mono"), 2: _("stereo")}.get(song.channels) or _("%(n)d channels") % {"n": song.channels}
    words = [_("lossless")] if song.mime_type in LOSSLESS else []
    # Not from the size of the file, which may be that of its cover.
    if song.bit_rate:
        words.append(_("%(rate)s kbit/s") % {"rate": number(song.bit_rate / 1000)})
    words += [_("%(frequency)s kHz") % {"frequency": number(song.sample_rate_hz / 1000, 1)}, channels]
    return ", ".join(words)


def _older(pairs: Iterable[PossibleDuplicate], first: Mapping[int | None, Upload]) -> list[dict[str, Any]]:
    evidence = {"by_name": _("Same artist, title and length"), "by_sound": _("Sounds the same")}
    return [
        {
            **_side_of(pair.other, first),
            "evidence": [words for field, words in evidence.items() if getattr(pair, field)],
            "delete_url": _delete_url(pair.other),
        }
        for pair in pairs
    ]


def _delete_url(song: Song) -> str:
    return f"{resolve_url(settings.SONGS_DELETE_URL)}?song={song.pk}"


def _origin(upload: Upload) -> dict[str, Any]:
    return {
        "file_name": upload.file_name,
        "size_bytes": upload.size_bytes,
        "offered_at": upload.created_at,
        "offered_by": upload.owner.get_username() if upload.owner else "",
    }


def _first_uploads(song_ids: Iterable[int | None]) -> dict[int | None, Upload]:
    """Return the upload that each song came from; demo songs have none."""
    uploads = Upload.objects.filter(song__in=song_ids, outcome=_ACCEPTED).select_related("owner")
    return {upload.song_id: upload for upload in uploads.order_by("song_id", "id").distinct("song_id")}


def _side_of(song: Song, first: Mapping[int | None, Upload]) -> dict[str, Any]:
    origin = _origin(first[song.pk]) if song.pk in first else {"offered_at": song.created_at}
    return {"is_new": False, "song": song, "quality": quality(song), **origin, "size_bytes": song.size_bytes}
