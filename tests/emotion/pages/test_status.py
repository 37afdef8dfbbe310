"""The plots of the status page: what they count, where their lines go, and that they cost little."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from catalog.models import Song
from emotion.models import EmotionCurve, EmotionEstimate, SoundPrint
from emotion.pages.status import SPANS, activity, curve_progress, plots, queue_lengths
from tests.factories import MODEL_VERSION, EstimateFactory, SongFactory

pytestmark = pytest.mark.django_db
STATUS = "/status/"


def analysed(minutes_ago: float) -> Song:
    """Return a song that came and was analysed then."""
    song: Song = EstimateFactory().song
    then = timezone.now() - timedelta(minutes=minutes_ago)
    EmotionEstimate.objects.filter(song=song).update(analysed_at=then)
    Song.objects.filter(pk=song.pk).update(created_at=then - timedelta(minutes=2), state_changed_at=then)
    return song


def test_analysed_songs_are_counted_in_the_minute_they_were_analysed_in() -> None:
    analysed(0.5)
    analysed(10.5)
    analysed(10.5)
    analysed(61.5)
    seen = activity("hour")
    assert seen.n_analysed == 3
    assert (seen.analysed[-1], seen.analysed[-11]) == (1, 2)
    assert len(seen.analysed) == len(seen.waiting) == SPANS["hour"][1]


def test_the_queue_is_counted_backwards_from_now() -> None:
    analysed(10.5)
    SongFactory(state=Song.State.QUEUED)
    Song.objects.filter(state=Song.State.QUEUED).update(created_at=timezone.now() - timedelta(minutes=5, seconds=30))
    seen = activity("hour")
    assert seen.waiting[-1] == 1
    assert seen.waiting[-8] == 0
    assert seen.waiting[-12] == 1
    assert seen.waiting[-20] == 0


def test_queue_lengths_never_fall_below_nought() -> None:
    assert queue_lengths(2, came=[0, 3, 0], ended=[0, 0, 1]) == (0, 3, 2)


def test_a_day_holds_what_an_hour_forgot() -> None:
    analysed(180)
    assert activity("hour").n_analysed == 0
    assert activity("day").n_analysed == 1


def test_every_plot_has_words_and_numbers(client: Client) -> None:
    analysed(3.5)
    sentences = [plot.sentence for plot in plots(activity("hour"), "hour")]
    assert sentences == ["1 song in the last hour, at most 1 in one minute.", "0 now, at most 1."]
    page = client.get(STATUS).content.decode()
    assert sentences[0] in page
    assert page.count('<svg class="chart"') == page.count("As a table") == 2


def test_the_day_is_a_link_away_and_stays(client: Client) -> None:
    analysed(180)
    page = client.get(STATUS, {"span": "day"}).content.decode()
    assert "1 song in the last day" in page
    assert 'hx-get="/status/?span=day"' in page
    assert "Last hour" in client.get(STATUS, {"span": "century"}).content.decode()


def test_curves_are_counted_for_the_model_that_prevails() -> None:
    done = EstimateFactory().song
    EmotionCurve.objects.create(song=done, model_version=MODEL_VERSION, hop_s=4.0, state=EmotionCurve.State.DONE)
    EmotionCurve.objects.create(song=EstimateFactory().song, model_version=MODEL_VERSION, hop_s=4.0)
    EmotionCurve.objects.create(song=done, model_version="older", hop_s=4.0, state=EmotionCurve.State.FAILED)
    seen = curve_progress(MODEL_VERSION)
    assert (seen.done, seen.waiting, seen.failed, seen.total) == (1, 1, 0, 2)


def test_failures_lead_to_the_songs(client_cleo: Client) -> None:
    SongFactory.create_batch(3, state=Song.State.FAILED, failure_code="silent_audio", failure_reason="It is silent.")
    SongFactory(state=Song.State.FAILED, failure_code="too_short", failure_reason="It is too short.")
    page = client_cleo.get(STATUS).content.decode()
    assert page.index("?state=failed&amp;code=silent_audio") < page.index("?state=failed&amp;code=too_short")
    listed = client_cleo.get("/songs/edit/?state=failed&code=too_short").content.decode()
    assert Song.objects.get(failure_code="too_short").title in listed


def test_curators_see_what_it_runs_on(client: Client, client_cleo: Client) -> None:
    page = client_cleo.get(STATUS).content.decode()
    assert "answers; it holds" in page
    assert "free" in page
    assert "System" not in client.get(STATUS).content.decode()


def test_a_fresh_install_says_where_to_begin(client: Client, client_cleo: Client) -> None:
    assert "A curator adds songs." in client.get(STATUS).content.decode()
    assert "Upload songs" in client_cleo.get(STATUS).content.decode()


def test_how_many_songs_were_compared_by_sound(client: Client) -> None:
    songs = [analysed(minutes) for minutes in (3, 4, 5)]
    SoundPrint.objects.create(song=songs[0], state=SoundPrint.DONE)
    assert "1 of 3 songs" in client.get(STATUS).content.decode()
    cache.clear()
    for song in songs[1:]:
        SoundPrint.objects.create(song=song, state=SoundPrint.FAILED)
    assert "Compared by sound" not in client.get(STATUS).content.decode()


def test_it_asks_little(client: Client, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    analysed(3)
    client.get(STATUS)
    cache.clear()
    with django_assert_max_num_queries(12):
        client.get(STATUS)
