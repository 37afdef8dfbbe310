"""Light, dark, or like the system: a choice of this browser, kept in a cookie that every page reads."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from mer_site.preferences.context_processors import THEME_COOKIE, THEMES

_FOR_A_YEAR = 365 * 24 * 3600


@login_not_required
@require_POST
def theme_choose(request: HttpRequest) -> HttpResponse:
    """Keep the theme and lead back; anything that is no theme means like the system."""
    response = redirect(_back(request))
    chosen = request.POST.get("theme", "")
    if chosen in THEMES:
        # The script that changes the theme in place writes the same cookie, so it cannot be HttpOnly.
        response.set_cookie(
            THEME_COOKIE, chosen, max_age=_FOR_A_YEAR, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE
        )
    else:
        response.delete_cookie(THEME_COOKIE)
    return response


def _back(request: HttpRequest) -> str:
    address = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(address, {request.get_host()}, request.is_secure())
    return address if safe else "/"
