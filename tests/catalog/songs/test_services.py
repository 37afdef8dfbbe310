"""Songs move between states only by conditional updates; whatever a lost worker leaves behind is found again."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from django.db import connections, transaction
from django.utils import timezone

from catalog.core import claims
from catalog.exceptions import SongNotRetryableError
from catalog.models import Song
from catalog.songs.services import song_retry, songs_queue
from tests.factories import SongFactory, UploadFactory

State = Song.State
pytestmark = pytest.mark.django_db


def make_song(state: str, **fields: object) -> Song:
    """Make a song; `ago_s` sets back both the change of state and the time at which it is due."""
    ago_s = fields.pop("ago_s", None)
    song = SongFactory(state=state, **fields)
    if ago_s is not None:
        then = timezone.now() - dt.timedelta(seconds=float(str(ago_s)))
        Song.objects.filter(pk=song.pk).update(state_changed_at=then, due_at=then)
    song.refresh_from_db()
    return song


def songs_claim(limit: int = 8) -> list[Song]:
    return claims.claim(Song.objects.all(), limit)


def state_of(song: Song) -> str:
    song.refresh_from_db()
    return song.state


def test_the_straight_way() -> None:
    song = make_song(State.UPLOADED)

    assert songs_queue(song_ids=[song.pk]) == [song.pk]
    assert songs_queue(song_ids=[song.pk]) == [], "queueing again is nothing new"
    [claimed] = songs_claim()
    assert (claimed.pk, claimed.state, claimed.attempts) == (song.pk, "analysing", 1)
    assert claimed.due_at > timezone.now()
    assert claims.finish(claimed)
    assert not claims.finish(claimed), "done is done"
    assert state_of(song) == "tagged"


def test_only_a_queued_song_can_be_claimed() -> None:
    later = timezone.now() + dt.timedelta(minutes=1)
    for state in (State.UPLOADED, State.ANALYSING, State.ANALYSED, State.FAILED):
        make_song(state, due_at=later if state == State.ANALYSING else timezone.now())

    assert songs_claim() == []


def test_a_permanent_fault() -> None:
    make_song(State.QUEUED)
    [song] = songs_claim()

    assert claims.fail(song, code="silent", reason="There is only silence in it.")
    song.refresh_from_db()
    assert (song.state, song.failure_code, song.failure_reason) == (
        "failed",
        "silent",
        "There is only silence in it.",
    )


def test_an_outdated_claim_cannot_finish() -> None:
    song = make_song(State.QUEUED)
    [slow] = songs_claim()
    Song.objects.update(due_at=timezone.now())
    [fast] = songs_claim()

    assert (slow.pk, fast.pk, fast.attempts) == (song.pk, song.pk, 2)
    assert not claims.fail(slow, code="x", reason="x")
    assert not claims.finish(slow)
    assert claims.finish(fast)


def test_a_transient_error_puts_it_back() -> None:
    make_song(State.QUEUED)
    [song] = songs_claim()

    assert claims.fail(song, is_transient=True)
    song.refresh_from_db()
    assert (song.state, song.attempts) == ("queued", 1), "the attempt still counts"


def test_retry_announces_the_song_again(
    django_capture_on_commit_callbacks: Callable[..., AbstractContextManager[object]], announced: list[int]
) -> None:
    song = make_song(State.FAILED, attempts=3, failure_code="worker_lost", failure_reason="Lost.")

    with django_capture_on_commit_callbacks(execute=True):
        song_retry(song=song)

    assert (song.state, song.attempts, song.failure_code, song.failure_reason) == ("uploaded", 0, "", "")
    assert announced == [song.pk]


def test_only_a_failed_song_is_retried() -> None:
    with pytest.raises(SongNotRetryableError, match=r"^This song is analysed; only failed songs can be retried\.$"):
        song_retry(song=make_song(State.ANALYSED))


def test_the_tick_finds_what_was_lost() -> None:
    unannounced = make_song(State.UPLOADED, ago_s=100)
    lost_worker = make_song(State.ANALYSING, attempts=1, ago_s=1)
    lost_message = make_song(State.QUEUED, ago_s=300)
    others = [make_song(State.UPLOADED), make_song(State.ANALYSED, ago_s=1000), make_song(State.FAILED, ago_s=1000)]
    at_work = make_song(State.ANALYSING, attempts=1, due_at=timezone.now() + dt.timedelta(minutes=1))
    before = [state_of(each) for each in [*others, at_work]]

    claims.tick()
    assert {state_of(each) for each in (unannounced, lost_worker, lost_message)} == {"queued"}
    assert [state_of(each) for each in [*others, at_work]] == before
    assert {song.pk for song in songs_claim()} == {unannounced.pk, lost_worker.pk, lost_message.pk}


def test_the_tick_gives_up_after_three_attempts() -> None:
    song = make_song(State.ANALYSING, attempts=3, ago_s=1)

    claims.tick()
    song.refresh_from_db()
    assert (song.state, song.failure_code) == ("failed", "worker_lost")
    assert song.failure_reason == (
        "The analysis was started three times and never finished. The file may need more memory than "
        "the worker has, or the worker was stopped; check the status page, then retry."
    )


def test_a_killed_worker_costs_three_leases_and_no_more() -> None:
    song = make_song(State.QUEUED)
    for _ in range(3):
        assert len(songs_claim()) == 1
        Song.objects.update(due_at=timezone.now())
        claims.tick()

    assert state_of(song) == "failed"


def test_waiting_is_no_change_of_state() -> None:
    song = make_song(State.QUEUED, ago_s=1000)

    claims.tick()
    before = song.state_changed_at
    song.refresh_from_db()
    assert song.state_changed_at == before, "it was queued all the time"


@pytest.mark.django_db(transaction=True)
def test_finishing_does_not_wait_for_a_transaction_that_stores_a_row_about_the_song() -> None:
    """A row that refers to a song locks the song's key until its transaction ends."""
    make_song(State.QUEUED)
    [song] = songs_claim()
    results: list[bool] = []

    def finish() -> None:
        try:
            results.append(claims.finish(song))
        finally:
            connections.close_all()

    with transaction.atomic():
        UploadFactory(owner=None, song=song)
        thread = threading.Thread(target=finish)
        thread.start()
        thread.join(10)
        assert results == [True]


@pytest.mark.django_db(transaction=True)
def test_two_workers_never_claim_the_same_song() -> None:
    ids = [make_song(State.QUEUED).pk for _ in range(40)]
    barrier = threading.Barrier(4)
    taken: list[int] = []

    def claim() -> None:
        try:
            barrier.wait(10)
            while songs := songs_claim():
                taken.extend(song.pk for song in songs)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(taken) == sorted(ids)
