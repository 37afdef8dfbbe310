"""The recommender's work in the background, and what queues it."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from django.core.cache import cache
from django.dispatch import receiver

from catalog.core import claims
from emotion.signals import song_analysed
from recommender.scrobbling import services as scrobbling
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


@shared_task(name="recommender.tasks.scrobbles_go_on")
def scrobbles_go_on() -> None:
    """Send a batch of listens to another service."""
    claims.run("scrobbles")


@shared_task(name="recommender.tasks.playing_tell", ignore_result=True)
def playing_tell(listen_id: int) -> None:
    """Tell the services of a listener what plays now."""
    scrobbling.playing_tell(listen_id=listen_id)


@shared_task(name="recommender.tasks.loved_import", ignore_result=True)
def loved_import(account_id: int) -> None:
    """Take the loved songs of an account of another service."""
    scrobbling.loved_import_tried(account_id=account_id)


# While a folder comes in, songs are announced in small batches many times a minute: one refresh serves several.
DEBOUNCE_S = 5
_KEY = "recommender.index_refresh.queued"


@receiver(song_analysed, dispatch_uid="recommender.index_refresh")
def refresh_index(song_ids: list[int], **_: Any) -> None:
    """Queue one refresh for all the songs announced within a few seconds; it runs once they are over."""
    if song_ids and cache.add(_KEY, True, timeout=DEBOUNCE_S):
        index_refresh.apply_async(countdown=DEBOUNCE_S)
