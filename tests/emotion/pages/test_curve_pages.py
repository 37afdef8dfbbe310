"""The emotion curve by API and on the song's page."""

from __future__ import annotations

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from catalog.models import Song
from emotion.inference.quadrants import Quadrant
from emotion.models import EmotionCurve, EmotionEstimate
from emotion.selectors import served_version
from tests.factories import EstimateFactory, SongFactory

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def tagged(**fields: object) -> EmotionEstimate:
    return EstimateFactory(**{"model_version": served_version(), "song__duration_s": 100.0, **fields})


def curve_for(estimate: EmotionEstimate, **fields: object) -> EmotionCurve:
    """A curve of 20 points: calm, then tense, silent in the middle."""
    probabilities = np.full((20, 4), 0.05)
    probabilities[:10, Quadrant.Q4.index] = probabilities[10:, Quadrant.Q2.index] = 0.85
    side = np.where(np.arange(20) < 10, 1, -1) * 0.5
    points = np.column_stack([side, -side, probabilities]).astype("<f4")
    points[5] = np.nan
    given = {"state": EmotionCurve.State.DONE, "hop_s": 4.0, "window_s": 24.0, "points_bytes": points.tobytes()}
    return EmotionCurve.objects.create(song=estimate.song, model_version=estimate.model_version, **{**given, **fields})


def api_url(song: Song) -> str:
    return f"/api/v1/songs/{song.pk}/curve/"


def page_url(song: Song) -> str:
    return reverse("emotion:song_curve", args=[song.pk])


# --- API ----------------------------------------------------------------------------------------------------------


def test_the_curve_by_api(api_anonymous: APIClient, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    estimate = tagged()
    curve_for(estimate)
    with django_assert_max_num_queries(3):
        response = api_anonymous.get(api_url(estimate.song))
    answer = response.json()
    assert response.status_code == 200
    assert answer["state"] == "done"
    assert answer["model_version"] == estimate.model_version
    assert answer["times_s"] == [12.0 + 4 * i for i in range(20)]
    assert answer["valence"][4:7] == [0.5, None, 0.5]
    assert answer["arousal"][19] == 0.5
    # Half of the middle 68 % of a logistic density around the point, shown at P(high) - P(low).
    middle = np.tanh(np.arctanh(0.5) + np.array([-1.6584, 1.6584]) / 2)
    assert answer["valence_sd"][0] == pytest.approx(np.ptp(middle) / 2, abs=1e-3)
    assert answer["probabilities"]["Q4"][0] == pytest.approx(0.85, abs=1e-4)
    assert answer["probabilities"]["Q4"][5] is None
    assert answer["summary"] == "Starts calm, becomes tense after 0:50."
    sure = pytest.approx(0.85)
    assert answer["sections"][1] == {"quadrant": "Q2", "start_s": 50.0, "end_s": 100.0, "confidence": sure}


@pytest.mark.parametrize("state", [None, "waiting", "claimed"])
def test_a_curve_on_its_way_is_202(api_anonymous: APIClient, state: str | None) -> None:
    estimate = tagged()
    if state:
        curve_for(estimate, state=state, points_bytes=b"")
    response = api_anonymous.get(api_url(estimate.song))
    assert (response.status_code, response.json()) == (202, {"song": estimate.song.pk, "state": "waiting"})


def test_a_failed_curve_says_why(api_anonymous: APIClient) -> None:
    estimate = tagged()
    curve_for(estimate, state="failed", failure_code="not_decodable", failure_reason="It is a picture.")
    response = api_anonymous.get(api_url(estimate.song))
    assert response.status_code == 422
    assert (response.json()["code"], response.json()["detail"]) == ("not_decodable", "It is a picture.")


def test_songs_without_a_tag_have_no_curve(api_anonymous: APIClient) -> None:
    response = api_anonymous.get(api_url(SongFactory(state=Song.State.QUEUED)))
    assert (response.status_code, response.json()["code"]) == (404, "curve_not_found")
    assert api_anonymous.get("/api/v1/songs/4711/curve/").json()["code"] == "not_found"
    assert api_anonymous.get("/api/v1/songs/x/curve/").status_code == 404


def test_the_curve_of_another_model_is_never_shown(api_anonymous: APIClient) -> None:
    estimate = tagged()
    old = EstimateFactory(song=estimate.song, is_current=False, model_version="old")
    curve_for(old)
    assert api_anonymous.get(api_url(estimate.song)).status_code == 202
    EmotionEstimate.objects.filter(pk=estimate.pk).delete()
    EmotionEstimate.objects.filter(pk=old.pk).update(is_current=True)
    assert api_anonymous.get(api_url(estimate.song)).json()["model_version"] == "old"


def test_a_tag_by_a_model_that_no_longer_serves_has_no_curve_to_wait_for(api_anonymous: APIClient) -> None:
    answer = api_anonymous.get(api_url(tagged(model_version="old").song))
    assert answer.status_code == 404
    assert "analysed by model old, which no longer serves" in answer.json()["detail"]


def test_a_closed_site_keeps_curves_to_itself(
    client: Client, api_anonymous: APIClient, api_alice: APIClient, settings: Settings
) -> None:
    settings.MOODPLANE_PUBLIC = False
    estimate = tagged()
    curve_for(estimate)
    assert api_anonymous.get(api_url(estimate.song)).status_code == 401
    assert client.get(page_url(estimate.song), headers=HTMX).status_code in (302, 401, 403)
    assert api_alice.get(api_url(estimate.song)).status_code == 200


def test_nobody_writes_a_curve(api_cleo: APIClient) -> None:
    assert api_cleo.post(api_url(tagged().song)).status_code == 405


# --- The page -----------------------------------------------------------------------------------------------------


def test_the_panel_draws_says_and_lists_the_curve(client: Client) -> None:
    estimate = tagged()
    curve_for(estimate)
    page = client.get(page_url(estimate.song), headers=HTMX).content.decode()
    assert "hx-trigger" not in page
    assert "Starts calm, becomes tense after 0:50." in page
    assert page.count('class="curve__line curve__line--valence" points=') == 2
    assert page.count("curve__band--arousal") == 2
    assert '<tr><th scope="row">0:12</th><td class="number">+0.50 ± 0.58</td>' in page
    assert '<th scope="row">0:32</th><td colspan="2">silent</td>' in page
    assert "Tense 0:50 to 1:40" in page
    assert f"model {estimate.model_version}" in page


def test_a_panel_that_waits_asks_again_until_it_is_there(client: Client) -> None:
    estimate = tagged()
    assert b'hx-trigger="every 4s"' in client.get(page_url(estimate.song), headers=HTMX).content
    curve_for(estimate)
    assert b"hx-trigger" not in client.get(page_url(estimate.song), headers=HTMX).content


def test_failed_and_absent_curves_say_why_and_ask_no_more(client: Client) -> None:
    failed, absent = tagged(), tagged(model_version="old")
    curve_for(failed, state="failed", failure_reason="It is <b>broken</b>.")
    for song, words in ((failed.song, "It is &lt;b&gt;broken"), (absent.song, "no longer serves")):
        page = client.get(page_url(song), headers=HTMX).content.decode()
        assert words in page
        assert "hx-trigger" not in page


def test_the_address_of_the_panel_leads_to_the_page(client: Client) -> None:
    song = tagged().song
    answer = client.get(page_url(song))
    assert answer["Location"] == reverse("recommender:song_detail", args=[song.pk]) + "#emotion-curve"
    assert client.get(reverse("emotion:song_curve", args=[4711])).status_code == 404


def test_the_songs_page_shows_the_curve(client: Client) -> None:
    estimate = tagged()
    curve_for(estimate)
    page = client.get(reverse("recommender:song_detail", args=[estimate.song.pk])).content.decode()
    assert "Starts calm, becomes tense after 0:50." in page
    assert "Why this estimate" in page
