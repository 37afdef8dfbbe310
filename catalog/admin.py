"""The catalog in Django's admin, for the staff. Moves between states go through services, never through a field."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from catalog import models
from catalog.models import Album, Artist, Song, Upload
from catalog.songs import services as song_services
from catalog.songs import states


@admin.register(Artist)
class ArtistAdmin(admin.ModelAdmin):
    """Artists by name."""

    search_fields = ["name"]
    list_display = ["name"]
    readonly_fields = ["name_key"]

    def save_model(self, request: HttpRequest, obj: Artist, form: Any, change: bool) -> None:
        """Keep the key in step with the name."""
        obj.name_key = models.name_key(obj.name)
        super().save_model(request, obj, form, change)


@admin.register(Album)
class AlbumAdmin(admin.ModelAdmin):
    """Albums by title."""

    search_fields = ["title", "artist__name"]
    list_display = ["title", "artist"]
    autocomplete_fields = ["artist"]
    readonly_fields = ["title_key"]

    def save_model(self, request: HttpRequest, obj: Album, form: Any, change: bool) -> None:
        """Keep the key in step with the title."""
        obj.title_key = models.name_key(obj.title)
        super().save_model(request, obj, form, change)


@admin.register(Song)
class SongAdmin(admin.ModelAdmin):
    """Songs: the staff edits what people read; the bytes and the state are not theirs to type."""

    search_fields = ["title", "artist__name", "genre"]
    list_display = ["title", "artist", "genre", "state", "failure_code", "attempts", "created_at"]
    list_filter = ["state", "failure_code", "genre"]
    list_select_related = ["artist"]
    autocomplete_fields = ["artist", "album"]
    fields = [
        ("title", "artist", "album"),
        ("genre", "year", "track_number"),
        ("state", "failure_code", "failure_reason"),
        ("attempts", "due_at", "state_changed_at"),
        ("mime_type", "duration_s", "sample_rate_hz", "channels", "size_bytes"),
        "content_hash",
    ]
    readonly_fields = [
        "state",
        "failure_code",
        "failure_reason",
        "attempts",
        "due_at",
        "state_changed_at",
        "mime_type",
        "duration_s",
        "sample_rate_hz",
        "channels",
        "size_bytes",
        "content_hash",
    ]
    actions = ["retry_failed"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Songs come from files, never from a form."""
        return False

    def delete_model(self, request: HttpRequest, obj: Song) -> None:
        """Delete the song and its files."""
        song_services.song_delete(song=obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Song]) -> None:
        """Delete songs and their files."""
        for song in queryset:
            song_services.song_delete(song=song)

    @admin.action(description="Analyse the failed ones again")
    def retry_failed(self, request: HttpRequest, queryset: QuerySet[Song]) -> None:
        """Retry the failed songs among those chosen."""
        failed = list(queryset.filter(state=Song.State.FAILED))
        for song in failed:
            states.song_retry(song=song)
        messages.info(request, f"{len(failed)} songs will be analysed again.")


@admin.register(Upload)
class UploadAdmin(admin.ModelAdmin):
    """What was offered: a record, not to be edited."""

    search_fields = ["file_name", "owner__username"]
    list_display = ["file_name", "owner", "outcome", "failure_code", "song", "created_at"]
    list_filter = ["outcome", "failure_code"]
    list_select_related = ["owner", "song__artist"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Rows are made by offered files."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Upload | None = None) -> bool:
        """A record is not edited."""
        return False
