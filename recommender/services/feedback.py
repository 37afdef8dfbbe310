"""Ratings: what songs did to listeners, by their own answers."""

from __future__ import annotations

import math
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.core.charts import Point
from catalog.models import Song
from emotion.selectors import prevailing_model_version
from recommender.exceptions import RatingInvalidError, UndoTooLateError
from recommender.models import FeltRating, Playlist, PlaylistItem
from recommender.reasons.reasons import RerankTrigger
from recommender.requests import mood_of
from recommender.selectors import MOOD_HOLDS, RATING_LISTENING, mood_now, rating_answers
from recommender.services.playlists import playlist_lock, rest_rerank
from recommender.values import FeedbackResult, Listener, RerankResult


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
    mood: Point | None = None,
    rerank: bool = True,
) -> FeedbackResult:
    """Record a listener's answers about a song; a question without an answer keeps its earlier one.

    A feeling and "felt nothing" answer the same question, so the later one replaces the earlier one.

    Args:
        user: the listener.
        song: the rated song.
        felt_valence: in [-1, 1], together with `felt_arousal` or not at all.
        felt_arousal: in [-1, 1].
        liked: whether they liked it.
        familiar: whether they knew it already.
        felt_nothing: it left them cold.
        skipped: they did not listen to its end.
        listened_s: seconds of listening.
        playlist: the playlist in which it played; its unplayed rest is re-ranked.
        mood: the mood before listening; None takes the check-in of the last half hour, if there is one.
        rerank: False leaves the playlist as it is, for a caller that records several answers and ranks after the last.

    Raises:
        RatingInvalidError: there is no answer, half a feeling, or a number outside its range.
        PlaylistNotFoundError: the playlist is not this listener's.
    """
    answers = _answers(felt_valence, felt_arousal, liked, familiar, felt_nothing, skipped, listened_s)
    listener = Listener(user=user)
    before = _mood_before(listener, playlist, mood)
    if playlist is None:
        return FeedbackResult(rating=_upsert(user, song, answers, before))
    # Two transactions: should the re-ranking fail, the answers are stored all the same.
    rating = _upsert(user, song, answers | _placed(listener, playlist, song), before)
    if not rerank:
        return FeedbackResult(rating=rating)
    ranked = rest_rerank(playlist=playlist, listener=listener, because_of=song, trigger=_trigger(answers))
    return FeedbackResult(rating=rating, rerank=ranked)


def feedback_withdraw(*, user: User, song: Song, playlist: Playlist | None = None) -> RerankResult | None:
    """Delete a listener's rating of a song, if there is one.

    Args:
        user: the listener.
        song: the rated song.
        playlist: the playlist that is playing; its unplayed rest is re-ranked if there was a rating.

    Raises:
        PlaylistNotFoundError: the playlist is not this listener's.
    """
    n_deleted, _ = FeltRating.objects.filter(listener=user, song=song).delete()
    return _rerank_withdrawn(user, song, playlist) if n_deleted else None


def like_withdraw(*, user: User, song: Song, playlist: Playlist | None = None) -> RerankResult | None:
    """Withdraw only the like or dislike of a song; a rating without any other answer is deleted.

    Args:
        user: the listener.
        song: the liked or disliked song.
        playlist: the playlist that is playing; its unplayed rest is re-ranked if anything was withdrawn.

    Raises:
        PlaylistNotFoundError: the playlist is not this listener's.
    """
    with transaction.atomic():
        rating = FeltRating.objects.select_for_update().filter(listener=user, song=song).first()
        if rating is None or rating.liked is None:
            return None
        if rating.felt_valence is None and rating.familiar is None and not rating.felt_nothing and not rating.skipped:
            rating.delete()
        else:
            rating.liked = None
            rating.save(update_fields=["liked", "updated_at"])
    return _rerank_withdrawn(user, song, playlist)


def feedback_restore(
    *,
    user: User,
    song: Song,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
    playlist: Playlist | None = None,
) -> RerankResult | None:
    """Undo a rating or its withdrawal: restore the earlier answers if none were given since.

    Args:
        user: the listener.
        song: the rated song.
        before: what `rating_values` was before, None where there was no rating.
        after: what `rating_answers` was after, None where the rating was withdrawn.
        playlist: the playlist that is playing; its unplayed rest is re-ranked.

    Raises:
        UndoTooLateError: another answer was given since.
        PlaylistNotFoundError: the playlist is not this listener's.
    """
    _restore(user, song, before, after)
    return _rerank_withdrawn(user, song, playlist)


def _rerank_withdrawn(user: User, song: Song, playlist: Playlist | None) -> RerankResult | None:
    if playlist is None:
        return None
    listener = Listener(user=user)
    return rest_rerank(playlist=playlist, listener=listener, because_of=song, trigger=RerankTrigger.WITHDRAWN)


@transaction.atomic
def _restore(user: User, song: Song, before: dict[str, Any] | None, after: dict[str, Any] | None) -> None:
    rating = FeltRating.objects.select_for_update().filter(listener=user, song=song).first()
    if rating_answers(rating) != after:
        raise UndoTooLateError(_("You have given another answer for this song since, so that one stays."))
    if before is None:
        if rating is not None:
            rating.delete()
        return
    values = dict(before)
    if not Playlist.objects.filter(pk=values["playlist_id"]).exists():
        values["playlist_id"] = None
    if rating is not None:
        # Listening meanwhile stays on record.
        values = {name: value for name, value in values.items() if name not in RATING_LISTENING}
    created_at = values.pop("created_at")
    restored, _created = FeltRating.objects.update_or_create(listener=user, song=song, defaults=values)
    # The drift of a mood map goes by when a song was first rated.
    FeltRating.objects.filter(pk=restored.pk).update(created_at=created_at)


def _trigger(answers: dict[str, object]) -> RerankTrigger:
    """Name the re-ranking after the strongest answer."""
    if answers.get("felt_valence") is not None or "felt_nothing" in answers:
        return RerankTrigger.RATING
    if "liked" in answers:
        return RerankTrigger.LIKE if answers["liked"] else RerankTrigger.DISLIKE
    return RerankTrigger.SKIP if "skipped" in answers else RerankTrigger.RATING


def _mood_before(listener: Listener, playlist: Playlist | None, mood: Point | None) -> Point | None:
    """Return the mood given now, that of a recent check-in, or that of a list made as recently."""
    if mood is not None:
        return _mood_checked(mood)
    stated = mood_now(listener)
    if stated is None and playlist is not None and playlist.created_at >= timezone.now() - MOOD_HOLDS:
        return mood_of(playlist)
    return stated


def _mood_checked(mood: Point) -> Point:
    if not all(math.isfinite(value) and -1.0 <= value <= 1.0 for value in mood):
        raise RatingInvalidError(
            _("The previous mood is %(valence)s, %(arousal)s; both must be between -1 and 1.")
            % {"valence": mood[0], "arousal": mood[1]}
        )
    return mood


def _answers(
    felt_valence: float | None,
    felt_arousal: float | None,
    liked: bool | None,
    familiar: bool | None,
    felt_nothing: bool,
    skipped: bool,
    listened_s: float | None,
) -> dict[str, object]:
    """Return the answers given, checked."""
    answers: dict[str, object] = _feeling(felt_valence, felt_arousal, felt_nothing)
    if liked is not None:
        answers["liked"] = liked
    if familiar is not None:
        answers["familiar"] = familiar
    if skipped:
        answers["skipped"] = True
    if listened_s is not None:
        if not (math.isfinite(listened_s) and listened_s >= 0):
            raise RatingInvalidError(
                _("The seconds played are %(seconds)s; they must be 0 or more.") % {"seconds": listened_s}
            )
        answers["listened_s"] = listened_s
    if not answers:
        raise RatingInvalidError(_("The rating is empty: give a feeling, a like, or another answer."))
    return answers


def _feeling(felt_valence: float | None, felt_arousal: float | None, felt_nothing: bool) -> dict[str, object]:
    if felt_valence is None and felt_arousal is None:
        return {"felt_nothing": True, "felt_valence": None, "felt_arousal": None} if felt_nothing else {}
    if felt_valence is None or felt_arousal is None:
        raise RatingInvalidError(_("A feeling has a valence and an arousal; one of them is missing."))
    if felt_nothing:
        raise RatingInvalidError(_("A rating says either what you felt or that you felt nothing, not both."))
    for name, value in ((_("valence"), felt_valence), (_("arousal"), felt_arousal)):
        if not (math.isfinite(value) and -1.0 <= value <= 1.0):
            raise RatingInvalidError(
                _("The felt %(axis)s is %(value)s; it must lie between -1 and 1.") % {"axis": name, "value": value}
            )
    return {"felt_valence": felt_valence, "felt_arousal": felt_arousal, "felt_nothing": False}


def _upsert(user: User, song: Song, answers: dict[str, object], mood: Point | None) -> FeltRating:
    """Change only the answers given, so that two devices which answer at once both keep theirs."""
    answers = {**answers, "model_version": prevailing_model_version()}
    before = {} if mood is None else {"mood_valence": mood[0], "mood_arousal": mood[1]}
    # A like that comes later must not move the mood in which the song was felt.
    felt_now = "felt_nothing" in answers
    rating, _ = FeltRating.objects.update_or_create(
        listener=user,
        song=song,
        defaults={**answers, **(before if felt_now else {})},
        create_defaults={**answers, **before},
    )
    return rating


@transaction.atomic
def _placed(listener: Listener, playlist: Playlist, song: Song) -> dict[str, object]:
    """Return the song's place in the playlist; a rated song was played, so it keeps that place."""
    locked = playlist_lock(listener, playlist.pk)
    item = PlaylistItem.objects.filter(playlist=playlist, song=song).first()
    place: dict[str, object] = {"playlist": playlist, "position": None}
    if item is None:
        return {**place, "target_valence": None, "target_arousal": None}
    if item.played_at is None:
        item.played_at = timezone.now()
        item.save(update_fields=["played_at"])
    target = (item.target_valence, item.target_arousal)
    if None in target and locked.kind != Playlist.Kind.IMPORTED:
        target = (locked.target_valence, locked.target_arousal)
    return {**place, "position": item.position, "target_valence": target[0], "target_arousal": target[1]}
