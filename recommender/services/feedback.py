"""What listeners felt, in their own words."""

from __future__ import annotations

import math

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from catalog.models import Song
from emotion.selectors import prevailing_model_version
from recommender.exceptions import RatingInvalid
from recommender.models import FeltRating, Playlist, PlaylistItem
from recommender.services.playlists import playlist_lock, rest_rerank
from recommender.values import FeedbackResult, Listener


def feedback_record(
    *,
    user: User,
    song: Song,
    felt_valence: float | None = None,
    felt_arousal: float | None = None,
    liked: bool | None = None,
    familiar: bool | None = None,
    felt_nothing: bool = False,
    skipped: bool = False,
    listened_s: float | None = None,
    playlist: Playlist | None = None,
) -> FeedbackResult:
    """Keep what a listener said of a song; what is not said now keeps its earlier answer.

    A feeling and "felt nothing" answer the same question, so the later one replaces the earlier one.

    Args:
        user: the listener.
        song: what was heard.
        felt_valence: in [-1, 1], together with `felt_arousal` or not at all.
        felt_arousal: in [-1, 1].
        liked: whether they liked it.
        familiar: whether they knew it already.
        felt_nothing: it left them cold.
        skipped: they did not hear it out.
        listened_s: seconds heard.
        playlist: the playlist in which it was heard; its unplayed rest is re-ranked.

    Raises:
        RatingInvalid: it says nothing, half a feeling, or a number outside its range.
        PlaylistNotFound: the playlist is not this listener's.
    """
    said = _said(felt_valence, felt_arousal, liked, familiar, felt_nothing, skipped, listened_s)
    listener = Listener(user=user)
    if playlist is None:
        return FeedbackResult(rating=_upsert(user, song, said))
    said |= _placed(listener, playlist, song)
    # Two transactions: should the re-ranking fail, what the listener said is kept all the same.
    rating = _upsert(user, song, said)
    return FeedbackResult(rating=rating, rerank=rest_rerank(playlist=playlist, listener=listener, because_of=song))


def feedback_withdraw(*, user: User, song: Song) -> None:
    """Forget what a listener said of a song; nothing happens when they said nothing."""
    FeltRating.objects.filter(listener=user, song=song).delete()


def _said(
    felt_valence: float | None,
    felt_arousal: float | None,
    liked: bool | None,
    familiar: bool | None,
    felt_nothing: bool,
    skipped: bool,
    listened_s: float | None,
) -> dict[str, object]:
    """Return only what was said, checked."""
    said: dict[str, object] = _feeling(felt_valence, felt_arousal, felt_nothing)
    if liked is not None:
        said["liked"] = liked
    if familiar is not None:
        said["familiar"] = familiar
    if skipped:
        said["skipped"] = True
    if listened_s is not None:
        if not (math.isfinite(listened_s) and listened_s >= 0):
            raise RatingInvalid(f"The seconds heard are {listened_s}; they must be 0 or more.")
        said["listened_s"] = listened_s
    if not said:
        raise RatingInvalid("The rating says nothing: give a feeling, a like, or what else you noticed.")
    return said


def _feeling(felt_valence: float | None, felt_arousal: float | None, felt_nothing: bool) -> dict[str, object]:
    if felt_valence is None and felt_arousal is None:
        return {"felt_nothing": True, "felt_valence": None, "felt_arousal": None} if felt_nothing else {}
    if felt_valence is None or felt_arousal is None:
        raise RatingInvalid("A feeling is a valence and an arousal; one of them is missing.")
    if felt_nothing:
        raise RatingInvalid("A rating says either what was felt, or that nothing was; not both.")
    for name, value in (("valence", felt_valence), ("arousal", felt_arousal)):
        if not (math.isfinite(value) and -1.0 <= value <= 1.0):
            raise RatingInvalid(f"The felt {name} is {value}; it must lie between -1 and 1.")
    return {"felt_valence": felt_valence, "felt_arousal": felt_arousal, "felt_nothing": False}


def _upsert(user: User, song: Song, said: dict[str, object]) -> FeltRating:
    said = {**said, "model_version": prevailing_model_version()}
    rating, _ = FeltRating.objects.update_or_create(listener=user, song=song, defaults=said)
    return rating


@transaction.atomic
def _placed(listener: Listener, playlist: Playlist, song: Song) -> dict[str, object]:
    """Note where in the playlist the song was; a song that is rated was heard, so it keeps its place."""
    playlist_lock(listener, playlist.pk)
    item = PlaylistItem.objects.filter(playlist=playlist, song=song).first()
    if item is not None and item.played_at is None:
        item.played_at = timezone.now()
        item.save(update_fields=["played_at"])
    return {"playlist": playlist, "position": item.position if item else None}
