"""Models that can serve, their estimates of songs, what people say of songs, and the jobs and workers behind them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Abs, Coalesce, Greatest, Least, Now, Sqrt
from django.utils.functional import lazy
from django.utils.translation import gettext_lazy, gettext_noop
from numpy.typing import NDArray

from catalog.core.claims import Job, JobState
from catalog.models import Song, SongChange
from emotion.inference.quadrants import CURATOR_CONFIDENCE, MODEL_CONFIDENCE_MAX, Quadrant

_CURRENT = models.Q(is_current=True)
_PENDING = models.Q(state__in=["waiting", "claimed"])
_UNIT = [MinValueValidator(-1.0), MaxValueValidator(1.0)]


_lazy_label: Callable[[Quadrant], Any] = lazy(lambda quadrant: quadrant.label, str)


def quadrant_choices() -> list[tuple[int, str]]:
    """Return the quadrants' numbers and names, such as (1, "Happy"); a name is looked up when it is shown."""
    return [(quadrant.value, _lazy_label(quadrant)) for quadrant in Quadrant]


def quadrant_name_choices() -> list[tuple[str, str]]:
    """Return the quadrants' codes and names, such as ("Q1", "Happy")."""
    return [(quadrant.name, _lazy_label(quadrant)) for quadrant in Quadrant]


class ModelVersion(models.Model):
    """A trained model whose files are in the models' directory; at most one is live. `training` writes it."""

    class State(models.TextChoices):
        IMPORTED = "imported", gettext_lazy("Imported")
        LIVE = "live", gettext_lazy("Live")
        RETIRED = "retired", gettext_lazy("Retired")
        REFUSED = "refused", gettext_lazy("Refused")

    class Origin(models.TextChoices):
        SHIPPED = "shipped", gettext_lazy("Bundled")
        RUN = "run", gettext_lazy("Training run")
        FILE = "file", gettext_lazy("Weights file")
        RETRAINED = "retrained", gettext_lazy("Retrained here")

    version = models.CharField(max_length=80, unique=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.IMPORTED, db_index=True)
    origin = models.CharField(max_length=10, choices=Origin.choices)
    weights_sha256 = models.CharField(max_length=64)
    card = models.JSONField(help_text="The whole card at the import.")
    report = models.JSONField(default=dict, blank=True, help_text="Scores, curves and calibration that pages draw.")
    gate = models.JSONField(
        default=dict, blank=True, help_text="The verdicts, and the live model that they compare with."
    )
    live_before = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="The model that a rollback restores.",
    )
    imported_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    imported_at = models.DateTimeField(auto_now_add=True)
    live_since = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["state"], condition=models.Q(state="live"), name="model_one_live")
        ]

    def __str__(self) -> str:
        return self.version

    @property
    def folder(self) -> Path:
        return Path(settings.MOODPLANE_MODELS_DIR) / self.version

    @property
    def weights(self) -> Path:
        return self.folder / f"{self.version}.safetensors"

    @property
    def predictions(self) -> Path:
        """What the model predicted for its held-out clips, if that came with it."""
        return self.folder / f"{self.version}.predictions.npz"


# Probabilities of the high side of an axis between which the model is undecided about it.
UNDECIDED = (0.4, 0.6)
# The uncertainty of an estimate that was stored without one, before 0.3.
UNKNOWN_SD = 0.35
# What counts of a song: the model's answer, or a curator's override.
EFFECTIVE = ("effective_quadrant", "effective_valence", "effective_arousal", "effective_confidence", "is_overridden")


class EstimateQuerySet(models.QuerySet["EmotionEstimate"]):
    def with_effective(self) -> models.QuerySet[Any]:
        """Annotate the names of `EFFECTIVE`; this alone decides which value counts.

        On an axis where the model's point lies outside the curator's quadrant, what counts is the mean of the model's
        density inside it; an override has no probability and counts as 1.
        """
        overridden = models.Q(override__quadrant__isnull=False)
        current = models.Q(song__overrides__is_current=True)
        # The type checker does not know the names that this adds.
        estimates: Any = self.alias(override=models.FilteredRelation("song__overrides", condition=current))
        return estimates.annotate(
            effective_quadrant=Coalesce("override__quadrant", "quadrant"),
            effective_valence=_inside("valence", axis=0),
            effective_arousal=_inside("arousal", axis=1),
            effective_confidence=models.Case(
                models.When(overridden, then=models.Value(CURATOR_CONFIDENCE)),
                default=Least(Greatest("p_q1", "p_q2", "p_q3", "p_q4"), MODEL_CONFIDENCE_MAX),
            ),
            is_overridden=models.ExpressionWrapper(overridden, output_field=models.BooleanField()),
        )


def _inside(name: str, *, axis: int) -> models.Case:
    """Return an axis of the point that counts, where `override` is the current override.

    Of a normal density with mean m and standard deviation s, the part beyond 0 has a mean (sqrt(m^2 + 8 s^2) - |m|) / 4
    from it, to within 12 %.

    Source: Sampford (1953), Some inequalities on Mill's ratio and related functions.
    """
    high = [quadrant.value for quadrant in Quadrant if quadrant.corner[axis] > 0]
    mean, sd = models.F(name), Coalesce(f"{name}_sd", UNKNOWN_SD)
    beyond = (Sqrt(mean * mean + 8.0 * sd * sd) - Abs(mean)) / 4.0
    is_high = models.Q(override__quadrant__in=high)
    return models.Case(
        models.When(is_high & models.Q(**{f"{name}__lte": 0}), then=beyond),
        models.When(
            ~is_high & models.Q(override__quadrant__isnull=False) & models.Q(**{f"{name}__gt": 0}), then=-beyond
        ),
        default=mean,
    )


class EmotionEstimate(models.Model):
    """What one model version says of one song; at most one estimate of a song is current.

    Overrides never change these columns. The `effective_*` values count: `with_effective()` brings them along, and
    without it the first of them costs a query.
    """

    song = models.ForeignKey(Song, on_delete=models.CASCADE, related_name="estimates")
    model_version = models.CharField(max_length=80)
    is_current = models.BooleanField(default=True)

    quadrant = models.PositiveSmallIntegerField(choices=quadrant_choices())
    p_q1 = models.FloatField()
    p_q2 = models.FloatField()
    p_q3 = models.FloatField()
    p_q4 = models.FloatField()
    valence = models.FloatField(help_text="Perceived, -1 to 1.")
    arousal = models.FloatField(help_text="Perceived, -1 to 1.")
    valence_sd = models.FloatField(null=True, help_text="Uncertainty of the valence; empty in estimates before 0.3.")
    arousal_sd = models.FloatField(null=True, help_text="Uncertainty of the arousal; empty in estimates before 0.3.")
    embedding_bytes = models.BinaryField(help_text="float32, little-endian, L2-normalised.")

    window_start_s = models.FloatField()
    window_s = models.FloatField(help_text="Seconds of audio that the network reads.")
    is_partial = models.BooleanField(default=False, help_text="The song was shorter than the model's window.")

    engine = models.CharField(max_length=20)
    device = models.CharField(max_length=40)
    decode_ms = models.FloatField()
    mel_ms = models.FloatField()
    network_ms = models.FloatField(help_text="The batch's time divided by its size.")
    analysed_at = models.DateTimeField(db_default=Now())
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = EstimateQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["song", "model_version"], name="estimate_unique_per_song_and_version"),
            models.UniqueConstraint(fields=["song"], condition=_CURRENT, name="estimate_one_current_per_song"),
        ]
        indexes = [
            models.Index(fields=["quadrant", "song"], condition=_CURRENT, name="estimate_current_quadrant"),
            # Read alone by the rules of song lists.
            models.Index(fields=["valence", "arousal", "song"], condition=_CURRENT, name="estimate_current_point"),
            # A search reads the estimates that are newer than the index.
            models.Index(fields=["-updated_at"], condition=_CURRENT, name="estimate_current_newest"),
            models.Index(fields=["-analysed_at"], condition=_CURRENT, name="estimate_current_analysed"),
            # Read alone, in the order of the songs: which are in a quadrant, and which of a list have changed.
            models.Index(
                fields=["song"], include=["updated_at", "quadrant"], condition=_CURRENT, name="estimate_current_written"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.song_id}: {Quadrant(self.quadrant).name} by {self.model_version}"

    @property
    def probabilities(self) -> tuple[float, float, float, float]:
        return self.p_q1, self.p_q2, self.p_q3, self.p_q4

    @property
    def between(self) -> list[Quadrant]:
        """The quadrants between which the model is undecided: two or all four; none where both axes are clear."""
        high = (self.p_q1 + self.p_q4, self.p_q1 + self.p_q2)
        clear = [(axis, p > 0.5) for axis, p in enumerate(high) if not UNDECIDED[0] < p < UNDECIDED[1]]
        alike = [quadrant for quadrant in Quadrant if all((quadrant.corner[axis] > 0) == side for axis, side in clear)]
        return alike if len(alike) > 1 else []

    @property
    def confidence(self) -> float:
        """Probability of the model's quadrant, below 1."""
        return min(max(self.probabilities), MODEL_CONFIDENCE_MAX)

    # The quadrant, valence, arousal and confidence that count, and whether a curator set them. An annotation of the
    # same name takes the place of each; a confidence of 1.0, which no model reaches, is a curator's.
    effective_quadrant = cached_property[int](lambda self: self._effective["effective_quadrant"])
    effective_valence = cached_property[float](lambda self: self._effective["effective_valence"])
    effective_arousal = cached_property[float](lambda self: self._effective["effective_arousal"])
    effective_confidence = cached_property[float](lambda self: self._effective["effective_confidence"])
    is_overridden = cached_property[bool](lambda self: self._effective["is_overridden"])

    @cached_property
    def _effective(self) -> dict[str, Any]:
        return EmotionEstimate.objects.with_effective().values(*EFFECTIVE).get(pk=self.pk)

    @property
    def embedding(self) -> NDArray[np.float32]:
        """L2-normalised embedding, `(n,)`."""
        return np.frombuffer(bytes(self.embedding_bytes), dtype="<f4")


class AnalysisWorker(models.Model):
    """A worker process that analyses songs, as it last reported itself."""

    name = models.CharField(max_length=200, unique=True)
    device = models.CharField(max_length=100, help_text="The device in use, such as cpu or cuda:0 NVIDIA H200.")
    engine = models.CharField(max_length=20)
    model_version = models.CharField(max_length=80, blank=True, help_text="Empty while none could be loaded.")
    problem = models.TextField(blank=True, help_text="Why the live model could not be loaded, in a sentence.")
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name} on {self.device}"


class Reanalysis(models.Model):
    """A re-analysis of the catalog by a new live model; a song's old estimate serves until its new one exists."""

    class State(models.TextChoices):
        RUNNING = "running", gettext_lazy("Running")
        PAUSED = "paused", gettext_lazy("Paused")
        CANCELLED = "cancelled", gettext_lazy("Cancelled")
        SUPERSEDED = "superseded", gettext_lazy("Superseded")
        DONE = "done", gettext_lazy("Done")

    ACTIVE = (State.RUNNING, State.PAUSED)

    model_version = models.CharField(max_length=80)
    state = models.CharField(max_length=10, choices=State.choices, default=State.RUNNING)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    problem = models.TextField(blank=True, help_text="Why it makes no progress, in a sentence.")
    n_adopted = models.PositiveIntegerField(default=0, help_text="Songs that this version analysed earlier.")
    n_done = models.PositiveIntegerField(default=0, help_text="Written when it ends; until then the items are counted.")
    n_failed = models.PositiveIntegerField(default=0)
    n_total = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "reanalyses"

    def __str__(self) -> str:
        return f"Re-analysis by {self.model_version}: {self.state}"

    @property
    def is_active(self) -> bool:
        return self.state in self.ACTIVE


class ReanalysisItem(Job):
    """One song of a re-analysis."""

    State = JobState

    reanalysis = models.ForeignKey(Reanalysis, on_delete=models.CASCADE, related_name="items")
    song = models.ForeignKey(Song, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["reanalysis", "song"], name="reanalysis_item_unique_per_song")]
        indexes = [models.Index(fields=["reanalysis", "state", "due_at"], name="reanalysis_item_next")]

    def __str__(self) -> str:
        return f"{self.song_id}: {self.state}"


class SongJob(Job):
    """Work of the model on one song beyond its estimate: one row per song and version."""

    State = JobState
    PENDING = (JobState.WAITING, JobState.CLAIMED)

    song = models.ForeignKey(Song, on_delete=models.CASCADE, related_name="%(class)ss")
    model_version = models.CharField(max_length=80)

    class Meta:
        abstract = True
        constraints = [
            models.UniqueConstraint(fields=["song", "model_version"], name="%(class)s_unique_per_song_and_version")
        ]
        indexes = [models.Index(fields=["model_version", "due_at"], condition=_PENDING, name="%(class)s_next")]

    def __str__(self) -> str:
        return f"{self.song_id}: {self.state} by {self.model_version}"

    @property
    def is_pending(self) -> bool:
        return self.state in self.PENDING


class EmotionCurve(SongJob):
    """The perceived emotion of one song over its length, by one model version."""

    hop_s = models.FloatField(help_text="Seconds from one point to the next.")
    window_s = models.FloatField(default=0.0, help_text="Seconds of audio behind each point.")
    points_bytes = models.BinaryField(
        default=bytes, help_text="float32, little-endian, rows of valence, arousal, p1 to p4; NaN where it is silent."
    )
    highlight_s = models.FloatField(
        null=True, blank=True, help_text="Where the part begins that stands for the song; empty while unknown."
    )

    @property
    def points(self) -> NDArray[np.float32]:
        """`(n, 6)`: valence, arousal and the probabilities of Q1 to Q4; the beginning while it is being made."""
        return np.frombuffer(bytes(self.points_bytes), dtype="<f4").reshape(-1, 6)


class Waveform(Job):
    """What is measured of a song without a model: how loud it is over its length and as a whole, its tempo and key."""

    State = JobState
    # A disk that is missing for a minute is often missing for longer, and nothing waits for this.
    RETRY_S = 3600.0

    song = models.OneToOneField(Song, on_delete=models.CASCADE, related_name="waveform")
    peaks_bytes = models.BinaryField(
        default=bytes, help_text="uint8, equal parts of the song; 255 is its loudest part."
    )
    loudness_lufs = models.FloatField(
        null=True, blank=True, help_text="Integrated, by EBU R 128, of all channels; empty where it is silent."
    )
    true_peak_dbtp = models.FloatField(
        null=True, blank=True, help_text="The highest true peak of all channels, in dB of full scale."
    )
    bpm = models.FloatField(null=True, blank=True, help_text="Beats per minute; empty without a steady beat.")
    bpm_other = models.FloatField(
        null=True, blank=True, help_text="Half or double of it, where that is nearly as likely."
    )
    bpm_confidence = models.FloatField(
        null=True, blank=True, help_text="The share of its windows that agree, 0.5 to 1."
    )
    key = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="0 to 11: major from C in semitones, 12 to 23: minor; empty without a key."
    )
    key_confidence = models.FloatField(
        null=True, blank=True, help_text="How much its notes resemble those of the key, 0.6 to 1."
    )
    measures_version = models.PositiveSmallIntegerField(
        default=0, help_text="Of the way in which loudness, tempo and key were measured; 0 before they were."
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(key__isnull=True) | models.Q(key__lte=23), name="waveform_key")
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=_PENDING, name="waveform_next"),
            models.Index(fields=["measures_version"], name="waveform_by_measures"),
            # Read alone by the filters of song lists.
            models.Index(fields=["bpm", "song"], condition=models.Q(bpm__isnull=False), name="waveform_by_bpm"),
            models.Index(fields=["key", "song"], condition=models.Q(key__isnull=False), name="waveform_by_key"),
        ]

    def __str__(self) -> str:
        return f"{self.song_id}: {len(self.peaks_bytes)} parts"

    @property
    def peaks(self) -> NDArray[np.uint8]:
        """`(n,)`, 0 to 255; empty where the file could not be read."""
        return np.frombuffer(bytes(self.peaks_bytes), np.uint8)


class SoundPrint(Job):
    """The fingerprint of a song, by which the same recording is found in other files; no model has a part in it."""

    State = JobState
    RETRY_S = 3600.0

    song = models.OneToOneField(Song, on_delete=models.CASCADE, related_name="sound_print")
    duration_s = models.FloatField(default=0.0, help_text="As it was heard.")
    peaks_bytes = models.BinaryField(default=bytes, help_text="As emotion.signal.fingerprint.pack writes them.")
    keys_bytes = models.BinaryField(default=bytes, help_text="int32, little-endian; songs without a common one differ.")

    class Meta:
        indexes = [
            models.Index(fields=["due_at"], condition=_PENDING, name="sound_print_next"),
            models.Index(fields=["duration_s"], condition=models.Q(state="done"), name="sound_print_by_length"),
        ]

    def __str__(self) -> str:
        return f"{self.song_id}: {len(self.peaks_bytes)} bytes"


class TagWriting(Job):
    """That tags are to be written into a song's file, or given back; a curator asked for it, and a worker does it."""

    State = JobState
    PENDING = (JobState.WAITING, JobState.CLAIMED)

    song = models.OneToOneField(Song, on_delete=models.CASCADE, related_name="tag_writing")
    is_restoring = models.BooleanField(default=False)
    options = models.JSONField(default=dict, help_text="As emotion.services.file_tags.Options has them.")
    n_changed = models.PositiveSmallIntegerField(default=0, help_text="Names in the tags that changed.")
    remark = models.TextField(blank=True, help_text="Which files in folders could not follow, in sentences.")

    class Meta:
        indexes = [models.Index(fields=["due_at"], condition=_PENDING, name="tag_writing_next")]

    def __str__(self) -> str:
        return f"{self.song_id}: {self.state}"


class Webhook(models.Model):
    """An address that is told of every song that is analysed; an operator names it."""

    url = models.URLField(max_length=500, unique=True)
    secret = models.TextField(help_text="By which receivers know that a message is from here; encrypted.")
    may_be_private = models.BooleanField(default=False, help_text="Whether it may lie in this machine's own network.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.url


class WebhookDelivery(Job):
    """That a song was analysed, on its way to one webhook."""

    # Over some two days: see `emotion.jobs.webhooks.WAITS_S`.
    MAX_ATTEMPTS = 8
    LOST = gettext_noop("Sending this message was started eight times and never finished.")

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    song = models.ForeignKey(Song, on_delete=models.CASCADE, related_name="webhook_deliveries")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["webhook", "song"], name="webhook_delivery_once")]
        indexes = [models.Index(fields=["due_at"], condition=_PENDING, name="webhook_delivery_next")]

    def __str__(self) -> str:
        return f"{self.song_id} to {self.webhook_id}: {self.state}"


class SaliencyMap(SongJob):
    """Where the network looked when one model version analysed a song; made on request."""

    quadrant = models.PositiveSmallIntegerField(
        choices=quadrant_choices(), null=True, blank=True, help_text="The quadrant that the map explains."
    )
    window_start_s = models.FloatField(default=0.0)
    window_s = models.FloatField(default=0.0)
    n_rows = models.PositiveSmallIntegerField(default=0)
    heat_bytes = models.BinaryField(default=bytes, help_text="float32, little-endian, rows from low to high pitch.")
    weighed = models.JSONField(default=dict, blank=True, help_text="Seconds and bands that stand out, heaviest first.")

    @property
    def heat(self) -> NDArray[np.float32]:
        """`(n_rows, n_columns)` in [0, 1]: rows from low to high pitch, columns over the window."""
        return np.frombuffer(bytes(self.heat_bytes), dtype="<f4").reshape(max(self.n_rows, 1), -1)


class PerceivedLabel(models.Model):
    """What a person says that a song expresses; retraining learns from these and never from felt ratings."""

    song = models.ForeignKey(Song, on_delete=models.CASCADE, related_name="perceived_labels")
    rater = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="perceived_labels")
    quadrant = models.PositiveSmallIntegerField(choices=quadrant_choices())
    valence = models.FloatField(null=True, blank=True, validators=_UNIT)
    arousal = models.FloatField(null=True, blank=True, validators=_UNIT)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-updated_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["rater", "song"], name="perceived_label_unique_per_rater_and_song"),
            models.CheckConstraint(
                condition=models.Q(valence__isnull=True, arousal__isnull=True)
                | models.Q(valence__range=(-1, 1), arousal__range=(-1, 1)),
                name="perceived_label_both_axes_in_range",
            ),
        ]

    def __str__(self) -> str:
        return f"{Quadrant(self.quadrant).name} for {self.song_id} by {self.rater_id}"


class QuadrantOverride(models.Model):
    """A curator's quadrant of one song, or that the model's counts again; at most one row of a song is current."""

    song = models.ForeignKey(Song, on_delete=models.CASCADE, related_name="overrides", db_index=False)
    change = models.ForeignKey(SongChange, on_delete=models.CASCADE, related_name="overrides")
    quadrant = models.PositiveSmallIntegerField(
        choices=quadrant_choices(), null=True, blank=True, help_text="Empty: the model's answer counts again."
    )
    before = models.PositiveSmallIntegerField(
        choices=quadrant_choices(), null=True, blank=True, help_text="Counted before; empty without an estimate."
    )
    was_set = models.BooleanField(default=False, help_text="Whether a curator had set what counted before.")
    note = models.CharField(max_length=300, blank=True)
    is_current = models.BooleanField(default=True)
    changed_at = models.DateTimeField(
        auto_now=True, help_text="When it was made, or last became or ceased to be current; the index follows it."
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["song"], condition=_CURRENT, name="override_one_current_per_song")
        ]
        indexes = [
            models.Index(fields=["song", "-changed_at"], name="override_by_song"),
            models.Index(fields=["-changed_at"], name="override_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.song_id}: {Quadrant(self.quadrant).name if self.quadrant else 'as the model says'}"
