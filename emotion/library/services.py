"""What curators change of songs, tags and quadrant together: kept as one change, undone as one, told to the index."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from catalog.exceptions import EditConflictError, TooManySongsError
from catalog.models import Song, SongChange
from catalog.songs import editing
from catalog.songs.editing import FieldsLeft, SongValues, print_of, songs_locked, values_seen
from emotion.models import EmotionEstimate
from emotion.services.overrides import Override, overrides_on, overrides_undo, quadrants_override
from emotion.signals import song_analysed

# One transaction holds their rows: more would keep uploads and tags waiting for too long.
MAX_SONGS = 10_000


def check_number(n_songs: int) -> None:
    """Refuse more songs than are changed in one go.

    Raises:
        TooManySongsError: more than `MAX_SONGS`.
    """
    if n_songs > MAX_SONGS:
        raise TooManySongsError(
            _("At most %(limit)d songs can be changed at once. Choose fewer.") % {"limit": MAX_SONGS}
        )


def library_seen(songs: Sequence[Song]) -> dict[str, str]:
    """Return prints of all that an editor sees of songs: which they are, their tags, and the words that hold."""
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
    """Change tags, quadrant or both, of one song or of many.

    Args:
        song_ids: the songs, at most `MAX_SONGS`.
        values: the fields to change and what they become.
        editor: who changes them.
        override: what the editor says that the songs express, if anything.
        seen: prints by `library_seen` of what the editor saw.

    Returns:
        The change, or None when every song was like that already.

    Raises:
        EditConflictError: a field that is to change is not any more what the editor saw.
        TooManySongsError: more than are changed in one go.
    """
    check_number(len(song_ids))
    songs = songs_locked(song_ids)
    if seen is not None:
        _check_seen(songs, seen, override)
    ids = [song.pk for song in songs]
    change = editing.songs_edit(song_ids=ids, values=values, editor=editor, seen=seen) if values else None
    changed = set(change.edits.values_list("song_id", flat=True)) if change else set()
    if override is not None and any(held != override.value for held in overrides_on(ids).values()):
        change = change or SongChange.objects.create(made_by=editor)
        changed |= set(quadrants_override(song_ids=ids, override=override, change=change))
    if change is not None:
        SongChange.objects.filter(pk=change.pk).update(n_songs=len(changed))
        change.n_songs = len(changed)
        _songs_announce(changed)
    return change


@transaction.atomic
def library_undo(*, change: SongChange, editor: User) -> FieldsLeft:
    """Undo a change; a second call does nothing.

    Returns:
        By song, the fields that are left as they are, because somebody has changed them since.
    """
    ids = {*change.edits.values_list("song_id", flat=True), *change.overrides.values_list("song_id", flat=True)}
    songs_locked(ids)
    if SongChange.objects.filter(pk=change.pk, undone_at=None).first() is None:
        return {}
    kept = editing.change_undo(change=change, editor=editor)
    _undone, left = overrides_undo(change=change)
    for song_id in left:
        kept.setdefault(song_id, []).append("quadrant")
    _songs_announce(ids)
    return kept


def _check_seen(songs: Sequence[Song], seen: Mapping[str, str], override: Override | None) -> None:
    now = library_seen(songs)
    looked_at = ["songs"] if override is None else ["songs", "quadrant"]
    if other := [name for name in looked_at if name in seen and seen[name] != now[name]]:
        raise EditConflictError(other)


def _songs_announce(song_ids: Iterable[int]) -> None:
    """Make the index look whether it is due: it holds tags and quadrants."""
    ids = sorted(song_ids)
    transaction.on_commit(lambda: song_analysed.send_robust(sender=EmotionEstimate, song_ids=ids))
