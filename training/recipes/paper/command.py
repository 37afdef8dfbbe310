"""`manage.py train` with a configuration of this recipe. Pure."""

from __future__ import annotations

import tomllib
from pathlib import Path

from training.fit.processes import together
from training.fit.run_folder import RunFolder, new_run_path
from training.recipes.jobs import TrainJob
from training.recipes.paper import protocol
from training.recipes.paper.config import config_from
from training.recipes.paper.plan import plan


def train(job: TrainJob) -> Path | None:
    """Train, or go on; return the run folder, None after a dry run and in every process but the first."""
    config = config_from(tomllib.loads(job.text))
    with together(job.device) as processes:
        say = job.say if processes.is_first else _nothing
        if job.dry_run:
            ours = plan(config, data_root=job.data_root, work_dir=job.work_dir, say=say)
            for line in protocol.estimate(config, ours, processes):
                say(line)
            return None
        path: Path = processes.share(job.run_dir or new_run_path(config.version))
        if processes.is_first and not job.resumes:
            RunFolder.create(path, job.text, {"version": config.version, "seed": config.seed, "recipe": "paper"})
        processes.wait()
        folder = RunFolder.open(path)
        if folder.is_finished:
            say(f"{path} is finished: there is nothing to go on with.")
            return None
        if processes.is_first and job.resumes:
            folder.resumed()
        protocol.run(
            config, data_root=job.data_root, work_dir=job.work_dir, folder=folder, processes=processes, say=say
        )
        return path if processes.is_first else None


def _nothing(line: str) -> None:
    """Say nothing: only the first of several processes speaks."""
