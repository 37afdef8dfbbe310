"""Other programs learn of analysed songs, and get everything in the end; and tables of estimates."""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from rest_framework.test import APIClient

from emotion.inference.quadrants import Quadrant
from emotion.jobs.webhooks import WAITS_S, webhook_step
from emotion.models import EmotionEstimate, Webhook, WebhookDelivery
from emotion.signals import song_analysed
from tests.factories import EstimateFactory, SongFactory
from tests.service import Other, other_server

pytestmark = pytest.mark.django_db


@pytest.fixture
def other() -> Iterator[Other]:
    with other_server() as server:
        yield server


def added(url: str, *options: str) -> str:
    out = io.StringIO()
    call_command("webhook", "add", url, *options, stdout=out)
    return out.getvalue().splitlines()[-1]


def announced() -> EmotionEstimate:
    estimate = EstimateFactory(quadrant=Quadrant.Q4, valence=0.25, arousal=-0.5, model_version="b3")
    song_analysed.send(sender=EmotionEstimate, song_ids=[estimate.song_id])
    return estimate


def test_a_message_is_signed_and_says_what_counts(other: Other) -> None:
    secret = added(f"{other.url}/hook", "--private")
    assert secret not in Webhook.objects.get().secret
    song = announced().song
    assert webhook_step()
    [asked] = other.asked
    signed = asked.headers["X-Moodplane-Timestamp"].encode() + b"." + asked.body
    expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    assert asked.headers["X-Moodplane-Signature"] == f"sha256={expected}"
    assert (asked.json["event"], asked.json["song"]["id"]) == ("song.analysed", song.pk)
    assert (asked.json["song"]["quadrant"], asked.json["song"]["valence"]) == ("Q4", 0.25)
    # Analysed again, it is told again.
    song_analysed.send(sender=EmotionEstimate, song_ids=[song.pk])
    assert webhook_step()
    assert not webhook_step()
    assert len(other.asked) == 2


def test_a_receiver_that_fails_is_asked_again_for_two_days(other: Other) -> None:
    other.answers = lambda _asked: (500, {})
    added(f"{other.url}/hook", "--private")
    announced()
    for wait_s in WAITS_S:
        assert webhook_step()
        row = WebhookDelivery.objects.get()
        assert row.state == "waiting"
        assert abs((row.due_at - timezone.now()).total_seconds() - wait_s) < 20
        WebhookDelivery.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert webhook_step()
    row = WebhookDelivery.objects.get()
    assert (row.state, row.failure_reason) == ("failed", "It answered with 500.")
    assert sum(WAITS_S) == pytest.approx(2 * 86_400, rel=0.1)


def test_a_private_address_is_asked_only_where_the_operator_says_so(other: Other) -> None:
    added(other.url)
    announced()
    webhook_step()
    assert other.asked == []
    assert "private network" in WebhookDelivery.objects.get().failure_reason
    with pytest.raises(CommandError):
        added("file:///etc/passwd")


# --- Tables -----------------------------------------------------------------------------------------------------------


def test_estimates_are_written_as_csv_and_parquet(tmp_path: Path, api_cleo: APIClient, api_alice: APIClient) -> None:
    song = SongFactory(title="=Tide", recording_id="e97f805a-ab48-4c52-855e-07049142113d")
    EstimateFactory(song=song, quadrant=Quadrant.Q2, valence=-0.5, arousal=0.5, is_current=False, model_version="old")
    EstimateFactory(song=song, quadrant=Quadrant.Q4, valence=0.25, arousal=-0.5)
    call_command("estimates_export", str(tmp_path / "x.csv"))
    call_command("estimates_export", str(tmp_path / "x.parquet"), all=True)
    [row] = csv.DictReader((tmp_path / "x.csv").read_text().splitlines())
    assert (row["title"], row["quadrant"], row["valence"]) == ("'=Tide", "Q4", "0.25")
    answer = api_cleo.get("/api/v1/estimates/export/csv/?all=1")
    assert len(answer.getvalue().splitlines()) == 3
    assert api_alice.get("/api/v1/estimates/export/csv/").status_code == 403
    pq = pytest.importorskip("pyarrow.parquet")
    table = pq.read_table(tmp_path / "x.parquet").to_pylist()
    assert [table[0][name] for name in ("title", "quadrant", "model_version")] == ["=Tide", "Q2", "old"]
    answer = api_cleo.get("/api/v1/estimates/export/parquet/")
    assert pq.read_table(io.BytesIO(answer.getvalue())).num_rows == 1
    answer.close()
    with pytest.raises(CommandError, match="neither"):
        call_command("estimates_export", str(tmp_path / "x.xls"))


def test_without_pyarrow_parquet_is_refused_with_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(CommandError, match="pip install pyarrow"):
        call_command("estimates_export", str(tmp_path / "x.parquet"))
    assert list(tmp_path.iterdir()) == []
