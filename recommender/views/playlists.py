"""Playlists: made, shown, named, put in order, kept, deleted."""

from __future__ import annotations

from operator import itemgetter

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST, require_safe

from recommender import services
from recommender.exceptions import PlaylistItemNotFound
from recommender.exchange import FORMATS
from recommender.forms import MoveForm, PlaylistForm, TitleForm
from recommender.models import Playlist, PlaylistItem
from recommender.views.common import (
    items_context,
    listener_of,
    own_playlist,
    own_playlists,
    to_playlist,
    wants_fragment,
)
from recommender.views.feedback import felt_context

PLAYLISTS_PER_PAGE = 24


@require_http_methods(["GET", "HEAD", "POST"])
def playlist_list(request: HttpRequest) -> HttpResponse:
    """The listener's own playlists; POST makes a new one."""
    if request.method == "POST":
        return _playlist_create(request)
    only_saved = "saved" in request.GET
    playlists = own_playlists(request)
    if only_saved:
        playlists = playlists.filter(saved_at__isnull=False)
    page: Page = Paginator(playlists, PLAYLISTS_PER_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "only_saved": only_saved, "query_string": "saved=1" if only_saved else ""}
    return render(request, "recommender/playlist_list.html", context)


def _playlist_create(request: HttpRequest) -> HttpResponse:
    form = PlaylistForm(request.POST)
    if not form.is_valid():
        messages.error(request, form.sentence)
        return redirect("recommender:home")
    playlist = services.playlist_create(listener=listener_of(request), target=form.target, **form.limits)
    return to_playlist(playlist, "?play=1")


@require_safe
def playlist_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """The songs of a list, with the reason for each, and the rating of the one that plays."""
    playlist = own_playlist(request, pk)
    context = items_context(playlist, arranging="arrange" in request.GET)
    context |= {"autoplay": "play" in request.GET, "formats": FORMATS.values()}
    if playlist.share_token:
        context["share_url"] = request.build_absolute_uri(_shared_path(playlist))
    current = _current_item(context["items"])
    if current is not None:
        context |= felt_context(request, current.song, playlist)
    return render(request, "recommender/playlist_detail.html", context)


@require_GET
def playlist_items(request: HttpRequest, pk: int) -> HttpResponse:
    """The songs of a list alone, for a player that runs while the order changes."""
    return render(request, "recommender/partials/playlist_items.html", items_context(own_playlist(request, pk)))


@require_POST
def playlist_regenerate(request: HttpRequest, pk: int) -> HttpResponse:
    """Make another list for the same wish."""
    old = own_playlist(request, pk)
    return to_playlist(services.playlist_regenerate(playlist=old, listener=listener_of(request)))


@require_POST
def playlist_rerank(request: HttpRequest, pk: int) -> HttpResponse:
    """Rank what was not played yet again, because the listener asked for it."""
    playlist = own_playlist(request, pk)
    result = services.playlist_rerank(playlist=playlist, listener=listener_of(request))
    messages.success(request, result.sentence)
    return to_playlist(playlist)


@require_POST
def playlist_rename(request: HttpRequest, pk: int) -> HttpResponse:
    """Give a list another title."""
    playlist = own_playlist(request, pk)
    form = TitleForm(request.POST)
    if form.is_valid():
        services.playlist_rename(playlist=playlist, title=form.cleaned_data["title"])
    else:
        messages.error(request, form.sentence)
    return to_playlist(playlist)


@require_POST
def playlist_save(request: HttpRequest, pk: int) -> HttpResponse:
    """Keep a list."""
    return to_playlist(services.playlist_save(playlist=own_playlist(request, pk)))


@require_POST
def playlist_unsave(request: HttpRequest, pk: int) -> HttpResponse:
    """Keep a list no longer; it is not deleted by that."""
    return to_playlist(services.playlist_save(playlist=own_playlist(request, pk), saved=False))


@require_POST
def playlist_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a list; what was felt and heard stays."""
    playlist = own_playlist(request, pk)
    services.playlist_delete(playlist=playlist)
    messages.success(request, f"“{playlist.title}” was deleted.")
    return redirect("recommender:playlist_list")


@require_POST
def playlist_item_move(request: HttpRequest, pk: int, song_pk: int) -> HttpResponse:
    """Move a song up or down by one place."""
    playlist = own_playlist(request, pk)
    form = MoveForm(request.POST)
    if not form.is_valid():
        raise PlaylistItemNotFound("A song is moved up or down by one place.")
    services.item_shift(playlist=playlist, listener=listener_of(request), song_id=song_pk, by=form.cleaned_data["by"])
    return _arranged(request, pk)


@require_POST
def playlist_item_remove(request: HttpRequest, pk: int, song_pk: int) -> HttpResponse:
    """Take a song out of a list."""
    services.item_remove(playlist=own_playlist(request, pk), listener=listener_of(request), song_id=song_pk)
    return _arranged(request, pk)


def _arranged(request: HttpRequest, pk: int) -> HttpResponse:
    playlist = own_playlist(request, pk)
    if not wants_fragment(request):
        return to_playlist(playlist, "?arrange=1")
    context = items_context(playlist, arranging=True)
    return render(request, "recommender/partials/playlist_items.html", context)


def _current_item(items: list[PlaylistItem]) -> PlaylistItem | None:
    """The song that was begun last, or the first one."""
    begun = [(item.played_at, item) for item in items if item.played_at]
    return max(begun, key=itemgetter(0))[1] if begun else next(iter(items), None)


def _shared_path(playlist: Playlist) -> str:
    return reverse("recommender:shared_playlist", args=[playlist.share_token])
