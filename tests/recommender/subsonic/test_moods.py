"""A listener's moods as playlists: theirs alone, of the day, and others when they ask."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from recommender.models import MoodList, Playlist, SmartList
from recommender.subsonic import credentials, moods
from tests.recommender.conftest import SongMaker
from tests.recommender.subsonic.conftest import Ask, Library, call, said


@pytest.fixture
def today(monkeypatch: pytest.MonkeyPatch) -> list[date]:
    """The day, which a test may change."""
    days = [date(2026, 11, 30)]
    monkeypatch.setattr(timezone, "localdate", lambda: days[-1])
    return days


def entries(ask: Ask, number: str) -> list[str]:
    return [entry["id"] for entry in ask("getPlaylist", id=number)["playlist"].get("entry", [])]


def test_moods_are_lists_with_stable_numbers_and_reasons(library: Library, ask: Ask, alice: User) -> None:
    lists: dict[str, Any] = {each["id"]: each for each in ask("getPlaylists")["playlists"]["playlist"]}
    own = Playlist.objects.get(owner=alice, kind=Playlist.Kind.MOOD)
    smart = SmartList.objects.get(owner=alice)
    ready = {f"mood-ready-{slug}" for slug in ("wind-down", "never-played", "new", "bright-mornings", "full-of-energy")}
    assert lists.keys() >= {"mood-1", "mood-2", "mood-3", "mood-4", "mood-wind-down", "mood-lift"} | ready
    assert lists.keys() >= {f"mood-own-{own.pk}", f"mood-smart-{smart.pk}", f"pl-{library.playlist.pk}", f"pl-{own.pk}"}
    assert [lists[f"mood-{n}"]["name"] for n in (1, 2, 3, 4)] == ["Happy", "Tense", "Sad", "Calm"]
    assert lists[f"mood-own-{own.pk}"]["name"] == "Warm and calm, today's songs"
    assert all(each["readonly"] == each["id"].startswith("mood-") for each in lists.values())
    happy = ask("getPlaylist", id="mood-1")["playlist"]
    assert happy["songCount"] == len(happy["entry"]) == lists["mood-1"]["songCount"]
    assert happy["entry"][0]["moods"] == ["Happy"]
    assert any("comment" in each for each in happy["entry"])
    # Of the album, four are older than 1994.
    assert ask("getPlaylist", id=f"mood-smart-{smart.pk}")["playlist"]["songCount"] == 4


def test_a_list_lasts_a_day_and_renews_on_request(
    alice: User, make_songs: SongMaker, ask: Ask, today: list[date]
) -> None:
    make_songs(90)
    first = entries(ask, "mood-1")
    assert len(first) == moods.N_SONGS
    assert entries(ask, "mood-1") == first
    # A player deletes it, and it comes back with other songs.
    ask("deletePlaylist", id="mood-1")
    second = entries(ask, "mood-1")
    assert second != first
    moods.mood_lists_renew(user=alice)
    third = entries(ask, "mood-1")
    assert third != second
    today.append(date(2026, 12, 1))
    assert entries(ask, "mood-1") != third
    # The same day, listener and catalog give the same list again.
    today.append(date(2026, 11, 30))
    MoodList.objects.all().delete()
    assert entries(ask, "mood-1") == first


def test_a_list_knows_its_listener(alice: User, bob: User, make_songs: SongMaker, ask: Ask) -> None:
    songs = make_songs(90)
    other = credentials.key_make(user=bob)[1]
    assert entries(ask, "mood-1") != [
        each["id"] for each in said(call("getPlaylist", other, id="mood-1"))["playlist"]["entry"]
    ]
    disliked = songs[0]
    for song in songs:
        ask("setRating", id=f"tr-{song.pk}", rating=1 if song == disliked else 4)
    moods.mood_lists_renew(user=alice)
    assert f"tr-{disliked.pk}" not in entries(ask, "mood-1")


def test_a_mood_cannot_be_changed_only_renewed(library: Library, refused: Ask, ask: Ask) -> None:
    assert refused("updatePlaylist", playlistId="mood-1", name="Mine") == 50
    assert refused("createPlaylist", playlistId="mood-1", songId=f"tr-{library.songs[0].pk}") == 50
    assert refused("getPlaylist", id="mood-own-999999") == 70
    assert refused("deletePlaylist", id="mood-smart-999999") == 70
    gone = Playlist.objects.get(kind=Playlist.Kind.MOOD)
    ask("getPlaylists")
    assert MoodList.objects.filter(slug=f"own-{gone.pk}").exists()
    ask("deletePlaylist", id=f"pl-{gone.pk}")
    ask("getPlaylists")
    assert not MoodList.objects.filter(slug=f"own-{gone.pk}").exists()


def test_songs_by_chance_are_more_often_those_that_are_liked(alice: User, make_songs: SongMaker, ask: Ask) -> None:
    songs = make_songs(40)
    for n, song in enumerate(songs):
        ask("setRating", id=f"tr-{song.pk}", rating=5 if n < 20 else 1)
    liked = {f"tr-{song.pk}" for song in songs[:20]}
    drawn = [each["id"] for _ in range(8) for each in ask("getRandomSongs", size=20)["randomSongs"]["song"]]
    assert sum(number in liked for number in drawn) > 0.6 * len(drawn)


def test_a_path_leads_from_song_to_song_in_small_steps(make_songs: SongMaker, ask: Ask) -> None:
    low = make_songs(30, around=(-0.6, -0.5))
    high = make_songs(31, around=(0.6, 0.5))
    make_songs(32, around=(0.0, 0.0), spread=0.4)
    start, end = f"tr-{low[0].pk}", f"tr-{high[0].pk}"
    path = ask("findSonicPath", startSongId=start, endSongId=end, count=12)["sonicMatch"]
    numbers = [match["entry"]["id"] for match in path]
    assert (numbers[0], numbers[-1], len(set(numbers)), len(numbers)) == (start, end, 12, 12)
    assert path[0]["similarity"] == 1.0
    alike = ask("getSonicSimilarTracks", id=start, count=5)["sonicMatch"]
    similar = [match["similarity"] for match in alike]
    assert (len(similar), similar) == (5, sorted(similar, reverse=True))
    assert start not in [match["entry"]["id"] for match in alike]
    assert [
        match["entry"]["id"] for match in ask("findSonicPath", startSongId=start, endSongId=start)["sonicMatch"]
    ] == [start]


# --- The page of players ----------------------------------------------------------------------------------------------


def test_the_page_shows_a_key_and_a_secret_once(alice: User, client_alice: Client) -> None:
    made = client_alice.post(reverse("recommender:player_key_make"), {"name": "Phone"})
    key = made.context["new_key"]
    assert (key in made.content.decode(), made["Cache-Control"]) == (
        True,
        "max-age=0, no-cache, no-store, must-revalidate, private",
    )
    assert said(call("ping", key))["status"] == "ok"
    secret = client_alice.post(reverse("recommender:player_secret_make")).context["new_secret"]
    page = client_alice.get(reverse("recommender:players")).content.decode()
    assert ("Phone" in page, "Last used" in page, key in page, secret in page) == (True, True, False, False)
    again = client_alice.post(reverse("recommender:player_key_make"), {"name": "Phone"}, follow=True)
    assert "There is a key named “Phone” already" in again.content.decode()
    row = alice.subsonic_keys.get()
    client_alice.post(reverse("recommender:player_key_revoke", args=[row.pk]))
    client_alice.post(reverse("recommender:player_secret_revoke"))
    assert said(call("ping", key))["error"]["code"] == 44
    assert not hasattr(User.objects.get(pk=alice.pk), "subsonic_secret")
    client_alice.post(reverse("recommender:player_moods_renew"))
    assert MoodList.objects.filter(listener=alice, n_renewed=1).exists()


def test_a_new_password_signs_players_out(alice: User, client_alice: Client, password: str) -> None:
    key = credentials.key_make(user=alice)[1]
    new = {"old_password": password, "new_password1": "another quiet one 8", "new_password2": "another quiet one 8"}
    assert client_alice.post(reverse("accounts:password"), new).status_code == 302
    assert said(call("ping", key))["error"]["code"] == 44
