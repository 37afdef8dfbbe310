"""Liking the song that plays, and taking it back, without touching what else was said of it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from catalog.models import Song
from recommender.models import FeltRating
from recommender.services import playlists
from recommender.values import Listener, Target
from tests.factories import RatingFactory
from tests.recommender.conftest import SongMaker


def url(song: Song) -> str:
    return reverse("recommender:song_liked", args=[song.pk])


def liked(client: Client, song: Song) -> bool | None:
    answer: bool | None = client.get(url(song)).json()["liked"]
    return answer


def test_a_like_is_kept_shown_to_its_listener_alone_and_taken_back(
    client_alice: Client, client_bob: Client, alice: User, make_songs: SongMaker
) -> None:
    song = make_songs(1)[0]
    assert liked(client_alice, song) is None
    answer = client_alice.post(url(song), {"liked": "yes"}).json()
    assert answer == {"liked": True, "sentence": "", "changed": False, "reranked": ""}
    assert FeltRating.objects.get(listener=alice, song=song).liked is True
    assert (liked(client_alice, song), liked(client_bob, song)) == (True, None)
    client_bob.post(url(song), {"liked": ""})
    assert liked(client_alice, song) is True
    assert client_alice.post(url(song), {"liked": ""}).json()["liked"] is False
    assert not FeltRating.objects.exists()
    # Twice is no fault.
    assert client_alice.post(url(song), {"liked": ""}).status_code == 200


def test_taking_a_like_back_leaves_what_was_felt(client_alice: Client, alice: User, make_songs: SongMaker) -> None:
    song = make_songs(1)[0]
    RatingFactory(listener=alice, song=song, felt_valence=0.5, felt_arousal=-0.5, liked=None, familiar=True)
    client_alice.post(url(song), {"liked": "yes"})
    client_alice.post(url(song), {})
    rating = FeltRating.objects.get()
    assert (rating.felt_valence, rating.felt_arousal, rating.familiar, rating.liked) == (0.5, -0.5, True, None)


def test_in_a_playlist_the_answer_says_whether_the_rest_changed(
    client_alice: Client, client_bob: Client, alice: User, make_songs: SongMaker
) -> None:
    make_songs(12)
    playlist = playlists.playlist_create(listener=Listener(user=alice), target=Target.of_point(0.6, 0.6), length=8)
    song = playlist.items.first().song
    answer = client_alice.post(url(song), {"liked": "yes", "playlist": playlist.pk}).json()
    assert bool(answer["reranked"]) is True
    assert FeltRating.objects.get().playlist == playlist
    back = client_alice.post(url(song), {"liked": "", "playlist": playlist.pk}).json()
    assert back["reranked"]
    assert client_bob.post(url(song), {"liked": "yes", "playlist": playlist.pk}).status_code == 404
    assert not FeltRating.objects.exists()


def test_what_a_visitor_likes_is_kept_until_they_sign_in(
    client: Client, alice: User, password: str, make_songs: SongMaker
) -> None:
    first, second = make_songs(2)
    answer = client.post(url(first), {"liked": "yes"}).json()
    assert (answer["liked"], answer["sentence"]) == (True, "Sign in or sign up, and it is kept.")
    client.post(url(second), {"liked": "yes"})
    assert client.post(url(second), {"liked": ""}).json()["liked"] is False
    assert (liked(client, first), liked(client, second)) == (True, None)
    client.post(reverse("accounts:login"), {"username": alice.username, "password": password})
    assert list(FeltRating.objects.values_list("listener", "song", "liked")) == [(alice.pk, first.pk, True)]


@pytest.mark.django_db
def test_nonsense_is_refused_in_words(client_alice: Client, make_songs: SongMaker) -> None:
    song = make_songs(1)[0]
    answer = client_alice.post(url(song), {"liked": "no"})
    assert answer.status_code == 400
    assert "liked" in answer.json()["detail"].lower()
    assert client_alice.get(reverse("recommender:song_liked", args=[4711])).status_code == 404
    assert client_alice.put(url(song)).status_code == 405
