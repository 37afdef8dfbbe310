"""Reads of models, estimates, labels and workers."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.db.models import Count, Max, Min, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.utils import timezone
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from catalog.core import claims
from catalog.core.caching import cached_while_large
from catalog.models import Song
from emotion.curves.curve import Section, sections, sentence
from emotion.curves.curve import times_s as curve_times_s
from emotion.exceptions import CurveError, CurveNotFoundError, LabelNotFoundError
from emotion.inference.estimate import Reading
from emotion.inference.quadrants import Quadrant
from emotion.models import (
    AnalysisWorker,
    EmotionCurve,
    EmotionEstimate,
    ModelVersion,
    PerceivedLabel,
    QuadrantOverride,
    Reanalysis,
    ReanalysisItem,
    SaliencyMap,
    Waveform,
)

# Workers report every five seconds; some reports may be late before one counts as gone.
WORKER_ALIVE_S = 30


class ServedModel(NamedTuple):
    """The weights that workers should have loaded; `version` is empty where no model is registered."""

    weights: Path | None
    sha256: str = ""
    version: str = ""


def served_model() -> ServedModel:
    """Return the model that serves: the one MOODPLANE_WEIGHTS names, else the live one, else the shipped one."""
    live = None if settings.MOODPLANE_WEIGHTS_PINNED else live_model()
    if live is not None:
        return ServedModel(live.weights, live.weights_sha256, live.version)
    return ServedModel(Path(settings.MOODPLANE_WEIGHTS) if settings.MOODPLANE_WEIGHTS else None)


def served_card() -> dict[str, Any]:
    """Return the card of the model that serves; empty when there is none."""
    weights = served_model().weights
    try:
        card: dict[str, Any] = json.loads(weights.with_suffix(".json").read_text()) if weights else {}
    except (OSError, ValueError):
        return {}
    return card


def served_version() -> str:
    """Return the version that serves, read from its card where it is not registered; empty when there is none."""
    return served_model().version or str(served_card().get("version", ""))


def live_model() -> ModelVersion | None:
    """Return the live model's row."""
    return ModelVersion.objects.filter(state=ModelVersion.State.LIVE).first()


def prevailing_model_version() -> str:
    """Return the version that made most of the current estimates, of two equal ones the newer; empty without any.

    An index has one version's embeddings, and should have those of most songs.
    """
    return _most_made()[0]


@cached_while_large(size=lambda made: made[1])
def _most_made() -> tuple[str, int]:
    made = EmotionEstimate.objects.filter(is_current=True).order_by().values_list("model_version")
    row = made.annotate(n=Count("pk"), newest=Max("updated_at")).order_by("-n", "-newest").first()
    return (str(row[0]), int(row[1])) if row else ("", 0)


def current_estimate(song: Song) -> EmotionEstimate | None:
    """Return the current estimate of a song, if it has one."""
    return song.estimates.filter(is_current=True).with_effective().first()


def workers_alive() -> list[AnalysisWorker]:
    """Return the analysis workers that reported within `WORKER_ALIVE_S`."""
    return list(AnalysisWorker.objects.filter(seen_at__gte=timezone.now() - timedelta(seconds=WORKER_ALIVE_S)))


def analysis_waits() -> bool:
    """Return whether something more urgent than a curve waits: songs, a re-analysis, or a person at a page."""
    return (
        claims.due(Song.objects.all()).exists()
        or Reanalysis.objects.filter(state=Reanalysis.State.RUNNING).exists()
        or claims.due(SaliencyMap.objects.all()).exists()
    )


def throughput() -> tuple[int, float]:
    """Return the songs analysed in the last ten minutes, and how many a minute since the first of them."""
    now = timezone.now()
    recent = EmotionEstimate.objects.filter(is_current=True, analysed_at__gte=now - timedelta(minutes=10))
    counted = recent.aggregate(n=Count("pk"), first=Min("analysed_at"))
    return counted["n"], counted["n"] * 60.0 / max((now - (counted["first"] or now)).total_seconds(), 1.0)


def songs_with_estimates() -> QuerySet[Song]:
    """Return songs, newest first, each with its current estimate (or none) in the list `current_estimates`."""
    return Song.objects.select_related("artist", "album__artist").prefetch_related(current_estimates()).order_by("-id")


def current_estimates(lookup: str = "estimates") -> Prefetch[str, QuerySet[EmotionEstimate], str]:
    """Return the prefetch of songs' current estimates into the list `current_estimates`.

    Each has what counts of it, and `highlight_s`.
    """
    return Prefetch(lookup, _current_with_effective().all(), to_attr="current_estimates")


@cache
def _current_with_effective() -> QuerySet[Any]:
    # To build the query takes longer than to run it for a page of songs.
    estimates = EmotionEstimate.objects.filter(is_current=True).with_effective().defer("embedding_bytes")
    return with_highlight(estimates)


def with_highlight(estimates: QuerySet[Any]) -> QuerySet[Any]:
    """Annotate `highlight_s`, from the curve by the model of each estimate; None while there is none."""
    curves = EmotionCurve.objects.filter(song=OuterRef("song"), model_version=OuterRef("model_version"))
    return estimates.annotate(highlight_s=Subquery(curves.values("highlight_s")[:1]))


def waveforms_within(
    *, bpm_from: int | None = None, bpm_to: int | None = None, key: int | None = None
) -> QuerySet[Waveform]:
    """Return the waveforms of songs between two tempi, rounded as pages show them, and in a key, as far as given."""
    rows = Waveform.objects.all()
    if bpm_from is not None:
        rows = rows.filter(bpm__gte=bpm_from - 0.5)
    if bpm_to is not None:
        rows = rows.filter(bpm__lt=bpm_to + 0.5)
    return rows if key is None else rows.filter(key=key)


def songs_in_quadrant(songs: QuerySet[Song], quadrant: Quadrant) -> QuerySet[Song]:
    """Keep the songs whose effective quadrant this is."""
    # Not by `with_effective()`, whose join reads and sorts every song before the first page. The few overrides are
    # hashed instead, and an index on the estimates is read in the order of the songs, only as far as the page goes.
    overrides = QuadrantOverride.objects.filter(is_current=True, quadrant__isnull=False)
    by_model = Q(quadrant=quadrant.value) & ~Q(song__in=overrides.values("song"))
    by_curator = Q(song__in=overrides.filter(quadrant=quadrant.value).values("song"))
    return songs.filter(pk__in=EmotionEstimate.objects.filter(by_model | by_curator, is_current=True).values("song"))


def songs_in_quadrant_count(songs: QuerySet[Song], quadrant: Quadrant) -> int:
    """Count the songs whose effective quadrant this is."""
    # Counting by the model's quadrant reads an index; corrected by the few overrides, it takes half as long as
    # counting `songs_in_quadrant`.
    songs = songs.order_by()
    n_by_model = songs.filter(estimates__is_current=True, estimates__quadrant=quadrant.value).count()
    overridden = songs.filter(estimates__is_current=True, overrides__is_current=True, overrides__quadrant__isnull=False)
    moved = overridden.aggregate(
        away=Count("pk", filter=Q(estimates__quadrant=quadrant.value)),
        here=Count("pk", filter=Q(overrides__quadrant=quadrant.value)),
    )
    return n_by_model - int(moved["away"]) + int(moved["here"])


class ReanalysisProgress(NamedTuple):
    """Songs of a re-analysis by state, and its speed over the last ten minutes."""

    job: Reanalysis
    done: int
    failed: int
    total: int
    per_minute: float

    @property
    def handled(self) -> int:
        return self.done + self.failed

    @property
    def left(self) -> int:
        return self.total - self.handled

    @property
    def eta_s(self) -> float | None:
        """Seconds to go; None while the speed is unknown."""
        return self.left / self.per_minute * 60 if self.left and self.per_minute else None


def reanalysis_latest() -> ReanalysisProgress | None:
    """Return the newest re-analysis and how far it got."""
    job = Reanalysis.objects.select_related("started_by").first()
    if job is None:
        return None
    if not job.is_active:
        return ReanalysisProgress(job, job.n_done, job.n_failed, job.n_total, 0.0)
    states = dict(job.items.order_by().values_list("state").annotate(n=Count("pk")))
    done, failed = (states.get(state, 0) for state in (ReanalysisItem.DONE, ReanalysisItem.FAILED))
    now = timezone.now()
    since = max(now - timedelta(minutes=10), job.started_at)
    recent = job.items.filter(state=ReanalysisItem.DONE, state_changed_at__gte=since).count()
    per_minute = recent * 60.0 / max((now - since).total_seconds(), 1.0)
    return ReanalysisProgress(job, done, failed, sum(states.values()), per_minute)


def reanalysis_failures(job: Reanalysis) -> list[ReanalysisItem]:
    """Return the first twenty songs that failed in a re-analysis; they keep their older estimates."""
    failed = job.items.filter(state=ReanalysisItem.FAILED).select_related("song__artist")
    return list(failed.order_by("song_id")[:20])


def label_of(user: AbstractBaseUser | AnonymousUser, song: Song) -> PerceivedLabel | None:
    """Return a person's label of a song, if any; an anonymous visitor has none."""
    return PerceivedLabel.objects.filter(rater_id=user.pk, song=song).first() if user.is_authenticated else None


def label_visible(user: User, pk: int) -> PerceivedLabel:
    """Return a label to the person who gave it.

    Raises:
        LabelNotFoundError: There is none, or it is another person's.
    """
    label = PerceivedLabel.objects.filter(rater=user, pk=pk).select_related("song").first()
    if label is None:
        raise LabelNotFoundError(_("This label does not exist or is not yours."))
    return label


def curve_of(estimate: EmotionEstimate) -> EmotionCurve | None:
    """Return the row of a song's curve by the model that made an estimate; never that of another model.

    Its `reading` is what the model's card holds of that name.
    """
    card = ModelVersion.objects.filter(version=OuterRef("model_version")).values("card__reading")
    curves = EmotionCurve.objects.filter(song=estimate.song_id, model_version=estimate.model_version)
    return curves.annotate(reading=Subquery(card[:1])).first()


def curve_visible(song: Song, estimate: EmotionEstimate | None = None) -> EmotionCurve | None:
    """Return a song's curve once it is done, or None while it waits; `estimate` saves reading the current one.

    Raises:
        CurveNotFoundError: The song has no estimate, or one by a model that no longer serves and never made its curve.
        CurveError: The curve could not be made; the code and the sentence say why.
    """
    estimate = estimate or current_estimate(song)
    if estimate is None:
        raise CurveNotFoundError(
            _("Song %(song)d has not been analysed (%(state)s); its curve is computed after the analysis.")
            % {"song": song.pk, "state": song.get_state_display().lower()}
        )
    curve = curve_of(estimate)
    if curve is None and estimate.model_version != served_version():
        raise CurveNotFoundError(
            _(
                "Song %(song)d was analysed by model %(version)s, which no longer serves, before "
                "curves existed: analyse it again to get one."
            )
            % {"song": song.pk, "version": estimate.model_version}
        )
    if curve is not None and curve.state == EmotionCurve.FAILED:
        raise CurveError(curve.failure_code, _(curve.failure_reason))
    return curve if curve is not None and curve.state == EmotionCurve.DONE else None


class CurveReading(NamedTuple):
    """A finished curve as pages and the API read it."""

    times_s: NDArray[np.float64]  # `(n,)`, the middle of each point's window.
    points: NDArray[np.float32]  # `(n, 6)`: valence, arousal, probabilities; rows of NaN where the song is silent.
    sd: NDArray[np.floating]  # `(n, 2)`: how uncertain valence and arousal are.
    sections: tuple[Section, ...]  # The stretches of the song that carry one emotion.
    sentence: str  # The same in words.


def curve_read(curve: EmotionCurve, *, duration_s: float) -> CurveReading:
    """Read the stored points of a finished curve that `curve_of` returned."""
    points = curve.points
    times_s = curve_times_s(len(points), hop_s=curve.hop_s, window_s=curve.window_s)
    parts = sections(points[:, 2:], times_s, duration_s)
    raw = getattr(curve, "reading", None)
    if raw is None and settings.MOODPLANE_WEIGHTS_PINNED and curve.model_version == served_version():
        # Weights that a setting names are in no row.
        raw = served_card().get("reading")
    reading = Reading.from_json(raw)
    return CurveReading(times_s, points, reading.uncertainty(points[:, :2]), parts, sentence(parts))


def waveform_read(song: Song) -> tuple[NDArray[np.uint8], tuple[Section, ...]]:
    """Return a song's loudness, as `Waveform.peaks`, and its sections; either is empty while it is unknown."""
    waveform = Waveform.objects.filter(song=song).first()
    curve = None
    with suppress(CurveError, CurveNotFoundError):
        curve = curve_visible(song)
    parts = curve_read(curve, duration_s=song.duration_s).sections if curve else ()
    return waveform.peaks if waveform else np.zeros(0, np.uint8), parts


def saliency_of(estimate: EmotionEstimate) -> SaliencyMap | None:
    """Return where the network looked when it made an estimate, if that was requested."""
    maps = SaliencyMap.objects.filter(song=estimate.song_id, model_version=estimate.model_version)
    return maps.select_related("song").first()
