"""What belongs to a user, kind by kind: what an export holds, and what becomes of it when the account is deleted.

Every row that points to a user is named here, whichever app it is of; a test walks all models and fails when one is
missing. Rows of apps above this one are named by label, as they may not be imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib.auth.models import User
from django.db import models

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

    `owner` is the lookup that leads from a row to the user; `about` says what it is; `kept` says, of a row that
    outlives the account without its owner, what is left; empty when the row is deleted.
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
        Field("song", "The song's number here.", f"{prefix}_id"),
        Field("song_title", "Its title.", f"{prefix}__title"),
        Field("song_artist", "Who made it.", f"{prefix}__artist__name"),
    )


_VALENCE, _AROUSAL = "From -1, unpleasant, to 1, pleasant", "From -1, calm, to 1, energetic"
_MOOD = (
    Field("mood_valence", f"Your mood before, if you said it. {_VALENCE}."),
    Field("mood_arousal", f"Your mood before, if you said it. {_AROUSAL}."),
)
_ID = Field("id", "Its number here.")
_CREATED = Field("created_at", "When, in UTC.")
_UPDATED = Field("updated_at", "When it last changed, in UTC.")

ACCOUNT = Kind(
    "account",
    "Your account; the password is kept only as a hash, and is not exported.",
    "auth.User",
    "pk",
    (
        Field("username", "The name you sign in with."),
        Field("first_name", "If one was ever given."),
        Field("last_name", "If one was ever given."),
        Field("email", "If one was ever given."),
        Field("is_active", "Whether it may sign in."),
        Field("is_staff", "Whether it may use the staff's pages."),
        Field("is_superuser", "Whether it may do everything."),
        Field("date_joined", "When the account was made, in UTC."),
        Field("last_login", "When you last signed in, in UTC."),
    ),
)
_RATINGS = Kind(
    "ratings",
    "What songs did to you, one row per song that you rated.",
    "recommender.FeltRating",
    "listener",
    (
        _ID,
        *_song(),
        Field("felt_valence", f"What you felt. {_VALENCE}."),
        Field("felt_arousal", f"What you felt. {_AROUSAL}."),
        Field("liked", "Whether you liked it; empty when you did not say."),
        Field("familiar", "Whether you knew it already; empty when you did not say."),
        Field("felt_nothing", "You said that it left you cold."),
        Field("skipped", "You did not hear it out."),
        Field("listened_s", "Seconds heard, if known."),
        Field("playlist", "The number of the playlist in which you heard it.", "playlist_id"),
        Field("position", "Its place there."),
        Field("target_valence", "Where that place of the playlist was to be."),
        Field("target_arousal", "Where that place of the playlist was to be."),
        *_MOOD,
        Field("model_version", "The model that was live when you rated."),
        _CREATED,
        _UPDATED,
    ),
)
_MOODS = Kind(
    "moods",
    "How you said you were.",
    "recommender.MoodReport",
    "listener",
    (_ID, Field("valence", f"{_VALENCE}."), Field("arousal", f"{_AROUSAL}."), _CREATED),
)
_LISTENS = Kind(
    "listens",
    "What you played, and how it ended.",
    "recommender.Listen",
    "listener",
    (
        _ID,
        *_song(),
        Field("playlist", "The number of the playlist that it was played in.", "playlist_id"),
        Field("outcome", "started, completed or skipped."),
        Field("listened_s", "Seconds heard, once it ended."),
        Field("started_at", "When, in UTC."),
    ),
)
_PLAYLISTS = Kind(
    "playlists",
    "Your playlists.",
    "recommender.Playlist",
    "owner",
    (
        _ID,
        Field("title", "Its title."),
        Field("kind", "mood, song, journey or imported."),
        Field("target_quadrant", "1 happy, 2 tense, 3 sad, 4 calm; empty for a free point."),
        Field("target_valence", "Where it was to be, of a journey where it ends."),
        Field("target_arousal", "Where it was to be, of a journey where it ends."),
        Field("seed_song", "The number of the song that it was made around.", "seed_song_id"),
        Field("path", "Of a journey: points (valence, arousal) from start to end."),
        *_MOOD,
        Field("variety", "How far it was to roam, from 0 to 1."),
        Field("requested_length", "How many songs you asked for."),
        Field("filters", "What it was limited to."),
        Field("seed", "The number that chance was drawn with."),
        Field("model_version", "The model that had heard its songs."),
        Field("note", "Why it is not all that was asked for."),
        Field("import_report", "Of an imported list: what was not found."),
        Field("saved_at", "When you saved it, in UTC."),
        Field("arranged_at", "When you first ordered it by hand, in UTC."),
        Field("share_token", "The end of its link, if you shared it."),
        _CREATED,
        _UPDATED,
    ),
)
_ITEMS = Kind(
    "playlist_items",
    "The songs of your playlists.",
    "recommender.PlaylistItem",
    "playlist__owner",
    (
        Field("playlist", "The playlist's number.", "playlist_id"),
        Field("position", "The place, from 1."),
        *_song(),
        Field("reason", "Why it is there."),
        Field("felt_valence", "What you were predicted to feel."),
        Field("felt_arousal", "What you were predicted to feel."),
        Field("target_valence", "Where this place was to be."),
        Field("target_arousal", "Where this place was to be."),
        Field("terms", "What each term of the ranking added to its score."),
        Field("played_at", "When you began to play it, in UTC."),
    ),
)
_LABELS = Kind(
    "labels",
    "What you said that songs express, whatever they did to you.",
    "emotion.PerceivedLabel",
    "rater",
    (
        _ID,
        *_song(),
        Field("quadrant", "1 happy, 2 tense, 3 sad, 4 calm."),
        Field("valence", f"The point, if you gave one. {_VALENCE}."),
        Field("arousal", f"The point, if you gave one. {_AROUSAL}."),
        _CREATED,
        _UPDATED,
    ),
)
_UPLOADS = Kind(
    "uploads",
    "Files that you offered; the songs that they became are not yours alone.",
    "catalog.Upload",
    "owner",
    (
        _ID,
        Field("file_name", "As your computer called it."),
        Field("size_bytes", "Its size."),
        Field("outcome", "accepted, duplicate or failed."),
        Field("song", "The number of the song that it became.", "song_id"),
        Field("song_title", "Its title.", "song__title"),
        Field("failure_code", "Why it was not taken, in a word."),
        Field("failure_reason", "Why it was not taken, in a sentence."),
        _CREATED,
    ),
)
_TOKENS = Kind(
    "api_tokens",
    "That you have a token for the API; the token itself is a secret, and is not exported.",
    "authtoken.Token",
    "user",
    (Field("created_at", "When it was made, in UTC.", "created"),),
)
_GROUPS = Kind(
    "groups",
    "The groups that you are in.",
    "auth.User_groups",
    "user",
    (Field("group", "Its name, such as curator.", "group__name"),),
)
_PERMISSIONS = Kind(
    "permissions",
    "What you may do besides.",
    "auth.User_user_permissions",
    "user",
    (Field("permission", "Its name.", "permission__codename"),),
)
_ADMIN_LOG = Kind(
    "admin_log",
    "What you changed on the administration pages.",
    "admin.LogEntry",
    "user",
    (
        Field("at", "When, in UTC.", "action_time"),
        Field("model", "What kind of thing.", "content_type__model"),
        Field("object", "Which one.", "object_repr"),
        Field("change", "What was changed.", "change_message"),
    ),
)
_MODELS = Kind(
    "models_imported",
    "Models that you brought in.",
    "emotion.ModelVersion",
    "imported_by",
    (Field("version", "The model."), Field("at", "When, in UTC.", "imported_at")),
    kept="the model",
)
_REANALYSES = Kind(
    "reanalyses_started",
    "Re-analyses of the catalog that you started.",
    "emotion.Reanalysis",
    "started_by",
    (_ID, Field("model_version", "By which model."), Field("at", "When, in UTC.", "started_at")),
    kept="that it happened",
)
_EVENTS = Kind(
    "model_events",
    "What you did with models.",
    "training.ModelEvent",
    "by",
    (
        _ID,
        Field("model", "With which one.", "model__version"),
        Field("kind", "What, such as promoted."),
        Field("reason", "Why, as you wrote it."),
        _CREATED,
    ),
    kept="that it happened, and why",
)
_RETRAININGS = Kind(
    "retrainings_started",
    "Retrainings that you started.",
    "training.Retraining",
    "started_by",
    (_ID, Field("state", "How far it got."), Field("outcome", "How it ended."), _CREATED),
    kept="that it happened, and what came of it",
)

# What the listener's own model is made of; forgetting it leaves nothing to learn from.
LEARNED_FROM = (_RATINGS, _MOODS, _LISTENS)
KINDS: tuple[Kind, ...] = (
    ACCOUNT,
    *LEARNED_FROM,
    _PLAYLISTS,
    _ITEMS,
    _LABELS,
    _UPLOADS,
    _TOKENS,
    _GROUPS,
    _PERMISSIONS,
    _ADMIN_LOG,
    _MODELS,
    _REANALYSES,
    _EVENTS,
    _RETRAININGS,
)


def counts_of(user: User) -> dict[str, int]:
    """Count a user's rows by kind, kinds without any left out."""
    counted = ((kind.name, kind.queryset(user).count()) for kind in KINDS)
    return {name: n for name, n in counted if n}
