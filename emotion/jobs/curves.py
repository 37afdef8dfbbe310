"""Hears whole songs in the background, after they were tagged and while nothing more urgent waits.

A step takes one curve. Between two batches of windows it looks whether songs wait; then it keeps the points that it has
and leaves, and a later step goes on from there.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext_noop
from numpy.typing import NDArray

from catalog.core import claims
from catalog.files.storage import local_copy
from catalog.models import Song
from emotion.curves.curve import hop_for
from emotion.curves.waveform import Envelope
from emotion.exceptions import AudioUnreadableError
from emotion.jobs.waveforms import waveform_store
from emotion.models import EmotionCurve, EmotionEstimate
from emotion.selectors import served_version, tagging_waits
from emotion.services.analysis import fail_unreadable
from emotion.services.serving import predictor_get

if TYPE_CHECKING:
    from emotion.inference.predict import Predictor

logger = logging.getLogger(__name__)

# Songs without a curve that one tick finds: a catalog from before there were curves is taken in piece by piece.
FILL_AT_ONCE = 2000


def curves_queue(*, song_ids: Sequence[int]) -> int:
    """Make a row for the curve of each song by the model that tagged it, where there is none; return how many."""
    return _rows_make(_missing().filter(song_id__in=list(song_ids)))


def curves_prepare() -> None:
    """Make rows for songs that have none by the model that serves, and drop what earlier models left undone."""
    if version := served_version():
        claims.pending(EmotionCurve.objects.exclude(model_version=version)).delete()
        _rows_make(_missing().filter(model_version=version)[:FILL_AT_ONCE])


def curve_step() -> bool:
    """Make one curve, or a part of it; return whether it came to an end."""
    predictor = predictor_get()
    for curve in CURVES.claim(model_version=predictor.card.version):
        with claims.released_on_error([curve]):
            try:
                return _make(curve, predictor)
            except AudioUnreadableError as error:
                fail_unreadable(curve, curve.song.audio, error)
                return True
    return False


def _rows() -> QuerySet[EmotionCurve]:
    curves = EmotionCurve.objects.filter(model_version=served_version()).select_related("song")
    return curves.none() if tagging_waits() else curves


CURVES = claims.register(
    claims.Kind(
        name="curves",
        model=EmotionCurve,
        task="emotion.tasks.curves_go_on",
        rows=_rows,
        step=curve_step,
        prepare=curves_prepare,
    )
)


def _make(curve: EmotionCurve, predictor: Predictor) -> bool:
    """Hear what is missing of one curve; return whether it was finished, and not left for something more urgent."""
    # Imported here because the model's libraries take seconds, and the web server must not wait for them.
    from emotion.curves.tracing import trace

    points, window_s, envelope = curve.points, curve.window_s, Envelope()
    with local_copy(curve.song.audio) as path:
        for batch in trace(path, predictor, hop_s=curve.hop_s, skip=len(points), envelope=envelope):
            points, window_s = np.concatenate([points, batch.points]), batch.window_s
            if tagging_waits():
                # It got on, so the attempts begin anew: only work that never comes to an end is given up.
                claims.release(curve, attempts=0, window_s=window_s, points_bytes=_packed(points))
                return False
            if not claims.renew(curve):
                return True
    waveform_store(song=curve.song, peaks=envelope.peaks())
    if np.isnan(points[:, 0]).all():
        raise AudioUnreadableError("silent", gettext_noop("There is no sound in it that the model could hear."))
    if claims.finish(curve, window_s=window_s, points_bytes=_packed(points)):
        logger.info("Made the curve of song %d: %d points.", curve.song_id, len(points))
    return True


def _packed(points: NDArray[np.float32]) -> bytes:
    return points.astype("<f4").tobytes()


def _missing() -> QuerySet[EmotionEstimate]:
    """Return current estimates of tagged songs that have no curve by the same version."""
    have = EmotionCurve.objects.filter(song=OuterRef("song"), model_version=OuterRef("model_version"))
    tagged = EmotionEstimate.objects.filter(~Exists(have), is_current=True, song__state=Song.State.ANALYSED)
    return tagged.order_by("song_id")


def _rows_make(estimates: QuerySet[EmotionEstimate]) -> int:
    wanted = estimates.values_list("song_id", "model_version", "song__duration_s")
    rows = [EmotionCurve(song_id=pk, model_version=version, hop_s=hop_for(long_s)) for pk, version, long_s in wanted]
    EmotionCurve.objects.bulk_create(rows, batch_size=500, ignore_conflicts=True)
    return len(rows)
