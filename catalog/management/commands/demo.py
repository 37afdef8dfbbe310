"""`manage.py demo`: render the built-in music and add it to the catalog."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

from tools.demo_songs import render_pieces


class Command(BaseCommand):
    help = "Render the built-in demo music and add it to the catalog. What is there already stays as it is."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--workers", type=int, default=2, help="Processes that render at once (default 2).")
        parser.add_argument("--wait", action="store_true", help="Wait until every piece is analysed.")

    def handle(self, *args: Any, **options: Any) -> None:
        out_dir = settings.MOODPLANE_VAR / "demo"
        out_dir.mkdir(parents=True, exist_ok=True)
        pieces = render_pieces(out_dir, workers=options["workers"])
        call_command("ingest", *map(str, pieces), wait=options["wait"], stdout=self.stdout, stderr=self.stderr)
