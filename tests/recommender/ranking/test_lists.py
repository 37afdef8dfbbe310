"""The order of songs, its terms, and which of them decided."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.inference.quadrants import Quadrant
from recommender.ranking import lists
from recommender.ranking.lists import TERM_NAMES, Candidates, RankedSong, Weights, closeness, draw_temperature, rank

TARGET = (0.6, 0.6)


def candidates(
    n_songs: int = 60, *, n_artists: int = 20, seed: int = 0, felt: NDArray[np.float64] | None = None, **known: Any
) -> Candidates:
    """Make songs, each felt as the shared model says unless `rated`, `felt` or `drawn` is given."""
    rng = np.random.default_rng(seed)
    embeddings = rng.normal(size=(n_songs, 8))
    points = rng.uniform(-1, 1, size=(n_songs, 2)) if felt is None else felt
    nothing = np.zeros(n_songs)
    return Candidates(
        **{
            "song_ids": np.arange(1, n_songs + 1),
            "artist_ids": np.arange(n_songs) % n_artists,
            "album_ids": np.zeros(n_songs, np.int64),
            "embeddings": embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True),
            "shared": points,
            "rated": points,
            "felt": points,
            "drawn": points,
            "confidence": rng.uniform(0.3, 1.0, size=n_songs),
            "liking": nothing,
            "drawn_liking": nothing,
            "recency": nothing,
            "likeness": nothing,
            **known,
        }
    )


def everything_at_work(seed: int, n_songs: int = 80) -> Candidates:
    """Make songs for which every term of a list says something."""
    rng = np.random.default_rng(100 + seed)
    shared = rng.uniform(-1, 1, size=(n_songs, 2))
    rated = np.clip(shared + rng.normal(scale=0.2, size=(n_songs, 2)), -1, 1)
    felt = np.clip(rated + rng.normal(scale=0.2, size=(n_songs, 2)), -1, 1)
    return candidates(
        n_songs,
        n_artists=12,
        seed=seed,
        felt=felt,
        shared=shared,
        rated=rated,
        drawn=np.clip(felt + rng.normal(scale=0.15, size=(n_songs, 2)), -1, 1),
        album_ids=rng.integers(0, 15, n_songs),
        liking=rng.uniform(-1, 1, n_songs),
        drawn_liking=rng.uniform(-1, 1, n_songs),
        recency=(rng.uniform(size=n_songs) < 0.2).astype(float),
        likeness=rng.uniform(-1, 1, n_songs),
    )


def songs_of(pool: Candidates, *, length: int = 12, variety: float = 0.3, **options: Any) -> list[RankedSong]:
    return rank(pool, np.tile(TARGET, (length, 1)), weights=Weights.of(variety), **options)


def ids_of(pool: Candidates, **options: Any) -> list[int]:
    return [song.song_id for song in songs_of(pool, **options)]


def artists_of(pool: Candidates, ids: list[int]) -> list[int]:
    by_id = dict(zip(pool.song_ids.tolist(), pool.artist_ids.tolist(), strict=True))
    return [by_id[song_id] for song_id in ids]


def test_the_same_candidates_give_the_same_list_whatever_the_row_order() -> None:
    for seed in range(5):
        pool = everything_at_work(seed)
        shuffled = pool.take(np.random.default_rng(seed).permutation(len(pool)))
        assert ids_of(pool) == ids_of(pool) == ids_of(shuffled)
        for song in songs_of(shuffled):
            assert shuffled.song_ids[song.row] == song.song_id


def test_songs_without_a_difference_keep_an_order() -> None:
    same = candidates(
        20, felt=np.tile(TARGET, (20, 1)), confidence=np.ones(20), embeddings=np.zeros((20, 8)), n_artists=20
    )
    backwards = same.take(np.arange(20)[::-1])
    assert ids_of(same, variety=0.0) == ids_of(backwards, variety=0.0) == list(range(1, 13))
    assert ids_of(same, seed=3) == ids_of(backwards, seed=3)


def test_another_draw_gives_another_list_and_no_variety_does_not_draw() -> None:
    rng = np.random.default_rng(1)
    felt = np.tile(TARGET, (60, 1))
    draws = [candidates(felt=felt, drawn=felt + rng.normal(scale=0.2, size=(60, 2))) for _ in range(2)]
    assert ids_of(draws[0]) != ids_of(draws[1])
    assert draw_temperature(0.0) == 0.0
    assert draw_temperature(0.3) == pytest.approx(0.09)
    assert draw_temperature(7.0) == 1.0


def test_variety_spreads_the_sound() -> None:
    pool = candidates(200, felt=np.tile(TARGET, (200, 1)) + np.random.default_rng(0).normal(scale=0.2, size=(200, 2)))

    def alike(variety: float) -> float:
        rows = [song.row for song in songs_of(pool, variety=variety)]
        cosines = pool.embeddings[rows] @ pool.embeddings[rows].T
        return float(np.max(cosines - 2 * np.eye(len(rows)), axis=1).mean())

    assert Weights.of(0.0).diversity == 0.0
    assert alike(1.0) < alike(0.3) < alike(0.0)


def test_songs_are_distinct_and_positions_run_from_one() -> None:
    ranked = songs_of(candidates(), length=20)
    assert [song.position for song in ranked] == list(range(1, 21))
    assert len({song.song_id for song in ranked}) == 20


def test_the_list_is_nearer_to_the_target_than_the_catalog() -> None:
    pool = candidates(200)
    assert np.mean([song.distance for song in songs_of(pool)]) < 0.5 * lists.distances(pool.felt, TARGET).mean()


def test_every_place_has_its_own_target() -> None:
    pool = candidates(400, n_artists=400)
    targets = np.linspace((-0.7, -0.7), (0.7, 0.7), 12)
    ranked = rank(pool, targets, weights=Weights.of(0.0))
    felt = pool.felt[[song.row for song in ranked]]
    assert np.linalg.norm(felt - targets, axis=1).max() < 0.35
    assert [song.distance for song in ranked] == pytest.approx(np.linalg.norm(felt - targets, axis=1))


def test_the_score_is_the_sum_of_the_terms_and_the_best_comes_first() -> None:
    for seed in range(5):
        pool = everything_at_work(seed)
        first = songs_of(pool, length=1)[0]
        second = songs_of(pool.take(np.flatnonzero(pool.song_ids != first.song_id)), length=1)[0]
        assert sum(first.terms.as_dict().values()) > sum(second.terms.as_dict().values())


def test_the_parts_of_closeness_add_up_to_that_of_the_draw() -> None:
    pool = replace(everything_at_work(3), liking=np.zeros(80), drawn_liking=np.zeros(80))
    for song in songs_of(pool):
        parts = song.terms
        drawn = closeness(pool.drawn[song.row : song.row + 1], np.asarray(TARGET))[0]
        assert parts.closeness + parts.ratings + parts.mood + parts.exploration == pytest.approx(drawn)


def test_a_term_decided_if_and_only_if_another_song_would_have_had_the_place_without_it() -> None:
    """The definition, checked by ranking the first place again with one term taken out."""
    seen = set()
    for seed in range(30):
        pool = everything_at_work(seed)
        first = songs_of(pool, length=1)[0]
        terms = lists.terms_at(pool, np.asarray(TARGET), Weights.of(0.3))
        for row, name in enumerate(TERM_NAMES):
            winner = int(np.argmax(terms.sum(axis=0) - terms[row]))
            assert (name in first.decided) == (winner != first.row)
            if name in first.decided:
                seen.add(name)
                advantage = terms[row, first.row] - terms[row, winner]
                assert first.decided[name] == pytest.approx(advantage)
                assert advantage > 0
    assert {"closeness", "ratings", "mood", "exploration", "liking", "novelty"} <= seen


def test_without_ratings_mood_or_draw_none_of_them_is_at_work() -> None:
    for song in songs_of(candidates(n_artists=60)):
        assert song.terms.ratings == song.terms.mood == song.terms.exploration == song.terms.liking == 0.0
        assert not {"ratings", "mood", "exploration", "liking", "novelty", "likeness"} & set(song.decided)


@pytest.mark.parametrize("n_artists", [2, 3, 5])
def test_no_artist_comes_twice_in_a_row_when_that_is_possible(n_artists: int) -> None:
    for seed in range(10):
        pool = candidates(12, n_artists=n_artists, seed=seed)
        artists = artists_of(pool, ids_of(pool))
        assert all(one != other for one, other in pairwise(artists))


def test_an_artist_with_most_songs_is_begun_early_enough() -> None:
    """Five songs by one artist and four by others fit only as A B A B A B A B A."""
    for seed in range(10):
        pool = candidates(9, seed=seed, artist_ids=np.array([7] * 5 + [1, 2, 3, 4]))
        artists = artists_of(pool, ids_of(pool, length=9))
        assert [artist == 7 for artist in artists] == [True, False] * 4 + [True]


def test_a_single_artist_still_gives_a_list() -> None:
    assert len(ids_of(candidates(9, n_artists=1))) == 9


def test_an_artist_does_not_take_over_the_list() -> None:
    pool = candidates(40, n_artists=8, felt=np.tile(TARGET, (40, 1)))
    artists = artists_of(pool, ids_of(pool))
    assert max(artists.count(artist) for artist in set(artists)) <= 3


def test_songs_of_one_album_are_spaced_and_songs_of_none_are_not() -> None:
    felt = np.tile(TARGET, (24, 1))
    confidence = np.r_[np.ones(12), np.full(12, 0.8)]
    pool = candidates(24, n_artists=24, felt=felt, confidence=confidence, embeddings=np.zeros((24, 8)))
    assert set(ids_of(pool, variety=0.0)) == set(range(1, 13))
    one_album = replace(pool, album_ids=np.r_[np.full(12, 5), np.zeros(12, np.int64)])
    ranked = songs_of(one_album, variety=0.0)
    assert sum(song.song_id <= 12 for song in ranked) <= 6
    assert any("album" in song.decided for song in ranked)


def test_a_song_played_recently_gives_way_to_others_close_to_the_target() -> None:
    felt = np.tile(TARGET, (30, 1)) - np.linspace(0, 0.3, 30)[:, None]
    pool = candidates(30, felt=felt)
    usual = ids_of(pool)
    recency = np.isin(pool.song_ids, usual[:5]).astype(float)
    ranked = songs_of(replace(pool, recency=recency))
    assert not set(usual[:5]) & {song.song_id for song in ranked}
    assert "novelty" in ranked[0].decided


def test_liking_moves_a_song_up() -> None:
    pool = candidates(felt=np.tile(TARGET, (60, 1)))
    last = songs_of(pool, length=60)[-1]
    liking = np.zeros(60)
    liking[last.row] = 1.0
    moved = songs_of(replace(pool, liking=liking, drawn_liking=liking), length=60)
    place = next(song for song in moved if song.row == last.row)
    assert place.position < 5
    assert "liking" in place.decided


def test_around_a_song_its_sound_counts_more_than_its_mood() -> None:
    felt = np.tile(TARGET, (20, 1))
    felt[:10] -= 0.4
    pool = candidates(20, felt=felt, likeness=np.r_[np.full(10, 0.9), np.full(10, 0.1)])
    around = rank(pool, np.tile(TARGET, (5, 1)), weights=Weights.of(0.3, around=True))
    assert all(song.song_id <= 10 for song in around)
    assert all(song.song_id > 10 for song in songs_of(pool, length=5))


def test_songs_that_sound_the_same_are_spread() -> None:
    embeddings = np.zeros((20, 8))
    embeddings[:10, 0] = 1.0
    embeddings[10:, 1] = 1.0
    confidence = np.r_[np.ones(10), np.full(10, 0.9)]
    twins = candidates(20, felt=np.tile(TARGET, (20, 1)), embeddings=embeddings, confidence=confidence)
    ranked = songs_of(twins, length=2)
    assert {song.row < 10 for song in ranked} == {True, False}
    assert "diversity" in ranked[1].decided


def test_ranking_again_after_playing_some_gives_the_same_rest() -> None:
    pool = everything_at_work(1)
    usual = songs_of(pool)
    for played in ([1], [1, 2, 3], [4], [2, 7, 12]):
        rest = songs_of(pool, fixed={position: usual[position - 1].row for position in played})
        assert [song.song_id for song in rest] == [song.song_id for song in usual if song.position not in played]
        assert not {song.position for song in rest} & set(played)


def test_it_is_shorter_when_songs_run_out_and_empty_without_songs() -> None:
    assert len(ids_of(candidates(3), length=12)) == 3
    assert ids_of(candidates(0), length=12) == []


def test_rows_can_be_taken_in_any_order() -> None:
    pool = everything_at_work(2)
    some = pool.take(np.array([5, 2]))
    assert len(some) == 2
    for each in fields(Candidates):
        assert (getattr(some, each.name) == getattr(pool, each.name)[[5, 2]]).all()


# --- A quadrant ---------------------------------------------------------------------------------------------------


def of_calm(pool: Candidates, *, length: int = 12, variety: float = 0.3, **options: Any) -> list[RankedSong]:
    return rank(
        pool,
        np.tile(Quadrant.Q4.target, (length, 1)),
        weights=Weights.of(variety, region=True),
        quadrant=Quadrant.Q4,
        **options,
    )


def test_a_quadrants_own_songs_come_before_any_other() -> None:
    for seed in range(20):
        pool = everything_at_work(seed)
        calm = lists.lies_in(pool.felt, Quadrant.Q4)
        n_calm = int(calm.sum())
        inside = [bool(calm[song.row]) for song in of_calm(pool, length=n_calm + 5, variety=seed / 20, seed=seed)]
        assert inside == [True] * n_calm + [False] * 5


def test_in_a_quadrant_its_probability_orders_the_songs() -> None:
    felt = np.array([(0.9, -0.9), (0.25, -0.25), (0.6, -0.6), (0.05, -0.6)])
    pool = candidates(4, felt=felt, confidence=np.array([0.5, 0.9, 0.7, 0.91]), embeddings=np.zeros((4, 8)))
    ranked = of_calm(pool, length=4, variety=0.0)
    assert [song.song_id for song in ranked] == [1, 3, 2, 4]
    assert {song.distance for song in ranked} == {0.0}
    assert ranked[1].terms.closeness == pytest.approx(1 + 0.25 * 0.8**2)
    sure = replace(pool, confidence=np.array([0.5, 1.0, 0.1, 0.9]))
    assert [song.song_id for song in of_calm(sure, length=4, variety=0.0)] == [1, 2, 3, 4]


def test_every_good_song_opens_in_turn() -> None:
    pool = candidates(4, felt=np.tile((0.5, -0.5), (4, 1)), confidence=np.array([0.9, 0.6, 0.7, 0.8]))
    openers = [of_calm(pool, length=4, seed=seed)[0] for seed in range(4)]
    assert {song.song_id for song in openers} == {1, 2, 3, 4}
    assert len({of_calm(pool, length=4, variety=0.0, seed=seed)[0].song_id for seed in range(4)}) == 1
    far = replace(pool, confidence=np.array([0.9, 0.2, 0.2, 0.8]), liking=np.array([0.0, -1.0, -1.0, 0.0]))
    far = replace(far, drawn_liking=far.liking)
    assert {of_calm(far, length=4, seed=seed)[0].song_id for seed in range(8)} == {1, 4}


def test_chance_is_the_songs_own_whatever_the_others_are() -> None:
    ids = np.arange(1, 2001)
    some = lists.chances(ids, 7)
    assert (lists.chances(ids[::3], 7) == some[::3]).all()
    assert 0 <= some.min() < 0.01 < 0.99 < some.max() < 1
    assert abs(np.corrcoef(some, lists.chances(ids, 8))[0, 1]) < 0.1
    assert lists.chances(ids[:3], -5).tolist() == lists.chances(ids[:3], -5).tolist()


def test_the_nearest_point_of_a_quadrant() -> None:
    points = np.array([(0.5, -0.5), (-0.3, 0.2), (0.1, 0.4), (0.0, 0.0)])
    assert lists.nearest_inside(points, Quadrant.Q4).tolist() == [[0.5, -0.5], [0.0, 0.0], [0.1, 0.0], [0.0, 0.0]]
    assert lists.nearest_inside(points, Quadrant.Q4, 0.2)[0].tolist() == [0.5, -0.5]
    assert lists.nearest_inside(points, Quadrant.Q4, 0.2)[1].tolist() == [0.2, -0.2]
    assert lists.lies_in(points, Quadrant.Q4).tolist() == [True, False, False, False]
    assert lists.lies_in(points, Quadrant.Q3).tolist() == [False, False, False, True]
