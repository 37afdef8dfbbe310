"""The curators' page of watched folders."""

from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render, resolve_url
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from catalog.models import WatchedFolder
from catalog.permissions import allowed, can_upload
from catalog.uploads.folders_page import folders_shown, missing_shown, overdue
from catalog.uploads.scanning import folder_emptied, folder_forget, missing_keep, songs_missing


@require_safe
@allowed(can_upload, words="catalog/uploads_closed.html")
def folders(request: HttpRequest) -> HttpResponseBase:
    """Show the watched folders, and the songs whose files are missing."""
    context = {
        "folders": folders_shown(),
        "missing": missing_shown(request.GET.get("page")),
        "is_configured": bool(settings.MUSIC_FOLDERS),
    }
    return render(request, "catalog/folders.html", context)


@require_POST
@allowed(can_upload)
def folder_empty(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Note that a folder is empty on purpose."""
    n_missing = folder_emptied(folder=get_object_or_404(WatchedFolder, pk=pk))
    sentence = ngettext("%(n)d file counts as missing now.", "%(n)d files count as missing now.", n_missing)
    messages.success(request, sentence % {"n": n_missing})
    return redirect("catalog:folders")


@require_POST
@allowed(can_upload)
def folder_remove(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Forget a folder; its songs stay."""
    folder = get_object_or_404(WatchedFolder, pk=pk)
    name = str(folder)
    folder_forget(folder=folder)
    messages.success(request, _("%(folder)s was taken off the list. Its songs stay.") % {"folder": name})
    return redirect("catalog:folders")


@require_POST
@allowed(can_upload)
def missing_decide(request: HttpRequest) -> HttpResponseBase:
    """Keep songs whose files are missing, or go on to their deletion."""
    chosen = [
        int(each) for each in request.POST.getlist("song") if each.isascii() and each.isdigit() and len(each) < 19
    ]
    files = overdue() if request.POST.get("which") == "overdue" else songs_missing().filter(song__in=chosen)
    songs = list(files.values_list("song_id", flat=True))
    if not songs:
        messages.info(request, _("Choose at least one song."))
        return redirect("catalog:folders")
    if request.POST.get("do") == "delete":
        return redirect(f"{resolve_url(settings.SONGS_DELETE_URL)}?{urlencode({'song': songs}, doseq=True)}")
    missing_keep(song_ids=songs)
    n = len(set(songs))
    sentence = ngettext("%(n)d song stays without its file.", "%(n)d songs stay without their files.", n)
    messages.success(request, sentence % {"n": n})
    return redirect("catalog:folders")
