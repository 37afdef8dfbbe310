"""Events and retrainings in the admin, read-only."""

from __future__ import annotations

from django.contrib import admin

from emotion.admin import ReadOnlyAdmin
from training.models import ModelEvent, Retraining


@admin.register(ModelEvent)
class ModelEventAdmin(ReadOnlyAdmin):
    """History of models."""

    list_display = ("model", "kind", "before", "by", "reason", "created_at")
    list_filter = ("kind",)
    list_select_related = ("model", "before", "by")


@admin.register(Retraining)
class RetrainingAdmin(ReadOnlyAdmin):
    """Retrainings and their outcomes."""

    list_display = ("pk", "state", "recipe", "ending", "created_at", "state_changed_at")
    list_filter = ("state",)
