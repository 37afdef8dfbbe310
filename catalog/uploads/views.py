"""The curator's upload page."""

from typing import Any, cast
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_GET, require_http_methods, require_POST, require_safe

from catalog import selectors
from catalog.core.htmx import wants_fragment
from catalog.models import PartialUpload, Song, Upload
from catalog.permissions import allowed, can_manage_upload, can_upload
from catalog.uploads import partial
from catalog.uploads import services as upload_services
from catalog.uploads.page import (
    GROUPS,
    compare,
    compare_songs,
    partials_unfinished,
    questions_of,
    upload_list,
)
from catalog.uploads.services import uploads_capped
from catalog.uploads.walking import AUDIO_SUFFIXES, UNTAKEN_SUFFIXES

_QUESTIONS_PER_PAGE = 10
_HISTORY = "catalog/partials/upload_history.html"


class _FilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class _FilesField(forms.FileField):
    # Empty files pass: the probe explains more.
    widget = _FilesInput

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile[Any]]:
        files = [each for each in data or [] if each]
        if not files and self.required:
            raise forms.ValidationError(self.error_messages["required"], code="required")
        return files


class UploadForm(forms.Form):
    """Several audio files, as a page without JavaScript sends them."""

    file = _FilesField(
        label=gettext_lazy("Audio files"), error_messages={"required": gettext_lazy("Choose at least one audio file.")}
    )


@csrf_exempt
def uploads(request: HttpRequest) -> HttpResponseBase:
    """Show the upload page, or take files from its form."""
    # The CSRF check of `_uploads` reads the body, so the cap on files must be set before.
    if request.method == "POST":
        uploads_capped(request)
    return _uploads(request)


@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
@allowed(can_upload, words="catalog/uploads_closed.html")
def _uploads(request: HttpRequest) -> HttpResponseBase:
    form = UploadForm(request.POST, request.FILES) if request.method == "POST" else UploadForm()
    if form.is_valid():
        _files_take(request, form)
        return redirect("catalog:uploads")
    suffixes = {"suffixes": " ".join(sorted(AUDIO_SUFFIXES)), "untaken": " ".join(sorted(UNTAKEN_SUFFIXES))}
    context = {"form": form, **suffixes, **_history(request)}
    return render(request, "catalog/uploads.html", context | {"sessions": partials_unfinished(request.user)})


def _files_take(request: HttpRequest, form: UploadForm) -> None:
    owner = cast(User, request.user)
    taken = [
        upload_services.upload_create(owner=owner, file=file, file_name=file.name or "")
        for file in form.cleaned_data["file"]
    ]
    accepted = sum(upload.outcome == Upload.Outcome.ACCEPTED for upload in taken)
    sentence = ngettext(
        "%(accepted)d of %(count)d file will be analysed.",
        "%(accepted)d of %(count)d files will be analysed.",
        len(taken),
    )
    messages.success(request, sentence % {"accepted": accepted, "count": len(taken)})
    for upload in taken:
        if upload.outcome == Upload.Outcome.FAILED:
            messages.error(request, f"{upload.file_name}: {upload.reason}")


@require_GET
@allowed(can_upload)
def upload_rows(request: HttpRequest) -> HttpResponseBase:
    """Show the rows alone."""
    return render(request, _HISTORY, _history(request))


@require_GET
@allowed(can_upload)
def upload_changes(request: HttpRequest) -> HttpResponseBase:
    """Show the rows that changed; polled every two seconds while a state can change by itself."""
    context, seen = _history(request), request.GET.get("seen", "")
    if seen == context["listing"].seen:
        return HttpResponse(status=204)
    context["changed"] = context["listing"].changed_since(seen)
    return render(request, "catalog/partials/upload_changes.html", context)


@require_POST
@allowed(can_upload)
def upload_retry(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Analyse a failed song again."""
    upload = _upload_managed(request, pk)
    upload_services.upload_retry(upload=upload)
    return _answer(request, _("%(name)s will be analysed again.") % {"name": upload.file_name})


@require_POST
@allowed(can_upload)
def uploads_retry(request: HttpRequest) -> HttpResponseBase:
    """Analyse every failed song again."""
    count = upload_services.uploads_retry(uploads=selectors.uploads_visible(request.user))
    sentence = ngettext("%(count)d song will be analysed again.", "%(count)d songs will be analysed again.", count)
    return _answer(request, sentence % {"count": count})


@require_POST
@allowed(can_upload)
def upload_hide(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Hide a row of the caller; its song stays."""
    mine = Upload.objects.filter(owner_id=request.user.pk, pk=pk)
    upload = get_object_or_404(mine)
    is_hidden = upload_services.uploads_hide(uploads=mine)
    sentence = _("%(name)s was removed from the list.") if is_hidden else _("%(name)s is still in progress.")
    return _answer(request, sentence % {"name": upload.file_name})


@require_POST
@allowed(can_upload)
def uploads_hide(request: HttpRequest) -> HttpResponseBase:
    """Hide the caller's rows that are done or duplicates."""
    count = upload_services.uploads_hide(uploads=selectors.uploads_settled(request.user))
    sentence = ngettext("%(count)d row was removed from the list.", "%(count)d rows were removed from the list.", count)
    return _answer(request, sentence % {"count": count})


@require_safe
@allowed(can_upload)
def upload_compare(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Compare a file with the song that it is or may be."""
    comparison = compare(get_object_or_404(selectors.uploads_visible(request.user), pk=pk))
    if comparison is None:
        raise Http404
    context = {"comparison": comparison, "query_string": _query_string(request)}
    if wants_fragment(request):
        return render(request, "catalog/partials/comparison.html", context)
    return render(request, "catalog/upload_compare.html", context)


@require_POST
@allowed(can_upload)
def duplicates_keep(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Settle that a song is another recording than those it resembles."""
    song = _song_in_question(request, pk)
    upload_services.duplicates_keep(song=song)
    return _answer(request, _("Both stay: you will not be asked about “%(title)s” again.") % {"title": song.title})


@require_POST
@allowed(can_upload)
def duplicate_remove(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Delete a song that duplicates an older one."""
    song = _song_in_question(request, pk)
    upload_services.duplicate_remove(song=song)
    return _answer(request, _("The new “%(title)s” was deleted; the existing one stays.") % {"title": song.title})


@require_safe
@allowed(can_upload)
def duplicates(request: HttpRequest) -> HttpResponseBase:
    """Every song of the catalog that may be the same recording as an older one."""
    songs = selectors.songs_in_question().select_related("artist", "album").order_by("-id")
    page = Paginator(songs, _QUESTIONS_PER_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "comparisons": compare_songs(list(page))}
    return render(request, "catalog/duplicates.html", context)


@require_POST
@allowed(can_upload)
def duplicate_settle(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Settle that any song of the catalog is another recording than those it resembles."""
    song = get_object_or_404(selectors.songs_in_question(), pk=pk)
    upload_services.duplicates_keep(song=song)
    messages.success(request, _("Both stay: you will not be asked about “%(title)s” again.") % {"title": song.title})
    return redirect("catalog:duplicates")


@require_POST
@allowed(can_upload)
def partial_discard(request: HttpRequest, public_id: str) -> HttpResponseBase:
    """Discard an unfinished upload."""
    partial_upload = get_object_or_404(PartialUpload, owner_id=request.user.pk, public_id=public_id, finished_at=None)
    partial.partial_discard(partial_upload=partial_upload)
    if wants_fragment(request):
        return render(request, "catalog/partials/upload_sessions.html", {"sessions": partials_unfinished(request.user)})
    sentence = _("The unfinished upload of %(name)s was discarded.")
    messages.success(request, sentence % {"name": partial_upload.file_name})
    return redirect("catalog:uploads")


def _upload_managed(request: HttpRequest, pk: int) -> Upload:
    upload = get_object_or_404(selectors.uploads_visible(request.user), pk=pk)
    if not can_manage_upload(request.user, upload):
        raise PermissionDenied
    return upload


def _song_in_question(request: HttpRequest, pk: int) -> Song:
    upload = _upload_managed(request, pk)
    if upload.song is None or not questions_of(upload):
        raise Http404
    return upload.song


def _answer(request: HttpRequest, notice: str) -> HttpResponseBase:
    if wants_fragment(request):
        return render(request, _HISTORY, {"notice": notice, **_history(request)})
    messages.success(request, notice)
    return redirect(f"{reverse('catalog:uploads')}{_query_string(request)}")


def _history(request: HttpRequest) -> dict[str, Any]:
    group, query = request.GET.get("state", ""), request.GET.get("q", "")
    listing = upload_list(request.user, group=group, query=query, page=request.GET.get("page"))
    tabs = [(group, label, listing.counts[group or "total"]) for group, label in GROUPS.items()]
    # An empty group is no choice, unless it is the current one.
    shown = [tab for tab in tabs if tab[2] or tab[0] in ("", listing.group)]
    return {"listing": listing, "tabs": shown, "query_string": _query_string(request)}


def _query_string(request: HttpRequest) -> str:
    # Forms return to the same rows.
    choices = {name: request.GET[name] for name in ("state", "q", "page") if request.GET.get(name)}
    return f"?{urlencode(choices)}" if choices else ""
