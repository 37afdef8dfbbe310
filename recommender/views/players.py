"""What a listener's players of other makers sign in with."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from catalog.permissions import user_of
from recommender.exceptions import SubsonicKeyInvalidError
from recommender.models import SubsonicKey, SubsonicSecret
from recommender.subsonic import credentials, moods
from recommender.views.common import to


@require_safe
@login_required
@never_cache
def players(request: HttpRequest) -> HttpResponse:
    """The keys and the secret of a listener's players."""
    return _page(request)


def _page(request: HttpRequest, **shown: Any) -> HttpResponse:
    user = user_of(request)
    context = {
        "keys": SubsonicKey.objects.filter(listener=user),
        "secret": SubsonicSecret.objects.filter(listener=user).first(),
        "address": request.build_absolute_uri("/"),
        "max_name": credentials.MAX_NAME,
    }
    return render(request, "recommender/players.html", context | shown)


@require_POST
@login_required
@never_cache
def key_make(request: HttpRequest) -> HttpResponse:
    """Make a key, and show it, once."""
    try:
        row, key = credentials.key_make(user=user_of(request), name=request.POST.get("name", "").replace("\x00", ""))
    except SubsonicKeyInvalidError as error:
        messages.error(request, str(error))
        return to("players")
    return _page(request, new_key=key, new_name=row.name)


@require_POST
@login_required
def key_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """End a key."""
    credentials.key_revoke(user=user_of(request), pk=pk)
    messages.success(request, _("The key was revoked: its player is signed out."))
    return to("players")


@require_POST
@login_required
@never_cache
def secret_make(request: HttpRequest) -> HttpResponse:
    """Make a secret, and show it, once."""
    return _page(request, new_secret=credentials.secret_make(user=user_of(request)))


@require_POST
@login_required
def secret_revoke(request: HttpRequest) -> HttpResponse:
    """Take the secret away."""
    credentials.secret_revoke(user=user_of(request))
    messages.success(request, _("The secret was revoked: players that used it are signed out."))
    return to("players")


@require_POST
@login_required
def moods_renew(request: HttpRequest) -> HttpResponse:
    """Make the lists of moods anew, with other songs."""
    moods.mood_lists_renew(user=user_of(request))
    messages.success(request, _("Your moods have other songs now. Players show them when they next ask."))
    return to("players")
