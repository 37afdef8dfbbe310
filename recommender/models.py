"""Playlists, what was played, and what listeners felt. Felt emotion never mixes with perceived estimates."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from catalog.models import Song
from emotion.quadrants import Quadrant

_UNIT = [MinValueValidator(-1.0), MaxValueValidator(1.0)]


class Playlist(models.Model):
    """Songs for one target. Owned by a listener, or by the browser session of somebody not signed in."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="playlists"
    )
    session_key = models.CharField(max_length=40, blank=True, db_index=True)
    title = models.CharField(max_length=200)
    target_quadrant = models.PositiveSmallIntegerField(
        choices=[(q.value, q.label) for q in Quadrant], null=True, blank=True
    )
    target_valence = models.FloatField(validators=_UNIT)
    target_arousal = models.FloatField(validators=_UNIT)
    requested_length = models.PositiveSmallIntegerField()
    filters = models.JSONField(default=dict, blank=True, help_text='Such as {"genre": "Rock", "artist": 3}.')
    seed = models.BigIntegerField()
    model_version = models.CharField(max_length=80)
    note = models.TextField(blank=True, help_text="Why the list is shorter than asked, in a sentence.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.title


class PlaylistItem(models.Model):
    """A song at a place in a playlist, with the true reason why it is there."""

    playlist = models.ForeignKey(Playlist, on_delete=models.CASCADE, related_name="items")
    position = models.PositiveSmallIntegerField()
    song = models.ForeignKey(Song, on_delete=models.CASCADE, related_name="playlist_items")
    reason = models.TextField()
    felt_valence = models.FloatField(help_text="Predicted felt valence when it was placed.")
    felt_arousal = models.FloatField(help_text="Predicted felt arousal when it was placed.")
    played_at = models.DateTimeField(null=True, blank=True, help_text="Playing began; a played item keeps its place.")

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["playlist", "position"],
                name="playlist_item_unique_position",
                deferrable=models.Deferrable.DEFERRED,
            ),
            models.UniqueConstraint(fields=["playlist", "song"], name="playlist_item_unique_song"),
        ]

    def __str__(self) -> str:
        return f"{self.position}: {self.song_id}"


class FeltRating(models.Model):
    """What a song did to a listener, in their own words: one per listener and song, changeable and withdrawable."""

    listener = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="felt_ratings")
    song = models.ForeignKey(Song, on_delete=models.CASCADE, related_name="felt_ratings")
    felt_valence = models.FloatField(null=True, blank=True, validators=_UNIT)
    felt_arousal = models.FloatField(null=True, blank=True, validators=_UNIT)
    liked = models.BooleanField(null=True, blank=True)
    familiar = models.BooleanField(null=True, blank=True)
    felt_nothing = models.BooleanField(default=False)
    skipped = models.BooleanField(default=False)
    listened_s = models.FloatField(null=True, blank=True)
    playlist = models.ForeignKey(Playlist, on_delete=models.SET_NULL, null=True, blank=True, related_name="ratings")
    position = models.PositiveSmallIntegerField(null=True, blank=True)
    model_version = models.CharField(max_length=80, blank=True, help_text="The model live when it was given.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-updated_at"]
        constraints = [
            models.UniqueConstraint(fields=["listener", "song"], name="felt_rating_unique_per_listener_and_song"),
            models.CheckConstraint(
                condition=models.Q(felt_valence__isnull=True, felt_arousal__isnull=True)
                | models.Q(felt_valence__range=(-1, 1), felt_arousal__range=(-1, 1)),
                name="felt_rating_both_axes_in_range",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.listener_id} felt {self.song_id}"


class Listen(models.Model):
    """That a song was played, when and by whom: an implicit signal, kept apart from ratings."""

    listener = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="listens"
    )
    session_key = models.CharField(max_length=40, blank=True, db_index=True)
    song = models.ForeignKey(Song, on_delete=models.CASCADE, related_name="listens")
    playlist = models.ForeignKey(Playlist, on_delete=models.SET_NULL, null=True, blank=True, related_name="listens")
    started_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["listener", "-started_at"], name="listen_by_listener")]

    def __str__(self) -> str:
        return f"{self.song_id} at {self.started_at}"
