"""The recommender in the admin: looked at, never changed, for what listeners said is theirs."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from recommender.models import FeltRating, Listen, Playlist


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows can be looked at and deleted."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Playlist)
class PlaylistAdmin(ReadOnlyAdmin):
    list_display = ("title", "requested_length", "model_version", "created_at")
    list_filter = ("target_quadrant", "model_version")


@admin.register(FeltRating)
class FeltRatingAdmin(ReadOnlyAdmin):
    list_display = ("song", "felt_valence", "felt_arousal", "liked", "model_version", "updated_at")
    list_filter = ("model_version",)
    list_select_related = ("song__artist",)


@admin.register(Listen)
class ListenAdmin(ReadOnlyAdmin):
    list_display = ("song", "started_at")
    list_select_related = ("song__artist",)
