"""What somebody without an account said of songs: kept in their session, and recorded once they signed in."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase

from catalog.models import Song
from recommender.models import FeltRating, Playlist
from recommender.selectors import playlists_of
from recommender.services.feedback import ANSWERS, feedback_record
from recommender.values import Listener

KEY = "felt_kept"
# A session is one row, read with every request; the oldest answer makes room.
KEPT_LIMIT = 50


def answer_keep(*, session: SessionBase, song: Song, answers: dict[str, Any], playlist: Playlist | None) -> None:
    """Keep what was said of a song; what is not said now keeps its earlier answer, as it does in an account."""
    kept = _kept(session)
    earlier = kept.pop(str(song.pk), {})
    said = {name: value for name, value in answers.items() if value is not None}
    # A box that was not ticked says nothing; a dislike does.
    said = {name: value for name, value in said.items() if value is not False or name == "liked"}
    if {"felt_valence", "felt_nothing"} & said.keys():
        earlier = {name: value for name, value in earlier.items() if not name.startswith("felt_")}
    kept[str(song.pk)] = earlier | said | {"playlist": playlist.pk if playlist else None}
    session[KEY] = dict(list(kept.items())[-KEPT_LIMIT:])


def answer_forget(*, session: SessionBase, song: Song) -> None:
    """Forget what was said of a song."""
    kept = _kept(session)
    if kept.pop(str(song.pk), None) is not None:
        session[KEY] = kept


def like_forget(*, session: SessionBase, song: Song) -> None:
    """Forget whether somebody liked a song; what else they said of it stays."""
    kept = _kept(session)
    said = kept.get(str(song.pk), {})
    if said.pop("liked", None) is None:
        return
    if not said.keys() & set(ANSWERS):
        del kept[str(song.pk)]
    session[KEY] = kept


def answer_kept(session: SessionBase, song: Song) -> FeltRating | None:
    """Return what was said of a song as a rating that is nobody's yet, if anything was."""
    said = _kept(session).get(str(song.pk))
    return None if said is None else FeltRating(song=song, **{name: said[name] for name in ANSWERS if name in said})


def kept_answers_record(*, user: User, session: SessionBase) -> list[str]:
    """Record what was kept as ratings of whoever just signed in, and return the titles; a second call finds nothing.

    Each playlist in which something was said is ranked again once, after the last answer of it.
    """
    kept: dict[str, dict[str, Any]] = session.pop(KEY, {})
    songs = Song.objects.in_bulk([int(song_id) for song_id in kept])
    playlists = playlists_of(Listener(user=user)).in_bulk([one["playlist"] for one in kept.values() if one["playlist"]])
    last = {said["playlist"]: song_id for song_id, said in kept.items()}
    titles = []
    for song_id, said in kept.items():
        song = songs.get(int(song_id))
        if song is None:
            continue
        number = said.pop("playlist")
        mood = said.pop("mood", None)
        feedback_record(
            user=user,
            song=song,
            playlist=playlists.get(number),
            mood=tuple(mood) if mood else None,
            rerank=last[number] == song_id,
            **said,
        )
        titles.append(song.title)
    return titles


def _kept(session: SessionBase) -> dict[str, dict[str, Any]]:
    return dict(session.get(KEY, {}))
