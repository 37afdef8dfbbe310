"""A playlist behind a link: what it shows, what it hides, and what becomes of it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from recommender import selectors
from recommender.exceptions import ShareNotFoundError
from recommender.models import Listen, Playlist
from recommender.requests import Listener
from recommender.services import feedback, playlists, sharing
from tests.recommender.conftest import SongMaker, order


@pytest.fixture
def journey(alice: User, make_songs: SongMaker) -> Playlist:
    """A journey of Alice's that began in a bad mood, in which she rated the songs she played."""
    make_songs(30, around=(0.0, 0.0), spread=0.9)
    path = [(-0.81, 0.37), (0.6, -0.4)]
    playlist = playlists.journey_create(listener=Listener(alice), path=path, length=8, seed=2)
    for item in playlist.items.filter(position__lte=3):
        feedback.feedback_record(
            user=alice, song=item.song, felt_valence=-0.9, felt_arousal=-0.9, liked=False, playlist=playlist
        )
    playlist.refresh_from_db()
    return playlist


def shared_path(token: str) -> str:
    return reverse("recommender:shared_playlist", args=[token])


def test_a_link_cannot_be_guessed_and_stays_the_same(journey: Playlist) -> None:
    token = sharing.playlist_share(playlist=journey)
    assert len(token) == 43
    assert sharing.playlist_share(playlist=journey) == token
    assert selectors.playlist_shared(token) == journey


def test_it_opens_signed_out_and_plays(client: Client, journey: Playlist) -> None:
    response = client.get(shared_path(sharing.playlist_share(playlist=journey)))
    page = response.content.decode()
    assert response.status_code == 200
    assert response["X-Robots-Tag"] == "noindex"
    assert page.count("data-track") == 8
    places = [page.index(f'data-song="{song_id}" data-title') for song_id in order(journey)]
    assert places == sorted(places)
    assert page.count("% sure") >= 8
    assert "Save a copy" in page
    assert "sessionid" not in response.cookies


def test_it_shows_nothing_of_its_owner(client: Client, api_anonymous: APIClient, journey: Playlist) -> None:
    token = sharing.playlist_share(playlist=journey)
    page = client.get(shared_path(token)).content.decode()
    answer = api_anonymous.get(f"/api/v1/shared/{token}/")
    reasons = [item.reason for item in journey.items.exclude(reason="")]
    assert reasons
    for content in (page, answer.content.decode()):
        assert not any(reason in content for reason in reasons)
        for word in ("alice", "you ", "rating", "moved it", "step 1", "on the way", "felt_", "0.81", "0.37", "seed"):
            assert word not in content.split("<main")[-1].split("</main")[0].lower(), word
    items = answer.json()["items"]
    assert [item["song"]["id"] for item in items] == order(journey)
    assert set(items[0]) == {"position", "song", "reason"}
    assert set(answer.json()) == {"title", "items"}


def test_a_title_of_ours_does_not_say_where_a_journey_began(journey: Playlist) -> None:
    assert journey.title.startswith("Journey to Calm · ")


def test_a_link_that_was_taken_back_is_a_page_with_words(
    client: Client, client_alice: Client, journey: Playlist
) -> None:
    token = sharing.playlist_share(playlist=journey)
    client_alice.post(reverse("recommender:playlist_unshare", args=[journey.pk]))
    response = client.get(shared_path(token))
    assert response.status_code == 404
    assert "the owner has stopped sharing the playlist" in response.content.decode()
    journey.refresh_from_db()
    assert sharing.playlist_share(playlist=journey) != token


@pytest.mark.parametrize("token", ["", "x", "None", "a" * 43, "\x00" * 43, "é" * 43, "%00"])
def test_a_token_that_never_was_opens_nothing(db: None, token: str) -> None:
    Playlist.objects.create(
        title="Not shared", target_valence=0, target_arousal=0, requested_length=1, seed=1, session_key="somebody"
    )
    with pytest.raises(ShareNotFoundError):
        selectors.playlist_shared(token)


def test_a_visitor_keeps_a_copy(client_bob: Client, bob: User, journey: Playlist) -> None:
    token = sharing.playlist_share(playlist=journey)
    response = client_bob.post(reverse("recommender:shared_copy", args=[token]), follow=True)
    copy = Playlist.objects.get(owner=bob)
    assert "This copy is yours." in response.content.decode()
    assert order(copy) == order(journey)
    assert (copy.title, copy.share_token, copy.path, copy.mood_valence) == (journey.title, None, [], None)
    items = list(copy.items.all())
    assert all(item.played_at is None and item.felt_valence is not None for item in items)
    assert not any("step" in item.reason or "you" in item.reason.lower() for item in items)
    playlists.playlist_delete(playlist=journey)
    assert client_bob.get(reverse("recommender:playlist_detail", args=[copy.pk])).status_code == 200


def test_a_visitor_without_an_account_keeps_a_copy_too(client: Client, journey: Playlist) -> None:
    token = sharing.playlist_share(playlist=journey)
    assert client.post(reverse("recommender:shared_copy", args=[token]), follow=True).status_code == 200
    assert Playlist.objects.get(owner=None).session_key == client.session.session_key


def test_a_visitors_plays_are_the_visitors(client: Client, alice: User, journey: Playlist) -> None:
    token = sharing.playlist_share(playlist=journey)
    before = Listen.objects.filter(listener=alice).count()
    page = client.get(shared_path(token)).content.decode()
    assert f"playlist={journey.pk}" not in page
    song_id = order(journey)[0]
    client.post(reverse("recommender:song_skipped", args=[song_id]), {"listened_s": "2"})
    assert Listen.objects.filter(listener=alice).count() == before
    assert Listen.objects.get(listener=None).playlist is None
