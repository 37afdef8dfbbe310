"""Changes of songs by curators: tags and quadrants together, made as one, undone as one, announced to the index.

A curator's quadrant counts in place of the model's, whatever model analyses the song next. Estimates stay as the model
made them; `EstimateQuerySet.with_effective` says which of the two counts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.exceptions import EditConflictError, TooManySongsError
from catalog.models import Song, SongChange
from catalog.songs import editing, rereading
from catalog.songs.editing import FieldsLeft, SongValues, print_of, songs_locked, values_seen
from catalog.songs.rereading import Reread
from emotion.inference.quadrants import Quadrant
from emotion.models import EmotionEstimate, QuadrantOverride
from emotion.signals import song_analysed

# One transaction locks their rows: more would delay uploads and analysis too long.
MAX_SONGS = 10_000


class Override(NamedTuple):
    """What a curator says of songs; without a quadrant, that the model's answer counts again."""

    quadrant: Quadrant | None
    note: str = ""

    @property
    def value(self) -> int | None:
        return None if self.quadrant is None else self.quadrant.value


def overrides_on(song_ids: Collection[int]) -> dict[int, int | None]:
    """Return the current override of each song, None where the model's answer counts."""
    current = QuadrantOverride.objects.filter(song__in=song_ids, is_current=True)
    return dict.fromkeys(song_ids) | dict(current.values_list("song_id", "quadrant"))


def _quadrants_override(song_ids: Collection[int], override: Override, change: SongChange) -> list[int]:
    """Set or withdraw the quadrant of locked songs; return those that had another."""
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


def _overrides_undo(change: SongChange) -> list[int]:
    """Restore the overrides of locked songs before a change; return the songs that have another one since."""
    rows = list(change.overrides.all())
    undone = [row.song_id for row in rows if row.is_current]
    now = timezone.now()
    change.overrides.filter(is_current=True).update(is_current=False, changed_at=now)
    earlier = QuadrantOverride.objects.filter(song__in=undone, change__undone_at=None, change__lt=change.pk)
    newest = earlier.order_by("song_id", "-pk").distinct("song_id").values_list("pk", flat=True)
    QuadrantOverride.objects.filter(pk__in=list(newest)).update(is_current=True, changed_at=now)
    return [row.song_id for row in rows if not row.is_current]


def check_number(n_songs: int) -> None:
    """Raise TooManySongsError for more than `MAX_SONGS` songs."""
    if n_songs > MAX_SONGS:
        raise TooManySongsError(
            _("At most %(limit)d songs can be changed at once. Choose fewer.") % {"limit": MAX_SONGS}
        )


def library_seen(songs: Sequence[Song]) -> dict[str, str]:
    """Return digests of all that an editor sees of songs: which they are, their tags, and their overrides."""
    ids = sorted(song.pk for song in songs)
    return values_seen(songs) | {"songs": print_of(ids), "quadrant": print_of(sorted(overrides_on(ids).items()))}


@transaction.atomic
def library_edit(
    *,
    song_ids: Collection[int],
    values: SongValues,
    editor: User,
    override: Override | None = None,
    seen: Mapping[str, str] | None = None,
) -> SongChange | None:
    """Change tags, quadrant or both; return the change, or None if every song already had these values.

    `seen` are the digests, by `library_seen`, of what the editor saw.

    Raises:
        EditConflictError: A field to change is no longer what the editor saw.
        TooManySongsError: More than `MAX_SONGS`.
    """
    check_number(len(song_ids))
    songs = songs_locked(song_ids)
    if seen is not None:
        now = library_seen(songs)
        names = ["songs"] if override is None else ["songs", "quadrant"]
        if changed_since := [name for name in names if name in seen and seen[name] != now[name]]:
            raise EditConflictError(changed_since)
    ids = [song.pk for song in songs]
    change = editing.songs_edit(song_ids=ids, values=values, editor=editor, seen=seen) if values else None
    changed = set(change.edits.values_list("song_id", flat=True)) if change else set()
    if override is not None and any(current != override.value for current in overrides_on(ids).values()):
        change = change or SongChange.objects.create(made_by=editor)
        changed |= set(_quadrants_override(ids, override, change))
    if change is not None:
        change.n_songs = len(changed)
        change.save(update_fields=["n_songs"])
        _songs_announce(changed)
    return change


@transaction.atomic
def library_undo(*, change: SongChange, editor: User) -> FieldsLeft:
    """Undo a change, once; return by song the fields that stay, because they have changed since."""
    ids = {*change.edits.values_list("song_id", flat=True), *change.overrides.values_list("song_id", flat=True)}
    songs_locked(ids)
    if not SongChange.objects.filter(pk=change.pk, undone_at=None).exists():
        return {}
    unchanged = editing.change_undo(change=change, editor=editor)
    for song_id in _overrides_undo(change):
        unchanged.setdefault(song_id, []).append("quadrant")
    _songs_announce(ids)
    return unchanged


@transaction.atomic
def library_reread(*, rereads: Sequence[Reread], change: SongChange | None = None) -> SongChange | None:
    """Write what files say of their songs, as part of a change or as a new one, and return that."""
    if change is not None and change.n_songs + len(rereads) > MAX_SONGS:
        # An undo is one transaction.
        change = None
    change, changed = rereading.rereads_apply(rereads=rereads, change=change)
    if changed:
        _songs_announce(changed)
    return change


def _songs_announce(song_ids: Iterable[int]) -> None:
    # The index holds tags and quadrants, and checks whether it is due.
    ids = sorted(song_ids)
    transaction.on_commit(lambda: song_analysed.send_robust(sender=EmotionEstimate, song_ids=ids))
