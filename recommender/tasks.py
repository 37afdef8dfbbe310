"""The recommender's work in the background."""

from __future__ import annotations

from celery import shared_task

from recommender.services import indexing, playlists, priors


@shared_task(name="recommender.tasks.index_refresh")
def index_refresh() -> None:
    """Bring the published index up to the rows; finds nothing to do when it already is."""
    indexing.index_refresh()


@shared_task(name="recommender.tasks.playlists_purge")
def playlists_purge() -> None:
    """Delete playlists that were thrown away more than a day ago."""
    playlists.playlists_purge()


@shared_task(name="recommender.tasks.prior_learn")
def prior_learn() -> None:
    """Learn again what listeners have in common; finds nothing to do while little was rated since."""
    priors.prior_learn()
