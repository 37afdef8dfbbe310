"""What a real worker process does when it starts."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from django.utils import timezone
from pytest_django import Settings

from catalog.core import claims
from emotion.jobs import curves
from emotion.jobs.curves import CURVES
from emotion.models import EmotionCurve
from emotion.selectors import served_version, workers_alive
from tests.audio_fixtures import make_audio
from tests.conftest import ROOT, WorkerStarter
from tests.factories import EstimateFactory

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]


@pytest.mark.skipif(torch.cuda.is_available(), reason="This machine has CUDA, so nothing is refused.")
def test_a_worker_asked_for_cuda_that_is_not_there_refuses_to_start(
    process_env: Callable[[], dict[str, str]],
) -> None:
    command = [sys.executable, "-m", "celery", "-A", "mer_site", "worker", "-Q", "gpu", "--pool", "solo"]
    environment = {**process_env(), "MOODPLANE_DEVICE": "cuda"}
    worker = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert worker.returncode != 0
    assert "This worker does not start: CUDA was asked for" in worker.stdout + worker.stderr
    assert workers_alive() == []


def test_a_worker_reports_the_device_it_really_uses_and_leaves_in_good_order(
    transactional_db: None, tmp_path: Path
) -> None:
    starter = WorkerStarter(tmp_path)
    starter.start()
    try:
        _wait_until(lambda: bool(workers_alive()))
        [worker] = workers_alive()
        assert worker.device == "cpu" or worker.device.startswith("cuda")
        assert worker.engine in ("openvino", "torch")
        log = (tmp_path / "worker.log").read_text()
        assert f"model {worker.model_version} on {worker.device} with {worker.engine}." in log
    finally:
        starter.stop()
    assert workers_alive() == []


def test_a_curve_whose_worker_is_killed_in_the_middle_is_made_by_the_next(
    transactional_db: None, settings: Settings, tmp_path: Path
) -> None:
    song = EstimateFactory(song__duration_s=120.0, model_version=served_version()).song
    make_audio(Path(settings.MEDIA_ROOT) / str(song.audio.name), 120, codec="ogg", channels=1)
    assert curves.curves_queue(song_ids=[song.pk]) == 1
    starter = WorkerStarter(tmp_path)
    starter.start()
    try:
        CURVES.wake()
        _wait_until(lambda: EmotionCurve.objects.filter(state=EmotionCurve.State.CLAIMED).exists())
        starter.kill()
        curve = EmotionCurve.objects.get()
        assert (curve.state, curve.attempts) == (EmotionCurve.State.CLAIMED, 1)
        # The claim runs out by itself within a minute; the test does not wait for it.
        EmotionCurve.objects.update(due_at=timezone.now())
        starter.start()
        _wait_until(lambda: bool(workers_alive()))
        claims.tick()
        _wait_until(lambda: EmotionCurve.objects.filter(state=EmotionCurve.State.DONE).exists(), within_s=180)
    finally:
        starter.stop()
    curve = EmotionCurve.objects.get()
    assert (len(curve.points), curve.attempts) == (25, 2)


def _wait_until(condition: Callable[[], bool], within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
