"""The language and the theme of pages, and the context of every template."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.staticfiles.storage import staticfiles_storage
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import translation
from django.utils.functional import SimpleLazyObject
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_POST, require_safe
from django.views.i18n import JavaScriptCatalog
from django.views.i18n import set_language as django_set_language

from catalog.core.files import digest
from catalog.permissions import can_listen, can_upload, is_staff
from mer_site.installation.joining import signup_is_offered

_THEME_COOKIE = "theme"
_THEMES = ("light", "dark")
_YEAR_S = 365 * 24 * 3600

set_language = login_not_required(django_set_language)


def page_context(request: HttpRequest) -> dict[str, Any]:
    """Return what every template may use: permissions, addresses of accounts, the theme, and the scripts' words."""
    # Pages of errors raised before authentication know no user.
    user = getattr(request, "user", None)
    theme = request.COOKIES.get(_THEME_COOKIE, "")
    return {
        "can_listen": user is not None and can_listen(user),
        "can_upload": user is not None and can_upload(user),
        "is_staff": user is not None and is_staff(user),
        "login_url": reverse("accounts:login"),
        "signup_url": reverse("accounts:signup"),
        # Asked once for a page, and only for pages of visitors.
        "signup_is_offered": SimpleLazyObject(signup_is_offered),
        "version": frame_version,
        "media_is_elsewhere": bool(settings.MOODPLANE_MEDIA_ORIGIN),
        # Empty means the system's.
        "theme": theme if theme in _THEMES else "",
        "words_url": _words_url,
    }


def _words_url() -> str:
    return words_address(translation.get_language() or "en")


def words_address(language: str) -> str:
    """Return the address of the scripts' words in a language; empty for English, which needs none."""
    words_hash = words_digest(language)
    return reverse("words", args=[language, words_hash]) if words_hash else ""


def frame_version() -> str:
    """Return a digest of all files that pages load; empty before they were collected, when they change in place."""
    files = getattr(staticfiles_storage, "manifest_hash", "")
    return digest(json.dumps([files, words_addresses()]).encode())[:12] if files else ""


def words_addresses() -> list[str]:
    """Return the addresses of the scripts' words in all languages that need them."""
    return [address for code, _name in settings.LANGUAGES if (address := words_address(code))]


class _Words(JavaScriptCatalog):
    packages = ["mer_site"]

    def get_paths(self, packages: list[str]) -> list[str]:
        return [str(path) for path in settings.LOCALE_PATHS]


@login_not_required
@require_safe
@cache_control(public=True, max_age=_YEAR_S, immutable=True)
def words(request: HttpRequest, language: str, digest: str) -> HttpResponseBase:
    """Answer the words of the scripts in a language; the digest makes the address change with them."""
    if language not in dict(settings.LANGUAGES):
        raise Http404
    with translation.override(language):
        return _Words.as_view()(request)


@cache
def words_digest(language: str) -> str:
    """Return a short digest of the scripts' words in a language, read once per process; empty when it has none."""
    name = f"{translation.to_locale(language)}/LC_MESSAGES/djangojs.mo"
    catalogues = [path for folder in settings.LOCALE_PATHS if (path := Path(folder) / name).exists()]
    return digest(b"".join(path.read_bytes() for path in catalogues))[:12] if catalogues else ""


@login_not_required
@require_POST
def theme_choose(request: HttpRequest) -> HttpResponse:
    """Set the theme and redirect back; any other value means the system's."""
    address = request.POST.get("next", "")
    is_safe = url_has_allowed_host_and_scheme(address, {request.get_host()}, request.is_secure())
    response = redirect(address if is_safe else "/")
    theme = request.POST.get("theme", "")
    if theme in _THEMES:
        # The script that changes the theme in place writes the same cookie, so it cannot be HttpOnly.
        secure = settings.SESSION_COOKIE_SECURE
        response.set_cookie(_THEME_COOKIE, theme, max_age=_YEAR_S, samesite="Lax", secure=secure)
    else:
        response.delete_cookie(_THEME_COOKIE)
    return response
