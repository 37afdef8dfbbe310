"""The curators' page of watched folders."""

from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render, resolve_url
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST, require_safe

from catalog.exceptions import FolderRefusedError
from catalog.models import WatchedFolder
from catalog.permissions import allowed, can_upload, is_staff
from catalog.uploads.choosing import FolderFound, folder_choose, folder_look, folder_stop
from catalog.uploads.folders_page import folders_shown, missing_shown, overdue
from catalog.uploads.scanning import folder_emptied, folder_forget, missing_keep, songs_missing


class FolderForm(forms.Form):
    """A folder of the server. First it is looked at; only what was looked at, and is named again, is followed."""

    path = forms.CharField(
        label=gettext_lazy("Folder on the server"),
        max_length=4096,
        widget=forms.TextInput(
            attrs={"placeholder": "/srv/music", "dir": "ltr", "autocomplete": "off", "spellcheck": "false"}
        ),
    )
    is_watched = forms.ChoiceField(
        label=gettext_lazy("And then?"),
        choices=[
            ("yes", gettext_lazy("Watch it: new files become songs by themselves")),
            ("no", gettext_lazy("Add what is in it now, once")),
        ],
        widget=forms.RadioSelect,
        initial="yes",
        required=False,
    )
    found: FolderFound | None = None

    def __init__(self, data: QueryDict | None = None) -> None:
        # A folder that is looked at comes back with a choice made.
        super().__init__(data if data is None or "is_watched" in data else {**data.dict(), "is_watched": "yes"})

    def clean_path(self) -> str:
        """Look at it."""
        try:
            self.found = folder_look(self.cleaned_data["path"])
        except FolderRefusedError as error:
            raise forms.ValidationError(str(error)) from None
        return str(self.found.path)

    def follow(self) -> bool:
        """Follow the folder if that is what was pressed."""
        if not self.is_valid() or self.found is None or "follow" not in self.data:
            return False
        folder_choose(found=self.found, is_watched=self.cleaned_data["is_watched"] != "no")
        return True


@require_safe
@allowed(can_upload, words="catalog/uploads_closed.html")
def folders(request: HttpRequest) -> HttpResponseBase:
    """Show the watched folders, and the songs whose files are missing."""
    return _page(request, FolderForm())


def _page(request: HttpRequest, form: FolderForm) -> HttpResponseBase:
    context = {
        "folders": folders_shown(),
        "missing": missing_shown(request.GET.get("page")),
        "is_configured": bool(settings.MUSIC_FOLDERS),
        "folder_form": form,
    }
    return render(request, "catalog/folders.html", context)


@require_POST
@allowed(is_staff)
def folder_add(request: HttpRequest) -> HttpResponseBase:
    """Look at a folder that the staff name, or follow it."""
    form = FolderForm(request.POST)
    if not form.follow():
        return _page(request, form)
    messages.success(request, _("The songs of this folder come in by themselves from now on."))
    return redirect("catalog:folders")


@require_POST
@allowed(is_staff)
def folder_end(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Stop following a folder that the staff chose; its songs stay."""
    folder = get_object_or_404(WatchedFolder, pk=pk)
    folder_stop(folder=folder)
    messages.success(request, _("%(folder)s is no longer watched. Its songs stay.") % {"folder": folder})
    return redirect("catalog:folders")


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
