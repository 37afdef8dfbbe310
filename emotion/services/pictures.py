"""Caches pictures of what the model reads of a song, and of where in it the network looked."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from catalog.core.files import write_atomic
from catalog.files.storage import local_copy
from catalog.models import Song
from emotion.models import ModelVersion, SaliencyMap
from emotion.selectors import served_card

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from emotion.zoo.frontends import MelConfig


def song_spectrogram_png(song: Song) -> bytes:
    """Draw the live model's log-mel image of a song with axes in seconds and Hz; cached on disk.

    Raises:
        emotion.exceptions.AudioUnreadableError: The file cannot be decoded.
        FileNotFoundError: The song's file is gone.
    """
    config = _config_in(served_card())
    name = f"{song.content_hash}-{config.fingerprint}.png"
    return _drawn(Path(settings.MOODPLANE_VAR) / "spectrograms" / name, song, config)


def song_saliency_png(saliency: SaliencyMap) -> bytes:
    """Draw the same picture with what mattered for the estimate left bright and outlined; cached on disk.

    Raises:
        emotion.exceptions.AudioUnreadableError: The file cannot be decoded.
    """
    # A model that was never registered is the served one.
    model = ModelVersion.objects.filter(version=saliency.model_version).first()
    config = _config_in(model.card if model else served_card())
    return _drawn(saliency_picture(saliency), saliency.song, config, saliency.heat)


def saliency_picture(saliency: SaliencyMap) -> Path:
    """Return where the picture of an explanation is cached."""
    name = f"{saliency.song.content_hash}-{saliency.model_version}.png"
    return Path(settings.MOODPLANE_VAR) / "saliency" / name


def _drawn(target: Path, song: Song, config: MelConfig, heat: NDArray[np.float32] | None = None) -> bytes:
    if not target.exists():
        from emotion.saliency.spectrogram import draw

        png = io.BytesIO()
        with local_copy(song.audio) as path:
            draw(path, config, heat=heat).save(png, format="PNG", optimize=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(target, png.getvalue(), durable=False)
    return target.read_bytes()


def _config_in(card: dict[str, Any]) -> MelConfig:
    from emotion.zoo.frontends import MelConfig, front_end_of

    try:
        frontend = front_end_of(card)
    except KeyError:
        return MelConfig()
    # People see pitch and time whatever the network reads.
    return frontend.image or MelConfig(window_s=frontend.window_s)
