"""Helpers of several pages: the listener, their playlists, the context of a list."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from catalog.models import Song
from recommender import selectors
from recommender.forms import PlayedForm
from recommender.models import Playlist
from recommender.services import listeners
from recommender.values import Listener


def wants_json(request: HttpRequest) -> bool:
    """Whether a script asked, which shows the answer by itself."""
    return request.headers.get("Accept") == "application/json"


def listener_of(request: HttpRequest) -> Listener:
    """Return who is asking."""
    return listeners.listener_from_request(request)


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
