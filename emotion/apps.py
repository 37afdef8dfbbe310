"""The emotion app."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig

_REGISTERING = ("services.analysis", "jobs.saliency", "jobs.curves", "jobs.reanalysis", "receivers")


class EmotionConfig(AppConfig):
    """Registers the kinds of job of every process, whichever of its modules a request or a task needs later."""

    default_auto_field = "django.db.models.BigAutoField"
    name = "emotion"

    def ready(self) -> None:
        """Import what registers itself."""
        for module in _REGISTERING:
            import_module(f"emotion.{module}")
