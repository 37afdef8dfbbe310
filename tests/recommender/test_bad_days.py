"""Bad days: what listeners, deletions and broken numbers can do at worst. Bounded effect, no crash, nothing lost."""

from __future__ import annotations

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.db.models import Model
from numpy.typing import NDArray
from psycopg2 import sql

from catalog.models import Song
from emotion.models import EmotionEstimate
from recommender.felt_model.model import MAX_SHIFT, Felt, ListenerModel, Ratings
from recommender.generate import GeneratedPlaylist, generate
from recommender.listener import RATINGS_LIMIT, history_of
from recommender.models import FeltRating
from recommender.requests import Listener, PlaylistRequest, Target
from recommender.retrieval import songs_index
from recommender.services.feedback import feedback_record
from recommender.services.playlists import playlist_create
from tests.factories import EstimateFactory, RatingFactory, SongFactory
from tests.recommender.conftest import HAPPY, SongMaker, order

N_DIMENSIONS = 64
BASIS = np.linalg.qr(np.random.default_rng(2).normal(size=(N_DIMENSIONS, 8)))[0].T
LIST = PlaylistRequest(target=HAPPY, length=10, seed=1)
JOURNEY = PlaylistRequest(target=Target(0.6, -0.6), length=8, seed=1, path=((-0.6, 0.6), (0.6, -0.6)))
A_CROWD = 100_000


def _songs(n_songs: int, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return perceived points all over the plane and embeddings."""
    rng = np.random.default_rng(seed)
    embeddings = rng.normal(size=(n_songs, 8)) @ BASIS
    return rng.uniform(-0.9, 0.9, (n_songs, 2)), embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)


def _fitted(felt: NDArray[np.float64], *, same_song: bool = False, likes: float = np.nan) -> ListenerModel:
    """Fit a listener who gave these answers to as many songs, or all to one song."""
    perceived, embeddings = _songs(len(felt))
    if same_song:
        perceived, embeddings = (np.repeat(rows[:1], len(felt), axis=0) for rows in (perceived, embeddings))
    ones = np.ones(len(felt))
    said = Ratings(
        song_ids=np.zeros(len(felt), np.int64) if same_song else np.arange(len(felt)),
        perceived=perceived,
        felt=felt,
        embeddings=embeddings,
        weights=ones,
        likes=likes * ones,
        like_weights=ones,
        moods=np.full((len(felt), 2), np.nan),
        familiar=np.zeros(len(felt)),
    )
    return ListenerModel.fit(said, basis=BASIS)


def _unheard(model: ListenerModel) -> Felt:
    """Predict two hundred songs that the listener never rated."""
    perceived, embeddings = _songs(200, seed=9)
    return model.predict(np.arange(1000, 1200), perceived, embeddings)


# --- Listeners who make no sense ------------------------------------------------------------------------------------


# Noise with heavy tails believes one of two camps that contradict each other often enough, and holds the other for
# slips; so the more of it, the further, up to a bound.
@pytest.mark.parametrize(("n_times", "bound"), [(2, 0.15), (10, 0.25), (50, MAX_SHIFT)])
def test_contradicting_oneself_moves_other_songs_within_bounds(n_times: int, bound: float) -> None:
    felt = np.tile([[1.0, 1.0], [-1.0, -1.0]], (n_times, 1))

    others = _unheard(_fitted(felt, same_song=True))

    assert np.abs(others.by_ratings).max() < bound


def test_random_answers_move_unplayed_songs_less_than_they_differ() -> None:
    felt = np.random.default_rng(4).choice([-1.0, 1.0], size=(60, 2))

    others = _unheard(_fitted(felt))

    assert np.sqrt((others.by_ratings**2).mean()) < 0.3
    assert np.isfinite(others.point).all()


@pytest.mark.parametrize("n_ratings", [3, 30, 300])
def test_ratings_that_are_all_alike_pull_songs_there_and_not_beyond(n_ratings: int) -> None:
    always = np.array([0.2, -0.1])

    others = _unheard(_fitted(np.tile(always, (n_ratings, 1))))

    perceived, _ = _songs(200, seed=9)
    assert np.abs(others.point - always).mean() < np.abs(perceived - always).mean()
    # No listener is pushed past the point by more than the remaining doubt.
    beyond = np.sign(others.point - always) != np.sign(perceived - always)
    assert np.abs(others.point - always)[beyond].max(initial=0.0) < 0.25
    assert (others.sd > 0).all()


@pytest.mark.parametrize("corner", [(1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0)])
@pytest.mark.parametrize("n_ratings", [1, 50, 1000])
def test_everything_at_a_corner_shifts_no_song_beyond_the_limit(corner: tuple[float, float], n_ratings: int) -> None:
    others = _unheard(_fitted(np.tile(corner, (n_ratings, 1))))

    assert np.abs(others.by_ratings).max() <= MAX_SHIFT
    assert np.abs(others.point).max() <= 1.0
    if n_ratings == 1:
        assert np.abs(others.by_ratings).max() < 0.3


def test_disliking_everything_leaves_an_order_among_songs() -> None:
    liking = _unheard(_fitted(np.zeros((100, 2)), likes=-1.0)).liking

    assert liking.max() < 0.0
    assert liking.min() >= -1.0
    assert len(np.unique(liking)) > 100


def test_a_list_for_a_listener_at_the_corner_is_still_a_list(alice: User, make_songs: SongMaker) -> None:
    songs = make_songs(60, around=(0.0, 0.0), spread=0.9)
    for song in songs:
        RatingFactory(listener=alice, song=song, felt_valence=-1.0, felt_arousal=-1.0, liked=False)

    for request in (LIST, JOURNEY):
        made = generate(listener=Listener(alice), request=request)

        assert len({entry.song_id for entry in made.entries}) == request.length
        _all_finite(made)


# --- Too much ---------------------------------------------------------------------------------------------------------


def test_a_hundred_thousand_ratings_are_stored_and_the_newest_thousand_read(alice: User, make_songs: SongMaker) -> None:
    newest = make_songs(RATINGS_LIMIT + 200, around=(0.0, 0.0), spread=0.9, n_artists=50)
    _multiply(SongFactory(), A_CROWD - len(newest) - 1, title="'Old ' || n", content_hash="md5(n::text) || md5('x')")
    rated = RatingFactory(listener=alice, song=newest[-1])
    others = "(ARRAY(SELECT id FROM catalog_song ORDER BY id))[n]"
    _multiply(rated, A_CROWD - 1, song_id=others, updated_at="to_timestamp(1000000000)")
    FeltRating.objects.filter(song__in=newest).update(updated_at="2026-01-01T00:00:00Z")
    assert FeltRating.objects.filter(listener=alice).count() == A_CROWD

    said = history_of(Listener(alice), songs_index()).ratings
    made = generate(listener=Listener(alice), request=LIST)

    assert len(said.song_ids) == RATINGS_LIMIT
    assert set(said.song_ids.tolist()) <= {song.pk for song in newest}
    assert len(made.entries) == LIST.length
    assert FeltRating.objects.filter(listener=alice).count() == A_CROWD


def _multiply(row: Model, n_copies: int, **values: str) -> None:
    """Insert copies of a row by one statement; `values` are SQL over `n`, which numbers the copies from 1."""
    fields = [field for field in row._meta.concrete_fields if not field.primary_key and not field.generated]
    columns = sql.SQL(", ").join(sql.Identifier(field.column) for field in fields)
    chosen = sql.SQL(", ").join(
        sql.SQL(values[field.column]) if field.column in values else sql.Identifier("old", field.column)
        for field in fields
    )
    statement = sql.SQL(
        "INSERT INTO {table} ({columns}) SELECT {chosen} FROM {table} old, generate_series(1, %s) n WHERE old.id = %s"
    ).format(table=sql.Identifier(row._meta.db_table), columns=columns, chosen=chosen)
    with connection.cursor() as cursor:
        cursor.execute(statement, [n_copies, row.pk])
        # Foreign keys are checked by plans made for tables that were empty, unless these are known to have grown.
        cursor.execute(sql.SQL("ANALYZE {table}").format(table=sql.Identifier(row._meta.db_table)))


# --- Songs that go --------------------------------------------------------------------------------------------------


def test_ratings_of_deleted_songs_go_with_them_and_the_others_stay(alice: User, make_songs: SongMaker) -> None:
    songs = make_songs(40, around=(0.0, 0.0), spread=0.9)
    for song in songs[:20]:
        RatingFactory(listener=alice, song=song, felt_valence=0.9, felt_arousal=-0.5)
    playlist = playlist_create(listener=Listener(alice), target=HAPPY, length=10)

    Song.objects.filter(pk__in=[song.pk for song in songs[:10]]).delete()

    said = history_of(Listener(alice), songs_index()).ratings
    assert sorted(said.song_ids.tolist()) == [song.pk for song in songs[10:20]]
    assert FeltRating.objects.filter(listener=alice).count() == 10
    made = generate(listener=Listener(alice), request=LIST)
    assert len(made.entries) == LIST.length
    assert not {entry.song_id for entry in made.entries} & {song.pk for song in songs[:10]}
    left = order(playlist)
    feedback_record(user=alice, song=Song.objects.get(pk=left[0]), liked=True, playlist=playlist)
    assert FeltRating.objects.filter(listener=alice, song_id=left[0], liked=True).exists()


def test_ratings_of_songs_without_an_estimate_wait_until_there_is_one(alice: User, make_songs: SongMaker) -> None:
    make_songs(20)
    song = SongFactory()
    RatingFactory(listener=alice, song=song)

    assert not len(history_of(Listener(alice), songs_index()).ratings.song_ids)
    EstimateFactory(song=song)
    assert history_of(Listener(alice), songs_index()).ratings.song_ids.tolist() == [song.pk]


# --- Numbers that are none ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_embedding_that_is_no_number_costs_its_own_song_its_place_and_no_other(
    bad: float, alice: User, make_songs: SongMaker
) -> None:
    songs = make_songs(30)
    broken = songs[0]
    EmotionEstimate.objects.filter(song=broken).update(embedding_bytes=np.full(N_DIMENSIONS, bad, "<f4").tobytes())
    for song in songs[:10]:
        RatingFactory(listener=alice, song=song, felt_valence=0.1, felt_arousal=0.9)

    made = generate(listener=Listener(alice), request=PlaylistRequest(target=HAPPY, length=30, seed=1))
    journey = generate(listener=Listener(alice), request=JOURNEY)

    assert {song.pk for song in songs[1:]} <= {entry.song_id for entry in made.entries}
    assert len(journey.entries) == JOURNEY.length
    _all_finite(made)
    _all_finite(journey)
    # The rating waits for a new analysis of its song.
    assert FeltRating.objects.filter(listener=alice, song=broken).exists()


def test_a_perceived_point_that_is_no_number_spoils_no_list(alice: User, make_songs: SongMaker) -> None:
    songs = make_songs(30)
    EmotionEstimate.objects.filter(song=songs[0]).update(valence=np.nan, arousal=np.nan)
    for song in songs[:10]:
        RatingFactory(listener=alice, song=song, felt_valence=0.1, felt_arousal=0.9)

    made = generate(listener=Listener(alice), request=PlaylistRequest(target=HAPPY, length=20, seed=1))

    assert len(made.entries) == 20
    _all_finite(made)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1.5])
def test_a_feeling_that_is_no_place_on_the_plane_is_never_stored(alice: User, bad: float) -> None:
    song = SongFactory()
    with pytest.raises(IntegrityError), transaction.atomic():
        RatingFactory(listener=alice, song=song, felt_valence=bad, felt_arousal=0.0)
    assert not FeltRating.objects.exists()


def _all_finite(made: GeneratedPlaylist) -> None:
    for entry in made.entries:
        assert np.isfinite(entry.felt).all()
        assert np.isfinite(list(entry.terms.values())).all()
        assert np.abs(entry.felt).max() <= 1.0
