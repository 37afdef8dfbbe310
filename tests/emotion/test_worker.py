"""What a real worker process does when it starts."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from emotion.selectors import workers_alive
from tests.conftest import ROOT, WorkerStarter

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


def _wait_until(condition: Callable[[], bool], within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
