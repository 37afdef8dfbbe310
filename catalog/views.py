"""The curator's upload page, and the bytes of songs and covers."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import PurePath
from typing import cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_GET, require_http_methods, require_POST, require_safe

from catalog import selectors, services
from catalog.covers import cover_placeholder
from catalog.exceptions import SongNotRetryable
from catalog.forms import UploadForm
from catalog.models import Song, Upload
from catalog.permissions import can_listen, can_manage_upload, can_upload
from catalog.services.ingest import AUDIO_SUFFIXES
from catalog.streaming import file_response
from catalog.uploadhandlers import uploads_capped

View = Callable[..., HttpResponseBase]

_COVER_MIME_TYPES = {".jpg": "image/jpeg", ".png": "image/png", ".gif": "image/gif", ".webp": "image/webp"}
_UPLOADS_PER_PAGE = 100


def _allowed(check: Callable[..., bool]) -> Callable[[View], View]:
    """Let only people through for whom the check is true: others sign in, or hear that they may not."""

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapped(request: HttpRequest, **kwargs: int) -> HttpResponseBase:
            if check(request.user):
                return view(request, **kwargs)
            if request.user.is_authenticated:
                raise PermissionDenied
            return redirect_to_login(request.get_full_path())

        return wrapped

    return decorate


@require_safe
@_allowed(can_listen)
def song_audio(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Stream a song."""
    song = get_object_or_404(Song.objects.select_related("artist"), pk=pk)
    return file_response(
        request,
        name=str(song.audio.name),
        content_hash=song.content_hash,
        mime_type=song.mime_type,
        file_name=f"{song.artist.name} - {song.title}{PurePath(str(song.audio.name)).suffix}",
    )


@require_safe
@_allowed(can_listen)
def song_cover(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Send a song's cover, or a drawing of its own when it has none."""
    song = get_object_or_404(Song, pk=pk)
    if not song.cover:
        response = HttpResponse(cover_placeholder(song.content_hash), content_type="image/svg+xml")
        response["Cache-Control"] = "private, max-age=86400"
        return response
    cover = PurePath(str(song.cover.name))
    return file_response(
        request,
        name=str(cover),
        content_hash=cover.stem,
        mime_type=_COVER_MIME_TYPES[cover.suffix],
        file_name=f"cover{cover.suffix}",
    )


@csrf_exempt
def uploads(request: HttpRequest) -> HttpResponseBase:
    """Show the upload page, or take files from its form."""
    # The CSRF check reads the body, so the cap on files must be there first; the check itself follows at once.
    if request.method == "POST":
        uploads_capped(request)
    return _uploads(request)


@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
@_allowed(can_upload)
def _uploads(request: HttpRequest) -> HttpResponseBase:
    form = UploadForm()
    if request.method == "POST":
        form = UploadForm(request.POST, request.FILES)
        if form.is_valid():
            _files_take(request, form)
            return redirect("catalog:uploads")
    context = {"form": form, "suffixes": " ".join(sorted(AUDIO_SUFFIXES)), **_rows_context(request)}
    return render(request, "catalog/uploads.html", context)


def _files_take(request: HttpRequest, form: UploadForm) -> None:
    owner = cast(User, request.user)
    taken = [
        services.upload_create(owner=owner, file=file, file_name=file.name or "") for file in form.cleaned_data["file"]
    ]
    failed = [upload for upload in taken if upload.outcome == Upload.Outcome.FAILED]
    accepted = sum(upload.outcome == Upload.Outcome.ACCEPTED for upload in taken)
    messages.success(request, f"{accepted} of {len(taken)} files will be analysed.")
    for upload in failed:
        messages.error(request, f"{upload.file_name}: {upload.reason}")


@require_GET
@_allowed(can_upload)
def upload_rows(request: HttpRequest) -> HttpResponseBase:
    """Show the rows alone: htmx asks for them again while a state can still change."""
    return render(request, "catalog/partials/upload_rows.html", _rows_context(request))


@require_POST
@_allowed(can_upload)
def upload_retry(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Analyse a failed song once more."""
    upload = get_object_or_404(selectors.uploads_visible(request.user), pk=pk)
    if not can_manage_upload(request.user, upload):
        raise PermissionDenied
    if upload.song is None or upload.outcome != Upload.Outcome.ACCEPTED:
        raise SongNotRetryable("This file was not kept, so there is nothing to retry. Upload it again.")
    services.song_retry(song=upload.song)
    if getattr(request, "htmx", False):
        return render(request, "catalog/partials/upload_rows.html", _rows_context(request))
    return redirect("catalog:uploads")


def _rows_context(request: HttpRequest) -> dict[str, object]:
    visible = selectors.uploads_visible(request.user)
    page = Paginator(visible, _UPLOADS_PER_PAGE).get_page(request.GET.get("page"))
    return {"page": page, "pending_count": selectors.uploads_pending(visible)}
