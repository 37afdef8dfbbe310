"""Helpers of several pages: playlists, the context of a list, and the offer to undo an action."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from django.core import signing
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _

from catalog.models import Song
from recommender import selectors
from recommender.exceptions import UndoTooLateError
from recommender.forms import PlayedForm
from recommender.models import Playlist
from recommender.requests import listener_of


def wants_json(request: HttpRequest) -> bool:
    """Whether a script asked, which shows the answer by itself."""
    return request.headers.get("Accept") == "application/json"


def song_or_404(pk: int) -> Song:
    """Return a song with who made it."""
    return get_object_or_404(Song.objects.select_related("artist", "album"), pk=pk)


def own_playlist(request: HttpRequest, pk: int) -> Playlist:
    """Return a playlist of the listener who asks; another listener's is not found."""
    return selectors.playlist_visible(listener_of(request), pk)


def own_playlists(request: HttpRequest) -> QuerySet[Playlist]:
    """Return the playlists of the listener who asks, newest first, each with its `item_count`."""
    return selectors.playlists_of(listener_of(request)).annotate(item_count=Count("items")).order_by("-id")


def playlist_named(request: HttpRequest, values: Any) -> Playlist | None:
    """Return the playlist that a form names as the one that plays, if it names one."""
    form = PlayedForm(values)
    number = form.cleaned_data["playlist"] if form.is_valid() else None
    return own_playlist(request, number) if number else None


def items_context(playlist: Playlist, *, arranging: bool = False) -> dict[str, Any]:
    """Return the context of the partial with a list's songs."""
    items = list(playlist.items.all())
    played = [item for item in items if item.played_at is not None]
    total_s = sum(item.song.duration_s for item in items)
    way = [
        {"valence": item.felt_valence, "arousal": item.felt_arousal, "title": item.song.title}
        for item in items
        if item.felt_valence is not None
    ]
    return {
        "playlist": playlist,
        "items": items,
        "n_heard": len(played),
        "total_s": total_s,
        "left_s": total_s - sum(item.song.duration_s for item in played),
        "moved": (),
        "arranging": arranging,
        "way": way,
    }


def to_playlist(playlist: Playlist, query: str = "") -> HttpResponse:
    """Redirect to the page of a list."""
    response = redirect("recommender:playlist_detail", playlist.pk)
    response["Location"] += query
    return response


HOLDS_S = 3600
_SALT = "recommender.views.common"
_KEY = "undo_offer"


@dataclass(frozen=True, slots=True)
class Undo:
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
    try:
        values: dict[str, Any] = signing.loads(request.POST.get("undo", ""), salt=_SALT, max_age=HOLDS_S)
    except signing.BadSignature:
        raise UndoTooLateError(_("This can no longer be undone.")) from None
    if (values.pop("who"), values.pop("what")) != (request.user.pk, what):
        raise UndoTooLateError(_("This can no longer be undone."))
    return values


def undo_offer(request: HttpRequest, undo: Undo) -> None:
    """Offer it on the next page."""
    request.session[_KEY] = asdict(undo)


def undo_offered(request: HttpRequest) -> Undo | None:
    """Return what the last page offered, once."""
    # A visitor without a session has been offered nothing, and gets none for asking.
    offer = request.session.pop(_KEY, None) if request.session.session_key else None
    return Undo(**offer) if offer else None
