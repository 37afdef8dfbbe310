"""Requests from htmx."""

from django.http import HttpRequest


def wants_fragment(request: HttpRequest) -> bool:
    """Whether htmx requests part of a page; a boosted link gets the whole page."""
    # An error may be answered before django-htmx's middleware has run.
    htmx = getattr(request, "htmx", None)
    return htmx is not None and bool(htmx) and not htmx.boosted
