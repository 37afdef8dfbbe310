"""A curator's word on what songs express: it serves in place of the model's, whatever model hears the song next.

An estimate keeps what the model said beside it. `estimates_settle` alone decides what an estimate serves, and whoever
makes an estimate current, or changes a word, calls it while holding the song's row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
from django.db.models import Q
from django.utils import timezone

from catalog.core.bulk import rows_update
from catalog.models import Song, SongChange
from emotion.inference.quadrants import Quadrant, nearest_in_quadrant
from emotion.models import EmotionEstimate, QuadrantOverride

_BATCH = 500
_SERVED = ("quadrant", "valence", "arousal")
_HEARD = ("heard_quadrant", "heard_valence", "heard_arousal")


@dataclass(frozen=True, slots=True)
class Word:
    """What a curator says of songs; without a quadrant, that the model's own serves again."""

    quadrant: Quadrant | None
    note: str = ""

    @property
    def value(self) -> int | None:
        """As a row stores it."""
        return None if self.quadrant is None else self.quadrant.value


def words_on(song_ids: Collection[int]) -> dict[int, int | None]:
    """Return by song what a curator's word says that holds now, None where the model's own serves."""
    held = QuadrantOverride.objects.filter(song__in=song_ids, is_current=True).values_list("song_id", "quadrant")
    return dict.fromkeys(song_ids) | dict(held)


def quadrants_override(*, song_ids: Collection[int], word: Word, change: SongChange) -> list[int]:
    """Set or take back the quadrant of songs whose rows the caller holds; return those for which it was another."""
    held = words_on(song_ids)
    ids = [song_id for song_id in song_ids if held[song_id] != word.value]
    served = dict(EmotionEstimate.objects.filter(song__in=ids, is_current=True).values_list("song_id", "quadrant"))
    QuadrantOverride.objects.filter(song__in=ids, is_current=True).update(is_current=False)
    rows = [
        QuadrantOverride(
            song_id=song_id,
            change=change,
            quadrant=word.value,
            before=served.get(song_id),
            was_set=held[song_id] is not None,
            note=word.note,
        )
        for song_id in ids
    ]
    QuadrantOverride.objects.bulk_create(rows, batch_size=_BATCH)
    estimates_settle(song_ids=ids)
    return ids


def overrides_undo(*, change: SongChange) -> tuple[list[int], list[int]]:
    """Let the words before a change hold again, of songs whose rows the caller holds.

    Returns:
        The songs that it was done for, and those left alone because somebody has said something else since.
    """
    rows = list(change.overrides.all())
    undone = [row.song_id for row in rows if row.is_current]
    QuadrantOverride.objects.filter(pk__in=[row.pk for row in rows]).update(is_current=False)
    earlier = QuadrantOverride.objects.filter(song__in=undone, change__undone_at=None, change__lt=change.pk)
    newest = earlier.order_by("song_id", "-pk").distinct("song_id").values_list("pk", flat=True)
    QuadrantOverride.objects.filter(pk__in=list(newest)).update(is_current=True)
    estimates_settle(song_ids=undone)
    return undone, [row.song_id for row in rows if not row.is_current]


def songs_hold(song_ids: Collection[int]) -> None:
    """Keep the rows of songs until the transaction ends, so that nobody overrides them meanwhile."""
    rows = Song.objects.filter(pk__in=song_ids).order_by("pk").select_for_update(of=("self",), no_key=True)
    list(rows.values_list("pk", flat=True))


def estimates_settle(*, song_ids: Iterable[int]) -> int:
    """Let the current estimates of songs serve the curator's word where one holds, and the model's own elsewhere.

    Returns:
        How many estimates changed.
    """
    ids = list(song_ids)
    words = {song_id: value for song_id, value in words_on(ids).items() if value is not None}
    concerned = Q(song__in=list(words)) | Q(song__in=ids, heard_quadrant__isnull=False)
    estimates = EmotionEstimate.objects.filter(concerned, is_current=True).only("song_id", *_SERVED, *_HEARD)
    changed = [each for each in estimates.order_by("pk") if _settle(each, words.get(each.song_id))]
    rows_update(changed, [*_SERVED, *_HEARD, "updated_at"])
    return len(changed)


def _settle(estimate: EmotionEstimate, value: int | None) -> bool:
    before = [getattr(estimate, field) for field in (*_SERVED, *_HEARD)]
    if estimate.is_set:
        estimate.quadrant = estimate.heard.value
        estimate.valence, estimate.arousal = estimate.heard_valence or 0.0, estimate.heard_arousal or 0.0
        estimate.heard_quadrant = estimate.heard_valence = estimate.heard_arousal = None
    if value is not None:
        estimate.heard_quadrant = estimate.quadrant
        estimate.heard_valence, estimate.heard_arousal = estimate.valence, estimate.arousal
        estimate.quadrant = value
        estimate.valence, estimate.arousal = _inside(estimate.valence, estimate.arousal, Quadrant(value))
    # The index looks for what is newer than itself.
    estimate.updated_at = timezone.now()
    return before != [getattr(estimate, field) for field in (*_SERVED, *_HEARD)]


def _inside(valence: float, arousal: float, quadrant: Quadrant) -> tuple[float, float]:
    x, y = nearest_in_quadrant(np.array(valence), np.array(arousal), np.array(quadrant.index))
    return float(x), float(y)
