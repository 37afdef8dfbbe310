"""Draws what the model reads of a song, and where in it the network looked."""

from __future__ import annotations

from pathlib import Path

import librosa
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from emotion.signal.audio import read_window
from emotion.zoo.frontends import MelConfig, log_mel_image

WIDTH, HEIGHT = 720, 300
_LEFT, _BOTTOM, _TOP = 48, 24, 8
_MARKED_HZ = (100, 500, 1000, 2000, 5000, 10_000)
# From deep blue through purple and orange to pale yellow: even steps of lightness, so it reads without colour too.
_STOPS = np.array([[10, 12, 36], [62, 24, 110], [150, 44, 120], [226, 92, 78], [252, 176, 82], [253, 246, 196]])


def draw(path: Path, config: MelConfig, heat: NDArray[np.float32] | None = None) -> Image.Image:
    """Draw the window that the model reads, `(WIDTH, HEIGHT)` pixels, with seconds along and Hz up.

    With `heat`, as in `Saliency`, what mattered keeps its colours and gets an outline; the rest turns grey and dark.

    Raises:
        emotion.exceptions.AudioUnreadableError: The file cannot be decoded.
    """
    window = read_window(path, window_s=config.window_s)
    place = np.clip(np.flipud(log_mel_image(window.waveform, config)), 0, 1) * (len(_STOPS) - 1)
    channels = [np.interp(place, np.arange(len(_STOPS)), stops) for stops in _STOPS.T]
    image = Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))
    sheet = Image.new("RGB", (WIDTH, HEIGHT), (16, 18, 28))
    area = (WIDTH - _LEFT - 8, HEIGHT - _BOTTOM - _TOP)
    picture = image.resize(area, Image.Resampling.BILINEAR)
    sheet.paste(picture if heat is None else _lit(picture, heat), (_LEFT, _TOP))
    _axes(ImageDraw.Draw(sheet), area, window.start_s, config)
    return sheet


def _lit(picture: Image.Image, heat: NDArray[np.float32]) -> Image.Image:
    places = np.asarray(Image.fromarray(np.flipud(heat)).resize(picture.size, Image.Resampling.BICUBIC))
    # The fifth that is outlined is what bench/saliency.py blanks.
    fifth = max(float(np.quantile(places, 0.8)), 1e-6)
    share = np.clip(places / fifth, 0.0, 1.0)
    colours = np.asarray(picture, np.float32)
    grey = 0.5 * colours.mean(axis=-1, keepdims=True)
    lit = grey + (colours - grey) * share[..., None]
    inside = places >= fifth
    edge = inside & ~(np.roll(inside, 1, 0) & np.roll(inside, -1, 0) & np.roll(inside, 1, 1) & np.roll(inside, -1, 1))
    return Image.fromarray(np.where(edge[..., None], 255.0, lit).astype(np.uint8))


def _axes(pen: ImageDraw.ImageDraw, area: tuple[int, int], start_s: float, config: MelConfig) -> None:
    font = ImageFont.load_default(size=11)
    grey = (190, 194, 210)
    width, height = area
    for second in range(0, int(config.window_s) + 1, 4):
        x = _LEFT + width * second / config.window_s
        pen.line([(x, _TOP + height), (x, _TOP + height + 4)], fill=grey)
        # Centred on its mark, the last label would leave the sheet.
        anchor = "ra" if second + 4 > config.window_s else "ma"
        pen.text((x, _TOP + height + 6), f"{start_s + second:.0f} s", fill=grey, font=font, anchor=anchor)
    lowest, highest = librosa.hz_to_mel([config.f_min_hz, config.f_max_hz])
    for hz in (hz for hz in _MARKED_HZ if hz <= config.f_max_hz):
        y = _TOP + height * (1 - (librosa.hz_to_mel(hz) - lowest) / (highest - lowest))
        label = f"{hz // 1000} kHz" if hz >= 1000 else f"{hz} Hz"
        pen.line([(_LEFT - 4, y), (_LEFT, y)], fill=grey)
        pen.text((_LEFT - 7, y), label, fill=grey, font=font, anchor="rm")
