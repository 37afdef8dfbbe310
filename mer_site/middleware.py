"""The closed site: with MOODPLANE_PUBLIC off, pages are for people who signed in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponseBase

from catalog.permissions import can_listen


class ClosedSiteMiddleware(LoginRequiredMiddleware):
    """Django's own middleware, asked only when `can_listen` says no. The API answers for itself."""

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
