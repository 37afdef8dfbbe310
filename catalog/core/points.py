"""Points on the plane. Pure."""

from __future__ import annotations

# Valence and arousal, each in [-1, 1].
Point = tuple[float, float]
