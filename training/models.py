"""Events of models, and the retrainings that make new ones; the models themselves are rows of `emotion`."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext, gettext_lazy, gettext_noop

from catalog.core.claims import WORKER_LOST, Job
from emotion.models import ModelVersion


class ModelEvent(models.Model):
    """One event of a model, with its author and reason; never changed, never deleted."""

    class Kind(models.TextChoices):
        IMPORTED = "imported", gettext_lazy("Imported")
        CHECKED = "checked", gettext_lazy("Checked at the gate")
        SHIPPED = "shipped", gettext_lazy("Live since the first start")
        PROMOTED = "promoted", gettext_lazy("Promoted")
        FORCED = "forced", gettext_lazy("Promoted over the gate")
        ROLLED_BACK = "rolled_back", gettext_lazy("Rolled back to")

    model = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    before = models.ForeignKey(
        ModelVersion, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", help_text="Live until then."
    )
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    reason = models.TextField(blank=True)
    gate = models.JSONField(default=dict, blank=True, help_text="The verdicts as they stood then.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.model_id}"


class Retraining(Job):
    """One training on local labels; at most one is under way."""

    class State(models.TextChoices):
        QUEUED = "queued", gettext_lazy("Queued")
        RUNNING = "running", gettext_lazy("Running")
        DONE = "done", gettext_lazy("Done")
        SKIPPED = "skipped", gettext_lazy("Skipped")
        REFUSED = "refused", gettext_lazy("Refused")
        FAILED = "failed", gettext_lazy("Failed")

    ACTIVE = (State.QUEUED, State.RUNNING)
    WAITING, CLAIMED, DONE, FAILED = State.QUEUED, State.RUNNING, State.DONE, State.FAILED
    LEASE_S = 90.0
    MAX_ATTEMPTS = 1
    LOST_TEMPLATE = gettext_noop(
        "Its process has not reported for %(seconds)d s and ended without a message: it was killed, ran out of "
        "memory, or the machine stopped. See the worker's log; then start it again."
    )
    LOST = LOST_TEMPLATE % {"seconds": round(LEASE_S)}

    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    recipe = models.CharField(max_length=10, help_text="A name in the registry of recipes.")
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    fingerprint = models.CharField(max_length=64, blank=True, help_text="Of data sets, labels and recipe.")
    log = models.TextField(blank=True, help_text="What it said, a line at a time.")
    outcome = models.TextField(blank=True, help_text="How it ended, in a sentence, unless it failed.")
    model = models.ForeignKey(
        ModelVersion, on_delete=models.SET_NULL, null=True, blank=True, related_name="retrainings"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                models.Value(1), condition=models.Q(state__in=["queued", "running"]), name="retraining_one_at_a_time"
            ),
        ]

    def __str__(self) -> str:
        return f"Retraining {self.pk}: {self.state}"

    @property
    def is_active(self) -> bool:
        """Whether it is queued or running."""
        return self.state in self.ACTIVE

    @property
    def ending(self) -> str:
        """The outcome in a sentence, in the reader's language; empty while it is active."""
        if self.failure_code == WORKER_LOST:
            return gettext(self.LOST_TEMPLATE) % {"seconds": round(self.LEASE_S)}
        return gettext(self.outcome or self.failure_reason)
