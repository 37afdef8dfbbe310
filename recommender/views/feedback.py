"""What a song did to the listener: said in the panel under the player, or done by playing and skipping."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from catalog.models import Song
from recommender import selectors, services
from recommender.forms import EndedForm, FeltForm
from recommender.models import FeltRating, Playlist
from recommender.values import RerankResult
from recommender.views.common import (
    items_context,
    listener_of,
    own_playlist,
    playlist_named,
    song_or_404,
    wants_fragment,
)


@require_http_methods(["GET", "POST"])
def song_felt(request: HttpRequest, pk: int) -> HttpResponse:
    """The panel for rating what a song did to the listener; POST keeps the answer."""
    song = song_or_404(pk)
    if request.method == "GET":
        context = felt_context(request, song, playlist_named(request, request.GET))
        return render(request, "recommender/partials/felt_panel.html", context)
    return _song_felt_save(request, song)


def _song_felt_save(request: HttpRequest, song: Song) -> HttpResponse:
    playlist = playlist_named(request, request.POST)
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
    song = song_or_404(pk)
    playlist = playlist_named(request, request.POST)
    if not request.user.is_authenticated:
        return _felt_sign_in(request, song, playlist)
    rerank = services.feedback_withdraw(user=request.user, song=song, playlist=playlist)
    return _felt_answer(request, song, playlist, saved="Your rating was withdrawn.", rerank=rerank)


@require_POST
def song_played(request: HttpRequest, pk: int) -> HttpResponse:
    """Note that a song began to play."""
    song = song_or_404(pk)
    playlist = playlist_named(request, request.POST)
    services.listen_record(listener=listener_of(request), song=song, playlist=playlist)
    return HttpResponse(status=204)


@require_POST
def song_skipped(request: HttpRequest, pk: int) -> HttpResponse:
    """Note that somebody left a song, and say whether that changed the rest of the list."""
    return _ended(request, pk, completed=False)


@require_POST
def song_completed(request: HttpRequest, pk: int) -> HttpResponse:
    """Note that somebody heard a song to its end."""
    return _ended(request, pk, completed=True)


def _ended(request: HttpRequest, pk: int, *, completed: bool) -> HttpResponse:
    song = song_or_404(pk)
    form = EndedForm(request.POST)
    if not form.is_valid():
        return JsonResponse({"errors": form.errors}, status=400)
    result = services.listen_finish(
        listener=listener_of(request),
        song=song,
        playlist=playlist_named(request, request.POST),
        listened_s=form.cleaned_data["listened_s"],
        completed=completed,
    )
    rerank = result.rerank
    return JsonResponse({"changed": bool(rerank and rerank.changed), "sentence": rerank.sentence if rerank else ""})


def felt_context(
    request: HttpRequest, song: Song, playlist: Playlist | None = None, form: FeltForm | None = None
) -> dict[str, Any]:
    """Return what the panel for rating a song shows."""
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
    context = felt_context(request, song, playlist)
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
    context = felt_context(request, song, playlist, form) | {"saved": saved, "rerank": rerank}
    if not wants_fragment(request):
        if form is not None:
            messages.error(request, form.sentence)
        else:
            messages.success(request, " ".join(filter(None, [saved, rerank.sentence if rerank else ""])))
        return redirect(context["next_url"])
    if playlist is not None and rerank is not None:
        # Read again: the playlist at hand still holds the old order.
        context |= items_context(own_playlist(request, playlist.pk)) | {"moved": rerank.moved, "oob": True}
    return render(request, "recommender/partials/felt_answer.html", context)
