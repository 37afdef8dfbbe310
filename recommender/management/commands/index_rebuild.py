"""`manage.py index_rebuild`: build the song index from the rows and publish it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from recommender.services.indexing import index_rebuild

_EVERY = 100_000


class Command(BaseCommand):
    """Rebuild the song index, whether or not the rows have changed."""

    help = "Build the song index from the rows and publish it; running web workers pick it up."

    def handle(self, *args: Any, **options: Any) -> None:
        info = index_rebuild(progress=self._progress)
        model = info.model_version or "none"
        self.stdout.write(f"Published {info.index_version}: {info.n_songs} songs of model {model}.")
        if info.n_skipped:
            self.stdout.write(f"{info.n_skipped} songs were skipped, because their embedding is not usable.")

    def _progress(self, n_read: int) -> None:
        if n_read % _EVERY == 0:
            self.stdout.write(f"{n_read:,} songs read.")
