"""The closed site, where with MOODPLANE_PUBLIC off pages are for people who signed in; and smaller answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponseBase
from django.middleware.gzip import GZipMiddleware

from catalog.permissions import can_listen


class ClosedSiteMiddleware(LoginRequiredMiddleware):
    """Django's middleware, for users who fail `can_listen`; the API answers for itself."""

    def process_view(
        self,
        request: HttpRequest,
        view_func: Callable[..., HttpResponseBase],
        view_args: tuple[Any, ...],
        view_kwargs: dict[str, Any],
    ) -> HttpResponseBase | None:
        if can_listen(request.user):
            return None
        return super().process_view(request, view_func, view_args, view_kwargs)


class TextGzipMiddleware(GZipMiddleware):
    """Compresses pages, fragments and JSON; never audio or pictures, of which a request may want a part.

    Django masks the lengths (BREACH): it pads with random bytes, and the CSRF token differs in each page.
    """

    _TEXT = ("text/", "application/json", "application/problem+json", "image/svg+xml")

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Compress the answer if it is text and known as a whole."""
        if response.streaming or not response.get("Content-Type", "").startswith(self._TEXT):
            return response
        return super().process_response(request, response)
