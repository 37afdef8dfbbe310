"""What a change would do, and what changes did."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import F, QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils.translation import gettext as _

from catalog.models import UNKNOWN_ARTIST, Song, SongChange, SongEdit
from catalog.songs.editing import values_of
from emotion.inference.quadrants import Quadrant
from emotion.library.forms import NAMES
from emotion.models import QuadrantOverride
from emotion.services.overrides import Override, overrides_on

_SHOWN_PER_CHANGE = 3
_OF_ONE_SONG = 20


@dataclass(frozen=True, slots=True)
class Line:
    """What becomes of one field: from what, to what, of how many songs."""

    name: str
    before: str
    after: str
    n_songs: int = 1


@dataclass(slots=True)
class Told:
    """A change as its history shows it: some of its songs with what became of each."""

    change: SongChange
    songs: dict[Song, list[Line]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def n_more(self) -> int:
        """Songs that it changed and that are not shown."""
        return max(0, self.change.n_songs - len(self.songs))


def preview(songs: Sequence[Song], values: Mapping[str, Any], override: Override | None) -> list[Line]:
    """Say what a change would do, field by field, of how many songs."""
    current = [values_of(song) for song in songs]
    lines = []
    for name, value in values.items():
        differing = [now[name] for now in current if not _same(name, now[name], value)]
        lines.append(Line(str(NAMES[name]), _common(name, differing), shown(name, value), len(differing)))
    if override is not None:
        n_songs = sum(held != override.value for held in overrides_on([song.pk for song in songs]).values())
        lines.append(Line(str(NAMES["quadrant"]), "…", _set_words(override.value), n_songs))
    return lines


def _same(name: str, now: Any, value: Any) -> bool:
    return bool(now == (value or UNKNOWN_ARTIST if name == "artist" else value))


def _common(name: str, values: Sequence[Any]) -> str:
    return shown(name, values[0]) if values and all(value == values[0] for value in values) else "…"


def shown(name: str, value: Any) -> str:
    """Write a value for people."""
    if name == "cover":
        return "✓" if value else "–"
    return "–" if value in ("", None) else str(value)


def _set_words(value: int | None) -> str:
    return Quadrant(value).label if value else _("what the model hears")


def _before_words(override: QuadrantOverride) -> str:
    if override.before is None:
        return "–"
    label = Quadrant(override.before).label
    return label if override.was_set else _("%(quadrant)s, as the model heard") % {"quadrant": label}


def changes_told(changes: Iterable[SongChange]) -> list[Told]:
    """Return changes with some of the songs of each, in three queries however many they are."""
    told = {change.pk: Told(change) for change in changes}
    edits = _first_of_each(SongEdit.objects.filter(change__in=list(told)))
    words = _first_of_each(QuadrantOverride.objects.filter(change__in=list(told)))
    return _fill(told, edits, words)


def history_of(song: Song) -> list[Told]:
    """Return what was changed of one song, the newest first."""
    edits = list(SongEdit.objects.filter(song=song).select_related("change__made_by", "change__undone_by"))
    words = list(QuadrantOverride.objects.filter(song=song).select_related("change__made_by", "change__undone_by"))
    rows: list[SongEdit | QuadrantOverride] = [*edits, *words]
    changes = {row.change_id: row.change for row in rows}
    told = {pk: Told(changes[pk]) for pk in sorted(changes, reverse=True)[:_OF_ONE_SONG]}
    for row in rows:
        row.song = song
    return _fill(told, edits, words)


def _first_of_each(rows: QuerySet[Any]) -> list[Any]:
    numbered = rows.annotate(n=Window(RowNumber(), partition_by="change", order_by=F("song").asc()))
    return list(numbered.filter(n__lte=_SHOWN_PER_CHANGE).select_related("song__artist").order_by("change", "song"))


def _fill(told: dict[int, Told], edits: Iterable[SongEdit], words: Iterable[QuadrantOverride]) -> list[Told]:
    lines: dict[tuple[int, Song], list[Line]] = defaultdict(list)
    for edit in edits:
        for name in (name for name in NAMES if name in edit.after):
            line = Line(str(NAMES[name]), shown(name, edit.before[name]), shown(name, edit.after[name]))
            lines[edit.change_id, edit.song].append(line)
    for override in words:
        line = Line(str(NAMES["quadrant"]), _before_words(override), _set_words(override.quadrant))
        lines[override.change_id, override.song].append(line)
        if override.change_id in told and override.note and override.note not in told[override.change_id].notes:
            told[override.change_id].notes.append(override.note)
    for (change_id, song), of_song in lines.items():
        if change_id in told:
            told[change_id].songs[song] = of_song
    return list(told.values())
