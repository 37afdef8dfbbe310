"""A run's folder: configuration, data, code state, history and scores.

Every file is written atomically, so that a run killed at any moment can be read and resumed.
Methods raise RunError where a file is missing, malformed, or of another run.
"""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

from catalog.core.files import write_atomic
from training.data.splits import Folds
from training.evaluation.predictions import Predictions
from training.exceptions import TrainingError

CONFIG, FACTS, SPLITS, HISTORY = "config.toml", "run.json", "splits.json", "history.jsonl"
PREDICTIONS, METRICS, CHECKPOINT, TENSORBOARD = "predictions.npz", "metrics.json", "checkpoint.pt", "tensorboard"
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
        if path.exists() and any(path.iterdir()):
            raise RunError(f"{path} holds something already; go on with it by --resume {path}, or name another folder.")
        path.mkdir(parents=True, exist_ok=True)
        run = cls(path)
        write_atomic(path / CONFIG, config_toml)
        facts = {**facts, "commit": commit(), "python": platform.python_version()}
        facts |= {"packages": {name: package_version(name) for name in _PACKAGES}}
        run.write_facts({**facts, "started": _now(), "ended": None, "wall_s": 0.0, "resumed": []})
        return run

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Return an existing run."""
        if not (path / FACTS).is_file() or not (path / CONFIG).is_file():
            raise RunError(f"{path} is not a run folder: it lacks {FACTS} or {CONFIG}.")
        return cls(path)

    @property
    def config_toml(self) -> str:
        """The configuration, as it was read."""
        return (self.path / CONFIG).read_text(encoding="utf-8")

    @property
    def is_finished(self) -> bool:
        """Whether the run came to its end."""
        return bool(self.facts().get("ended"))

    def facts(self) -> dict[str, Any]:
        """Return run.json: version, seed, datasets, split, code, packages, times."""
        return self._json(FACTS)

    def metrics(self) -> dict[str, Any]:
        """Return the scores."""
        return self._json(METRICS)

    def history(self) -> list[dict[str, Any]]:
        """Return one dictionary per epoch, in order; empty before the first epoch ends."""
        path = self.path / HISTORY
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    def predictions(self) -> Predictions:
        """Return the predictions of the test clips."""
        if not (self.path / PREDICTIONS).exists():
            raise RunError(f"{self.path} has no {PREDICTIONS} yet; finish it with --resume {self.path}.")
        return Predictions.load(self.path / PREDICTIONS)

    def write_facts(self, facts: dict[str, Any]) -> None:
        """Write run.json."""
        write_json(self.path / FACTS, facts)

    def write_folds(self, folds: Sequence[Folds]) -> None:
        """Write the exact ids of every fold of every protocol; a run that goes on must go on with the same ones."""
        for number, each in enumerate(folds):
            path = self.path / (SPLITS if number == 0 else f"splits-{each.protocol}.json")
            if path.exists() and Folds.load(path) != each:
                raise RunError(
                    f"{path} holds other folds than those dealt now: the datasets, their near-duplicates or the way of "
                    "dealing have changed since the run began, and its figures would mix the two. Begin a new run."
                )
            each.save(path)

    def write_metrics(self, metrics: dict[str, Any]) -> None:
        """Write metrics.json."""
        write_json(self.path / METRICS, metrics)

    def write_history(self, key: dict[str, Any], epochs: Sequence[dict[str, Any]]) -> None:
        """Put the epochs of one fold, named by `key`, in place of those already there.

        A run killed between its checkpoint and its history would otherwise list an epoch twice, or not at all.
        """
        others = [line for line in self.history() if any(line.get(name) != value for name, value in key.items())]
        lines = [json.dumps(line) for line in [*others, *({**key, **epoch} for epoch in epochs)]]
        write_atomic(self.path / HISTORY, "".join(f"{line}\n" for line in lines))

    def resumed(self) -> None:
        """Note that the run goes on."""
        facts = self.facts()
        self.write_facts({**facts, "resumed": [*facts.get("resumed", []), {"at": _now(), "commit": commit()}]})

    def worked(self, seconds: float) -> None:
        """Add to the seconds of work that all sittings took together; what a kill cut off is not in them."""
        facts = self.facts()
        self.write_facts({**facts, "wall_s": round(facts["wall_s"] + seconds, 1)})

    def finish(self, seconds: float = 0.0) -> None:
        """Note the end, after so many more seconds of work."""
        self.worked(seconds)
        self.write_facts({**self.facts(), "ended": _now()})

    def _json(self, name: str) -> dict[str, Any]:
        path = self.path / name
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunError(f"{self.path} has no {name} yet; finish it with --resume {self.path}.") from None
        except ValueError as error:
            raise RunError(f"{path} is not JSON: {error}.") from error
        return found


def new_run_path(version: str, root: Path = Path("runs")) -> Path:
    """Return where a run that starts now is kept."""
    return root / f"{version}-{datetime.now(UTC):%Y%m%d-%H%M%S}"


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file that appears whole or not at all."""
    write_atomic(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def commit() -> str:
    """Return the commit of the code, "-dirty" appended where files were changed since, or "unknown"."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--exclude=*", "--abbrev=40", "--dirty"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
