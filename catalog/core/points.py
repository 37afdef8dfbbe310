"""Points on the plane."""

from __future__ import annotations

# Valence and arousal, each in [-1, 1].
Point = tuple[float, float]
