"""Pages for listeners. A view checks its input, calls a service or a selector, and renders.

Fragments are the same partials that the pages include. A boosted link asks for a whole page, of which the browser keeps
`#main`, so only requests for which `wants_fragment` is true get less.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.paginator import Page, Paginator
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST, require_safe

from catalog import selectors as catalog_selectors
from catalog.models import Song
from emotion.models import EmotionEstimate
from emotion.quadrants import Quadrant
from emotion.selectors import current_estimate, label_of
from recommender import selectors, services
from recommender.forms import DEFAULT_LENGTH, LENGTHS, FeltForm, PlayedForm, PlaylistForm, SkippedForm, SongFilterForm
from recommender.models import FeltRating, Playlist, PlaylistItem
from recommender.values import Filters, Listener, RerankResult, Target

SONGS_PER_PAGE = 30
PLAYLISTS_PER_PAGE = 24
RECENT_PLAYLISTS = 4
SIMILAR_SONGS = 6


@dataclass(frozen=True, slots=True)
class TaggingProgress:
    """How far the model got through the catalog; `polled` when a page asks again, not for the first time."""

    tagged: int
    waiting: int
    failed: int
    polled: bool = False

    @property
    def total(self) -> int:
        """Songs that have been or will be tagged."""
        return self.tagged + self.waiting

    @classmethod
    def read(cls, *, polled: bool = False) -> TaggingProgress:
        """Count now."""
        counts = catalog_selectors.state_counts()
        waiting = sum(counts[state] for state in catalog_selectors.PENDING_STATES)
        return cls(tagged=counts["tagged"], waiting=waiting, failed=counts["failed"], polled=polled)


def wants_fragment(request: HttpRequest) -> bool:
    """Whether htmx asked for a part of a page, not for a page by a boosted link."""
    return bool(request.htmx) and not request.htmx.boosted  # type: ignore[attr-defined]


# --- Home -------------------------------------------------------------------------------------------------------


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The mood pad."""
    return render(request, "recommender/home.html", _home_context(request))


@require_GET
def home_body(request: HttpRequest) -> HttpResponse:
    """The mood pad again, for a home page that waits for the first tagged song."""
    return render(request, "recommender/partials/home_body.html", _home_context(request))


@require_GET
def tagging_progress(request: HttpRequest) -> HttpResponse:
    """How many songs are tagged; it polls itself until none waits."""
    context = {"progress": TaggingProgress.read(polled=True), "has_songs": True}
    return render(request, "recommender/partials/tagging_progress.html", context)


@require_GET
def pad_points(request: HttpRequest) -> JsonResponse:
    """Where every song lies on the plane, as `[id, valence, arousal, quadrant]`."""
    points = [
        [song_id, round(valence, 3), round(arousal, 3), int(quadrant)]
        for song_id, valence, arousal, quadrant in selectors.pad_points()
    ]
    return JsonResponse({"points": points})


def _home_context(request: HttpRequest) -> dict[str, Any]:
    counts = selectors.quadrant_counts()
    plane_order = (Quadrant.Q2, Quadrant.Q1, Quadrant.Q3, Quadrant.Q4)
    return {
        "quadrants": [{"quadrant": quadrant, "count": counts.get(quadrant, 0)} for quadrant in plane_order],
        "has_songs": any(counts.values()),
        "progress": TaggingProgress.read(),
        "genres": catalog_selectors.genres(),
        "lengths": LENGTHS,
        "default_length": DEFAULT_LENGTH,
        "recent_playlists": _own_playlists(request)[:RECENT_PLAYLISTS],
    }


# --- Songs ------------------------------------------------------------------------------------------------------


@require_safe
def song_list(request: HttpRequest) -> HttpResponse:
    """Search and browse."""
    filters = SongFilterForm(request.GET).filters
    songs = selectors.songs_browse(
        query=filters.q, quadrant=filters.quadrant, genre=filters.genre, artist_id=filters.artist_id
    )
    page = Paginator(songs, SONGS_PER_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "filters": filters, "query_string": _query_without_page(request)}
    if wants_fragment(request):
        return render(request, "recommender/partials/song_results.html", context)
    context |= {
        "quadrants": list(Quadrant),
        "genres": catalog_selectors.genres(),
        "artists": catalog_selectors.artists(),
    }
    return render(request, "recommender/song_list.html", context)


@require_safe
def song_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One song: what the model hears in it, what it did to the listener, and what sounds alike."""
    song = _song(pk)
    estimate = current_estimate(song)
    context = {
        "estimate": estimate,
        "bars": _bars(estimate) if estimate else [],
        "window_end_s": estimate.window_start_s + estimate.window_s if estimate else None,
        "similar": selectors.similar_songs(song, k=SIMILAR_SONGS) if estimate else [],
        "label": label_of(request.user, song),
    }
    return render(request, "recommender/song_detail.html", context | _felt_context(request, song))


def _bars(estimate: EmotionEstimate) -> list[dict[str, Any]]:
    return [{"quadrant": quadrant, "probability": estimate.probabilities[quadrant.index]} for quadrant in Quadrant]


def _song(pk: int) -> Song:
    return get_object_or_404(Song.objects.select_related("artist", "album"), pk=pk)


def _query_without_page(request: HttpRequest) -> str:
    query = request.GET.copy()
    query.pop("page", None)
    return query.urlencode()


# --- Playlists --------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
def playlist_list(request: HttpRequest) -> HttpResponse:
    """The listener's own playlists; POST makes a new one."""
    if request.method == "POST":
        return _playlist_create(request)
    page: Page = Paginator(_own_playlists(request), PLAYLISTS_PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "recommender/playlist_list.html", {"page": page})


@require_safe
def playlist_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """The songs of a list, with the reason for each, and the rating of the one that plays."""
    playlist = _playlist(request, pk)
    context = _items_context(playlist) | {"autoplay": "play" in request.GET}
    current = _current_item(context["items"])
    if current is not None:
        context |= _felt_context(request, current.song, playlist)
    return render(request, "recommender/playlist_detail.html", context)


@require_GET
def playlist_items(request: HttpRequest, pk: int) -> HttpResponse:
    """The songs of a list alone, for a player that runs while the order changes."""
    context = _items_context(_playlist(request, pk))
    return render(request, "recommender/partials/playlist_items.html", context)


@require_POST
def playlist_regenerate(request: HttpRequest, pk: int) -> HttpResponse:
    """Make another list for the same target."""
    old = _playlist(request, pk)
    quadrant = Quadrant(old.target_quadrant) if old.target_quadrant else None
    playlist = services.playlist_create(
        listener=services.listener_from_request(request),
        target=Target(old.target_valence, old.target_arousal, quadrant),
        length=old.requested_length,
        filters=Filters.from_json(old.filters),
        seed=secrets.randbits(31),
    )
    return redirect("recommender:playlist_detail", playlist.pk)


@require_POST
def playlist_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a list; what was felt and heard stays."""
    playlist = _playlist(request, pk)
    services.playlist_delete(playlist=playlist)
    messages.success(request, f"“{playlist.title}” was deleted.")
    return redirect("recommender:playlist_list")


def _playlist_create(request: HttpRequest) -> HttpResponse:
    form = PlaylistForm(request.POST)
    if not form.is_valid():
        messages.error(request, form.sentence)
        return redirect("recommender:home")
    playlist = services.playlist_create(
        listener=services.listener_from_request(request),
        target=form.target,
        length=form.length_wanted,
        filters=form.filters,
    )
    detail = redirect("recommender:playlist_detail", playlist.pk)
    detail["Location"] += "?play=1"
    return detail


def _playlist(request: HttpRequest, pk: int) -> Playlist:
    return selectors.playlist_visible(services.listener_from_request(request), pk)


def _own_playlists(request: HttpRequest) -> QuerySet[Playlist]:
    # Looking at a page must not open a session for every passing robot.
    user = request.user if request.user.is_authenticated else None
    key = request.session.session_key or ""
    if user is None and not key:
        return Playlist.objects.none()
    listener = Listener(user=user, session_key=key)
    return selectors.playlists_of(listener).annotate(item_count=Count("items")).order_by("-id")


def _items_context(playlist: Playlist) -> dict[str, Any]:
    return {"playlist": playlist, "items": list(playlist.items.all()), "moved": ()}


def _current_item(items: list[PlaylistItem]) -> PlaylistItem | None:
    """The song that was begun last, or the first one."""
    begun = [(item.played_at, item) for item in items if item.played_at]
    return max(begun, key=itemgetter(0))[1] if begun else next(iter(items), None)


# --- Feedback ---------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "POST"])
def song_felt(request: HttpRequest, pk: int) -> HttpResponse:
    """The panel for rating what a song did to the listener; POST keeps the answer."""
    song = _song(pk)
    if request.method == "GET":
        context = _felt_context(request, song, _playlist_named(request, request.GET))
        return render(request, "recommender/partials/felt_panel.html", context)
    return _song_felt_save(request, song)


def _song_felt_save(request: HttpRequest, song: Song) -> HttpResponse:
    playlist = _playlist_named(request, request.POST)
    if not request.user.is_authenticated:
        return _felt_sign_in(request, song, playlist)
    form = FeltForm(request.POST)
    if not form.is_valid():
        return _felt_answer(request, song, playlist, form=form)
    result = services.feedback_record(user=request.user, song=song, playlist=playlist, **form.answers)
    return _felt_answer(request, song, playlist, saved="Saved.", rerank=result.rerank)


@require_POST
def song_felt_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a rating back, as if it had never been given."""
    song = _song(pk)
    playlist = _playlist_named(request, request.POST)
    if not request.user.is_authenticated:
        return _felt_sign_in(request, song, playlist)
    services.feedback_withdraw(user=request.user, song=song)
    rerank = None
    if playlist is not None:
        rerank = services.playlist_rerank(playlist=playlist, listener=services.listener_from_request(request))
    return _felt_answer(request, song, playlist, saved="Your rating was withdrawn.", rerank=rerank)


@require_POST
def song_played(request: HttpRequest, pk: int) -> HttpResponse:
    """Note that a song began to play."""
    song = _song(pk)
    playlist = _playlist_named(request, request.POST)
    services.listen_record(listener=services.listener_from_request(request), song=song, playlist=playlist)
    return HttpResponse(status=204)


@require_POST
def song_skipped(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Note that a listener left a song early, and say whether that changed the rest of the list."""
    if not request.user.is_authenticated:
        return HttpResponse(status=403)
    song = _song(pk)
    form = SkippedForm(request.POST)
    if not form.is_valid():
        return JsonResponse({"errors": form.errors}, status=400)
    result = services.feedback_record(
        user=request.user,
        song=song,
        skipped=True,
        listened_s=form.cleaned_data["listened_s"],
        playlist=_playlist_named(request, request.POST),
    )
    rerank = result.rerank
    return JsonResponse({"changed": bool(rerank and rerank.changed), "sentence": rerank.sentence if rerank else ""})


def _playlist_named(request: HttpRequest, values: Any) -> Playlist | None:
    form = PlayedForm(values)
    number = form.cleaned_data["playlist"] if form.is_valid() else None
    return _playlist(request, number) if number else None


def _felt_context(
    request: HttpRequest, song: Song, playlist: Playlist | None = None, form: FeltForm | None = None
) -> dict[str, Any]:
    rating = selectors.rating_of(request.user, song) if request.user.is_authenticated else None
    back = playlist or song
    place = "recommender:playlist_detail" if isinstance(back, Playlist) else "recommender:song_detail"
    return {
        "song": song,
        "playlist": playlist,
        "rating": rating,
        "form": form,
        "values": form.cleaned_data if form else rating or FeltRating(),
        "answered": bool(form and form.cleaned_data.get("felt")) or bool(rating and rating.felt_valence is not None),
        "next_url": redirect(place, back.pk)["Location"],
    }


def _felt_sign_in(request: HttpRequest, song: Song, playlist: Playlist | None) -> HttpResponse:
    """Whoever was signed out meanwhile sees the way back in, and returns to the page with the panel."""
    context = _felt_context(request, song, playlist)
    if wants_fragment(request):
        return render(request, "recommender/partials/felt_panel.html", context)
    return redirect_to_login(context["next_url"])


def _felt_answer(
    request: HttpRequest,
    song: Song,
    playlist: Playlist | None,
    *,
    saved: str = "",
    form: FeltForm | None = None,
    rerank: RerankResult | None = None,
) -> HttpResponse:
    """The panel again and, when it plays a list, the list in its new order with a sentence on what changed."""
    context = _felt_context(request, song, playlist, form) | {"saved": saved, "rerank": rerank}
    if not wants_fragment(request):
        if form is not None:
            messages.error(request, form.sentence)
        else:
            messages.success(request, " ".join(filter(None, [saved, rerank.sentence if rerank else ""])))
        return redirect(context["next_url"])
    if playlist is not None and rerank is not None:
        # Read again: the playlist at hand still holds the old order.
        context |= _items_context(_playlist(request, playlist.pk)) | {"moved": rerank.moved, "oob": True}
    return render(request, "recommender/partials/felt_answer.html", context)
