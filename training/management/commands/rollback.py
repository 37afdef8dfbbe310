"""`manage.py rollback`: make the model live again that was live before."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from training.exceptions import TrainingError
from training.registry import services


class Command(BaseCommand):
    help = "Go back to the previous live model; its estimates return at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--to", default="", metavar="VERSION", help="Another model that was live before.")
        parser.add_argument("--reason", default="", help="The reason; stored with the model.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            model = services.model_rollback(to=options["to"], reason=options["reason"])
        except TrainingError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Model {model.version} is live again.")
