"""What every template may ask."""

from __future__ import annotations

from django.http import HttpRequest

from catalog.permissions import can_listen, can_upload, is_staff


def permissions(request: HttpRequest) -> dict[str, bool]:
    """Tell templates what the visitor may do. Pages of errors raised before authentication know no user."""
    user = getattr(request, "user", None)
    return {
        "can_listen": user is not None and can_listen(user),
        "can_upload": user is not None and can_upload(user),
        "is_staff": user is not None and is_staff(user),
    }
