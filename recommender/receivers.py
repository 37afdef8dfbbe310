"""Songs were analysed: the index will want them."""

from __future__ import annotations

from typing import Any

from django.core.cache import cache
from django.dispatch import receiver

from emotion.signals import song_analysed
from recommender.tasks import index_refresh

# While a folder comes in, songs are announced in small batches many times a minute: one refresh serves several.
DEBOUNCE_S = 5
_KEY = "recommender.index_refresh.queued"


@receiver(song_analysed, dispatch_uid="recommender.index_refresh")
def refresh_index(song_ids: list[int], **_: Any) -> None:
    """Queue one refresh for all the songs announced within a few seconds; it runs once they are over."""
    if song_ids and cache.add(_KEY, True, timeout=DEBOUNCE_S):
        index_refresh.apply_async(countdown=DEBOUNCE_S)
