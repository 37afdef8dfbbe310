"""Listeners' reported moods: optional, valid for half an hour, never invented."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from recommender import selectors
from recommender.exceptions import CheckInInvalidError, RatingInvalidError
from recommender.models import MoodCheckIn, Playlist
from recommender.requests import Listener
from recommender.services import feedback, playlists
from tests.factories import EstimateFactory
from tests.recommender.conftest import HAPPY, SongMaker

LOW = (-0.5, -0.25)
HTMX = {"HX-Request": "true"}


def an_hour_passes() -> None:
    hour_ago = timezone.now() - timedelta(hours=1)
    MoodCheckIn.objects.update(created_at=hour_ago)
    Playlist.objects.update(created_at=hour_ago)


def say(listener: Listener) -> MoodCheckIn:
    return feedback.check_in_create(listener=listener, valence=LOW[0], arousal=LOW[1])


@pytest.mark.parametrize("mood", [(1.5, 0.0), (0.0, float("nan")), (0.0, float("inf"))])
def test_a_mood_outside_the_plane_is_refused(alice: User, mood: tuple[float, float]) -> None:
    with pytest.raises(CheckInInvalidError, match="between -1 and 1"):
        feedback.check_in_create(listener=Listener(alice), valence=mood[0], arousal=mood[1])


def test_a_mood_has_an_owner(db: None) -> None:
    with pytest.raises(CheckInInvalidError, match="must belong"):
        say(Listener(None))
    assert selectors.mood_now(Listener(None)) is None


def test_a_mood_holds_for_half_an_hour_and_can_be_taken_back(alice: User, bob: User, nobody: Listener) -> None:
    for listener in (Listener(alice), nobody):
        say(listener)
        assert selectors.mood_now(listener) == LOW
    assert selectors.mood_now(Listener(bob)) is None
    feedback.check_in_withdraw(listener=nobody)
    feedback.check_in_withdraw(listener=nobody)
    assert selectors.mood_now(nobody) is None
    assert selectors.mood_now(Listener(alice)) == LOW
    an_hour_passes()
    assert selectors.mood_now(Listener(alice)) is None


def test_a_mood_taken_back_is_forgotten_by_lists_but_a_journey_keeps_its_start(
    alice: User, make_songs: SongMaker
) -> None:
    make_songs(4)
    listener = Listener(alice)
    say(listener)
    made = playlists.playlist_create(listener=listener, target=HAPPY)
    journey = playlists.journey_create(listener=listener, path=[LOW, (0.5, 0.5)], length=2)
    feedback.check_in_withdraw(listener=listener)
    made.refresh_from_db()
    journey.refresh_from_db()
    assert (made.mood_valence, journey.mood_valence) == (None, LOW[0])


def test_the_latest_mood_counts(alice: User) -> None:
    say(Listener(alice))
    feedback.check_in_create(listener=Listener(alice), valence=0.1, arousal=0.2)
    assert selectors.mood_now(Listener(alice)) == (0.1, 0.2)


def test_a_session_takes_its_mood_along(alice: User, nobody: Listener) -> None:
    say(nobody)
    feedback.session_adopt(user=alice, session_key=nobody.session_key)
    assert selectors.mood_now(Listener(alice)) == LOW
    assert selectors.mood_now(nobody) is None


def test_a_list_keeps_the_mood_it_was_made_in(alice: User, make_songs: SongMaker) -> None:
    make_songs(4)
    listener = Listener(alice)
    assert playlists.playlist_create(listener=listener, target=HAPPY).mood_valence is None
    say(listener)
    made = playlists.playlist_create(listener=listener, target=HAPPY)
    assert (made.mood_valence, made.mood_arousal) == LOW
    with_mood = playlists.playlist_create(listener=listener, target=HAPPY, mood=(0.0, 0.0))
    assert (with_mood.mood_valence, with_mood.mood_arousal) == (0.0, 0.0)
    an_hour_passes()
    again = playlists.playlist_regenerate(playlist=made, listener=listener)
    assert again.mood_valence is None


# --- The mood before a rating ---------------------------------------------------------------------------------------


def test_a_rating_is_given_the_mood_that_was_said_and_no_other(alice: User, make_songs: SongMaker) -> None:
    first, second, third = make_songs(3)
    felt = {"user": alice, "felt_valence": 0.5, "felt_arousal": 0.5}
    assert feedback.feedback_record(song=first, **felt).rating.mood_valence is None  # type: ignore[arg-type]
    say(Listener(alice))
    rating = feedback.feedback_record(song=second, **felt).rating  # type: ignore[arg-type]
    assert (rating.mood_valence, rating.mood_arousal) == LOW
    rating = feedback.feedback_record(song=third, mood=(1.0, -1.0), **felt).rating  # type: ignore[arg-type]
    assert (rating.mood_valence, rating.mood_arousal) == (1.0, -1.0)
    with pytest.raises(RatingInvalidError, match="previous mood"):
        feedback.feedback_record(song=third, mood=(1.0, 2.0), **felt)  # type: ignore[arg-type]


def test_a_journeys_start_is_the_mood_before_for_half_an_hour(alice: User, make_songs: SongMaker) -> None:
    make_songs(20, around=(0.0, 0.0), spread=0.9)
    playlist = playlists.journey_create(listener=Listener(alice), path=[LOW, (0.5, 0.5)], length=6)
    first, second = (item.song for item in playlist.items.filter(position__lte=2))
    rating = feedback.feedback_record(
        user=alice, song=first, felt_valence=0.5, felt_arousal=0.5, playlist=playlist
    ).rating
    assert (rating.mood_valence, rating.mood_arousal) == LOW
    place = playlist.items.get(song=first)
    assert (rating.target_valence, rating.target_arousal) == (place.target_valence, place.target_arousal)
    assert rating.target_valence != playlist.target_valence
    an_hour_passes()
    playlist.refresh_from_db()
    rating = feedback.feedback_record(user=alice, song=second, liked=True, playlist=playlist).rating
    assert rating.mood_valence is None


def test_a_like_that_comes_later_does_not_move_the_mood(alice: User, make_songs: SongMaker) -> None:
    song = make_songs(1)[0]
    say(Listener(alice))
    feedback.feedback_record(user=alice, song=song, felt_valence=0.5, felt_arousal=0.5)
    feedback.check_in_create(listener=Listener(alice), valence=0.9, arousal=0.9)
    feedback.feedback_record(user=alice, song=song, liked=True)
    rating = selectors.rating_of(alice, song)
    assert rating is not None
    assert (rating.mood_valence, rating.mood_arousal) == LOW


# --- Pages ----------------------------------------------------------------------------------------------------------


def test_the_home_page_asks_lightly_shows_and_forgets(client: Client, db: None) -> None:
    EstimateFactory()
    assert "How are you now?" in client.get("/").content.decode()
    said = {"valence": "-0.5", "arousal": "-0.5", "length": "12"}
    assert client.post(reverse("recommender:mood_check_in"), said)["Location"] == "/"
    assert "You feel sad</span>" in client.get("/").content.decode()
    journey = client.get(reverse("recommender:journey")).content.decode()
    assert 'name="start_valence" min="-1" max="1" step="0.01" value="-0.50"' in journey
    fragment = client.post(reverse("recommender:mood_withdraw"), headers=HTMX).content.decode()
    assert "How are you now?" in fragment
    assert "<html" not in fragment
    assert not MoodCheckIn.objects.exists()


def test_a_mood_that_makes_no_sense_is_said(client: Client, db: None) -> None:
    response = client.post(reverse("recommender:mood_check_in"), {"valence": "9"}, follow=True)
    assert b"message--error" in response.content
    assert not MoodCheckIn.objects.exists()
