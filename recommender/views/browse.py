"""The library: albums, artists, genres, decades, what a listener likes and played, and one search over all of it."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.paginator import Page, Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from catalog.core.htmx import wants_fragment
from catalog.models import Album, Artist, WatchedFolder
from catalog.selectors import words_in
from catalog.songs.spelling import Vocabulary, corrected
from recommender import selectors
from recommender.browse import folders
from recommender.browse import selectors as browse
from recommender.browse.smart import READY
from recommender.forms import SongFilterForm
from recommender.requests import MAX_TITLE, listener_of
from recommender.services import collecting
from recommender.views.common import own_playlists
from recommender.views.songs import MOST_DIGITS, songs_found

ALBUMS_PER_PAGE = 48
ARTISTS_PER_PAGE = 60
# Of each kind, on the overview and in the results of a search.
ON_SHELF = 8
FOUND_OF_KIND = 6
FOUND_SONGS = 12
TOP_SONGS = 10
MOST_QUEUED = 500
_ALBUM_SORTS = {
    "title": gettext_lazy("By title"),
    "artist": gettext_lazy("By artist"),
    "newest": gettext_lazy("Recently added"),
}


@require_safe
def library(request: HttpRequest) -> HttpResponse:
    """The overview: what is new, what the listener played and likes, and ways into the rest."""
    listener = listener_of(request)
    context = {
        "newest": browse.albums_describe(browse.albums_browse(sort="newest")[:ON_SHELF]),
        "played": selectors.songs_browse(sort="played", listener=listener)[:ON_SHELF],
        "genres": sorted(browse.genres_counted(), key=lambda genre: -genre.n_songs)[:ON_SHELF],
        "decades": browse.decades_counted(),
        "smart_lists": selectors.smart_lists_of(listener),
        "ready": READY,
    }
    return render(request, "recommender/browse/library.html", context)


@require_safe
def album_list(request: HttpRequest) -> HttpResponse:
    """All albums, or those of a genre or decade, or those that the listener likes."""
    filters = SongFilterForm(request.GET).filters
    limits: dict[str, Any] = {name: filters[name] for name in ("genre", "decade") if name in filters}
    sort = request.GET.get("sort", "title")
    sort = sort if sort in _ALBUM_SORTS else "title"
    liked = "liked" in filters
    albums = browse.albums_liked(request.user) if liked else browse.albums_browse(sort=sort, **limits)
    page: Page[Any] = Paginator(albums, ALBUMS_PER_PAGE).get_page(request.GET.get("page"))
    page.object_list = browse.albums_describe(page.object_list, moods=True)
    query = dict(limits)
    if sort != "title":
        query["sort"] = sort
    if liked:
        query["liked"] = "on"
    context: dict[str, Any] = {
        "page": page,
        "sort": sort,
        "sorts": _ALBUM_SORTS.items(),
        "liked": liked,
        "limits": limits,
        "query_string": urlencode(query),
    }
    if not wants_fragment(request) and sort == "title" and not liked:
        context["letters"] = browse.letters(albums, ALBUMS_PER_PAGE)
    return render(request, "recommender/browse/album_list.html", context)


@require_safe
def album_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One album: its songs by disc, and where they lie on the plane."""
    album = get_object_or_404(Album.objects.select_related("artist"), pk=pk)
    songs = browse.album_songs(album)
    [described] = browse.albums_describe([album])
    context = {
        "album": described,
        "queue_query": f"album={pk}",
        "discs": browse.album_discs(songs),
        "songs": songs,
        "genres": list(dict.fromkeys(genre for song in songs for genre in song.genres)),
        "hides_artists": all(song.by == str(album.artist) for song in songs),
        "place": browse.mood_place(songs),
        "is_liked": browse.album_is_liked(request.user, album),
    }
    return render(request, "recommender/browse/album.html", context)


@require_POST
def album_like(request: HttpRequest, pk: int, *, liked: bool) -> HttpResponseBase:
    """Like an album, or no longer."""
    album = get_object_or_404(Album, pk=pk)
    if not request.user.is_authenticated:
        return redirect_to_login(reverse("recommender:album_detail", args=[pk]))
    collecting.album_like(user=request.user, album=album, liked=liked)
    if wants_fragment(request):
        return render(request, "recommender/browse/album_like.html", {"album": album, "is_liked": liked})
    return redirect("recommender:album_detail", pk)


@require_safe
def artist_list(request: HttpRequest) -> HttpResponse:
    """All artists by name."""
    artists = browse.artists_browse()
    page: Page[Any] = Paginator(artists, ARTISTS_PER_PAGE).get_page(request.GET.get("page"))
    page.object_list = browse.artists_describe(page.object_list)
    context: dict[str, Any] = {"page": page, "query_string": ""}
    if not wants_fragment(request):
        context["letters"] = browse.letters(artists, ARTISTS_PER_PAGE)
    return render(request, "recommender/browse/artist_list.html", context)


@require_safe
def artist_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One artist: albums, those of others on which they appear, and songs."""
    artist = get_object_or_404(Artist, pk=pk)
    own, on = browse.artist_albums(artist)
    songs = browse.artist_songs(artist)
    listener = listener_of(request)
    context = {
        "artist": artist,
        "queue_query": f"artist={pk}",
        "albums": own,
        "appears_on": on,
        "songs": selectors.songs_in_order(browse.songs_top(songs, listener, TOP_SONGS)),
        "place": browse.mood_place_of(songs),
    }
    return render(request, "recommender/browse/artist.html", context)


@require_safe
def genre_list(request: HttpRequest) -> HttpResponse:
    """All genres."""
    return render(request, "recommender/browse/genres.html", {"genres": browse.genres_counted()})


@require_safe
def decade_list(request: HttpRequest) -> HttpResponse:
    """All decades."""
    return render(request, "recommender/browse/decades.html", {"decades": browse.decades_counted()})


@require_safe
def songs_queue(request: HttpRequest) -> HttpResponse:
    """The songs of a list, as far as the player takes them at once: those that `song_list` shows for the same query."""
    songs, _meant = songs_found(SongFilterForm(request.GET).filters, listener_of(request))
    return render(request, "recommender/browse/queue.html", {"songs": songs[:MOST_QUEUED]})


@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """Songs, albums, artists and playlists that have the words; without any, those with the nearest words."""
    words = request.GET.get("q", "").replace("\x00", "").strip()[:MAX_TITLE]
    # What no song has, neither an artist nor an album has.
    meant = corrected(words) if words else ""
    found = _found(request, words, meant or words) if words else {}
    if words and not any(found.values()):
        # The words of one's own lists are nobody else's suggestions.
        titles = selectors.playlists_of(listener_of(request)).order_by().values_list("title", flat=True)
        if meant := corrected(words, Vocabulary.of(titles)):
            found["playlists"] = _playlists_found(request, meant)
    context = {"words": words, "meant": meant, "found": found, "is_empty": not any(found.values())}
    name = "search_results" if wants_fragment(request) else "search"
    return render(request, f"recommender/browse/{name}.html", context)


def _found(request: HttpRequest, words: str, meant: str) -> dict[str, list[Any]]:
    return {
        "artists": list(browse.artists_browse(query=meant)[:FOUND_OF_KIND]),
        "albums": browse.albums_describe(browse.albums_browse(query=meant)[:FOUND_OF_KIND]),
        "songs": selectors.songs_browse(query=meant)[:FOUND_SONGS],
        "playlists": _playlists_found(request, words, meant),
    }


def _playlists_found(request: HttpRequest, *queries: str) -> list[Any]:
    return list(words_in(own_playlists(request), "title", *queries)[:FOUND_OF_KIND])


@require_safe
def folder_list(request: HttpRequest) -> HttpResponse:
    """The folders that the server watches, or what is in one of them."""
    number = request.GET.get("in", "")
    try:
        path = folders.path_read(request.GET.get("path", ""))
    except ValueError as error:
        raise Http404 from error
    roots = WatchedFolder.objects.order_by("path")
    if not number.isdecimal() or len(number) >= MOST_DIGITS:
        return render(request, "recommender/browse/folders.html", {"roots": list(roots)})
    root = get_object_or_404(roots, pk=number)
    songs = folders.songs_in(root, path)
    context = {
        "root": root,
        "way": folders.way_to(path),
        "folders": folders.folders_in(root, path),
        "songs": songs,
        "most": folders.MOST_SHOWN,
    }
    return render(request, "recommender/browse/folders.html", context)
