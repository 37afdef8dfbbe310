"""From a request to songs in order: lists, lists around a song, journeys, and the listener's history."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from catalog.models import Song
from emotion.models import EmotionEstimate
from recommender.generate import GeneratedPlaylist, generate, predict_items
from recommender.listener import IMPLICIT_WEIGHT, LIKE_OF, NOTHING_FELT_LIKE, _recency, history_of, listener_state
from recommender.models import FeltRating, Listen
from recommender.ranking.journeys import path_quality
from recommender.reasons.reasons import LikeSignal
from recommender.requests import Filters, Listener, PlaylistRequest, Target
from recommender.retrieval import retrieve, songs_index
from tests.factories import EMBEDDING_SIZE, AlbumFactory, ArtistFactory, ListenFactory, RatingFactory, SongFactory
from tests.recommender.conftest import HAPPY, SongMaker, tag

DOWN = ((-0.6, 0.6), (0.6, -0.6))
LIST = PlaylistRequest(target=HAPPY, length=10, seed=1)
JOURNEY = PlaylistRequest(target=Target(0.6, -0.6), length=10, seed=1, path=DOWN)


def songs_in(made: GeneratedPlaylist) -> list[int]:
    return [entry.song_id for entry in made.entries]


def felt_in(made: GeneratedPlaylist) -> np.ndarray:
    return np.array([entry.felt for entry in made.entries])


@pytest.fixture
def catalog(make_songs: SongMaker) -> list[Song]:
    """Songs all over the plane."""
    return make_songs(90, around=(0.0, 0.0), spread=0.95)


# --- Lists --------------------------------------------------------------------------------------------------------


def test_a_placement_holds_target_terms_and_reason(nobody: Listener, catalog: list[Song]) -> None:
    made = generate(listener=nobody, request=LIST)
    for position, entry in enumerate(made.entries, 1):
        assert entry.position == position
        assert entry.target == HAPPY.point
        assert entry.terms["closeness"] > 0
        assert {"closeness", "ratings", "mood", "exploration", "liking", "diversity"} <= set(entry.terms)
        assert not entry.reason or entry.reason.endswith(".")
    assert (made.note, made.model_version) == ("", "test-model-1")


def test_without_history_and_variety_felt_is_perceived_and_the_seed_decides_nothing(
    nobody: Listener, catalog: list[Song]
) -> None:
    made = [generate(listener=nobody, request=replace(LIST, variety=0.0, seed=seed)) for seed in (1, 2)]
    assert songs_in(made[0]) == songs_in(made[1])
    for entry in made[0].entries:
        assert entry.felt == pytest.approx(entry.perceived)
        assert entry.terms["exploration"] == entry.terms["ratings"] == entry.terms["mood"] == 0.0
    wild = {
        tuple(songs_in(generate(listener=nobody, request=replace(LIST, variety=1.0, seed=seed)))) for seed in range(4)
    }
    assert len(wild) > 1


def test_exploration_that_decided_is_named_to_who_has_heard_other_songs(
    nobody: Listener, alice: User, catalog: list[Song]
) -> None:
    ListenFactory(listener=alice, song=catalog[0])

    def named(listener: Listener) -> bool:
        made = [generate(listener=listener, request=replace(LIST, variety=1.0, seed=seed)) for seed in range(6)]
        return any("Something new for you" in entry.reason for each in made for entry in each.entries)

    assert named(Listener(alice))
    assert not named(nobody), "to a newcomer every song is new"
    sober = generate(listener=Listener(alice), request=replace(LIST, variety=0.0))
    assert not any("omething new" in entry.reason for entry in sober.entries)


def test_songs_of_an_album_are_spaced(nobody: Listener, make_songs: SongMaker) -> None:
    songs = make_songs(24, spread=0.02)
    album = AlbumFactory()
    Song.objects.filter(pk__in=[song.pk for song in songs[:12]]).update(album=album)
    chosen = songs_in(generate(listener=nobody, request=replace(LIST, length=12)))
    assert sum(song.pk in chosen for song in songs[:12]) <= 8


def test_a_song_deleted_from_its_fixed_place_leaves_the_place_free(nobody: Listener, catalog: list[Song]) -> None:
    usual = songs_in(generate(listener=nobody, request=LIST))
    Song.objects.filter(pk=usual[0]).delete()
    made = generate(listener=nobody, request=LIST, fixed={1: usual[0], 2: usual[1]})
    assert [entry.position for entry in made.entries] == [1, *range(3, 11)]
    assert usual[0] not in songs_in(made)


def test_playing_a_list_changes_nothing_in_its_rest(alice: User, catalog: list[Song]) -> None:
    listener, request = Listener(alice), replace(LIST, length=20)
    usual = songs_in(generate(listener=listener, request=request))
    for n_played in (1, 7, 19):
        for song_id in usual[:n_played]:
            ListenFactory(listener=alice, song_id=song_id)
        made = generate(listener=listener, request=request, fixed=dict(enumerate(usual[:n_played], 1)))
        assert songs_in(made) == usual[n_played:]


# --- Around a song ------------------------------------------------------------------------------------------------


def sounding_like(song: Song, others: list[Song], share: float) -> None:
    """Give songs an embedding that is partly another's."""
    likeness = song.estimates.get().embedding
    for n, other in enumerate(others):
        noise = np.random.default_rng(n).normal(size=EMBEDDING_SIZE)
        mixed = share * likeness + (1 - share) * noise / np.linalg.norm(noise)
        embedding = (mixed / np.linalg.norm(mixed)).astype("<f4").tobytes()
        other.estimates.update(embedding_bytes=embedding)


def test_a_list_around_a_song_sounds_like_it_and_leaves_it_out(nobody: Listener, catalog: list[Song]) -> None:
    song, alike = catalog[0], catalog[40:52]
    sounding_like(song, alike, share=0.8)
    made = generate(listener=nobody, request=replace(LIST, around=song.pk))
    chosen = songs_in(made)
    assert song.pk not in chosen
    assert len(set(chosen) & {other.pk for other in alike}) >= 8
    first = made.entries[0]
    assert first.terms["likeness"] > 0.5
    said = [entry.reason for entry in made.entries if entry.reason]
    assert any(words == f"Sounds very like “{song.title}”." for words in said)
    estimate = song.estimates.get()
    assert first.target == pytest.approx((estimate.valence, estimate.arousal))


def test_sounds_that_cannot_be_compared_are_not(nobody: Listener, catalog: list[Song]) -> None:
    EmotionEstimate.objects.filter(song=catalog[0]).update(embedding_bytes=np.full(64, np.nan, "<f4").tobytes())
    made = generate(listener=nobody, request=replace(LIST, around=catalog[0].pk))
    assert len(made.entries) == 10
    assert not any("ounds" in entry.reason for entry in made.entries)
    estimate = catalog[0].estimates.get()
    assert np.linalg.norm(felt_in(made) - (estimate.valence, estimate.arousal), axis=1).mean() < 0.5


def test_a_filter_holds_around_a_song_too(nobody: Listener, catalog: list[Song]) -> None:
    sounding_like(catalog[0], catalog[40:52], share=0.9)
    Song.objects.filter(pk__in=[song.pk for song in catalog[60:70]]).update(genre="Jazz")
    made = generate(
        listener=nobody, request=replace(LIST, around=catalog[0].pk, filters=Filters(genre="Jazz"), length=5)
    )
    assert set(songs_in(made)) <= {song.pk for song in catalog[60:70]}


def test_a_list_around_a_song_that_is_gone_keeps_its_mood_and_says_so(nobody: Listener, catalog: list[Song]) -> None:
    made = generate(listener=nobody, request=replace(LIST, around=10_000_000))
    assert made.note == "The song this list was made around was deleted; only its mood remains."
    assert songs_in(made) == songs_in(generate(listener=nobody, request=LIST))


# --- Journeys -----------------------------------------------------------------------------------------------------


def test_a_journey_leads_from_start_to_end_in_small_steps(nobody: Listener, catalog: list[Song]) -> None:
    made = generate(listener=nobody, request=JOURNEY)
    quality = path_quality(felt_in(made), DOWN)
    assert quality.monotone_share == 1.0
    assert quality.largest_step < 0.5
    assert max(quality.departure, quality.arrival) < 0.4
    assert made.note == ""
    assert made.entries[0].target == DOWN[0]
    assert made.entries[-1].target == DOWN[1]
    artists = [Song.objects.get(pk=pk).artist_id for pk in songs_in(made)]
    assert all(one != other for one, other in pairwise(artists))


def test_another_seed_is_another_way(nobody: Listener, catalog: list[Song]) -> None:
    ways = {tuple(songs_in(generate(listener=nobody, request=replace(JOURNEY, seed=seed)))) for seed in range(4)}
    assert len(ways) > 1
    assert songs_in(generate(listener=nobody, request=JOURNEY)) == songs_in(generate(listener=nobody, request=JOURNEY))


def test_playing_a_journey_changes_nothing_in_its_rest(alice: User, catalog: list[Song]) -> None:
    listener = Listener(alice)
    usual = songs_in(generate(listener=listener, request=JOURNEY))
    for n_played in (1, 4, 9, 10):
        for song_id in usual[:n_played]:
            ListenFactory(listener=alice, song_id=song_id)
        made = generate(listener=listener, request=JOURNEY, fixed=dict(enumerate(usual[:n_played], 1)))
        assert songs_in(made) == usual[n_played:]


def test_a_rating_on_the_way_plans_the_rest_from_where_the_listener_is(alice: User, catalog: list[Song]) -> None:
    listener = Listener(alice)
    usual = songs_in(generate(listener=listener, request=JOURNEY))
    for song_id in usual[:3]:
        RatingFactory(listener=alice, song_id=song_id, felt_valence=-0.9, felt_arousal=-0.2)
    made = generate(listener=listener, request=JOURNEY, fixed=dict(enumerate(usual[:3], 1)))
    assert [entry.position for entry in made.entries] == list(range(4, 11))
    assert not set(songs_in(made)) & set(usual[:3])
    assert songs_in(made) != usual[3:]
    assert made.entries[-1].target == DOWN[1]
    targets = np.array([(-0.9, -0.2), *(entry.target for entry in made.entries)])
    steps = np.linalg.norm(np.diff(targets, axis=0), axis=1)
    assert steps == pytest.approx(np.full(7, steps[0]))


def test_what_was_felt_long_ago_is_not_where_the_listener_is(alice: User, catalog: list[Song]) -> None:
    listener = Listener(alice)
    for song in catalog:
        RatingFactory(listener=alice, song=song, felt_valence=-0.5, felt_arousal=0.5)
    FeltRating.objects.update(updated_at=timezone.now() - timedelta(hours=1))
    usual = songs_in(generate(listener=listener, request=JOURNEY))
    assert songs_in(generate(listener=listener, request=JOURNEY, fixed={1: usual[0]})) == usual[1:]


def test_a_journey_that_stays_stays(nobody: Listener, catalog: list[Song]) -> None:
    here = (0.3, 0.2)
    made = generate(listener=nobody, request=replace(JOURNEY, path=(here, here), length=6))
    assert np.linalg.norm(felt_in(made) - here, axis=1).max() < 0.6


def test_a_journey_too_long_for_the_catalog_is_shorter_and_says_so(nobody: Listener, make_songs: SongMaker) -> None:
    make_songs(5, around=(0.0, 0.0), spread=0.5)
    made = generate(listener=nobody, request=JOURNEY)
    assert len(made.entries) == 5
    assert made.note.startswith("Only 5 songs have been analysed so far, so this journey has 5 instead of 10.")


def test_a_journey_without_songs_is_empty_and_says_so(db: None, nobody: Listener) -> None:
    made = generate(listener=nobody, request=JOURNEY)
    assert (made.entries, made.note) == ((), "No songs have been analysed yet, so this journey is empty.")


def test_a_journey_to_where_no_song_is_ends_in_its_quadrant_and_says_how_far(
    nobody: Listener, make_songs: SongMaker
) -> None:
    make_songs(60, around=(-0.4, 0.4), spread=0.35)
    made = generate(listener=nobody, request=JOURNEY)
    assert made.note.startswith("There is no calm song to end with, so the last one is ")
    calm = tag(SongFactory(), 0.05, -0.1).song
    made = generate(listener=nobody, request=JOURNEY)
    assert songs_in(made)[-1] == calm.pk
    assert made.note.startswith("The last song is 37 % of the pad from where you want to be.")


def test_a_gap_is_gone_round_or_owned_up_to(nobody: Listener, make_songs: SongMaker) -> None:
    make_songs(20, around=(-0.6, 0.6), spread=0.15)
    make_songs(21, around=(0.6, -0.6), spread=0.15)
    made = generate(listener=nobody, request=JOURNEY)
    assert made.note.startswith("No way in small steps was found; the largest step is ")
    assert path_quality(felt_in(made), DOWN).arrival < 0.4
    for n, corner in enumerate([(-0.6, 0.2), (-0.6, -0.2), (-0.6, -0.6), (-0.2, -0.6), (0.2, -0.6)]):
        make_songs(6 + n, around=corner, spread=0.15)
    round_about = generate(listener=nobody, request=replace(JOURNEY, length=16))
    assert "This journey takes a detour" in round_about.note
    assert path_quality(felt_in(round_about), DOWN).largest_step < 0.4
    assert path_quality(felt_in(round_about), DOWN).arrival < 0.4


# --- A listener's feedback ----------------------------------------------------------------------------------------


def played(user: User, song: Song, *outcomes: str, listened_s: float = 5.0) -> None:
    for outcome in outcomes:
        ListenFactory(listener=user, song=song, outcome=outcome, listened_s=listened_s)


COMPLETED, SKIPPED, STARTED = Listen.Outcome.COMPLETED, Listen.Outcome.SKIPPED, Listen.Outcome.STARTED


@pytest.mark.parametrize(
    ("outcomes", "listened_s", "signal"),
    [
        ([STARTED], 5.0, None),
        ([SKIPPED], 5.0, LikeSignal.SKIPPED),
        ([SKIPPED], 50.0, None),
        ([COMPLETED], 60.0, LikeSignal.COMPLETED),
        ([COMPLETED, COMPLETED], 60.0, LikeSignal.REPLAYED),
        ([COMPLETED] * 3, 60.0, LikeSignal.REPLAYED),
        ([SKIPPED, COMPLETED], 5.0, LikeSignal.COMPLETED),
        ([COMPLETED, COMPLETED, SKIPPED], 5.0, LikeSignal.SKIPPED),
    ],
)
def test_what_was_done_with_a_song_is_a_weak_like(
    alice: User, make_songs: SongMaker, outcomes: list[str], listened_s: float, signal: LikeSignal | None
) -> None:
    song = make_songs(1)[0]
    played(alice, song, *outcomes, listened_s=listened_s)
    found = history_of(Listener(alice), songs_index())
    assert found.like_signals.get(song.pk) is signal
    if signal is None:
        assert len(found.ratings.song_ids) == 0
    else:
        assert found.ratings.likes.tolist() == [LIKE_OF[signal]]
        assert found.ratings.like_weights.tolist() == [IMPLICIT_WEIGHT]
        assert np.isnan(found.ratings.felt).all()


@pytest.mark.parametrize(
    ("said", "signal", "like", "weight"),
    [
        ({"liked": True}, LikeSignal.LIKED, 1.0, 1.0),
        ({"liked": False}, LikeSignal.DISLIKED, -1.0, 1.0),
        ({"felt_nothing": True, "felt_valence": None, "felt_arousal": None}, None, NOTHING_FELT_LIKE, 1.0),
        ({"skipped": True}, LikeSignal.SKIPPED, -0.5, 0.25),
        ({}, LikeSignal.COMPLETED, 0.3, 0.25),
    ],
)
def test_what_was_said_of_a_song_outweighs_what_was_done(
    alice: User, make_songs: SongMaker, said: dict[str, object], signal: LikeSignal | None, like: float, weight: float
) -> None:
    song = make_songs(1)[0]
    played(alice, song, COMPLETED)
    RatingFactory(listener=alice, song=song, **said)
    found = history_of(Listener(alice), songs_index())
    assert found.like_signals.get(song.pk) is signal
    assert (found.ratings.likes.tolist(), found.ratings.like_weights.tolist()) == ([like], [weight])


def test_moods_and_feelings_reach_the_model_and_others_do_not(alice: User, bob: User, make_songs: SongMaker) -> None:
    songs = make_songs(5)
    RatingFactory(
        listener=alice, song=songs[0], felt_valence=0.1, felt_arousal=0.2, mood_valence=-0.3, mood_arousal=0.4
    )
    RatingFactory(listener=alice, song=songs[1])
    RatingFactory(listener=bob, song=songs[2])
    nothing = {"felt_nothing": True, "felt_valence": None, "felt_arousal": None}
    RatingFactory(listener=alice, song=songs[3], mood_valence=-0.5, mood_arousal=0.6, **nothing)
    RatingFactory(listener=alice, song=songs[4], **nothing)
    ratings = history_of(Listener(alice), songs_index()).ratings
    assert ratings.song_ids.tolist() == [songs[n].pk for n in (0, 1, 3, 4)]
    assert ratings.felt[2].tolist() == [-0.5, 0.6]
    assert np.isnan(ratings.felt[3]).all()
    assert ratings.felt[0].tolist() == [0.1, 0.2]
    assert ratings.moods[0].tolist() == [-0.3, 0.4]
    assert np.isnan(ratings.moods[1]).all()
    assert len(history_of(Listener(None), songs_index()).ratings.song_ids) == 0


def test_songs_without_an_estimate_or_deleted_say_nothing(alice: User, make_songs: SongMaker) -> None:
    songs = make_songs(3)
    RatingFactory(listener=alice, song=SongFactory(state=Song.State.QUEUED))
    RatingFactory(listener=alice, song=songs[0])
    RatingFactory(listener=alice, song=songs[1])
    songs[1].delete()
    assert history_of(Listener(alice), songs_index()).ratings.song_ids.tolist() == [songs[0].pk]


def test_skips_of_a_session_count_too(nobody: Listener, make_songs: SongMaker) -> None:
    song = make_songs(1)[0]
    ListenFactory(listener=None, session_key=nobody.session_key, song=song, outcome=SKIPPED, listened_s=1.0)
    assert history_of(nobody, songs_index()).like_signals == {song.pk: LikeSignal.SKIPPED}
    assert history_of(Listener(None, "another"), songs_index()).like_signals == {}


def test_only_the_newest_ratings_and_listens_are_read(
    alice: User, make_songs: SongMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    songs = make_songs(6)
    for song in songs[:4]:
        RatingFactory(listener=alice, song=song)
    for song in songs[4:]:
        played(alice, song, SKIPPED)
    monkeypatch.setattr("recommender.listener.RATINGS_LIMIT", 2)
    monkeypatch.setattr("recommender.listener.LISTENS_LIMIT", 1)
    assert history_of(Listener(alice), songs_index()).ratings.song_ids.tolist() == [songs[n].pk for n in (2, 3, 5)]


def test_embeddings_that_are_no_numbers_do_no_harm(alice: User, catalog: list[Song]) -> None:
    broken = np.full(EMBEDDING_SIZE, np.nan, "<f4").tobytes()
    EmotionEstimate.objects.filter(song__in=[song.pk for song in catalog[:45]]).update(embedding_bytes=broken)
    for song in catalog[:10]:
        RatingFactory(listener=alice, song=song, felt_valence=-1.0, felt_arousal=1.0, liked=True)
    for request in (LIST, JOURNEY, replace(LIST, around=catalog[0].pk), replace(LIST, variety=1.0)):
        made = generate(listener=Listener(alice), request=request)
        assert len(made.entries) == 10
        assert np.isfinite(felt_in(made)).all()
        assert all(np.isfinite(list(entry.terms.values())).all() for entry in made.entries)


@pytest.mark.parametrize("felt", [[(1.0, 1.0)], [(-1.0, -1.0), (1.0, 1.0)], [(0.0, 0.0)], [(-1.0, 1.0)]])
def test_odd_ratings_count_within_bounds(alice: User, catalog: list[Song], felt: list[tuple[float, float]]) -> None:
    """Everything in a corner, the opposite every time, all alike: no prediction leaves the plane, no list is short."""
    for n, song in enumerate(catalog[:40]):
        valence, arousal = felt[n % len(felt)]
        RatingFactory(listener=alice, song=song, felt_valence=valence, felt_arousal=arousal, liked=n % 2 == 0)
    perceived = {row.song_id: (row.valence, row.arousal) for row in EmotionEstimate.objects.all()}
    for request in (LIST, replace(LIST, mood=(-1.0, 1.0)), JOURNEY):
        made = generate(listener=Listener(alice), request=request)
        assert len(made.entries) == 10
        assert np.abs(felt_in(made)).max() <= 1.0
    new = [song.pk for song in catalog[40:]]
    points = predict_items(listener=Listener(alice), song_ids=new)
    shifts = [np.subtract(points[pk], perceived[pk]) for pk in new]
    assert np.abs(shifts).max() <= 0.8 + 1e-9


def test_a_draw_is_predicted_as_the_drawn_model_would(alice: User, catalog: list[Song]) -> None:
    for song in catalog[:12]:
        RatingFactory(listener=alice, song=song, felt_valence=0.4, felt_arousal=-0.3, liked=True)
    index = songs_index()
    asked = listener_state(Listener(alice), index, seed=3, variety=0.4)
    pool = retrieve(index, (), always=[song.pk for song in catalog[12:]])
    made = asked.predict(pool, mood=None, recency=np.zeros(len(pool.song_ids))).candidates
    usual, drawn = (
        model.predict(pool.song_ids, pool.perceived, pool.embeddings) for model in (asked.model, asked.drawn)
    )
    inside = (np.abs(drawn.point) < 1).all(axis=1) & (np.abs(usual.point) < 1).all(axis=1)
    assert inside.sum() > 40
    assert made.drawn[inside] == pytest.approx(drawn.point[inside])
    assert made.felt == pytest.approx(usual.point)
    # What a draw changes in liking all songs alike has no say in which comes first.
    assert np.ptp(made.drawn_liking - drawn.liking) < 1e-9
    rated = retrieve(index, (), always=[song.pk for song in catalog[:12]])
    known = asked.predict(rated, mood=None, recency=np.zeros(12)).candidates
    assert np.abs(known.drawn - known.felt).mean() < np.abs(made.drawn - made.felt).mean()


def test_a_day_s_listening_fades_by_whole_hours() -> None:
    now = timezone.now()
    fresh = [_recency(now, now - timedelta(hours=hours)) for hours in (1, 24, 48, 72)]
    assert fresh == [1.0, 1.0, 0.5, 0.25]
    same = [_recency(now, now - timedelta(hours=30, minutes=minutes)) for minutes in (1, 50)]
    assert same[0] == same[1]


def test_a_mood_moves_the_expectation_and_the_reason_says_so(alice: User, catalog: list[Song]) -> None:
    rng = np.random.default_rng(0)
    perceived = dict(EmotionEstimate.objects.values_list("song_id", "arousal"))
    for song in catalog[:30]:
        mood = float(rng.choice([-0.8, 0.8]))
        felt = float(np.clip(0.5 * perceived[song.pk] + 0.5 * mood, -1, 1))
        RatingFactory(
            listener=alice, song=song, felt_valence=0.3, felt_arousal=felt, mood_valence=0.0, mood_arousal=mood
        )
    listener, ids = Listener(alice), [song.pk for song in catalog[30:]]
    calm, tense = (predict_items(listener=listener, song_ids=ids, mood=mood) for mood in ((0.0, -0.8), (0.0, 0.8)))
    assert np.mean([tense[pk][1] - calm[pk][1] for pk in ids]) > 0.1
    point = replace(LIST, target=Target(0.5, 0.3), mood=(-0.2, 0.8))
    reasons = [
        entry.reason
        for seed in range(4)
        for entry in generate(listener=listener, request=replace(point, seed=seed)).entries
    ]
    assert any("You said you were tense: it should make you feel" in said for said in reasons)
    unasked = generate(listener=listener, request=LIST)
    assert not any("You said" in entry.reason for entry in unasked.entries)
    assert all(entry.terms["mood"] == 0.0 for entry in unasked.entries)


def test_likes_reach_songs_that_sound_alike_and_the_reason_says_so(alice: User, make_songs: SongMaker) -> None:
    songs = make_songs(60, spread=0.25)
    sounding_like(songs[0], songs[1:24], share=0.8)
    before = generate(listener=Listener(alice), request=replace(LIST, variety=0.0))
    assert not any("likes" in entry.reason or "You liked" in entry.reason for entry in before.entries)
    for song in songs[:12]:
        RatingFactory(listener=alice, song=song, felt_valence=None, felt_arousal=None, liked=True)
    made = generate(listener=Listener(alice), request=replace(LIST, variety=0.0))
    liked, alike = {song.pk for song in songs[:12]}, {song.pk for song in songs[12:24]}
    said = {entry.song_id: entry.reason for entry in made.entries}
    assert len(set(said) & (liked | alike)) > len(set(songs_in(before)) & (liked | alike))
    assert any(said[pk] == "You liked it." for pk in set(said) & liked)
    assert not any("You liked it" in words for pk, words in said.items() if pk not in liked)
    only_new = [
        generate(
            listener=Listener(alice),
            request=replace(LIST, seed=seed, variety=0.1),
            fixed={n + 1: pk for n, pk in enumerate(sorted(liked)[:3])},
        )
        for seed in range(4)
    ]
    said_of = [(entry.song_id, entry.reason) for made in only_new for entry in made.entries]
    assert any(words == "Based on your likes, you may like it." for _, words in said_of)


def test_a_song_that_was_skipped_owns_up_to_it(alice: User, make_songs: SongMaker) -> None:
    songs = make_songs(4)
    played(alice, songs[0], SKIPPED)
    made = generate(listener=Listener(alice), request=replace(LIST, length=4))
    said = {entry.song_id: entry.reason for entry in made.entries}
    assert said[songs[0].pk] == "Here although you skipped it before."
    assert sum("skipped" in words for words in said.values()) == 1


# --- What it costs ------------------------------------------------------------------------------------------------


def test_the_felt_emotion_of_given_songs(alice: User, catalog: list[Song]) -> None:
    RatingFactory(listener=alice, song=catalog[0], felt_valence=-1.0, felt_arousal=-1.0)
    asked = [catalog[0].pk, catalog[5].pk, 10_000_000]
    points = predict_items(listener=Listener(alice), song_ids=asked)
    assert set(points) == set(asked[:2])
    estimate = catalog[0].estimates.get()
    assert points[catalog[0].pk] < (estimate.valence, estimate.arousal)


def test_the_queries_do_not_grow_with_the_list(
    alice: User, catalog: list[Song], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for song in catalog[:5]:
        RatingFactory(listener=alice, song=song)
    for request in (replace(LIST, length=40), replace(JOURNEY, length=40)):
        with django_assert_max_num_queries(14):
            generate(listener=Listener(alice), request=request)


def test_one_artist_only_still_makes_a_list(nobody: Listener, make_songs: SongMaker) -> None:
    songs = make_songs(8, n_artists=1)
    ArtistFactory()
    tag(SongFactory(), 0.6, 0.6)
    request = replace(LIST, length=8, filters=Filters(artist_id=songs[0].artist_id))
    assert set(songs_in(generate(listener=nobody, request=request))) == {song.pk for song in songs}
