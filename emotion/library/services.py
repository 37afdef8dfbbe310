"""Changes of tags and quadrants by curators: made as one, undone as one, and announced to the index."""

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

# One transaction locks their rows: more would keep uploads and analysis waiting for too long.
MAX_SONGS = 10_000


def check_number(n_songs: int) -> None:
    """Refuse more songs than are changed at once.

    Raises:
        TooManySongsError: More than `MAX_SONGS`.
    """
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
    """Change tags, quadrant or both, of one song or of many.

    Args:
        song_ids: At most `MAX_SONGS`.
        values: The new values of the fields that change.
        editor: The curator.
        override: What the editor says that the songs express, if anything.
        seen: Digests by `library_seen` of what the editor saw.

    Returns:
        The change, or None when every song was like that already.

    Raises:
        EditConflictError: A field that is to change is no longer what the editor saw.
        TooManySongsError: More than are changed at once.
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
        changed |= set(quadrants_override(song_ids=ids, override=override, change=change))
    if change is not None:
        change.n_songs = len(changed)
        change.save(update_fields=["n_songs"])
        _songs_announce(changed)
    return change


@transaction.atomic
def library_undo(*, change: SongChange, editor: User) -> FieldsLeft:
    """Undo a change; a second call does nothing.

    Returns:
        By song, the fields that stay as they are, because they have changed since.
    """
    ids = {*change.edits.values_list("song_id", flat=True), *change.overrides.values_list("song_id", flat=True)}
    songs_locked(ids)
    if not SongChange.objects.filter(pk=change.pk, undone_at=None).exists():
        return {}
    unchanged = editing.change_undo(change=change, editor=editor)
    for song_id in overrides_undo(change=change):
        unchanged.setdefault(song_id, []).append("quadrant")
    _songs_announce(ids)
    return unchanged


def _songs_announce(song_ids: Iterable[int]) -> None:
    # The index holds tags and quadrants, and looks whether it is due.
    ids = sorted(song_ids)
    transaction.on_commit(lambda: song_analysed.send_robust(sender=EmotionEstimate, song_ids=ids))
