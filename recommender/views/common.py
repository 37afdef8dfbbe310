"""Helpers of several pages: playlists, the context of a list, and the offer to undo an action."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NamedTuple

from django.contrib.postgres.expressions import ArraySubquery
from django.core import signing
from django.db.models import Count, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _

from catalog.models import Song
from recommender import selectors
from recommender.exceptions import UndoTooLateError
from recommender.forms import PlayedForm
from recommender.models import Playlist, PlaylistItem
from recommender.requests import listener_of

# So many covers of its songs stand for a list.
COVER_SONGS = 4
# An offer to undo holds for so long.
HOLDS_S = 3600
_SALT = "recommender.undo"
_KEY = "undo_offer"


def song_or_404(pk: int) -> Song:
    """Return a song with who made it."""
    return get_object_or_404(Song.objects.select_related("artist", "album"), pk=pk)


def own_playlist(request: HttpRequest, pk: int) -> Playlist:
    """Return a playlist of the listener who asks; another listener's is not found."""
    return selectors.playlist_visible(listener_of(request), pk)


def own_playlists(request: HttpRequest) -> QuerySet[Playlist]:
    """Return the playlists of the listener who asks, newest first.

    Each has its `item_count`, and in `cover_songs` the ids of the songs whose covers stand for it.
    """
    first = PlaylistItem.objects.filter(playlist=OuterRef("pk")).order_by("position").values("song_id")[:COVER_SONGS]
    playlists = selectors.playlists_of(listener_of(request)).order_by("-id")
    return playlists.annotate(item_count=Count("items"), cover_songs=ArraySubquery(first))


def playlist_named(request: HttpRequest, values: Any) -> Playlist | None:
    """Return the playlist that a form names as the one that plays, if it names one."""
    form = PlayedForm(values)
    number = form.cleaned_data["playlist"] if form.is_valid() else None
    return own_playlist(request, number) if number else None


def items_context(playlist: Playlist, *, arranging: bool = False) -> dict[str, Any]:
    """Return the context of the partial with a list's songs."""
    items = list(playlist.items.all())
    left = [item for item in items if item.played_at is None]
    way = [
        {"valence": item.felt_valence, "arousal": item.felt_arousal, "title": item.song.title}
        for item in items
        if item.felt_valence is not None
    ]
    return {
        "playlist": playlist,
        "items": items,
        "cover_songs": [item.song_id for item in items[:COVER_SONGS]],
        "n_heard": len(items) - len(left),
        "total_s": sum(item.song.duration_s for item in items),
        "left_s": sum(item.song.duration_s for item in left),
        "moved": (),
        "arranging": arranging,
        "way": way,
    }


def to(name: str, *args: int, rest: str = "") -> HttpResponse:
    """Redirect to a page of the recommender; `rest` is a query or the name of a place."""
    return HttpResponseRedirect(reverse(f"recommender:{name}", args=args) + rest)


def to_playlist(playlist: Playlist, rest: str = "") -> HttpResponse:
    """Redirect to the page of a list."""
    return to("playlist_detail", playlist.pk, rest=rest)


# --- The offer to undo the last action ------------------------------------------------------------------------------
#
# A signed token in a form, without server state. A fragment shows its offer at once; a page after a redirect finds it
# in the session, once.


class Undo(NamedTuple):
    """A sentence on what was done, the address that undoes it, and the signed `token` for it."""

    sentence: str
    url: str
    token: str = ""


def undo_token(request: HttpRequest, what: str, **values: Any) -> str:
    """Sign the values that undo an action; only this listener can use them, and only for `what`."""
    return signing.dumps({**values, "who": request.user.pk, "what": what}, salt=_SALT, compress=True)


def undo_values(request: HttpRequest, what: str) -> dict[str, Any]:
    """Return what was signed.

    Raises:
        UndoTooLateError: it was signed too long ago, for another action or user, or not by this server.
    """
    with suppress(signing.BadSignature):
        values: dict[str, Any] = signing.loads(request.POST.get("undo", ""), salt=_SALT, max_age=HOLDS_S)
        if (values.pop("who"), values.pop("what")) == (request.user.pk, what):
            return values
    raise UndoTooLateError(_("This can no longer be undone."))


def undo_offer(request: HttpRequest, undo: Undo) -> None:
    """Offer it on the next page."""
    request.session[_KEY] = undo._asdict()


def undo_offered(request: HttpRequest) -> Undo | None:
    """Return what the last page offered, once."""
    # A visitor without a session has been offered nothing, and gets none for asking.
    offer = request.session.pop(_KEY, None) if request.session.session_key else None
    return Undo(**offer) if offer else None
