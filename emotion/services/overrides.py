"""Curators' quadrants: they count in place of the model's, whatever model analyses the song next.

Estimates stay as the model made them; `EstimateQuerySet.with_effective` says which of the two counts.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.utils import timezone

from catalog.models import SongChange
from emotion.inference.quadrants import Quadrant
from emotion.models import EmotionEstimate, QuadrantOverride


@dataclass(frozen=True, slots=True)
class Override:
    """What a curator says of songs; without a quadrant, that the model's answer counts again."""

    quadrant: Quadrant | None
    note: str = ""

    @property
    def value(self) -> int | None:
        """The quadrant as a row stores it."""
        return None if self.quadrant is None else self.quadrant.value


def overrides_on(song_ids: Collection[int]) -> dict[int, int | None]:
    """Return the current override of each song, None where the model's answer counts."""
    current = QuadrantOverride.objects.filter(song__in=song_ids, is_current=True).values_list("song_id", "quadrant")
    return dict.fromkeys(song_ids) | dict(current)


def quadrants_override(*, song_ids: Collection[int], override: Override, change: SongChange) -> list[int]:
    """Set or take back the quadrant of songs that the caller has locked; return those for which it was another."""
    current = overrides_on(song_ids)
    ids = [song_id for song_id in song_ids if current[song_id] != override.value]
    estimates = EmotionEstimate.objects.filter(song__in=ids, is_current=True).with_effective()
    before = dict(estimates.values_list("song_id", "effective_quadrant"))
    QuadrantOverride.objects.filter(song__in=ids, is_current=True).update(is_current=False, changed_at=timezone.now())
    rows = [
        QuadrantOverride(
            song_id=song_id,
            change=change,
            quadrant=override.value,
            before=before.get(song_id),
            was_set=current[song_id] is not None,
            note=override.note,
        )
        for song_id in ids
    ]
    QuadrantOverride.objects.bulk_create(rows, batch_size=500)
    return ids


def overrides_undo(*, change: SongChange) -> list[int]:
    """Make the overrides before a change current again, of songs that the caller has locked.

    Returns:
        The songs left alone because they have another override since.
    """
    rows = list(change.overrides.all())
    undone = [row.song_id for row in rows if row.is_current]
    now = timezone.now()
    change.overrides.filter(is_current=True).update(is_current=False, changed_at=now)
    earlier = QuadrantOverride.objects.filter(song__in=undone, change__undone_at=None, change__lt=change.pk)
    newest = earlier.order_by("song_id", "-pk").distinct("song_id").values_list("pk", flat=True)
    QuadrantOverride.objects.filter(pk__in=list(newest)).update(is_current=True, changed_at=now)
    return [row.song_id for row in rows if not row.is_current]
