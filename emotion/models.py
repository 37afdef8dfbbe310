"""What the network said of each song, and which workers are saying it."""

from __future__ import annotations

import numpy as np
from django.db import models
from numpy.typing import NDArray

from catalog.models import Song
from emotion.quadrants import Quadrant


class EmotionEstimate(models.Model):
    """The perceived emotion of one song by one model version; at most one estimate of a song is current."""

    song = models.ForeignKey(Song, on_delete=models.CASCADE, related_name="estimates")
    model_version = models.CharField(max_length=80)
    is_current = models.BooleanField(default=True)

    quadrant = models.PositiveSmallIntegerField(choices=[(q.value, q.label) for q in Quadrant])
    p_q1 = models.FloatField()
    p_q2 = models.FloatField()
    p_q3 = models.FloatField()
    p_q4 = models.FloatField()
    valence = models.FloatField(help_text="Perceived, -1 to 1.")
    arousal = models.FloatField(help_text="Perceived, -1 to 1.")
    embedding_bytes = models.BinaryField(help_text="float32, little-endian, L2-normalised.")

    window_start_s = models.FloatField()
    window_s = models.FloatField(help_text="Seconds of audio that the network heard.")
    is_partial = models.BooleanField(default=False, help_text="The song was shorter than the model's window.")

    engine = models.CharField(max_length=20)
    device = models.CharField(max_length=40)
    decode_ms = models.FloatField()
    mel_ms = models.FloatField()
    network_ms = models.FloatField(help_text="The batch's time divided by its size.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["song", "model_version"], name="estimate_unique_per_song_and_version"),
            models.UniqueConstraint(
                fields=["song"], condition=models.Q(is_current=True), name="estimate_one_current_per_song"
            ),
        ]
        indexes = [
            models.Index(
                fields=["quadrant", "song"], condition=models.Q(is_current=True), name="estimate_current_quadrant"
            )
        ]

    def __str__(self) -> str:
        return f"{self.song_id}: {Quadrant(self.quadrant).name} by {self.model_version}"

    @property
    def probabilities(self) -> tuple[float, float, float, float]:
        """Quadrant probabilities in order Q1 to Q4."""
        return self.p_q1, self.p_q2, self.p_q3, self.p_q4

    @property
    def confidence(self) -> float:
        """Probability of the estimated quadrant."""
        return max(self.probabilities)

    @property
    def embedding(self) -> NDArray[np.float32]:
        """L2-normalised embedding, `(n,)`."""
        return np.frombuffer(bytes(self.embedding_bytes), dtype="<f4")


class AnalysisWorker(models.Model):
    """A worker process that analyses songs, as it reported itself; stale when `seen_at` is old."""

    name = models.CharField(max_length=200, unique=True)
    device = models.CharField(max_length=100, help_text="The device really used, such as cpu or cuda:0 NVIDIA H200.")
    engine = models.CharField(max_length=20)
    model_version = models.CharField(max_length=80)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name} on {self.device}"
