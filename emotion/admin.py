"""Models, re-analyses and labels in the admin, read-only: services change them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from emotion.models import ModelVersion, PerceivedLabel, Reanalysis


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    """Shows rows without changing them."""

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    has_add_permission = has_delete_permission = has_change_permission


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    list_display = ("version", "state", "origin", "imported_at", "live_since")
    list_filter = ("state", "origin")


@admin.register(Reanalysis)
class ReanalysisAdmin(ReadOnlyAdmin):
    list_display = ("model_version", "state", "n_done", "n_failed", "started_at", "finished_at")
    list_filter = ("state",)


@admin.register(PerceivedLabel)
class PerceivedLabelAdmin(ReadOnlyAdmin):
    list_display = ("song", "quadrant", "updated_at")
    list_filter = ("quadrant",)
    list_select_related = ("song__artist",)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        # Nonsense can be deleted before a model learns from it, and users together with their labels.
        return super(ReadOnlyAdmin, self).has_delete_permission(request, obj)
