"""`manage.py demo`: add the demo songs, which lie in catalog/demo/, to the catalog."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

from mer_site.installation.demo import DEMO_SONGS, demo_is_wanted, demo_remove, demo_want


class Command(BaseCommand):
    help = "Add the demo songs to the catalog. Songs that are already there stay as they are."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--wait", action="store_true", help="Wait until every song is analysed.")

    def handle(self, *args: Any, **options: Any) -> None:
        demo_want()
        call_command("ingest", str(DEMO_SONGS), wait=options["wait"], stdout=self.stdout, stderr=self.stderr)
        if not demo_is_wanted():
            # Somebody removed them in the browser while they came in.
            demo_remove()
