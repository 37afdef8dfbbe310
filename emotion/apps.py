"""The emotion app."""

from __future__ import annotations

from django.apps import AppConfig


class EmotionConfig(AppConfig):
    """Registers the kinds of job of every process, whichever of its modules a request or a task needs later."""

    default_auto_field = "django.db.models.BigAutoField"
    name = "emotion"

    def ready(self) -> None:
        from emotion import receivers  # noqa: F401
        from emotion.jobs import file_tags, reanalysis, saliency, sounds, webhooks  # noqa: F401
