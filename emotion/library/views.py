"""Pages of the library, for curators only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.db.models import F, QuerySet, Window
from django.db.models.functions import RowNumber
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render, resolve_url
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from catalog import selectors as catalog_selectors
from catalog.core.htmx import wants_fragment
from catalog.exceptions import EditConflictError
from catalog.models import UNKNOWN_ARTIST, Song, SongChange, SongEdit
from catalog.permissions import allowed, can_upload
from catalog.selectors import PENDING_STATES
from catalog.songs import services as song_services
from catalog.songs.editing import FieldsLeft, values_of
from catalog.uploads.scanning import missing_since
from emotion.inference.quadrants import Quadrant
from emotion.library import services as library_services
from emotion.library.forms import NAMES, LibraryForm, OverrideForm, Selection, SongPaginator, SongsForm
from emotion.library.services import Override, overrides_on
from emotion.models import QuadrantOverride
from emotion.selectors import songs_with_estimates

SONGS_PER_PAGE = 50
CHANGES_PER_PAGE = 20
_CHANGES_OF_A_SONG = 20
# Songs that the history shows of each change, and that the message after an undo names; the others are counted.
_SONGS_PER_CHANGE = 3
_SONGS_NAMED = 3


@require_safe
@allowed(can_upload)
def library(request: HttpRequest) -> HttpResponseBase:
    """The songs in a table, to search, select and change."""
    selection = Selection.of(request.GET)
    page = SongPaginator(selection, SONGS_PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "selection": selection,
        "query_string": Selection(selection.filters).query(),
        "pending": [song.pk for song in page if song.state in PENDING_STATES],
    }
    if wants_fragment(request):
        return render(request, "emotion/partials/library_songs.html", context)
    form = LibraryForm(request.GET)
    context |= {"form": form, "genres": catalog_selectors.genres(), "failed": catalog_selectors.failure_counts()}
    context["n_in_question"] = catalog_selectors.songs_in_question().count()
    return render(request, "emotion/library.html", context)


@require_POST
@allowed(can_upload)
def library_act(request: HttpRequest) -> HttpResponseBase:
    """Edit, delete or re-analyse the selected songs."""
    selection = Selection.of(request.POST)
    back = selection.library_url()
    if not selection.is_all and not selection.chosen:
        messages.error(request, _("Choose some songs first."))
        return redirect(back)
    match request.POST.get("action"):
        case "edit":
            return redirect(f"{reverse('emotion:songs_change')}?{selection.query()}")
        case "delete":
            return redirect(f"{resolve_url(settings.SONGS_DELETE_URL)}?{selection.query()}")
        case "tags":
            return redirect(f"{reverse('emotion:file_tags')}?{selection.query()}")
        case "reanalyse":
            _reanalyse(request, selection.song_ids())
            return redirect(back)
    raise Http404(_("Unknown action. Reload the page and try again."))


def _reanalyse(request: HttpRequest, song_ids: list[int]) -> None:
    if moved := len(song_services.songs_reanalyse(song_ids=song_ids)):
        text = ngettext("%(n)d song will be analysed again.", "%(n)d songs will be analysed again.", moved)
        messages.success(request, text % {"n": moved})
    else:
        messages.info(request, _("These songs are already being analysed."))


@require_safe
@allowed(can_upload)
def song_states(request: HttpRequest) -> HttpResponseBase:
    """The states of songs in progress; the table asks again until there are none."""
    songs = list(songs_with_estimates().filter(pk__in=Selection.of(request.GET).chosen[:SONGS_PER_PAGE]))
    pending = [song.pk for song in songs if song.state in PENDING_STATES]
    return render(request, "emotion/partials/library_states.html", {"songs": songs, "pending": pending})


@require_http_methods(["GET", "HEAD", "POST"])
@allowed(can_upload)
def songs_change(request: HttpRequest) -> HttpResponseBase:
    """The form for the songs that the address selects."""
    selection = Selection.of(request.GET)
    return _change(request, selection.song_ids(), selection.library_url())


@require_http_methods(["GET", "HEAD", "POST"])
@allowed(can_upload)
def song_edit(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The form for one song."""
    return _change(request, [pk], get_object_or_404(Song, pk=pk).get_absolute_url())


def _change(request: HttpRequest, song_ids: list[int], after: str) -> HttpResponseBase:
    if not song_ids:
        messages.error(request, _("These songs no longer exist."))
        return redirect(after)
    library_services.check_number(len(song_ids))
    form = SongsForm(_songs(song_ids), request.POST or None, request.FILES or None)
    if form.is_bound and form.is_valid():
        if "preview" in request.POST:
            return _form_page(request, form, after, is_previewed=True)
        try:
            change = library_services.library_edit(
                song_ids=[song.pk for song in form.songs],
                values=form.values(),
                override=form.override(),
                editor=cast(User, request.user),
                seen=form.seen_values(),
            )
            return _changed(request, change, after)
        except EditConflictError as error:
            form = SongsForm(_songs(song_ids), request.POST, request.FILES)
            form.full_clean()
            form.conflict(error.fields)
    return _form_page(request, form, after)


def _songs(song_ids: list[int]) -> list[Song]:
    return list(
        Song.objects.filter(pk__in=song_ids).select_related("artist", "album__artist").defer("search").order_by("pk")
    )


def _changed(request: HttpRequest, change: SongChange | None, after: str) -> HttpResponseBase:
    if change is None:
        messages.info(request, _("Nothing was changed: these values were already set."))
    else:
        context = {"change": change, "next": after}
        messages.success(request, render_to_string("emotion/partials/change_message.html", context, request))
    return redirect(after)


def _form_page(request: HttpRequest, form: SongsForm, after: str, *, is_previewed: bool = False) -> HttpResponseBase:
    lines = preview(form.songs, form.values(is_preview=True), form.override()) if is_previewed else []
    context = {"form": form, "after": after, "is_previewed": is_previewed, "lines": lines}
    is_part = wants_fragment(request) and "preview" in request.POST
    return render(request, f"emotion/{'partials/change_preview' if is_part else 'songs_change'}.html", context)


@require_POST
@allowed(can_upload)
def song_override(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Set the quadrant of one song, or let the model's count again."""
    after = get_object_or_404(Song, pk=pk).get_absolute_url() + "#curator"
    form = OverrideForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Choose one of the four quadrants, or the model's estimate."))
        return redirect(after)
    change = library_services.library_edit(
        song_ids=[pk], values={}, override=form.override(), editor=cast(User, request.user)
    )
    return _changed(request, change, after)


@require_POST
@allowed(can_upload)
def song_reanalyse(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Analyse one song again; a second click changes nothing."""
    song = get_object_or_404(Song, pk=pk)
    if not wants_fragment(request):
        _reanalyse(request, [pk])
        return redirect(song.get_absolute_url() + "#curator")
    song_services.songs_reanalyse(song_ids=[pk])
    return _reanalysis(request, pk)


@require_safe
@allowed(can_upload)
def song_reanalysis(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The progress of a song; the fragment reloads itself until the analysis ends."""
    return _reanalysis(request, pk)


def _reanalysis(request: HttpRequest, pk: int) -> HttpResponseBase:
    song = get_object_or_404(Song, pk=pk)
    context = {"song": song, "is_pending": song.state in PENDING_STATES, "was_pending": True}
    return render(request, "emotion/partials/song_reanalysis.html", context)


@require_safe
@allowed(can_upload)
def changes(request: HttpRequest) -> HttpResponseBase:
    """The changes by curators, newest first."""
    made = SongChange.objects.select_related("made_by", "undone_by")
    page = Paginator(made, CHANGES_PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "emotion/changes.html", {"page": page, "entries": changes_history(page.object_list)})


@require_POST
@allowed(can_upload)
def change_undo(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Undo a change, and say what could not be restored."""
    change = get_object_or_404(SongChange, pk=pk)
    if change.undone_at is not None:
        messages.info(request, _("This change was already undone."))
    elif unchanged := library_services.library_undo(change=change, editor=cast(User, request.user)):
        messages.warning(request, _undone_except(unchanged))
    else:
        messages.success(request, _("Undone: everything is as it was before."))
    after = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(after, allowed_hosts=None) and after.startswith("/")
    return redirect(after if is_ours else "emotion:changes")


def _undone_except(unchanged: FieldsLeft) -> str:
    titles = dict(Song.objects.filter(pk__in=list(unchanged)[:_SONGS_NAMED]).values_list("pk", "title"))
    named = [f"{titles[pk]} ({', '.join(str(NAMES[name]) for name in unchanged[pk])})" for pk in titles]
    text = _("Undone, except what has been changed since: %(songs)s.") % {"songs": "; ".join(named)}
    n_more = len(unchanged) - len(named)
    if not n_more:
        return text
    more = ngettext("Also %(n)d more song.", "Also %(n)d more songs.", n_more) % {"n": n_more}
    return f"{text} {more}"


def song_panel(song: Song) -> dict[str, object]:
    """Return the context of the curators' part of a song's page."""
    return {
        "song": song,
        "entries": song_history(song),
        "is_pending": song.state in PENDING_STATES,
        "after": song.get_absolute_url() + "#curator",
        "delete_url": f"{resolve_url(settings.SONGS_DELETE_URL)}?song={song.pk}",
        # The song's page asks for it together with the estimates.
        "missing_since": vars(song)["missing_since"] if "missing_since" in vars(song) else missing_since(song),
    }


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
    entries = {pk: HistoryEntry(changes[pk]) for pk in sorted(changes, reverse=True)[:_CHANGES_OF_A_SONG]}
    return _fill(entries, edits, overrides)


def _first_of_each(rows: QuerySet[Any]) -> list[Any]:
    numbered = rows.annotate(n=Window(RowNumber(), partition_by="change", order_by=F("song").asc()))
    return list(numbered.filter(n__lte=_SONGS_PER_CHANGE).select_related("song__artist").order_by("change", "song"))


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
