"""Hears whole songs in the background, after they were tagged and while nothing more urgent waits.

A step is one message on the analysis queue: it takes one curve, and the next message goes to the end of the queue.
Between two batches of windows it looks whether songs wait; then it keeps the points that it has and leaves, and a later
step goes on from there. Everything lives in rows: `curves_tick` finds what was lost, and songs that never had a row.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_noop
from numpy.typing import NDArray

from catalog.models import Song
from emotion.curves.curve import hop_for
from emotion.curves.waveform import Envelope
from emotion.exceptions import AudioUnreadableError
from emotion.jobs.hearings import (
    MAX_ATTEMPTS,
    RETRY_S,
    hearing_claim,
    hearing_fail,
    hearing_finish,
    hearing_put_back,
    hearing_renew,
    hearings_drop_of_others,
    hearings_due,
    tagging_waits,
)
from emotion.jobs.waveforms import waveform_store, waveforms_due, waveforms_fill
from emotion.models import EmotionCurve, EmotionEstimate
from emotion.selectors import served_version, workers_alive
from emotion.services.serving import predictor_get

if TYPE_CHECKING:
    from emotion.inference.predict import Predictor

logger = logging.getLogger(__name__)

# Songs without a curve that one tick finds: a catalog from before there were curves is taken in piece by piece.
FILL_AT_ONCE = 2000


def curves_queue(*, song_ids: Sequence[int]) -> int:
    """Make a row for the curve of each song by the model that tagged it, where there is none; return how many."""
    return _rows_make(_missing().filter(song_id__in=list(song_ids)))


def curves_tick() -> bool:
    """Take in songs that have no row yet; return whether somebody ought to take the next step.

    Nobody needs to while songs wait (they are announced when tagged, and that starts it), while another worker is at
    it, or where no worker would hear.
    """
    version = served_version()
    if not version:
        return False
    hearings_drop_of_others(EmotionCurve.objects.all(), [version])
    _rows_make(_missing().filter(model_version=version)[:FILL_AT_ONCE])
    curves = EmotionCurve.objects.all()
    busy = curves.filter(state=EmotionCurve.State.CLAIMED, due_at__gt=timezone.now())
    if busy.exists() or tagging_waits() or not workers_alive():
        return False
    return hearings_due(curves, version).exists() or waveforms_due().exists()


def curve_step() -> bool:
    """Make one curve, or a part of it; return whether there may be more to do now.

    Where none is left, songs from before there were waveforms get theirs; the tick goes on with those.
    """
    if tagging_waits():
        return False
    if not EmotionCurve.objects.filter(state__in=EmotionCurve.PENDING).exists():
        waveforms_fill()
        return False
    predictor = predictor_get()
    curve = hearing_claim(EmotionCurve.objects.all(), model_version=predictor.card.version)
    if curve is None:
        return False
    try:
        return _make(curve, predictor)
    except AudioUnreadableError as error:
        _unreadable(curve, error)
    except Exception:
        hearing_put_back(curve, wait_s=RETRY_S)
        raise
    return True


def _make(curve: EmotionCurve, predictor: Predictor) -> bool:
    """Hear what is missing of one curve; return whether it was finished, and not left for something more urgent."""
    # Imported here because the model's libraries take seconds, and the web server must not wait for them.
    from emotion.curves.tracing import trace

    points, window_s, envelope = curve.points, curve.window_s, Envelope()
    path = Path(curve.song.audio.path)
    for batch in trace(path, predictor, hop_s=curve.hop_s, skip=len(points), envelope=envelope):
        points, window_s = np.concatenate([points, batch.points]), batch.window_s
        if tagging_waits():
            # It got on, so the attempts begin anew: only work that never comes to an end is given up.
            hearing_put_back(curve, wait_s=0.0, attempts=0, window_s=window_s, points_bytes=_packed(points))
            return False
        if not hearing_renew(curve):
            return True
    waveform_store(song=curve.song, peaks=envelope.peaks())
    if np.isnan(points[:, 0]).all():
        raise AudioUnreadableError("silent", gettext_noop("There is no sound in it that the model could hear."))
    if hearing_finish(curve, window_s=window_s, points_bytes=_packed(points)):
        logger.info("Made the curve of song %d: %d points.", curve.song_id, len(points))
    return True


def _packed(points: NDArray[np.float32]) -> bytes:
    return points.astype("<f4").tobytes()


def _unreadable(curve: EmotionCurve, error: AudioUnreadableError) -> None:
    if not Path(curve.song.audio.path).exists() and curve.attempts < MAX_ATTEMPTS:
        # The file went away under us: a deleted song, or a disk that is not mounted for the moment.
        hearing_put_back(curve, wait_s=RETRY_S)
    else:
        hearing_fail(curve, code=error.code, reason=str(error))


def _missing() -> QuerySet[EmotionEstimate]:
    """Return current estimates of tagged songs that have no curve by the same version."""
    have = EmotionCurve.objects.filter(song=OuterRef("song"), model_version=OuterRef("model_version"))
    tagged = EmotionEstimate.objects.filter(~Exists(have), is_current=True, song__state=Song.State.TAGGED)
    return tagged.order_by("song_id")


def _rows_make(estimates: QuerySet[EmotionEstimate]) -> int:
    wanted = estimates.values_list("song_id", "model_version", "song__duration_s")
    rows = [EmotionCurve(song_id=pk, model_version=version, hop_s=hop_for(long_s)) for pk, version, long_s in wanted]
    EmotionCurve.objects.bulk_create(rows, batch_size=500, ignore_conflicts=True)
    return len(rows)
