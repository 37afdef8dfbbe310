"""What listeners felt, in their own words."""

from __future__ import annotations

import math
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.core.points import Point
from catalog.models import Song
from emotion.selectors import prevailing_model_version
from recommender.exceptions import RatingInvalid, UndoTooLate
from recommender.models import FeltRating, Playlist, PlaylistItem
from recommender.reasons.reasons import Cause
from recommender.requests import mood_of
from recommender.selectors import MOOD_HOLDS, mood_now
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
        mood: how they were before listening; None takes what they said within the last half hour, if they did.
        rerank: False leaves the playlist as it is, for whoever records several answers and ranks after the last.

    Raises:
        RatingInvalid: it says nothing, half a feeling, or a number outside its range.
        PlaylistNotFound: the playlist is not this listener's.
    """
    said = _said(felt_valence, felt_arousal, liked, familiar, felt_nothing, skipped, listened_s)
    listener = Listener(user=user)
    before = _mood_before(listener, playlist, mood)
    if playlist is None:
        return FeedbackResult(rating=_upsert(user, song, said, before))
    # Two transactions: should the re-ranking fail, what the listener said is kept all the same.
    rating = _upsert(user, song, said | _placed(listener, playlist, song), before)
    if not rerank:
        return FeedbackResult(rating=rating)
    ranked = rest_rerank(playlist=playlist, listener=listener, because_of=song, cause=_cause(said))
    return FeedbackResult(rating=rating, rerank=ranked)


def feedback_withdraw(*, user: User, song: Song, playlist: Playlist | None = None) -> RerankResult | None:
    """Forget what a listener said of a song; nothing happens when they said nothing.

    Args:
        user: the listener.
        song: what was rated.
        playlist: the playlist that is playing; its unplayed rest is re-ranked if there was a rating.

    Raises:
        PlaylistNotFound: the playlist is not this listener's.
    """
    n_forgotten, _ = FeltRating.objects.filter(listener=user, song=song).delete()
    if playlist is None or not n_forgotten:
        return None
    return rest_rerank(playlist=playlist, listener=Listener(user=user), because_of=song, cause=Cause.WITHDRAWN)


# What a listener says; what they only did (heard, skipped) is noted by itself and never undone.
ANSWERS = ("felt_valence", "felt_arousal", "liked", "familiar", "felt_nothing")
_CONTEXT = ("playlist_id", "position", "target_valence", "target_arousal", "mood_valence", "mood_arousal")
_DONE = ("skipped", "listened_s")


def answers_of(rating: FeltRating | None) -> dict[str, Any] | None:
    """Return what a rating says, None where there is none."""
    return None if rating is None else {name: getattr(rating, name) for name in ANSWERS}


def rating_values(rating: FeltRating | None) -> dict[str, Any] | None:
    """Return all that must be known of a rating to bring it back, None where there is none."""
    if rating is None:
        return None
    names = (*ANSWERS, *_CONTEXT, *_DONE, "model_version")
    return {**{name: getattr(rating, name) for name in names}, "created_at": rating.created_at.isoformat()}


def feedback_restore(
    *,
    user: User,
    song: Song,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
    playlist: Playlist | None = None,
) -> RerankResult | None:
    """Undo a rating or its withdrawal: bring back what was said before, if nothing was said since.

    Args:
        user: the listener.
        song: what was rated.
        before: what `rating_values` was before, None where there was no rating.
        after: what `answers_of` was after, None where the rating was withdrawn.
        playlist: the playlist that is playing; its unplayed rest is re-ranked.

    Raises:
        UndoTooLate: something else was said since.
        PlaylistNotFound: the playlist is not this listener's.
    """
    _bring_back(user, song, before, after)
    if playlist is None:
        return None
    return rest_rerank(playlist=playlist, listener=Listener(user=user), because_of=song, cause=Cause.WITHDRAWN)


@transaction.atomic
def _bring_back(user: User, song: Song, before: dict[str, Any] | None, after: dict[str, Any] | None) -> None:
    rating = FeltRating.objects.select_for_update().filter(listener=user, song=song).first()
    if answers_of(rating) != after:
        raise UndoTooLate(_("You have said something else of this song since, so that was left as it is."))
    if before is None:
        if rating is not None:
            rating.delete()
        return
    values = dict(before)
    if not Playlist.objects.filter(pk=values["playlist_id"]).exists():
        values["playlist_id"] = None
    if rating is not None:
        # What was heard meanwhile stays noted.
        values = {name: value for name, value in values.items() if name not in _DONE}
    created_at = values.pop("created_at")
    restored, _created = FeltRating.objects.update_or_create(listener=user, song=song, defaults=values)
    # The drift of a mood map goes by when a song was first rated.
    FeltRating.objects.filter(pk=restored.pk).update(created_at=created_at)


def _cause(said: dict[str, object]) -> Cause:
    """Name what a listener did after the strongest thing that they said."""
    if said.get("felt_valence") is not None or "felt_nothing" in said:
        return Cause.RATING
    if "liked" in said:
        return Cause.LIKE if said["liked"] else Cause.DISLIKE
    return Cause.SKIP if "skipped" in said else Cause.RATING


def _mood_before(listener: Listener, playlist: Playlist | None, mood: Point | None) -> Point | None:
    """Return how a listener said they were: now, within half an hour, or when they made the list as lately."""
    if mood is not None:
        return _mood_checked(mood)
    said = mood_now(listener)
    if said is None and playlist is not None and playlist.created_at >= timezone.now() - MOOD_HOLDS:
        return mood_of(playlist)
    return said


def _mood_checked(mood: Point) -> Point:
    if not all(math.isfinite(value) and -1.0 <= value <= 1.0 for value in mood):
        raise RatingInvalid(
            _("The mood before is %(valence)s, %(arousal)s; both must lie between -1 and 1.")
            % {"valence": mood[0], "arousal": mood[1]}
        )
    return mood


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
            raise RatingInvalid(
                _("The seconds heard are %(seconds)s; they must be 0 or more.") % {"seconds": listened_s}
            )
        said["listened_s"] = listened_s
    if not said:
        raise RatingInvalid(_("The rating says nothing: give a feeling, a like, or what else you noticed."))
    return said


def _feeling(felt_valence: float | None, felt_arousal: float | None, felt_nothing: bool) -> dict[str, object]:
    if felt_valence is None and felt_arousal is None:
        return {"felt_nothing": True, "felt_valence": None, "felt_arousal": None} if felt_nothing else {}
    if felt_valence is None or felt_arousal is None:
        raise RatingInvalid(_("A feeling is a valence and an arousal; one of them is missing."))
    if felt_nothing:
        raise RatingInvalid(_("A rating says either what was felt, or that nothing was; not both."))
    for name, value in ((_("valence"), felt_valence), (_("arousal"), felt_arousal)):
        if not (math.isfinite(value) and -1.0 <= value <= 1.0):
            raise RatingInvalid(
                _("The felt %(axis)s is %(value)s; it must lie between -1 and 1.") % {"axis": name, "value": value}
            )
    return {"felt_valence": felt_valence, "felt_arousal": felt_arousal, "felt_nothing": False}


def _upsert(user: User, song: Song, said: dict[str, object], mood: Point | None) -> FeltRating:
    """Change only what was said, so that two devices which answer at once both keep their answer."""
    said = {**said, "model_version": prevailing_model_version()}
    before = {} if mood is None else {"mood_valence": mood[0], "mood_arousal": mood[1]}
    # A like that comes later must not move the mood in which the song was felt.
    felt_now = "felt_nothing" in said
    rating, _ = FeltRating.objects.update_or_create(
        listener=user, song=song, defaults={**said, **(before if felt_now else {})}, create_defaults={**said, **before}
    )
    return rating


@transaction.atomic
def _placed(listener: Listener, playlist: Playlist, song: Song) -> dict[str, object]:
    """Note where in the playlist the song was; a song that is rated was heard, so it keeps its place."""
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


def like_withdraw(*, user: User, song: Song, playlist: Playlist | None = None) -> RerankResult | None:
    """Forget whether a listener liked a song; a rating that says nothing else goes with it.

    Args:
        user: the listener.
        song: what was liked, or disliked.
        playlist: the playlist that is playing; its unplayed rest is re-ranked if there was something to forget.

    Raises:
        PlaylistNotFound: the playlist is not this listener's.
    """
    if not _forget(user, song) or playlist is None:
        return None
    return rest_rerank(playlist=playlist, listener=Listener(user=user), because_of=song, cause=Cause.WITHDRAWN)


@transaction.atomic
def _forget(user: User, song: Song) -> bool:
    rating = FeltRating.objects.select_for_update().filter(listener=user, song=song).first()
    if rating is None or rating.liked is None:
        return False
    if rating.felt_valence is None and rating.familiar is None and not rating.felt_nothing and not rating.skipped:
        rating.delete()
    else:
        rating.liked = None
        rating.save(update_fields=["liked", "updated_at"])
    return True
