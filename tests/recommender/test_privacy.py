"""A person's data: exported completely, forgotten, deleted, and then nowhere any more."""

from __future__ import annotations

import csv
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db import connection, models
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from catalog.models import Song, SongChange, Upload
from catalog.uploads.partial import partial_open
from catalog.uploads.services import upload_create
from emotion.inference.quadrants import Quadrant
from emotion.models import ModelVersion, PerceivedLabel, Reanalysis
from emotion.services.labels import perceived_label_set
from recommender import privacy
from recommender.listener import history_of
from recommender.models import (
    FeltRating,
    Listen,
    MoodCheckIn,
    Neighbour,
    NeighbourListener,
    NeighbourPlaylist,
    Playlist,
    PlaylistItem,
    Scrobble,
    ScrobbleAccount,
)
from recommender.privacy import (
    ACCOUNT,
    KINDS,
    LEARNED_FROM,
    Kind,
    account_delete,
    counts_of,
    data_export,
    learning_forget,
)
from recommender.requests import Listener
from recommender.retrieval import songs_index
from recommender.services import collecting, feedback, playlists, sharing
from recommender.subsonic import credentials
from tests.audio_fixtures import make_audio
from tests.factories import PASSWORD, AlbumFactory, UserFactory
from tests.recommender.conftest import HAPPY, SongMaker
from training.models import ModelEvent, Retraining

NAME, MAIL, FILE_NAME = "dora.unmistakable", "dora@unmistakable.example", "take seven of my tape.ogg"
API = "/api/v1/me/"


@pytest.fixture
def dora(make_songs: SongMaker, tmp_path: Path) -> User:
    """A listener who did everything that can be done here, through the real services where there are some."""
    songs = make_songs(12)
    user = UserFactory(username=NAME, email=MAIL, is_staff=True)
    user.groups.add(Group.objects.get_or_create(name="curator")[0])
    user.user_permissions.add(Permission.objects.get(codename="view_song"))
    _listen_and_rate(user, songs)
    perceived_label_set(user=user, song=songs[0], quadrant=Quadrant.Q1, valence=0.4, arousal=0.3)
    with make_audio(tmp_path / "tape.ogg", seconds=6.0).open("rb") as tape:
        upload_create(owner=user, file=tape, file_name=FILE_NAME)
    partial_open(
        owner=user, file_name=FILE_NAME, size_bytes=90_000_000, fingerprint=FILE_NAME, metadata="filename dA=="
    )
    Token.objects.create(user=user)
    _use_players(user, songs[0])
    account = ScrobbleAccount.objects.create(
        listener=user,
        service="listenbrainz",
        url="https://unmistakable.example",
        user_name=NAME,
        secrets="gAAAA-secret",
    )
    Scrobble.objects.create(account=account, listen=Listen.objects.filter(listener=user)[0])
    neighbour = Neighbour.objects.create(name="attic", url="https://x.example", user_name="admin", secrets="gAAAA")
    own = NeighbourListener.objects.create(neighbour=neighbour, listener=user, user_name=NAME, secrets="gAAAA")
    NeighbourPlaylist.objects.create(account=own, slug="Q4", remote_id="7")
    _work_as_staff(user)
    return user


def _use_players(user: User, song: Song) -> None:
    key = credentials.key_make(user=user, name="An unmistakable phone")[1]
    credentials.secret_make(user=user)
    asked = {"apiKey": key, "c": "An unmistakable player", "id": f"tr-{song.pk}"}
    for name, more in {
        "setRating": {"rating": "4"},
        "star": {"artistId": f"ar-{song.artist_id}"},
        "createBookmark": {"position": "1200", "comment": "An unmistakable bar"},
        "savePlayQueue": {"current": f"tr-{song.pk}"},
        "scrobble": {"submission": "false"},
        "getPlaylist": {"id": "mood-1"},
    }.items():
        assert b'status="ok"' in Client().get(f"/rest/{name}", {**asked, **more}).content


def _listen_and_rate(user: User, songs: list[Song]) -> None:
    listener = Listener(user)
    feedback.check_in_create(listener=listener, valence=-0.7791, arousal=0.3387)
    playlist = playlists.playlist_create(listener=listener, target=HAPPY, length=5, seed=4, mood=(-0.7791, 0.3387))
    playlists.playlist_rename(playlist=playlist, title="An unmistakable evening")
    sharing.playlist_share(playlist=playlist)
    playlists.journey_create(listener=listener, path=[(-0.5, 0.1), (0.6, 0.6)], length=4, seed=5)
    sheet = f"#EXTM3U\n#EXTINF:60,{songs[0].artist.name} - {songs[0].title}\na.mp3\n".encode()
    sharing.playlist_import(listener=listener, content=sheet, file_name="unmistakable.m3u8", site="http://x/")
    collecting.smart_list_create(listener=listener, title="An unmistakable rule", query="year_to=1979")
    collecting.album_like(user=user, album=AlbumFactory(), liked=True)
    song = playlist.items.get(position=1).song
    feedback.listen_record(listener=listener, song=song, playlist=playlist)
    feedback.listen_finish(listener=listener, song=song, playlist=playlist, listened_s=7.25, completed=False)
    feedback.feedback_record(user=user, song=song, felt_valence=-0.62, felt_arousal=0.44, playlist=playlist)
    other = next(each for each in songs if each != song)
    feedback.feedback_record(user=user, song=other, felt_nothing=True, liked=True)


def _work_as_staff(user: User) -> None:
    model = ModelVersion.objects.create(
        version="m1", origin=ModelVersion.Origin.FILE, weights_sha256="0" * 64, card={}, imported_by=user
    )
    ModelEvent.objects.create(model=model, kind=ModelEvent.Kind.IMPORTED, by=user, reason="It hears better.")
    now = timezone.now()
    Reanalysis.objects.create(model_version="m1", started_by=user)
    Retraining.objects.create(recipe="head", started_by=user)
    SongChange.objects.create(made_by=user, undone_by=user, undone_at=now, n_songs=2)
    _log(user, user)
    _log(user, FeltRating.objects.filter(listener=user)[0])


def _log(by: User, row: models.Model) -> None:
    kind = ContentType.objects.get_for_model(row)
    LogEntry.objects.create(
        user=by, content_type=kind, object_id=str(row.pk), object_repr=str(row), action_flag=CHANGE, change_message="[]"
    )


def exported(user: User, suffix: str = "json") -> Any:
    content = b"".join(data_export(user, suffix).chunks)
    return json.loads(content) if suffix == "json" else zipfile.ZipFile(io.BytesIO(content))


# --- Nothing is forgotten -------------------------------------------------------------------------------------------


def related_to(model: type[models.Model]) -> Iterator[tuple[str, str, Any]]:
    """Every column anywhere that points to a model: whose it is, its name, and what happens on deletion."""
    for relation in model._meta.get_fields(include_hidden=True):
        if isinstance(relation, models.ManyToOneRel):
            yield relation.related_model._meta.label, relation.field.name, relation.on_delete


def test_every_column_that_points_to_a_user_is_known() -> None:
    named = {(kind.model._meta.label, kind.owner) for kind in KINDS if kind is not ACCOUNT and "__" not in kind.owner}
    assert {(label, field) for label, field, _ in related_to(User)} == named


def test_deletion_of_an_account_removes_and_leaves_the_rows_it_names() -> None:
    kept = {kind.model._meta.label for kind in KINDS if kind.kept}
    assert {label for label, _, on_delete in related_to(User) if on_delete is models.SET_NULL} == kept
    assert {on_delete for *_, on_delete in related_to(User)} == {models.SET_NULL, models.CASCADE}


def test_what_hangs_on_something_personal_is_known_too() -> None:
    named = {kind.model._meta.label for kind in KINDS}
    personal = [kind.model for kind in KINDS if not kind.kept and kind is not ACCOUNT]
    hanging = {
        label for model in personal for label, _, on_delete in related_to(model) if on_delete is not models.SET_NULL
    }
    assert hanging <= named


def whole_kinds() -> list[Kind]:
    """The kinds that are exported column by column; of shared objects, the export gives the act and its time."""
    shared = ("auth.User_groups", "auth.User_user_permissions", "admin.LogEntry")
    return [kind for kind in KINDS if not kind.kept and kind.model_label not in shared]


@pytest.mark.parametrize("kind", whole_kinds(), ids=lambda kind: kind.name)
def test_every_column_of_a_personal_row_is_exported(kind: Kind) -> None:
    # A session's key is empty once a row is a user's; a password and a token are secrets.
    untold = {kind.owner.split("__")[0] + "_id", "session_key", "password", "key", "user_id", "claim", "secrets"}
    untold |= {"key_hash", "encrypted", "neighbour_id"}
    untold |= {"id"} if kind.name in ("account", "playlist_items") else set()
    columns = {field.attname for field in kind.model._meta.concrete_fields} - untold
    assert columns <= {field.lookup for field in kind.fields}
    assert all(field.meaning and field.meaning[-1] == "." for field in kind.fields)


# --- Export ---------------------------------------------------------------------------------------------------------


def test_the_export_holds_every_row_of_every_kind(dora: User) -> None:
    export = exported(dora)
    assert export["account"]["username"] == NAME
    assert (export["format"], export["version"]) == ("moodplane-export", 1)
    for kind in KINDS[1:]:
        rows = kind.queryset(dora).count()
        assert rows > 0, f"dora has no {kind.name}, so nothing is shown"
        assert len(export[kind.name]) == rows
        assert set(export[kind.name][0]) == set(export["fields"][kind.name]) - {""}
    rating = export["ratings"][0]
    assert (rating["felt_valence"], rating["felt_arousal"], rating["mood_valence"]) == (-0.62, 0.44, -0.7791)
    assert rating["song_title"] == Song.objects.get(pk=rating["song"]).title
    assert export["playlists"][0]["title"] == "An unmistakable evening"
    assert export["uploads"][0]["file_name"] == FILE_NAME
    assert export["playlists"][1]["path"] == [[-0.5, 0.1], [0.6, 0.6]]


def test_the_tables_say_the_same_as_the_document(dora: User) -> None:
    export, archive = exported(dora), exported(dora, "csv")
    assert archive.testzip() is None
    assert set(archive.namelist()) == {"README.txt", *(f"{kind.name}.csv" for kind in KINDS)}
    readme = archive.read("README.txt").decode()
    for kind in KINDS:
        table = list(csv.DictReader(io.StringIO(archive.read(f"{kind.name}.csv").decode())))
        rows = [export["account"]] if kind is ACCOUNT else export[kind.name]
        # What would begin a formula carries an apostrophe in the table: a share token may begin with "-".
        plain = [{name: value.removeprefix("'") for name, value in row.items()} for row in table]
        assert [_as_cells(row) for row in rows] == plain
        assert all(f"{field.name}: {field.meaning}" in readme for field in kind.fields)


def _as_cells(row: dict[str, Any]) -> dict[str, str]:
    return {
        name: "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in row.items()
    }


def test_a_table_starts_no_formula_in_a_spreadsheet(alice: User) -> None:
    Playlist.objects.create(
        owner=alice, title='=HYPERLINK("x")', target_valence=-0.5, target_arousal=0, requested_length=1, seed=1
    )
    table = exported(alice, "csv").read("playlists.csv").decode()
    row = next(csv.DictReader(io.StringIO(table)))
    assert (row["title"], row["target_valence"]) == ('\'=HYPERLINK("x")', "-0.5")
    assert exported(alice)["playlists"][0]["title"] == '=HYPERLINK("x")'


def test_the_export_holds_no_secret_and_nothing_of_others(dora: User, alice: User, make_songs: SongMaker) -> None:
    feedback.check_in_create(listener=Listener(alice), valence=0.1234, arousal=0.4321)
    archive = exported(dora, "csv")
    export = json.dumps(exported(dora)) + "".join(archive.read(name).decode() for name in archive.namelist())
    assert dora.password not in export
    assert Token.objects.get(user=dora).key not in export
    assert "0.1234" not in export
    assert "alice" not in export


def test_an_export_is_read_as_it_is_sent(alice: User, make_songs: SongMaker) -> None:
    song = make_songs(1)[0]
    Listen.objects.bulk_create(Listen(listener=alice, song=song) for _ in range(2500))
    chunks = data_export(alice, "json").chunks
    with_first = next(chunks)
    assert b"listens" in with_first  # The meanings come first; no listen was read for them.
    assert sum(len(chunk) > 200_000 for chunk in chunks) == 0
    assert len(exported(alice)["listens"]) == 2500
    assert exported(alice, "csv").read("listens.csv").count(b"\n") == 2501


# --- Forget ---------------------------------------------------------------------------------------------------------


def test_forgetting_leaves_nothing_to_learn_from_and_the_playlists_as_lists(dora: User) -> None:
    items = PlaylistItem.objects.filter(playlist__owner=dora).order_by("pk")
    songs = list(items.values_list("playlist", "position", "song"))
    assert learning_forget(user=dora) > 0
    assert not any(kind.queryset(dora).exists() for kind in LEARNED_FROM)
    assert len(history_of(Listener(dora), songs_index()).ratings.song_ids) == 0
    assert list(items.values_list("playlist", "position", "song")) == songs
    assert set(items.values_list("felt_valence", "felt_arousal")) == {(None, None)}
    assert all(item.terms == {} and item.reason.endswith("sure.") for item in items)
    assert set(Playlist.objects.filter(owner=dora).values_list("mood_valence", "mood_arousal")) == {(None, None)}
    assert PerceivedLabel.objects.filter(rater=dora).count() == 1
    assert Upload.objects.filter(owner=dora).count() == 1
    assert User.objects.filter(pk=dora.pk).exists()
    assert not LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(FeltRating)).exists()


def test_forgetting_twice_is_the_same_as_once_and_touches_nobody_else(dora: User, alice: User) -> None:
    song = Song.objects.order_by("pk")[0]
    feedback.feedback_record(user=alice, song=song, liked=True)
    playlists.playlist_create(listener=Listener(alice), target=HAPPY, length=3, seed=1, mood=(0.1, 0.1))
    before = list(PlaylistItem.objects.filter(playlist__owner=alice).values())
    learning_forget(user=dora)
    assert learning_forget(user=dora) == 0
    assert FeltRating.objects.filter(listener=alice).count() == 1
    assert list(PlaylistItem.objects.filter(playlist__owner=alice).values()) == before
    assert Playlist.objects.get(owner=alice).mood_valence == 0.1


# --- Delete ---------------------------------------------------------------------------------------------------------


def everything() -> str:
    """Every row of every table, sessions read."""
    rows = [
        json.dumps([str(value) for value in row])
        for model in apps.get_models(include_auto_created=True)
        for row in model._default_manager.values_list()
    ]
    return "\n".join([*rows, *(str(session.get_decoded()) for session in Session.objects.all())])


def test_a_deleted_account_is_nowhere_any_more(dora: User) -> None:
    client, other_device = Client(), Client()
    for each in (client, other_device):
        assert each.login(username=NAME, password=PASSWORD)
    n_songs, shared = Song.objects.count(), Playlist.objects.exclude(share_token=None).get().share_token
    key = Token.objects.get(user=dora).key
    traces = [
        NAME,
        MAIL,
        FILE_NAME,
        key,
        "unmistakable",
        str(shared),
        "-0.62",
        "-0.7791",
        f"_auth_user_id': '{dora.pk}'",
    ]
    before = everything()
    assert [trace for trace in traces if trace not in before] == []

    answer = client.post(reverse("recommender:me_delete"), {"password": PASSWORD})
    assert (answer.status_code, answer["Location"]) == (302, "/")

    after = everything()
    assert [trace for trace in traces if trace in after] == []
    for kind in KINDS:
        assert not kind.queryset(dora).exists(), kind.name
    assert Song.objects.count() == n_songs
    # A file without tags gave its song a title; that stays, and the page says so.
    assert Song.objects.filter(title="take seven of my tape").exists()
    # What was done with models stays on record, without the name.
    for row in (ModelVersion, Reanalysis, ModelEvent, Retraining):
        assert row._default_manager.count() == 1

    assert b"were deleted" in client.get("/").content
    for each in (client, other_device):
        assert each.get(reverse("recommender:me")).context["signed_out"]
    assert APIClient().get(f"{API}export/", HTTP_AUTHORIZATION=f"Token {key}").status_code == 401
    assert Client().get(reverse("recommender:shared_playlist", args=[shared])).status_code == 404
    assert not client.login(username=NAME, password=PASSWORD)


def test_deleting_twice_is_the_same_as_once_and_touches_nobody_else(dora: User, alice: User, bob: User) -> None:
    client_alice = Client()
    client_alice.force_login(alice)
    shared = Playlist.objects.exclude(share_token=None).get()
    copy = sharing.playlist_copy(shared=shared, listener=Listener(alice))
    feedback.feedback_record(user=bob, song=Song.objects.order_by("pk")[0], liked=True)
    account_delete(user=dora)
    account_delete(user=dora)
    assert set(User.objects.values_list("username", flat=True)) == {"alice", "bob"}
    assert copy.items.count() == 5
    assert FeltRating.objects.get().listener == bob
    assert client_alice.get(reverse("recommender:me")).context["user"] == alice


@pytest.mark.django_db(transaction=True)
def test_a_rating_that_comes_while_the_account_is_deleted_is_not_left_behind(
    alice: User, make_songs: SongMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    song = make_songs(1)[0]
    begun, errors = threading.Event(), []

    def rate() -> None:
        begun.wait(10)
        try:
            feedback.feedback_record(user=alice, song=song, liked=True)
        except Exception as error:
            errors.append(type(error).__name__)
        finally:
            connection.close()

    thread = threading.Thread(target=rate)
    thread.start()
    slow = privacy._sessions_end

    def while_locked(user: User) -> None:
        begun.set()
        thread.join(0.5)  # It waits for the lock, so it is still alive.
        assert thread.is_alive()
        slow(user)

    monkeypatch.setattr(privacy, "_sessions_end", while_locked)
    account_delete(user=alice)
    thread.join(10)
    assert errors == ["IntegrityError"]
    assert not FeltRating.objects.exists()
    assert not User.objects.exists()


# --- At the door ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("password", ["", "not it"])
def test_without_the_password_nothing_is_deleted(client_alice: Client, alice: User, password: str) -> None:
    answer = client_alice.post(reverse("recommender:me_delete"), {"password": password})
    assert answer.status_code == 200
    if password:
        assert b"This is not your password. Nothing was deleted." in answer.content
    api = APIClient()
    api.force_authenticate(alice)
    assert api.post(f"{API}delete/", {"password": password}).status_code == 400
    assert User.objects.filter(username="alice").exists()


def test_a_page_says_what_goes_before_it_goes(client_alice: Client, alice: User, make_songs: SongMaker) -> None:
    feedback.feedback_record(user=alice, song=make_songs(1)[0], liked=True)
    export = client_alice.get(reverse("recommender:me_delete")).content.decode()
    assert "1 rating of what you felt about songs" in export
    assert "0 reported moods" in export
    assert "Songs you uploaded" in export
    assert (
        "1 rating of what you felt about songs" in client_alice.get(reverse("recommender:me_forget")).content.decode()
    )
    assert counts_of(alice) == {"account": 1, "ratings": 1}


def test_the_api_exports_forgets_and_deletes(alice: User, make_songs: SongMaker) -> None:
    feedback.feedback_record(user=alice, song=make_songs(1)[0], liked=True)
    token = Token.objects.create(user=alice).key
    api = APIClient()
    api.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    answer = api.get(f"{API}export/")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    assert len(json.loads(answer.getvalue())["ratings"]) == 1
    answer = api.get(f"{API}export/csv/")
    assert answer["Content-Disposition"].startswith('attachment; filename="moodplane-alice-')
    assert "ratings.csv" in zipfile.ZipFile(io.BytesIO(answer.getvalue())).namelist()
    assert api.post(f"{API}forget/").status_code == 204
    assert not FeltRating.objects.exists()
    assert api.post(f"{API}delete/", {"password": PASSWORD}).status_code == 204
    assert not User.objects.exists()
    assert api.get(f"{API}export/").status_code == 401


def test_bob_gets_and_deletes_only_his_data(alice: User, client_bob: Client, api_bob: APIClient) -> None:
    song = Song.objects.first()
    assert song is None
    MoodCheckIn.objects.create(listener=alice, valence=0.7791, arousal=0.1)
    for answer in (client_bob.get(reverse("recommender:me_export", args=["json"])), api_bob.get(f"{API}export/")):
        export = json.loads(answer.getvalue())
        assert export["account"]["username"] == "bob"
        assert export["moods"] == []
    assert client_bob.post(reverse("recommender:me_forget")).status_code == 302
    assert api_bob.post(f"{API}forget/").status_code == 204
    assert MoodCheckIn.objects.filter(listener=alice).count() == 1
    assert client_bob.post(reverse("recommender:me_delete"), {"password": PASSWORD}).status_code == 302
    assert list(User.objects.values_list("username", flat=True)) == ["alice"]


@pytest.mark.parametrize("name", ["me_forget", "me_delete"])
def test_nobody_is_asked_to_sign_in_and_led_back(client: Client, db: None, name: str) -> None:
    where = reverse(f"recommender:{name}")
    for answer in (client.get(where), client.post(where, {"password": PASSWORD})):
        assert (answer.status_code, answer["Location"]) == (302, f"/accounts/login/?next={where}")


@pytest.mark.parametrize("suffix", ["json", "csv"])
def test_nobody_exports_nothing(client: Client, api_anonymous: APIClient, suffix: str) -> None:
    where = reverse("recommender:me_export", args=[suffix])
    assert client.get(where)["Location"] == f"/accounts/login/?next={where}"
    assert api_anonymous.get(f"{API}export/" + ("csv/" if suffix == "csv" else "")).status_code == 401


@pytest.mark.parametrize("path", ["forget/", "delete/"])
def test_nobody_deletes_nothing_by_the_api(api_anonymous: APIClient, path: str) -> None:
    assert api_anonymous.post(f"{API}{path}", {"password": PASSWORD}).status_code == 401


def test_there_is_no_other_format(client_alice: Client) -> None:
    assert client_alice.get(reverse("recommender:me_export", args=["xml"])).status_code == 404


def test_guessing_the_password_by_the_api_is_slowed(api_alice: APIClient) -> None:
    answers = [api_alice.post(f"{API}delete/", {"password": f"no {n}"}).status_code for n in range(21)]
    assert answers == [400] * 20 + [429]
