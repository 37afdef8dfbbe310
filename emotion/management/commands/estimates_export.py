"""`manage.py estimates_export FILE [--all]`: write what models say of all songs as CSV or Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from emotion.exceptions import EmotionError
from emotion.services.estimate_export import FORMATS, estimates_csv, estimates_export


class Command(BaseCommand):
    help = "Write the estimates of all songs as a table: CSV, or Parquet where pyarrow is installed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="where to; its ending says the format, and - is standard output in CSV")
        parser.add_argument("--all", action="store_true", help="also the estimates of earlier models")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["file"] == "-":
            for part in estimates_csv(is_all=options["all"]):
                self.stdout.write(part.decode(), ending="")
            return
        path = Path(options["file"])
        suffix = path.suffix.removeprefix(".").lower()
        if suffix not in FORMATS:
            raise CommandError(f"{path.name} ends with neither .csv nor .parquet.")
        try:
            estimates_export(path=path, suffix=suffix, is_all=options["all"])
        except EmotionError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror or error}.") from error
