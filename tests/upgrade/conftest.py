"""An installation of version 0.1.0 (commit c75c09e), restored and migrated once; what a test changes is rolled back.

`var-0.1.sql.gz` is its database: the demo music and seventeen tiny songs, added, edited, rated and listened to through
pages and API, by people who are made up. pg_dump of PostgreSQL 18 wrote it with `--no-owner --no-privileges --inserts
--rows-per-insert=50`; comments, psql's commands and settings of the session were removed. `media` holds the files that
the tests open: the audio and the cover of one song, and the first half of an upload, whose other half is
`rest-of-the-upload.bin`.
"""

from __future__ import annotations

import datetime as dt
import gzip
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.core.cache import caches
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import DjangoDbBlocker, Settings

HERE = Path(__file__).resolve().parent
# The key under which its sessions are signed.
SECRET_KEY = "a key for tests only, never used to sign anything real"
DUMPED_AT = dt.datetime(2026, 11, 29, 16, 36, tzinfo=dt.UTC)
# Sessions, unfinished uploads and discarded playlists expire; the dump is always a few minutes old.
_SHIFT = """
DO $$
DECLARE place record;
BEGIN
    FOR place IN
        SELECT table_name, string_agg(format('%%1$I = %%1$I + interval %%2$L', column_name, %s), ', ') AS moved
        FROM information_schema.columns
        WHERE table_schema = 'public' AND data_type = 'timestamp with time zone'
        GROUP BY table_name
    LOOP
        EXECUTE format('UPDATE public.%%I SET %%s', place.table_name, place.moved);
    END LOOP;
END
$$
"""


@pytest.fixture(scope="session")
def upgraded(django_db_blocker: DjangoDbBlocker, _real_servers: None) -> Iterator[str]:
    """The name of a database that was restored from the dump and migrated."""
    with django_db_blocker.unblock(), database(f"upgrade_{os.getpid()}") as name:
        with serving(name):
            _restore()
            call_command("migrate", interactive=False, verbosity=0)
        yield name


@pytest.fixture
def old_var(upgraded: str, django_db_blocker: DjangoDbBlocker, settings: Settings) -> Iterator[None]:
    """The installation after the upgrade: its database is the default one, its files are in this test's media."""
    settings.SECRET_KEY = SECRET_KEY
    # Those of an installation; the tests' own cannot check the passwords of the dump.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    shutil.copytree(HERE / "media", settings.MEDIA_ROOT)
    caches["rows"].clear()
    with django_db_blocker.unblock(), serving(upgraded), transaction.atomic():
        yield
        transaction.set_rollback(True)


@contextmanager
def database(name: str) -> Iterator[str]:
    """Make a database, and drop it afterwards."""
    quoted = connection.ops.quote_name(name)
    _maintain(f"CREATE DATABASE {quoted} TEMPLATE template0")
    try:
        yield name
    finally:
        _maintain(f"DROP DATABASE {quoted} WITH (FORCE)")


@contextmanager
def serving(name: str) -> Iterator[None]:
    """Make a database the default one."""
    before = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = name
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = before


def _restore() -> None:
    dump = gzip.decompress((HERE / "var-0.1.sql.gz").read_bytes()).decode()
    with connection.cursor() as cursor:
        cursor.execute(dump)
    # The dump leaves its session without a search path.
    connection.close()
    age = timezone.now() - DUMPED_AT
    with connection.cursor() as cursor:
        cursor.execute(_SHIFT, [f"{age.total_seconds():.0f} seconds"])


def _maintain(command: str) -> None:
    with connection._nodb_cursor() as cursor:
        cursor.execute(command)
