"""The song page beyond the model, and the search: what others felt, earlier tags, filters, empty results."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.test import Client
from django.urls import reverse

from catalog.models import Song
from emotion.inference.quadrants import Quadrant
from emotion.templatetags.moodplane import grouped
from recommender import selectors
from tests.factories import EstimateFactory, RatingFactory, SongFactory, UserFactory

pytestmark = pytest.mark.django_db


def page_of(client: Client, song: Song) -> str:
    return client.get(reverse("recommender:song_detail", args=[song.pk])).content.decode()


def search(client: Client, **values: str | int) -> str:
    return client.get(reverse("recommender:song_list"), values).content.decode()


def test_feelings_of_others_are_shown_from_five_raters_on_and_rounded(client_alice: Client, alice: User) -> None:
    song = EstimateFactory().song
    RatingFactory(listener=alice, song=song, felt_valence=-1.0, felt_arousal=-1.0)
    RatingFactory(listener=UserFactory(), song=song, felt_valence=None, felt_arousal=None, liked=True)
    for number in range(4):
        RatingFactory(listener=UserFactory(), song=song, felt_valence=0.5 + number / 100, felt_arousal=0.25)
    assert selectors.felt_by_others(alice, song) is None
    assert "at least 5 others" in page_of(client_alice, song)
    # Alice counts as one of the five for other users, and never among the others for herself.
    assert selectors.felt_by_others(AnonymousUser(), song) == (5, 0.2, 0.0)
    RatingFactory(listener=UserFactory(), song=song, felt_valence=0.5, felt_arousal=0.25)
    assert selectors.felt_by_others(alice, song) == (5, 0.5, 0.2)
    page = page_of(client_alice, song)
    assert "The mean of 5 listeners." in page
    assert "felt by you" in page
    RatingFactory(song=EstimateFactory().song)
    assert selectors.felt_by_others(alice, song) == (5, 0.5, 0.2)


def test_earlier_models_are_listed_and_the_current_one_is_the_tag(client: Client) -> None:
    song = EstimateFactory(quadrant=Quadrant.Q1, model_version="second-model").song
    assert "earlier model" not in page_of(client, song)
    EstimateFactory(song=song, quadrant=Quadrant.Q3, model_version="first-model", is_current=False)
    page = page_of(client, song)
    assert "An earlier model analysed it, too" in page
    assert page.index("<dd>second-model</dd>") < page.index("first-model")


@pytest.mark.parametrize("state", [Song.State.UPLOADED, Song.State.QUEUED, Song.State.ANALYSING])
def test_a_song_that_waits_follows_by_itself_without_touching_the_rating(client: Client, state: Song.State) -> None:
    page = page_of(client, SongFactory(state=state))
    assert 'hx-select="#song-analysis"' in page
    assert 'class="felt' in page


def test_songs_are_limited_by_decade_ordered_and_each_limit_can_be_dropped(client: Client) -> None:
    for year, title in ((1991, "Berta"), (1999, "Anton"), (2001, "Cäsar")):
        EstimateFactory(song__year=year, song__title=title, song__genre="Waltz")
    page = search(client, decade=1990, genre="Waltz", sort="title")
    assert "2 songs found" in page
    assert page.index("Anton") < page.index("Berta")
    assert "Cäsar" not in page
    assert 'href="/songs/?genre=Waltz&amp;sort=title"' in page
    assert 'href="/songs/?decade=1990&amp;sort=title"' in page
    assert search(client, sort="title").index("Anton") < search(client, sort="title").index("Cäsar")


def test_an_empty_result_says_which_limit_to_drop(client: Client) -> None:
    EstimateFactory(song__genre="Waltz", quadrant=Quadrant.Q1)
    page = search(client, genre="Waltz", quadrant=3)
    assert "No song matches all of these." in page
    assert "Without Waltz" in page
    assert "Without Sad" in page
    assert "Try fewer letters." in search(client, q="nonesuch")


def test_large_counts_are_grouped_as_the_language_does() -> None:
    assert grouped(100_000) == "100,000"
