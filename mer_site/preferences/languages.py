"""The language of a page: choosing it, and the words that its scripts say."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponseBase
from django.utils import translation
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe
from django.views.i18n import JavaScriptCatalog
from django.views.i18n import set_language as django_set_language

from catalog.core.files import digest

# Addresses carry a digest of the words in them, so a browser never has to ask again.
_FOR_A_YEAR = 365 * 24 * 3600

set_language = login_not_required(django_set_language)


class _OwnWords(JavaScriptCatalog):
    packages = ["mer_site"]

    def get_paths(self, packages: list[str]) -> list[str]:
        return [str(path) for path in settings.LOCALE_PATHS]


_own_words = _OwnWords.as_view()


@login_not_required
@require_safe
@cache_control(public=True, max_age=_FOR_A_YEAR, immutable=True)
def words(request: HttpRequest, language: str, digest: str) -> HttpResponseBase:
    """Answer the words of the scripts in a language; the digest only makes the address change when they do."""
    if language not in dict(settings.LANGUAGES):
        raise Http404
    with translation.override(language):
        return _own_words(request)


@cache
def words_digest(language: str) -> str:
    """Return a short digest of the scripts' words in a language, read once per process; empty when it has none."""
    name = f"{translation.to_locale(language)}/LC_MESSAGES/djangojs.mo"
    found = [path for folder in settings.LOCALE_PATHS if (path := Path(folder) / name).exists()]
    return digest(b"".join(path.read_bytes() for path in found))[:12] if found else ""
