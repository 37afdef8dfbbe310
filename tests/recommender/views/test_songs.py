"""The song page beyond the model, and the search: what others felt, earlier tags, filters, empty results."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.test import Client
from django.urls import reverse

from catalog.models import Song
from emotion.inference.quadrants import Quadrant
from emotion.models import EmotionCurve, Waveform
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


# --- What was measured --------------------------------------------------------------------------------------------


def measured(**values: object) -> Song:
    song = EstimateFactory().song
    Waveform.objects.create(song=song, state=Waveform.DONE, measures_version=1, **values)
    return song


def test_a_song_shows_its_tempo_key_and_loudness_as_far_as_they_are_known(client: Client) -> None:
    known = measured(
        bpm=120.3,
        bpm_other=60.15,
        bpm_confidence=1.0,
        key=21,
        key_confidence=0.7,
        loudness_lufs=-9.0,
        true_peak_dbtp=-1.0,
    )
    page = page_of(client, known)
    for words in ("about 120 BPM, or 60", "perhaps A minor", "\u22129.0 LUFS"):
        assert f"<dd>{words}</dd>" in page
    for song in (measured(), EstimateFactory().song):
        assert "facts--row" not in page_of(client, song)


def test_songs_are_limited_and_ordered_by_tempo_and_limited_by_key(client: Client) -> None:
    slow, fast, minor = measured(bpm=79.6, key=0), measured(bpm=160.4, key=0), measured(bpm=120.0, key=12)
    none = measured()

    def found(**values: str | int) -> list[int]:
        response = client.get(reverse("recommender:song_list"), values)
        assert len(response.context["page"].paginator.object_list) == len(response.context["page"].object_list)
        return [song.pk for song in response.context["page"]]

    assert found(bpm_from=80) == [minor.pk, fast.pk, slow.pk]
    assert found(bpm_from=80, bpm_to=130) == [minor.pk, slow.pk]
    assert found(bpm_to=160) == [minor.pk, fast.pk, slow.pk]
    assert found(key=0) == [fast.pk, slow.pk]
    assert found(key=0, bpm_from=100) == [fast.pk]
    assert found(key=0, artist=slow.artist_id, sort="slowest") == [slow.pk]
    assert found(sort="slowest") == [slow.pk, minor.pk, fast.pk]
    assert found(sort="fastest") == [fast.pk, minor.pk, slow.pk]
    # What makes no sense is no limit.
    assert found(key=24, bpm_from="slow") == [none.pk, minor.pk, fast.pk, slow.pk]
    page = search(client, bpm_from=80, bpm_to=130, key=0)
    for words in ("from 80 BPM", "to 130 BPM", "C major"):
        assert f'<span dir="auto">{words}</span>' in page
    assert '<details class="song-filter__more" open>' in page
    assert "data-highlight" not in page


def test_rows_say_where_the_highlight_of_the_current_models_curve_begins(client: Client) -> None:
    estimate = EstimateFactory(model_version="new")
    EmotionCurve.objects.create(song=estimate.song, model_version="old", hop_s=4, highlight_s=7.0)
    assert "data-highlight" not in search(client)
    curve = EmotionCurve.objects.create(song=estimate.song, model_version="new", hop_s=4, highlight_s=0.0)
    assert 'data-highlight="0.0"' in search(client)
    EmotionCurve.objects.filter(pk=curve.pk).update(highlight_s=1042.26)
    # A number for scripts has a dot in every language.
    client.cookies["django_language"] = "de"
    assert 'data-highlight="1042.3"' in search(client)
