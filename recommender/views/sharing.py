"""Shared playlists: the link created, opened, copied from and withdrawn."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from recommender import selectors
from recommender.services import sharing
from recommender.views.common import listener_of, own_playlist, to_playlist


@require_POST
def playlist_share(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a link."""
    playlist = own_playlist(request, pk)
    sharing.playlist_share(playlist=playlist)
    return to_playlist(playlist, "#share")


@require_POST
def playlist_unshare(request: HttpRequest, pk: int) -> HttpResponse:
    """Withdraw the link."""
    playlist = own_playlist(request, pk)
    sharing.playlist_unshare(playlist=playlist)
    messages.success(request, _("The link no longer works."))
    return to_playlist(playlist)


@require_safe
@never_cache
def shared_playlist(request: HttpRequest, token: str) -> HttpResponse:
    """The songs of a shared list, and nothing about its listener."""
    playlist = selectors.playlist_shared(token)
    songs = selectors.shared_songs(playlist)
    total_s = sum(each.song.duration_s for each in songs)
    context = {"title": playlist.title, "token": token, "songs": songs, "total_s": total_s}
    response = render(request, "recommender/shared_playlist.html", context)
    # Every holder of the link may open it; a search engine must not spread it.
    response["X-Robots-Tag"] = "noindex"
    return response


@require_POST
def shared_copy(request: HttpRequest, token: str) -> HttpResponse:
    """Copy it to a list of the visitor's."""
    shared = selectors.playlist_shared(token)
    playlist = sharing.playlist_copy(shared=shared, listener=listener_of(request))
    messages.success(request, _("This copy is yours."))
    return to_playlist(playlist)
