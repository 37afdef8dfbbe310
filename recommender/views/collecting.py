"""What listeners collect: playlists by hand, songs added to them, and smart lists."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from catalog.core.htmx import wants_fragment
from catalog.models import Album
from catalog.selectors import ALBUM_ORDER
from recommender import selectors
from recommender.browse.smart import READY_BY_SLUG
from recommender.exceptions import PlaylistInvalidError
from recommender.forms import AddForm, DescribeForm, SmartListForm
from recommender.models import Playlist
from recommender.requests import listener_of
from recommender.services import collecting
from recommender.views.common import own_playlist, own_playlists, song_or_404, to, to_playlist
from recommender.views.songs import songs_page

# Lists that songs can be added to, in the form; the newest.
_OFFERED = 50


@require_http_methods(["GET", "HEAD", "POST"])
def playlist_new(request: HttpRequest) -> HttpResponse:
    """A form for an empty playlist; POST creates it."""
    form = DescribeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        playlist = collecting.playlist_create_by_hand(listener=listener_of(request), **form.cleaned_data)
        return to_playlist(playlist)
    return render(request, "recommender/playlist_new.html", {"form": form})


@require_POST
def playlist_describe(request: HttpRequest, pk: int) -> HttpResponse:
    """Give a list another title and description."""
    playlist = own_playlist(request, pk)
    form = DescribeForm(request.POST)
    if form.is_valid():
        collecting.playlist_describe(playlist=playlist, **form.cleaned_data)
    else:
        messages.error(request, form.sentence)
    return to_playlist(playlist)


@require_http_methods(["GET", "HEAD", "POST"])
def song_add(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask which list a song goes to; POST adds it there."""
    song = song_or_404(pk)
    if request.method == "POST":
        return _added(request, [song.pk])
    return _add_form(request, title=str(song), number=f"s{pk}", action=reverse("recommender:song_add", args=[pk]))


@require_http_methods(["GET", "HEAD", "POST"])
def album_add(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask which list the songs of an album go to; POST adds them there."""
    album = get_object_or_404(Album.objects.select_related("artist"), pk=pk)
    if request.method == "POST":
        return _added(request, list(album.songs.order_by(*ALBUM_ORDER).values_list("pk", flat=True)))
    title = f"{album.title} – {album.artist}"
    return _add_form(request, title=title, number=f"a{pk}", action=reverse("recommender:album_add", args=[pk]))


def _add_form(request: HttpRequest, **context: str) -> HttpResponse:
    name = "partials/playlist_add" if wants_fragment(request) else "playlist_add"
    playlists = own_playlists(request)[:_OFFERED]
    return render(request, f"recommender/{name}.html", {**context, "playlists": playlists})


def _added(request: HttpRequest, song_ids: list[int]) -> HttpResponse:
    form = AddForm(request.POST)
    if not form.is_valid():
        raise PlaylistInvalidError(form.sentence)
    listener, title = listener_of(request), form.cleaned_data["title"].strip()
    if title:
        playlist = collecting.playlist_create_by_hand(listener=listener, title=title, song_ids=song_ids)
        n_added = len(song_ids)
    elif form.cleaned_data["playlist"]:
        playlist = own_playlist(request, form.cleaned_data["playlist"])
        n_added = len(collecting.playlist_add(playlist=playlist, listener=listener, song_ids=song_ids))
    else:
        raise PlaylistInvalidError(_("Choose a playlist, or give a new one a title."))
    sentence = _said(playlist, n_added)
    if wants_fragment(request):
        return render(request, "recommender/partials/playlist_added.html", {"playlist": playlist, "sentence": sentence})
    messages.success(request, sentence)
    return to_playlist(playlist)


def _said(playlist: Playlist, n_added: int) -> str:
    if not n_added:
        return _("It is in “%(title)s” already.") % {"title": playlist.title}
    sentence = ngettext("Added to “%(title)s”.", "%(n)d songs added to “%(title)s”.", n_added)
    return sentence % {"n": n_added, "title": playlist.title}


# --- Smart lists ------------------------------------------------------------------------------------------------------


@require_safe
def ready_list(request: HttpRequest, slug: str) -> HttpResponse:
    """A smart list that everybody has."""
    ready = READY_BY_SLUG.get(slug)
    if ready is None:
        raise Http404(slug)
    return songs_page(request, QueryDict(ready.query), heading={"title": ready.title, "about": ready.about})


@require_safe
def smart_list(request: HttpRequest, pk: int) -> HttpResponse:
    """The songs that a smart list has now."""
    found = selectors.smart_list_visible(listener_of(request), pk)
    return songs_page(request, QueryDict(found.query), heading={"title": found.title, "smart": found})


@require_POST
def smart_list_save(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """Name the rules of a song list, or change those of a smart list."""
    listener = listener_of(request)
    known = selectors.smart_list_visible(listener, pk) if pk else None
    form = SmartListForm(request.POST)
    if not form.is_valid():
        raise PlaylistInvalidError(form.sentence)
    title, query = form.cleaned_data["title"], form.cleaned_data["rules"]
    if known:
        saved = collecting.smart_list_change(smart_list=known, title=title, query=query)
    else:
        saved = collecting.smart_list_create(listener=listener, title=title, query=query)
    return to("smart_list", saved.pk)


@require_POST
def smart_list_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a smart list."""
    found = selectors.smart_list_visible(listener_of(request), pk)
    collecting.smart_list_delete(smart_list=found)
    messages.success(request, _("The smart list “%(title)s” was deleted; its songs stay.") % {"title": found.title})
    return to("library")
