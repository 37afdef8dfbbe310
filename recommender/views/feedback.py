"""Ratings, their withdrawal and undo, and reports of playing and skipping."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from catalog.models import Song
from catalog.permissions import user_of
from recommender import selectors
from recommender.exceptions import UndoTooLateError
from recommender.forms import EndedForm, FeltForm, WithdrawForm
from recommender.models import FeltRating, Playlist
from recommender.requests import listener_of
from recommender.services import feedback
from recommender.services.playlists import RerankResult
from recommender.views.common import (
    Undo,
    playlist_named,
    song_or_404,
    undo_offer,
    undo_token,
    undo_values,
)


@require_http_methods(["GET", "POST"])
def song_felt(request: HttpRequest, pk: int) -> HttpResponse:
    """The listener's answers about a song, as JSON; POST stores the answers given, a visitor's in their session."""
    song = song_or_404(pk)
    if request.method == "GET":
        return _felt_json(request, song)
    playlist = playlist_named(request, request.POST)
    form = FeltForm(request.POST)
    if not form.is_valid():
        return _felt_answer(request, song, playlist, form.sentence, refused=True)
    if not request.user.is_authenticated:
        # A visitor loses nothing by signing in only now.
        feedback.answer_store(session=request.session, song=song, answers=form.answers, playlist=playlist)
        return _to_sign_in(request, song, playlist, _("Kept in this browser. Sign in or sign up to make it count."))
    user = user_of(request)
    before = selectors.rating_values(selectors.rating_of(user, song))
    result = feedback.feedback_record(user=user, song=song, playlist=playlist, **form.answers)
    undo = rating_undo(request, song, _("Saved."), before, selectors.rating_answers(result.rating))
    return _felt_answer(request, song, playlist, undo.sentence, undo=undo, rerank=result.rerank)


@require_POST
def song_felt_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """Withdraw a rating, or the answers that `only` names."""
    song = song_or_404(pk)
    playlist = playlist_named(request, request.POST)
    form = WithdrawForm(request.POST)
    if not form.is_valid():
        return _felt_answer(request, song, playlist, form.sentence, refused=True)
    only = form.cleaned_data["only"]
    if not request.user.is_authenticated:
        feedback.answer_forget(session=request.session, song=song, names=only or selectors.RATING_ANSWERS)
        return _felt_answer(request, song, playlist, _("Your answer was deleted."))
    user = user_of(request)
    before = selectors.rating_values(selectors.rating_of(user, song))
    rerank = feedback.feedback_withdraw(user=user, song=song, playlist=playlist, only=only)
    after = selectors.rating_answers(selectors.rating_of(user, song))
    sentence = _("Your answer was withdrawn.") if only else _("Your rating was withdrawn.")
    undo = rating_undo(request, song, sentence, before, after)
    return _felt_answer(request, song, playlist, undo.sentence, undo=undo, rerank=rerank)


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
        return _felt_answer(request, song, playlist, str(error), refused=True)
    is_back = values["before"] is not None
    sentence = _("Undone: your previous answer is back.") if is_back else _("Undone: your rating is removed.")
    return _felt_answer(request, song, playlist, sentence, rerank=rerank)


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
    changed, sentence, moved = (rerank.changed, rerank.sentence, rerank.moved) if rerank else (False, "", ())
    return JsonResponse({"changed": changed, "sentence": sentence, "moved": moved})


def felt_context(request: HttpRequest, song: Song, playlist: Playlist | None = None) -> dict[str, Any]:
    """Return the context of the panel for rating a song."""
    rating = _rating(request, song)
    return {
        "song": song,
        "playlist": playlist,
        "rating": rating,
        "values": rating or FeltRating(),
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


def _to_sign_in(request: HttpRequest, song: Song, playlist: Playlist | None, sentence: str) -> HttpResponse:
    """Answer that a visitor's answers count once they sign in."""
    where = _page_of(song, playlist)
    if _wants_json(request):
        return _felt_json(request, song, sentence=sentence, sign_in=True)
    messages.info(request, sentence)
    return redirect_to_login(where)


def _wants_json(request: HttpRequest) -> bool:
    """Whether a script asked, which shows the answer by itself."""
    return request.headers.get("Accept") == "application/json"


def _felt_json(
    request: HttpRequest,
    song: Song,
    *,
    status: int = 200,
    undo: Undo | None = None,
    rerank: RerankResult | None = None,
    **said: Any,
) -> JsonResponse:
    """What was said, the answers as they are now, the offer to undo, and what became of the rest of the list."""
    answer = {
        "saved": False,
        "sentence": "",
        "sign_in": False,
        "values": selectors.rating_answers(_rating(request, song) or FeltRating()),
        "undo": {"url": undo.url, "token": undo.token} if undo else None,
        "changed": bool(rerank and rerank.changed),
        "moved": rerank.moved if rerank else (),
        "reranked": rerank.sentence if rerank else "",
    }
    return JsonResponse(answer | said, status=status, headers={"Cache-Control": "private, no-store"})


def _felt_answer(
    request: HttpRequest,
    song: Song,
    playlist: Playlist | None,
    sentence: str,
    *,
    refused: bool = False,
    undo: Undo | None = None,
    rerank: RerankResult | None = None,
) -> HttpResponse:
    """Say what was done: to a script in JSON, else on the page that shows the panel."""
    if _wants_json(request):
        status = 400 if refused else 200
        return _felt_json(request, song, sentence=sentence, saved=not refused, status=status, undo=undo, rerank=rerank)
    message = " ".join(filter(None, [sentence, rerank.sentence if rerank else ""]))
    if undo is not None:
        undo_offer(request, undo._replace(sentence=message))
    else:
        (messages.error if refused else messages.success)(request, message)
    return redirect(_page_of(song, playlist))
