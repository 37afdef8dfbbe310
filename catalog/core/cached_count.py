"""Counts that every page shows: cached for a few seconds while the catalog is large, never while it is small."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")

# Counting so many rows takes a few milliseconds, and nobody notices one song more or less.
LARGE = 5_000
KEPT_S = 10.0


def cached_while_large(size: Callable[[Any], int]) -> Callable[[Callable[[], T]], CachedCount[T]]:
    """Cache the result of a function for `KEPT_S` seconds, in this process, while its size is `LARGE` or more."""
    return lambda count: CachedCount(count, size)


class CachedCount(Generic[T]):
    """A function without arguments whose last result is returned for a while; callers must not change it."""

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
            # One caller asks the database; the others take the old result meanwhile.
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
        """Count again at the next call."""
        with self._lock:
            self._answer = None
