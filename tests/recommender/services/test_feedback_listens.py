"""Plays, skips and completions: stored apart from ratings."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from recommender.exceptions import PlaylistNotFoundError, RatingInvalidError
from recommender.models import FeltRating, Listen
from recommender.requests import Listener
from recommender.services import feedback, playlists
from tests.recommender.conftest import HAPPY, SongMaker, order


def outcomes() -> list[tuple[str, float | None]]:
    return list(Listen.objects.order_by("pk").values_list("outcome", "listened_s"))


def test_an_end_closes_the_listen_that_began(nobody: Listener, make_songs: SongMaker) -> None:
    song = make_songs(1)[0]
    begun = feedback.listen_record(listener=nobody, song=song)
    ended = feedback.listen_finish(listener=nobody, song=song, listened_s=60, completed=True)
    assert ended.listen == begun
    assert outcomes() == [("completed", 60.0)]


def test_a_replay_is_a_listen_of_its_own(nobody: Listener, make_songs: SongMaker) -> None:
    song = make_songs(1)[0]
    for seconds in (60.0, 59.5):
        feedback.listen_record(listener=nobody, song=song)
        Listen.objects.update(started_at=timezone.now() - timedelta(minutes=1))
        feedback.listen_finish(listener=nobody, song=song, listened_s=seconds, completed=True)
    assert outcomes() == [("completed", 60.0), ("completed", 59.5)]


def test_the_same_end_twice_is_one_and_an_end_without_a_beginning_counts(
    nobody: Listener, make_songs: SongMaker
) -> None:
    song = make_songs(1)[0]
    for _ in range(2):
        feedback.listen_finish(listener=nobody, song=song, listened_s=3.5, completed=False)
    assert outcomes() == [("skipped", 3.5)]


def test_a_skip_reranks_the_rest_and_says_so(alice: User, make_songs: SongMaker) -> None:
    make_songs(40, around=(0.3, 0.3), spread=0.6)
    listener = Listener(alice)
    playlist = playlists.playlist_create(listener=listener, target=HAPPY, length=10, seed=1)
    before = order(playlist)
    song = playlist.items.get(position=1).song
    result = feedback.listen_finish(listener=listener, song=song, playlist=playlist, listened_s=4, completed=False)
    assert result.rerank is not None
    assert f"Your skip of “{song.title}”" in result.rerank.sentence
    after = order(playlist)
    assert after[0] == before[0]
    assert result.rerank.changed == (after != before)
    assert playlist.items.get(position=1).played_at is not None
    again = feedback.listen_finish(listener=listener, song=song, playlist=playlist, listened_s=4, completed=False)
    assert again.rerank is None


@pytest.mark.parametrize(("listened_s", "completed"), [(60.0, True), (45.0, False)])
def test_playing_most_of_a_song_is_no_dislike(
    nobody: Listener, make_songs: SongMaker, listened_s: float, completed: bool
) -> None:
    make_songs(8)
    playlist = playlists.playlist_create(listener=nobody, target=HAPPY, length=5)
    song = playlist.items.get(position=1).song
    result = feedback.listen_finish(
        listener=nobody, song=song, playlist=playlist, listened_s=listened_s, completed=completed
    )
    assert result.rerank is None


def test_a_rating_learns_of_the_end_and_none_is_made(alice: User, make_songs: SongMaker) -> None:
    rated, unrated = make_songs(2)
    feedback.feedback_record(user=alice, song=rated, liked=True)
    for song in (rated, unrated):
        feedback.listen_finish(listener=Listener(alice), song=song, listened_s=4, completed=False)
    rating = FeltRating.objects.get()
    assert (rating.song, rating.liked, rating.skipped, rating.listened_s) == (rated, True, True, 4.0)
    feedback.listen_finish(listener=Listener(alice), song=rated, listened_s=60, completed=True)
    rating.refresh_from_db()
    assert (rating.skipped, rating.listened_s) == (False, 60.0)


@pytest.mark.parametrize("listened_s", [-1.0, float("nan"), float("inf")])
def test_seconds_that_cannot_be_are_refused(nobody: Listener, make_songs: SongMaker, listened_s: float) -> None:
    with pytest.raises(RatingInvalidError, match="must be 0 or more"):
        feedback.listen_finish(listener=nobody, song=make_songs(1)[0], listened_s=listened_s, completed=False)
    assert not Listen.objects.exists()


def test_nobody_skips_in_anothers_playlist(alice: User, bob: User, make_songs: SongMaker) -> None:
    song = make_songs(4)[0]
    playlist = playlists.playlist_create(listener=Listener(alice), target=HAPPY)
    with pytest.raises(PlaylistNotFoundError):
        feedback.listen_finish(listener=Listener(bob), song=song, playlist=playlist, listened_s=1, completed=False)
    assert not Listen.objects.exists()
