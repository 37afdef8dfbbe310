"""Estimates for lists of rows that come from the catalog, which knows none: one query for a whole page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from django import template

from emotion.models import EmotionEstimate

register = template.Library()


class HasSong(Protocol):
    """A row that may have become a song."""

    song_id: int | None


@register.simple_tag
def estimates_of(rows: Iterable[HasSong]) -> dict[int, EmotionEstimate]:
    """Return the current estimates of the songs of these rows, by the number of the song."""
    ids = {row.song_id for row in rows if row.song_id is not None}
    current = EmotionEstimate.objects.filter(song_id__in=ids, is_current=True).with_effective()
    return {estimate.song_id: estimate for estimate in current.defer("embedding_bytes")}


@register.filter
def of_song(estimates: dict[int, EmotionEstimate], song_id: int | None) -> EmotionEstimate | None:
    """Pick the estimate of a song, if it has one."""
    return estimates.get(song_id) if song_id is not None else None
