"""Playlists, listens, ratings and moods. Felt points never mix with perceived estimates."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy

from catalog.models import Album, Song
from emotion.models import quadrant_choices

DEFAULT_VARIETY = 0.3
_UNIT = [MinValueValidator(-1.0), MaxValueValidator(1.0)]


class Playlist(models.Model):
    """Songs for one request. Owned by a listener, or by a visitor's browser session."""

    class Kind(models.TextChoices):
        MOOD = "mood", gettext_lazy("Mood")
        SONG = "song", gettext_lazy("Around a song")
        JOURNEY = "journey", gettext_lazy("Journey")
        IMPORTED = "imported", gettext_lazy("Imported")
        BY_HAND = "by_hand", gettext_lazy("By hand")

    # Lists whose songs somebody chose one by one: there is no request to choose them again.
    CHOSEN = (Kind.IMPORTED, Kind.BY_HAND)

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="playlists"
    )
    session_key = models.CharField(max_length=40, blank=True, db_index=True)
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True, default="", db_default="", help_text="The listener's words on it.")
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.MOOD)
    target_quadrant = models.PositiveSmallIntegerField(choices=quadrant_choices(), null=True, blank=True)
    target_valence = models.FloatField(validators=_UNIT, help_text="Of a journey, where it ends.")
    target_arousal = models.FloatField(validators=_UNIT)
    seed_song = models.ForeignKey(
        Song, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", help_text="Of a list around a song."
    )
    path = models.JSONField(default=list, blank=True, help_text="Of a journey: [valence, arousal] pairs, start to end.")
    mood_valence = models.FloatField(null=True, blank=True, validators=_UNIT, help_text="Before listening, if said.")
    mood_arousal = models.FloatField(null=True, blank=True, validators=_UNIT)
    variety = models.FloatField(default=DEFAULT_VARIETY, help_text="0 keeps to what is known best, 1 roams.")
    requested_length = models.PositiveSmallIntegerField()
    filters = models.JSONField(default=dict, blank=True, help_text='Such as {"genre": "Rock", "decade": 1990}.')
    seed = models.BigIntegerField()
    model_version = models.CharField(max_length=80)
    note = models.TextField(blank=True, help_text="Why the list is not all that was asked for, in a sentence.")
    import_report = models.JSONField(default=dict, blank=True, help_text="For an imported list: what was not found.")
    saved_at = models.DateTimeField(null=True, blank=True, help_text="Kept by the listener.")
    arranged_at = models.DateTimeField(
        null=True, blank=True, help_text="Ordered by hand; from then on nothing re-ranks it unasked."
    )
    share_token = models.CharField(max_length=43, null=True, blank=True, unique=True, help_text="Opens it to anybody.")
    trashed_at = models.DateTimeField(
        null=True, blank=True, db_index=True, help_text="In the trash, from which its listener may restore it."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.title

    @property
    def is_chosen(self) -> bool:
        """Whether somebody chose its songs one by one, so that nothing re-ranks it."""
        return self.kind in self.CHOSEN


class PlaylistItem(models.Model):
    """A song at a place in a playlist, with the true reason why it is there."""

    playlist = models.ForeignKey(Playlist, on_delete=models.CASCADE, related_name="items")
    position = models.PositiveSmallIntegerField()
    song = models.ForeignKey(Song, on_delete=models.CASCADE, related_name="playlist_items")
    reason = models.TextField()
    felt_valence = models.FloatField(null=True, blank=True, help_text="Predicted felt valence when it was placed.")
    felt_arousal = models.FloatField(null=True, blank=True, help_text="Predicted felt arousal when it was placed.")
    target_valence = models.FloatField(null=True, blank=True, help_text="The target of this place.")
    target_arousal = models.FloatField(null=True, blank=True)
    terms = models.JSONField(default=dict, blank=True, help_text="What each ranking term added to its score.")
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
    """A listener's answers about what a song did to them: one rating per listener and song, which they may change."""

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
    target_valence = models.FloatField(
        null=True, blank=True, validators=_UNIT, help_text="The playlist's, at its place."
    )
    target_arousal = models.FloatField(null=True, blank=True, validators=_UNIT)
    mood_valence = models.FloatField(null=True, blank=True, validators=_UNIT, help_text="Before listening, if said.")
    mood_arousal = models.FloatField(null=True, blank=True, validators=_UNIT)
    model_version = models.CharField(max_length=80, blank=True, help_text="The model live when it was given.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-updated_at"]
        indexes = [models.Index(fields=["listener", "-updated_at"], name="felt_rating_by_listener")]
        constraints = [
            models.UniqueConstraint(fields=["listener", "song"], name="felt_rating_unique_per_listener_and_song"),
            # Each axis is an answer of its own.
            models.CheckConstraint(
                condition=(models.Q(felt_valence__isnull=True) | models.Q(felt_valence__range=(-1, 1)))
                & (models.Q(felt_arousal__isnull=True) | models.Q(felt_arousal__range=(-1, 1))),
                name="felt_rating_felt_in_range",
            ),
            models.CheckConstraint(
                condition=models.Q(mood_valence__isnull=True, mood_arousal__isnull=True)
                | models.Q(mood_valence__range=(-1, 1), mood_arousal__range=(-1, 1)),
                name="felt_rating_mood_in_range",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.listener_id} felt {self.song_id}"


class MoodCheckIn(models.Model):
    """A listener's stated mood before listening. Always offered, never required."""

    listener = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="mood_check_ins"
    )
    session_key = models.CharField(max_length=40, blank=True, db_index=True)
    valence = models.FloatField(validators=_UNIT)
    arousal = models.FloatField(validators=_UNIT)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(valence__range=(-1, 1), arousal__range=(-1, 1)), name="mood_check_in_in_range"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.valence:+.2f}, {self.arousal:+.2f}"


class Listen(models.Model):
    """A play of a song and how it ended: an implicit signal, separate from ratings."""

    class Outcome(models.TextChoices):
        STARTED = "started", gettext_lazy("Started")
        COMPLETED = "completed", gettext_lazy("Played to the end")
        SKIPPED = "skipped", gettext_lazy("Skipped")

    listener = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="listens"
    )
    session_key = models.CharField(max_length=40, blank=True, db_index=True)
    song = models.ForeignKey(Song, on_delete=models.CASCADE, related_name="listens")
    playlist = models.ForeignKey(Playlist, on_delete=models.SET_NULL, null=True, blank=True, related_name="listens")
    outcome = models.CharField(max_length=10, choices=Outcome.choices, default=Outcome.STARTED)
    listened_s = models.FloatField(null=True, blank=True, help_text="Seconds played, once it ended.")
    started_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["listener", "-started_at"], name="listen_by_listener"),
            models.Index(fields=["listener", "song"], name="listen_by_song"),
        ]

    def __str__(self) -> str:
        return f"{self.song_id} at {self.started_at}"


class AlbumLike(models.Model):
    """An album that a listener likes; liked songs are ratings."""

    listener = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="album_likes")
    album = models.ForeignKey(Album, on_delete=models.CASCADE, related_name="likes")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["listener", "album"], name="album_like_once")]

    def __str__(self) -> str:
        return f"{self.listener_id} likes {self.album}"


class SmartList(models.Model):
    """A song list that a listener named: its rules are kept, and its songs are found whenever it is opened."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="smart_lists"
    )
    session_key = models.CharField(max_length=40, blank=True, db_index=True)
    title = models.CharField(max_length=200)
    query = models.CharField(max_length=2000, help_text="As a song list's address has it, such as quadrant=1&liked=on.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["title", "id"]

    def __str__(self) -> str:
        return self.title


class FeltPrior(models.Model):
    """The prior of all listeners' models, learned from their ratings."""

    parameters = models.JSONField(help_text="What `Prior.as_json` returns.")
    model_version = models.CharField(
        max_length=80, help_text="Whose embeddings and estimates the ratings were set against."
    )
    n_listeners = models.PositiveIntegerField()
    n_ratings = models.PositiveIntegerField()
    is_current = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_current"], condition=models.Q(is_current=True), name="felt_prior_one_current"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.n_ratings} ratings of {self.n_listeners} listeners"
