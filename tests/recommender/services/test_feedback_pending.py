"""A visitor's answers about songs are stored, and count once they sign in or up."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from catalog.models import Song
from recommender.models import FeltRating, Playlist
from recommender.selectors import PENDING_ANSWERS_KEY
from recommender.services import feedback
from tests.factories import PASSWORD, EstimateFactory, RatingFactory

pytestmark = pytest.mark.django_db

JSON = {"Accept": "application/json"}
SIGN_UP = {"username": "dora", "password1": PASSWORD, "password2": PASSWORD}
SAD = {"felt": ["valence", "arousal"], "felt_valence": "-0.62", "felt_arousal": "-0.4"}


@pytest.fixture
def songs(db: None) -> list[Song]:
    return [EstimateFactory(seed=number).song for number in range(12)]


def felt_url(song: Song) -> str:
    return reverse("recommender:song_felt", args=[song.pk])


def sign_up(client: Client) -> str:
    return client.post(reverse("accounts:signup"), SIGN_UP, follow=True).content.decode()


def test_an_answer_is_stored_shown_again_and_recorded_once_after_signing_up(client: Client, songs: list[Song]) -> None:
    page = reverse("recommender:song_detail", args=[songs[0].pk])
    assert "You can answer now" in client.get(page).content.decode()
    answer = client.post(felt_url(songs[0]), SAD, headers=JSON).json()
    assert answer["sentence"] == "Kept in this browser. Sign in or sign up to make it count."
    client.post(felt_url(songs[0]), {"liked": "yes"}, headers=JSON)
    again = client.get(page).content.decode()
    assert 'value="-0.62"' in again
    assert f"/accounts/signup/?next=/songs/{songs[0].pk}/" in again
    assert not FeltRating.objects.exists()
    assert f"Your rating of “{songs[0].title}” was saved." in sign_up(client)
    rating = FeltRating.objects.get(listener__username="dora")
    assert (rating.song, rating.felt_valence, rating.felt_arousal, rating.liked) == (songs[0], -0.62, -0.4, True)
    # Recorded answers are no longer pending: signing out and in again records nothing more.
    client.post(reverse("accounts:logout"))
    rating.delete()
    client.post(reverse("accounts:login"), {"username": "dora", "password": PASSWORD})
    assert not FeltRating.objects.exists()


def test_answers_in_a_list_are_recorded_where_they_were_given_and_the_rest_follows(
    client: Client, songs: list[Song]
) -> None:
    client.post(reverse("recommender:playlist_list"), {"valence": "0.5", "arousal": "0.5", "length": "6"})
    playlist = Playlist.objects.get()
    first, second = (playlist.items.select_related("song").get(position=place).song for place in (1, 2))
    for song in (first, second):
        client.post(felt_url(song), {**SAD, "playlist": playlist.pk}, headers=JSON)
    assert "Your 2 ratings were saved." in sign_up(client)
    ratings = FeltRating.objects.order_by("position").values_list("song_id", "playlist_id", "position")
    assert list(ratings) == [(first.pk, playlist.pk, 1), (second.pk, playlist.pk, 2)]
    heard = playlist.items.filter(played_at__isnull=False).values_list("position", flat=True)
    assert sorted(heard) == [1, 2]
    playlist.refresh_from_db()
    assert playlist.owner is not None


def test_signing_in_adds_to_what_the_account_says_already(client: Client, alice: User, songs: list[Song]) -> None:
    RatingFactory(listener=alice, song=songs[0], felt_valence=0.9, felt_arousal=0.9, liked=None, familiar=True)
    client.post(felt_url(songs[0]), {"liked": "no"}, headers=JSON)
    client.post(reverse("accounts:login"), {"username": "alice", "password": PASSWORD})
    rating = FeltRating.objects.get()
    assert (rating.felt_valence, rating.liked, rating.familiar) == (0.9, False, True)


def test_what_one_account_left_behind_is_not_given_to_another(client: Client, alice: User, songs: list[Song]) -> None:
    client.post(felt_url(songs[0]), SAD, headers=JSON)
    key = client.session.session_key
    client.post(reverse("accounts:login"), {"username": "alice", "password": PASSWORD})
    assert client.session.session_key != key
    assert PENDING_ANSWERS_KEY not in client.session
    assert FeltRating.objects.get().listener == alice


def test_the_later_answer_to_the_same_question_wins_and_forgetting_forgets(client: Client, songs: list[Song]) -> None:
    client.post(felt_url(songs[0]), {**SAD, "familiar": "yes"}, headers=JSON)
    client.post(felt_url(songs[0]), {"felt_nothing": "1"}, headers=JSON)
    client.post(felt_url(songs[1]), SAD, headers=JSON)
    answer = client.post(reverse("recommender:song_felt_withdraw", args=[songs[1].pk]), headers=JSON).json()
    assert answer["sentence"] == "Your answer was deleted."
    sign_up(client)
    rating = FeltRating.objects.get()
    assert (rating.song, rating.felt_valence, rating.felt_nothing, rating.familiar) == (songs[0], None, True, True)


def test_the_number_of_answers_is_limited_and_a_song_that_is_gone_is_skipped(
    client: Client, songs: list[Song], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feedback, "PENDING_LIMIT", 3)
    for song in songs[:5]:
        client.post(felt_url(song), {"liked": "yes"}, headers=JSON)
    assert list(client.session[PENDING_ANSWERS_KEY]) == [str(song.pk) for song in songs[2:5]]
    songs[3].delete()
    sign_up(client)
    assert sorted(FeltRating.objects.values_list("song_id", flat=True)) == [songs[2].pk, songs[4].pk]


def test_each_axis_of_a_visitor_is_an_answer_of_its_own(client: Client, songs: list[Song]) -> None:
    client.post(felt_url(songs[0]), {"felt_nothing": "1"}, headers=JSON)
    client.post(felt_url(songs[0]), {"felt": "arousal", "felt_arousal": "0.4"}, headers=JSON)
    answer = client.post(felt_url(songs[0]), {"felt": "valence", "felt_valence": "-0.2"}, headers=JSON).json()
    felt = {name: answer["values"][name] for name in ("felt_valence", "felt_arousal", "felt_nothing")}
    assert felt == {"felt_valence": -0.2, "felt_arousal": 0.4, "felt_nothing": False}
    sign_up(client)
    assert FeltRating.objects.values_list("felt_valence", "felt_arousal").get() == (-0.2, 0.4)


def test_an_empty_answer_is_not_stored(client: Client, songs: list[Song]) -> None:
    answer = client.post(felt_url(songs[0]), {"felt_valence": "0"}, headers=JSON).json()
    assert "There is no answer yet" in answer["sentence"]
    assert PENDING_ANSWERS_KEY not in client.session


def test_a_script_is_answered_in_json(client: Client, client_alice: Client, songs: list[Song]) -> None:
    answer = client.post(felt_url(songs[0]), {"liked": "yes"}, headers=JSON).json()
    assert (answer["saved"], answer["sign_in"], answer["undo"]) == (False, True, None)
    assert "Sign in" in answer["sentence"]
    answer = client_alice.post(felt_url(songs[0]), {"liked": "yes"}, headers=JSON).json()
    assert (answer["saved"], answer["sign_in"], answer["sentence"]) == (True, False, "Saved.")
    assert answer["undo"]["url"] == reverse("recommender:song_felt_undo", args=[songs[0].pk])
    assert (answer["changed"], answer["moved"], answer["reranked"]) == (False, [], "")
    refused = client_alice.post(felt_url(songs[0]), {}, headers=JSON)
    assert (refused.status_code, refused.json()["saved"]) == (400, False)


def test_without_javascript_saving_leads_to_signing_in_and_back(client: Client, songs: list[Song]) -> None:
    response = client.post(felt_url(songs[0]), SAD)
    assert response["Location"] == f"/accounts/login/?next=/songs/{songs[0].pk}/"
    assert "Kept in this browser." in client.get(response["Location"]).content.decode()
