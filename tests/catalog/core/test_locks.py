"""Advisory locks: each has a number of its own, and one holder at a time."""

from __future__ import annotations

import subprocess
import threading

import pytest
from django.db import connection, connections

from catalog.core.locks import Lock, advisory_lock, content_lock, session_lock
from tests.conftest import ROOT


def test_every_advisory_lock_has_a_name_in_one_module() -> None:
    assert len({*Lock}) == len(Lock.__members__), "an enum makes the second name of one number an alias"
    files = subprocess.run(
        ["git", "grep", "-l", "pg_advisory", "--", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert [file for file in files if not file.startswith("tests/")] == ["catalog/core/locks.py"]


def test_a_content_is_locked_by_its_hash() -> None:
    assert content_lock("00" * 32) == 0
    assert content_lock("ff" * 32) == -1
    assert content_lock("0000000000000100" + "ab" * 24) == 256


@pytest.mark.django_db(transaction=True)
def test_the_second_waits_until_the_first_has_committed() -> None:
    order: list[str] = []

    def second() -> None:
        try:
            with advisory_lock(Lock.SONG_EDIT):
                order.append("second")
        finally:
            connections.close_all()

    thread = threading.Thread(target=second)
    with advisory_lock(Lock.SONG_EDIT):
        with advisory_lock(Lock.LIVE_MODEL):
            thread.start()
        while not _is_waiting():
            pass
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def _is_waiting() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_a_lock_of_a_session_is_tried_and_held_over_transactions() -> None:
    tried: list[bool] = []

    def second() -> None:
        try:
            with session_lock(Lock.FOLDER_SCAN) as is_held:
                tried.append(is_held)
        finally:
            connections.close_all()

    def try_it() -> None:
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()

    with session_lock(Lock.FOLDER_SCAN) as is_held:
        assert is_held
        try_it()
    try_it()
    assert tried == [False, True]
