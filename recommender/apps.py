"""The recommender app."""

from __future__ import annotations

from django.apps import AppConfig


class RecommenderConfig(AppConfig):
    """Listens to the announcement of analysed songs."""

    default_auto_field = "django.db.models.BigAutoField"
    name = "recommender"

    def ready(self) -> None:
        from recommender import tasks  # noqa: F401  # Importing them connects the receivers and registers the jobs.
        from recommender.scrobbling import receivers  # noqa: F401
