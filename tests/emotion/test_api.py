import pytest
from drf_spectacular.generators import SchemaGenerator
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from catalog.models import Song
from emotion.inference.quadrants import Quadrant
from emotion.models import EmotionCurve, Waveform
from tests.factories import EstimateFactory, SongFactory

pytestmark = pytest.mark.django_db


def test_songs_are_counted_by_state(api_anonymous: APIClient) -> None:
    EstimateFactory()
    SongFactory(state=Song.State.QUEUED)
    answer = api_anonymous.get("/api/v1/songs/?state=tagged&page_size=1").json()
    assert answer["count"] == 1
    assert answer.keys() == {"count", "next", "previous", "results"}


def test_a_song_shows_its_current_estimate_only(api_anonymous: APIClient) -> None:
    estimate = EstimateFactory(quadrant=Quadrant.Q4, model_version="new")
    EstimateFactory(song=estimate.song, is_current=False, model_version="old", quadrant=Quadrant.Q2)
    answer = api_anonymous.get(f"/api/v1/songs/{estimate.song.pk}/").json()
    assert answer["estimate"]["quadrant"] == "Q4"
    assert answer["estimate"]["probabilities"]["Q4"] == pytest.approx(0.7)
    assert [song["id"] for song in api_anonymous.get("/api/v1/songs/?quadrant=Q4").json()["results"]] == [
        estimate.song.pk
    ]
    assert api_anonymous.get("/api/v1/songs/?quadrant=Q2").json()["count"] == 0


def test_an_untagged_song_has_no_estimate(api_anonymous: APIClient) -> None:
    song = SongFactory(state=Song.State.FAILED, failure_code="silent", failure_reason="There is no sound.")
    answer = api_anonymous.get(f"/api/v1/songs/{song.pk}/").json()
    assert answer["estimate"] is None
    assert answer["failure_reason"] == "There is no sound."


def test_songs_are_found_by_genre_artist_and_estimates_by_song(api_anonymous: APIClient) -> None:
    one = EstimateFactory(song__genre="Waltz")
    EstimateFactory()
    for query in ("genre=waltz", f"artist={one.song.artist_id}"):
        assert [song["id"] for song in api_anonymous.get(f"/api/v1/songs/?{query}").json()["results"]] == [one.song.pk]
    assert api_anonymous.get(f"/api/v1/estimates/?song={one.song.pk}").json()["count"] == 1


def test_a_list_costs_a_fixed_number_of_queries(
    api_anonymous: APIClient, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(12):
        EstimateFactory()
    with django_assert_max_num_queries(4):
        assert len(api_anonymous.get("/api/v1/songs/").json()["results"]) == 12


@pytest.mark.parametrize("query", ["state=lost", "quadrant=Q9", "artist=x"])
def test_filters_that_make_no_sense_are_problems(api_anonymous: APIClient, query: str) -> None:
    answer = api_anonymous.get(f"/api/v1/songs/?{query}")
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "invalid"


def test_nobody_may_write_through_it(api_alice: APIClient) -> None:
    song = SongFactory()
    assert api_alice.delete(f"/api/v1/songs/{song.pk}/").status_code == 405
    assert api_alice.post("/api/v1/estimates/", {}).status_code == 405


def test_the_old_name_of_the_models_quadrant_is_deprecated() -> None:
    schema = SchemaGenerator().get_schema(request=None, public=True)
    fields = schema["components"]["schemas"]["Estimate"]["properties"]
    assert {name for name, field in fields.items() if field.get("deprecated")} == {"heard"}
    assert {"model_quadrant", "model_valence", "model_arousal"} <= set(fields)


def test_songs_have_what_was_measured_and_are_found_by_it(
    api_anonymous: APIClient, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    estimate, other = EstimateFactory(), EstimateFactory()
    EmotionCurve.objects.create(
        song=estimate.song, model_version=estimate.model_version, hop_s=4, highlight_s=31.5, state=EmotionCurve.DONE
    )
    Waveform.objects.create(
        song=estimate.song,
        measures_version=1,
        loudness_lufs=-9.5,
        true_peak_dbtp=0.2,
        bpm=90.0,
        key=0,
        key_confidence=0.9,
    )
    Waveform.objects.create(song=other.song, peaks_bytes=bytes([1]))
    with django_assert_max_num_queries(4):
        songs = {song["id"]: song for song in api_anonymous.get("/api/v1/songs/").json()["results"]}
    assert songs[estimate.song.pk]["measures"] == {
        "loudness_lufs": -9.5, "true_peak_dbtp": 0.2, "bpm": 90.0, "bpm_other": None, "bpm_confidence": None,
        "key": 0, "key_name": "C major", "key_confidence": 0.9,
    }  # fmt: skip
    assert songs[estimate.song.pk]["highlight_s"] == 31.5
    assert (songs[other.song.pk]["measures"], songs[other.song.pk]["highlight_s"]) == (None, None)
    for query, count in {"bpm_from=90": 1, "bpm_to=89": 0, "bpm_from=80&bpm_to=100&key=0": 1, "key=12": 0}.items():
        assert api_anonymous.get(f"/api/v1/songs/?{query}").json()["count"] == count
    assert api_anonymous.get("/api/v1/songs/?key=24").status_code == 400
