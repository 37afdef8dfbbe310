"""`manage.py train --config NAME`: train, calibrate and score a model, and leave a run folder."""

from __future__ import annotations

import tomllib
from argparse import ArgumentTypeError
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tomli_w
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

_CONFIGS = Path(__file__).resolve().parents[2] / "configs"


class Command(BaseCommand):
    help = "Train the perceived-emotion model on the labelled datasets, and leave a run folder. Works under torchrun."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        names = ", ".join(sorted(path.stem for path in _CONFIGS.glob("*.toml")))
        chosen = parser.add_mutually_exclusive_group()
        chosen.add_argument("--config", default="flagship", help=f"A file, or one of {names}. Default: flagship.")
        chosen.add_argument("--resume", type=Path, metavar="RUN", help="Go on with a run that was stopped or killed.")
        parser.add_argument("--run", type=Path, help="Run folder; by default runs/<version>-<time>.")
        parser.add_argument(
            "--set",
            action="append",
            default=[],
            type=_assignment,
            metavar="KEY=VALUE",
            help="Change the configuration, such as training.epochs=10; can be given several times.",
        )
        parser.add_argument("--dry-run", action="store_true", help="Say what would be trained and how long it takes.")
        parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:1.")
        parser.add_argument("--data", type=Path, default=settings.MER_DATA, help="Folder of the datasets (MER_DATA).")
        parser.add_argument("--work", type=Path, default=Path("runs/work"), help="Rendered audio and caches.")

    def handle(self, *args: Any, **options: Any) -> None:
        # Imported here because torch takes seconds, and `manage.py help` should not.
        from emotion.exceptions import EmotionError
        from training.datasets import DatasetError
        from training.exceptions import TrainingDivergedError, TrainingError

        if options["resume"] and (options["set"] or options["run"] or options["dry_run"]):
            raise CommandError("--resume goes on with a run as it was begun: leave --set, --run and --dry-run out.")
        try:
            text = _configuration(options)
            method = tomllib.loads(text).get("method", "flagship")
            if method not in ("paper", "flagship"):
                raise CommandError(f"method is {method!r}; it can be paper or flagship.")
            run = self._paper if method == "paper" else self._flagship
            run(text, options)
        except (OSError, ValueError, DatasetError, EmotionError, TrainingError, TrainingDivergedError) as error:
            raise CommandError(str(error)) from error

    def _paper(self, text: str, options: dict[str, Any]) -> None:
        from training.fit.processes import together
        from training.fit.run_folder import RunFolder, new_run_path
        from training.recipes.paper import config as config_module
        from training.recipes.paper import plan, protocol

        config = config_module.config_from(tomllib.loads(text))
        places = {"data_root": options["data"], "work_dir": options["work"]}
        with together(options["device"]) as processes:
            say = self.stdout.write if processes.is_first else _nothing
            if options["dry_run"]:
                for line in protocol.estimate(config, plan.plan(config, **places, say=say), processes):
                    say(line)
                return
            path = processes.share(options["resume"] or options["run"] or new_run_path(config.version))
            if processes.is_first and not options["resume"]:
                RunFolder.create(path, text, {"version": config.version, "seed": config.seed, "method": "paper"})
            processes.wait()
            folder = RunFolder.open(path)
            if folder.is_finished:
                say(f"{path} is finished: there is nothing to go on with.")
                return
            if processes.is_first and options["resume"]:
                folder.resumed()
            protocol.run(config, **places, folder=folder, processes=processes, say=say)
            say(self.style.SUCCESS(f"The run is in {path}."))

    def _flagship(self, text: str, options: dict[str, Any]) -> None:
        from training.fit.run_folder import new_run_path
        from training.recipes.distilled_b3 import recipe

        if options["dry_run"]:
            raise CommandError(
                "--dry-run is for method = paper; the head of flagship.toml says what that recipe takes."
            )
        run_dir = options["resume"] or options["run"] or new_run_path(tomllib.loads(text).get("version", "model"))
        with TemporaryDirectory() as folder:
            path = Path(folder) / "config.toml"
            path.write_text(text, encoding="utf-8")
            recipe.run(
                path, data_root=options["data"], work_dir=options["work"], run_dir=run_dir, say=self.stdout.write
            )
        self.stdout.write(self.style.SUCCESS(f"The run is in {run_dir}."))


def _assignment(text: str) -> tuple[list[str], Any]:
    """Read `a.b=value`; the value is TOML, or a string where it is not."""
    key, sign, value = text.partition("=")
    if not sign or not all(part.isidentifier() for part in key.split(".")):
        raise ArgumentTypeError(f"{text!r} is not KEY=VALUE, such as training.epochs=10.")
    try:
        return key.split("."), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.split("."), value


def _configuration(options: dict[str, Any]) -> str:
    """Return the TOML text of a run's configuration, changed as the command line asks."""
    from training.fit.run_folder import RunFolder

    if options["resume"]:
        return RunFolder.open(options["resume"]).config_toml
    text = _config_path(options["config"]).read_text(encoding="utf-8")
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


def _config_path(name: str) -> Path:
    path = Path(name)
    if not path.is_file() and path.suffix == "" and len(path.parts) == 1:
        path = _CONFIGS / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(each.stem for each in _CONFIGS.glob("*.toml")))
        raise CommandError(f"There is no configuration {name}; name a file, or one of {known}.")
    return path


def _nothing(line: str) -> None:
    """Say nothing: only the first of several processes speaks."""
