"""A run's folder: configuration, data, code state, history and scores.

Every file is written atomically, so that a killed run can be read and resumed. Methods raise RunError where a file is
missing, malformed, or of another run.
"""

from __future__ import annotations

import fcntl
import json
import platform
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

from catalog.core.files import remove_leftovers, write_atomic
from training.data.splits import Folds
from training.evaluation.predictions import Predictions
from training.exceptions import TrainingError

CONFIG, FACTS, SPLITS, HISTORY = "config.toml", "run.json", "splits.json", "history.jsonl"
PREDICTIONS, METRICS, CHECKPOINT, TENSORBOARD = "predictions.npz", "metrics.json", "checkpoint.pt", "tensorboard"
_LOCK = ".lock"
_PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "librosa", "soundfile", "soxr", "efficientnet-pytorch")


class RunError(TrainingError):
    """A run folder that is incomplete or of another run; the message says which, and what to do."""

    code = "run_folder"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run's files."""

    path: Path

    @classmethod
    def create(cls, path: Path, config_toml: str, facts: dict[str, Any]) -> RunFolder:
        """Make the folder of a new run; the code's state is added to the facts."""
        path.mkdir(parents=True, exist_ok=True)
        if (path / FACTS).exists():
            raise RunError(f"{path} is not empty; continue its run by --resume {path}, or name another folder.")
        for name in (CONFIG, FACTS):
            remove_leftovers(path / name)
        there = {each.name for each in path.iterdir()} - {_LOCK}
        # A creation that was killed leaves its configuration.
        if there and (there != {CONFIG} or (path / CONFIG).read_text(encoding="utf-8") != config_toml):
            raise RunError(f"{path} is not empty, and holds no run: name another folder.")
        run = cls(path)
        write_atomic(path / CONFIG, config_toml)
        code = {"commit": _commit(), "python": platform.python_version()}
        packages = {name: package_version(name) for name in _PACKAGES}
        times: dict[str, Any] = {"started": _now(), "ended": None, "wall_s": 0.0, "resumed": []}
        write_json(path / FACTS, {**facts, **code, "packages": packages, **times})
        return run

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        if not (path / FACTS).is_file() or not (path / CONFIG).is_file():
            raise RunError(f"{path} is not a run folder: it lacks {FACTS} or {CONFIG}.")
        return cls(path)

    @property
    def config_toml(self) -> str:
        return (self.path / CONFIG).read_text(encoding="utf-8")

    @property
    def is_finished(self) -> bool:
        return bool(self.facts().get("ended"))

    def facts(self) -> dict[str, Any]:
        """Return run.json: version, seed, datasets, split, code, packages, times."""
        return self._json(FACTS)

    def metrics(self) -> dict[str, Any]:
        return self._json(METRICS)

    def history(self) -> list[dict[str, Any]]:
        """Return one dictionary per epoch, in order; empty before the first epoch ends."""
        path = self.path / HISTORY
        if not path.exists():
            return []
        try:
            return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        except ValueError as error:
            raise RunError(f"{path} is not JSON: {error}.") from error

    def predictions(self) -> Predictions:
        if not (self.path / PREDICTIONS).exists():
            raise RunError(f"{self.path} has no {PREDICTIONS} yet; finish it with --resume {self.path}.")
        return Predictions.load(self.path / PREDICTIONS)

    def add_facts(self, **facts: Any) -> None:
        write_json(self.path / FACTS, {**self.facts(), **facts})

    def write_folds(self, folds: Sequence[Folds]) -> None:
        """Write the exact ids of every fold of every protocol, or check that a resumed run has the same ones."""
        for number, each in enumerate(folds):
            path = self.path / (SPLITS if number == 0 else f"splits-{each.protocol}.json")
            if path.exists() and Folds.load(path) != each:
                raise RunError(
                    f"{path} holds other folds than those dealt now: the datasets, their near-duplicates or the way of "
                    "dealing have changed since the run began, and its figures would mix the two. Begin a new run."
                )
            each.save(path)

    def write_metrics(self, metrics: dict[str, Any]) -> None:
        write_json(self.path / METRICS, metrics)

    def write_history(self, key: dict[str, Any], epochs: Sequence[dict[str, Any]]) -> None:
        """Replace the epochs of one fold, named by `key`, so that a killed run lists each epoch once."""
        others = [line for line in self.history() if any(line.get(name) != value for name, value in key.items())]
        lines = [json.dumps(line) for line in [*others, *({**key, **epoch} for epoch in epochs)]]
        write_atomic(self.path / HISTORY, "".join(f"{line}\n" for line in lines))

    def resumed(self) -> None:
        """Note that the run continues."""
        self.add_facts(resumed=[*self.facts().get("resumed", []), {"at": _now(), "commit": _commit()}])

    def worked(self, seconds: float) -> None:
        """Add to the total of working seconds, which lacks what a kill cut off."""
        self.add_facts(wall_s=round(self.facts()["wall_s"] + seconds, 1))

    def finish(self, seconds: float = 0.0) -> None:
        """Note the end, after so many more seconds of work."""
        self.worked(seconds)
        self.add_facts(ended=_now())

    def _json(self, name: str) -> dict[str, Any]:
        path = self.path / name
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise RunError(f"{self.path} has no {name} yet; finish it with --resume {self.path}.") from None
        except ValueError as error:
            raise RunError(f"{path} is not JSON: {error}.") from error


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Keep other processes out of a run's folder, which is made if need be; a killed process lets go of it.

    Raises:
        RunError: Another process holds it.
    """
    path.mkdir(parents=True, exist_ok=True)
    with (path / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(f"Another process trains in {path}: wait until it ends, or name another folder.") from None
        yield


def new_run_path(version: str) -> Path:
    """Return the default folder of a run that starts now."""
    return Path("runs") / f"{version}-{datetime.now(UTC):%Y%m%d-%H%M%S}"


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file that appears whole or not at all."""
    write_atomic(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def _commit(folder: Path = Path(__file__).parent) -> str:
    # `describe --dirty` would lock and write the index, whatever it is told of optional locks.
    command = ["git", "--no-optional-locks", "-C", str(folder), "status", "--porcelain=v2", "--branch", "-uno"]
    lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    if not lines:
        return "unknown"
    is_dirty = any(not line.startswith("# ") for line in lines)
    return lines[0].removeprefix("# branch.oid ") + ("-dirty" if is_dirty else "")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
