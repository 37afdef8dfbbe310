"""Ratings of a visitor without an account: stored in the session, recorded once they sign in."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase

from catalog.models import Song
from recommender.models import Playlist
from recommender.selectors import PENDING_ANSWERS_KEY, RATING_ANSWERS, playlists_of
from recommender.services.feedback import feedback_record
from recommender.values import Listener

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
