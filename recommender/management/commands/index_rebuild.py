"""`manage.py index_rebuild`: build the song index from the rows and publish it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from recommender.services import index_rebuild


class Command(BaseCommand):
    """Rebuild the song index, whether or not the rows have changed."""

    help = "Build the song index from the rows and publish it; running web workers pick it up."

    def handle(self, *args: Any, **options: Any) -> None:
        info = index_rebuild()
        self.stdout.write(f"Published {info.generation}: {info.n_songs} songs of model {info.model_version or 'none'}.")
        if info.n_skipped:
            self.stdout.write(f"{info.n_skipped} songs were skipped, because their embedding is not usable.")
