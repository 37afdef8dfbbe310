"""Counts that every page shows: from a size of the catalog on they are kept for a few seconds, below it never."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")

# Counting so many rows takes a few milliseconds, and one song more or less is seen by nobody.
LARGE = 5_000
KEPT_S = 10.0


def cached_while_large(size: Callable[[Any], int]) -> Callable[[Callable[[], T]], CachedCount[T]]:
    """Keep what a function counts for `KEPT_S` seconds, in this process, as long as its size is `LARGE` or more."""

    def decorate(count: Callable[[], T]) -> CachedCount[T]:
        return CachedCount(count, size)

    return decorate


class CachedCount(Generic[T]):
    """A function without arguments whose last answer is given again for a while; whoever asks must not change it."""

    def __init__(self, count: Callable[[], T], size: Callable[[T], int]) -> None:
        self._count, self._size = count, size
        self._lock = threading.Lock()
        self._answer: T | None = None
        self._until = 0.0

    def __call__(self) -> T:
        with self._lock:
            answer, now = self._answer, time.monotonic()
            if answer is not None and now < self._until:
                return answer
            # One asks the database; whoever comes meanwhile takes the old answer in place of asking the same.
            self._until = now + KEPT_S
        try:
            fresh = self._count()
        except BaseException:
            self.forget()
            raise
        with self._lock:
            self._answer = fresh if self._size(fresh) >= LARGE else None
        return fresh

    def forget(self) -> None:
        """Count anew at the next question."""
        with self._lock:
            self._answer = None
