"""Whether the server is there, and what it can do."""

from __future__ import annotations

from typing import Any

from catalog.models import Song
from catalog.selectors import PENDING_STATES, state_counts
from recommender.subsonic.calls import Call, missing

# Each with the versions of it that are understood.
EXTENSIONS: dict[str, list[int]] = {
    "apiKeyAuthentication": [1],
    "formPost": [1],
    "indexBasedQueue": [1],
    "playbackReport": [1],
    "songLyrics": [1],
    "sonicSimilarity": [1],
    "transcodeOffset": [1],
}


def ping(call: Call) -> dict[str, Any]:
    """Answer that the server is there."""
    return {}


def get_license(call: Call) -> dict[str, Any]:
    """Answer that nothing has to be paid."""
    return {"license": {"valid": True}}


def get_open_subsonic_extensions() -> dict[str, Any]:
    """Say which extensions of the protocol are understood; anybody may ask."""
    return {
        "openSubsonicExtensions": [{"name": name, "versions": versions} for name, versions in EXTENSIONS.items()],
    }


def token_info(call: Call) -> dict[str, Any]:
    """Say whose key it is."""
    if call.key is None:
        raise missing("apiKey")
    return {"tokenInfo": {"username": call.user.get_username()}}


def get_scan_status(call: Call) -> dict[str, Any]:
    """Say how many songs there are, and whether some wait to be analysed.

    Folders are watched all the time, so there is nothing to start.
    """
    counts = state_counts()
    waiting = sum(counts[Song.State(state)] for state in PENDING_STATES)
    return {"scanStatus": {"scanning": waiting > 0, "count": sum(counts.values())}}
