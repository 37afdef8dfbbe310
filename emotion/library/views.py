"""Pages of the library, for curators only."""

from __future__ import annotations

from typing import cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.paginator import Paginator
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
from catalog.access import allowed
from catalog.core.htmx import wants_fragment
from catalog.exceptions import EditConflictError
from catalog.models import Song, SongChange
from catalog.permissions import can_upload
from catalog.selectors import PENDING_STATES
from catalog.songs import states
from catalog.songs.editing import FieldsLeft
from emotion.library import services as library_services
from emotion.library.changes import changes_history, preview, song_history
from emotion.library.forms import NAMES, LibraryForm, OverrideForm, Selection, SongPaginator, SongsForm
from emotion.selectors import songs_with_estimates

SONGS_PER_PAGE = 50


@require_safe
@allowed(can_upload)
def library(request: HttpRequest) -> HttpResponseBase:
    """The songs in a table, to search, select and change."""
    selection = Selection.of(request.GET)
    page = SongPaginator(selection, SONGS_PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "selection": selection,
        "query_string": Selection(selection.asked).query(),
        "pending": [song.pk for song in page if song.state in PENDING_STATES],
    }
    if wants_fragment(request):
        return render(request, "emotion/partials/library_songs.html", context)
    form = LibraryForm(request.GET)
    context |= {"form": form, "genres": catalog_selectors.genres(), "failed": catalog_selectors.failure_counts()}
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
        case "reanalyse":
            _reanalyse(request, selection.song_ids())
            return redirect(back)
    raise Http404(_("Unknown action. Reload the page and try again."))


def _reanalyse(request: HttpRequest, song_ids: list[int]) -> None:
    if moved := len(states.songs_reanalyse(song_ids=song_ids)):
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
    return list(Song.objects.filter(pk__in=song_ids).select_related("artist", "album").defer("search").order_by("pk"))


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
    states.songs_reanalyse(song_ids=[pk])
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
    page = Paginator(made, 20).get_page(request.GET.get("page"))
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
    titles = dict(Song.objects.filter(pk__in=list(unchanged)[:3]).values_list("pk", "title"))
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
    }
