"""The page on which curators write tags into files, see what would change first, and take it back."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_safe

from catalog.models import WrittenTags
from catalog.permissions import allowed, can_upload
from emotion.jobs.file_tags import tags_progress, tags_request
from emotion.library.forms import Selection
from emotion.models import TagWriting
from emotion.services.file_tags import GROUP_NAMES, GROUPS, Options, files_plan

# Songs whose files are read for the preview, and failures that are named.
SHOWN = 8
_TROUBLED_SHOWN = 20


class TagsForm(forms.Form):
    """What is written, and where."""

    groups = forms.MultipleChoiceField(
        label=gettext_lazy("What to write"),
        choices=list(GROUP_NAMES.items()),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": gettext_lazy("Choose at least one of them.")},
    )
    overwrite = forms.BooleanField(
        label=gettext_lazy("Replace what other programs wrote"),
        required=False,
        help_text=gettext_lazy("Otherwise a mood, tempo, key or gain that is there stays."),
    )
    in_folders = forms.BooleanField(
        label=gettext_lazy("Also the files in watched folders"),
        required=False,
        help_text=gettext_lazy("Otherwise only Moodplane’s own copies."),
    )
    keep_times = forms.BooleanField(
        label=gettext_lazy("Those keep the time of their last change"),
        required=False,
        help_text=gettext_lazy("Other programs may then not notice that the tags changed."),
    )

    def options(self) -> Options:
        """Return what was chosen."""
        data = self.cleaned_data
        return Options(tuple(data["groups"]), data["overwrite"], data["in_folders"], data["keep_times"])


@require_http_methods(["GET", "HEAD", "POST"])
@allowed(can_upload)
def file_tags(request: HttpRequest) -> HttpResponseBase:
    """Show what would be written into the files of the selected songs, or of all; write it, or give it back."""
    selection = _selection(request.GET)
    song_ids = selection.song_ids()
    if request.method == "POST" and "restore" in request.POST:
        written = WrittenTags.objects.filter(song__in=song_ids).values_list("song_id", flat=True)
        _say_queued(request, tags_request(song_ids=list(written), options=None))
        return redirect(request.get_full_path())
    form = TagsForm(request.POST or None, initial={"groups": list(GROUPS)}, label_suffix="")
    if form.is_bound and form.is_valid() and "write" in request.POST:
        _say_queued(request, tags_request(song_ids=song_ids, options=form.options()))
        return redirect(request.get_full_path())
    options = form.options() if form.is_bound and form.is_valid() else Options()
    context = _progress() | {
        "form": form,
        "n_songs": len(song_ids),
        "n_written": WrittenTags.objects.filter(song__in=song_ids).count(),
        "plans": list(files_plan(song_ids[:SHOWN], options)),
        "n_more": max(0, len(song_ids) - SHOWN),
        "library_url": selection.library_url(),
    }
    return render(request, "emotion/file_tags.html", context)


@require_safe
@allowed(can_upload)
def file_tags_progress(request: HttpRequest) -> HttpResponseBase:
    """How far the writing is; the fragment asks again until it is done."""
    return render(request, "emotion/partials/file_tags_progress.html", _progress())


def _selection(query: QueryDict) -> Selection:
    selection = Selection.of(query)
    if selection.is_all or selection.chosen:
        return selection
    # Without a choice, all that is analysed.
    return Selection({"state": "tagged", **selection.filters}, is_all=True)


def _say_queued(request: HttpRequest, n_songs: int) -> None:
    if n_songs:
        text = ngettext("The file of %(n)d song is next.", "The files of %(n)d songs are next.", n_songs)
        messages.success(request, text % {"n": n_songs})
    else:
        messages.info(request, _("There is nothing to do for these songs."))


def _progress() -> dict[str, Any]:
    counts = tags_progress()
    troubled = TagWriting.objects.filter(Q(state=TagWriting.FAILED) | ~Q(remark=""))
    return {
        "counts": counts,
        "n_waiting": counts[TagWriting.WAITING] + counts[TagWriting.CLAIMED],
        "troubled": list(troubled.select_related("song__artist").order_by("song_id")[:_TROUBLED_SHOWN]),
        "progress_url": reverse("emotion:file_tags_progress"),
    }
