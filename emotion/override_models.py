"""What curators say that songs express, in place of the model; the history of it is kept."""

from __future__ import annotations

from django.db import models

from catalog.models import Song, SongChange
from emotion.choices import quadrant_choices
from emotion.inference.quadrants import Quadrant


class QuadrantOverride(models.Model):
    """A curator's word on one song, or that the model's own serves again; the last row of a song is the one that holds.

    It outlives estimates: whatever model hears the song next, its current estimate serves the curator's quadrant.
    """

    song = models.ForeignKey(Song, on_delete=models.CASCADE, related_name="overrides")
    change = models.ForeignKey(SongChange, on_delete=models.CASCADE, related_name="overrides")
    quadrant = models.PositiveSmallIntegerField(
        choices=quadrant_choices(), null=True, blank=True, help_text="Empty: the model's own serves again."
    )
    before = models.PositiveSmallIntegerField(
        choices=quadrant_choices(),
        null=True,
        blank=True,
        help_text="What served before; empty when the song had no tag.",
    )
    was_set = models.BooleanField(default=False, help_text="Whether what served before was a curator's word.")
    note = models.CharField(max_length=300, blank=True)
    is_current = models.BooleanField(default=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["song"], condition=models.Q(is_current=True), name="override_one_current_per_song"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.song_id}: {Quadrant(self.quadrant).name if self.quadrant else 'as heard'}"
