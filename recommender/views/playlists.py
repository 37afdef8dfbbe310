"""Playlists: created, shown, renamed, ordered, saved, shared, deleted, exported and imported."""

from __future__ import annotations

import re
from operator import attrgetter
from urllib.parse import urljoin

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.http import content_disposition_header, urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST, require_safe

from catalog.core.htmx import wants_fragment
from emotion.inference.quadrants import Quadrant
from recommender import selectors
from recommender.exceptions import ExchangeError, PlaylistItemNotFoundError
from recommender.formats.files import FORMATS, Track
from recommender.forms import ImportForm, MoveForm, PlaylistForm
from recommender.models import Playlist, PlaylistItem
from recommender.requests import MAX_TITLE, listener_of
from recommender.services import playlists as services
from recommender.services import sharing as sharing_services
from recommender.views.common import (
    Undo,
    items_context,
    own_playlist,
    own_playlists,
    to,
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
# Characters that file systems refuse or shells interpret.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f"*/:<>?\\|]+')
_MAX_NAME = 120
# Each section of the listener's playlists: its name, and which lists are in it.
SECTIONS: dict[str, tuple[str | Promise, Q]] = {
    "": (gettext_lazy("All"), Q()),
    "saved": (gettext_lazy("Saved"), Q(saved_at__isnull=False)),
    "journey": (gettext_lazy("Journeys"), Q(kind=Playlist.Kind.JOURNEY)),
    "by_hand": (gettext_lazy("By hand"), Q(kind=Playlist.Kind.BY_HAND)),
    "imported": (gettext_lazy("Imported"), Q(kind=Playlist.Kind.IMPORTED)),
}


@require_http_methods(["GET", "HEAD", "POST"])
def playlist_list(request: HttpRequest) -> HttpResponse:
    """The listener's playlists; POST creates one."""
    if request.method == "POST":
        return _playlist_create(request)
    show = "saved" if "saved" in request.GET else request.GET.get("show", "")
    show = show if show in SECTIONS else ""
    words = request.GET.get("q", "").replace("\x00", "").strip()[:MAX_TITLE]
    named = {key or "all": Count("pk", filter=limits) for key, (_name, limits) in SECTIONS.items()}
    counts = selectors.playlists_of(listener_of(request)).order_by().aggregate(**named)
    playlists = own_playlists(request).filter(SECTIONS[show][1])
    if words:
        playlists = playlists.filter(title__icontains=words)
    page: Page[Playlist] = Paginator(playlists, PLAYLISTS_PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "show": show,
        "sought": words,
        "n_all": counts["all"],
        "sections": [(key, name, counts[key or "all"]) for key, (name, _limits) in SECTIONS.items()],
        "search": counts["all"] >= SEARCH_FROM or words,
        "query_string": urlencode({key: value for key, value in (("show", show), ("q", words)) if value}),
    }
    if wants_fragment(request):
        return render(request, "recommender/partials/playlist_results.html", context)
    context |= {
        "undo": undo_offered(request),
        "trashed": selectors.playlists_trashed(listener_of(request))[:TRASH_SHOWN],
    }
    return render(request, "recommender/playlist_list.html", context)


def _playlist_create(request: HttpRequest) -> HttpResponse:
    form = PlaylistForm(request.POST)
    if not form.is_valid():
        messages.error(request, form.sentence)
        return to("home")
    playlist = services.playlist_create(listener=listener_of(request), target=form.target, **form.limits)
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
    if context["items"]:
        # The song that was begun last, or the first one.
        begun = [item for item in context["items"] if item.played_at]
        current = max(begun, key=attrgetter("played_at")) if begun else context["items"][0]
        context |= felt_context(request, current.song, playlist)
    # The page's offer to undo is not that of the rating panel in it.
    context["undo"] = undo_offered(request)
    return render(request, "recommender/playlist_detail.html", context)


@require_GET
def playlist_items(request: HttpRequest, pk: int) -> HttpResponse:
    """The songs of a list, and what the page says of them, for a player that runs while the order changes."""
    moved = [int(number) for number in request.GET.get("moved", "").split(",") if number.isdecimal()]
    context = items_context(own_playlist(request, pk)) | {"moved": moved}
    return render(request, "recommender/partials/playlist_reordered.html", context)


@require_POST
def playlist_regenerate(request: HttpRequest, pk: int) -> HttpResponse:
    """Make another list for the same request."""
    old = own_playlist(request, pk)
    return to_playlist(services.playlist_regenerate(playlist=old, listener=listener_of(request)))


@require_POST
def playlist_rerank(request: HttpRequest, pk: int) -> HttpResponse:
    """Re-rank the unplayed songs because the listener asked for it."""
    playlist = own_playlist(request, pk)
    result = services.playlist_rerank(playlist=playlist, listener=listener_of(request))
    messages.success(request, result.sentence)
    return to_playlist(playlist)


@require_POST
def playlist_save(request: HttpRequest, pk: int, *, saved: bool) -> HttpResponse:
    """Save a list, or unsave it, without deleting it."""
    return to_playlist(services.playlist_save(playlist=own_playlist(request, pk), saved=saved))


@require_POST
def playlist_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Move a list to the trash, where it can be restored for a day; its ratings and listens stay."""
    playlist = own_playlist(request, pk)
    services.playlist_trash(playlist=playlist)
    sentence = _("“%(title)s” was deleted.") % {"title": playlist.title}
    undo_offer(request, Undo(sentence, reverse("recommender:playlist_restore", args=[pk])))
    return to("playlist_list")


@require_POST
def playlist_restore(request: HttpRequest, pk: int) -> HttpResponse:
    """Restore a list from the trash."""
    playlist = services.playlist_restore(listener=listener_of(request), pk=pk)
    messages.success(request, _("“%(title)s” is back.") % {"title": playlist.title})
    return to_playlist(playlist)


@require_POST
def playlist_item_move(request: HttpRequest, pk: int, song_pk: int) -> HttpResponse:
    """Move a song up or down by one place, or to a place."""
    playlist = own_playlist(request, pk)
    form = MoveForm(request.POST)
    if not form.is_valid():
        raise PlaylistItemNotFoundError(_("Move a song up or down by one place, or to a given place."))
    services.item_move(
        playlist=playlist,
        listener=listener_of(request),
        song_id=song_pk,
        position=form.cleaned_data["to"],
        by=form.cleaned_data["by"] or 0,
    )
    return _arranged(request, pk, moved=song_pk)


@require_POST
def playlist_item_remove(request: HttpRequest, pk: int, song_pk: int) -> HttpResponse:
    """Remove a song from a list."""
    item = services.item_remove(playlist=own_playlist(request, pk), listener=listener_of(request), song_id=song_pk)
    sentence = _("“%(title)s” was removed from the list.") % {"title": item.song.title}
    token = undo_token(request, f"item of {pk}", **selectors.item_values(item))
    return _arranged(request, pk, undo=Undo(sentence, reverse("recommender:playlist_item_restore", args=[pk]), token))


@require_POST
def playlist_item_restore(request: HttpRequest, pk: int) -> HttpResponse:
    """Restore a removed song."""
    playlist = own_playlist(request, pk)
    was = undo_values(request, f"item of {pk}")
    services.item_restore(playlist=playlist, listener=listener_of(request), was=was)
    return _arranged(request, pk, moved=was["song_id"])


def _arranged(request: HttpRequest, pk: int, *, undo: Undo | None = None, moved: int | None = None) -> HttpResponse:
    playlist = own_playlist(request, pk)
    if not wants_fragment(request):
        if undo is not None:
            undo_offer(request, undo)
        return to_playlist(playlist, "?arrange=1")
    sentences = [
        _("“%(title)s” is now at place %(place)d.") % {"title": item.song.title, "place": item.position}
        for item in playlist.items.all()
        if item.song_id == moved
    ]
    context = items_context(playlist, arranging=True) | {"undo": undo, "said": "".join(sentences)}
    return render(request, "recommender/partials/playlist_arranged.html", context)


@require_safe
def playlist_export(request: HttpRequest, pk: int, suffix: str) -> HttpResponse:
    """A list as a file."""
    return export_response(own_playlist(request, pk), suffix, request.build_absolute_uri("/"))


def export_response(playlist: Playlist, suffix: str, site: str) -> HttpResponse:
    """Answer with a playlist, as `playlist_visible` returns it, as a file to be saved; 404 for an unknown format.

    Songs have addresses of `site`, such as "https://music.example/".
    """
    file_format = FORMATS.get(suffix)
    if file_format is None:
        raise Http404(suffix)
    name = _UNSAFE.sub(" ", playlist.title).strip(" .")[:_MAX_NAME] or "playlist"
    return HttpResponse(
        file_format.write(playlist.title, [_track(item, site) for item in playlist.items.all()]),
        content_type=file_format.content_type,
        headers={"Content-Disposition": content_disposition_header(True, f"{name}.{suffix}") or "attachment"},
    )


def _track(item: PlaylistItem, site: str) -> Track:
    song = item.song
    estimate = selectors.estimate_of(song)
    return Track(
        location=urljoin(site, reverse("catalog:song_audio", args=[song.pk])),
        page=urljoin(site, reverse("recommender:song_detail", args=[song.pk])),
        title=song.title,
        artist=song.by,
        album=song.album.title if song.album else "",
        duration_s=song.duration_s,
        reason=item.reason,
        valence=estimate.effective_valence if estimate else None,
        arousal=estimate.effective_arousal if estimate else None,
        quadrant=Quadrant(estimate.effective_quadrant).name if estimate else "",
        recording_id=song.recording_id,
    )


@require_POST
def playlist_import(request: HttpRequest) -> HttpResponse:
    """Make a list of a file."""
    form = ImportForm(request.POST, request.FILES)
    if not form.is_valid():
        messages.error(request, form.sentence)
        return to("playlist_list")
    file = form.cleaned_data["file"]
    try:
        playlist = sharing_services.playlist_import(
            listener=listener_of(request),
            content=file.read(),
            file_name=file.name,
            site=request.build_absolute_uri("/"),
        )
    except ExchangeError as error:
        messages.error(request, str(error))
        return to("playlist_list")
    return to_playlist(playlist)


@require_POST
def playlist_share(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a link."""
    playlist = own_playlist(request, pk)
    sharing_services.playlist_share(playlist=playlist)
    return to_playlist(playlist, "#share")


@require_POST
def playlist_unshare(request: HttpRequest, pk: int) -> HttpResponse:
    """Withdraw the link."""
    playlist = own_playlist(request, pk)
    sharing_services.playlist_unshare(playlist=playlist)
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
    playlist = sharing_services.playlist_copy(shared=shared, listener=listener_of(request))
    messages.success(request, _("This copy is yours."))
    return to_playlist(playlist)
