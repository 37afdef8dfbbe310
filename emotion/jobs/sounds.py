"""Finds songs that are the same recording in other files, by fingerprints of their sound.

A new song brings its fingerprint along when its curve is made; the songs of an older catalog are read one at a time,
while no curve is due. Each fingerprint is stored and compared with all earlier ones under one lock, in one transaction.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from django.db.models import Exists, OuterRef, QuerySet

from catalog.core import claims
from catalog.core.locks import Lock, advisory_lock
from catalog.files.storage import local_copy
from catalog.models import Song
from catalog.uploads.services import duplicates_heard
from emotion.exceptions import AudioUnreadableError
from emotion.models import EmotionCurve, SoundPrint
from emotion.selectors import analysis_waits
from emotion.services.analysis import fail_unreadable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from emotion.signal.fingerprint import Excerpt
    from emotion.signal.landmarks import Landmarks

logger = logging.getLogger(__name__)

# Rows that one tick adds: the songs of an old catalog follow piece by piece.
FILL_AT_ONCE = 2000
# Of many copies of a recording, the oldest are asked about: a pair for each two of them would be the square of them.
MOST_QUESTIONS = 5


def sounds_prepare() -> None:
    """Add rows for analysed songs without a fingerprint; a waiting curve brings its song's along."""
    have = SoundPrint.objects.filter(song=OuterRef("pk"))
    curves = claims.pending(EmotionCurve.objects.filter(song=OuterRef("pk")))
    songs = Song.objects.filter(~Exists(have), ~Exists(curves), state=Song.State.ANALYSED).order_by("pk")
    rows = [SoundPrint(song_id=pk) for pk in songs.values_list("pk", flat=True)[:FILL_AT_ONCE]]
    SoundPrint.objects.bulk_create(rows, ignore_conflicts=True)


def sound_step() -> bool:
    """Take the fingerprint of one song and look for it; return whether there was one."""
    from emotion.signal.audio import read_window_at
    from emotion.signal.fingerprint import EXCERPT_S, peaks_of

    for row in SOUNDS.claim():
        with claims.released_on_error([row]), claims.renewed(row):
            try:
                with local_copy(row.song.audio) as path:
                    excerpt = read_window_at(path, 0.5, window_s=EXCERPT_S)
                # The middle leaves as much before it as behind.
                _keep(row.song, peaks_of(excerpt.waveform), 2 * excerpt.start_s + excerpt.duration_s, row)
            except AudioUnreadableError as error:
                fail_unreadable(row, row.song.audio, error)
        return True
    return False


def sound_heard(song: Song, excerpt: Excerpt) -> None:
    """Take the fingerprint of a song that was decoded for something else, unless it is there; and look for it."""
    from emotion.signal.fingerprint import peaks_of

    if not SoundPrint.objects.filter(song=song, state=SoundPrint.DONE).exists():
        _keep(song, peaks_of(excerpt.waveform), excerpt.duration_s)


def _keep(song: Song, peaks: Landmarks, duration_s: float, row: SoundPrint | None = None) -> None:
    from emotion.signal.fingerprint import keys, pack

    found: dict[str, Any] = {
        "duration_s": duration_s,
        "peaks_bytes": pack(peaks),
        "keys_bytes": keys(peaks).astype("<i4").tobytes(),
    }
    with advisory_lock(Lock.SAME_SOUND):
        if row is None:
            SoundPrint.objects.update_or_create(song=song, defaults={"state": SoundPrint.DONE, "claim": "", **found})
        elif not claims.finish(row, **found):
            return
        if same := same_as(song.pk):
            duplicates_heard(song_id=song.pk, same_as=same)
            logger.info("Song %d sounds the same as %s.", song.pk, same)


def same_as(song_id: int) -> list[int]:
    """Return the oldest songs that are the same recording as a song, as far as their fingerprints are there."""
    from emotion.signal.fingerprint import lengths_around, sharing_keys, sounding_alike, unpack

    prints = SoundPrint.objects.filter(state=SoundPrint.DONE).order_by("song_id")
    new = prints.get(song=song_id)
    others = prints.filter(duration_s__range=lengths_around(new.duration_s)).exclude(song=song_id)
    # Read without the peaks, of thousands of songs.
    rows = list(others.values_list("song_id", "keys_bytes"))
    likely = [rows[i][0] for i in sharing_keys(_numbers(new.keys_bytes), [_numbers(keys) for _pk, keys in rows])]
    packed = prints.filter(song__in=likely).values_list("song_id", "peaks_bytes")
    near = [(pk, unpack(bytes(peaks))) for pk, peaks in packed]
    alike = sounding_alike(unpack(bytes(new.peaks_bytes)), [peaks for _pk, peaks in near])
    return sorted(near[i][0] for i in alike)[:MOST_QUESTIONS]


def _numbers(keys: bytes | memoryview) -> NDArray[np.int32]:
    import numpy as np

    return np.frombuffer(keys, "<i4")


def _rows() -> QuerySet[SoundPrint]:
    rows = SoundPrint.objects.select_related("song")
    return rows.none() if analysis_waits() or claims.due(EmotionCurve.objects.all()).exists() else rows


SOUNDS = claims.register(
    claims.Kind("sounds", SoundPrint, "emotion.tasks.sounds_go_on", _rows, sound_step, sounds_prepare)
)
