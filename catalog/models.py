"""What the catalog knows: artists, albums, songs, and one upload row per file that ever arrived."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models

# The artist of songs whose tags and file name tell none. Its songs are not by one performer.
UNKNOWN_ARTIST = "Unknown artist"


class Artist(models.Model):
    """A performer; `name_key` (casefolded, spaces collapsed) makes spellings that differ only in case one artist."""

    name = models.CharField(max_length=300)
    name_key = models.CharField(max_length=300, unique=True)

    class Meta:
        ordering = ["name_key"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_unknown(self) -> bool:
        """Whether this stands for all performers that nobody named."""
        return self.name_key == UNKNOWN_ARTIST.casefold()


class Album(models.Model):
    """An album of one artist."""

    title = models.CharField(max_length=300)
    title_key = models.CharField(max_length=300)
    artist = models.ForeignKey(Artist, on_delete=models.CASCADE, related_name="albums")

    class Meta:
        ordering = ["title_key"]
        constraints = [models.UniqueConstraint(fields=["artist", "title_key"], name="album_unique_per_artist")]

    def __str__(self) -> str:
        return self.title


class Song(models.Model):
    """One distinct audio content. The content hash is unique: the same bytes are never two songs."""

    class State(models.TextChoices):
        UPLOADED = "uploaded", "Uploaded"
        QUEUED = "queued", "Queued"
        ANALYSING = "analysing", "Analysing"
        TAGGED = "tagged", "Tagged"
        FAILED = "failed", "Failed"

    title = models.CharField(max_length=300)
    artist = models.ForeignKey(Artist, on_delete=models.PROTECT, related_name="songs")
    album = models.ForeignKey(Album, on_delete=models.SET_NULL, null=True, blank=True, related_name="songs")
    genre = models.CharField(max_length=100, blank=True, db_index=True)
    year = models.PositiveSmallIntegerField(null=True, blank=True)
    track_number = models.PositiveSmallIntegerField(null=True, blank=True)

    content_hash = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the file, hexadecimal.")
    audio = models.FileField(upload_to="unused", max_length=200, help_text="Path under MEDIA_ROOT.")
    cover = models.FileField(upload_to="unused", max_length=200, blank=True)
    mime_type = models.CharField(max_length=50)
    size_bytes = models.PositiveBigIntegerField()
    duration_s = models.FloatField()
    sample_rate_hz = models.PositiveIntegerField()
    channels = models.PositiveSmallIntegerField()

    state = models.CharField(max_length=10, choices=State.choices, default=State.UPLOADED, db_index=True)
    failure_code = models.CharField(max_length=40, blank=True)
    failure_reason = models.TextField(blank=True, help_text="A sentence that a curator understands.")
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Analyses begun since it was last queued anew.")
    lease_expires_at = models.DateTimeField(
        null=True, blank=True, help_text="A queued or analysing song past this time was lost by its worker."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    state_changed_at = models.DateTimeField(auto_now_add=True)

    search = SearchVectorField(null=True, editable=False)

    class Meta:
        ordering = ["-id"]
        indexes = [
            GinIndex(fields=["search"], name="song_search_gin"),
            models.Index(fields=["state", "lease_expires_at"], name="song_state_lease"),
        ]

    def __str__(self) -> str:
        return f"{self.title} – {self.artist}"


class Upload(models.Model):
    """One file that somebody offered, whatever became of it."""

    class Outcome(models.TextChoices):
        ACCEPTED = "accepted", "Accepted"
        DUPLICATE = "duplicate", "Duplicate"
        FAILED = "failed", "Failed"

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="uploads"
    )
    file_name = models.CharField(max_length=300, help_text="As the person knows it; never used as a path.")
    size_bytes = models.PositiveBigIntegerField(default=0)
    outcome = models.CharField(max_length=10, choices=Outcome.choices)
    song = models.ForeignKey(Song, on_delete=models.SET_NULL, null=True, blank=True, related_name="uploads")
    failure_code = models.CharField(max_length=40, blank=True)
    failure_reason = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.file_name

    @property
    def state(self) -> str:
        """`uploaded`, `queued`, `analysing`, `tagged`, `failed` or `duplicate`: the song's state once there is one."""
        if self.outcome == self.Outcome.ACCEPTED and self.song is not None:
            return str(self.song.state)
        if self.outcome == self.Outcome.DUPLICATE:
            return "duplicate"
        return "failed"

    @property
    def reason(self) -> str:
        """Why it failed, in a sentence; empty when it did not."""
        if self.outcome == self.Outcome.ACCEPTED:
            return self.song.failure_reason if self.song else "The song was deleted."
        return self.failure_reason
