"""The listener's own account; nobody is told of others."""

from __future__ import annotations

from typing import Any

from catalog.models import WatchedFolder
from catalog.permissions import can_upload, is_staff
from recommender.subsonic.browsing import EVERYTHING
from recommender.subsonic.calls import Call, not_allowed


def get_user(call: Call) -> dict[str, Any]:
    """Return the listener's own account."""
    if call.required("username") != call.user.get_username():
        raise not_allowed()
    return {"user": _shown(call)}


def get_users(call: Call) -> dict[str, Any]:
    """Return all accounts that the listener may know: their own."""
    return {"users": {"user": [_shown(call)]}}


def _shown(call: Call) -> dict[str, Any]:
    folders = [EVERYTHING, *WatchedFolder.objects.order_by("path").values_list("pk", flat=True)]
    may = ("downloadRole", "playlistRole", "streamRole", "shareRole", "scrobblingEnabled")
    # Covers, comments, podcasts and a jukebox are not kept here, and settings are made on the site.
    may_not = ("settingsRole", "coverArtRole", "commentRole", "podcastRole", "jukeboxRole", "videoConversionRole")
    return {
        "username": call.user.get_username(),
        **dict.fromkeys(may, True),
        **dict.fromkeys(may_not, False),
        "adminRole": is_staff(call.user),
        "uploadRole": can_upload(call.user),
        "folder": folders,
    }
