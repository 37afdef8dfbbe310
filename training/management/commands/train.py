"""`manage.py train --config NAME`: train, calibrate and score a model, and leave a run folder."""

from __future__ import annotations

import tomllib
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

import tomli_w
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from emotion.exceptions import EmotionError
from training.datasets import DatasetError
from training.exceptions import TrainingError
from training.fit.run_folder import RunFolder
from training.recipes.registry import DEFAULT_SYSTEM, RENAMED, TrainJob, config_path, systems, train


class Command(BaseCommand):
    help = "Train the perceived-emotion model on the labelled datasets, and leave a run folder. Works under torchrun."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        names = ", ".join(systems())
        chosen = parser.add_mutually_exclusive_group()
        chosen.add_argument("--config", default=DEFAULT_SYSTEM, help=f"A file, or one of {names}.")
        chosen.add_argument("--list", action="store_true", help="List the systems that can be trained.")
        chosen.add_argument("--resume", type=Path, metavar="RUN", help="Resume a run that was stopped or killed.")
        parser.add_argument("--run", type=Path, help="Run folder; by default runs/<version>-<time>.")
        parser.add_argument(
            "--set",
            action="append",
            default=[],
            type=_assignment,
            metavar="KEY=VALUE",
            help="Change the configuration, such as training.epochs=10; can be given several times.",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Print what would be trained and how long it would take."
        )
        parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1.")
        parser.add_argument("--data", type=Path, default=settings.MER_DATA, help="Folder of the datasets (MER_DATA).")
        parser.add_argument("--work", type=Path, default=Path("runs/work"), help="Rendered audio and caches.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["list"]:
            for system in systems().values():
                self.stdout.write(f"{system.name}: {system.about}")
                self.stdout.write(f"    recipe {system.recipe}, architecture {system.architecture or 'of its own'}")
            return
        if options["resume"] and (options["set"] or options["run"] or options["dry_run"]):
            raise CommandError(
                "--resume continues a run with its original settings: leave --set, --run and --dry-run out."
            )
        if (new := RENAMED.get(options["config"])) and not options["resume"]:
            self.stderr.write(f"{options['config']} is now called {new}; the next release removes the old name.")
        try:
            job = TrainJob(
                text=_configuration(options),
                data_root=options["data"],
                work_dir=options["work"],
                run_dir=options["resume"] or options["run"],
                resumes=bool(options["resume"]),
                dry_run=options["dry_run"],
                device=options["device"],
                log=self.stdout.write,
            )
            run_dir = train(job)
        except (OSError, ValueError, DatasetError, EmotionError, TrainingError) as error:
            raise CommandError(str(error)) from error
        if run_dir is not None:
            self.stdout.write(self.style.SUCCESS(f"The run is in {run_dir}."))


def _assignment(text: str) -> tuple[list[str], Any]:
    key, sign, value = text.partition("=")
    if not sign or not all(part.isidentifier() for part in key.split(".")):
        raise ArgumentTypeError(f"{text!r} is not KEY=VALUE, such as training.epochs=10.")
    try:
        return key.split("."), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.split("."), value


def _configuration(options: dict[str, Any]) -> str:
    if options["resume"]:
        return RunFolder.open(options["resume"]).config_toml
    text = config_path(options["config"]).read_text(encoding="utf-8")
    if not options["set"]:
        return text
    values = tomllib.loads(text)
    for keys, value in options["set"]:
        table = values
        for key in keys[:-1]:
            table = table.setdefault(key, {})
            if not isinstance(table, dict):
                raise CommandError(f"{'.'.join(keys)} cannot be set: {key} is no table of the configuration.")
        table[keys[-1]] = value
    return tomli_w.dumps(values)
