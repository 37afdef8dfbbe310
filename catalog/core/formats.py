"""Writes sizes, times and shares for people, in the active language."""

from __future__ import annotations

from catalog.core.wording import gettext, number


def file_size(n_bytes: float) -> str:
    """Write a size in binary units, such as `500 MiB` or `1.5 GiB`."""
    for unit in (gettext("bytes"), "KiB", "MiB", "GiB"):
        if n_bytes < 1024 or unit == "GiB":
            break
        n_bytes /= 1024
    return f"{number(n_bytes, 0 if n_bytes == int(n_bytes) else 1)} {unit}"


def clock(duration_s: float | None) -> str:
    """Write seconds as `3:07`, or `1:02:09` from an hour on; None is `0:00`."""
    minutes, seconds = divmod(round(duration_s or 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def percent(share: float) -> str:
    """Write a share in [0, 1] as `82 %`, with a space that does not break."""
    return f"{round(share * 100)}\u00a0%"
