"""Light, dark, or like the system: a cookie of the browser."""

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
    """Set the theme and redirect back; any other value means like the system."""
    address = request.POST.get("next", "")
    is_safe = url_has_allowed_host_and_scheme(address, {request.get_host()}, request.is_secure())
    response = redirect(address if is_safe else "/")
    theme = request.POST.get("theme", "")
    if theme in THEMES:
        # The script that changes the theme in place writes the same cookie, so it cannot be HttpOnly.
        response.set_cookie(
            THEME_COOKIE, theme, max_age=_FOR_A_YEAR, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE
        )
    else:
        response.delete_cookie(THEME_COOKIE)
    return response
