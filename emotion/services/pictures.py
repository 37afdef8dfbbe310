"""Draws what the model hears of a song, and where in it the network looked."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from catalog.core.files import write_atomic
from catalog.files.storage import local_copy
from catalog.models import Song
from emotion.models import ModelVersion, SaliencyMap
from emotion.selectors import served_model

if TYPE_CHECKING:
    from PIL.Image import Image

    from emotion.signal.mel import MelConfig


def song_spectrogram_png(song: Song) -> bytes:
    """Draw what the model heard of a song: the live model's log-mel image with axes in seconds and Hz. Cached on disk.

    Raises:
        emotion.exceptions.AudioUnreadableError: The file cannot be decoded.
        FileNotFoundError: The song's file is gone.
    """
    from emotion.saliency.spectrogram import draw

    config = _served_config()
    target = settings.MOODPLANE_VAR / "spectrograms" / f"{song.content_hash}-{config.fingerprint}.png"
    if not target.exists():
        with local_copy(song.audio) as path:
            _keep(draw(path, config), target)
    return bytes(target.read_bytes())


def song_saliency_png(saliency_map: SaliencyMap) -> bytes:
    """Draw the same picture with what weighed for the tag left bright and outlined. Cached on disk.

    Args:
        saliency_map: One that is done.

    Raises:
        emotion.exceptions.AudioUnreadableError: The file cannot be decoded.
    """
    from emotion.saliency.spectrogram import draw

    target = saliency_picture(saliency_map)
    if not target.exists():
        config = _config_of(saliency_map.model_version)
        with local_copy(saliency_map.song.audio) as path:
            _keep(draw(path, config, heat=saliency_map.heat), target)
    return bytes(target.read_bytes())


def saliency_picture(saliency_map: SaliencyMap) -> Path:
    """Return where the picture of an explanation is kept."""
    name = f"{saliency_map.song.content_hash}-{saliency_map.model_version}.png"
    return Path(settings.MOODPLANE_VAR) / "saliency" / name


def _config_of(model_version: str) -> MelConfig:
    """Return how a model makes its images; one that was never registered is the served one."""
    known = ModelVersion.objects.filter(version=model_version).first()
    return _config_in(known.card) if known else _served_config()


def _served_config() -> MelConfig:
    """Return how the served model makes its images, as the card beside its weights says."""
    weights = served_model().weights
    try:
        card = json.loads(weights.with_suffix(".json").read_text()) if weights else {}
    except (OSError, ValueError):
        card = {}
    return _config_in(card)


def _config_in(card: dict[str, Any]) -> MelConfig:
    from emotion.signal.mel import MelConfig
    from emotion.zoo.frontends import front_end_of

    try:
        frontend = front_end_of(card)
    except KeyError:
        return MelConfig()
    # People see pitch and time whatever the network reads.
    return frontend if isinstance(frontend, MelConfig) else MelConfig(window_s=frontend.window_s)


def _keep(picture: Image, target: Path) -> None:
    """Write a picture whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    png = io.BytesIO()
    picture.save(png, format="PNG", optimize=True)
    write_atomic(target, png.getvalue(), durable=False)
