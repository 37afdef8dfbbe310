"""What makes the site an app that a phone or a computer can install: manifest, service worker, the page without a line.

Why so: docs/decisions/0021-offline.md.
"""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import AnonymousUser
from django.contrib.staticfiles.storage import staticfiles_storage
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from mer_site.preferences import frame_version, words_addresses

# --paper in static/css/tokens.css. A manifest has one of each; pages name both.
GROUND_LIGHT, GROUND_DARK = "#f5f5f9", "#0f0f19"
# The page without a line needs every script that the frame loads, and no other.
_SHELL = ("css/", "js/", "vendor/htmx")
_NOT_SHELL = ("js/upload/", "js/library/", "js/setup/")
_ICONS = (
    ("img/icon-192.png", 192, "any"),
    ("img/icon-512.png", 512, "any"),
    ("img/icon-maskable.png", 512, "maskable"),
)
_SCREENSHOTS = (("img/screenshot-wide.webp", "1440x900", "wide"), ("img/screenshot-narrow.webp", "390x844", "narrow"))


@login_not_required
@require_safe
@cache_control(private=True, max_age=3600)
@vary_on_headers("Accept-Language", "Cookie")
def manifest(request: HttpRequest) -> HttpResponse:
    """Describe the app to the browser that installs it, in the language of who asks."""
    icon = {"src": static("img/icon-192.png"), "sizes": "192x192", "type": "image/png"}
    shortcuts = [
        (_("Listen"), "recommender:home"),
        (_("Journey"), "recommender:journey"),
        (_("Playlists"), "recommender:playlist_list"),
    ]
    body: dict[str, Any] = {
        "id": "/",
        "name": _("Moodplane: music by how it feels"),
        "short_name": "Moodplane",
        "description": _("Music for the mood you want."),
        "lang": translation.get_language(),
        "dir": "rtl" if translation.get_language_bidi() else "ltr",
        "start_url": "/",
        "scope": "/",
        "display": "standalone",
        "background_color": GROUND_LIGHT,
        "theme_color": GROUND_LIGHT,
        "categories": ["music"],
        "icons": [
            {"src": static(name), "sizes": f"{size}x{size}", "type": "image/png", "purpose": purpose}
            for name, size, purpose in _ICONS
        ],
        "screenshots": [
            {"src": static(name), "sizes": sizes, "type": "image/webp", "form_factor": form}
            for name, sizes, form in _SCREENSHOTS
        ],
        "shortcuts": [{"name": name, "url": reverse(route), "icons": [icon]} for name, route in shortcuts],
    }
    return HttpResponse(json.dumps(body), content_type="application/manifest+json")


@login_not_required
@require_safe
@never_cache
def worker(request: HttpRequest) -> HttpResponse:
    """Answer the service worker: a module that starts ours with the files of this version."""
    version = frame_version()
    if not version:
        raise Http404
    collected: dict[str, str] = staticfiles_storage.hashed_files  # type: ignore[attr-defined]
    names = sorted(
        name
        for name in collected
        if name.startswith(_SHELL) and name.endswith((".css", ".js")) and not name.startswith(_NOT_SHELL)
    )
    config = {
        "version": version,
        "shell": [*(static(name) for name in [*names, "img/mark.svg"]), *words_addresses()],
        "page": reverse("offline"),
        "signOut": reverse("accounts:logout"),
        # What redirects to another host is left to the browser.
        "sounds": not settings.MOODPLANE_MEDIA_ORIGIN,
    }
    script = f'import {{ start }} from "{static("js/offline/worker.js")}";\nstart(self, {json.dumps(config)});\n'
    return HttpResponse(script, content_type="text/javascript; charset=utf-8")


@login_not_required
@require_safe
@never_cache
def offline(request: HttpRequest) -> HttpResponse:
    """Show the songs that this device keeps; `?copy` asks for the page to keep, which says nothing of a person."""
    is_copy = "copy" in request.GET
    if is_copy:
        request.user = AnonymousUser()
    return render(request, "site/offline.html", {"is_copy": is_copy})
