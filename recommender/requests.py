"""What a stored playlist asks for, and what it is called."""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from catalog.core.points import Point
from catalog.models import Song
from emotion.inference.quadrants import Quadrant
from emotion.models import EmotionEstimate
from recommender.exceptions import PlaylistInvalid
from recommender.models import DEFAULT_VARIETY, Playlist
from recommender.values import NO_FILTERS, Filters, Listener, Target

DEFAULT_LENGTH = 12
MAX_LENGTH = 100
MAX_TITLE = 200
# A start, an end and a few way-points between.
MAX_PATH_POINTS = 6


@dataclass(frozen=True, slots=True)
class Wish:
    """What a listener asks a playlist to be.

    `target` is where it is to be, of a journey where it ends; `path` `(m >= 2)` points from start to end makes it a
    journey; `around` is the id of a song to stay around; `mood` is how the listener said they are before listening;
    `variety` in [0, 1] says how far it may roam from what is known best.
    """

    target: Target
    length: int
    seed: int
    filters: Filters = NO_FILTERS
    around: int | None = None
    path: tuple[Point, ...] = ()
    mood: Point | None = None
    variety: float = 0.3


def journey_wish(
    *,
    path: Sequence[Point],
    length: int = DEFAULT_LENGTH,
    filters: Filters = NO_FILTERS,
    seed: int | None = None,
    variety: float = DEFAULT_VARIETY,
) -> Wish:
    """Return the wish for a journey; its start is also how the listener is before listening.

    Raises:
        PlaylistInvalid: the path has no end, or leaves the plane.
    """
    points = path_checked(path)
    return Wish(
        target=Target.of_point(*points[-1]),
        length=length,
        seed=seed_or_new(seed),
        filters=filters,
        path=points,
        mood=points[0],
        variety=variety,
    )


def seed_or_new(seed: int | None) -> int:
    """Return a seed, a new one for None; it fits the exact integers of a browser."""
    return secrets.randbits(53) if seed is None else seed


def target_of(playlist: Playlist) -> Target:
    """Return the target of a stored playlist."""
    quadrant = None if playlist.target_quadrant is None else Quadrant(playlist.target_quadrant)
    return Target(valence=playlist.target_valence, arousal=playlist.target_arousal, quadrant=quadrant)


def mood_of(playlist: Playlist) -> Point | None:
    """Return how the listener said they were before the playlist, if they did."""
    if playlist.mood_valence is None or playlist.mood_arousal is None:
        return None
    return playlist.mood_valence, playlist.mood_arousal


def wish_of(playlist: Playlist) -> Wish:
    """Return what a stored playlist was asked to be."""
    return Wish(
        target=target_of(playlist),
        length=playlist.requested_length,
        seed=playlist.seed,
        filters=Filters.from_json(playlist.filters),
        around=playlist.seed_song_id,
        path=tuple((float(valence), float(arousal)) for valence, arousal in playlist.path),
        mood=mood_of(playlist),
        variety=playlist.variety,
    )


def wish_check(listener: Listener, wish: Wish) -> None:
    """Refuse a wish that cannot be stored.

    Raises:
        PlaylistInvalid: a number is out of range, or the listener is nobody.
    """
    if not 1 <= wish.length <= MAX_LENGTH:
        raise PlaylistInvalid(
            _("A playlist has 1 to %(most)d songs, not %(n)d.") % {"most": MAX_LENGTH, "n": wish.length}
        )
    if not (math.isfinite(wish.variety) and 0.0 <= wish.variety <= 1.0):
        raise PlaylistInvalid(_("The variety is %(value)s; it must lie between 0 and 1.") % {"value": wish.variety})
    if listener.user is None and not listener.session_key:
        raise PlaylistInvalid(_("A playlist must belong to a user or to a browser session."))


def path_checked(path: Sequence[Point]) -> tuple[Point, ...]:
    """Return a journey's path.

    Raises:
        PlaylistInvalid: it has no end, too many way-points, or leaves the plane.
    """
    if not 2 <= len(path) <= MAX_PATH_POINTS:
        raise PlaylistInvalid(
            ngettext(
                "A journey has a start, an end and at most %(most)d way-points; this one has %(n)d point.",
                "A journey has a start, an end and at most %(most)d way-points; this one has %(n)d points.",
                len(path),
            )
            % {"most": MAX_PATH_POINTS - 2, "n": len(path)}
        )
    return tuple(Target.of_point(valence, arousal).point for valence, arousal in path)


def target_around(song: Song) -> Target:
    """Return where a song is on the plane, as the target of a list around it.

    Raises:
        PlaylistInvalid: the model has not heard it yet.
    """
    current = EmotionEstimate.objects.filter(is_current=True, song=song).with_effective()
    point = current.values_list("effective_valence", "effective_arousal").first()
    if point is None:
        raise PlaylistInvalid(
            _("The model has not heard “%(title)s” yet, so there is nothing to be around.") % {"title": song.title}
        )
    return Target(*point)


def title_checked(title: str) -> str:
    """Return a title on one line.

    Raises:
        PlaylistInvalid: it is empty or too long.
    """
    words = " ".join("".join(char if char.isprintable() else " " for char in title).split())
    if not 1 <= len(words) <= MAX_TITLE:
        raise PlaylistInvalid(
            _("A title has 1 to %(most)d letters; this one has %(n)d.") % {"most": MAX_TITLE, "n": len(words)}
        )
    return words


def title_of(wish: Wish, *, around: Song | None = None) -> str:
    """Name a list after its wish. A journey is named after its end alone: where it begins is how somebody felt."""
    if around is not None:
        return (_("Around “%(title)s”") % {"title": around.title})[:MAX_TITLE]
    where = wish.target.quadrant or Quadrant.from_valence_arousal(wish.target.valence, wish.target.arousal)
    if wish.path:
        mood = _("Journey to %(mood)s") % {"mood": where.label}
    elif wish.target.quadrant:
        mood = where.label
    else:
        numbers = {"valence": _signed(wish.target.valence), "arousal": _signed(wish.target.arousal)}
        mood = _("Around %(valence)s, %(arousal)s (%(mood)s)") % {**numbers, "mood": where.label}
    decade = _("%(year)ds") % {"year": wish.filters.decade} if wish.filters.decade else ""
    limits = [wish.filters.genre, decade]
    return " · ".join([mood, *filter(None, limits)])


def _signed(value: float) -> str:
    return f"{'-' if value < 0 else '+'}{number_format(abs(value), 1)}"
