"""What listeners say and do: ratings, listens, mood check-ins, and what they did before they signed in."""

from __future__ import annotations

import math
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypedDict, Unpack

from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.core.charts import Point
from catalog.models import Song
from emotion.selectors import prevailing_model_version
from recommender.exceptions import CheckInInvalidError, RatingInvalidError, UndoTooLateError
from recommender.listener import EARLY_SHARE
from recommender.models import FeltRating, Listen, MoodCheckIn, Playlist, PlaylistItem, SmartList
from recommender.reasons.reasons import RerankTrigger
from recommender.requests import Listener, is_on_plane, mood_of
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
from recommender.services.playlists import RerankResult, playlist_lock, rest_rerank

# A browser that reports the same start twice (two tabs, a retry) is one listen.
SAME_LISTEN_S = 10
# A song that was begun longer ago than this, and paused since, is not the one that ends now.
STILL_PLAYING = timedelta(hours=12)
# A session is one row, read with every request; the oldest answer makes room.
PENDING_LIMIT = 50


class Answers(TypedDict, total=False):
    """A listener's answers about a song; None, or a box not ticked, is no answer.

    `felt_valence` and `felt_arousal` in [-1, 1] are answers of their own; `felt_nothing` means that the song left them
    cold; `familiar` that they knew it already; `skipped` that they did not listen to its end, but for `listened_s`
    seconds.
    """

    felt_valence: float | None
    felt_arousal: float | None
    liked: bool | None
    familiar: bool | None
    felt_nothing: bool
    skipped: bool
    listened_s: float | None


class FeedbackResult(NamedTuple):
    """A stored rating and what it did to the playlist that was playing."""

    rating: FeltRating
    rerank: RerankResult | None = None


class ListenResult(NamedTuple):
    """A stored listen, and what it did to the playlist that was playing."""

    listen: Listen
    rerank: RerankResult | None = None


# --- Ratings --------------------------------------------------------------------------------------------------------


def feedback_record(
    *,
    user: User,
    song: Song,
    playlist: Playlist | None = None,
    mood: Point | None = None,
    rerank: bool = True,
    **answers: Unpack[Answers],
) -> FeedbackResult:
    """Record a listener's answers about a song; a question without an answer keeps its earlier one.

    A feeling and "felt nothing" answer the same question, so the later one replaces the earlier one. The unplayed rest
    of the playlist is re-ranked, unless `rerank` is False: a caller that records several answers ranks after the last.
    `mood` is that before listening; None takes the check-in of the last half hour, if there is one.

    Raises:
        RatingInvalidError: there is no answer, or a number outside its range.
        PlaylistNotFoundError: the playlist is not this listener's.
    """
    given = _given(answers)
    listener = Listener(user=user)
    before = _mood_before(listener, playlist, mood)
    if playlist is None:
        return FeedbackResult(_upsert(user, song, given, before))
    # Two transactions: should the re-ranking fail, the answers are stored all the same.
    rating = _upsert(user, song, given | _placed(listener, playlist, song), before)
    if not rerank:
        return FeedbackResult(rating)
    return FeedbackResult(
        rating, rest_rerank(playlist=playlist, listener=listener, because_of=song, trigger=_trigger(given))
    )


def feedback_withdraw(
    *, user: User, song: Song, playlist: Playlist | None = None, only: Collection[str] = ()
) -> RerankResult | None:
    """Delete a listener's rating of a song, or `only` some of its answers where others remain.

    If there were any, the unplayed rest of the playlist is re-ranked.

    Raises:
        PlaylistNotFoundError: the playlist is not this listener's.
    """
    with transaction.atomic():
        rating = FeltRating.objects.select_for_update().filter(listener=user, song=song).first()
        said = {name for name in RATING_ANSWERS if rating is not None and _is_answer(name, getattr(rating, name))}
        if rating is None or (only and said.isdisjoint(only)):
            return None
        if only and (said.difference(only) or rating.skipped):
            for name in only:
                setattr(rating, name, False if name == "felt_nothing" else None)
            rating.save(update_fields=[*only, "updated_at"])
            trigger = RerankTrigger.CHANGED
        else:
            rating.delete()
            trigger = RerankTrigger.WITHDRAWN
    return _rerank_changed(user, song, playlist, trigger)


def feedback_restore(
    *,
    user: User,
    song: Song,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
    playlist: Playlist | None = None,
) -> RerankResult | None:
    """Undo a rating or its withdrawal, and re-rank the unplayed rest of the playlist.

    `before` is what `rating_values` was before, None where there was no rating, and `after` what `rating_answers` was
    after, None where the rating was withdrawn.

    Raises:
        UndoTooLateError: another answer was given since.
        PlaylistNotFoundError: the playlist is not this listener's.
    """
    with transaction.atomic():
        rating = FeltRating.objects.select_for_update().filter(listener=user, song=song).first()
        if rating_answers(rating) != after:
            raise UndoTooLateError(_("You have given another answer for this song since, so that one stays."))
        if before is not None:
            # Listening meanwhile stays on record.
            values = {name: before[name] for name in before if rating is None or name not in RATING_LISTENING}
            if not Playlist.objects.filter(pk=values["playlist_id"]).exists():
                values["playlist_id"] = None
            created_at = values.pop("created_at")
            restored, _created = FeltRating.objects.update_or_create(listener=user, song=song, defaults=values)
            # The drift of a mood map goes by when a song was first rated.
            FeltRating.objects.filter(pk=restored.pk).update(created_at=created_at)
        elif rating is not None:
            rating.delete()
    trigger = RerankTrigger.WITHDRAWN if before is None else RerankTrigger.CHANGED
    return _rerank_changed(user, song, playlist, trigger)


def _rerank_changed(user: User, song: Song, playlist: Playlist | None, trigger: RerankTrigger) -> RerankResult | None:
    if playlist is None:
        return None
    listener = Listener(user=user)
    return rest_rerank(playlist=playlist, listener=listener, because_of=song, trigger=trigger)


def _trigger(given: dict[str, Any]) -> RerankTrigger:
    """Name the re-ranking after the strongest answer."""
    if "felt_nothing" in given:
        return RerankTrigger.RATING
    if "liked" in given:
        return RerankTrigger.LIKE if given["liked"] else RerankTrigger.DISLIKE
    return RerankTrigger.SKIP if "skipped" in given else RerankTrigger.RATING


def _mood_before(listener: Listener, playlist: Playlist | None, mood: Point | None) -> Point | None:
    """Return the mood given now, that of a recent check-in, or that of a list made as recently."""
    if mood is not None:
        if not is_on_plane(*mood):
            raise RatingInvalidError(
                _("The previous mood is %(valence)s, %(arousal)s; both must be between -1 and 1.")
                % {"valence": mood[0], "arousal": mood[1]}
            )
        return mood
    stated = mood_now(listener)
    if stated is None and playlist is not None and playlist.created_at >= timezone.now() - MOOD_HOLDS:
        return mood_of(playlist)
    return stated


def _given(answers: Answers) -> dict[str, Any]:
    """Return the answers given, checked; `felt_nothing` is among them wherever a feeling was asked for."""
    given: dict[str, Any] = {name: value for name, value in answers.items() if _is_answer(name, value)}
    feeling = {name: given[name] for name in ("felt_valence", "felt_arousal") if name in given}
    if feeling and "felt_nothing" in given:
        raise RatingInvalidError(_("A rating says either what you felt or that you felt nothing, not both."))
    words = {"felt_valence": _("valence"), "felt_arousal": _("arousal")}
    for axis, value in feeling.items():
        if not is_on_plane(value):
            raise RatingInvalidError(
                _("The felt %(axis)s is %(value)s; it must lie between -1 and 1.")
                % {"axis": words[axis], "value": value}
            )
    if feeling:
        given["felt_nothing"] = False
    elif "felt_nothing" in given:
        given |= {"felt_valence": None, "felt_arousal": None}
    _seconds_check(given.get("listened_s", 0.0))
    if not given:
        raise RatingInvalidError(_("The rating is empty: give a feeling, a like, or another answer."))
    return given


def _is_answer(name: str, value: object) -> bool:
    return value is not None and (value is not False or name in ("liked", "familiar"))


def _seconds_check(listened_s: float) -> None:
    if not 0.0 <= listened_s < math.inf:
        raise RatingInvalidError(
            _("The seconds played are %(seconds)s; they must be 0 or more.") % {"seconds": listened_s}
        )


def _upsert(user: User, song: Song, given: dict[str, Any], mood: Point | None) -> FeltRating:
    """Change only the answers given, so that two devices which answer at once both keep theirs."""
    given = {**given, "model_version": prevailing_model_version()}
    before = {} if mood is None else {"mood_valence": mood[0], "mood_arousal": mood[1]}
    # A like that comes later must not move the mood in which the song was felt.
    felt_now = "felt_nothing" in given
    rating, _ = FeltRating.objects.update_or_create(
        listener=user,
        song=song,
        defaults={**given, **(before if felt_now else {})},
        create_defaults={**given, **before},
    )
    return rating


@transaction.atomic
def _placed(listener: Listener, playlist: Playlist, song: Song) -> dict[str, Any]:
    """Return the song's place in the playlist; a rated song was played, so it keeps that place."""
    locked = playlist_lock(listener, playlist.pk)
    item = PlaylistItem.objects.filter(playlist=playlist, song=song).first()
    if item is None:
        return {"playlist": playlist, "position": None, "target_valence": None, "target_arousal": None}
    if item.played_at is None:
        item.played_at = timezone.now()
        item.save(update_fields=["played_at"])
    target = (item.target_valence, item.target_arousal)
    if None in target and locked.kind not in Playlist.CHOSEN:
        target = (locked.target_valence, locked.target_arousal)
    return {
        "playlist": playlist,
        "position": item.position,
        "target_valence": target[0],
        "target_arousal": target[1],
    }


# --- Listens: implicit signals, separate from ratings ---------------------------------------------------------------


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
    *, listener: Listener, song: Song, playlist: Playlist | None = None, listened_s: float, completed: bool
) -> ListenResult:
    """Record how a song ended, completed or skipped; an early skip re-ranks the unplayed rest of the playlist.

    A second report of the same end changes nothing. An existing rating of the song is updated too, but none is created.

    Raises:
        RatingInvalidError: the seconds are not a number, or below 0.
        PlaylistNotFoundError: the playlist is not this listener's.
    """
    _seconds_check(listened_s)
    listen, is_new = _end(listener, song, playlist, listened_s, completed)
    early = not completed and listened_s < EARLY_SHARE * song.duration_s
    if playlist is None or not early or not is_new:
        return ListenResult(listen)
    # Two transactions: should the re-ranking fail, the skip is stored all the same.
    return ListenResult(
        listen, rest_rerank(playlist=playlist, listener=listener, because_of=song, trigger=RerankTrigger.SKIP)
    )


@transaction.atomic
def listen_scrobble(*, listener: Listener, song: Song, at: datetime) -> Listen:
    """Record that a song was played, as a player says afterwards, perhaps days later; it began at a moment.

    How much of it sounded is unknown: players say so from half of a song on. A second report of the same play changes
    nothing.
    """
    near = timedelta(seconds=SAME_LISTEN_S)
    listens = listens_of(listener).filter(song=song).select_for_update(of=("self",))
    same = listens.filter(started_at__range=(at - near, at + near)).first()
    if same is None:
        # Some players give the moment of the report.
        lasted = timedelta(seconds=song.duration_s) + near
        same = listens.filter(outcome=Listen.Outcome.STARTED, started_at__range=(at - lasted, at)).first()
    if same is None:
        same = _begun(listener, song, None)
        Listen.objects.filter(pk=same.pk).update(started_at=at)
        same.started_at = at
    if same.outcome == Listen.Outcome.STARTED:
        same.outcome = Listen.Outcome.COMPLETED
        same.save(update_fields=["outcome"])
    return same


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
        rating = FeltRating.objects.filter(listener=listener.user, song=song)
        rating.update(skipped=not completed, listened_s=listened_s, updated_at=timezone.now())
    return listen, True


def _mark_played(listener: Listener, song: Song, playlist: Playlist | None) -> None:
    if playlist is not None:
        # The lock waits for a re-ranking under way, which would otherwise replace the item that is marked.
        playlist_lock(listener, playlist.pk)
        PlaylistItem.objects.filter(playlist=playlist, song=song, played_at=None).update(played_at=timezone.now())


def _begun(listener: Listener, song: Song, playlist: Playlist | None) -> Listen:
    return Listen.objects.create(**listener.owner_fields("listener"), song=song, playlist=playlist)


# --- Mood check-ins -------------------------------------------------------------------------------------------------


def check_in_create(*, listener: Listener, valence: float, arousal: float) -> MoodCheckIn:
    """Record how a listener is now.

    Raises:
        CheckInInvalidError: an axis is not in [-1, 1], or the listener has neither account nor session.
    """
    if not is_on_plane(valence, arousal):
        raise CheckInInvalidError(
            _("A mood lies between -1 and 1 on both axes; this one is %(valence)s, %(arousal)s.")
            % {"valence": valence, "arousal": arousal}
        )
    if listener.is_nobody:
        raise CheckInInvalidError(_("A mood must belong to a user or to a browser session."))
    return MoodCheckIn.objects.create(**listener.owner_fields("listener"), valence=valence, arousal=arousal)


@transaction.atomic
def check_in_withdraw(*, listener: Listener, check_in: MoodCheckIn | None = None) -> None:
    """Delete a check-in, or all of the last half hour.

    That mood also goes from the lists made meanwhile, though not from where journeys begin.
    """
    withdrawn = check_ins_recent(listener) if check_in is None else check_ins_of(listener).filter(pk=check_in.pk)
    for valence, arousal in withdrawn.values_list("valence", "arousal"):
        made = playlists_of(listener).exclude(kind=Playlist.Kind.JOURNEY)
        made.filter(mood_valence=valence, mood_arousal=arousal).update(mood_valence=None, mood_arousal=None)
    withdrawn.delete()


# --- Before signing in ----------------------------------------------------------------------------------------------


def answer_store(*, session: SessionBase, song: Song, answers: dict[str, Any], playlist: Playlist | None) -> None:
    """Store a visitor's answers in their session; a question without an answer keeps its earlier one."""
    pending = _pending(session)
    earlier = pending.pop(str(song.pk), {})
    given = {name: value for name, value in answers.items() if _is_answer(name, value)}
    feeling = {"felt_valence", "felt_arousal"}
    replaced = feeling if "felt_nothing" in given else {"felt_nothing"} if feeling & given.keys() else set()
    earlier = {name: value for name, value in earlier.items() if name not in replaced}
    pending[str(song.pk)] = earlier | given | {"playlist": playlist.pk if playlist else None}
    session[PENDING_ANSWERS_KEY] = dict(list(pending.items())[-PENDING_LIMIT:])


def answer_forget(*, session: SessionBase, song: Song, names: Collection[str] = RATING_ANSWERS) -> None:
    """Forget a visitor's answers about a song, all or those named."""
    pending = _pending(session)
    answers = pending.get(str(song.pk), {})
    others = {name: value for name, value in answers.items() if name not in names}
    if others.keys() & set(RATING_ANSWERS):
        pending[str(song.pk)] = others
    else:
        pending.pop(str(song.pk), None)
    if others != answers:
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


@transaction.atomic
def session_adopt(*, user: User, session_key: str) -> None:
    """Give a user what they created before they signed in; a second call finds nothing."""
    if session_key:
        Playlist.objects.filter(owner=None, session_key=session_key).update(owner=user, session_key="")
        SmartList.objects.filter(owner=None, session_key=session_key).update(owner=user, session_key="")
        Listen.objects.filter(listener=None, session_key=session_key).update(listener=user, session_key="")
        MoodCheckIn.objects.filter(listener=None, session_key=session_key).update(listener=user, session_key="")
