"""My mood map: what it draws, what it says was learned, and how sure it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from catalog.models import Song
from emotion.inference.quadrants import Quadrant
from emotion.models import EmotionEstimate
from recommender.felt_model.model import ListenerModel, Prior, Ratings
from recommender.models import FeltRating, MoodCheckIn
from recommender.moodmap import ARROWS_LIMIT, RatedSong, drift_chart, drift_of, mood_map
from recommender.reasons.insights import Finding, Sure, sure_of_direction, sure_of_share, topics_of
from recommender.requests import Listener
from recommender.services import feedback, indexing
from tests.factories import RatingFactory, SongFactory
from tests.recommender.conftest import SongMaker

ME = "/me/"
N_DIMENSIONS, N_SOUNDS = 16, 3
BASIS = np.eye(N_SOUNDS, N_DIMENSIONS)


# --- What was learned, on made listeners ----------------------------------------------------------------------------


def listener_who(
    n_songs: int,
    *,
    shift: tuple[float, float] = (0.0, 0.0),
    carry: float = 0.0,
    by_known: float = 0.0,
    by_sound: float = 0.0,
    like: float | None = None,
    with_moods: bool = False,
    noise: float = 0.1,
    seed: int = 3,
) -> Ratings:
    """Return the ratings of a listener whom songs move in a known way."""
    rng = np.random.default_rng(seed)
    perceived = rng.uniform(-0.6, 0.6, (n_songs, 2))
    embeddings = rng.normal(size=(n_songs, N_DIMENSIONS))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    familiar = np.where(rng.random(n_songs) < 0.5, 1.0, -1.0) if by_known else np.zeros(n_songs)
    moods = rng.uniform(-0.8, 0.8, (n_songs, 2)) if with_moods else np.full((n_songs, 2), np.nan)
    felt = perceived + shift + rng.normal(0, noise, (n_songs, 2))
    felt += carry * np.nan_to_num(moods) + by_known * familiar[:, None] * [1, 0] + by_sound * embeddings[:, :1] * [0, 1]
    return Ratings(
        song_ids=np.arange(1, n_songs + 1),
        perceived=perceived,
        felt=np.clip(felt, -1, 1),
        embeddings=embeddings,
        weights=np.ones(n_songs),
        likes=np.full(n_songs, np.nan) if like is None else np.full(n_songs, like),
        like_weights=np.ones(n_songs),
        moods=moods,
        familiar=familiar,
    )


def findings_of(ratings: Ratings) -> dict[str, tuple[Finding, ...]]:
    model = ListenerModel.fit(ratings, Prior.default(), BASIS)
    titles = {song_id: f"Song {song_id}" for song_id in ratings.song_ids.tolist()}
    return {topic.title: topic.findings for topic in topics_of(model, ratings, titles)}


def test_without_ratings_there_is_no_sentence() -> None:
    found = findings_of(Ratings.none(N_DIMENSIONS))
    assert len(found) == 7
    assert {finding.sure for findings in found.values() for finding in findings} == {Sure.TOO_FEW}


def test_skips_alone_say_nothing_of_what_is_liked() -> None:
    said = listener_who(40, like=-1.0)
    topic = findings_of(said)["What you like"][0]
    assert topic.sentence == "You dislike more songs than you like."
    skipped = replace(said, like_weights=np.full(40, 0.25))
    assert findings_of(skipped)["What you like"][0].sure is Sure.TOO_FEW


def test_fewer_than_five_ratings_are_never_more_than_a_hint() -> None:
    for n_songs, most in ((2, {Sure.HINT, Sure.TOO_FEW}), (4, {Sure.HINT, Sure.TOO_FEW}), (5, set(Sure))):
        found = findings_of(listener_who(n_songs, shift=(0.5, 0.5), like=1.0, with_moods=True))
        said = {finding.sure for findings in found.values() for finding in findings}
        assert said <= most
        assert Sure.HINT in said
        assert bool(said & {Sure.SURE, Sure.FAIRLY}) is (n_songs == 5)


@pytest.mark.parametrize(
    ("shift", "words"),
    [
        (
            (0.3, 0.0),
            ("Songs leave you happier than they sound.", "In energy, songs leave you feeling about as they sound."),
        ),
        ((-0.3, 0.3), ("Songs leave you sadder than they sound.", "Songs leave you more energetic than they sound.")),
        (
            (0.0, -0.3),
            ("In pleasantness, songs leave you feeling about as they sound.", "Songs leave you calmer than they"),
        ),
    ],
)
def test_a_listener_whom_songs_move_one_way_reads_which(shift: tuple[float, float], words: tuple[str, str]) -> None:
    findings = findings_of(listener_who(60, shift=shift))["Songs in general, apart from your mood"]
    for finding, sentence, moved in zip(findings, words, shift, strict=True):
        assert finding.sentence.startswith(sentence)
        assert finding.sure is Sure.SURE
        assert finding.value == pytest.approx(moved, abs=0.1)


def listener_of_kinds(quadrants: set[Quadrant]) -> Ratings:
    """Return the ratings of a listener whom only happy songs move, to be sadder, and who rated only some kinds."""
    plain, sad = listener_who(160), listener_who(160, shift=(-0.5, 0.0))
    kinds = [Quadrant.from_valence_arousal(*point) for point in plain.perceived.tolist()]
    happy = np.array([kind is Quadrant.Q1 for kind in kinds])[:, None]
    ratings = Ratings(
        **{name: getattr(plain, name) for name in plain.__slots__} | {"felt": np.where(happy, sad.felt, plain.felt)}
    )
    return ratings.rows(np.array([kind in quadrants for kind in kinds]))


def test_a_kind_of_song_that_stands_out_is_named() -> None:
    sentences = [f.sentence for f in findings_of(listener_of_kinds(set(Quadrant)))["Kinds of songs that stand out"]]
    assert "Songs that sound happy leave you sadder than they sound." in sentences
    assert not any("in energy" in sentence or "calmer" in sentence for sentence in sentences)


def test_kinds_that_were_not_rated_are_not_spoken_of() -> None:
    findings = findings_of(listener_of_kinds({Quadrant.Q3, Quadrant.Q4}))["Kinds of songs that stand out"]
    assert not any("happy" in finding.sentence or "tense" in finding.sentence for finding in findings)


def test_a_listener_whom_all_songs_move_alike_reads_that_none_stands_out() -> None:
    (finding,) = findings_of(listener_who(100, shift=(-0.2, 0.0)))["Kinds of songs that stand out"]
    assert finding.sentence == "So far, no kind of song affects you differently from songs in general."
    assert not finding.measured


def test_how_much_of_the_mood_stays_is_shown_once_moods_exist() -> None:
    unknown = findings_of(listener_who(40))["Your mood before"]
    assert {finding.sure for finding in unknown} == {Sure.TOO_FEW}
    assert "about 45\u00a0%" in unknown[0].sentence
    known = findings_of(listener_who(80, carry=0.8, with_moods=True))["Your mood before"]
    assert known[0].sure in (Sure.SURE, Sure.FAIRLY)
    assert known[0].value == pytest.approx(0.8, abs=0.15)
    assert known[0].sentence.startswith("About ")


def test_how_many_songs_change_nothing_is_shown_once_moods_exist() -> None:
    moved = listener_who(60, with_moods=True)
    felt = np.where(np.arange(60)[:, None] % 2 == 0, moved.moods, moved.felt)
    still = Ratings(**{name: getattr(moved, name) for name in moved.__slots__} | {"felt": felt})
    (finding,) = findings_of(still)["Songs that change nothing"]
    assert finding.sure in (Sure.SURE, Sure.FAIRLY)
    assert finding.value == pytest.approx(0.5, abs=0.12)
    assert findings_of(listener_who(60))["Songs that change nothing"][0].sure is Sure.TOO_FEW


def test_the_effect_of_knowing_a_song_is_shown_once_it_was_rated() -> None:
    (finding,) = findings_of(listener_who(80, by_known=0.15))["Songs you know"]
    assert finding.sentence == "Songs you know leave you happier than new ones."
    assert finding.known
    assert findings_of(listener_who(80))["Songs you know"][0].sure is Sure.TOO_FEW


def test_the_sound_that_moves_most_is_named_by_a_song_that_has_it_and_never_quite_sure() -> None:
    ratings = listener_who(120, by_sound=0.8)
    (finding,) = findings_of(ratings)["The sound that moves you most"]
    assert finding.sure is Sure.FAIRLY
    number = int(finding.sentence.split("Song ")[1].split("”")[0])
    sound = ratings.embeddings[number - 1, 0]
    assert ("more energetic" in finding.sentence) == (sound > 0)
    assert abs(sound) > np.quantile(np.abs(ratings.embeddings[:, 0]), 0.8)


@pytest.mark.parametrize(("like", "word", "other"), [(1.0, "like", "dislike"), (-1.0, "dislike", "like")])
def test_who_likes_everything_reads_so(like: float, word: str, other: str) -> None:
    finding = findings_of(listener_who(30, like=like))["What you like"][0]
    assert finding.sentence == f"You {word} more songs than you {other}."
    assert finding.sure is Sure.SURE
    assert findings_of(listener_who(30))["What you like"][0].sure is Sure.TOO_FEW


@pytest.mark.parametrize(
    ("value", "sd", "prior_sd", "sure"),
    [
        (0.3, 0.1, 0.2, Sure.SURE),
        (0.19, 0.1, 0.2, Sure.FAIRLY),
        (-0.1, 0.1, 0.2, Sure.HINT),
        (0.05, 0.1, 0.2, Sure.TOO_FEW),
        (0.01, 0.05, 0.2, None),
        (0.3, 0.1, 0.11, Sure.TOO_FEW),
    ],
)
def test_how_sure_a_direction_is_follows_from_the_spread(
    value: float, sd: float, prior_sd: float, sure: Sure | None
) -> None:
    assert sure_of_direction(value, sd, prior_sd) is sure


def test_how_sure_a_share_is_follows_from_the_spread() -> None:
    found = [sure_of_share(sd, 0.23) for sd in (0.04, 0.09, 0.14, 0.16)]
    assert found == [Sure.SURE, Sure.FAIRLY, Sure.HINT, Sure.TOO_FEW]
    assert sure_of_share(0.09, 0.1) is Sure.TOO_FEW


def test_the_words_are_as_often_right_as_they_say() -> None:
    """Listeners drawn from the prior: of the directions called quite sure, 95 % or more are right."""
    right = {Sure.SURE: [0, 0], Sure.FAIRLY: [0, 0], Sure.HINT: [0, 0]}
    rng = np.random.default_rng(11)
    for seed in range(150):
        shift = rng.normal(0, 0.1, 2)
        findings = findings_of(listener_who(12, shift=tuple(shift), noise=0.25, seed=seed))[
            "Songs in general, apart from your mood"
        ]
        for truth, finding in zip(shift, findings, strict=True):
            if finding.sentence.startswith("Songs") and finding.sure in right:
                right[finding.sure][0] += bool(truth * finding.value > 0)
                right[finding.sure][1] += 1
    shares = {sure: n_right / n for sure, (n_right, n) in right.items() if n >= 10}
    assert set(shares) == {Sure.SURE, Sure.FAIRLY, Sure.HINT}
    assert shares[Sure.SURE] >= 0.95
    assert shares[Sure.FAIRLY] >= 0.85
    assert shares[Sure.HINT] >= 0.7


def test_a_rating_of_one_axis_says_so_and_draws_no_line(alice: User, make_songs: SongMaker) -> None:
    songs = make_songs(3)
    for song, answer in zip(songs, ({"felt_valence": -0.5}, {"felt_arousal": 0.5}, {"liked": True}), strict=True):
        feedback.feedback_record(user=alice, song=song, **answer)  # type: ignore[arg-type]
    liked, energetic, unpleasant = mood_map(alice).ratings
    assert unpleasant.sentence.endswith("you felt unpleasant.")
    assert energetic.sentence.endswith("you felt energetic.")
    assert liked.sentence.endswith("you did not say what you felt.")
    assert not mood_map(alice).with_feeling


# --- Drift ----------------------------------------------------------------------------------------------------------


def rated(number: int, at: datetime, shift: float = 0.1) -> RatedSong:
    return RatedSong(
        pk=number,
        song_id=number,
        title=f"Song {number}",
        artist="Somebody",
        felt=(shift, 0.0),
        perceived=(0.0, 0.2),
        felt_nothing=False,
        liked=None,
        rated_at=at,
        updated_at=at,
    )


def test_the_drift_is_by_ten_ratings_until_there_are_months_enough() -> None:
    now = timezone.now().replace(day=15)
    drift, by_month = drift_of([rated(n, now + timedelta(minutes=n), shift=n / 100) for n in range(25)])
    assert not by_month
    assert [(point.label, point.n) for point in drift] == [("1 to 10", 10), ("11 to 20", 10)]
    assert [point.valence for point in drift] == pytest.approx([0.045, 0.145])
    assert [point.arousal for point in drift] == pytest.approx([-0.2, -0.2])
    assert drift[0].valence_se == pytest.approx(np.std(np.arange(10) / 100, ddof=1) / np.sqrt(10))


def test_the_drift_is_by_month_where_three_have_five_ratings() -> None:
    start = datetime(2026, 1, 10, tzinfo=timezone.get_current_timezone())
    months = [(0, 5), (31, 6), (59, 2), (90, 7)]
    ratings = [rated(10 * m + n, start + timedelta(days=days)) for m, (days, k) in enumerate(months) for n in range(k)]
    drift, by_month = drift_of(ratings)
    assert by_month
    assert [(point.label, point.n) for point in drift] == [("Jan 2026", 5), ("Feb 2026", 6), ("Apr 2026", 7)]


def test_a_rating_without_a_feeling_or_an_estimate_is_no_part_of_the_drift() -> None:
    now = timezone.now()
    other = RatedSong(99, 99, "x", "y", None, (0.0, 0.0), True, None, now, now)
    unheard = RatedSong(98, 98, "x", "y", (0.1, 0.1), None, False, None, now, now)
    drift, _ = drift_of([other, unheard, *(rated(n, now) for n in range(20))])
    assert sum(point.n for point in drift) == 20
    assert drift_of([]) == ([], False)


def test_the_chart_keeps_inside_its_frame_and_one_point_is_no_line() -> None:
    now = timezone.now()
    drift, _ = drift_of([rated(n, now + timedelta(minutes=n), shift=(-1) ** n * 0.9) for n in range(40)])
    chart = drift_chart(drift)
    assert chart is not None
    for mark in (*chart.valence, *chart.arousal):
        assert 34 <= mark.x <= 306
        assert 12 <= mark.high <= mark.y <= mark.low <= 148
    assert chart.valence[0].x == 34
    assert chart.valence[-1].x == 306
    assert drift_chart(drift[:1]) is None


# --- The map of a listener ------------------------------------------------------------------------------------------


def rate(user: User, songs: list[Song], shift: tuple[float, float] = (-0.4, 0.0)) -> None:
    for song in songs:
        estimate = EmotionEstimate.objects.get(song=song, is_current=True)
        felt = np.clip([estimate.valence + shift[0], estimate.arousal + shift[1]], -1, 1).tolist()
        feedback.feedback_record(user=user, song=song, felt_valence=felt[0], felt_arousal=felt[1])


def test_the_map_reads_what_was_rated_and_what_was_learned(alice: User, make_songs: SongMaker) -> None:
    songs = make_songs(24)
    rate(alice, songs)
    feedback.feedback_record(user=alice, song=SongFactory(title="Never analysed"), felt_valence=0.1, felt_arousal=0.1)
    feedback.feedback_record(user=alice, song=make_songs(1)[0], felt_nothing=True)
    shown = mood_map(alice)
    assert len(shown.ratings) == 26
    assert {each.song_id for each in shown.arrows} == {song.pk for song in songs}
    assert shown.ratings[0].sentence.endswith("you felt nothing.")
    assert "has not been analysed yet; you felt neutral" in shown.ratings[1].sentence
    sentences = [finding.sentence for topic in shown.topics for finding in topic.findings if finding.known]
    assert "Songs leave you sadder than they sound." in sentences
    assert [point.n for point in shown.drift] == [10, 10]


def test_only_the_newest_songs_are_drawn(alice: User, make_songs: SongMaker) -> None:
    songs = make_songs(ARROWS_LIMIT + 3)
    FeltRating.objects.bulk_create(RatingFactory.build(listener=alice, song=song) for song in songs)
    shown = mood_map(alice)
    assert len(shown.arrows) == ARROWS_LIMIT
    assert {song.pk for song in songs[:3]}.isdisjoint(each.song_id for each in shown.arrows)


# --- The page -------------------------------------------------------------------------------------------------------


def content(client: Client, query: str = "") -> str:
    answer = client.get(f"{ME}{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_visitor_reads_what_this_is_and_is_led_back(client: Client, db: None) -> None:
    text = content(client)
    assert "Sign in to see your mood map" in text
    assert "/accounts/login/?next=/me/" in text
    assert "/accounts/signup/?next=/me/" in text


def test_a_listener_without_ratings_reads_how_to_rate(client_alice: Client) -> None:
    text = content(client_alice)
    assert "No ratings yet" in text
    assert "Download JSON" in text
    assert "What was learned" not in text


def test_the_page_shows_the_songs_the_words_and_the_table(
    client_alice: Client, alice: User, make_songs: SongMaker
) -> None:
    songs = make_songs(24)
    rate(alice, songs)
    text = content(client_alice)
    assert text.count("data-felt-line") == 24
    assert text.count("/withdraw/") == 20
    assert "Page 1 of 2" in text
    assert "Songs leave you sadder than they sound." in text
    assert "too few ratings to tell" in text
    assert f"Withdraw the rating of {songs[-1].title}" in text
    assert "Change over time" in text
    assert content(client_alice, "?page=2").count("/withdraw/") == 4


def test_few_ratings_get_no_line(client_alice: Client, alice: User, make_songs: SongMaker) -> None:
    rate(alice, make_songs(3))
    assert "so far there are 3" in content(client_alice)


def test_only_likes_draw_nothing(client_alice: Client, alice: User, make_songs: SongMaker) -> None:
    feedback.feedback_record(user=alice, song=make_songs(1)[0], liked=True)
    text = content(client_alice)
    assert '<svg class="way' not in text
    assert "You have rated 1 song," in text


def test_titles_are_text_not_markup(client_alice: Client, alice: User, make_songs: SongMaker) -> None:
    song = make_songs(1, title='<script>alert("x")</script>')[0]
    rate(alice, [song])
    assert "<script>alert" not in content(client_alice)


def test_the_page_asks_the_database_few_questions(
    client_alice: Client, alice: User, make_songs: SongMaker, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    rate(alice, make_songs(30))
    feedback.check_in_create(listener=Listener(alice), valence=0.1, arousal=0.2)
    indexing.index_rebuild()
    content(client_alice)
    with django_assert_max_num_queries(11):
        content(client_alice)


def test_nothing_of_the_page_stays_in_a_cache(client_alice: Client) -> None:
    assert "no-store" in client_alice.get(ME)["Cache-Control"]


def test_bob_sees_nothing_of_alices(client_bob: Client, alice: User, make_songs: SongMaker) -> None:
    rate(alice, make_songs(3))
    feedback.check_in_create(listener=Listener(alice), valence=0.7791, arousal=0.2)
    text = content(client_bob)
    assert "No ratings yet" in text
    assert "+0.78" not in text


# --- Taking single things back --------------------------------------------------------------------------------------


def test_a_rating_is_withdrawn_from_the_map(client_alice: Client, alice: User, make_songs: SongMaker) -> None:
    rate(alice, make_songs(2))
    rating = FeltRating.objects.filter(listener=alice)[0]
    answer = client_alice.post(reverse("recommender:me_rating_withdraw", args=[rating.pk]))
    assert (answer.status_code, answer["Location"]) == (302, "/me/#ratings")
    assert FeltRating.objects.filter(listener=alice).count() == 1
    assert client_alice.post(reverse("recommender:me_rating_withdraw", args=[rating.pk])).status_code == 404


def test_a_mood_is_withdrawn_from_the_map(client_alice: Client, alice: User) -> None:
    mood = feedback.check_in_create(listener=Listener(alice), valence=0.1, arousal=0.2)
    assert "Slightly lively" in content(client_alice)
    where = reverse("recommender:me_mood_withdraw", args=[mood.pk])
    assert client_alice.post(where)["Location"] == "/me/#moods"
    assert not MoodCheckIn.objects.exists()


@pytest.mark.parametrize("what", ["rating", "mood"])
def test_nobody_else_withdraws_them(client: Client, client_bob: Client, alice: User, what: str) -> None:
    row: Any = RatingFactory(listener=alice) if what == "rating" else MoodCheckIn(listener=alice, valence=0, arousal=0)
    row.save()
    where = reverse(f"recommender:me_{what}_withdraw", args=[row.pk])
    assert client_bob.post(where).status_code == 404
    assert client.post(where)["Location"] == f"/accounts/login/?next={where}"
    assert client_bob.get(where).status_code == 405
    row.refresh_from_db()
