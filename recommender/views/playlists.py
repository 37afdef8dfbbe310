"""Playlists: created, shown, renamed, ordered, saved, shared, deleted, exported and imported."""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST, require_safe

from catalog.core.htmx import wants_fragment
from recommender import selectors
from recommender.exceptions import ExchangeError, PlaylistItemNotFoundError
from recommender.exporting import export_response
from recommender.formats.files import FORMATS
from recommender.forms import ImportForm, MoveForm, PlaylistForm, TitleForm
from recommender.models import Playlist, PlaylistItem
from recommender.requests import MAX_TITLE, listener_of
from recommender.services import playlists, sharing
from recommender.services import playlists as playlist_services
from recommender.views.common import (
    Undo,
    items_context,
    own_playlist,
    own_playlists,
    to_playlist,
    undo_offer,
    undo_offered,
    undo_token,
    undo_values,
)
from recommender.views.feedback import felt_context

PLAYLISTS_PER_PAGE = 24
# With fewer, looking is faster than typing.
SEARCH_FROM = 9
TRASH_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the listener's playlists."""

    name: str | Promise
    limits: Q


SECTIONS = {
    "": Section(gettext_lazy("All"), Q()),
    "saved": Section(gettext_lazy("Saved"), Q(saved_at__isnull=False)),
    "journey": Section(gettext_lazy("Journeys"), Q(kind=Playlist.Kind.JOURNEY)),
    "imported": Section(gettext_lazy("Imported"), Q(kind=Playlist.Kind.IMPORTED)),
}


@require_http_methods(["GET", "HEAD", "POST"])
def playlist_list(request: HttpRequest) -> HttpResponse:
    """The listener's playlists; POST creates one."""
    if request.method == "POST":
        return _playlist_create(request)
    show = "saved" if "saved" in request.GET else request.GET.get("show", "")
    show = show if show in SECTIONS else ""
    words = request.GET.get("q", "").replace("\x00", "").strip()[:MAX_TITLE]
    counts = _section_counts(request)
    playlists = own_playlists(request).filter(SECTIONS[show].limits)
    if words:
        playlists = playlists.filter(title__icontains=words)
    page: Page[Playlist] = Paginator(playlists, PLAYLISTS_PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "show": show,
        "sought": words,
        "n_all": counts[""],
        "sections": [(key, section.name, counts[key]) for key, section in SECTIONS.items()],
        "search": counts[""] >= SEARCH_FROM or words,
        "query_string": urlencode({key: value for key, value in (("show", show), ("q", words)) if value}),
    }
    if wants_fragment(request):
        return render(request, "recommender/partials/playlist_results.html", context)
    context |= {
        "undo": undo_offered(request),
        "trashed": selectors.playlists_trashed(listener_of(request))[:TRASH_SHOWN],
    }
    return render(request, "recommender/playlist_list.html", context)


def _section_counts(request: HttpRequest) -> dict[str, int]:
    playlists: QuerySet[Playlist] = selectors.playlists_of(listener_of(request))
    named = {f"n_{key}": Count("pk", filter=section.limits) for key, section in SECTIONS.items() if key}
    found = playlists.order_by().aggregate(n_=Count("pk"), **named)
    return {key: found[f"n_{key}"] for key in SECTIONS}


def _playlist_create(request: HttpRequest) -> HttpResponse:
    form = PlaylistForm(request.POST)
    if not form.is_valid():
        messages.error(request, form.sentence)
        return redirect("recommender:home")
    playlist = playlist_services.playlist_create(listener=listener_of(request), target=form.target, **form.limits)
    return to_playlist(playlist, "?play=1")


@require_safe
def playlist_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """The songs of a list, with the reason for each, and the rating of the one that plays."""
    playlist = own_playlist(request, pk)
    context = items_context(playlist, arranging="arrange" in request.GET)
    context |= {"autoplay": "play" in request.GET, "formats": FORMATS.values()}
    if playlist.share_token:
        context["share_url"] = request.build_absolute_uri(
            reverse("recommender:shared_playlist", args=[playlist.share_token])
        )
    current = _current_item(context["items"])
    if current is not None:
        context |= felt_context(request, current.song, playlist)
    # The page's offer to undo is not that of the rating panel in it.
    context["undo"] = undo_offered(request)
    return render(request, "recommender/playlist_detail.html", context)


@require_GET
def playlist_items(request: HttpRequest, pk: int) -> HttpResponse:
    """The songs of a list alone, for a player that runs while the order changes."""
    return render(request, "recommender/partials/playlist_items.html", items_context(own_playlist(request, pk)))


@require_POST
def playlist_regenerate(request: HttpRequest, pk: int) -> HttpResponse:
    """Make another list for the same request."""
    old = own_playlist(request, pk)
    return to_playlist(playlist_services.playlist_regenerate(playlist=old, listener=listener_of(request)))


@require_POST
def playlist_rerank(request: HttpRequest, pk: int) -> HttpResponse:
    """Re-rank the unplayed songs because the listener asked for it."""
    playlist = own_playlist(request, pk)
    result = playlist_services.playlist_rerank(playlist=playlist, listener=listener_of(request))
    messages.success(request, result.sentence)
    return to_playlist(playlist)


@require_POST
def playlist_rename(request: HttpRequest, pk: int) -> HttpResponse:
    """Give a list another title."""
    playlist = own_playlist(request, pk)
    form = TitleForm(request.POST)
    if form.is_valid():
        playlist_services.playlist_rename(playlist=playlist, title=form.cleaned_data["title"])
    else:
        messages.error(request, form.sentence)
    return to_playlist(playlist)


@require_POST
def playlist_save(request: HttpRequest, pk: int) -> HttpResponse:
    """Save a list."""
    return to_playlist(playlist_services.playlist_save(playlist=own_playlist(request, pk)))


@require_POST
def playlist_unsave(request: HttpRequest, pk: int) -> HttpResponse:
    """Unsave a list, without deleting it."""
    return to_playlist(playlist_services.playlist_save(playlist=own_playlist(request, pk), saved=False))


@require_POST
def playlist_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Move a list to the trash, where it can be restored for a day; its ratings and listens stay."""
    playlist = own_playlist(request, pk)
    playlist_services.playlist_trash(playlist=playlist)
    said = _("“%(title)s” was deleted.") % {"title": playlist.title}
    undo_offer(request, Undo(said, reverse("recommender:playlist_restore", args=[pk])))
    return redirect("recommender:playlist_list")


@require_POST
def playlist_restore(request: HttpRequest, pk: int) -> HttpResponse:
    """Restore a list from the trash."""
    playlist = playlist_services.playlist_restore(listener=listener_of(request), pk=pk)
    messages.success(request, _("“%(title)s” is back.") % {"title": playlist.title})
    return to_playlist(playlist)


@require_POST
def playlist_item_move(request: HttpRequest, pk: int, song_pk: int) -> HttpResponse:
    """Move a song up or down by one place, or to a place."""
    playlist = own_playlist(request, pk)
    form = MoveForm(request.POST)
    if not form.is_valid():
        raise PlaylistItemNotFoundError(_("Move a song up or down by one place, or to a given place."))
    listener, to = listener_of(request), form.cleaned_data["to"]
    if to is not None:
        playlists.item_move(playlist=playlist, listener=listener, song_id=song_pk, position=to)
    else:
        playlists.item_shift(playlist=playlist, listener=listener, song_id=song_pk, by=form.cleaned_data["by"])
    return _arranged(request, pk, moved=song_pk)


@require_POST
def playlist_item_remove(request: HttpRequest, pk: int, song_pk: int) -> HttpResponse:
    """Remove a song from a list."""
    playlist = own_playlist(request, pk)
    item = next((one for one in playlist.items.all() if one.song_id == song_pk), None)
    playlists.item_remove(playlist=playlist, listener=listener_of(request), song_id=song_pk)
    assert item is not None, "the service found it"
    return _arranged(request, pk, undo=_undo_remove(request, item))


@require_POST
def playlist_item_restore(request: HttpRequest, pk: int) -> HttpResponse:
    """Restore a removed song."""
    playlist = own_playlist(request, pk)
    was = undo_values(request, f"item of {pk}")
    playlists.item_restore(playlist=playlist, listener=listener_of(request), was=was)
    return _arranged(request, pk, moved=was["song_id"])


def _undo_remove(request: HttpRequest, item: PlaylistItem) -> Undo:
    said = _("“%(title)s” was removed from the list.") % {"title": item.song.title}
    where = reverse("recommender:playlist_item_restore", args=[item.playlist_id])
    return Undo(said, where, undo_token(request, f"item of {item.playlist_id}", **selectors.item_values(item)))


def _arranged(request: HttpRequest, pk: int, *, undo: Undo | None = None, moved: int | None = None) -> HttpResponse:
    playlist = own_playlist(request, pk)
    if not wants_fragment(request):
        if undo is not None:
            undo_offer(request, undo)
        return to_playlist(playlist, "?arrange=1")
    context = items_context(playlist, arranging=True) | {"undo": undo, "said": _place_words(playlist, moved)}
    return render(request, "recommender/partials/playlist_arranged.html", context)


def _place_words(playlist: Playlist, song_pk: int | None) -> str:
    item = next((one for one in playlist.items.all() if one.song_id == song_pk), None)
    if item is None:
        return ""
    return _("“%(title)s” is now at place %(place)d.") % {"title": item.song.title, "place": item.position}


def _current_item(items: list[PlaylistItem]) -> PlaylistItem | None:
    """The song that was begun last, or the first one."""
    begun = [(item.played_at, item) for item in items if item.played_at]
    return max(begun, key=itemgetter(0))[1] if begun else next(iter(items), None)


@require_safe
def playlist_export(request: HttpRequest, pk: int, suffix: str) -> HttpResponse:
    """A list as a file."""
    return export_response(own_playlist(request, pk), suffix, request.build_absolute_uri("/"))


@require_POST
def playlist_import(request: HttpRequest) -> HttpResponse:
    """Make a list of a file."""
    form = ImportForm(request.POST, request.FILES)
    if not form.is_valid():
        messages.error(request, form.sentence)
        return redirect("recommender:playlist_list")
    file = form.cleaned_data["file"]
    try:
        playlist = sharing.playlist_import(
            listener=listener_of(request),
            content=file.read(),
            file_name=file.name,
            site=request.build_absolute_uri("/"),
        )
    except ExchangeError as error:
        messages.error(request, str(error))
        return redirect("recommender:playlist_list")
    return to_playlist(playlist)


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
