"""The whole walk, on real servers and a real worker: from files on a disk to a playlist that a rating changes."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import Count
from django.utils import timezone
from rest_framework.test import APIClient

from catalog.core import claims
from catalog.models import Song, Upload
from catalog.selectors import state_counts
from emotion.models import EmotionEstimate
from tests.audio_fixtures import make_audio
from tests.conftest import ROOT, WorkerStarter

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]

Environment = Callable[[], dict[str, str]]


@pytest.fixture
def worker(transactional_db: None, tmp_path: Path) -> Iterator[WorkerStarter]:
    starter = WorkerStarter(tmp_path)
    yield starter
    starter.stop()


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """A folder of twelve songs in five formats."""
    folder = tmp_path / "music"
    for seed in range(12):
        codec = ("ogg", "mp3", "flac", "m4a", "opus")[seed % 5]
        path = make_audio(folder / f"artist {seed % 4} - song {seed}.{codec}", 6, seed=seed + 1)
        # What was written just now is waited for.
        os.utime(path, (1e9, 1e9))
    return folder


def manage(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def wait_until(condition: Callable[[], bool], what: str, within_s: float = 120) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {within_s:.0f} s: {state_counts()}"
        time.sleep(0.05)


def test_from_files_to_a_playlist_that_a_rating_changes(
    worker: WorkerStarter, music: Path, process_env: Environment, alice: User, api_alice: APIClient
) -> None:
    worker.start()
    first = manage("ingest", str(music), "--wait", environment=process_env())
    assert first.returncode == 0, first.stderr
    assert "12 added, 0 already here, 0 could not be added." in first.stdout
    assert "12 analysed" in first.stdout
    second = manage("ingest", str(music), environment=process_env())
    assert "0 added, 12 already here" in second.stdout
    assert api_alice.get("/api/v1/songs/?state=tagged&page_size=1").json()["count"] == 12

    # predict says of the same files what the database says.
    table = manage("predict", str(music), "--csv", "-", environment=process_env())
    assert table.returncode == 0, table.stderr
    rows = {Path(row["path"]).name: row for row in csv.DictReader(io.StringIO(table.stdout))}
    for upload in Upload.objects.filter(outcome=Upload.Outcome.ACCEPTED).select_related("song"):
        row, estimate = rows[upload.file_name], EmotionEstimate.objects.get(song=upload.song)
        stated = [float(row[f"p_q{i}"]) for i in range(1, 5)]
        assert stated == pytest.approx(estimate.probabilities, abs=1e-4), upload.file_name
        assert row["model_version"] == estimate.model_version

    playlist = api_alice.post("/api/v1/playlists/", {"quadrant": 4, "length": 8, "seed": 1}).json()
    items = playlist["items"]
    assert len(items) == 8
    played = items[0]["position"]
    api_alice.post(f"/api/v1/playlists/{playlist['id']}/items/{played}/played/")
    song_of_first = items[0]["song"] if isinstance(items[0]["song"], int) else items[0]["song"]["id"]
    rating = {
        "song": song_of_first,
        "felt_valence": -0.9,
        "felt_arousal": 0.9,
        "liked": False,
        "playlist": playlist["id"],
    }
    assert api_alice.post("/api/v1/ratings/", rating).status_code in (200, 201)
    after = api_alice.get(f"/api/v1/playlists/{playlist['id']}/").json()["items"]
    assert after[0]["song"] == items[0]["song"]
    felt = [item["felt_arousal"] for item in items[1:]], [item["felt_arousal"] for item in after[1:]]
    assert felt[0] != felt[1]
    # Which reasons a new listener's list gives depends on the songs' ids; of a disliked song there is always one.
    every = api_alice.post("/api/v1/playlists/", {"quadrant": 4, "length": 12, "seed": 1}).json()["items"]
    said = {item["song"]["id"]: item["reason"] for item in every}
    assert said[song_of_first] == "Here although you disliked it before."
    travel_share_and_take_along(api_alice)


def travel_share_and_take_along(api_alice: APIClient) -> None:
    """A journey is made, played by a visitor, and imported again from a file."""
    path = [{"valence": -0.5, "arousal": 0.5}, {"valence": 0.5, "arousal": -0.5}]
    journey = api_alice.post("/api/v1/playlists/", {"path": path, "length": 5}).json()
    songs = [item["song"]["id"] for item in journey["items"]]
    assert songs
    here = f"/api/v1/playlists/{journey['id']}/"
    token = api_alice.post(f"{here}share/").json()["token"]
    shared = APIClient().get(f"/api/v1/shared/{token}/").json()
    assert [item["song"]["id"] for item in shared["items"]] == songs
    assert APIClient().get(f"/songs/{songs[0]}/audio").status_code == 200
    file = SimpleUploadedFile("journey.m3u8", api_alice.get(f"{here}export/m3u8/").content)
    brought = api_alice.post("/api/v1/playlists/import/", {"file": file}, format="multipart").json()
    assert [item["song"]["id"] for item in brought["items"]] == songs


def test_a_killed_worker_leaves_nothing_behind_and_nothing_twice(
    worker: WorkerStarter, music: Path, process_env: Environment
) -> None:
    worker.start()
    assert manage("ingest", str(music), environment=process_env()).returncode == 0
    wait_until(lambda: Song.objects.filter(state=Song.State.ANALYSING).exists(), "the analysis")
    worker.kill()
    lost = Song.objects.exclude(state=Song.State.ANALYSED).count()
    assert lost > 0, "the worker was done before it could be killed"

    worker.start()
    # A minute passes for the claims of the dead worker; the tick, which beat sends, finds them.
    Song.objects.filter(state__in=[Song.State.ANALYSING, Song.State.QUEUED]).update(
        due_at=timezone.now() - timedelta(seconds=1)
    )
    claims.tick()
    wait_until(lambda: state_counts()[Song.State.ANALYSED] == 12, "the rest of the analysis")
    assert EmotionEstimate.objects.count() == 12
    twice = EmotionEstimate.objects.values("song").annotate(n=Count("id")).filter(n__gt=1)
    assert not twice.exists()
