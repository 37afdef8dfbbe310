"""Checkpoints: refused where they do not fit, and gone on with to the bit where they do."""

import math
import os
import random
import resource
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO
from unittest.mock import patch

import numpy as np
import pytest
import torch
from torch import Tensor

from emotion.exceptions import CheckpointError
from tests.training.small_training import MEL, RANDOM, SHORT, job, run, same
from training.fit import loop

pytestmark = pytest.mark.slow

# --- Checkpoints --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"config": replace(SHORT, learning_rate=5e-3)}, r"another configuration: it has \{'learning_rate': 0.01\}"),
        (
            {"front_end": replace(MEL, n_mels=64)},
            r"another front end: it has \{'n_mels': 128\}, this run has \{'n_mels': 64\}",
        ),
        ({"identity": {"architecture": "efficientnet-b3"}}, "another architecture: it has efficientnet-b0"),
        ({"seed": 6}, "another seed"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    given = job(SHORT, identity={"architecture": "efficientnet-b0"}, checkpoint=tmp_path / "checkpoint.pt")
    run(given)
    with pytest.raises(CheckpointError, match=sentence):
        run(replace(given, **change))


@pytest.mark.parametrize("damage", [b"", b"not a checkpoint", None])
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, damage: bytes | None) -> None:
    checkpoint = tmp_path / "checkpoint.pt"
    given = job(replace(SHORT, epochs=1), checkpoint=checkpoint)
    run(given)
    whole = checkpoint.read_bytes()
    checkpoint.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt is damaged"):
        run(given)


def test_a_full_disk_leaves_the_last_checkpoint_whole(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    loop.write_checkpoint(path, {"seed": 1}, {"weights": torch.ones(4)})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError, match="could not be written"):
            loop.write_checkpoint(path, {"seed": 1}, {"weights": torch.zeros(1_000_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == [path]
    assert torch.equal(loop.read_checkpoint(path, {"seed": 1})["weights"], torch.ones(4))


def test_every_random_sequence_goes_on_where_it_was(tmp_path: Path) -> None:
    def draw() -> tuple[float, ...]:
        return random.random(), float(np.random.rand()), float(np.random.normal()), float(torch.rand(1))  # noqa: NPY002

    loop.seed_everything(1)
    draw()
    loop.write_checkpoint(tmp_path / "states.pt", {}, {"random": loop.random_states()})
    after = draw()
    loop.seed_everything(2)
    assert draw() != after
    loop.restore_random_states(loop.read_checkpoint(tmp_path / "states.pt", {})["random"])
    assert draw() == after
    loop.seed_everything(1, rank=1)
    other = draw()
    loop.seed_everything(1)
    assert draw() != other


# --- Killed and gone on with --------------------------------------------------------------------------------------

LONG = replace(RANDOM, epochs=4, checkpoint_steps=2, optimiser="adamw", schedule="cosine", patience=0)


def _train_and_write(folder: Path, kill_in_write: int) -> None:
    """Train to the end; the process is killed in the middle of the numbered checkpoint, if any."""
    torch.set_num_threads(1)
    step, save, written = loop._Fit._step, torch.save, 0

    def slow_step(self: Any, rows: Any) -> None:
        step(self, rows)
        time.sleep(0.01)

    def save_half(content: Any, file: BinaryIO) -> None:
        nonlocal written
        written += 1
        save(content, file)
        if written == kill_in_write:
            file.truncate(file.tell() // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    with patch.object(loop._Fit, "_step", slow_step), patch.object(torch, "save", save_half):
        (folder / "begun").touch()
        network, _ = run(job(LONG, checkpoint=folder / "checkpoint.pt"))
    torch.save(network.state_dict(), folder / "final.part")
    (folder / "final.part").rename(folder / "final.pt")


def _final(folder: Path) -> dict[str, Tensor]:
    found: dict[str, Tensor] = torch.load(folder / "final.pt", weights_only=True)
    return found


def _uninterrupted() -> dict[str, Tensor]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    network, _ = run(job(LONG))
    torch.set_num_threads(threads)
    return network.state_dict()


def _equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_killed_at_random_moments_and_resumed_it_ends_with_the_same_weights(processes: Any, tmp_path: Path) -> None:
    kills, moments = 0, random.Random(3)
    for _ in range(12):
        (tmp_path / "begun").unlink(missing_ok=True)
        child = processes.Process(target=_train_and_write, args=(tmp_path, 0))
        child.start()
        while not (tmp_path / "begun").exists() and child.is_alive():
            time.sleep(0.005)
        child.join(moments.uniform(0.02, 0.2) if kills < 5 else None)
        if child.exitcode is not None:
            break
        child.kill()
        child.join()
        kills += child.exitcode == -signal.SIGKILL
    assert kills >= 2
    assert child.exitcode == 0
    assert _equal(_final(tmp_path), _uninterrupted())


def test_killed_in_the_middle_of_a_checkpoint_it_goes_on_from_the_one_before(processes: Any, tmp_path: Path) -> None:
    for kill_in_write, exit_code in ((3, -signal.SIGKILL), (2, -signal.SIGKILL), (0, 0)):
        child = processes.Process(target=_train_and_write, args=(tmp_path, kill_in_write))
        child.start()
        child.join()
        assert child.exitcode == exit_code
        if kill_in_write:
            assert list(tmp_path.glob(".checkpoint.pt.*.part"))
            loop.read_checkpoint(tmp_path / "checkpoint.pt", job(LONG).whole_identity)
    assert not list(tmp_path.glob(".checkpoint.pt.*.part"))
    assert _equal(_final(tmp_path), _uninterrupted())


def test_a_finished_training_resumed_does_nothing_and_reports_its_epochs_again(tmp_path: Path) -> None:
    reports: list[list[dict[str, Any]]] = []
    given = job(SHORT, checkpoint=tmp_path / "checkpoint.pt", log_dir=tmp_path / "tensorboard", on_epoch=reports.append)
    network, outcome = run(given)
    assert any((tmp_path / "tensorboard").iterdir())
    again, same_outcome = run(given)
    assert same(network, again)
    assert same_outcome == outcome
    assert [len(epochs) for epochs in reports] == [3, 3, 3, 3]
    assert math.isfinite(reports[-1][-1]["images_per_s"])


@pytest.mark.parametrize("config", [replace(SHORT, epochs=50, stop_accuracy=0.2), replace(SHORT, epochs=50)])
def test_what_ended_a_training_still_does_after_a_resume(config: loop.FitConfig, tmp_path: Path) -> None:
    def train_on() -> int:
        given = job(config, checkpoint=tmp_path / "checkpoint.pt", is_over=lambda epochs: len(epochs) >= 2)
        return len(run(given)[1].epochs)

    ended = train_on()
    assert ended < 3
    assert [train_on(), train_on()] == [ended, ended]
