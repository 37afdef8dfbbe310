"""Keeps how loud each song is over its length, and reads songs that have no waveform when nothing else is to do."""

from __future__ import annotations

import logging

import numpy as np
from django.db.models import Exists, OuterRef, QuerySet
from numpy.typing import NDArray

from catalog.core import claims
from catalog.files.storage import local_copy
from catalog.models import Song
from emotion.curves.waveform import read_peaks
from emotion.exceptions import AudioUnreadableError
from emotion.models import EmotionCurve, Waveform
from emotion.selectors import tagging_waits
from emotion.services.analysis import fail_unreadable

logger = logging.getLogger(__name__)

# Songs without a waveform that one tick takes in.
FILL_AT_ONCE = 2000


def waveform_store(*, song: Song, peaks: NDArray[np.uint8]) -> None:
    """Keep the waveform of a song, whoever else was at it."""
    found = {"peaks_bytes": peaks.tobytes(), "state": Waveform.State.DONE, "claim": ""}
    Waveform.objects.update_or_create(song=song, defaults=found)


def waveforms_prepare() -> None:
    """Make rows for tagged songs that have none; those that still wait for a curve get their waveform with that."""
    have = Waveform.objects.filter(song=OuterRef("pk"))
    curves = claims.pending(EmotionCurve.objects.filter(song=OuterRef("pk")))
    songs = Song.objects.filter(~Exists(have), ~Exists(curves), state=Song.State.ANALYSED).order_by("pk")
    rows = [Waveform(song_id=pk) for pk in songs.values_list("pk", flat=True)[:FILL_AT_ONCE]]
    Waveform.objects.bulk_create(rows, ignore_conflicts=True)


def waveform_step() -> bool:
    """Read one song for its waveform; return whether there was one."""
    for waveform in WAVEFORMS.claim():
        audio = waveform.song.audio
        with claims.released_on_error([waveform]), claims.renewed(waveform):
            try:
                with local_copy(audio) as path:
                    peaks = read_peaks(path)
                claims.finish(waveform, peaks_bytes=peaks.tobytes())
            except AudioUnreadableError as error:
                logger.info("Song %d has no waveform: %s", waveform.song_id, error)
                fail_unreadable(waveform, audio, error)
        return True
    return False


def _rows() -> QuerySet[Waveform]:
    rows = Waveform.objects.select_related("song")
    return rows.none() if tagging_waits() or claims.due(EmotionCurve.objects.all()).exists() else rows


WAVEFORMS = claims.register(
    claims.Kind(
        name="waveforms",
        model=Waveform,
        task="emotion.tasks.waveforms_go_on",
        rows=_rows,
        step=waveform_step,
        prepare=waveforms_prepare,
    )
)
