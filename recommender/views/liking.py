"""Liking the song that plays: the player asks and tells; the panel with the sliders has an address of its own."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from catalog.models import Song
from catalog.permissions import user_of
from recommender import selectors
from recommender.forms import LikeForm
from recommender.models import Playlist
from recommender.services import feedback, liking, pending_answers
from recommender.values import RerankResult
from recommender.views.common import playlist_named, song_or_404


@require_http_methods(["GET", "POST"])
def song_liked(request: HttpRequest, pk: int) -> HttpResponse:
    """Whether the listener likes a song, as JSON; POST says so, or with an empty `liked` takes it back."""
    song = song_or_404(pk)
    if request.method == "GET":
        return JsonResponse({"liked": _liked(request, song)}, headers={"Cache-Control": "private, no-store"})
    form = LikeForm(request.POST)
    if not form.is_valid():
        return JsonResponse({"detail": form.sentence}, status=400)
    playlist = playlist_named(request, request.POST)
    if not request.user.is_authenticated:
        return _keep(request, song, playlist, likes=bool(form.cleaned_data["liked"]))
    user = user_of(request)
    if form.cleaned_data["liked"]:
        rerank = feedback.feedback_record(user=user, song=song, playlist=playlist, liked=True).rerank
    else:
        rerank = liking.like_withdraw(user=user, song=song, playlist=playlist)
    return _answer(bool(form.cleaned_data["liked"]), rerank=rerank)


def _liked(request: HttpRequest, song: Song) -> bool | None:
    if request.user.is_authenticated:
        rating = selectors.rating_of(user_of(request), song)
    else:
        rating = pending_answers.answer_kept(request.session, song)
    return rating.liked if rating else None


def _keep(request: HttpRequest, song: Song, playlist: Playlist | None, *, likes: bool) -> HttpResponse:
    if not likes:
        pending_answers.like_forget(session=request.session, song=song)
        return _answer(False)
    pending_answers.answer_keep(session=request.session, song=song, answers={"liked": True}, playlist=playlist)
    return _answer(True, sentence=_("Sign in or sign up, and it is kept."))


def _answer(liked: bool, *, sentence: str = "", rerank: RerankResult | None = None) -> HttpResponse:
    changed = bool(rerank and rerank.changed)
    reranked = rerank.sentence if rerank else ""
    return JsonResponse({"liked": liked, "sentence": sentence, "changed": changed, "reranked": reranked})
