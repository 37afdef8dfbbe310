"""Services learn what is played, once and late rather than never, and what is loved there is liked here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from catalog.exceptions import AddressRefusedError
from catalog.models import Album, Artist, Song
from recommender.models import FeltRating, Listen, Scrobble, ScrobbleAccount
from recommender.requests import Listener
from recommender.scrobbling import services
from recommender.services import feedback
from tests.factories import ListenFactory, SongFactory
from tests.messages import waiting_tasks
from tests.service import Asked, Other, other_server

pytestmark = pytest.mark.django_db
RECORDING = "e97f805a-ab48-4c52-855e-07049142113d"
SESSION = "d580d57f32848f5dcf574d1ce18d78b2"


@pytest.fixture
def other(settings: Settings) -> Iterator[Other]:
    settings.MOODPLANE_PRIVATE_ADDRESSES = "curators"
    with other_server() as server:
        server.answers = answers
        yield server


def answers(asked: Asked) -> tuple[int, Any]:
    """Answer as ListenBrainz and Last.fm document it."""
    if asked.path.startswith("/1/") and asked.headers.get("Authorization") != "Token tok-1":
        return 401, {"code": 401, "error": "Invalid authorization token."}
    if asked.path == "/1/validate-token":
        return 200, {"code": 200, "message": "Token valid.", "valid": True, "user_name": "ann"}
    if asked.path == "/1/submit-listens":
        return 200, {"status": "ok"}
    if asked.path.startswith("/1/feedback/user/ann/"):
        rows = [
            {"recording_mbid": RECORDING, "score": 1, "track_metadata": None},
            {"recording_mbid": None, "score": 1, "track_metadata": {"artist_name": "ANN", "track_name": "Ebb "}},
            {"recording_mbid": None, "score": 1, "track_metadata": {"artist_name": "Zoe", "track_name": "Nowhere"}},
        ]
        offset = int(asked.query["offset"])
        return 200, {"count": len(rows), "feedback": rows[offset : offset + 2], "offset": offset, "total_count": 3}
    return scrobbler(asked.form)


def scrobbler(form: dict[str, str]) -> tuple[int, Any]:
    signed = "".join(f"{name}{form[name]}" for name in sorted(form) if name not in ("api_sig", "format"))
    if form["api_sig"] != hashlib.md5(f"{signed}shh".encode(), usedforsecurity=False).hexdigest():
        return 403, {"error": 13, "message": "Invalid method signature supplied"}
    if form["method"] == "auth.getMobileSession":
        if form["password"] != "pass word":
            return 403, {"error": 4, "message": "Authentication Failed"}
        return 200, {"session": {"subscriber": 0, "name": "Ann", "key": SESSION}}
    if form["method"] == "user.getLovedTracks":
        track = {"artist": {"name": "Ann", "mbid": ""}, "mbid": "", "name": "Ebb", "date": {"uts": "1"}}
        return 200, {"lovedtracks": {"track": [track], "@attr": {"page": "1", "totalPages": "1", "total": "1"}}}
    if form["sk"] != SESSION:
        return 403, {"error": 9, "message": "Invalid session key - Please re-authenticate"}
    return 200, {"scrobbles": {"@attr": {"accepted": 1, "ignored": 0}}}


@pytest.fixture
def ann(alice: User) -> User:
    """Alice as a curator, who may name private addresses in these tests."""
    alice.groups.add(Group.objects.get_or_create(name="curator")[0])
    return alice


@pytest.fixture
def brainz(ann: User, other: Other) -> ScrobbleAccount:
    return services.listenbrainz_connect(user=ann, token=" tok-1 ", url=other.url)


def song(title: str = "Tide", **fields: Any) -> Song:
    artist = Artist.objects.get_or_create(name_key="ann", defaults={"name": "Ann"})[0]
    album = Album.objects.get_or_create(title_key="shore", artist=artist, defaults={"title": "Shore"})[0]
    made: Song = SongFactory(title=title, artist=artist, album=album, track_number=3, duration_s=200.0, **fields)
    return made


def played(user: User, song: Song, listened_s: float, *, completed: bool = False) -> Listen:
    feedback.listen_record(listener=Listener(user), song=song)
    return feedback.listen_finish(listener=Listener(user), song=song, listened_s=listened_s, completed=completed).listen


@pytest.mark.parametrize(
    ("duration_s", "listened_s", "outcome", "counts"),
    [
        (200.0, 99.0, "skipped", False),
        (200.0, 100.0, "skipped", True),
        (3600.0, 239.0, "skipped", False),
        (3600.0, 240.0, "completed", True),
        (20.0, 20.0, "completed", False),
        (200.0, None, "completed", True),
        (200.0, None, "started", False),
    ],
)
def test_half_of_a_song_or_four_minutes_are_a_listen(
    duration_s: float, listened_s: float | None, outcome: str, counts: bool
) -> None:
    listen = Listen(song=Song(duration_s=duration_s), listened_s=listened_s, outcome=outcome)
    assert services.counts_as_listen(listen) is counts


def test_listenbrainz_learns_what_plays_and_what_was_played(
    brainz: ScrobbleAccount, other: Other, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    other.asked.clear()
    with django_capture_on_commit_callbacks(execute=True):
        listen = played(brainz.listener, song(recording_id=RECORDING), 120.0)
    assert sorted(waiting_tasks("default")) == ["recommender.tasks.playing_tell", "recommender.tasks.scrobbles_go_on"]

    services.playing_tell(listen_id=listen.pk)
    assert services.scrobble_step()
    assert not services.scrobble_step()

    now, heard = other.asked
    about = {
        "artist_name": "Ann",
        "track_name": "Tide",
        "release_name": "Shore",
        "additional_info": {
            "media_player": "Moodplane",
            "submission_client": "Moodplane",
            "duration_ms": 200_000,
            "recording_mbid": RECORDING,
            "tracknumber": 3,
        },
    }
    assert now.json == {"listen_type": "playing_now", "payload": [{"track_metadata": about}]}
    at = int(listen.started_at.timestamp())
    assert heard.json == {"listen_type": "single", "payload": [{"listened_at": at, "track_metadata": about}]}
    assert Scrobble.objects.get().state == "done"
    # A second report of the same listen is none.
    listen.save()
    assert Scrobble.objects.count() == 1


def test_the_queue_waits_while_a_service_is_away_and_is_sent_as_one(brainz: ScrobbleAccount, other: Other) -> None:
    other.answers = lambda _asked: (503, {"code": 503, "error": "Down for maintenance"})
    for n in range(3):
        ListenFactory(listener=brainz.listener, song=song(f"Song {n}"), outcome="completed", listened_s=200.0)
    waits = []
    for _ in range(3):
        asked_at = timezone.now()
        assert services.scrobble_step()
        assert not services.scrobble_step()
        brainz.refresh_from_db()
        assert brainz.retry_at is not None
        waits.append(round((brainz.retry_at - asked_at).total_seconds()))
        ScrobbleAccount.objects.update(retry_at=timezone.now() - timedelta(seconds=1))
        Scrobble.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert waits == [60, 120, 240]
    assert set(Scrobble.objects.values_list("state", "attempts")) == {("waiting", 0)}
    other.asked.clear()
    other.answers = answers
    services.scrobble_step()
    [sent] = other.asked
    assert sent.json["listen_type"] == "import"
    assert [row["track_metadata"]["track_name"] for row in sent.json["payload"]] == ["Song 0", "Song 1", "Song 2"]
    brainz.refresh_from_db()
    assert (brainz.n_failures, brainz.retry_at) == (0, None)


def test_a_token_that_is_refused_stops_the_queue_until_the_listener_acts(
    brainz: ScrobbleAccount, other: Other, client_alice: Client
) -> None:
    other.answers = lambda _asked: (401, {"code": 401, "error": "Invalid authorization token."})
    played(brainz.listener, song(), 200.0, completed=True)
    services.scrobble_step()
    assert not services.scrobble_step()
    assert "does not know this token" in client_alice.get("/me/elsewhere/").content.decode()
    other.answers = answers
    client_alice.post(f"/me/elsewhere/{brainz.pk}/", {"action": "retry"})
    services.scrobble_step()
    assert Scrobble.objects.get().state == "done"


def test_loved_songs_become_likes_and_dislikes_stay(brainz: ScrobbleAccount) -> None:
    by_id, by_name = song("Another name", recording_id=RECORDING), song("Ebb")
    FeltRating.objects.create(listener=brainz.listener, song=by_name, liked=False, felt_valence=0.2)
    assert services.loved_import(account=brainz) == (1, 1)
    assert dict(FeltRating.objects.values_list("song", "liked")) == {by_id.pk: True, by_name.pk: False}
    FeltRating.objects.filter(song=by_name).update(liked=None)
    services.loved_import_tried(account_id=brainz.pk)
    rating = FeltRating.objects.get(song=by_name)
    assert (rating.liked, rating.felt_valence) == (True, 0.2)


def test_last_fm_is_signed_in_once_and_told_with_signatures(ann: User, other: Other) -> None:
    account = services.audioscrobbler_connect(
        user=ann, url=other.url, api_key="key", api_secret="shh", user_name="ann", password="pass word"
    )
    assert (account.user_name, "pass" in account.secrets, SESSION in account.secrets) == ("Ann", False, False)
    other.asked.clear()
    listens = [played(ann, song(f"Song {n}"), 150.0) for n in range(2)]
    services.playing_tell(listen_id=listens[0].pk)
    services.scrobble_step()
    now, heard = (asked.form for asked in other.asked)
    assert (now["method"], now["track"], now["duration"]) == ("track.updateNowPlaying", "Song 0", "200")
    assert (heard["method"], heard["track[1]"], heard["album[0]"]) == ("track.scrobble", "Song 1", "Shore")
    assert heard["timestamp[0]"] == str(int(listens[0].started_at.timestamp()))
    assert set(Scrobble.objects.values_list("state", flat=True)) == {"done"}
    song("Ebb")
    assert services.loved_import(account=account) == (1, 0)


def test_the_page_connects_shows_and_disconnects(client_alice: Client, ann: User, other: Other, bob: User) -> None:
    page = client_alice.post(
        "/me/elsewhere/", {"service": "listenbrainz", "listenbrainz-token": "wrong", "listenbrainz-url": other.url}
    )
    assert page.status_code == 422
    assert "does not know this token" in page.content.decode()
    form = {"service": "audioscrobbler"} | {
        f"audioscrobbler-{name}": value
        for name, value in {
            "url": other.url,
            "api_key": "key",
            "api_secret": "shh",
            "user_name": "ann",
            "password": "pass word",
        }.items()
    }
    assert client_alice.post("/me/elsewhere/", form).status_code == 302
    account = ScrobbleAccount.objects.get()
    shown = client_alice.get("/me/elsewhere/").content.decode()
    assert "Everything is sent" in shown
    assert SESSION not in shown
    bobs = Client()
    bobs.force_login(bob)
    assert bobs.post(f"/me/elsewhere/{account.pk}/", {"action": "remove"}).status_code == 404
    client_alice.post(f"/me/elsewhere/{account.pk}/", {"action": "remove"})
    assert not ScrobbleAccount.objects.exists()


def test_listeners_cannot_make_the_server_ask_its_own_network(
    bob: User, ann: User, other: Other, settings: Settings
) -> None:
    with pytest.raises(AddressRefusedError):
        services.listenbrainz_connect(user=bob, token="tok-1", url=other.url)
    settings.MOODPLANE_PRIVATE_ADDRESSES = "off"
    with pytest.raises(AddressRefusedError):
        services.listenbrainz_connect(user=ann, token="tok-1", url=other.url)
    assert other.asked == []
