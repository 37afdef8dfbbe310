"""Advisory locks of the database, all named here so that no two share a number."""

import enum
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


class Lock(enum.IntEnum):
    """Single locks. The numbers are arbitrary, but must stay the same between releases."""

    REANALYSIS_START = 7_351_201
    LIVE_MODEL = 7_351_200
    # One at a time, edits cannot deadlock over shared artists and albums; they are short and rare.
    SONG_EDIT = 7_351_307
    FOLDER_SCAN = 7_351_415
    # Two copies that are heard together would otherwise not see each other.
    SAME_SOUND = 7_351_308


def content_lock(content_hash: str) -> int:
    """Return the number that locks one content: the first 64 bits of its SHA-256."""
    return int.from_bytes(bytes.fromhex(content_hash[:16]), "big", signed=True)


@contextmanager
def advisory_lock(number: int) -> Iterator[None]:
    """Hold a lock until the transaction around the block, or else its own, ends."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])
        yield


@contextmanager
def session_lock(number: int) -> Iterator[bool]:
    """Try to hold a lock until the block ends, over any number of transactions; yield whether it is held.

    The database frees the lock of a process that dies.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [number])
        is_held = bool(cursor.fetchone()[0])
    try:
        yield is_held
    finally:
        if is_held:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [number])
