"""Celery tasks of the catalog: one service call each. Each may run twice without harm."""

from celery import shared_task

from catalog.core import claims
from catalog.uploads.partial import partials_tick


@shared_task(name="catalog.tick")
def tick() -> None:
    """Find claimed work that was lost with its worker or its message."""
    claims.tick()


# A scheduler of the release before may have sent one of these; they can go with the next release.
for _name in (
    "emotion.tasks.songs_reconcile_task",
    "emotion.tasks.reanalysis_tick_task",
    "emotion.tasks.curves_tick_task",
    "emotion.tasks.attention_tick_task",
    "training.tasks.retraining_tick",
):
    shared_task(name=_name)(claims.tick)


@shared_task(name="catalog.tasks.partial_uploads_tick")
def partial_uploads_tick() -> None:
    """Finish large uploads whose last request died, and delete abandoned ones."""
    partials_tick()


# The name of 0.1.0; goes with the release after 0.2.0.
shared_task(name="catalog.tasks.upload_sessions_tick")(partials_tick)
