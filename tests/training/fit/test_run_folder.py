"""The run folder: whole files, honest histories, clear refusals."""

import json
import multiprocessing
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from catalog.core.files import write_atomic
from tests.training.made_run import made_predictions
from training.fit.run_folder import CONFIG as CONFIG_FILE
from training.fit.run_folder import FACTS, HISTORY, RunError, RunFolder, _commit, held, new_run_path, write_json

CONFIG = 'version = "made"\nseed = 1\n'


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", CONFIG, {"version": "made", "seed": 1})


def test_a_new_run_says_by_what_it_was_made(run: RunFolder) -> None:
    facts = run.facts()
    assert facts["version"] == "made"
    assert facts["packages"]["torch"]
    assert len(facts["commit"].removesuffix("-dirty")) == 40
    assert facts["started"]
    assert facts["ended"] is None
    assert not run.is_finished
    assert run.config_toml == CONFIG
    assert run.history() == []


def test_the_state_of_the_code_is_read_without_writing_to_its_repository(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
        return subprocess.run(
            ["git", "-C", tmp_path, *who, *words], check=True, capture_output=True, text=True
        ).stdout.strip()

    code, index = tmp_path / "code.py", tmp_path / ".git" / "index"
    git("init", "-q")
    code.write_text("one")
    git("add", ".")
    git("commit", "-qm", "One")
    # A new time makes git want to refresh its index.
    os.utime(code, (1, 1))
    before = index.read_bytes()
    assert _commit(tmp_path) == git("rev-parse", "HEAD")
    code.write_text("two")
    assert _commit(tmp_path) == f"{git('rev-parse', 'HEAD')}-dirty"
    assert index.read_bytes() == before
    assert _commit(tmp_path / "none") == "unknown"


def test_a_folder_that_holds_something_is_not_written_over(run: RunFolder) -> None:
    with pytest.raises(RunError, match=f"--resume {run.path}"):
        RunFolder.create(run.path, CONFIG, {})


@pytest.mark.parametrize("left", [CONFIG_FILE, f".{CONFIG_FILE}.0a.part", f".{FACTS}.0a.part", ".lock"])
def test_a_killed_creation_is_begun_again(tmp_path: Path, left: str) -> None:
    (tmp_path / left).write_text(CONFIG)
    assert RunFolder.create(tmp_path, CONFIG, {"seed": 1}).facts()["seed"] == 1
    assert {path.name for path in tmp_path.iterdir()} <= {CONFIG_FILE, FACTS, ".lock"}


def test_what_is_not_of_the_run_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).write_text("mine")
    with pytest.raises(RunError, match="is not empty, and holds no run"):
        RunFolder.create(tmp_path, CONFIG, {})
    assert (tmp_path / CONFIG_FILE).read_text() == "mine"


def test_one_process_at_a_time_works_in_a_folder(tmp_path: Path) -> None:
    def killed() -> None:
        with held(tmp_path):
            os.kill(os.getpid(), signal.SIGKILL)

    with held(tmp_path), pytest.raises(RunError, match=f"Another process trains in {tmp_path}"), held(tmp_path):
        pass
    process = multiprocessing.get_context("fork").Process(target=killed)
    process.start()
    process.join()
    with held(tmp_path):
        assert process.exitcode == -signal.SIGKILL


def test_a_folder_that_is_no_run_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"is not a run folder: it lacks run\.json"):
        RunFolder.open(tmp_path)


def test_time_adds_up_over_sittings(run: RunFolder) -> None:
    run.worked(10.0)
    again = RunFolder.open(run.path)
    again.resumed()
    again.finish(5.5)
    facts = run.facts()
    assert facts["wall_s"] == 15.5
    assert len(facts["resumed"]) == 1
    assert run.is_finished


def test_a_folds_history_is_read_once_however_often_it_is_written(run: RunFolder) -> None:
    first, second = ({"protocol": "paper", "fold": fold} for fold in (0, 1))
    run.write_history(first, [{"epoch": 1, "loss": 1.0}, {"epoch": 2, "loss": 0.9}])
    run.write_history(second, [{"epoch": 1, "loss": 0.8}])
    run.write_history(second, [{"epoch": 1, "loss": 0.8}, {"epoch": 2, "loss": 0.7}])
    epochs = [(line["fold"], line["epoch"]) for line in run.history()]
    assert epochs == [(0, 1), (0, 2), (1, 1), (1, 2)]
    lines = (run.path / HISTORY).read_text().splitlines()
    assert json.loads(lines[-1]) == {"protocol": "paper", "fold": 1, "epoch": 2, "loss": 0.7}


@pytest.mark.parametrize("read", [RunFolder.metrics, RunFolder.predictions])
def test_a_missing_file_names_its_command(run: RunFolder, read: Any) -> None:
    with pytest.raises(RunError, match=f"yet; finish it with --resume {run.path}"):
        read(run)


def test_existing_files_are_read(run: RunFolder) -> None:
    made_predictions(("paper",)).save(run.path / "predictions.npz")
    run.write_metrics({"accuracy": 0.5})
    assert len(run.predictions()) == 560
    assert run.metrics() == {"accuracy": 0.5}


def test_a_damaged_file_is_named(run: RunFolder) -> None:
    (run.path / FACTS).write_text("{")
    with pytest.raises(RunError, match=r"run\.json is not JSON"):
        run.facts()
    (run.path / HISTORY).write_text("{")
    with pytest.raises(RunError, match=r"history\.jsonl is not JSON"):
        run.history()


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    write_json(path, {"accuracy": 0.5})
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(path, {"accuracy": float("nan")})
    with pytest.raises(UnicodeEncodeError):
        write_atomic(path, "half of it, then \ud800")
    assert json.loads(path.read_text()) == {"accuracy": 0.5}
    assert list(tmp_path.iterdir()) == [path]


def test_a_path_names_version_and_time() -> None:
    assert new_run_path("b3-paper").parent == Path("runs")
    assert new_run_path("b3-paper").name.startswith("b3-paper-20")
