"""Playlist files, out and in."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from recommender.exceptions import ExchangeInvalid
from recommender.exporting import export_response
from recommender.forms import ImportForm
from recommender.services import importing
from recommender.views.common import listener_of, own_playlist, to_playlist


@require_safe
def playlist_export(request: HttpRequest, pk: int, suffix: str) -> HttpResponse:
    """A list as a file."""
    return export_response(own_playlist(request, pk), suffix, request.build_absolute_uri("/"))


@require_POST
def playlist_import(request: HttpRequest) -> HttpResponse:
    """Make a list of a file."""
    form = ImportForm(request.POST, request.FILES)
    if not form.is_valid():
        messages.error(request, form.sentence)
        return redirect("recommender:playlist_list")
    file = form.cleaned_data["file"]
    try:
        playlist = importing.playlist_import(
            listener=listener_of(request),
            content=file.read(),
            file_name=file.name,
            site=request.build_absolute_uri("/"),
        )
    except ExchangeInvalid as error:
        messages.error(request, str(error))
        return redirect("recommender:playlist_list")
    return to_playlist(playlist)
