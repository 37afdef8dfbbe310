"""Models of the catalog: artists, albums, songs and their edits, uploads and possible duplicates."""

import secrets
from collections.abc import Callable

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from catalog.core.claims import Job
from catalog.core.names import artists_split, credit_shown, names_split
from catalog.core.sql import SearchWords, SortKey

# The artist of songs without one in their tags or file name; not one performer.
UNKNOWN_ARTIST = gettext_noop("Unknown artist")
# The artist of a compilation that names none.
VARIOUS_ARTISTS = gettext_noop("Various artists")


def artist_shown(name: str, credit: str = "") -> str:
    """Return who a song is by, to show: its credit or its artist; the placeholders are translated."""
    if credit:
        return credit_shown(credit)
    return _(name) if name in (UNKNOWN_ARTIST, VARIOUS_ARTISTS) else name


class Artist(models.Model):
    """A performer; `name_key` makes spellings that differ only in case or spaces one artist."""

    name = models.CharField(max_length=300)
    name_key = models.CharField(max_length=300, unique=True)
    sort_key = models.GeneratedField(
        expression=SortKey("name"), output_field=models.TextField(db_collation="C"), db_persist=True
    )

    class Meta:
        ordering = ["sort_key"]
        indexes = [
            models.Index(fields=["sort_key", "id"], name="artist_by_name"),
            GinIndex(SearchWords("name"), name="artist_words"),
        ]

    def __str__(self) -> str:
        return artist_shown(self.name)

    @property
    def is_unknown(self) -> bool:
        """Whether this row stands for all unnamed performers."""
        return self.name_key == UNKNOWN_ARTIST.casefold()


class Album(models.Model):
    """An album of one artist, who may be another than those of its songs: a compilation is one album."""

    title = models.CharField(max_length=300)
    title_key = models.CharField(max_length=300)
    artist = models.ForeignKey(Artist, on_delete=models.CASCADE, related_name="albums")
    sort_key = models.GeneratedField(
        expression=SortKey("title"), output_field=models.TextField(db_collation="C"), db_persist=True
    )

    class Meta:
        ordering = ["sort_key"]
        indexes = [
            models.Index(fields=["sort_key", "id"], name="album_by_title"),
            GinIndex(SearchWords("title"), name="album_words"),
        ]
        constraints = [models.UniqueConstraint(fields=["artist", "title_key"], name="album_unique_per_artist")]

    def __str__(self) -> str:
        return self.title


class Song(Job):
    """One distinct audio content. The content hash is unique: the same bytes are never two songs."""

    class State(models.TextChoices):
        UPLOADED = "uploaded", gettext_lazy("Uploaded")
        QUEUED = "queued", gettext_lazy("Queued")
        ANALYSING = "analysing", gettext_lazy("Analysing")
        # Clients of the API filter by this word.
        ANALYSED = "tagged", gettext_lazy("Analysed")
        FAILED = "failed", gettext_lazy("Failed")

    get_absolute_url: Callable[[], str]  # Made by ABSOLUTE_URL_OVERRIDES: the page belongs to a higher app.

    WAITING, CLAIMED, DONE, FAILED = State.QUEUED, State.ANALYSING, State.ANALYSED, State.FAILED
    LOST = gettext_noop(
        "The analysis was started three times and never finished. The file may need more memory than "
        "the worker has, or the worker was stopped; check the status page, then retry."
    )

    title = models.CharField(max_length=300)
    artist = models.ForeignKey(Artist, on_delete=models.PROTECT, related_name="songs", help_text="The first of them.")
    credit = models.CharField(
        max_length=1000,
        blank=True,
        default="",
        db_default="",
        help_text="All artists as written, where that is more than the first one's name.",
    )
    album = models.ForeignKey(Album, on_delete=models.SET_NULL, null=True, blank=True, related_name="songs")
    genre = models.CharField(max_length=300, blank=True, db_index=True, help_text="Several between semicolons.")
    year = models.PositiveSmallIntegerField(null=True, blank=True)
    disc_number = models.PositiveSmallIntegerField(null=True, blank=True)
    track_number = models.PositiveSmallIntegerField(null=True, blank=True)

    content_hash = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the file, hexadecimal.")
    audio = models.FileField(upload_to="unused", max_length=200, help_text="Path under MEDIA_ROOT.")
    cover = models.FileField(upload_to="unused", max_length=200, blank=True)
    mime_type = models.CharField(max_length=50)
    size_bytes = models.PositiveBigIntegerField()
    duration_s = models.FloatField()
    sample_rate_hz = models.PositiveIntegerField()
    channels = models.PositiveSmallIntegerField()
    bit_rate = models.PositiveBigIntegerField(
        null=True,
        blank=True,
        help_text="bit/s of the sound, without tags and cover; null until it is read.",
    )

    track_gain_db = models.FloatField(
        null=True, blank=True, help_text="As tags have it: the gain that leads the song to -18 LUFS."
    )
    track_peak = models.FloatField(null=True, blank=True, help_text="The highest sample, of full scale 1.")
    album_gain_db = models.FloatField(null=True, blank=True, help_text="The same of its whole album.")
    album_peak = models.FloatField(null=True, blank=True)

    recording_id = models.CharField(
        max_length=36, blank=True, default="", db_default="", db_index=True, help_text="Its recording at MusicBrainz."
    )

    state = models.CharField(max_length=10, choices=State.choices, default=State.UPLOADED, db_index=True)
    reader = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="Which version of the program last read its file; 0 for those before 0.3."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    tags_changed_at = models.DateTimeField(null=True, blank=True, help_text="When a curator last changed its tags.")

    search = SearchVectorField(null=True, editable=False)
    sort_key = models.GeneratedField(
        expression=SortKey("title"), output_field=models.TextField(db_collation="C"), db_persist=True
    )

    class Meta:
        ordering = ["-id"]
        indexes = [
            GinIndex(fields=["search"], name="song_search_gin"),
            models.Index(fields=["state", "due_at"], name="song_state_due"),
            models.Index(fields=["sort_key", "-id"], name="song_by_title"),
            # The songs of an album, and those of an artist from an album of somebody else.
            models.Index(fields=["album", "artist"], name="song_by_album"),
            models.Index(models.F("year").desc(nulls_last=True), models.F("id").desc(), name="song_by_year"),
            models.Index(
                fields=["-tags_changed_at"],
                condition=models.Q(tags_changed_at__isnull=False),
                name="song_tags_changed_newest",
            ),
            # Whether any song of a list has changed is read from this alone.
            models.Index(
                fields=["id"],
                include=["tags_changed_at"],
                condition=models.Q(tags_changed_at__isnull=False),
                name="song_tags_changed",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title} – {self.by}"

    @property
    def by(self) -> str:
        """Who it is by, to show."""
        return artist_shown(self.artist.name, self.credit)

    @property
    def artists(self) -> list[Artist]:
        """All its artists in their order; reads `further_artists` only where there are some."""
        return [self.artist, *(each.artist for each in self.further_artists.all())] if self.credit else [self.artist]

    @property
    def credit_pieces(self) -> list[tuple[str, Artist | None]]:
        """Its artists as they are shown, each with its row, and the words between them without one."""
        if not self.credit:
            return [(self.by, self.artist)]
        pieces: list[tuple[str, Artist | None]] = []
        place = 0
        for name, artist in zip(artists_split(self.credit), self.artists, strict=False):
            start = self.credit.index(name, place)
            pieces += [(credit_shown(self.credit[place:start]), None), (name, artist)]
            place = start + len(name)
        return [*pieces, (credit_shown(self.credit[place:]), None)]

    @property
    def genres(self) -> list[str]:
        """All its genres."""
        return names_split(self.genre)


class FurtherArtist(models.Model):
    """An artist of a song beside the first one, as its credit names them."""

    song = models.ForeignKey(Song, on_delete=models.CASCADE, related_name="further_artists")
    artist = models.ForeignKey(Artist, on_delete=models.PROTECT, related_name="further_songs")
    place = models.PositiveSmallIntegerField(help_text="From 1; the song's own artist has 0.")

    class Meta:
        ordering = ["place"]
        constraints = [models.UniqueConstraint(fields=["song", "artist"], name="further_artist_once")]

    def __str__(self) -> str:
        return f"{self.song_id}: {self.artist}"


class EarlierContent(models.Model):
    """Bytes that a song's file had before tags were written into it here; they are still that song."""

    song = models.ForeignKey(Song, on_delete=models.CASCADE, related_name="earlier_contents")
    content_hash = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the file, hexadecimal.")

    def __str__(self) -> str:
        return f"{self.song_id}: {self.content_hash[:12]}"


class WrittenTags(models.Model):
    """What was written into the tags of a song's file here, and what stood there before."""

    song = models.OneToOneField(Song, on_delete=models.CASCADE, related_name="written_tags")
    before = models.JSONField(help_text='By name of the tag, such as {"MOOD": ["dreamy"]}; null where there was none.')
    after = models.JSONField(help_text="The same, as it was written last.")
    in_folders = models.BooleanField(default=False, help_text="Whether the files in watched folders were written too.")
    written_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "written tags"

    def __str__(self) -> str:
        return f"{self.song_id}: {', '.join(self.after)}"


class Lyrics(models.Model):
    """The words of a song."""

    class Source(models.TextChoices):
        TAG = "tag", gettext_lazy("Its tags")
        FILE = "file", gettext_lazy("A file beside it")

    song = models.OneToOneField(Song, on_delete=models.CASCADE, related_name="lyrics")
    text = models.TextField(help_text="Lines, as they are shown where they have no times.")
    lines = models.JSONField(
        default=list,
        help_text='Each with the second at which it begins, such as [[12.3, "Hello"]]; empty without times.',
    )
    source = models.CharField(max_length=4, choices=Source.choices)
    signature = models.CharField(max_length=60, blank=True, help_text="Of the file beside it that was last read.")

    class Meta:
        verbose_name_plural = "lyrics"

    def __str__(self) -> str:
        return f"{self.song_id}: {self.text[:40]}"


def _shown(sentence: str) -> str:
    # The empty message is the header of the translations.
    return _(sentence) if sentence else ""


class Upload(models.Model):
    """One offered file, whatever its outcome."""

    class Outcome(models.TextChoices):
        ACCEPTED = "accepted", gettext_lazy("Accepted")
        DUPLICATE = "duplicate", gettext_lazy("Duplicate")
        FAILED = "failed", gettext_lazy("Failed")

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
    hidden_at = models.DateTimeField(null=True, blank=True, help_text="When its owner took it off the upload page.")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.file_name

    @property
    def state(self) -> str:
        """`uploaded`, `queued`, `analysing`, `tagged`, `failed` or `duplicate`: the song's state once there is one."""
        if self.outcome == self.Outcome.ACCEPTED and self.song is not None:
            return str(self.song.state)
        return "duplicate" if self.outcome == self.Outcome.DUPLICATE else "failed"

    @property
    def state_label(self) -> str:
        """The state, translated."""
        if self.outcome == self.Outcome.ACCEPTED:
            return str(self.song.get_state_display() if self.song else Song.State.FAILED.label)
        return str(self.get_outcome_display())

    @property
    def reason(self) -> str:
        """Why it failed, or what is missing, in a sentence; else empty."""
        if self.outcome == self.Outcome.ACCEPTED:
            if self.song is None:
                return _("The song was deleted.")
            return _(self.song.failure_reason) if self.song.failure_reason else _shown(self.failure_reason)
        return _shown(self.failure_reason)


class SongChange(models.Model):
    """A change of one or many songs, by a curator or by reading their files again; it can be undone as a whole."""

    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    made_at = models.DateTimeField(auto_now_add=True)
    n_songs = models.PositiveIntegerField(default=0, help_text="Songs that really changed.")
    is_reread = models.BooleanField(default=False, db_default=False, help_text="What the files say, read again.")
    undone_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    undone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"Change {self.pk}: {self.n_songs} songs"


class SongEdit(models.Model):
    """The effect of a change on one song: the values of the changed fields before and after."""

    change = models.ForeignKey(SongChange, on_delete=models.CASCADE, related_name="edits")
    song = models.ForeignKey(Song, on_delete=models.CASCADE, related_name="edits")
    before = models.JSONField(help_text='By field, names in words, such as {"artist": "Ann"}.')
    after = models.JSONField()

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["change", "song"], name="song_edit_unique_per_change")]

    def __str__(self) -> str:
        return f"{self.song_id}: {', '.join(self.after)}"


def _public_id() -> str:
    return secrets.token_hex(16)


class PartialUpload(models.Model):
    """A large file that arrives in pieces, collected in one file under `incoming/`.

    Once complete, it stays a while with its `Upload`, for a sender who missed the response.
    """

    public_id = models.CharField(max_length=32, unique=True, default=_public_id, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="partial_uploads")
    file_name = models.CharField(max_length=300, help_text="As the person knows it; never used as a path.")
    fingerprint = models.CharField(
        max_length=500, blank=True, help_text="By this the sender's program recognises the same file later."
    )
    metadata = models.TextField(blank=True, help_text="What the sender said of it, as it was sent.")
    size_bytes = models.PositiveBigIntegerField()
    offset_bytes = models.PositiveBigIntegerField(default=0)
    upload = models.OneToOneField(
        Upload, on_delete=models.SET_NULL, null=True, blank=True, related_name="partial_upload"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(db_index=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.file_name}: {self.percent} %"

    @property
    def percent(self) -> int:
        """The share that arrived, rounded down, so that only a whole file has 100."""
        return 100 * self.offset_bytes // self.size_bytes if self.size_bytes else 100


class PossibleDuplicate(models.Model):
    """Two songs of different bytes that may be the same recording, for a curator to decide."""

    class Verdict(models.TextChoices):
        OPEN = "open", gettext_lazy("Not decided")
        BOTH = "both", gettext_lazy("Keep both")

    song = models.ForeignKey(Song, on_delete=models.CASCADE, related_name="possible_duplicates", help_text="The newer.")
    other = models.ForeignKey(Song, on_delete=models.CASCADE, related_name="+", help_text="The one that was here.")
    by_name = models.BooleanField(
        default=False, db_default=True, help_text="They have artist and title in common, and nearly the length."
    )
    by_sound = models.BooleanField(
        default=False, db_default=False, help_text="They sound the same from beginning to end."
    )
    verdict = models.CharField(max_length=4, choices=Verdict.choices, default=Verdict.OPEN)
    created_at = models.DateTimeField(auto_now_add=True)
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["song", "other"], name="possible_duplicate_once")]
        indexes = [models.Index(fields=["-id"], condition=models.Q(verdict="open"), name="possible_duplicate_open")]

    def __str__(self) -> str:
        return f"{self.song} / {self.other}"


class WatchedFolder(models.Model):
    """A folder of the server's disk that the catalog is, or was, kept in step with."""

    class Mode(models.TextChoices):
        NAMED = "named", gettext_lazy("Named by the operator")
        WATCH = "watch", gettext_lazy("Watched")
        ONCE = "once", gettext_lazy("Being added once")
        ADDED = "added", gettext_lazy("Added once")
        STOPPED = "stopped", gettext_lazy("No longer watched")

    path = models.BinaryField(unique=True, help_text="As the file system has it: names may be in any encoding.")
    mode = models.CharField(
        max_length=7,
        choices=Mode.choices,
        default=Mode.NAMED,
        db_default=Mode.NAMED,
        help_text="Who named it, the operator or the staff in the browser, and what is done with it.",
    )
    scanned_at = models.DateTimeField(null=True, blank=True, help_text="When it was last compared.")
    report = models.JSONField(default=dict, help_text="What the last scan found, left out and could not do.")

    class Meta:
        ordering = ["path"]

    def __str__(self) -> str:
        return bytes(self.path).decode("utf-8", "replace")

    @property
    def shown_name(self) -> str:
        """Its last part; where it lies on the server is nobody else's business."""
        return str(self).rstrip("/").rpartition("/")[2] or "/"


class FolderFile(models.Model):
    """A file of a watched folder as it was last read; its song keeps its own copy.

    A file that vanishes stays as a row, and there may be several of one path. A row with a content, but neither song
    nor refusal, is of a song that was deleted here: the file is left out from then on.
    """

    folder = models.ForeignKey(WatchedFolder, on_delete=models.CASCADE, related_name="files")
    path = models.BinaryField(help_text="Within the folder.")
    size_bytes = models.BigIntegerField()
    mtime_ns = models.BigIntegerField()
    ctime_ns = models.BigIntegerField()
    device = models.BigIntegerField(help_text="Number of the disk, by which one that is not mounted is recognised.")
    content_hash = models.CharField(max_length=64, db_index=True, help_text="SHA-256 of the file, hexadecimal.")
    sound_hash = models.CharField(
        max_length=64,
        blank=True,
        db_index=True,
        help_text="SHA-256 of the encoded sound, which tags do not change.",
    )
    song = models.ForeignKey(Song, on_delete=models.SET_NULL, null=True, blank=True, related_name="folder_files")
    refusal_code = models.CharField(max_length=40, blank=True)
    refusal_reason = models.TextField(blank=True)
    missing_since = models.DateTimeField(null=True, blank=True, db_index=True)

    class Meta:
        ordering = ["path"]
        constraints = [
            # By the digest of the path, since a long path fits no index.
            models.UniqueConstraint(
                models.F("folder"),
                models.Func(models.F("path"), function="sha256"),
                condition=models.Q(missing_since=None),
                name="folder_file_once",
            )
        ]
        # The library's folders are found by it, a step for each; a longer path fits no index.
        indexes = [
            models.Index(
                models.F("folder"),
                models.Func(models.F("path"), 1, 1000, function="substring"),
                condition=models.Q(missing_since=None),
                name="folder_file_by_path",
            )
        ]

    def __str__(self) -> str:
        return bytes(self.path).decode("utf-8", "replace")
