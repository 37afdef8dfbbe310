"""Counts shown on every page are cached for a few seconds, and only while the catalog is large."""

from __future__ import annotations

import threading

import pytest

from catalog import selectors
from catalog.core import caching
from catalog.core.caching import CACHED_S, LARGE, CachedCount
from tests.factories import SongFactory


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(caching, "time", made)
    return made


@pytest.mark.parametrize("size", [0, 1, LARGE - 1])
def test_a_small_catalog_is_counted_each_time(size: int) -> None:
    counts = iter([size, 2, 3])
    asked = CachedCount(lambda: next(counts), size=lambda n: n, seconds=CACHED_S)
    assert [asked(), asked(), asked()] == [size, 2, 3]


def test_of_a_large_one_an_answer_is_given_again_for_some_seconds(clock: Clock) -> None:
    counts = iter([LARGE, LARGE + 1, 1, 2])
    asked = CachedCount(lambda: next(counts), size=lambda n: n, seconds=CACHED_S)
    assert asked() == LARGE
    clock.now += CACHED_S - 0.1
    assert asked() == LARGE
    clock.now += 0.2
    assert asked() == LARGE + 1
    asked.forget()
    assert [asked(), asked()] == [1, 2]


def test_while_one_counts_others_take_the_old_answer(clock: Clock) -> None:
    counting, go_on = threading.Event(), threading.Event()
    answers = iter([LARGE, LARGE + 1])

    def count() -> int:
        answer = next(answers)
        if answer > LARGE:
            counting.set()
            assert go_on.wait(10)
        return answer

    asked, counted = CachedCount(count, size=lambda n: n, seconds=CACHED_S), []
    assert asked() == LARGE
    clock.now += CACHED_S + 1
    slow = threading.Thread(target=lambda: counted.append(asked()))
    slow.start()
    assert counting.wait(10)
    assert asked() == LARGE
    go_on.set()
    slow.join(10)
    assert (counted, asked()) == ([LARGE + 1], LARGE + 1)


def test_a_count_that_fails_leaves_the_next_one_to_count(clock: Clock) -> None:
    def count() -> int:
        answer = next(answers)
        if answer is None:
            raise OSError
        return answer

    answers = iter([LARGE, None, LARGE + 2])
    asked = CachedCount(count, size=lambda n: n, seconds=CACHED_S)
    assert asked() == LARGE
    clock.now += CACHED_S + 1
    with pytest.raises(OSError):
        asked()
    assert asked() == LARGE + 2


@pytest.mark.django_db
def test_the_states_of_a_large_catalog_are_counted_once_in_a_while(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    monkeypatch.setattr(caching, "LARGE", 2)
    SongFactory.create_batch(2)
    try:
        assert selectors.state_counts()["tagged"] == 2
        song = SongFactory()
        assert selectors.state_counts()["tagged"] == 2
        assert selectors.state_counts([song.pk])["tagged"] == 1
        clock.now += CACHED_S + 1
        assert selectors.state_counts()["tagged"] == 3
    finally:
        selectors._all_states.forget()
