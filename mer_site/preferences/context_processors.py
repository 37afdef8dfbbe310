"""What every template may ask."""

from __future__ import annotations

from django.http import HttpRequest
from django.urls import reverse

from catalog.permissions import can_listen, can_upload, is_staff

THEME_COOKIE = "theme"
THEMES = ("light", "dark")


def permissions(request: HttpRequest) -> dict[str, bool]:
    """Tell templates what the visitor may do. Pages of errors raised before authentication know no user."""
    user = getattr(request, "user", None)
    return {
        "can_listen": user is not None and can_listen(user),
        "can_upload": user is not None and can_upload(user),
        "is_staff": user is not None and is_staff(user),
    }


def account_urls(request: HttpRequest) -> dict[str, str]:
    """Tell templates of every app where people sign in and up; only this app knows the names of those pages."""
    return {"login_url": reverse("accounts:login"), "signup_url": reverse("accounts:signup")}


def theme(request: HttpRequest) -> dict[str, str]:
    """Tell templates which theme was chosen in this browser; empty means like the system."""
    chosen = request.COOKIES.get(THEME_COOKIE, "")
    return {"theme": chosen if chosen in THEMES else ""}
