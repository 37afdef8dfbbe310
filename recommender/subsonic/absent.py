"""What other servers have and this one does not: players that ask get an empty list."""

from __future__ import annotations

from typing import Any

from recommender.subsonic.calls import Call


def get_internet_radio_stations(call: Call) -> dict[str, Any]:
    """Answer that there are none."""
    return {"internetRadioStations": {}}


def get_podcasts(call: Call) -> dict[str, Any]:
    """Answer that there are none."""
    return {"podcasts": {}}


def get_newest_podcasts(call: Call) -> dict[str, Any]:
    """Answer that there are none."""
    return {"newestPodcasts": {}}
