"""`manage.py train --config training/configs/first.toml`: train, calibrate and score a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone


class Command(BaseCommand):
    help = "Train the perceived-emotion model on the labelled datasets, and leave a run folder."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--config", type=Path, default=Path("training/configs/first.toml"))
        parser.add_argument("--data", type=Path, default=settings.MER_DATA, help="Folder of the datasets (MER_DATA).")
        parser.add_argument("--work", type=Path, default=Path("runs/work"), help="Rendered audio, images, features.")
        parser.add_argument("--start-from", type=Path, metavar="LAST.PT", help="Go on from the weights of another run.")
        parser.add_argument("--run", type=Path, help="Run folder; by default runs/<version>-<time>.")

    def handle(self, *args: Any, **options: Any) -> None:
        # Imported here because torch takes seconds, and `manage.py help` should not.
        from training import flagship
        from training.datasets import DatasetError

        try:
            config = flagship.read_config(options["config"])
            run_dir = options["run"] or Path("runs") / f"{config.version}-{timezone.now():%Y%m%d-%H%M%S}"
            flagship.run(
                config,
                data_root=options["data"],
                work_dir=options["work"],
                run_dir=run_dir,
                start_from=options["start_from"],
                say=self.stdout.write,
            )
        except (OSError, ValueError, DatasetError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(self.style.SUCCESS(f"The run is in {run_dir}."))
