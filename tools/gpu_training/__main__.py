"""The command line of `tools.gpu_training`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import tools.gpu_training
from emotion.exceptions import EmotionError
from tools.gpu_training.carry import prepare
from tools.gpu_training.training import run
from training.datasets import DatasetError
from training.exceptions import TrainingError
from training.recipes.registry import config_path


def main(arguments: Sequence[str] | None = None) -> None:
    """Prepare or run, as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tools.gpu_training", description=tools.gpu_training.__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    prepares = commands.add_parser("prepare", help="Write the file, on the machine with the data sets.")
    prepares.add_argument("carry", type=Path)
    prepares.add_argument("--config", default="distilled_b3", help="A file, or the name of a system.")
    prepares.add_argument("--data", type=Path, default=Path(os.environ.get("MER_DATA", "../shared/data")))
    prepares.add_argument("--work", type=Path, default=Path("runs/work"), help="Rendered audio and caches.")
    prepares.add_argument("--mixtures", type=int, default=14_336, help="Of each length and kind.")
    runs = commands.add_parser("run", help="Train, on the machine with the GPU; repeated, it resumes.")
    runs.add_argument("carry", type=Path)
    runs.add_argument("out", type=Path)
    runs.add_argument("--minutes", type=float, default=15.0)
    runs.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1.")
    given = parser.parse_args(arguments)

    def say(line: str) -> None:
        print(line, flush=True)

    try:
        if given.command == "run":
            run(given.carry, given.out, minutes=given.minutes, device_name=given.device, log=say)
            return
        prepare(
            given.carry,
            config_path(given.config).read_text(encoding="utf-8"),
            data_root=given.data,
            work_dir=given.work,
            per_scene=given.mixtures,
            log=say,
        )
    except (OSError, ValueError, EmotionError, TrainingError, DatasetError) as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
