"""What listeners felt, in their own words."""

from __future__ import annotations

import math

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from catalog.models import Song
from emotion.selectors import prevailing_model_version
from recommender.exceptions import RatingInvalid
from recommender.explain import Cause
from recommender.models import FeltRating, Playlist, PlaylistItem
from recommender.selectors import MOOD_HOLDS, mood_now
from recommender.services.reranking import playlist_lock, rest_rerank
from recommender.services.wishes import mood_of
from recommender.values import FeedbackResult, Listener, Point, RerankResult


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
    rerank = rest_rerank(playlist=playlist, listener=listener, because_of=song, cause=_cause(said))
    return FeedbackResult(rating=rating, rerank=rerank)


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
        raise RatingInvalid(f"The mood before is {mood[0]}, {mood[1]}; both must lie between -1 and 1.")
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
