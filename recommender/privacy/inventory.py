"""The inventory of personal data: what an export holds, and what is deleted with the account.

Every kind of row that points to a user is listed here, whichever app it belongs to; a test walks all models and fails
when one is missing. Models of higher apps are named by label, because they must not be imported. The texts are
messages, translated when they are shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib.auth.models import User
from django.db import models
from django.utils.translation import gettext_noop as _

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Field:
    """A column of an export: its name, where it is read from, and what it means."""

    name: str
    meaning: str
    source: str = ""

    @property
    def lookup(self) -> str:
        """The path in a query."""
        return self.source or self.name


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of row that belongs to a user.

    `owner` is the lookup from a row to the user; `about` describes the kind; `kept` describes what remains of a row
    after the account, and is empty when the row is deleted.
    """

    name: str
    about: str
    model_label: str
    owner: str
    fields: tuple[Field, ...]
    kept: str = ""

    @property
    def model(self) -> type[models.Model]:
        """The model of the rows."""
        return apps.get_model(self.model_label)

    def queryset(self, user: User) -> models.QuerySet[Any]:
        """Return a user's rows, oldest first."""
        return self.model._default_manager.filter(**{self.owner: user.pk}).order_by("pk")

    def rows(self, user: User) -> Iterator[dict[str, Any]]:
        """Yield a user's rows, read a few hundred at a time."""
        names = [field.name for field in self.fields]
        values = self.queryset(user).values_list(*(field.lookup for field in self.fields))
        for row in values.iterator(chunk_size=_CHUNK):
            yield dict(zip(names, row, strict=True))


def _song(*, prefix: str = "song") -> tuple[Field, ...]:
    return (
        Field("song", _("The song's number."), f"{prefix}_id"),
        Field("song_title", _("Its title."), f"{prefix}__title"),
        Field("song_artist", _("The artist."), f"{prefix}__artist__name"),
    )


_MOOD = (
    Field("mood_valence", _("Your mood before listening, if you gave it. From -1, unpleasant, to 1, pleasant.")),
    Field("mood_arousal", _("Your mood before listening, if you gave it. From -1, calm, to 1, energetic.")),
)
_ID = Field("id", _("Its number."))
_CREATED = Field("created_at", _("When, in UTC."))
_UPDATED = Field("updated_at", _("When it last changed, in UTC."))

ACCOUNT = Kind(
    "account",
    _("Your account; the password is stored only as a hash and is not exported."),
    "auth.User",
    "pk",
    (
        Field("username", _("The name you sign in with.")),
        Field("first_name", _("If you gave one.")),
        Field("last_name", _("If you gave one.")),
        Field("email", _("If you gave one.")),
        Field("is_active", _("Whether it may sign in.")),
        Field("is_staff", _("Whether it may use the staff's pages.")),
        Field("is_superuser", _("Whether it may do everything.")),
        Field("date_joined", _("When the account was made, in UTC.")),
        Field("last_login", _("When you last signed in, in UTC.")),
    ),
)
_RATINGS = Kind(
    "ratings",
    _("What you felt about songs, one row for each song you rated."),
    "recommender.FeltRating",
    "listener",
    (
        _ID,
        *_song(),
        Field("felt_valence", _("What you felt. From -1, unpleasant, to 1, pleasant.")),
        Field("felt_arousal", _("What you felt. From -1, calm, to 1, energetic.")),
        Field("liked", _("Whether you liked it; empty if you did not say.")),
        Field("familiar", _("Whether you knew it already; empty if you did not say.")),
        Field("felt_nothing", _("You said that you felt nothing.")),
        Field("skipped", _("You did not listen to the end.")),
        Field("listened_s", _("Seconds played, if known.")),
        Field("playlist", _("The number of the playlist you played it in."), "playlist_id"),
        Field("position", _("Its place there.")),
        Field("target_valence", _("The intended point of that place in the playlist.")),
        Field("target_arousal", _("The intended point of that place in the playlist.")),
        *_MOOD,
        Field("model_version", _("The model that was live when you rated.")),
        _CREATED,
        _UPDATED,
    ),
)
_MOODS = Kind(
    "moods",
    _("Your moods, as you reported them."),
    "recommender.MoodCheckIn",
    "listener",
    (
        _ID,
        Field("valence", _("From -1, unpleasant, to 1, pleasant.")),
        Field("arousal", _("From -1, calm, to 1, energetic.")),
        _CREATED,
    ),
)
_LISTENS = Kind(
    "listens",
    _("What you played, and how it ended."),
    "recommender.Listen",
    "listener",
    (
        _ID,
        *_song(),
        Field("playlist", _("The number of the playlist it was played in."), "playlist_id"),
        Field("outcome", _("started, completed or skipped.")),
        Field("listened_s", _("Seconds played, once it ended.")),
        Field("started_at", _("When, in UTC.")),
    ),
)
_PLAYLISTS = Kind(
    "playlists",
    _("Your playlists."),
    "recommender.Playlist",
    "owner",
    (
        _ID,
        Field("title", _("Its title.")),
        Field("kind", _("mood, song, journey or imported.")),
        Field("target_quadrant", _("1 happy, 2 tense, 3 sad, 4 calm; empty for a free point.")),
        Field("target_valence", _("Its target; for a journey, where it ends.")),
        Field("target_arousal", _("Its target; for a journey, where it ends.")),
        Field("seed_song", _("The number of the song it was made around."), "seed_song_id"),
        Field("path", _("For a journey: points (valence, arousal) from start to end.")),
        *_MOOD,
        Field("variety", _("How much variety you asked for, from 0 to 1.")),
        Field("requested_length", _("How many songs you asked for.")),
        Field("filters", _("Its filters.")),
        Field("seed", _("The random seed.")),
        Field("model_version", _("The model that analysed its songs.")),
        Field("note", _("Why it is not everything you asked for.")),
        Field("import_report", _("For an imported list: what was not found.")),
        Field("saved_at", _("When you saved it, in UTC.")),
        Field("arranged_at", _("When you first ordered it by hand, in UTC.")),
        Field("share_token", _("The end of its link, if you shared it.")),
        Field("discarded_at", _("When you deleted it, in UTC; a day later it is deleted for good."), "trashed_at"),
        _CREATED,
        _UPDATED,
    ),
)
_ITEMS = Kind(
    "playlist_items",
    _("The songs of your playlists."),
    "recommender.PlaylistItem",
    "playlist__owner",
    (
        Field("playlist", _("The playlist's number."), "playlist_id"),
        Field("position", _("The place, starting from 1.")),
        *_song(),
        Field("reason", _("Why it is there.")),
        Field("felt_valence", _("The feeling predicted for you.")),
        Field("felt_arousal", _("The feeling predicted for you.")),
        Field("target_valence", _("The intended point of this place.")),
        Field("target_arousal", _("The intended point of this place.")),
        Field("terms", _("What each ranking term added to its score.")),
        Field("played_at", _("When you started playing it, in UTC.")),
    ),
)
_LABELS = Kind(
    "labels",
    _("What you said songs express, regardless of what you felt."),
    "emotion.PerceivedLabel",
    "rater",
    (
        _ID,
        *_song(),
        Field("quadrant", _("1 happy, 2 tense, 3 sad, 4 calm.")),
        Field("valence", _("The point, if you gave one. From -1, unpleasant, to 1, pleasant.")),
        Field("arousal", _("The point, if you gave one. From -1, calm, to 1, energetic.")),
        _CREATED,
        _UPDATED,
    ),
)
_UPLOADS = Kind(
    "uploads",
    _("Files you uploaded; the songs made from them are not yours alone."),
    "catalog.Upload",
    "owner",
    (
        _ID,
        Field("file_name", _("Its name on your computer.")),
        Field("size_bytes", _("Its size.")),
        Field("outcome", _("accepted, duplicate or failed.")),
        Field("song", _("The number of the resulting song."), "song_id"),
        Field("song_title", _("Its title."), "song__title"),
        Field("failure_code", _("Why it was rejected, as a code.")),
        Field("failure_reason", _("Why it was rejected, as a sentence.")),
        Field("hidden_at", _("When you removed it from the upload page, in UTC.")),
        _CREATED,
    ),
)
_PARTIAL_UPLOADS = Kind(
    "uploads_in_pieces",
    _("Large files you sent in chunks, finished or not; unfinished ones are discarded after some days."),
    "catalog.PartialUpload",
    "owner",
    (
        _ID,
        Field("public_id", _("The end of its address.")),
        Field("file_name", _("Its name on your computer.")),
        Field("fingerprint", _("How your browser recognises the file.")),
        Field("metadata", _("What your browser said about it.")),
        Field("size_bytes", _("Its size.")),
        Field("offset_bytes", _("How much of it arrived.")),
        Field("upload", _("The number of the resulting upload."), "upload_id"),
        Field("expires_at", _("When it is discarded, in UTC.")),
        Field("finished_at", _("When it was complete, in UTC.")),
        _CREATED,
    ),
)
_TOKENS = Kind(
    "api_tokens",
    _("That you have an API token; the token itself is secret and is not exported."),
    "authtoken.Token",
    "user",
    (Field("created_at", _("When it was made, in UTC."), "created"),),
)
_GROUPS = Kind(
    "groups",
    _("The groups you are in."),
    "auth.User_groups",
    "user",
    (Field("group", _("Its name, such as curator."), "group__name"),),
)
_PERMISSIONS = Kind(
    "permissions",
    _("Your additional permissions."),
    "auth.User_user_permissions",
    "user",
    (Field("permission", _("Its name."), "permission__codename"),),
)
_ADMIN_LOG = Kind(
    "admin_log",
    _("What you changed on the administration pages."),
    "admin.LogEntry",
    "user",
    (
        Field("at", _("When, in UTC."), "action_time"),
        Field("model", _("The kind of object."), "content_type__model"),
        Field("object", _("Which object."), "object_repr"),
        Field("change", _("What was changed."), "change_message"),
    ),
)
_MODELS = Kind(
    "models_imported",
    _("Models you imported."),
    "emotion.ModelVersion",
    "imported_by",
    (Field("version", _("The model.")), Field("at", _("When, in UTC."), "imported_at")),
    kept=_("the model"),
)
_REANALYSES = Kind(
    "reanalyses_started",
    _("Re-analyses of the catalog you started."),
    "emotion.Reanalysis",
    "started_by",
    (_ID, Field("model_version", _("Which model.")), Field("at", _("When, in UTC."), "started_at")),
    kept=_("that it happened"),
)
_EVENTS = Kind(
    "model_events",
    _("Your actions on models."),
    "training.ModelEvent",
    "by",
    (
        _ID,
        Field("model", _("Which model it was."), "model__version"),
        Field("kind", _("The action, such as promoted.")),
        Field("reason", _("The reason you gave.")),
        _CREATED,
    ),
    kept=_("that it happened, and why"),
)
_SONG_CHANGES = Kind(
    "song_changes",
    _("Changes you made to songs of the catalog."),
    "catalog.SongChange",
    "made_by",
    (_ID, Field("at", _("When, in UTC."), "made_at"), Field("songs", _("How many songs it changed."), "n_songs")),
    kept=_("what was changed"),
)
_SONG_UNDOS = Kind(
    "song_changes_undone",
    _("Song changes you undid."),
    "catalog.SongChange",
    "undone_by",
    (_ID, Field("at", _("When, in UTC."), "undone_at"), Field("songs", _("How many songs it had changed."), "n_songs")),
    kept=_("what was changed"),
)
_RETRAININGS = Kind(
    "retrainings_started",
    _("Retrainings you started."),
    "training.Retraining",
    "started_by",
    (_ID, Field("state", _("How far it got.")), Field("outcome", _("How it ended.")), _CREATED),
    kept=_("that it happened, and its result"),
)

# The rows that the listener's model is fitted to.
LEARNED_FROM = (_RATINGS, _MOODS, _LISTENS)
KINDS: tuple[Kind, ...] = (
    ACCOUNT,
    *LEARNED_FROM,
    _PLAYLISTS,
    _ITEMS,
    _LABELS,
    _UPLOADS,
    _PARTIAL_UPLOADS,
    _TOKENS,
    _GROUPS,
    _PERMISSIONS,
    _ADMIN_LOG,
    _MODELS,
    _REANALYSES,
    _EVENTS,
    _RETRAININGS,
    _SONG_CHANGES,
    _SONG_UNDOS,
)


def counts_of(user: User) -> dict[str, int]:
    """Count a user's rows by kind, kinds without any left out."""
    # One query for all of them: there are some twenty kinds.
    counts = [
        kind.queryset(user).order_by().values(of_kind=models.Value(kind.name)).annotate(n=models.Count("pk"))
        for kind in KINDS
    ]
    found = {row["of_kind"]: row["n"] for row in counts[0].union(*counts[1:], all=True)}
    return {kind.name: found[kind.name] for kind in KINDS if found.get(kind.name)}
