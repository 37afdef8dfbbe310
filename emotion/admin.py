"""Models, re-analyses and labels in the admin: looked at; what changes them has rules of its own."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from emotion.models import ModelVersion, PerceivedLabel, Reanalysis


class LookedAtAdmin(admin.ModelAdmin):
    """Rows can be looked at only."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(ModelVersion)
class ModelVersionAdmin(LookedAtAdmin):
    list_display = ("version", "state", "origin", "imported_at", "live_since")
    list_filter = ("state", "origin")


@admin.register(Reanalysis)
class ReanalysisAdmin(LookedAtAdmin):
    list_display = ("model_version", "state", "n_done", "n_failed", "started_at", "finished_at")
    list_filter = ("state",)


@admin.register(PerceivedLabel)
class PerceivedLabelAdmin(LookedAtAdmin):
    list_display = ("song", "quadrant", "updated_at")
    list_filter = ("quadrant",)
    list_select_related = ("song__artist",)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        # Nonsense can be thrown out before it is learned from, and people deleted with what they said.
        return super(LookedAtAdmin, self).has_delete_permission(request, obj)
