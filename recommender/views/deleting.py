"""Songs are deleted for good: a curator is told what goes with them, and says yes."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from catalog.access import allowed
from catalog.exceptions import TooManySongs
from catalog.models import Song
from catalog.permissions import can_upload
from catalog.songs import services as song_services
from emotion.library.selection import Selection
from emotion.library.services import MAX_SONGS
from recommender.selectors import hanging_on

_NAMED = 8


@require_http_methods(["GET", "HEAD", "POST"])
@allowed(can_upload)
def songs_delete(request: HttpRequest) -> HttpResponseBase:
    """Say what goes with the songs that the address names; a POST deletes them."""
    selection = Selection.of(request.GET)
    ids = selection.song_ids()
    after = f"{reverse('emotion:library')}?{Selection(selection.asked).query()}"
    if not ids:
        messages.info(request, _("These songs are not there any more."))
        return redirect(after)
    if len(ids) > MAX_SONGS:
        raise TooManySongs(_("At most %(limit)d songs can be deleted at once. Choose fewer.") % {"limit": MAX_SONGS})
    # Songs that came to match since the page was shown are not what somebody said yes to.
    if request.method == "POST" and request.POST.get("count") == str(len(ids)):
        n_songs = song_services.songs_delete(song_ids=ids)
        told = ngettext("%(n)d song was deleted.", "%(n)d songs were deleted.", n_songs)
        messages.success(request, told % {"n": n_songs})
        return redirect(after)
    if request.method == "POST":
        messages.error(request, _("The songs that match have changed meanwhile. Look at them once more."))
    context = {
        "count": len(ids),
        "named": Song.objects.filter(pk__in=ids).select_related("artist").order_by("-pk")[:_NAMED],
        "n_more": max(0, len(ids) - _NAMED),
        "hanging": hanging_on(ids),
        "after": after,
    }
    return render(request, "recommender/songs_delete.html", context)
