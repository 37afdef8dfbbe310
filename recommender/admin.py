"""The recommender in the admin: read, never changed: the answers belong to the listeners."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from recommender.models import FeltPrior, FeltRating, Listen, MoodCheckIn, Playlist


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    """Rows can be looked at and deleted."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


admin.site.register(
    Playlist,
    ReadOnlyAdmin,
    list_display=("title", "kind", "requested_length", "model_version", "created_at"),
    list_filter=("kind", "target_quadrant", "model_version"),
    # The link opens the list; only its listener may give it away.
    exclude=("share_token",),
)
admin.site.register(
    FeltRating,
    ReadOnlyAdmin,
    list_display=("song", "felt_valence", "felt_arousal", "liked", "model_version", "updated_at"),
    list_filter=("model_version",),
    list_select_related=("song__artist",),
)
admin.site.register(
    Listen,
    ReadOnlyAdmin,
    list_display=("song", "outcome", "listened_s", "started_at"),
    list_filter=("outcome",),
    list_select_related=("song__artist",),
)
admin.site.register(MoodCheckIn, ReadOnlyAdmin, list_display=("valence", "arousal", "created_at"))
admin.site.register(
    FeltPrior, ReadOnlyAdmin, list_display=("created_at", "n_listeners", "n_ratings", "model_version", "is_current")
)
