"""`manage.py promote VERSION`: make a model the live one, past the gate."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from training.exceptions import TrainingError
from training.registry import services


class Command(BaseCommand):
    help = "Check a model at the gate and, if it passes, make it live. Workers load it automatically."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("version")
        parser.add_argument("--force", action="store_true", help="Go live although the model does not pass the gate.")
        parser.add_argument("--reason", default="", help="The reason; required with --force, and stored.")

    def handle(self, *args: Any, **options: Any) -> None:
        version = options["version"]
        try:
            services.shipped_register()
            for verdict in services.gate_check(version=version).gate["verdicts"]:
                self.stdout.write(f"  {'passed' if verdict['passed'] else 'FAILED'}  {verdict['sentence']}")
            services.model_promote(version=version, force=options["force"], reason=options["reason"])
        except TrainingError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Model {version} is live. The catalog is analysed again; older estimates serve until then.")
