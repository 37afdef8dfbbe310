"""Playlists and ratings over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from recommender.models import FeltRating, Listen, Playlist
from recommender.requests import Listener, Target
from recommender.services import playlists
from tests.factories import RatingFactory
from tests.recommender.conftest import SongMaker

PLAYLISTS = "/api/v1/playlists/"
RATINGS = "/api/v1/ratings/"
LISTENS = "/api/v1/listens/"
MOODS = "/api/v1/moods/"
SHARED = "/api/v1/shared/"
HAPPY = Target.of_point(0.6, 0.6)


def assert_problem(response: Any, status: int, code: str) -> None:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == code


@pytest.fixture
def playlist_of_alice(alice: User, make_songs: SongMaker) -> Playlist:
    make_songs(10)
    return playlists.playlist_create(listener=Listener(alice), target=HAPPY, length=5, seed=1)


# --- Playlists ----------------------------------------------------------------------------------------------------


def test_a_playlist_is_made_and_read(api_alice: APIClient, make_songs: SongMaker) -> None:
    make_songs(10)
    response = api_alice.post(PLAYLISTS, {"quadrant": 1, "length": 4, "seed": 5, "filters": {"genre": "Rock"}})
    made = response.json()
    assert response.status_code == 201
    assert response["Location"] == f"{PLAYLISTS}{made['id']}/"
    assert (made["quadrant"], made["length"], made["seed"], made["filters"]) == (1, 4, 5, {"genre": "Rock"})
    assert [item["position"] for item in made["items"]] == [1, 2, 3, 4]
    song = made["items"][0]["song"]
    assert (song["quadrant"], round(song["confidence"], 2)) == (1, 0.7)
    assert all(item["reason"] == "" or item["reason"].endswith(".") for item in made["items"])
    assert api_alice.get(response["Location"]).json() == made
    listed = api_alice.get(PLAYLISTS).json()
    assert (listed["count"], listed["results"][0]["id"]) == (1, made["id"])
    assert "items" not in listed["results"][0]


def test_a_point_is_a_target(api_alice: APIClient, make_songs: SongMaker) -> None:
    make_songs(3)
    made = api_alice.post(PLAYLISTS, {"valence": -0.5, "arousal": 1}).json()
    assert (made["quadrant"], made["valence"], made["arousal"], made["length"]) == (None, -0.5, 1.0, 12)
    assert made["note"].startswith("Only 3 songs have been analysed so far")
    assert api_alice.post(PLAYLISTS, {"quadrant": "q4"}).json()["quadrant"] == 4


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"valence": 0.1},
        {"quadrant": 5},
        {"quadrant": "loud"},
        {"quadrant": 1, "valence": 0.0, "arousal": 0.0},
        {"valence": 1.01, "arousal": 0},
        {"valence": "NaN", "arousal": 0},
        {"quadrant": 1, "length": 0},
        {"quadrant": 1, "length": 101},
        {"quadrant": 1, "seed": 2**63},
        {"quadrant": 1, "filters": {"artist": 0}},
        {"quadrant": 1, "filters": {"genre": "\x00"}},
    ],
)
def test_a_playlist_that_cannot_be_is_a_problem(api_alice: APIClient, asked: dict[str, object]) -> None:
    response = api_alice.post(PLAYLISTS, asked)
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] in {"invalid", "playlist_invalid"}
    assert not Playlist.objects.exists()


def test_a_listener_without_an_account_keeps_a_playlist_in_the_session(
    api_anonymous: APIClient, make_songs: SongMaker
) -> None:
    make_songs(4)
    made = api_anonymous.post(PLAYLISTS, {"quadrant": 1}).json()
    assert api_anonymous.get(PLAYLISTS).json()["count"] == 1
    assert api_anonymous.get(f"{PLAYLISTS}{made['id']}/").status_code == 200
    assert APIClient().get(PLAYLISTS).json()["count"] == 0
    assert_problem(APIClient().get(f"{PLAYLISTS}{made['id']}/"), 404, "playlist_not_found")
    playlist = Playlist.objects.get()
    assert (playlist.owner, bool(playlist.session_key)) == (None, True)


def test_reading_makes_no_session(api_anonymous: APIClient) -> None:
    assert api_anonymous.get(PLAYLISTS).cookies.get("sessionid") is None


def test_playing_marks_the_place(api_alice: APIClient, playlist_of_alice: Playlist) -> None:
    where = f"{PLAYLISTS}{playlist_of_alice.pk}/items/2/played/"
    item = playlist_of_alice.items.get(position=2)
    response = api_alice.post(where, {"song": item.song_id})
    assert response.status_code == 200
    assert response.json()["played_at"]
    assert api_alice.post(where).status_code == 200
    assert Listen.objects.get().song_id == item.song_id
    assert_problem(api_alice.post(where, {"song": item.song_id + 1}), 409, "playlist_changed")
    missing = f"{PLAYLISTS}{playlist_of_alice.pk}/items/77/played/"
    assert_problem(api_alice.post(missing), 404, "playlist_item_not_found")


def test_ranking_again_says_what_it_did(api_alice: APIClient, alice: User, playlist_of_alice: Playlist) -> None:
    where = f"{PLAYLISTS}{playlist_of_alice.pk}/rerank/"
    assert api_alice.post(where).json() == {"changed": False, "sentence": "The rest does not change.", "moved": []}
    first = playlist_of_alice.items.get(position=1)
    RatingFactory(listener=alice, song=first.song, felt_valence=-1, felt_arousal=-1, liked=False)
    result = api_alice.post(where).json()
    assert result["changed"]
    assert result["moved"]
    assert " moved" in result["sentence"] or " replaced" in result["sentence"]


def test_a_playlist_is_deleted(api_alice: APIClient, playlist_of_alice: Playlist) -> None:
    where = f"{PLAYLISTS}{playlist_of_alice.pk}/"
    assert api_alice.delete(where).status_code == 204
    assert_problem(api_alice.get(where), 404, "playlist_not_found")


@pytest.mark.parametrize("who", ["api_bob", "api_anonymous", "api_staff", "api_cleo"])
@pytest.mark.parametrize(
    ("method", "path"), [("get", ""), ("delete", ""), ("post", "rerank/"), ("post", "items/1/played/")]
)
def test_a_playlist_is_nobody_elses(
    request: pytest.FixtureRequest, playlist_of_alice: Playlist, who: str, method: str, path: str
) -> None:
    client = request.getfixturevalue(who)
    response = getattr(client, method)(f"{PLAYLISTS}{playlist_of_alice.pk}/{path}")
    assert_problem(response, 404, "playlist_not_found")
    assert client.get(PLAYLISTS).json()["count"] == 0
    assert Playlist.objects.count() == 1
    assert not Listen.objects.exists()


def test_no_playlist_at_an_impossible_address(api_alice: APIClient) -> None:
    assert_problem(api_alice.get(f"{PLAYLISTS}{10**30}/"), 404, "playlist_not_found")
    assert api_alice.get(f"{PLAYLISTS}abc/").status_code == 404


# --- Other playlists ------------------------------------------------------------------------------------------------


def test_a_list_around_a_song_and_a_journey_are_made(api_alice: APIClient, make_songs: SongMaker) -> None:
    songs = make_songs(20, around=(0.0, 0.0), spread=0.9)
    around = api_alice.post(PLAYLISTS, {"around": songs[3].pk, "length": 5}).json()
    assert (around["kind"], around["around"], around["title"]) == ("song", songs[3].pk, f"Around “{songs[3].title}”")
    assert songs[3].pk not in [item["song"]["id"] for item in around["items"]]
    path = [{"valence": -0.6, "arousal": 0.5}, {"valence": 0.0, "arousal": 0.0}, {"valence": 0.6, "arousal": -0.5}]
    journey = api_alice.post(PLAYLISTS, {"path": path, "length": 6, "variety": 0}).json()
    assert (journey["kind"], journey["path"], journey["variety"]) == ("journey", path, 0.0)
    assert (journey["mood_valence"], journey["mood_arousal"]) == (-0.6, 0.5)
    assert (journey["valence"], journey["arousal"]) == (0.6, -0.5)
    assert journey["items"][0]["terms"]


@pytest.mark.parametrize(
    "asked",
    [
        {"path": [{"valence": 0, "arousal": 0}]},
        {"path": [{"valence": 0, "arousal": 0}, {"valence": 2, "arousal": 0}]},
        {"path": [{"valence": 0, "arousal": 0}] * 7},
        {"path": "somewhere"},
        {"around": 10**9},
        {"around": 1, "quadrant": 1},
        {"quadrant": 1, "variety": 1.5},
        {"quadrant": 1, "variety": "NaN"},
        {"quadrant": 1, "filters": {"decade": 1995}},
        {"quadrant": 1, "mood": {"valence": 0}},
        {"path": [{"valence": 0, "arousal": 0}] * 2, "mood": {"valence": 0, "arousal": 0}},
    ],
)
def test_a_list_that_cannot_be_made_is_a_problem(api_alice: APIClient, asked: dict[str, object]) -> None:
    assert_problem(api_alice.post(PLAYLISTS, asked), 400, "invalid")
    assert not Playlist.objects.exists()


def test_a_list_is_renamed_saved_and_regenerated(api_alice: APIClient, playlist_of_alice: Playlist) -> None:
    where = f"{PLAYLISTS}{playlist_of_alice.pk}/"
    changed = api_alice.patch(where, {"title": "  For\ta rainy\nday ", "saved": True}).json()
    assert (changed["title"], bool(changed["saved_at"])) == ("For a rainy day", True)
    assert api_alice.patch(where, {"saved": False}).json()["saved_at"] is None
    for title in ("", "   ", "x" * 201):
        assert api_alice.patch(where, {"title": title}).status_code == 400
    other = api_alice.post(f"{where}regenerate/")
    assert other.status_code == 201
    assert other.json()["seed"] != playlist_of_alice.seed
    assert Playlist.objects.count() == 2


def test_a_list_is_put_in_order_by_hand(api_alice: APIClient, playlist_of_alice: Playlist) -> None:
    where = f"{PLAYLISTS}{playlist_of_alice.pk}/"
    before = [item["song"]["id"] for item in api_alice.get(where).json()["items"]]
    moved = api_alice.post(f"{where}items/move/", {"song": before[4], "position": 2}).json()
    assert [item["song"]["id"] for item in moved["items"]] == [before[0], before[4], *before[1:4]]
    assert moved["arranged_at"]
    left = api_alice.delete(f"{where}songs/{before[0]}/").json()
    assert [item["position"] for item in left["items"]] == [1, 2, 3, 4]
    assert left["length"] == 4
    assert_problem(api_alice.delete(f"{where}songs/{before[0]}/"), 404, "playlist_item_not_found")
    rated = api_alice.post(RATINGS, {"song": before[4], "liked": False, "playlist": playlist_of_alice.pk}).json()
    assert not rated["rerank"]["changed"]
    assert "by hand" in rated["rerank"]["sentence"]
    assert "by hand" not in api_alice.post(f"{where}rerank/").json()["sentence"]
    assert api_alice.get(where).json()["arranged_at"] is None


# --- Listens and moods ----------------------------------------------------------------------------------------------


def test_a_skip_in_a_playlist_moves_its_rest(api_alice: APIClient, playlist_of_alice: Playlist) -> None:
    song = playlist_of_alice.items.get(position=1).song
    played = {"song": song.pk, "playlist": playlist_of_alice.pk}
    started = api_alice.post(LISTENS, played).json()
    assert (started["listen"]["outcome"], started["rerank"]) == ("started", None)
    skipped = api_alice.post(LISTENS, {**played, "outcome": "skipped", "listened_s": 4}).json()
    assert skipped["listen"] == {**started["listen"], "outcome": "skipped", "listened_s": 4.0}
    assert song.title in skipped["rerank"]["sentence"]
    assert api_alice.get(LISTENS).json()["count"] == 1
    assert_problem(api_alice.post(LISTENS, {**played, "outcome": "skipped"}), 400, "invalid")
    assert not FeltRating.objects.exists()


def test_a_mood_is_said_listed_and_taken_back(api_alice: APIClient, api_bob: APIClient) -> None:
    said = api_alice.post(MOODS, {"valence": -0.5, "arousal": 0.25})
    assert said.status_code == 201
    assert api_alice.get(MOODS).json()["results"] == [said.json()]
    where = f"{MOODS}{said.json()['id']}/"
    assert_problem(api_bob.delete(where), 404, "mood_not_found")
    assert api_alice.delete(where).status_code == 204
    assert api_alice.get(MOODS).json()["count"] == 0
    assert_problem(api_alice.post(MOODS, {"valence": -1.5, "arousal": 0}), 400, "invalid")


def test_a_rating_keeps_the_mood_before(api_alice: APIClient, make_songs: SongMaker) -> None:
    song = make_songs(1)[0]
    felt = {"song": song.pk, "felt_valence": 0.5, "felt_arousal": 0.5}
    assert api_alice.post(RATINGS, felt).json()["rating"]["mood_valence"] is None
    api_alice.post(MOODS, {"valence": -0.5, "arousal": 0.25})
    said = api_alice.post(RATINGS, felt).json()["rating"]
    assert (said["mood_valence"], said["mood_arousal"]) == (-0.5, 0.25)
    detail = api_alice.post(RATINGS, {**felt, "mood": {"valence": 0.1, "arousal": 0.2}}).json()["rating"]
    assert (detail["mood_valence"], detail["mood_arousal"]) == (0.1, 0.2)


# --- Ratings ------------------------------------------------------------------------------------------------------


def test_a_rating_is_given_changed_read_and_withdrawn(api_alice: APIClient, make_songs: SongMaker) -> None:
    song = make_songs(1)[0]
    first = api_alice.post(RATINGS, {"song": song.pk, "felt_valence": -0.3, "felt_arousal": 0.8})
    assert first.status_code == 200
    assert first.json()["rerank"] is None
    second = api_alice.post(RATINGS, {"song": song.pk, "liked": True}).json()["rating"]
    assert (second["felt_valence"], second["felt_arousal"], second["liked"]) == (-0.3, 0.8, True)
    where = f"{RATINGS}{second['id']}/"
    assert api_alice.get(where).json() == second
    assert api_alice.get(RATINGS).json()["results"] == [second]
    assert api_alice.delete(where).status_code == 204
    assert_problem(api_alice.get(where), 404, "rating_not_found")


def test_one_axis_alone_is_an_answer(api_alice: APIClient, make_songs: SongMaker) -> None:
    song = make_songs(1)[0]
    rating = api_alice.post(RATINGS, {"song": song.pk, "felt_arousal": 0.5}).json()["rating"]
    assert (rating["felt_valence"], rating["felt_arousal"]) == (None, 0.5)
    rating = api_alice.post(RATINGS, {"song": song.pk, "felt_valence": -0.25, "felt_arousal": None}).json()["rating"]
    assert (rating["felt_valence"], rating["felt_arousal"]) == (-0.25, 0.5)


def test_a_rating_in_a_playlist_moves_its_rest(api_alice: APIClient, playlist_of_alice: Playlist) -> None:
    song = playlist_of_alice.items.get(position=1).song
    answers = {"song": song.pk, "felt_valence": -1, "felt_arousal": -1, "liked": False}
    result = api_alice.post(RATINGS, {**answers, "playlist": playlist_of_alice.pk}).json()
    assert result["rerank"]["changed"]
    assert song.title in result["rerank"]["sentence"]
    assert (result["rating"]["playlist"], result["rating"]["position"]) == (playlist_of_alice.pk, 1)


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ({}, "rating_invalid"),
        ({"felt_valence": 1.5, "felt_arousal": 0}, "invalid"),
        ({"felt_valence": 0.5, "felt_arousal": 0, "felt_nothing": True}, "rating_invalid"),
        ({"song": 10**9, "liked": True}, "invalid"),
        ({"liked": True, "playlist": 10**9}, "playlist_not_found"),
        ({"listened_s": -1}, "invalid"),
        ({"listened_s": "inf"}, "invalid"),
    ],
)
def test_a_rating_that_cannot_be_is_a_problem(
    api_alice: APIClient, make_songs: SongMaker, answers: dict[str, object], code: str
) -> None:
    response = api_alice.post(RATINGS, {"song": make_songs(1)[0].pk, **answers})
    assert_problem(response, 404 if code == "playlist_not_found" else 400, code)
    assert not FeltRating.objects.exists()


def test_ratings_need_an_account(api_anonymous: APIClient, alice: User) -> None:
    rating = RatingFactory(listener=alice)
    where = f"{RATINGS}{rating.pk}/"
    for response in (
        api_anonymous.get(RATINGS),
        api_anonymous.post(RATINGS, {"song": rating.song_id, "liked": True}),
        api_anonymous.get(where),
        api_anonymous.delete(where),
    ):
        assert_problem(response, 401, "not_authenticated")


@pytest.mark.parametrize("who", ["api_bob", "api_staff", "api_cleo"])
def test_a_rating_is_nobody_elses(request: pytest.FixtureRequest, alice: User, who: str) -> None:
    rating = RatingFactory(listener=alice)
    client = request.getfixturevalue(who)
    for method in ("get", "delete"):
        assert_problem(getattr(client, method)(f"{RATINGS}{rating.pk}/"), 404, "rating_not_found")
    assert client.get(RATINGS).json()["count"] == 0
    assert FeltRating.objects.get() == rating


def test_nobody_rates_in_anothers_playlist(api_bob: APIClient, playlist_of_alice: Playlist) -> None:
    song = playlist_of_alice.items.get(position=1).song
    response = api_bob.post(RATINGS, {"song": song.pk, "liked": True, "playlist": playlist_of_alice.pk})
    assert_problem(response, 404, "playlist_not_found")
    assert not FeltRating.objects.exists()


# --- Everything ---------------------------------------------------------------------------------------------------


def test_a_closed_site_asks_for_an_account(api_anonymous: APIClient, api_alice: APIClient, settings: Settings) -> None:
    settings.MOODPLANE_PUBLIC = False
    for response in (api_anonymous.get(PLAYLISTS), api_anonymous.post(PLAYLISTS, {"quadrant": 1})):
        assert response.status_code == 401
        assert response["Content-Type"] == "application/problem+json"
    assert api_alice.get(PLAYLISTS).status_code == 200


def test_the_schema_describes_every_address(capsys: pytest.CaptureFixture[str]) -> None:
    from drf_spectacular.generators import SchemaGenerator

    schema = SchemaGenerator().get_schema(request=None, public=True)
    warned = [line for line in capsys.readouterr().err.splitlines() if "/recommender/" in line]
    assert not warned
    ours = (PLAYLISTS, RATINGS, LISTENS, MOODS, SHARED)
    assert {path for path in schema["paths"] if path.startswith(ours)} == {
        PLAYLISTS,
        f"{PLAYLISTS}import/",
        f"{PLAYLISTS}now/",
        f"{PLAYLISTS}{{id}}/",
        f"{PLAYLISTS}{{id}}/export/{{suffix}}/",
        f"{PLAYLISTS}{{id}}/items/move/",
        f"{PLAYLISTS}{{id}}/items/{{position}}/played/",
        f"{PLAYLISTS}{{id}}/regenerate/",
        f"{PLAYLISTS}{{id}}/rerank/",
        f"{PLAYLISTS}{{id}}/share/",
        f"{PLAYLISTS}{{id}}/songs/{{song}}/",
        RATINGS,
        f"{RATINGS}{{id}}/",
        LISTENS,
        MOODS,
        f"{MOODS}{{id}}/",
        f"{SHARED}{{token}}/",
        f"{SHARED}{{token}}/copy/",
    }
    assert reverse("playlist-list") == PLAYLISTS
