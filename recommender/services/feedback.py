"""What listeners say and do: ratings, listens, mood check-ins, and what they did before they signed in."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.core.points import Point
from catalog.models import Song
from emotion.selectors import prevailing_model_version
from recommender.exceptions import CheckInInvalidError, PlaylistInvalidError, RatingInvalidError, UndoTooLateError
from recommender.listener.history import EARLY_SHARE
from recommender.models import FeltRating, Listen, MoodCheckIn, Playlist, PlaylistItem
from recommender.reasons.reasons import RerankTrigger
from recommender.requests import FeedbackResult, Listener, ListenResult, RerankResult, Target, mood_of
from recommender.selectors import (
    MOOD_HOLDS,
    PENDING_ANSWERS_KEY,
    RATING_ANSWERS,
    RATING_LISTENING,
    check_ins_of,
    check_ins_recent,
    listens_of,
    mood_now,
    playlists_of,
    rating_answers,
)
from recommender.services.playlists import playlist_lock, rest_rerank


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


# A browser that reports the same start twice (two tabs, a retry) is one listen.
SAME_LISTEN_S = 10
# A song that was begun longer ago than this, and paused since, is not the one that ends now.
STILL_PLAYING = timedelta(hours=12)


@transaction.atomic
def listen_record(*, listener: Listener, song: Song, playlist: Playlist | None = None) -> Listen:
    """Record that a song began to play; in a playlist, its item keeps its place from now on.

    Raises:
        PlaylistNotFoundError: the playlist is not this listener's.
    """
    _mark_played(listener, song, playlist)
    since = timezone.now() - timedelta(seconds=SAME_LISTEN_S)
    same = listens_of(listener).filter(song=song, playlist=playlist, started_at__gte=since).first()
    return same or _begun(listener, song, playlist)


def listen_finish(
    *,
    listener: Listener,
    song: Song,
    playlist: Playlist | None = None,
    listened_s: float,
    completed: bool,
) -> ListenResult:
    """Record how the playing of a song ended; an early skip re-ranks what of the playlist was not played.

    A second report of the same end changes nothing. An existing rating of the song is updated too, but none is created.

    Args:
        listener: who listened.
        song: what was played.
        playlist: in which playlist, if in any.
        listened_s: seconds of listening.
        completed: it played to its end; else it was skipped.

    Raises:
        RatingInvalidError: the seconds are not a number, or below 0.
        PlaylistNotFoundError: the playlist is not this listener's.
    """
    if not (math.isfinite(listened_s) and listened_s >= 0):
        raise RatingInvalidError(
            _("The seconds played are %(seconds)s; they must be 0 or more.") % {"seconds": listened_s}
        )
    listen, is_new = _end(listener, song, playlist, listened_s, completed)
    early = not completed and listened_s < EARLY_SHARE * song.duration_s
    if playlist is None or not early or not is_new:
        return ListenResult(listen=listen)
    # Two transactions: should the re-ranking fail, the skip is stored all the same.
    rerank = rest_rerank(playlist=playlist, listener=listener, because_of=song, trigger=RerankTrigger.SKIP)
    return ListenResult(listen=listen, rerank=rerank)


@transaction.atomic
def _end(
    listener: Listener, song: Song, playlist: Playlist | None, listened_s: float, completed: bool
) -> tuple[Listen, bool]:
    """Return the listen with its end, and whether the end is new."""
    _mark_played(listener, song, playlist)
    outcome = Listen.Outcome.COMPLETED if completed else Listen.Outcome.SKIPPED
    since = timezone.now() - STILL_PLAYING
    latest = listens_of(listener).filter(song=song, playlist=playlist, started_at__gte=since)
    listen = latest.select_for_update(of=("self",)).first() or _begun(listener, song, playlist)
    if listen.outcome != Listen.Outcome.STARTED:
        if (listen.outcome, listen.listened_s) == (outcome, listened_s):
            return listen, False
        listen = _begun(listener, song, playlist)
    listen.outcome, listen.listened_s = outcome, listened_s
    listen.save(update_fields=["outcome", "listened_s"])
    if listener.user is not None:
        said = FeltRating.objects.filter(listener=listener.user, song=song)
        said.update(skipped=not completed, listened_s=listened_s, updated_at=timezone.now())
    return listen, True


def _mark_played(listener: Listener, song: Song, playlist: Playlist | None) -> None:
    if playlist is not None:
        # The lock waits for a re-ranking under way, which would otherwise replace the item that is marked.
        playlist_lock(listener, playlist.pk)
        PlaylistItem.objects.filter(playlist=playlist, song=song, played_at=None).update(played_at=timezone.now())


def _begun(listener: Listener, song: Song, playlist: Playlist | None) -> Listen:
    return Listen.objects.create(**listener.owner_fields("listener"), song=song, playlist=playlist)


def check_in_create(*, listener: Listener, valence: float, arousal: float) -> MoodCheckIn:
    """Record how a listener is now.

    Raises:
        CheckInInvalidError: an axis is not in [-1, 1], or the listener has neither account nor session.
    """
    try:
        Target.of_point(valence, arousal)
    except PlaylistInvalidError:
        raise CheckInInvalidError(
            _("A mood lies between -1 and 1 on both axes; this one is %(valence)s, %(arousal)s.")
            % {"valence": valence, "arousal": arousal}
        ) from None
    if listener.is_nobody:
        raise CheckInInvalidError(_("A mood must belong to a user or to a browser session."))
    return MoodCheckIn.objects.create(**listener.owner_fields("listener"), valence=valence, arousal=arousal)


@transaction.atomic
def check_in_withdraw(*, listener: Listener, check_in: MoodCheckIn | None = None) -> None:
    """Delete a check-in, and that mood from the lists made meanwhile, though not from where journeys begin.

    Args:
        listener: who checked in.
        check_in: what to delete, from `check_in_visible`; None deletes all of the last half hour.
    """
    withdrawn = check_ins_recent(listener) if check_in is None else check_ins_of(listener).filter(pk=check_in.pk)
    for valence, arousal in withdrawn.values_list("valence", "arousal"):
        made = playlists_of(listener).exclude(kind=Playlist.Kind.JOURNEY)
        made.filter(mood_valence=valence, mood_arousal=arousal).update(mood_valence=None, mood_arousal=None)
    withdrawn.delete()


# A session is one row, read with every request; the oldest answer makes room.
PENDING_LIMIT = 50


def answer_store(*, session: SessionBase, song: Song, answers: dict[str, Any], playlist: Playlist | None) -> None:
    """Store answers about a song; a question without an answer keeps its earlier one, as it does in an account."""
    pending = _pending(session)
    earlier = pending.pop(str(song.pk), {})
    # A box that was not ticked is no answer; a dislike is one.
    given = {
        name: value for name, value in answers.items() if value is not None and (value is not False or name == "liked")
    }
    if {"felt_valence", "felt_nothing"} & given.keys():
        earlier = {name: value for name, value in earlier.items() if not name.startswith("felt_")}
    pending[str(song.pk)] = earlier | given | {"playlist": playlist.pk if playlist else None}
    session[PENDING_ANSWERS_KEY] = dict(list(pending.items())[-PENDING_LIMIT:])


def answer_forget(*, session: SessionBase, song: Song) -> None:
    """Forget all answers about a song."""
    pending = _pending(session)
    if pending.pop(str(song.pk), None) is not None:
        session[PENDING_ANSWERS_KEY] = pending


def like_forget(*, session: SessionBase, song: Song) -> None:
    """Forget the like of a song; the other answers stay."""
    pending = _pending(session)
    answers = pending.get(str(song.pk), {})
    if answers.pop("liked", None) is None:
        return
    if not answers.keys() & set(RATING_ANSWERS):
        del pending[str(song.pk)]
    session[PENDING_ANSWERS_KEY] = pending


def pending_answers_record(*, user: User, session: SessionBase) -> list[str]:
    """Record the stored answers as ratings of the user who signed in, and return the titles; a second call finds none.

    Each playlist in which a song was rated is re-ranked once, after its last answer.
    """
    pending: dict[str, dict[str, Any]] = session.pop(PENDING_ANSWERS_KEY, {})
    songs = Song.objects.in_bulk([int(song_id) for song_id in pending])
    named = [answers["playlist"] for answers in pending.values() if answers["playlist"]]
    playlists = playlists_of(Listener(user=user)).in_bulk(named)
    last = {answers["playlist"]: song_id for song_id, answers in pending.items()}
    titles = []
    for song_id, answers in pending.items():
        song = songs.get(int(song_id))
        if song is None:
            continue
        number = answers.pop("playlist")
        mood = answers.pop("mood", None)
        feedback_record(
            user=user,
            song=song,
            playlist=playlists.get(number),
            mood=tuple(mood) if mood else None,
            rerank=last[number] == song_id,
            **answers,
        )
        titles.append(song.title)
    return titles


def _pending(session: SessionBase) -> dict[str, dict[str, Any]]:
    return dict(session.get(PENDING_ANSWERS_KEY, {}))


def listener_from_request(request: HttpRequest) -> Listener:
    """Return the listener of a request; a visitor gets a session, which owns what they create.

    Only requests that may write create one: without a session there is nothing to read.
    """
    if request.user.is_authenticated:
        return Listener(user=request.user)
    if not request.session.session_key and request.method not in {"GET", "HEAD", "OPTIONS"}:
        request.session.create()
    return Listener(user=None, session_key=request.session.session_key or "")


@transaction.atomic
def session_adopt(*, user: User, session_key: str) -> None:
    """Give a user what they created before they signed in; a second call finds nothing."""
    if not session_key:
        return
    Playlist.objects.filter(owner=None, session_key=session_key).update(owner=user, session_key="")
    Listen.objects.filter(listener=None, session_key=session_key).update(listener=user, session_key="")
    MoodCheckIn.objects.filter(listener=None, session_key=session_key).update(listener=user, session_key="")
