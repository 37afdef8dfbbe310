"""The catalog in Django's admin, for the staff. Moves between states go through services, never through a field."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from catalog.core.names import name_key
from catalog.models import Album, Artist, Song, Upload
from catalog.songs import services as song_services

_SONG_FACTS = ["mime_type", "duration_s", "sample_rate_hz", "channels", "bit_rate", "size_bytes"]
_SONG_STATE = ["state", "failure_code", "failure_reason", "attempts", "due_at", "state_changed_at"]


@admin.register(Artist)
class ArtistAdmin(admin.ModelAdmin[Artist]):
    search_fields = ["name"]
    list_display = ["name"]
    readonly_fields = ["name_key"]

    def save_model(self, request: HttpRequest, obj: Artist, form: Any, change: bool) -> None:
        obj.name_key = name_key(obj.name)
        super().save_model(request, obj, form, change)


@admin.register(Album)
class AlbumAdmin(admin.ModelAdmin[Album]):
    search_fields = ["title", "artist__name"]
    list_display = ["title", "artist"]
    autocomplete_fields = ["artist"]
    readonly_fields = ["title_key"]

    def save_model(self, request: HttpRequest, obj: Album, form: Any, change: bool) -> None:
        obj.title_key = name_key(obj.title)
        super().save_model(request, obj, form, change)


class _FromFiles(admin.ModelAdmin[Any]):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(Song)
class SongAdmin(_FromFiles):
    """Songs: the staff edits the metadata, not the bytes or the state."""

    search_fields = ["title", "artist__name", "genre"]
    list_display = ["title", "artist", "genre", "state", "failure_code", "attempts", "created_at"]
    list_filter = ["state", "failure_code", "genre"]
    list_select_related = ["artist"]
    autocomplete_fields = ["artist", "album"]
    fields = [
        ("title", "artist", "album"),
        ("credit", "genre", "year"),
        ("disc_number", "track_number"),
        tuple(_SONG_STATE[:3]),
        tuple(_SONG_STATE[3:]),
        tuple(_SONG_FACTS),
        "content_hash",
    ]
    readonly_fields = ["credit", *_SONG_STATE, *_SONG_FACTS, "content_hash"]
    actions = ["retry_failed"]

    def save_model(self, request: HttpRequest, obj: Song, form: Any, change: bool) -> None:
        if "artist" in form.changed_data:
            # The artist chosen here is the only one; several are written on the song's own page.
            obj.credit = ""
            song_services.further_artists_set({obj.pk: []})
        super().save_model(request, obj, form, change)

    def delete_model(self, request: HttpRequest, obj: Song) -> None:
        song_services.songs_delete(song_ids=[obj.pk])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Song]) -> None:
        song_services.songs_delete(song_ids=list(queryset.values_list("pk", flat=True)))

    @admin.action(description="Analyse failed songs again")
    def retry_failed(self, request: HttpRequest, queryset: QuerySet[Song]) -> None:
        failed = song_services.songs_retry(song_ids=queryset.values_list("pk", flat=True))
        messages.info(request, f"{len(failed)} songs will be analysed again.")


@admin.register(Upload)
class UploadAdmin(_FromFiles):
    """Offered files: a record without edits."""

    search_fields = ["file_name", "owner__username"]
    list_display = ["file_name", "owner", "outcome", "failure_code", "song", "created_at"]
    list_filter = ["outcome", "failure_code"]
    list_select_related = ["owner", "song__artist"]

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
