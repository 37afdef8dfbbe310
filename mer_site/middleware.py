"""Middleware: pages for signed-in users only if MOODPLANE_PUBLIC is off, and compressed responses."""

from typing import Any

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponseBase
from django.middleware.gzip import GZipMiddleware

from catalog.permissions import can_listen


class ClosedSiteMiddleware(LoginRequiredMiddleware):
    """Django's middleware, for users who fail `can_listen`; the API has permissions instead."""

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponseBase | None:
        return None if can_listen(request.user) else super().process_view(request, *view)


class TextGzipMiddleware(GZipMiddleware):
    """Compresses pages, fragments and JSON; never audio or pictures, which are requested in parts.

    Django masks the lengths against BREACH: with random bytes, and a CSRF token that differs in each page.
    """

    _TEXT = ("text/", "application/json", "application/problem+json", "image/svg+xml")

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if response.streaming or not response.get("Content-Type", "").startswith(self._TEXT):
            return response
        return super().process_response(request, response)
