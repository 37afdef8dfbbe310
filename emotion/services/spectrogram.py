"""Draws what the model hears of a song."""

from __future__ import annotations

import io
import threading
from pathlib import Path

from django.conf import settings

from catalog.models import Song
from emotion.models import ModelVersion
from emotion.selectors import served_version


def song_spectrogram_png(song: Song) -> bytes:
    """Draw what the model heard of a song: the live model's log-mel image with axes in seconds and Hz. Cached on disk.

    Raises:
        emotion.exceptions.AudioUnreadableError: The file cannot be decoded.
        FileNotFoundError: The song's file is gone.
    """
    from emotion.mel import MelConfig
    from emotion.spectrogram import draw

    served = ModelVersion.objects.filter(version=served_version()).first()
    config = MelConfig(**served.card["mel"]) if served else MelConfig()
    target = settings.MOODPLANE_VAR / "spectrograms" / f"{song.content_hash}-{config.fingerprint}.png"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        png = io.BytesIO()
        draw(Path(song.audio.path), config).save(png, format="PNG", optimize=True)
        beside = target.with_suffix(f".{threading.get_ident()}.tmp")
        beside.write_bytes(png.getvalue())
        beside.replace(target)
    return bytes(target.read_bytes())
