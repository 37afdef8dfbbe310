"""`manage.py train` with a configuration of this recipe. Pure."""

from __future__ import annotations

import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory

from training.exceptions import TrainingError
from training.fit.run_folder import new_run_path
from training.recipes.distilled_b3 import recipe
from training.recipes.jobs import TrainJob


def train(job: TrainJob) -> Path | None:
    """Train, or go on, and return the run folder."""
    if job.dry_run:
        raise TrainingError("--dry-run is for the recipe paper; the head of distilled_b3.toml says what it takes.")
    run_dir = job.run_dir or new_run_path(tomllib.loads(job.text).get("version", "model"))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "config.toml"
        path.write_text(job.text, encoding="utf-8")
        recipe.run(path, data_root=job.data_root, work_dir=job.work_dir, run_dir=run_dir, say=job.say)
    return run_dir
