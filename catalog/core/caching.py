"""Results that are cached while they are large: one song more or less does not change a count of a big catalog."""

import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

# Counting so many rows takes a few milliseconds, and one song more or less does not show.
LARGE = 5_000
CACHED_S = 10.0

T = TypeVar("T")


class CachedCount(Generic[T]):
    """A function without arguments whose last result is returned for a while; callers must not change it."""

    def __init__(self, count: Callable[[], T], size: Callable[[T], int], seconds: float) -> None:
        self._count, self._size, self._seconds = count, size, seconds
        self._lock = threading.Lock()
        self._answer: T | None = None
        self._until = 0.0

    def __call__(self) -> T:
        with self._lock:
            answer, now = self._answer, time.monotonic()
            if answer is not None and now < self._until:
                return answer
            # One caller asks the database; the others take the old result meanwhile.
            self._until = now + self._seconds
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


def cached_while_large(
    size: Callable[[Any], int], seconds: float = CACHED_S
) -> Callable[[Callable[[], T]], CachedCount[T]]:
    """Cache the result of a function for so many seconds, in this process, while its size is `LARGE` or more."""
    return lambda count: CachedCount(count, size, seconds)
