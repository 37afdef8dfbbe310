"""A listener's moods as playlists: made for the day from what is known of them, and anew when they ask.

Their numbers stay, so that a player keeps its place: `mood-1` to `mood-4` for the quadrants, `mood-wind-down`,
`mood-lift`, `mood-own-N` for what a saved list was made for, `mood-smart-N` and `mood-ready-NAME` for smart lists.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.contrib.auth.models import User
from django.db.models import Sum
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from catalog.models import Song
from emotion.inference.quadrants import Quadrant
from recommender.browse.smart import READY
from recommender.forms import SongFilterForm
from recommender.generate import generate
from recommender.models import MoodList, Playlist, SmartList
from recommender.ranking.journeys import PRESETS
from recommender.requests import Listener, PlaylistRequest, Target, journey_request, mood_name, request_of
from recommender.selectors import mood_now, playlists_of, smart_lists_of, songs_browse
from recommender.subsonic.calls import not_found

N_SONGS = 30
MOST_SMART_SONGS = 500
# Of what a listener saved, the newest.
MOST_OWN = 12
_NUMBER = re.compile(r"mood-([a-z0-9-]{1,50})", re.ASCII)
# Where a day that has said nothing of itself begins: awake, and neither glad nor sad.
_USUAL_MOOD = (-0.1, 0.2)
_WIND_DOWN, _LIFT = "wind-down", "lift"
_PATHS = {
    _WIND_DOWN: (gettext_noop("Wind down"), "calm"),
    _LIFT: (gettext_noop("Lift"), "lift"),
}
_OWN, _SMART, _READY = "own-", "smart-", "ready-"


@dataclass(slots=True)
class Made:
    """What a list holds: songs in order, each with its reason, and what is to be said of the whole."""

    entries: list[tuple[int, str]]
    note: str = ""


@dataclass(frozen=True, slots=True)
class MoodListShown:
    """A list as players see it."""

    slug: str
    name: str
    about: str
    entries: list[tuple[int, str]]
    total_s: float
    created_at: datetime
    changed_at: datetime
    song_ids: list[int] = field(default_factory=list)

    @property
    def number(self) -> str:
        """What players call it."""
        return f"mood-{self.slug}"


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a list is named and made. What is `live` is found whenever it is opened."""

    slug: str
    name: str
    make: Callable[[Listener, int], Made]
    about: str = ""
    live: bool = False


def slug_of(number: str) -> str | None:
    """Return which mood list a number names; None when it names none."""
    match = _NUMBER.fullmatch(number)
    return match[1] if match else None


def mood_lists(user: User) -> list[MoodListShown]:
    """Return all lists of a listener, those that are not of today made anew."""
    kinds = _kinds(user)
    kept = {row.slug: row for row in MoodList.objects.filter(listener=user)}
    # What it was for is gone.
    gone = kept.keys() - {kind.slug for kind in kinds}
    MoodList.objects.filter(listener=user, slug__in=gone).delete()
    return [_shown(kind, _today(user, kind, kept.get(kind.slug))) for kind in kinds]


def mood_list(user: User, slug: str) -> MoodListShown:
    """Return a list of a listener to be opened.

    Raises:
        SubsonicError: there is no such list, or it is another listener's.
    """
    kind = _kind(user, slug)
    row = MoodList.objects.filter(listener=user, slug=slug).first()
    row = _stored(user, kind, row) if kind.live or row is None else _today(user, kind, row)
    return _shown(kind, row)


def mood_list_renew(*, user: User, slug: str) -> None:
    """Make a list anew, with other songs than before.

    Raises:
        SubsonicError: there is no such list, or it is another listener's.
    """
    kind = _kind(user, slug)
    row = MoodList.objects.filter(listener=user, slug=slug).first()
    _stored(user, kind, row, n_renewed=1 + (row.n_renewed if row and row.made_on == timezone.localdate() else 0))


def mood_lists_renew(*, user: User) -> None:
    """Make all lists anew that are not found by rules."""
    for kind in _kinds(user):
        if not kind.live:
            mood_list_renew(user=user, slug=kind.slug)


def _today(user: User, kind: _Kind, row: MoodList | None) -> MoodList:
    return row if row is not None and row.made_on == timezone.localdate() else _stored(user, kind, row)


def _stored(user: User, kind: _Kind, row: MoodList | None, *, n_renewed: int | None = None) -> MoodList:
    """Make a list and keep it; the seed is the day, and how often others were asked for on it."""
    today = timezone.localdate()
    if n_renewed is None:
        n_renewed = row.n_renewed if row is not None and row.made_on == today else 0
    seed = _seed(f"{today.isoformat()} {n_renewed} {user.pk} {kind.slug}")
    made = kind.make(Listener(user=user), seed)
    entries = [[song_id, reason] for song_id, reason in made.entries]
    is_same = row is not None and row.entries == entries
    total = Song.objects.filter(pk__in=[song_id for song_id, _reason in made.entries]).aggregate(s=Sum("duration_s"))
    values = {
        "made_on": today,
        "n_renewed": n_renewed,
        "entries": entries,
        "note": made.note,
        "total_s": total["s"] or 0.0,
        "changed_at": row.changed_at if is_same and row is not None else timezone.now(),
    }
    stored, _created = MoodList.objects.update_or_create(listener=user, slug=kind.slug, defaults=values)
    return stored


def _seed(words: str) -> int:
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:6])


def _shown(kind: _Kind, row: MoodList) -> MoodListShown:
    entries = [(int(song_id), str(reason)) for song_id, reason in row.entries]
    return MoodListShown(
        slug=kind.slug,
        name=kind.name,
        about=" ".join(filter(None, (kind.about, row.note))),
        entries=entries,
        total_s=row.total_s,
        created_at=row.changed_at,
        changed_at=row.changed_at,
        song_ids=[song_id for song_id, _reason in entries],
    )


# --- The kinds --------------------------------------------------------------------------------------------------------


def _kind(user: User, slug: str) -> _Kind:
    for kind in _kinds(user, only=slug):
        if kind.slug == slug:
            return kind
    raise not_found()


def _kinds(user: User, only: str = "") -> list[_Kind]:
    listener = Listener(user=user)
    kinds = [_of_quadrant(quadrant) for quadrant in Quadrant]
    kinds += [_of_path(slug) for slug in _PATHS]
    if not only or only.startswith(_OWN):
        kinds += _own(listener)
    if not only or only.startswith(_SMART):
        kinds += [_of_smart_list(each) for each in smart_lists_of(listener)]
    kinds += [_of_rules(f"{_READY}{each.slug}", str(each.title), each.query, str(each.about)) for each in READY]
    return kinds


def _of_quadrant(quadrant: Quadrant) -> _Kind:
    def make(listener: Listener, seed: int) -> Made:
        target = Target.of_quadrant(quadrant)
        return _generated(listener, PlaylistRequest(target, length=N_SONGS, seed=seed, mood=mood_now(listener)))

    return _Kind(str(quadrant.value), quadrant.label, make)


def _of_path(slug: str) -> _Kind:
    name, preset = _PATHS[slug]

    def make(listener: Listener, seed: int) -> Made:
        path = PRESETS[preset].path(mood_now(listener) or _USUAL_MOOD)
        return _generated(listener, journey_request(path, length=N_SONGS, seed=seed))

    return _Kind(slug, _(name), make)


def _own(listener: Listener) -> Iterable[_Kind]:
    """Return what a listener's saved lists were made for, once for each target."""
    saved = playlists_of(listener).filter(saved_at__isnull=False).exclude(kind__in=Playlist.CHOSEN)
    kinds: dict[str, _Kind] = {}
    for playlist in saved.select_related("seed_song").order_by("-saved_at")[:MOST_OWN]:
        name = _("%(mood)s, today's songs") % {"mood": mood_name(request_of(playlist), around=playlist.seed_song)}
        kinds.setdefault(name, _of_own(playlist, name))
    return kinds.values()


def _of_own(playlist: Playlist, name: str) -> _Kind:
    def make(listener: Listener, seed: int) -> Made:
        return _generated(listener, replace(request_of(playlist), length=N_SONGS, seed=seed, mood=mood_now(listener)))

    return _Kind(f"{_OWN}{playlist.pk}", name, make)


def _of_smart_list(smart: SmartList) -> _Kind:
    return _of_rules(f"{_SMART}{smart.pk}", smart.title, smart.query)


def _of_rules(slug: str, name: str, query: str, about: str = "") -> _Kind:
    def make(listener: Listener, seed: int) -> Made:
        found = songs_browse(**SongFilterForm(QueryDict(query)).filters, listener=listener)
        return Made([(song_id, "") for song_id in found.ids[:MOST_SMART_SONGS]])

    return _Kind(slug, name, make, about, live=True)


def _generated(listener: Listener, request: PlaylistRequest) -> Made:
    made = generate(listener=listener, request=request)
    return Made([(entry.song_id, entry.reason) for entry in made.entries], made.note)
