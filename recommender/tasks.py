"""The recommender's work in the background."""

from __future__ import annotations

from celery import shared_task

from recommender.services import indexing, playlists, priors


@shared_task(name="recommender.tasks.index_refresh")
def index_refresh() -> None:
    """Bring the published index up to date with the rows."""
    indexing.index_refresh()


@shared_task(name="recommender.tasks.playlists_purge")
def playlists_purge() -> None:
    """Delete playlists whose time in the trash is over."""
    playlists.playlists_purge()


@shared_task(name="recommender.tasks.prior_learn")
def prior_learn() -> None:
    """Learn the prior again once enough was rated."""
    priors.prior_learn()
