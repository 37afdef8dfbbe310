"""Songs: searched, shown, used as the centre of a list, deleted."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from catalog import selectors as catalog_selectors
from catalog.core.htmx import wants_fragment
from catalog.exceptions import TooManySongsError
from catalog.models import Album, Artist, FolderFile, Song
from catalog.permissions import allowed, can_upload
from catalog.songs import services as song_services
from catalog.songs.spelling import corrected
from emotion.inference.quadrants import Quadrant
from emotion.library.forms import Selection
from emotion.library.services import MAX_SONGS
from emotion.measures.words import KEYS, key_name
from emotion.selectors import label_of
from recommender import selectors
from recommender.forms import DECADES, MAX_BPM, MoreForm, SongFilterForm
from recommender.models import SmartList
from recommender.requests import Listener, listener_of
from recommender.rules import MEASURED, RULES
from recommender.services import endless, playlists
from recommender.views.common import song_or_404, to_playlist, undo_offered
from recommender.views.feedback import felt_context

SONGS_PER_PAGE = 30
SIMILAR_SONGS = 6
# Of a number in an address; a longer one is none of ours.
MOST_DIGITS = 10
# Songs that the page before a deletion names.
_NAMED = 8
_SORTS = {
    "newest": gettext_lazy("Recently added"),
    "oldest": gettext_lazy("Oldest first"),
    "title": gettext_lazy("By title"),
    "year": gettext_lazy("Latest year first"),
    "slowest": gettext_lazy("Slowest first"),
    "fastest": gettext_lazy("Fastest first"),
    "played": gettext_lazy("Recently played"),
    "plays": gettext_lazy("Most played"),
}


# Orders that have a tab of their own.
_ROOMS = {"played": "played", "plays": "plays"}


@require_safe
def song_list(request: HttpRequest) -> HttpResponse:
    """Search and browse."""
    return songs_page(request, request.GET)


def songs_page(
    request: HttpRequest, query: QueryDict, *, heading: Mapping[str, Any] = MappingProxyType({})
) -> HttpResponse:
    """Show the songs of a query, a page at a time; `heading` is the title and more of a list that has a name."""
    form = SongFilterForm(query)
    filters, listener = form.filters, listener_of(request)
    artist = Artist.objects.filter(pk=filters["artist_id"]).first() if "artist_id" in filters else None
    albums = Album.objects.select_related("artist")
    album = albums.filter(pk=filters["album_id"]).first() if "album_id" in filters else None
    found, meant = songs_found(filters, listener)
    page: Page[Song] = Paginator(found, SONGS_PER_PAGE).get_page(request.GET.get("page"))
    context: dict[str, Any] = {
        "page": page,
        # An order is no limit.
        "filters": {**filters, "is_set": bool(filters.keys() - {"sort"})},
        "limits": _limits(query, form, artist, album),
        "artist": artist,
        "album": album,
        "heading": heading,
        "meant": meant,
        "query_string": "" if heading else _query_without(query, "page"),
        "rules_query": form.query,
        "smart": _smart_list(request, listener),
        # Further pages of a list leave alone what stands around it.
        "is_anew": wants_fragment(request) and "page" not in request.GET,
    }
    if wants_fragment(request):
        return render(request, "recommender/partials/song_results.html", context)
    context |= {
        "form": form,
        "room": "" if heading else "liked" if "liked" in filters else _ROOMS.get(filters.get("sort", ""), "songs"),
        "quadrants": list(Quadrant),
        "genres": catalog_selectors.genres(),
        "decades": DECADES,
        "sorts": _SORTS.items(),
        "keys": [(key, key_name(key)) for key in range(len(KEYS))],
        "max_bpm": MAX_BPM,
        "shows_rules": "more" in request.GET or bool((RULES - MEASURED) & filters.keys()),
    }
    return render(request, "recommender/song_list.html", context)


@require_safe
def song_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One song: what the model hears in it, what it did to the listener and to others, and what sounds alike."""
    estimates, similar = selectors.song_estimates(pk, k=SIMILAR_SONGS)
    song = estimates[0].song if estimates else song_or_404(pk)
    estimate = next((one for one in estimates if one.is_current), None)
    context: dict[str, Any] = {
        "estimate": estimate,
        "bars": [(quadrant, estimate.probabilities[quadrant.index]) for quadrant in Quadrant] if estimate else [],
        "window_end_s": estimate.window_start_s + estimate.window_s if estimate else None,
        "earlier": [one for one in estimates if not one.is_current],
        "others": selectors.felt_by_others(request.user, song),
        "others_least": selectors.OTHERS_LEAST,
        "similar": similar,
        "label": label_of(request.user, song),
        "undo": undo_offered(request),
    }
    return render(request, "recommender/song_detail.html", context | felt_context(request, song))


@require_POST
def song_playlist(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a list of songs like one."""
    playlist = playlists.playlist_create_around(listener=listener_of(request), song=song_or_404(pk))
    return to_playlist(playlist, "?play=1")


@require_POST
def songs_more(request: HttpRequest) -> HttpResponse:
    """What the player goes on with when a list has ended; nothing is stored."""
    form = MoreForm(request.POST)
    if not form.is_valid():
        return HttpResponse(form.sentence, status=400, content_type="text/plain")
    values = form.cleaned_data
    # A list that was deleted meanwhile goes on around its last song.
    playlist = selectors.playlists_of(listener_of(request)).filter(pk=values["playlist"]).first()
    more = endless.songs_more(
        listener=listener_of(request), heard=values["heard"], playlist=playlist, around=values["around"]
    )
    return render(request, "recommender/partials/more_songs.html", {"more": more})


def songs_found(filters: Mapping[str, Any], listener: Listener) -> tuple[selectors.SongsFound, str]:
    """Return the songs of a query, and the words that are meant where none has those that were typed."""
    found = selectors.songs_browse(**filters, listener=listener)
    meant = corrected(filters["query"]) if "query" in filters and not len(found) else ""
    if meant:
        found = selectors.songs_browse(**{**filters, "query": meant}, listener=listener)
    return found, meant


def _limits(query: QueryDict, form: SongFilterForm, artist: Artist | None, album: Album | None) -> list[dict[str, str]]:
    """Return the limits of the songs in words, each with the query without it."""
    filters = form.filters
    words = {
        "q": _("“%(words)s”") % {"words": filters["query"]} if "query" in filters else "",
        "quadrant": filters["quadrant"].label if "quadrant" in filters else "",
        "genre": filters.get("genre", ""),
        "decade": _("%(decade)ds") % {"decade": filters["decade"]} if "decade" in filters else "",
        "bpm_from": _("from %(bpm)d BPM") % {"bpm": filters["bpm_from"]} if "bpm_from" in filters else "",
        "bpm_to": _("to %(bpm)d BPM") % {"bpm": filters["bpm_to"]} if "bpm_to" in filters else "",
        "key": key_name(filters["key"]) if "key" in filters else "",
    }
    if "artist_id" in filters:
        words["artist"] = str(artist) if artist else _("an unknown artist")
    if "album_id" in filters:
        words["album"] = album.title if album else _("an unknown album")
    for name in form.fields:
        if name in RULES - MEASURED and name in filters:
            words[name] = form.rule_words(name)
    return [{"words": each, "query": _query_without(query, "page", name)} for name, each in words.items() if each]


def _smart_list(request: HttpRequest, listener: Listener) -> SmartList | None:
    """Return the smart list whose rules are being changed, if any."""
    number = request.GET.get("smart", "")
    if not number.isdecimal() or len(number) >= MOST_DIGITS:
        return None
    return selectors.smart_lists_of(listener).filter(pk=number).first()


def _query_without(query: QueryDict, *names: str) -> str:
    rest = query.copy()
    # Fields that were left empty only make the address long.
    for name in [name for name, value in rest.items() if name in names or not value]:
        del rest[name]
    return rest.urlencode()


@require_http_methods(["GET", "HEAD", "POST"])
@allowed(can_upload)
def songs_delete(request: HttpRequest) -> HttpResponseBase:
    """List what would be deleted with the songs that the query names; POST deletes them."""
    selection = Selection.of(request.GET)
    ids = selection.song_ids()
    after = selection.library_url()
    if not ids:
        messages.info(request, _("These songs no longer exist."))
        return redirect(after)
    if len(ids) > MAX_SONGS:
        sentence = _("At most %(limit)d songs can be deleted at once. Choose fewer.")
        raise TooManySongsError(sentence % {"limit": MAX_SONGS})
    # The confirmation does not cover songs that came to match since the page was shown.
    if request.method == "POST" and request.POST.get("count") == str(len(ids)):
        n_songs = song_services.songs_delete(song_ids=ids)
        message = ngettext("%(n)d song was deleted.", "%(n)d songs were deleted.", n_songs)
        messages.success(request, message % {"n": n_songs})
        return redirect(after)
    if request.method == "POST":
        messages.error(request, _("The matching songs have changed in the meantime. Check them again."))
    context: dict[str, Any] = {
        "count": len(ids),
        "named": Song.objects.filter(pk__in=ids).select_related("artist").order_by("-pk")[:_NAMED],
        "n_more": max(0, len(ids) - _NAMED),
        "hanging": selectors.hanging_on(ids),
        "in_folders": FolderFile.objects.filter(song__in=ids).exists(),
        "after": after,
    }
    return render(request, "recommender/songs_delete.html", context)
