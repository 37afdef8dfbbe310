"""Personal data: the inventory, the export, and the deletion.

Every kind of row that points to a user is listed here, whichever app it belongs to; a test walks all models and fails
when one is missing. Models of higher apps are named by label, because they must not be imported. The texts are
messages, translated when they are shown.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any, NamedTuple

from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models, transaction
from django.db.models.fields import CharField
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from emotion.selectors import current_estimates
from recommender.models import MoodList, Playlist, PlaylistItem
from recommender.selectors import estimate_of, public_reason_of

_CHUNK = 500


class Field(NamedTuple):
    """A column of an export: its name, where it is read from, and what it means."""

    name: str
    meaning: str
    source: str = ""

    @property
    def lookup(self) -> str:
        """The path in a query."""
        return self.source or self.name


class Kind(NamedTuple):
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


def _kind(name: str, owner: str, about: str, *fields: Field, kept: str = "") -> Kind:
    """Describe a kind by the path from its model to the user, such as "catalog.Upload.owner"."""
    app, model, lookup = owner.split(".")
    return Kind(name, about, f"{app}.{model}", lookup, fields, kept)


_SONG = (
    Field("song", _("The song's number."), "song_id"),
    Field("song_title", _("Its title."), "song__title"),
    Field("song_artist", _("The artist."), "song__artist__name"),
    Field("song_artists", _("All artists, where there are several."), "song__credit"),
)
_MOOD = (
    Field("mood_valence", _("Your mood before listening, if you gave it. From -1, unpleasant, to 1, pleasant.")),
    Field("mood_arousal", _("Your mood before listening, if you gave it. From -1, calm, to 1, energetic.")),
)
_ID = Field("id", _("Its number."))
_CREATED = Field("created_at", _("When, in UTC."))
_UPDATED = Field("updated_at", _("When it last changed, in UTC."))

KINDS: tuple[Kind, ...] = (
    _kind(
        "account",
        "auth.User.pk",
        _("Your account; the password is stored only as a hash and is not exported."),
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
    _kind(
        "ratings",
        "recommender.FeltRating.listener",
        _("What you felt about songs, one row for each song you rated."),
        _ID,
        *_SONG,
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
    _kind(
        "moods",
        "recommender.MoodCheckIn.listener",
        _("Your moods, as you reported them."),
        _ID,
        Field("valence", _("From -1, unpleasant, to 1, pleasant.")),
        Field("arousal", _("From -1, calm, to 1, energetic.")),
        _CREATED,
    ),
    _kind(
        "listens",
        "recommender.Listen.listener",
        _("What you played, and how it ended."),
        _ID,
        *_SONG,
        Field("playlist", _("The number of the playlist it was played in."), "playlist_id"),
        Field("outcome", _("started, completed or skipped.")),
        Field("listened_s", _("Seconds played, once it ended.")),
        Field("started_at", _("When, in UTC.")),
    ),
    _kind(
        "playlists",
        "recommender.Playlist.owner",
        _("Your playlists."),
        _ID,
        Field("title", _("Its title.")),
        Field("description", _("Your words on it.")),
        Field("kind", _("mood, song, journey, imported or by_hand.")),
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
    _kind(
        "playlist_items",
        "recommender.PlaylistItem.playlist__owner",
        _("The songs of your playlists."),
        Field("playlist", _("The playlist's number."), "playlist_id"),
        Field("position", _("The place, starting from 1.")),
        *_SONG,
        Field("reason", _("Why it is there.")),
        Field("felt_valence", _("The feeling predicted for you.")),
        Field("felt_arousal", _("The feeling predicted for you.")),
        Field("target_valence", _("The intended point of this place.")),
        Field("target_arousal", _("The intended point of this place.")),
        Field("terms", _("What each ranking term added to its score.")),
        Field("played_at", _("When you started playing it, in UTC.")),
    ),
    _kind(
        "smart_lists",
        "recommender.SmartList.owner",
        _("Your smart lists: rules by which songs are found."),
        _ID,
        Field("title", _("Its title.")),
        Field("query", _("Its rules, as the address of a song list has them.")),
        _CREATED,
        _UPDATED,
    ),
    _kind(
        "liked_albums",
        "recommender.AlbumLike.listener",
        _("The albums you like; liked songs are ratings."),
        _ID,
        Field("album", _("The album's number."), "album_id"),
        Field("album_title", _("Its title."), "album__title"),
        Field("album_artist", _("The artist."), "album__artist__name"),
        _CREATED,
    ),
    _kind(
        "liked_artists",
        "recommender.ArtistLike.listener",
        _("The artists you like."),
        _ID,
        Field("artist", _("The artist's number."), "artist_id"),
        Field("artist_name", _("The artist."), "artist__name"),
        _CREATED,
    ),
    _kind(
        "stars",
        "recommender.StarRating.listener",
        _("The stars you gave songs, albums and artists in a player."),
        _ID,
        *_SONG[:2],
        Field("album", _("The album's number."), "album_id"),
        Field("album_title", _("Its title."), "album__title"),
        Field("artist", _("The artist's number."), "artist_id"),
        Field("artist_name", _("The artist."), "artist__name"),
        Field("stars", _("From 1 to 5.")),
        _UPDATED,
    ),
    _kind(
        "bookmarks",
        "recommender.Bookmark.listener",
        _("Places in songs that you marked in a player."),
        _ID,
        *_SONG,
        Field("position_ms", _("The place, in milliseconds.")),
        Field("comment", _("Your words on it.")),
        _CREATED,
        _UPDATED,
    ),
    _kind(
        "play_queue",
        "recommender.PlayQueue.listener",
        _("The queue that you take from one player to another."),
        Field("songs", _("The numbers of its songs, in order."), "song_ids"),
        Field("current_index", _("The place of the song that played, starting from 0.")),
        Field("position_ms", _("The place in that song, in milliseconds.")),
        Field("changed_by", _("The player that stored it.")),
        Field("changed_at", _("When it last changed, in UTC.")),
    ),
    _kind(
        "players",
        "recommender.Player.listener",
        _("What each of your players last said that it plays."),
        _ID,
        Field("name", _("The player.")),
        *_SONG,
        Field("state", _("starting, playing, paused or stopped.")),
        Field("position_ms", _("The place in the song, in milliseconds.")),
        Field("rate", _("How fast it played; 1 is as recorded.")),
        Field("begun_at", _("When the song began, in UTC.")),
        Field("reported_at", _("When the player said so, in UTC.")),
    ),
    _kind(
        "mood_lists",
        "recommender.MoodList.listener",
        _("The lists of your moods that players show, as they were last made."),
        _ID,
        Field("slug", _("Which list.")),
        Field("made_on", _("The day that it was made for.")),
        Field("n_renewed", _("How often you asked for other songs on that day.")),
        Field("entries", _("Its songs in order, each with the reason for it.")),
        Field("note", _("Why it is not everything that it should be.")),
        Field("total_s", _("How long it is, in seconds.")),
        Field("changed_at", _("When its songs last changed, in UTC.")),
    ),
    _kind(
        "player_keys",
        "recommender.SubsonicKey.listener",
        _("The keys of your players; only a hash of each is stored, and is not exported."),
        _ID,
        Field("name", _("Its name.")),
        _CREATED,
        Field("last_used_at", _("When it was last used, in UTC.")),
    ),
    _kind(
        "player_secret",
        "recommender.SubsonicSecret.listener",
        _("That your players have a secret to sign in with; it is stored encrypted, and is not exported."),
        _CREATED,
        Field("last_used_at", _("When it was last used, in UTC.")),
    ),
    _kind(
        "labels",
        "emotion.PerceivedLabel.rater",
        _("What you said songs express, regardless of what you felt."),
        _ID,
        *_SONG,
        Field("quadrant", _("1 happy, 2 tense, 3 sad, 4 calm.")),
        Field("valence", _("The point, if you gave one. From -1, unpleasant, to 1, pleasant.")),
        Field("arousal", _("The point, if you gave one. From -1, calm, to 1, energetic.")),
        _CREATED,
        _UPDATED,
    ),
    _kind(
        "uploads",
        "catalog.Upload.owner",
        _("Files you uploaded; the songs made from them are not yours alone."),
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
    _kind(
        "uploads_in_pieces",
        "catalog.PartialUpload.owner",
        _("Large files you sent in chunks, finished or not; unfinished ones are discarded after some days."),
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
    _kind(
        "api_tokens",
        "authtoken.Token.user",
        _("That you have an API token; the token itself is secret and is not exported."),
        Field("created_at", _("When it was made, in UTC."), "created"),
    ),
    _kind(
        "accounts_elsewhere",
        "recommender.NeighbourListener.listener",
        _("Your accounts on other music servers; the passwords are stored encrypted, and are not exported."),
        _ID,
        Field("server", _("Which server."), "neighbour__name"),
        Field("user_name", _("Your name there.")),
    ),
    _kind(
        "lists_elsewhere",
        "recommender.NeighbourPlaylist.account__listener",
        _("Your lists of moods there."),
        _ID,
        Field("slug", _("Which list.")),
        Field("remote_id", _("Its number there.")),
    ),
    _kind(
        "scrobble_accounts",
        "recommender.ScrobbleAccount.listener",
        _("Services that are told what you play; their tokens are stored encrypted, and are not exported."),
        _ID,
        Field("service", _("Which language it speaks.")),
        Field("url", _("Its address.")),
        Field("user_name", _("Your name there.")),
        Field("problem", _("Why nothing is sent at present.")),
        Field("n_failures", _("How often in a row it could not be reached.")),
        Field("retry_at", _("When it is asked again, in UTC.")),
        Field("loved_at", _("When your loved songs were last taken from there, in UTC.")),
        _CREATED,
    ),
    _kind(
        "scrobbles",
        "recommender.Scrobble.account__listener",
        _("Listens that such a service was told of, or will be."),
        _ID,
        Field("account", _("The number of the service."), "account_id"),
        Field("listen", _("The number of the listen."), "listen_id"),
        Field("state", _("waiting, claimed, done or failed.")),
        Field("attempts", _("How often sending was begun.")),
        Field("due_at", _("When it may be sent, in UTC.")),
        Field("failure_code", _("Why it was not sent, as a code.")),
        Field("failure_reason", _("Why it was not sent.")),
        Field("state_changed_at", _("When that changed, in UTC.")),
    ),
    _kind(
        "groups",
        "auth.User_groups.user",
        _("The groups you are in."),
        Field("group", _("Its name, such as curator."), "group__name"),
    ),
    _kind(
        "permissions",
        "auth.User_user_permissions.user",
        _("Your additional permissions."),
        Field("permission", _("Its name."), "permission__codename"),
    ),
    _kind(
        "admin_log",
        "admin.LogEntry.user",
        _("What you changed on the administration pages."),
        Field("at", _("When, in UTC."), "action_time"),
        Field("model", _("The kind of object."), "content_type__model"),
        Field("object", _("Which object."), "object_repr"),
        Field("change", _("What was changed."), "change_message"),
    ),
    _kind(
        "models_imported",
        "emotion.ModelVersion.imported_by",
        _("Models you imported."),
        Field("version", _("The model.")),
        Field("at", _("When, in UTC."), "imported_at"),
        kept=_("the model"),
    ),
    _kind(
        "reanalyses_started",
        "emotion.Reanalysis.started_by",
        _("Re-analyses of the catalog you started."),
        _ID,
        Field("model_version", _("Which model.")),
        Field("at", _("When, in UTC."), "started_at"),
        kept=_("that it happened"),
    ),
    _kind(
        "model_events",
        "training.ModelEvent.by",
        _("Your actions on models."),
        _ID,
        Field("model", _("Which model it was."), "model__version"),
        Field("kind", _("The action, such as promoted.")),
        Field("reason", _("The reason you gave.")),
        _CREATED,
        kept=_("that it happened, and why"),
    ),
    _kind(
        "retrainings_started",
        "training.Retraining.started_by",
        _("Retrainings you started."),
        _ID,
        Field("state", _("How far it got.")),
        Field("outcome", _("How it ended.")),
        _CREATED,
        kept=_("that it happened, and its result"),
    ),
    _kind(
        "song_changes",
        "catalog.SongChange.made_by",
        _("Changes you made to songs of the catalog."),
        _ID,
        Field("at", _("When, in UTC."), "made_at"),
        Field("songs", _("How many songs it changed."), "n_songs"),
        kept=_("what was changed"),
    ),
    _kind(
        "song_changes_undone",
        "catalog.SongChange.undone_by",
        _("Song changes you undid."),
        _ID,
        Field("at", _("When, in UTC."), "undone_at"),
        Field("songs", _("How many songs it had changed."), "n_songs"),
        kept=_("what was changed"),
    ),
)
ACCOUNT = KINDS[0]
# The rows that the listener's model is fitted to.
LEARNED_FROM = tuple(kind for kind in KINDS if kind.name in {"ratings", "stars", "moods", "listens"})


def counts_of(user: User) -> dict[str, int]:
    """Count a user's rows by kind, kinds without any left out."""
    # One query for all of them: there are some twenty kinds.
    counts = [
        kind.queryset(user).order_by().values(of_kind=models.Value(kind.name)).annotate(n=models.Count("pk"))
        for kind in KINDS
    ]
    totals = {row["of_kind"]: row["n"] for row in counts[0].union(*counts[1:], all=True)}
    return {kind.name: totals[kind.name] for kind in KINDS if totals.get(kind.name)}


FORMAT, VERSION = "moodplane-export", 1
# What a spreadsheet would take for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_README = _(
    "Everything that Moodplane stores about you, as of %(made_at)s.\n"
    "\n"
    "Each file is a table in CSV (UTF-8, commas, with a header line). An empty cell means that there is no "
    "value. Lists are\n"
    "written as JSON. Text that a spreadsheet would read as a formula is prefixed with an apostrophe; the "
    "JSON export has it\n"
    "unchanged.\n"
    "\n"
    "%(tables)s"
)


class DataExport(NamedTuple):
    """A file to be saved, made while it is sent."""

    name: str
    content_type: str
    chunks: Iterator[bytes]


def data_export(user: User, suffix: str) -> DataExport:
    """Return all that belongs to a user, "json" for one document or "csv" for a zip of tables.

    Raises:
        KeyError: there is no such format.
    """
    content_type, extension, write = {
        "json": ("application/json", "json", _json_chunks),
        "csv": ("application/zip", "zip", _csv_chunks),
    }[suffix]
    name = f"moodplane-{user.get_username()}-{timezone.now():%Y-%m-%d}.{extension}"
    return DataExport(name, content_type, write(user))


def _json_chunks(user: User) -> Iterator[bytes]:
    # By kind, what each field means; "" is about the kind.
    meanings = {
        kind.name: {"": gettext(kind.about), **{each.name: gettext(each.meaning) for each in kind.fields}}
        for kind in KINDS
    }
    head: dict[str, Any] = {"format": FORMAT, "version": VERSION, "made_at": timezone.now(), "fields": meanings}
    yield f"{_json(head)[:-1]}".encode()
    for kind in KINDS:
        if kind is ACCOUNT:
            yield f',\n"{kind.name}": {_json(next(kind.rows(user), {}))}'.encode()
            continue
        yield f',\n"{kind.name}": ['.encode()
        for number, row in enumerate(kind.rows(user)):
            yield f"{',' if number else ''}\n{_json(row)}".encode()
        yield b"]"
    yield b"}\n"


def _csv_chunks(user: User) -> Iterator[bytes]:
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        tables = "\n".join(
            f"{kind.name}.csv: {gettext(kind.about)}\n"
            + "".join(f"    {field.name}: {gettext(field.meaning)}\n" for field in kind.fields)
            for kind in KINDS
        )
        made_at = f"{timezone.now():%Y-%m-%d %H:%M} UTC"
        archive.writestr("README.txt", gettext(_README) % {"made_at": made_at, "tables": tables})
        for kind in KINDS:
            with (
                archive.open(f"{kind.name}.csv", "w") as member,
                io.TextIOWrapper(member, "utf-8", newline="", write_through=True) as table,
            ):
                lines = csv.writer(table)
                lines.writerow([field.name for field in kind.fields])
                for row in kind.rows(user):
                    lines.writerow([_cell(value) for value in row.values()])
                    yield from sink.taken()
            yield from sink.taken()
    yield from sink.taken()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return _json(value).strip('"')


def _json(value: Any) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False)


class _Sink(io.RawIOBase):
    """Takes what a zip file writes and hands it on; it cannot go back, which the zip format allows for."""

    def __init__(self) -> None:
        super().__init__()
        self._chunks: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._chunks.append(bytes(data))
        return len(data)

    def taken(self) -> Iterator[bytes]:
        """Yield what was written since the last time."""
        chunks, self._chunks = self._chunks, []
        if chunks:
            yield b"".join(chunks)


@transaction.atomic
def learning_forget(*, user: User) -> int:
    """Delete a listener's ratings, stars, moods, listens and predictions; their playlists stay as lists of songs.

    The listener's model is fitted to these rows whenever it is needed, so nothing of it remains. What playlists show of
    it (reasons, predictions, moods) goes as well. A second call finds nothing.

    Returns:
        How many ratings, stars, moods and listens there were.
    """
    _locked(user)
    n_forgotten = 0
    for kind in LEARNED_FROM:
        _log_forget(kind, user)
        n_forgotten += kind.queryset(user).delete()[0]
    Playlist.objects.filter(owner=user).update(mood_valence=None, mood_arousal=None)
    # They are made anew from what is left.
    MoodList.objects.filter(listener=user).delete()
    _predictions_forget(user)
    return n_forgotten


@transaction.atomic
def account_delete(*, user: User) -> None:
    """Delete an account and everything that belongs to it; songs stay. A second call finds nothing.

    Sessions end on all devices; tokens and shared links stop working. What staff did with models stays on record,
    without a name.
    """
    if not _locked(user):
        return
    for kind in KINDS:
        if not kind.kept:
            _log_forget(kind, user)
    _sessions_end(user)
    User.objects.filter(pk=user.pk).delete()


def _locked(user: User) -> bool:
    # A writer of a row that points to the user waits for this lock, and then finds no such user.
    return User.objects.select_for_update().filter(pk=user.pk).first() is not None


def _predictions_forget(user: User) -> None:
    """Reduce each song in a playlist to what is true for every listener."""
    items = PlaylistItem.objects.filter(playlist__owner=user).order_by("pk").select_related("song")
    changed = []
    for item in items.prefetch_related(current_estimates("song__estimates")).iterator(chunk_size=_CHUNK):
        item.reason = public_reason_of(estimate_of(item.song))
        item.felt_valence = item.felt_arousal = None
        item.terms = {}
        changed.append(item)
    PlaylistItem.objects.bulk_update(changed, ["reason", "felt_valence", "felt_arousal", "terms"], batch_size=_CHUNK)


def _log_forget(kind: Kind, user: User) -> None:
    """Delete the staff's log entries about a user's rows, which repeat their names."""
    if kind.model._meta.auto_created:
        return
    rows = kind.queryset(user).order_by().annotate(as_text=Cast("pk", CharField()))
    logged = LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(kind.model))
    logged.filter(object_id__in=rows.values("as_text")).delete()


def _sessions_end(user: User) -> None:
    """End a user's sessions everywhere. A session reveals its user only when decoded, so all are read."""
    sessions = Session.objects.iterator(chunk_size=_CHUNK)
    theirs = [each.pk for each in sessions if each.get_decoded().get(SESSION_KEY) == str(user.pk)]
    Session.objects.filter(pk__in=theirs).delete()
