"""Celery tasks of the catalog: one service call each. Each may run twice without harm."""

from __future__ import annotations

from celery import shared_task

from catalog.uploads.partial import sessions_tick


@shared_task(name="catalog.tasks.upload_sessions_tick")
def upload_sessions_tick() -> None:
    """Finish large uploads whose last request died, and clear away what was abandoned."""
    sessions_tick()
