"""`manage.py demo`: add the demo songs, which lie in catalog/demo/, to the catalog."""

from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

DEMO_SONGS = Path(__file__).resolve().parents[2] / "demo"


class Command(BaseCommand):
    help = "Add the demo songs to the catalog. Songs that are already there stay as they are."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--wait", action="store_true", help="Wait until every song is analysed.")

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("ingest", str(DEMO_SONGS), wait=options["wait"], stdout=self.stdout, stderr=self.stderr)
