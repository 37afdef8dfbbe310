"""Playlists, listens, ratings and moods, and what players of other makers keep here.

Felt points never mix with perceived estimates.
"""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy, gettext_noop

from catalog.core.claims import Job
from catalog.models import Album, Artist, Song
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


class ScrobbleAccount(models.Model):
    """Another service that a listener tells what they play."""

    class Service(models.TextChoices):
        LISTENBRAINZ = "listenbrainz", "ListenBrainz"
        AUDIOSCROBBLER = "audioscrobbler", gettext_lazy("Last.fm, or another that speaks its language")

    listener = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="scrobble_accounts")
    service = models.CharField(max_length=14, choices=Service.choices)
    url = models.URLField(max_length=300, help_text="Of the interface, such as https://api.listenbrainz.org.")
    user_name = models.CharField(max_length=200, help_text="There, as the service says it.")
    secrets = models.TextField(help_text="Token, or keys of the interface and of the session; encrypted.")
    problem = models.TextField(blank=True, help_text="Why nothing is sent until the listener acts, in a sentence.")
    n_failures = models.PositiveSmallIntegerField(default=0, help_text="In a row; each makes the next wait longer.")
    retry_at = models.DateTimeField(null=True, blank=True, help_text="When a service that was away is asked again.")
    loved_at = models.DateTimeField(null=True, blank=True, help_text="When loved songs were last taken from there.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["listener", "service", "url"], name="scrobble_account_once")]

    def __str__(self) -> str:
        return f"{self.user_name} at {self.url}"


class Scrobble(Job):
    """One listen that another service is to be told of."""

    LOST = gettext_noop("Sending this listen was started three times and never finished.")

    account = models.ForeignKey(ScrobbleAccount, on_delete=models.CASCADE, related_name="scrobbles")
    listen = models.ForeignKey(Listen, on_delete=models.CASCADE, related_name="scrobbles")

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["account", "listen"], name="scrobble_once")]
        indexes = [
            models.Index(fields=["due_at"], condition=models.Q(state__in=("waiting", "claimed")), name="scrobble_next")
        ]

    def __str__(self) -> str:
        return f"{self.listen_id}: {self.state}"


class Neighbour(models.Model):
    """Another music server, whose songs are analysed here and whose listeners get lists of moods."""

    name = models.SlugField(max_length=50, unique=True)
    url = models.URLField(max_length=300)
    user_name = models.CharField(max_length=200, help_text="Of the account that reads its songs.")
    secrets = models.TextField(help_text="The password there; encrypted.")
    sends_password = models.BooleanField(default=False, help_text="It knows no tokens.")
    files = models.TextField(blank=True, help_text="Its folder of music, where that is on this machine too.")
    synced_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class NeighbourSong(models.Model):
    """A song of another server, as it was last taken; the song here may have come from elsewhere."""

    neighbour = models.ForeignKey(Neighbour, on_delete=models.CASCADE, related_name="songs")
    remote_id = models.CharField(max_length=200)
    signature = models.CharField(max_length=500, help_text="By which a change there is noticed.")
    song = models.ForeignKey(Song, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    refusal = models.TextField(blank=True, help_text="Why it could not be taken, in a sentence.")
    gone_at = models.DateTimeField(null=True, blank=True, help_text="When it was no longer listed there.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["neighbour", "remote_id"], name="neighbour_song_once")]

    def __str__(self) -> str:
        return f"{self.neighbour_id}: {self.remote_id}"


class NeighbourListener(models.Model):
    """A listener's own account on another server, in which their lists of moods are."""

    neighbour = models.ForeignKey(Neighbour, on_delete=models.CASCADE, related_name="listeners")
    listener = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="neighbours")
    user_name = models.CharField(max_length=200, help_text="There.")
    secrets = models.TextField(help_text="The password there; encrypted.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["neighbour", "listener"], name="neighbour_listener_once")]

    def __str__(self) -> str:
        return f"{self.user_name} at {self.neighbour_id}"


class NeighbourPlaylist(models.Model):
    """A playlist on another server that was made from here; no other one is ever changed there."""

    account = models.ForeignKey(NeighbourListener, on_delete=models.CASCADE, related_name="playlists")
    slug = models.CharField(max_length=20, help_text="Which list.")
    remote_id = models.CharField(max_length=200)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "slug"], name="neighbour_playlist_once")]

    def __str__(self) -> str:
        return f"{self.slug}: {self.remote_id}"


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


# --- Players that speak OpenSubsonic ----------------------------------------------------------------------------------


class SubsonicSecret(models.Model):
    """What a listener's player signs in with in place of the password; encrypted, because tokens are made from it."""

    listener = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="subsonic_secret", primary_key=True
    )
    encrypted = models.CharField(max_length=200, help_text="Fernet, with a key made from SECRET_KEY.")
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"Subsonic secret of {self.listener_id}"


class SubsonicKey(models.Model):
    """A key of one player, which needs no user name; only its hash is kept."""

    listener = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="subsonic_keys")
    name = models.CharField(max_length=80)
    key_hash = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the key, hexadecimal.")
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["listener", "name"], name="subsonic_key_name_once")]

    def __str__(self) -> str:
        return self.name


class StarRating(models.Model):
    """Stars from one to five, as a player gives them: how good, never what was felt."""

    listener = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="star_ratings")
    song = models.ForeignKey(Song, on_delete=models.CASCADE, null=True, blank=True, related_name="star_ratings")
    album = models.ForeignKey(Album, on_delete=models.CASCADE, null=True, blank=True, related_name="star_ratings")
    artist = models.ForeignKey(Artist, on_delete=models.CASCADE, null=True, blank=True, related_name="star_ratings")
    stars = models.PositiveSmallIntegerField(validators=[MinValueValidator(1), MaxValueValidator(5)])
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            *(
                models.UniqueConstraint(
                    fields=["listener", what],
                    condition=models.Q(**{f"{what}__isnull": False}),
                    name=f"star_rating_once_per_{what}",
                )
                for what in ("song", "album", "artist")
            ),
            models.CheckConstraint(condition=models.Q(stars__range=(1, 5)), name="star_rating_1_to_5"),
            models.CheckConstraint(
                condition=models.Q(song__isnull=False, album=None, artist=None)
                | models.Q(song=None, album__isnull=False, artist=None)
                | models.Q(song=None, album=None, artist__isnull=False),
                name="star_rating_of_one_thing",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.stars} stars by {self.listener_id}"


class ArtistLike(models.Model):
    """An artist that a listener likes."""

    listener = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="artist_likes")
    artist = models.ForeignKey(Artist, on_delete=models.CASCADE, related_name="likes")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["listener", "artist"], name="artist_like_once")]

    def __str__(self) -> str:
        return f"{self.listener_id} likes {self.artist}"


class Bookmark(models.Model):
    """A place in a long song to go on from."""

    listener = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="bookmarks")
    song = models.ForeignKey(Song, on_delete=models.CASCADE, related_name="bookmarks")
    position_ms = models.PositiveBigIntegerField()
    comment = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-updated_at"]
        constraints = [models.UniqueConstraint(fields=["listener", "song"], name="bookmark_once")]

    def __str__(self) -> str:
        return f"{self.song_id} at {self.position_ms} ms"


class PlayQueue(models.Model):
    """The queue that a listener takes from one player to another."""

    listener = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="play_queue", primary_key=True
    )
    song_ids = models.JSONField(default=list, help_text="In order; a song may come twice.")
    current_index = models.PositiveIntegerField(null=True, blank=True)
    position_ms = models.PositiveBigIntegerField(default=0)
    changed_by = models.CharField(max_length=200, blank=True, help_text="The name of the player.")
    changed_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{len(self.song_ids)} songs of {self.listener_id}"


class Player(models.Model):
    """What one player of a listener last said that it plays."""

    class State(models.TextChoices):
        STARTING = "starting", gettext_lazy("Starting")
        PLAYING = "playing", gettext_lazy("Playing")
        PAUSED = "paused", gettext_lazy("Paused")
        STOPPED = "stopped", gettext_lazy("Stopped")

    listener = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="players")
    name = models.CharField(max_length=200)
    song = models.ForeignKey(Song, on_delete=models.CASCADE, related_name="+")
    state = models.CharField(max_length=10, choices=State.choices)
    position_ms = models.PositiveBigIntegerField(default=0)
    rate = models.FloatField(default=1.0, help_text="How fast it plays; 1 is as recorded.")
    begun_at = models.DateTimeField(help_text="When the song began.")
    reported_at = models.DateTimeField()

    class Meta:
        ordering = ["-reported_at"]
        constraints = [models.UniqueConstraint(fields=["listener", "name"], name="player_once")]

    def __str__(self) -> str:
        return f"{self.name}: {self.song_id} {self.state}"


class MoodList(models.Model):
    """One of the lists that players see of a listener's moods, as it was last made."""

    listener = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="mood_lists")
    slug = models.CharField(max_length=60, help_text="Which list; its number in the protocol.")
    made_on = models.DateField(help_text="The day that it is for; made again on the next.")
    n_renewed = models.PositiveSmallIntegerField(default=0, help_text="How often others were asked for on that day.")
    entries = models.JSONField(default=list, help_text="Pairs of a song's number and the reason for it, in order.")
    note = models.TextField(blank=True)
    total_s = models.FloatField(default=0.0)
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["listener", "slug"], name="mood_list_once")]

    def __str__(self) -> str:
        return f"{self.slug} of {self.listener_id}"
