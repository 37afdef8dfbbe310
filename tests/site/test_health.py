"""GET /healthz."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from mer_site.celery import app
from tests.factories import WorkerFactory

pytestmark = pytest.mark.django_db


def test_everything_there(client: Client) -> None:
    WorkerFactory()
    response = client.get("/healthz")
    assert response.status_code == 200
    assert response.json() == {"status": "ok", "database": "ok", "broker": "ok", "worker": "ok"}
    assert "no-store" in response["Cache-Control"]


def test_a_worker_that_fell_silent_is_missed(client: Client) -> None:
    WorkerFactory(seen_at=timezone.now() - timedelta(minutes=5))
    response = client.get("/healthz")
    assert response.status_code == 503
    assert response.json()["status"] == "unavailable"
    assert response.json()["worker"] == "no analysis worker has reported within the last half minute"


def test_a_broker_out_of_reach_is_said(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    WorkerFactory()
    monkeypatch.setattr(app.conf, "broker_write_url", "redis+socket:///nowhere/redis.sock")
    response = client.get("/healthz")
    assert response.status_code == 503
    assert response.json()["broker"] == "unreachable"
    assert response.json()["database"] == "ok"


@pytest.mark.django_db(transaction=True)
def test_a_database_out_of_reach_is_said(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "HOST", "/nowhere")
    response = client.get("/healthz")
    connection.close()
    assert response.status_code == 503
    assert response.json()["database"] == "unreachable"


def test_it_is_open_on_a_closed_site_and_not_writable(client: Client, settings: Settings) -> None:
    settings.MOODPLANE_PUBLIC = False
    assert client.get("/healthz").status_code in (200, 503)
    assert client.post("/healthz").status_code == 405
