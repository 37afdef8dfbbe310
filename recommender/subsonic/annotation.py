"""What a listener says of songs in a player: likes, stars, what plays and what was played.

A star is a like, and five stars are kept as they were given: both say how much a song is liked, and never what it did
to the listener. What was played to its end or skipped is a listen, as in the player of this site.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Model
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.models import Album, Artist, Song
from recommender.models import ArtistLike, Listen, Player, StarRating
from recommender.services.collecting import album_like
from recommender.services.feedback import (
    feedback_record,
    feedback_withdraw,
    listen_finish,
    listen_record,
    listen_scrobble,
)
from recommender.subsonic.answers import Code, SubsonicError
from recommender.subsonic.calls import Call, missing, not_found
from recommender.subsonic.numbers import ALBUM, ARTIST, SONG, key_of, read

MOST_PLAYERS = 50
# A song that ended this near to its end was heard to it: players stop a little early.
_END_SHARE, _END_S = 0.95, 5.0
# What began longer ago was left paused, and says nothing of the song.
_STILL_PLAYING = timedelta(hours=12)
_KINDS: dict[str, type[Model]] = {SONG: Song, ALBUM: Album, ARTIST: Artist}


# --- Likes and stars --------------------------------------------------------------------------------------------------


def star(call: Call) -> dict[str, Any]:
    """Like songs, albums and artists."""
    return _star(call, liked=True)


def unstar(call: Call) -> dict[str, Any]:
    """Like songs, albums and artists no longer."""
    return _star(call, liked=False)


@transaction.atomic
def _star(call: Call, *, liked: bool) -> dict[str, Any]:
    # Those who browse by folders name albums and artists as what they are by `id`, too.
    named = [read(number) for name in ("id", "albumId", "artistId") for number in call.texts(name)]
    if not named:
        raise missing("id")
    for kind, pk in named:
        row: Any = _row(kind, pk)
        if kind == SONG and liked:
            feedback_record(user=call.user, song=row, liked=True)
        elif kind == SONG:
            feedback_withdraw(user=call.user, song=row, only=("liked",))
        elif kind == ALBUM:
            album_like(user=call.user, album=row, liked=liked)
        elif liked:
            ArtistLike.objects.get_or_create(listener=call.user, artist=row)
        else:
            ArtistLike.objects.filter(listener=call.user, artist=row).delete()
    return {}


def set_rating(call: Call) -> dict[str, Any]:
    """Give a song, album or artist one to five stars; 0 takes them back."""
    kind, pk = read(call.required("id"))
    call.required("rating")
    stars = call.number("rating", -1, least=-1)
    if not 0 <= stars <= 5:
        raise SubsonicError(Code.GENERIC, _("A rating has 1 to 5 stars, or 0 for none."))
    theirs: dict[str, Any] = {"listener": call.user, f"{_row(kind, pk)._meta.model_name}_id": pk}
    if stars:
        StarRating.objects.update_or_create(**theirs, defaults={"stars": stars})
    else:
        StarRating.objects.filter(**theirs).delete()
    return {}


def _row(kind: str, pk: int) -> Model:
    model = _KINDS.get(kind)
    row = model._default_manager.filter(pk=pk).first() if model is not None else None
    if row is None:
        raise not_found()
    return row


# --- Plays ------------------------------------------------------------------------------------------------------------


@transaction.atomic
def scrobble(call: Call) -> dict[str, Any]:
    """Record that songs were played, or with `submission=false` that one plays now.

    The song that a player played before, and did not say to have played, was skipped.
    """
    keys = [key_of(number, SONG) for number in call.texts("id")]
    if not keys:
        raise missing("id")
    times = [_moment(text) for text in call.texts("time")]
    songs = Song.objects.in_bulk(keys)
    now = timezone.now()
    for place, key in enumerate(keys):
        if key not in songs:
            raise not_found()
        if not call.flag("submission", default=True):
            _left_behind(call, songs[key], now)
            _player_store(call, songs[key], state=Player.State.PLAYING, begun_at=now)
            listen_record(listener=call.listener, song=songs[key])
        else:
            at = min(times[place], now) if place < len(times) else now
            listen_scrobble(listener=call.listener, song=songs[key], at=at)
    return {}


@transaction.atomic
def report_playback(call: Call) -> dict[str, Any]:
    """Record what a player does: where in a song it is, and how the song ended."""
    for name in ("mediaId", "mediaType", "positionMs", "state"):
        call.required(name)
    state = call.text("state")
    if call.text("mediaType") != "song" or state not in Player.State.values:
        raise SubsonicError(Code.GENERIC, _("Only songs play here: starting, playing, paused or stopped."))
    song = Song.objects.filter(pk=key_of(call.text("mediaId"), SONG)).first()
    if song is None:
        raise not_found()
    now, position_ms = timezone.now(), call.number("positionMs", 0)
    before = _player(call)
    is_same = before is not None and before.song_id == song.pk and before.state != Player.State.STOPPED
    if not call.flag("ignoreScrobble"):
        if not is_same:
            _left_behind(call, song, now)
        if state == Player.State.STOPPED:
            _ended(call, song, position_ms / 1000)
        elif not is_same or state == Player.State.STARTING:
            listen_record(listener=call.listener, song=song)
    _player_store(
        call,
        song,
        state=Player.State(state),
        begun_at=before.begun_at if is_same and before is not None else now,
        position_ms=position_ms,
        rate=_rate(call.text("playbackRate")),
    )
    return {}


def _rate(text: str) -> float:
    try:
        rate = float(text or 1.0)
    except ValueError:
        return 1.0
    return rate if 0.1 <= rate <= 10.0 else 1.0


def _ended(call: Call, song: Song, listened_s: float) -> None:
    listened_s = min(listened_s, song.duration_s)
    completed = listened_s >= min(_END_SHARE * song.duration_s, song.duration_s - _END_S)
    listen_finish(listener=call.listener, song=song, listened_s=listened_s, completed=completed)


def _left_behind(call: Call, song: Song, now: datetime) -> None:
    """End the song that this player left for another one: it was skipped where it was when the other began."""
    before = _player(call)
    if before is None or before.song_id == song.pk or before.state == Player.State.STOPPED:
        return
    elapsed = now - before.begun_at
    theirs = Listen.objects.filter(listener=call.user, song=before.song, outcome=Listen.Outcome.STARTED)
    if elapsed < _STILL_PLAYING and theirs.filter(started_at__gte=now - _STILL_PLAYING).exists():
        _ended(call, before.song, elapsed.total_seconds())


def _player(call: Call) -> Player | None:
    return Player.objects.select_related("song").filter(listener=call.user, name=call.player).first()


def _player_store(
    call: Call,
    song: Song,
    *,
    state: Player.State,
    begun_at: datetime,
    position_ms: int = 0,
    rate: float = 1.0,
) -> None:
    values = {
        "song": song,
        "state": state,
        "begun_at": begun_at,
        "position_ms": position_ms,
        "rate": rate,
        "reported_at": timezone.now(),
    }
    Player.objects.update_or_create(listener=call.user, name=call.player, defaults=values)
    old = Player.objects.filter(listener=call.user).order_by("-reported_at").values_list("pk", flat=True)
    Player.objects.filter(pk__in=list(old[MOST_PLAYERS:])).delete()


def _moment(text: str) -> datetime:
    """Return a moment given in milliseconds since 1970; now where it is none."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 15):
        return timezone.now()
    return datetime.fromtimestamp(int(text) / 1000, UTC)
