"""Analyses whole songs in the background for emotion curves and waveforms, while nothing more urgent waits.

A step takes one song. Between two batches of windows a curve gives way to songs that wait: it stores its points, and a
later step continues from there. What is decoded for a curve also serves the waveform, with loudness, tempo and key, and
`emotion.jobs.sounds`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext_noop

from catalog.core import claims
from catalog.files.storage import local_copy
from catalog.models import Song
from emotion.curves.curve import hop_for, times_s
from emotion.exceptions import AudioUnreadableError
from emotion.jobs.sounds import sound_heard
from emotion.measures import VERSION
from emotion.measures.highlight import highlight_of
from emotion.models import EmotionCurve, EmotionEstimate, Waveform
from emotion.selectors import analysis_waits, served_version
from emotion.services.analysis import fail_unreadable, predictor_get

if TYPE_CHECKING:
    from emotion.inference.predict import Predictor

logger = logging.getLogger(__name__)

# Rows that one tick adds: the songs of an old catalog follow piece by piece.
FILL_AT_ONCE = 2000


def curves_queue(*, song_ids: Sequence[int]) -> int:
    """Add a row for each song without a curve by the model that analysed it; return how many."""
    return _rows_make(_missing().filter(song_id__in=list(song_ids)))


def curves_prepare() -> None:
    """Add rows for songs without a curve by the serving model, and delete what earlier models left undone."""
    if version := served_version():
        claims.pending(EmotionCurve.objects.exclude(model_version=version)).delete()
        _rows_make(_missing().filter(model_version=version)[:FILL_AT_ONCE])


def curve_step() -> bool:
    """Make one curve, or a part of it; return whether it is finished."""
    predictor = predictor_get()
    for curve in CURVES.claim(model_version=predictor.card.version):
        with claims.released_on_error([curve]):
            try:
                return _make(curve, predictor)
            except AudioUnreadableError as error:
                fail_unreadable(curve, curve.song.audio, error)
                return True
    return False


def _make(curve: EmotionCurve, predictor: Predictor) -> bool:
    # Imported here because the model's libraries take seconds, and the web server must not wait for them.
    from emotion.curves.tracing import trace
    from emotion.measures.measuring import Measuring

    points, window_s = curve.points, curve.window_s
    measuring = Measuring(curve.song.duration_s)
    with local_copy(curve.song.audio) as path:
        for batch in trace(
            path,
            predictor,
            hop_s=curve.hop_s,
            skip=len(points),
            on_block=measuring.add_block,
            on_sound=measuring.add_sound,
        ):
            points, window_s = np.concatenate([points, batch.points]), batch.window_s
            if analysis_waits():
                # It made progress, so its attempts count from zero: only work that never ends is given up.
                claims.release(curve, attempts=0, window_s=window_s, points_bytes=points.astype("<f4").tobytes())
                return False
            if not claims.renew(curve):
                return True
    done = {**asdict(measuring.result()), "measures_version": VERSION, "state": Waveform.State.DONE, "claim": ""}
    Waveform.objects.update_or_create(song=curve.song, defaults=done)
    sound_heard(curve.song, measuring.excerpt)
    if np.isnan(points[:, 0]).all():
        raise AudioUnreadableError("silent", gettext_noop("It has no sound that the model can analyse."))
    curve.window_s, curve.points_bytes = window_s, points.astype("<f4").tobytes()
    highlight_s = _highlight(curve)
    if claims.finish(curve, window_s=window_s, points_bytes=curve.points_bytes, highlight_s=highlight_s):
        logger.info("Made the curve of song %d: %d points.", curve.song_id, len(points))
    return True


def _highlight(curve: EmotionCurve) -> float | None:
    at_s = times_s(len(curve.points), hop_s=curve.hop_s, window_s=curve.window_s)
    return highlight_of(curve.points, at_s, curve.song.duration_s)


def _missing() -> QuerySet[EmotionEstimate]:
    curves = EmotionCurve.objects.filter(song=OuterRef("song"), model_version=OuterRef("model_version"))
    analysed = EmotionEstimate.objects.filter(~Exists(curves), is_current=True, song__state=Song.State.ANALYSED)
    return analysed.order_by("song_id")


def _rows_make(estimates: QuerySet[EmotionEstimate]) -> int:
    wanted = estimates.values_list("song_id", "model_version", "song__duration_s")
    rows = [EmotionCurve(song_id=pk, model_version=version, hop_s=hop_for(long_s)) for pk, version, long_s in wanted]
    EmotionCurve.objects.bulk_create(rows, batch_size=500, ignore_conflicts=True)
    return len(rows)


def waveforms_prepare() -> None:
    """Add rows for analysed songs without a waveform, and have old ones measured again, which stay shown meanwhile.

    A waiting curve brings its song's waveform along.
    """
    pending = claims.pending(EmotionCurve.objects.filter(song=OuterRef("pk")))
    have = Waveform.objects.filter(song=OuterRef("pk"))
    songs = Song.objects.filter(~Exists(have), ~Exists(pending), state=Song.State.ANALYSED).order_by("pk")
    rows = [Waveform(song_id=pk) for pk in songs.values_list("pk", flat=True)[:FILL_AT_ONCE]]
    Waveform.objects.bulk_create(rows, ignore_conflicts=True)
    pending = claims.pending(EmotionCurve.objects.filter(song=OuterRef("song")))
    old = Waveform.objects.filter(~Exists(pending), state=Waveform.State.DONE, measures_version__lt=VERSION)
    claims.reset(Waveform.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:FILL_AT_ONCE])))


def waveform_step() -> bool:
    """Measure one song, and find the highlight of its older curves; return whether there was one."""
    from emotion.measures.measuring import measure_file

    for waveform in WAVEFORMS.claim():
        song = waveform.song
        with claims.released_on_error([waveform]), claims.renewed(waveform):
            try:
                with local_copy(song.audio) as path:
                    measures = measure_file(path, song.duration_s)
                claims.finish(waveform, measures_version=VERSION, **asdict(measures))
                for curve in EmotionCurve.objects.filter(song=song, state=EmotionCurve.DONE, highlight_s=None):
                    EmotionCurve.objects.filter(pk=curve.pk).update(highlight_s=_highlight(curve))
            except AudioUnreadableError as error:
                logger.info("Song %d has no waveform: %s", song.pk, error)
                fail_unreadable(waveform, song.audio, error)
        return True
    return False


def _curves() -> QuerySet[EmotionCurve]:
    curves = EmotionCurve.objects.filter(model_version=served_version()).select_related("song")
    return curves.none() if analysis_waits() else curves


def _waveforms() -> QuerySet[Waveform]:
    rows = Waveform.objects.select_related("song")
    return rows.none() if analysis_waits() or claims.due(EmotionCurve.objects.all()).exists() else rows


CURVES = claims.register(
    claims.Kind("curves", EmotionCurve, "emotion.tasks.curves_go_on", _curves, curve_step, curves_prepare)
)
WAVEFORMS = claims.register(
    claims.Kind("waveforms", Waveform, "emotion.tasks.waveforms_go_on", _waveforms, waveform_step, waveforms_prepare)
)
