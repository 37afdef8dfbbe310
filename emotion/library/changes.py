"""Previews of changes, and their history."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db.models import F, QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils.translation import gettext as _

from catalog.models import UNKNOWN_ARTIST, Song, SongChange, SongEdit
from catalog.songs.editing import values_of
from emotion.inference.quadrants import Quadrant
from emotion.library.forms import NAMES
from emotion.library.services import Override, overrides_on
from emotion.models import QuadrantOverride

_SHOWN_PER_CHANGE = 3
_OF_ONE_SONG = 20


class FieldChange(NamedTuple):
    """One field's value before and after, and how many songs have it."""

    name: str
    before: str
    after: str
    n_songs: int = 1


@dataclass(slots=True)
class HistoryEntry:
    """A change as its history shows it: some of its songs, with what changed of each."""

    change: SongChange
    songs: dict[Song, list[FieldChange]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def n_more(self) -> int:
        return max(0, self.change.n_songs - len(self.songs))


def preview(songs: Sequence[Song], values: Mapping[str, Any], override: Override | None) -> list[FieldChange]:
    """Return what a change would do, field by field, and to how many songs."""
    current = [values_of(song) for song in songs]
    lines = []
    for name, value in values.items():
        new = value or UNKNOWN_ARTIST if name == "artist" else value
        differing = [now[name] for now in current if now[name] != new]
        is_common = differing and all(each == differing[0] for each in differing)
        before = shown(name, differing[0]) if is_common else "…"
        lines.append(FieldChange(str(NAMES[name]), before, shown(name, value), len(differing)))
    if override is not None:
        n_songs = sum(each != override.value for each in overrides_on([song.pk for song in songs]).values())
        lines.append(FieldChange(str(NAMES["quadrant"]), "…", _label(override.value), n_songs))
    return lines


def shown(name: str, value: Any) -> str:
    """Write a value for people."""
    if name == "cover":
        return "✓" if value else "–"
    return "–" if value in ("", None) else str(value)


def _label(value: int | None) -> str:
    return Quadrant(value).label if value else _("the model's estimate")


def _label_before(override: QuadrantOverride) -> str:
    if override.before is None:
        return "–"
    label = Quadrant(override.before).label
    return label if override.was_set else _("%(quadrant)s, the model's estimate") % {"quadrant": label}


def changes_history(changes: Iterable[SongChange]) -> list[HistoryEntry]:
    """Return changes with some of the songs of each, in three queries."""
    entries = {change.pk: HistoryEntry(change) for change in changes}
    edits = _first_of_each(SongEdit.objects.filter(change__in=list(entries)))
    return _fill(entries, edits, _first_of_each(QuadrantOverride.objects.filter(change__in=list(entries))))


def song_history(song: Song) -> list[HistoryEntry]:
    """Return the changes of one song, the newest first."""
    edits = list(SongEdit.objects.filter(song=song).select_related("change__made_by", "change__undone_by"))
    overrides = list(QuadrantOverride.objects.filter(song=song).select_related("change__made_by", "change__undone_by"))
    rows: list[SongEdit | QuadrantOverride] = [*edits, *overrides]
    for row in rows:
        row.song = song
    changes = {row.change_id: row.change for row in rows}
    entries = {pk: HistoryEntry(changes[pk]) for pk in sorted(changes, reverse=True)[:_OF_ONE_SONG]}
    return _fill(entries, edits, overrides)


def _first_of_each(rows: QuerySet[Any]) -> list[Any]:
    numbered = rows.annotate(n=Window(RowNumber(), partition_by="change", order_by=F("song").asc()))
    return list(numbered.filter(n__lte=_SHOWN_PER_CHANGE).select_related("song__artist").order_by("change", "song"))


def _fill(
    entries: dict[int, HistoryEntry], edits: Iterable[SongEdit], overrides: Iterable[QuadrantOverride]
) -> list[HistoryEntry]:
    lines: dict[tuple[int, Song], list[FieldChange]] = defaultdict(list)
    for edit in edits:
        lines[edit.change_id, edit.song] += [
            FieldChange(str(name_shown), shown(name, edit.before[name]), shown(name, edit.after[name]))
            for name, name_shown in NAMES.items()
            if name in edit.after
        ]
    for override in overrides:
        line = FieldChange(str(NAMES["quadrant"]), _label_before(override), _label(override.quadrant))
        lines[override.change_id, override.song].append(line)
        entry = entries.get(override.change_id)
        if entry and override.note and override.note not in entry.notes:
            entry.notes.append(override.note)
    for (change_id, song), of_song in lines.items():
        if change_id in entries:
            entries[change_id].songs[song] = of_song
    return list(entries.values())
