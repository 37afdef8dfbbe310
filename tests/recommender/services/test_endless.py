"""What follows when a list has ended."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from catalog.models import Song
from emotion.inference.quadrants import Quadrant
from recommender.models import Playlist, PlaylistItem
from recommender.requests import Listener, Target
from recommender.services.collecting import playlist_add
from recommender.services.endless import HEARD_MOST, SONGS_AT_A_TIME, songs_more
from recommender.services.playlists import journey_create, playlist_create, playlist_regenerate, playlist_rerank
from tests.factories import SongFactory
from tests.recommender.conftest import SongMaker

pytestmark = pytest.mark.django_db
CALM, TENSE = (0.6, -0.6), (-0.6, 0.6)


@pytest.fixture
def calm(make_songs: SongMaker) -> list[Song]:
    """Fourteen calm songs, in a catalog with nearly as many tense ones."""
    make_songs(13, around=TENSE, spread=0.1)
    return make_songs(14, around=CALM, spread=0.1)


def ids(more: list[tuple[Song, str]]) -> set[int]:
    return {song.pk for song, _ in more}


def test_a_list_goes_on_in_its_mood_without_what_was_heard(calm: list[Song], alice: User) -> None:
    listener = Listener(alice)
    playlist = playlist_create(listener=listener, target=Target.of_quadrant(Quadrant.Q4), length=6)
    heard = list(playlist.items.values_list("song_id", flat=True))
    more = songs_more(listener=listener, playlist=playlist, heard=heard)
    assert len(more) == SONGS_AT_A_TIME
    assert ids(more) <= {song.pk for song in calm} - set(heard)
    # It is the player's alone.
    assert (Playlist.objects.count(), PlaylistItem.objects.count()) == (1, 6)


def test_a_list_that_grew_by_hand_goes_on_too(calm: list[Song], alice: User) -> None:
    listener = Listener(alice)
    playlist = playlist_create(listener=listener, target=Target.of_quadrant(Quadrant.Q4), length=6)
    playlist_add(playlist=playlist, listener=listener, song_ids=[song.pk for song in SongFactory.create_batch(100)])
    playlist.refresh_from_db()
    assert len(songs_more(listener=listener, playlist=playlist, heard=[])) == SONGS_AT_A_TIME
    playlist_rerank(playlist=playlist, listener=listener)
    assert playlist_regenerate(playlist=playlist, listener=listener).items.exists()


@pytest.mark.parametrize("kind", ["journey", "album"])
def test_other_lists_go_on_around_their_last_song(calm: list[Song], alice: User, kind: str) -> None:
    listener = Listener(alice)
    playlist = journey_create(listener=listener, path=[TENSE, CALM], length=4) if kind == "journey" else None
    last = calm[0]
    more = songs_more(listener=listener, playlist=playlist, around=last.pk, heard=[last.pk])
    assert ids(more) <= {song.pk for song in calm[1:]}
    assert len(more) == SONGS_AT_A_TIME


def test_in_a_small_catalog_songs_come_again_that_were_heard_longest_ago(make_songs: SongMaker) -> None:
    songs = [song.pk for song in make_songs(12, around=CALM, spread=0.1)]
    nobody = Listener(None)
    more = songs_more(listener=nobody, around=songs[-1], heard=songs)
    assert len(more) == SONGS_AT_A_TIME
    assert not ids(more) & set(songs[-6:])
    assert songs_more(listener=nobody, around=SongFactory().pk, heard=[]) == []
    assert songs_more(listener=nobody, heard=songs) == []


def test_none_of_the_last_fifty_comes_again(make_songs: SongMaker) -> None:
    songs = [song.pk for song in make_songs(HEARD_MOST + 8, around=CALM, spread=0.2)]
    heard = [*songs[:HEARD_MOST], songs[0]]
    more = songs_more(listener=Listener(None), around=songs[0], heard=heard)
    assert not ids(more) & set(heard)


def test_the_player_gets_songs_as_lists_have_them(
    calm: list[Song], client: Client, client_alice: Client, client_bob: Client, alice: User
) -> None:
    address = reverse("recommender:songs_more")
    page = client.post(address, {"around": calm[0].pk, "heard": f"{calm[1].pk},{calm[0].pk}"})
    assert page.content.decode().count("data-track") == SONGS_AT_A_TIME
    assert client.get(address).status_code == 405
    assert client.post(address, {"heard": "1;2"}).status_code == 400
    mine = playlist_create(listener=Listener(alice), target=Target.of_quadrant(Quadrant.Q4), length=6)
    assert client_alice.post(address, {"playlist": mine.pk}).content.decode().count("data-track") == SONGS_AT_A_TIME
    assert client_bob.post(address, {"playlist": mine.pk}).content.decode().count("data-track") == 0
    around = {"playlist": 999_999, "around": calm[0].pk}
    assert client_alice.post(address, around).content.decode().count("data-track") == SONGS_AT_A_TIME, "deleted"
