"""`manage.py retrain`: learn from the perceived labels of this installation; with --queue in a worker."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from emotion.exceptions import DeviceUnavailableError
from emotion.inference.predict import device_of
from training.exceptions import TrainingError
from training.models import Retraining
from training.recipes.registry import DEFAULT_RECIPE, RECIPES
from training.registry import retraining


class Command(BaseCommand):
    help = "Train a new model on the data sets and the labels given here; it is imported and checked at the gate."

    def add_arguments(self, parser: CommandParser) -> None:
        recipes = "; ".join(f"{name}: {recipe.text}" for name, recipe in RECIPES.items())
        parser.add_argument("--recipe", default=DEFAULT_RECIPE, choices=list(RECIPES), help=recipes)
        parser.add_argument("--queue", action="store_true", help="Leave it to a worker of the gpu queue.")
        parser.add_argument(
            "--device",
            default=settings.MOODPLANE_DEVICE,
            help="auto, cpu, cuda or cuda:1 (MOODPLANE_DEVICE).",
        )
        parser.add_argument(
            "--force", action="store_true", help="Retrain even if nothing has changed since the last time."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["queue"] and options["force"]:
            raise CommandError("--force works only without --queue: a queued retraining checks for changes itself.")
        if options["queue"] and options["device"] != settings.MOODPLANE_DEVICE:
            raise CommandError("--device works only without --queue: a worker has its own MOODPLANE_DEVICE.")
        try:
            device_of(options["device"])
            row = retraining.retraining_request(recipe=options["recipe"], claim=not options["queue"])
        except (TrainingError, DeviceUnavailableError) as error:
            raise CommandError(str(error)) from error
        if options["queue"]:
            self.stdout.write(f"Retraining {row.pk} is waiting for a worker; see the models page.")
            return
        row = retraining.retraining_run(row=row, force=options["force"], device=options["device"])
        self.stdout.write(row.log.rstrip())
        if row.state in (Retraining.State.REFUSED, Retraining.State.FAILED):
            raise CommandError(row.ending)
        self.stdout.write(row.ending)
