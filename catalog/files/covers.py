"""Draws a cover for songs without one: neutral rings, the same for the same song."""

from __future__ import annotations

_SIZE = 300
_RINGS = 5


def cover_placeholder(content_hash: str) -> str:
    """Return an SVG picture, 300 by 300, whose rings follow from the hash."""
    # Grey, because in Moodplane colour means a quadrant; attributes alone show under a strict security policy.
    numbers = bytes.fromhex(content_hash[: 2 + 4 * _RINGS])
    centre_x, centre_y = 90 + numbers[0] % 120, 90 + numbers[-1] % 120
    rings = "".join(
        f'<circle cx="{centre_x}" cy="{centre_y}" r="{30 + 34 * ring + numbers[1 + ring] % 22}" '
        f'stroke-width="{1 + numbers[1 + _RINGS + ring] % 7}"/>'
        for ring in range(_RINGS)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_SIZE} {_SIZE}" width="{_SIZE}" height="{_SIZE}">'
        f'<rect width="{_SIZE}" height="{_SIZE}" fill="#8b8794"/>'
        f'<g fill="none" stroke="#f4f2f7" stroke-opacity="0.55">{rings}</g></svg>'
    )
