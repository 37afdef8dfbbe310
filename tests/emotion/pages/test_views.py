"""The spectrogram and the status page."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from catalog.models import Song
from tests.audio_fixtures import make_audio
from tests.factories import EstimateFactory, SongFactory, WorkerFactory

pytestmark = pytest.mark.django_db

STATUS = "/status/"
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def song_with_file() -> Song:
    """A song whose audio really lies under the media root."""
    song = SongFactory(duration_s=8.0)
    path = Path(settings.MEDIA_ROOT) / str(song.audio.name)
    path.parent.mkdir(parents=True)
    make_audio(path, seconds=8.0)
    return song


# --- Spectrogram ------------------------------------------------------------------------------------------------


def test_the_spectrogram_is_a_png_that_is_sent_once(client: Client, song_with_file: Song) -> None:
    url = reverse("emotion:spectrogram", args=[song_with_file.pk])
    assert url == f"/songs/{song_with_file.pk}/spectrogram.png"
    first = client.get(url)
    assert first.content.startswith(PNG_MAGIC)
    assert first["Content-Type"] == "image/png"
    again = client.get(url, headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 304
    assert again.content == b""


def test_another_etag_gets_the_picture(client: Client, song_with_file: Song) -> None:
    url = reverse("emotion:spectrogram", args=[song_with_file.pk])
    assert client.get(url, headers={"If-None-Match": '"old"'}).status_code == 200


def test_a_lost_file_is_not_found(client: Client) -> None:
    assert client.get(reverse("emotion:spectrogram", args=[SongFactory().pk])).status_code == 404


def test_an_unknown_song_has_no_spectrogram(client: Client) -> None:
    assert client.get(reverse("emotion:spectrogram", args=[4711])).status_code == 404


# --- Paths of 0.1.0 ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("former", "present"),
    [("attention/", "saliency/"), ("attention.png", "saliency.png"), ("hearing/", "reanalysis/")],
)
def test_the_paths_of_the_release_before_lead_to_the_present_ones(client: Client, former: str, present: str) -> None:
    answer = client.get(f"/songs/7/{former}")
    assert (answer.status_code, answer["Location"]) == (301, f"/songs/7/{present}")


# --- Status -----------------------------------------------------------------------------------------------------


def test_status_counts_songs_by_state_in_plain_words(client: Client) -> None:
    SongFactory.create_batch(2, state=Song.State.QUEUED)
    EstimateFactory()
    page = client.get(STATUS).content.decode()
    assert "1 of 3 songs analysed" in page
    assert '<dt class="stat__label">waiting</dt><dd class="stat__value">2</dd>' in page


def test_status_shows_the_device_that_is_really_used(client: Client) -> None:
    WorkerFactory(device="cuda:0 NVIDIA H200", engine="torch", model_version="m7")
    page = client.get(STATUS).content.decode()
    assert "cuda:0 NVIDIA H200" in page
    assert "m7" in page


def test_a_worker_that_fell_silent_is_not_shown(client: Client) -> None:
    WorkerFactory(seen_at=timezone.now() - timedelta(minutes=5), device="gone")
    page = client.get(STATUS).content.decode()
    assert "gone" not in page
    assert "No worker has reported" in page


def test_failures_are_for_curators(client: Client, client_alice: Client, client_cleo: Client) -> None:
    SongFactory(state=Song.State.FAILED, failure_code="silent_audio", failure_reason="It is silent.")
    assert "silent_audio" not in client.get(STATUS).content.decode()
    assert "silent_audio" not in client_alice.get(STATUS).content.decode()
    assert "silent_audio" in client_cleo.get(STATUS).content.decode()


def test_status_refreshes_itself_with_the_fragment(client: Client) -> None:
    EstimateFactory()
    assert b'hx-trigger="every 5s"' in client.get(STATUS).content
    fragment = client.get(STATUS, headers={"HX-Request": "true"}).content
    assert b"<html" not in fragment
    assert b"stat__value" in fragment
    boosted = client.get(STATUS, headers={"HX-Request": "true", "HX-Boosted": "true"}).content
    assert b"<html" in boosted


def test_status_guesses_how_long_the_queue_takes(client: Client) -> None:
    for _ in range(4):
        EstimateFactory()
    SongFactory(state=Song.State.QUEUED)
    assert "1 song in the queue, less than a minute to go" in client.get(STATUS).content.decode()
