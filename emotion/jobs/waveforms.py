"""Keeps how loud each song is over its length, and reads songs that have no waveform when nothing else is to do."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import numpy as np
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from numpy.typing import NDArray

from catalog.models import Song
from emotion.curves.waveform import read_peaks
from emotion.exceptions import AudioUnreadableError
from emotion.jobs.hearings import MAX_ATTEMPTS, in_, tagging_waits
from emotion.models import EmotionCurve, Waveform

logger = logging.getLogger(__name__)

# The tick comes every half minute; what is left of it belongs to whatever else arrives.
FILL_S = 20.0
# After this a worker that was killed over a file has surely let it go, and a disk may be there again.
RETRY_S = 3600.0


def waveform_store(*, song: Song, peaks: NDArray[np.uint8]) -> None:
    """Keep the waveform of a song, whoever else was at it."""
    Waveform.objects.update_or_create(song=song, defaults={"peaks_bytes": peaks.tobytes(), "due_at": None})


def waveforms_due() -> QuerySet[Song]:
    """Return tagged songs that want a waveform now; whoever still waits for a curve gets it with that."""
    waveforms = Waveform.objects.filter(song=OuterRef("pk"))
    settled = waveforms.filter(Q(due_at=None) | Q(due_at__gt=timezone.now()))
    curves = EmotionCurve.objects.filter(song=OuterRef("pk"), state__in=EmotionCurve.PENDING)
    return Song.objects.filter(~Exists(settled), ~Exists(curves), state=Song.State.TAGGED).order_by("pk")


def waveforms_fill() -> int:
    """Read songs for their waveforms until a third of a minute is over or something urgent waits; return how many."""
    n_read, end_s = 0, time.monotonic() + FILL_S
    while time.monotonic() < end_s and not tagging_waits() and (song := waveforms_due().first()) is not None:
        if _claim(song):
            _read(song)
            n_read += 1
    return n_read


def _claim(song: Song) -> bool:
    """Take a song for an hour, so that nobody else reads it, and a file that kills its reader is not read at once."""
    waveform, _ = Waveform.objects.get_or_create(song=song, defaults={"due_at": timezone.now()})
    mine = Waveform.objects.filter(pk=waveform.pk, attempts=waveform.attempts, due_at__lte=timezone.now())
    last = waveform.attempts + 1 >= MAX_ATTEMPTS
    return bool(mine.update(attempts=waveform.attempts + 1, due_at=None if last else in_(RETRY_S)))


def _read(song: Song) -> None:
    path = Path(song.audio.path)
    try:
        waveform_store(song=song, peaks=read_peaks(path))
    except (AudioUnreadableError, OSError) as error:
        # A file that is away may come back; one that is there and no audio will not get better.
        if path.exists():
            Waveform.objects.filter(song=song).update(due_at=None)
        logger.info("Song %d has no waveform: %s", song.pk, error)
