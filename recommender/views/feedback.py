"""Ratings in the panel under the player, likes, and reports of playing and skipping."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from catalog.core.htmx import wants_fragment
from catalog.models import Song
from catalog.permissions import user_of
from recommender import selectors
from recommender.exceptions import UndoTooLateError
from recommender.forms import EndedForm, FeltForm, LikeForm
from recommender.models import FeltRating, Playlist
from recommender.requests import listener_of
from recommender.services import feedback
from recommender.services.playlists import RerankResult
from recommender.views.common import (
    Undo,
    items_context,
    own_playlist,
    playlist_named,
    song_or_404,
    undo_offer,
    undo_token,
    undo_values,
)

_PANEL = "recommender/partials/felt_panel.html"


@require_http_methods(["GET", "POST"])
def song_felt(request: HttpRequest, pk: int) -> HttpResponse:
    """The panel for rating a song; POST stores the answers, a visitor's in their session."""
    song = song_or_404(pk)
    if request.method == "GET":
        return render(request, _PANEL, felt_context(request, song, playlist_named(request, request.GET)))
    playlist = playlist_named(request, request.POST)
    form = FeltForm(request.POST)
    if not form.is_valid():
        return _not_saved(request, song, playlist, form.sentence, refused=form)
    if not request.user.is_authenticated:
        # A visitor loses nothing by signing in only now.
        feedback.answer_store(session=request.session, song=song, answers=form.answers, playlist=playlist)
        sentence = _("Saved in this browser. Sign in or sign up to make it count.")
        return _not_saved(request, song, playlist, sentence)
    user = user_of(request)
    before = selectors.rating_values(selectors.rating_of(user, song))
    result = feedback.feedback_record(user=user, song=song, playlist=playlist, **form.answers)
    undo = rating_undo(request, song, _("Saved."), before, selectors.rating_answers(result.rating))
    return _felt_answer(request, song, playlist, undo=undo, rerank=result.rerank)


@require_POST
def song_felt_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """Withdraw a rating."""
    song = song_or_404(pk)
    playlist = playlist_named(request, request.POST)
    if not request.user.is_authenticated:
        feedback.answer_forget(session=request.session, song=song)
        return _felt_answer(request, song, playlist, done=_("Your answer was deleted."))
    user = user_of(request)
    before = selectors.rating_values(selectors.rating_of(user, song))
    rerank = feedback.feedback_withdraw(user=user, song=song, playlist=playlist)
    undo = rating_undo(request, song, _("Your rating was withdrawn."), before)
    return _felt_answer(request, song, playlist, undo=undo, rerank=rerank)


@require_POST
def song_felt_undo(request: HttpRequest, pk: int) -> HttpResponse:
    """Restore the answers from before they were last saved or withdrawn."""
    song = song_or_404(pk)
    playlist = playlist_named(request, request.POST)
    if not request.user.is_authenticated:
        return redirect_to_login(_page_of(song, playlist))
    try:
        values = undo_values(request, rating_key(song))
        rerank = feedback.feedback_restore(user=user_of(request), song=song, playlist=playlist, **values)
    except UndoTooLateError as error:
        return _felt_answer(request, song, playlist, done=str(error), failed=True)
    return _felt_answer(request, song, playlist, done=_("Undone: your previous answer is back."), rerank=rerank)


@require_POST
def song_played(request: HttpRequest, pk: int) -> HttpResponse:
    """Record that a song began to play."""
    playlist = playlist_named(request, request.POST)
    feedback.listen_record(listener=listener_of(request), song=song_or_404(pk), playlist=playlist)
    return HttpResponse(status=204)


@require_POST
def song_ended(request: HttpRequest, pk: int, *, completed: bool) -> HttpResponse:
    """Record that a song played to its end or was skipped; answer whether that changed the rest of the list."""
    song = song_or_404(pk)
    form = EndedForm(request.POST)
    if not form.is_valid():
        return JsonResponse({"errors": form.errors}, status=400)
    rerank = feedback.listen_finish(
        listener=listener_of(request),
        song=song,
        playlist=playlist_named(request, request.POST),
        listened_s=form.cleaned_data["listened_s"],
        completed=completed,
    ).rerank
    return JsonResponse({"changed": bool(rerank and rerank.changed), "sentence": rerank.sentence if rerank else ""})


@require_http_methods(["GET", "POST"])
def song_liked(request: HttpRequest, pk: int) -> HttpResponse:
    """Whether the listener likes a song, as JSON; POST sets it, or withdraws it with an empty `liked`."""
    song = song_or_404(pk)
    if request.method == "GET":
        rating = _rating(request, song)
        liked = rating.liked if rating else None
        return JsonResponse({"liked": liked}, headers={"Cache-Control": "private, no-store"})
    form = LikeForm(request.POST)
    if not form.is_valid():
        return JsonResponse({"detail": form.sentence}, status=400)
    playlist = playlist_named(request, request.POST)
    likes, sentence, rerank = bool(form.cleaned_data["liked"]), "", None
    if not request.user.is_authenticated and likes:
        feedback.answer_store(session=request.session, song=song, answers={"liked": True}, playlist=playlist)
        sentence = _("Sign in or sign up to save it.")
    elif not request.user.is_authenticated:
        feedback.answer_forget(session=request.session, song=song, names=("liked",))
    elif likes:
        rerank = feedback.feedback_record(user=user_of(request), song=song, playlist=playlist, liked=True).rerank
    else:
        rerank = feedback.feedback_withdraw(user=user_of(request), song=song, playlist=playlist, only_like=True)
    changed, reranked = (rerank.changed, rerank.sentence) if rerank else (False, "")
    return JsonResponse({"liked": likes, "sentence": sentence, "changed": changed, "reranked": reranked})


def felt_context(
    request: HttpRequest, song: Song, playlist: Playlist | None = None, form: FeltForm | None = None
) -> dict[str, Any]:
    """Return the context of the panel for rating a song."""
    rating = _rating(request, song)
    return {
        "song": song,
        "playlist": playlist,
        "rating": rating,
        "form": form,
        "values": form.cleaned_data if form else rating or FeltRating(),
        "answered": bool(form and form.cleaned_data.get("felt")) or bool(rating and rating.felt_valence is not None),
        "next_url": _page_of(song, playlist),
    }


def rating_key(song: Song) -> str:
    """Return the name of the action that an offer to undo a rating is signed for."""
    return f"rating {song.pk}"


def rating_undo(
    request: HttpRequest,
    song: Song,
    sentence: str,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None = None,
    *,
    url_name: str = "song_felt_undo",
) -> Undo:
    """Return the offer to restore the answers `before`; `after` is the present ones, None where they were withdrawn."""
    token = undo_token(request, rating_key(song), before=before, after=after)
    return Undo(sentence, reverse(f"recommender:{url_name}", args=[song.pk]), token)


def _rating(request: HttpRequest, song: Song) -> FeltRating | None:
    if request.user.is_authenticated:
        return selectors.rating_of(user_of(request), song)
    return selectors.pending_answer(request.session, song)


def _page_of(song: Song, playlist: Playlist | None) -> str:
    """Return the page that shows the panel."""
    name, pk = ("song_detail", song.pk) if playlist is None else ("playlist_detail", playlist.pk)
    return reverse(f"recommender:{name}", args=[pk])


def _not_saved(
    request: HttpRequest, song: Song, playlist: Playlist | None, sentence: str, refused: FeltForm | None = None
) -> HttpResponse:
    """Answer that a form was refused, or else that a visitor's answers count once they sign in."""
    where = _page_of(song, playlist)
    if _wants_json(request):
        sign_in = "" if refused else f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': where})}"
        answer = {"saved": False, "sign_in": sign_in, "sentence": sentence, "changed": False}
        return JsonResponse(answer, status=400 if refused else 200)
    if wants_fragment(request):
        context = felt_context(request, song, playlist, refused)
        return render(request, _PANEL, context if refused else context | {"pending": sentence})
    (messages.error if refused else messages.info)(request, sentence)
    return redirect(where) if refused else redirect_to_login(where)


def _wants_json(request: HttpRequest) -> bool:
    """Whether a script asked, which shows the answer by itself."""
    return request.headers.get("Accept") == "application/json"


def _felt_answer(
    request: HttpRequest,
    song: Song,
    playlist: Playlist | None,
    *,
    done: str = "",
    failed: bool = False,
    undo: Undo | None = None,
    rerank: RerankResult | None = None,
) -> HttpResponse:
    """The panel again and, when it plays a list, the list in its new order with a sentence on what changed."""
    done = undo.sentence if undo else done
    sentence = rerank.sentence if rerank else ""
    if _wants_json(request):
        changed = bool(rerank and rerank.changed)
        return JsonResponse({"saved": True, "sign_in": "", "sentence": sentence or done, "changed": changed})
    if not wants_fragment(request):
        message = " ".join(filter(None, [done, sentence]))
        if undo is not None:
            undo_offer(request, undo._replace(sentence=message))
        else:
            (messages.error if failed else messages.success)(request, message)
        return redirect(_page_of(song, playlist))
    context = felt_context(request, song, playlist) | {"saved": done, "undo": undo, "rerank": rerank}
    if playlist is not None and rerank is not None:
        # Read again: the playlist at hand still holds the old order.
        context |= items_context(own_playlist(request, playlist.pk)) | {"moved": rerank.moved, "oob": True}
    return render(request, "recommender/partials/felt_answer.html", context)
