"""Who asks for a playlist, and for what: built from a form or read from a stored playlist; checked and named."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict, Unpack

from django.contrib.auth.models import User
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from catalog.core.charts import Point
from catalog.models import Song
from emotion.inference.quadrants import Quadrant, place_words
from recommender.exceptions import PlaylistInvalidError
from recommender.models import DEFAULT_VARIETY, Playlist

DEFAULT_LENGTH = 12
MAX_LENGTH = 100
MAX_TITLE = 200
# A start, an end and a few way-points between.
MAX_PATH_POINTS = 6


@dataclass(frozen=True, slots=True)
class Listener:
    """The owner of a playlist: a signed-in user, or a visitor's browser session."""

    user: User | None
    session_key: str = ""

    @property
    def is_nobody(self) -> bool:
        """Whether there is neither account nor session, so that nothing can belong to them."""
        return self.user is None and not self.session_key

    def owner_fields(self, field: str) -> dict[str, Any]:
        """Return the values that make a row theirs, with the user under the name `field`."""
        return {field: self.user, "session_key": "" if self.user else self.session_key}

    def owns(self, field: str) -> Q:
        """Return the condition on rows that are theirs; no row is nobody's."""
        if self.user is not None:
            return Q(**{field: self.user})
        return Q(pk__in=[]) if self.is_nobody else Q(**self.owner_fields(field))


NOBODY = Listener(user=None)


def listener_of(request: HttpRequest) -> Listener:
    """Return the listener of a request; a visitor gets a session, which owns what they create.

    Only requests that may write create one: without a session there is nothing to read.
    """
    if request.user.is_authenticated:
        return Listener(user=request.user)
    if not request.session.session_key and request.method not in {"GET", "HEAD", "OPTIONS"}:
        request.session.create()
    return Listener(user=None, session_key=request.session.session_key or "")


def is_on_plane(*coordinates: float) -> bool:
    """Whether every coordinate lies in [-1, 1]; NaN does not."""
    return all(-1.0 <= value <= 1.0 for value in coordinates)


@dataclass(frozen=True, slots=True)
class Target:
    """A point on the plane, each axis in [-1, 1]; `quadrant` is set when the listener chose a quadrant by name."""

    valence: float
    arousal: float
    quadrant: Quadrant | None = None

    @classmethod
    def of_quadrant(cls, quadrant: Quadrant) -> Target:
        """Return the point that stands for a quadrant."""
        return cls(*quadrant.target, quadrant)

    @classmethod
    def of_point(cls, valence: float, arousal: float) -> Target:
        """Return a free point.

        Raises:
            PlaylistInvalidError: an axis is outside [-1, 1] or not a number.
        """
        for name, value in ((_("valence"), valence), (_("arousal"), arousal)):
            if not is_on_plane(value):
                raise PlaylistInvalidError(
                    _("The target's %(axis)s is %(value)s; it must lie between -1 and 1.")
                    % {"axis": name, "value": value}
                )
        return cls(valence, arousal)

    @property
    def point(self) -> Point:
        """(valence, arousal)."""
        return self.valence, self.arousal


@dataclass(frozen=True, slots=True)
class Filters:
    """The limits of a playlist; empty means everything."""

    genre: str = ""
    artist_id: int | None = None
    # The first year of ten, such as 1990.
    decade: int | None = None

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Filters:
        """Read what `as_json` wrote."""
        return cls(stored.get("genre", ""), stored.get("artist"), stored.get("decade"))

    def as_json(self) -> dict[str, object]:
        """Return the filters that are set, such as `{"genre": "Rock", "artist": 3, "decade": 1990}`."""
        stored = {"genre": self.genre, "artist": self.artist_id, "decade": self.decade}
        return {name: value for name, value in stored.items() if value}


NO_FILTERS = Filters()


class Limits(TypedDict, total=False):
    """What every kind of list may be limited by; see `PlaylistRequest`."""

    length: int
    filters: Filters
    seed: int
    variety: float


def new_seed() -> int:
    """Return a random seed that fits the exact integers of a browser."""
    return secrets.randbits(53)


@dataclass(frozen=True, slots=True)
class PlaylistRequest:
    """What a listener asks a playlist to be.

    `target` is where it is to be, of a journey where it ends; `path` `(m >= 2)` points from start to end makes it a
    journey; `around` is the id of a song to stay around; `mood` is the listener's stated mood before listening;
    `variety` in [0, 1] is how far it may explore.

    Raises:
        PlaylistInvalidError: the length or the variety is out of range.
    """

    target: Target
    length: int = DEFAULT_LENGTH
    seed: int = field(default_factory=new_seed)
    filters: Filters = NO_FILTERS
    around: int | None = None
    path: tuple[Point, ...] = ()
    mood: Point | None = None
    variety: float = DEFAULT_VARIETY

    def __post_init__(self) -> None:
        if not 1 <= self.length <= MAX_LENGTH:
            raise PlaylistInvalidError(
                _("A playlist has 1 to %(most)d songs, not %(n)d.") % {"most": MAX_LENGTH, "n": self.length}
            )
        if not 0.0 <= self.variety <= 1.0:
            raise PlaylistInvalidError(
                _("The variety is %(value)s; it must lie between 0 and 1.") % {"value": self.variety}
            )


def journey_request(path: Sequence[Point], **limits: Unpack[Limits]) -> PlaylistRequest:
    """Return the request for a journey; its start is also the listener's mood before listening.

    Raises:
        PlaylistInvalidError: the path has no end, too many way-points, or leaves the plane.
    """
    if not 2 <= len(path) <= MAX_PATH_POINTS:
        raise PlaylistInvalidError(
            ngettext(
                "A journey has a start, an end and at most %(most)d waypoints; this one has %(n)d point.",
                "A journey has a start, an end and at most %(most)d waypoints; this one has %(n)d points.",
                len(path),
            )
            % {"most": MAX_PATH_POINTS - 2, "n": len(path)}
        )
    targets = [Target.of_point(*point) for point in path]
    points = tuple(target.point for target in targets)
    return PlaylistRequest(target=targets[-1], path=points, mood=points[0], **limits)


def mood_of(playlist: Playlist) -> Point | None:
    """Return the mood that the listener stated before the playlist, if they did."""
    if playlist.mood_valence is None or playlist.mood_arousal is None:
        return None
    return playlist.mood_valence, playlist.mood_arousal


def request_of(playlist: Playlist) -> PlaylistRequest:
    """Return the request that a stored playlist was made for."""
    quadrant = None if playlist.target_quadrant is None else Quadrant(playlist.target_quadrant)
    return PlaylistRequest(
        target=Target(playlist.target_valence, playlist.target_arousal, quadrant),
        # By hand more songs can be added than are ever made at once.
        length=min(playlist.requested_length, MAX_LENGTH),
        seed=playlist.seed,
        filters=Filters.from_json(playlist.filters),
        around=playlist.seed_song_id,
        path=tuple((float(valence), float(arousal)) for valence, arousal in playlist.path),
        mood=mood_of(playlist),
        variety=playlist.variety,
    )


def owner_check(listener: Listener) -> None:
    """Refuse a playlist without an owner.

    Raises:
        PlaylistInvalidError: the listener has neither account nor session.
    """
    if listener.is_nobody:
        raise PlaylistInvalidError(_("A playlist must belong to a user or to a browser session."))


def title_checked(title: str) -> str:
    """Return a title on one line.

    Raises:
        PlaylistInvalidError: it is empty or too long.
    """
    words = " ".join("".join(char if char.isprintable() else " " for char in title).split())
    if not 1 <= len(words) <= MAX_TITLE:
        raise PlaylistInvalidError(
            _("A title has 1 to %(most)d characters; this one has %(n)d.") % {"most": MAX_TITLE, "n": len(words)}
        )
    return words


def title_of(request: PlaylistRequest, *, around: Song | None = None, first_artist: str = "") -> str:
    """Name a list after its request, the day and its first artist, so that two lists of one mood differ."""
    mood = mood_name(request, around=around)
    if around is not None:
        return mood
    day = date_format(timezone.localdate(), "MONTH_DAY_FORMAT")
    return " · ".join(filter(None, [mood, day, first_artist]))[:MAX_TITLE]


def mood_name(request: PlaylistRequest, *, around: Song | None = None) -> str:
    """Name what a list was asked for.

    A journey is named after its end alone: its start is how the listener felt.
    """
    if around is not None:
        return (_("Around “%(title)s”") % {"title": around.title})[:MAX_TITLE]
    target = request.target
    where = target.quadrant or Quadrant.from_valence_arousal(target.valence, target.arousal)
    if request.path:
        mood = _("Journey to %(mood)s") % {"mood": where.label}
    elif target.quadrant:
        mood = where.label
    else:
        words = place_words(target.valence, target.arousal)
        mood = f"{words[0].upper()}{words[1:]}"
    decade = _("%(year)ds") % {"year": request.filters.decade} if request.filters.decade else ""
    return " · ".join(filter(None, [mood, request.filters.genre, decade]))
