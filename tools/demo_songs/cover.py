"""Cover art: planes, horizons and circles, drawn from the names of the artist and the piece. Pure.

Colours belong to the artist, so that a row of covers shows who made what; nothing of the music's intention enters.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIZE_PX = 500
_OVERSAMPLING = 2

Field = NDArray[np.float32]
Canvas = NDArray[np.float32]
Palette = NDArray[np.float32]
Rng = np.random.Generator

# From ground to accent.
_PALETTES = (
    ("#f3ead7", "#e4b363", "#c8553d", "#588b8b", "#20343d"),
    ("#101820", "#23395b", "#406e8e", "#8ea8c3", "#f2c572"),
    ("#f7f4ea", "#ded9e2", "#a4b8c4", "#5b7b7a", "#2a3b47"),
    ("#2b1a2f", "#5a2a54", "#a23b72", "#ef798a", "#f8d6b3"),
    ("#e9edde", "#b7c9a8", "#7d9d7c", "#3f6b5c", "#1e3a34"),
    ("#14110f", "#34312d", "#7e7f83", "#d9c5b2", "#e4572e"),
    ("#fdf0d5", "#f2b880", "#c98686", "#966b9d", "#3c3a5b"),
    ("#0b132b", "#1c2541", "#3a506b", "#5bc0be", "#e0fbfc"),
    ("#f5efe6", "#d4b499", "#8d6b57", "#4b5d67", "#1f2a30"),
)


def draw_cover(artist: str, title: str) -> bytes:
    """Draw a square cover.

    Args:
        artist: decides the palette.
        title: decides everything else; the same names give the same bytes.

    Returns:
        A PNG, 500 by 500.
    """
    palette = _palette(_PALETTES[zlib.crc32(artist.encode()) % len(_PALETTES)])
    rng = np.random.default_rng(zlib.crc32(f"{artist}/{title}".encode()))
    design = _DESIGNS[int(rng.integers(len(_DESIGNS)))]
    side = SIZE_PX * _OVERSAMPLING
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / np.float32(side)
    canvas = np.broadcast_to(palette[0], (side, side, 3)).copy()
    design(canvas, x, y, palette, rng)
    image = Image.fromarray((np.clip(canvas, 0.0, 1.0) * 255).astype(np.uint8)).resize(
        (SIZE_PX, SIZE_PX), Image.Resampling.BOX
    )
    # A palette of 96 colours shows no bands here, and makes the file a fifth of its size.
    stored = image.quantize(96, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    stored.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _palette(colours: tuple[str, ...]) -> Palette:
    return np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in colours], dtype=np.float32)


def _paint(canvas: Canvas, mask: NDArray[np.bool_], colour: Palette, opacity: float = 1.0) -> None:
    canvas[mask] = colour if opacity == 1.0 else (1.0 - opacity) * canvas[mask] + opacity * colour


def _disc(x: Field, y: Field, centre: tuple[float, float], radius: float) -> NDArray[np.bool_]:
    return (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < radius**2


def _ridges(canvas: Canvas, x: Field, y: Field, palette: Palette, rng: Rng) -> None:
    """Mountain planes, one behind the other, under a sun."""
    sun = (float(rng.uniform(0.25, 0.75)), float(rng.uniform(0.22, 0.38)))
    _paint(canvas, _disc(x, y, sun, float(rng.uniform(0.09, 0.16))), palette[4 if rng.random() < 0.5 else 1])
    for plane in range(6):
        depth = (plane + 1) / 6
        line = 0.36 + 0.52 * depth * depth + _wave(x, rng, height=0.09 * (1.2 - 0.5 * depth))
        nearer = min(1 + plane * 0.6, 4.0)
        low, part = int(nearer), nearer - int(nearer)
        colour = (1 - part) * palette[low] + part * palette[min(low + 1, 4)]
        _paint(canvas, y > line, colour)


def _wave(x: Field, rng: Rng, *, height: float) -> Field:
    total = np.zeros(x.shape[1], dtype=np.float32)
    for octave in range(1, 6):
        total += np.sin(2 * np.pi * (x[0] * octave * rng.uniform(0.6, 1.3) + rng.random())) / octave**1.2
    return (height * total / 1.8).astype(np.float32)[np.newaxis, :]


def _orbits(canvas: Canvas, x: Field, y: Field, palette: Palette, rng: Rng) -> None:
    """Rings about a point off the centre, cut by a diagonal."""
    centre = rng.uniform(0.3, 0.7, 2)
    distance = np.hypot(x - centre[0], y - centre[1])
    for number, radius in enumerate(np.linspace(0.62, 0.06, 8)):
        _paint(canvas, distance < radius, palette[1 + number % 4])
        _paint(
            canvas, distance < radius - 0.035 * rng.random() - 0.012, palette[0 if number % 2 else 1 + (number + 2) % 4]
        )
    slope = float(rng.uniform(-1.2, 1.2))
    _paint(canvas, (y - 0.5) > slope * (x - 0.5) + 0.18, palette[4], 0.82)


def _tiles(canvas: Canvas, x: Field, y: Field, palette: Palette, rng: Rng) -> None:
    """A quilt of quarter circles."""
    n = int(rng.integers(4, 7))
    column, row = np.minimum(x * n, n - 1).astype(int), np.minimum(y * n, n - 1).astype(int)
    ground, shape = rng.integers(0, 5, (n, n)), rng.integers(1, 5, (n, n))
    canvas[:] = palette[ground[row, column]]
    turn = rng.integers(0, 4, (n, n))[row, column]
    u, v = x * n - column, y * n - row
    u, v = np.where(turn % 2, u, 1 - u), np.where(turn // 2, v, 1 - v)
    inside = np.hypot(u, v) < 1.0
    canvas[inside] = palette[(ground + shape) % 5][row, column][inside]
    _paint(canvas, np.hypot(u, v) < 0.38, palette[0])


def _contours(canvas: Canvas, x: Field, y: Field, palette: Palette, rng: Rng) -> None:
    """A map of heights: bands of colour with a fine line between them."""
    height = np.zeros_like(x)
    for _ in range(5):
        centre, width = rng.uniform(0.0, 1.0, 2), float(rng.uniform(0.12, 0.34))
        height += rng.uniform(0.4, 1.0) * np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * width**2))
    height = (height - height.min()) / (height.max() - height.min())
    level = height * 11.0
    position = np.clip(height * 4.0, 0.0, 3.999)
    band = np.floor(level) / 11.0 * 4.0
    low = np.minimum(band.astype(int), 3)
    part = (band - low)[..., np.newaxis]
    canvas[:] = (1 - part) * palette[low] + part * palette[low + 1]
    _paint(canvas, (level % 1.0 < 0.07) & (position > 0.2), palette[4 if rng.random() < 0.5 else 0], 0.8)


def _sheets(canvas: Canvas, x: Field, y: Field, palette: Palette, rng: Rng) -> None:
    """Translucent sheets of paper that overlap."""
    for number in range(7):
        angle = float(rng.uniform(0, np.pi))
        along = (x - rng.uniform(0.25, 0.75)) * np.cos(angle) + (y - rng.uniform(0.25, 0.75)) * np.sin(angle)
        across = -(x - 0.5) * np.sin(angle) + (y - 0.5) * np.cos(angle)
        half, reach = float(rng.uniform(0.06, 0.2)), float(rng.uniform(0.2, 0.6))
        _paint(canvas, (np.abs(along) < half) & (np.abs(across) < reach), palette[1 + number % 4], 0.72)
    _paint(canvas, _disc(x, y, tuple(rng.uniform(0.25, 0.75, 2)), float(rng.uniform(0.06, 0.13))), palette[4])


def _reeds(canvas: Canvas, x: Field, y: Field, palette: Palette, rng: Rng) -> None:
    """Upright bars whose lengths follow a wave, above their own reflection."""
    n = int(rng.integers(14, 30))
    column = np.minimum(x * n, n - 1).astype(int)
    phase = 2 * np.pi * rng.random()
    lengths = (
        0.16 + 0.2 * np.abs(np.sin(np.linspace(0, np.pi * rng.uniform(1.0, 3.0), n) + phase)) + 0.05 * rng.random(n)
    )
    colours = rng.integers(1, 5, n)
    bar = np.abs(x * n - column - 0.5) < 0.34
    horizon = 0.56
    canvas[y > horizon] = 0.86 * palette[0] + 0.14 * palette[3]
    above = bar & (y < horizon) & (y > horizon - lengths[column])
    below = bar & (y > horizon) & (y < horizon + 0.7 * lengths[column])
    canvas[above] = palette[colours[column]][above]
    canvas[below] = (0.55 * canvas + 0.45 * palette[colours[column]])[below]


_DESIGNS: tuple[Callable[[Canvas, Field, Field, Palette, Rng], None], ...] = (
    _ridges,
    _orbits,
    _tiles,
    _contours,
    _sheets,
    _reeds,
)
