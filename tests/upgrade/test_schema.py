"""An upgraded database is the one that a new installation gets."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from pytest_django import DjangoDbBlocker

from tests.upgrade.conftest import serving

pytestmark = pytest.mark.django_db
_ASKED = {
    "columns": "SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default,"
    " identity_generation FROM information_schema.columns WHERE table_schema = 'public'",
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "constraints": "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE connamespace = 'public'::regnamespace",
    "triggers": "SELECT tgrelid::regclass::text, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
    "functions": "SELECT proname, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
}
# PostgreSQL writes a condition that was restored with other casts than the same one that was migrated.
_CAST = re.compile(r"::(?:character varying|text)(?:\[\])?|[()]")


@pytest.fixture(scope="module")
def schemas(
    upgraded: str, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> dict[str, dict[str, set[tuple[Any, ...]]]]:
    """What an upgraded database and a new one, which is that of the other tests, consist of."""
    with django_db_blocker.unblock():
        found = {"new": _schema()}
        with serving(upgraded):
            call_command("migrate", check_unapplied=True, verbosity=0)
            call_command("makemigrations", check_changes=True, dry_run=True, verbosity=0)
            found["upgraded"] = _schema()
    return found


@pytest.mark.parametrize("kind", list(_ASKED))
def test_an_upgraded_database_is_like_a_new_one(schemas: dict[str, dict[str, set[tuple[Any, ...]]]], kind: str) -> None:
    assert schemas["new"][kind], "there is something to compare"
    assert schemas["upgraded"][kind] == schemas["new"][kind]


def _schema() -> dict[str, set[tuple[Any, ...]]]:
    found = {}
    with connection.cursor() as cursor:
        for kind, question in _ASKED.items():
            cursor.execute(question)
            found[kind] = {tuple(map(_plain, row)) for row in cursor.fetchall()}
    return found


def _plain(value: Any) -> Any:
    return _CAST.sub("", value) if isinstance(value, str) else value
