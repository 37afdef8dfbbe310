"""The order of songs and its terms."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from recommender import ranking
from recommender.ranking import Candidates, exploration_noise, rank

TARGET = (0.6, 0.6)


def candidates(
    n_songs: int = 60, *, n_artists: int = 20, seed: int = 0, felt: NDArray[np.float64] | None = None
) -> Candidates:
    rng = np.random.default_rng(seed)
    embeddings = rng.normal(size=(n_songs, 8))
    return Candidates(
        song_ids=np.arange(1, n_songs + 1),
        artist_ids=np.arange(n_songs) % n_artists,
        embeddings=embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True),
        felt=rng.uniform(-1, 1, size=(n_songs, 2)) if felt is None else felt,
        confidence=rng.uniform(0.3, 1.0, size=n_songs),
        liking=np.zeros(n_songs),
        recency=np.zeros(n_songs),
    )


def artists_of(pool: Candidates, ids: list[int]) -> list[int]:
    by_id = dict(zip(pool.song_ids.tolist(), pool.artist_ids.tolist(), strict=True))
    return [by_id[song_id] for song_id in ids]


def ids_of(pool: Candidates, **options: object) -> list[int]:
    arguments = {"length": 12, "seed": 1, **options}
    return [song.song_id for song in rank(pool, TARGET, **arguments)]  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_list_whatever_the_row_order() -> None:
    pool = candidates()
    shuffled = np.random.default_rng(4).permutation(60)
    names = ("song_ids", "artist_ids", "embeddings", "felt", "confidence", "liking", "recency")
    other = Candidates(**{name: getattr(pool, name)[shuffled] for name in names})
    assert ids_of(pool) == ids_of(pool) == ids_of(other)


def test_another_seed_gives_another_list() -> None:
    pool = candidates(felt=np.tile(TARGET, (60, 1)))
    assert ids_of(pool, seed=1) != ids_of(pool, seed=2)


def test_songs_are_distinct_and_positions_run_from_one() -> None:
    ranked = rank(candidates(), TARGET, length=20, seed=3)
    assert [song.position for song in ranked] == list(range(1, 21))
    assert len({song.song_id for song in ranked}) == 20


def test_the_list_is_nearer_to_the_target_than_the_catalog() -> None:
    pool = candidates(200)
    ranked = rank(pool, TARGET, length=12, seed=1)
    assert np.mean([song.distance for song in ranked]) < 0.5 * ranking.distances(pool.felt, TARGET).mean()


def test_the_score_is_the_sum_of_the_terms_and_the_best_comes_first() -> None:
    pool = candidates()
    first = rank(pool, TARGET, length=1, seed=1)[0]
    others = [rank(pool, TARGET, length=1, seed=1, fixed={2: first.row})[0]]
    assert first.terms.total > others[0].terms.total
    parts = first.terms
    assert parts.total == pytest.approx(
        parts.closeness
        + parts.confidence
        + parts.liking
        + parts.novelty
        + parts.exploration
        + parts.diversity
        + parts.artist_share
    )


@pytest.mark.parametrize("n_artists", [2, 3, 5])
def test_no_artist_comes_twice_in_a_row_when_that_is_possible(n_artists: int) -> None:
    for seed in range(10):
        pool = candidates(12, n_artists=n_artists, seed=seed)
        artists = artists_of(pool, ids_of(pool, seed=seed))
        assert all(one != other for one, other in pairwise(artists))


def test_an_artist_with_most_songs_is_begun_early_enough() -> None:
    """Five songs by one artist and four by others fit only as A B A B A B A B A."""
    for seed in range(10):
        pool = replace(candidates(9, seed=seed), artist_ids=np.array([7] * 5 + [1, 2, 3, 4]))
        artists = artists_of(pool, ids_of(pool, length=9))
        assert [artist == 7 for artist in artists] == [True, False] * 4 + [True]


def test_a_single_artist_still_gives_a_list() -> None:
    assert len(ids_of(candidates(9, n_artists=1))) == 9


def test_an_artist_does_not_take_over_the_list() -> None:
    pool = candidates(40, n_artists=8, felt=np.tile(TARGET, (40, 1)))
    artists = artists_of(pool, ids_of(pool))
    assert max(artists.count(artist) for artist in set(artists)) <= 3


def test_a_song_played_recently_gives_way_to_others_close_to_the_target() -> None:
    felt = np.tile(TARGET, (30, 1)) - np.linspace(0, 0.3, 30)[:, None]
    pool = candidates(30, felt=felt)
    usual = ids_of(pool)
    recency = np.isin(pool.song_ids, usual[:5]).astype(float)
    assert not set(usual[:5]) & set(ids_of(replace(pool, recency=recency)))


def test_liking_moves_a_song_up() -> None:
    pool = candidates(felt=np.tile(TARGET, (60, 1)))
    last = rank(pool, TARGET, length=60, seed=1)[-1]
    liking = np.zeros(60)
    liking[last.row] = 1.0
    moved = rank(replace(pool, liking=liking), TARGET, length=60, seed=1)
    assert next(song.position for song in moved if song.row == last.row) < 5


def test_songs_that_sound_the_same_are_spread() -> None:
    pool = candidates(20, felt=np.tile(TARGET, (20, 1)))
    embeddings = np.zeros((20, 8))
    embeddings[:10, 0] = 1.0
    embeddings[10:, 1] = 1.0
    twins = replace(pool, embeddings=embeddings, confidence=np.r_[np.ones(10), np.full(10, 0.9)])
    ranked = rank(twins, TARGET, length=2, seed=1)
    assert {song.row < 10 for song in ranked} == {True, False}


def test_ranking_again_after_playing_some_gives_the_same_rest() -> None:
    pool = candidates()
    usual = rank(pool, TARGET, length=12, seed=5)
    for played in ([1], [1, 2, 3], [4], [2, 7, 12]):
        fixed = {position: usual[position - 1].row for position in played}
        rest = rank(pool, TARGET, length=12, seed=5, fixed=fixed)
        expected = [song.song_id for song in usual if song.position not in played]
        assert [song.song_id for song in rest] == expected
        assert not {song.position for song in rest} & set(played)


def test_it_is_shorter_when_songs_run_out_and_empty_without_songs() -> None:
    assert len(ids_of(candidates(3), length=12)) == 3
    assert ids_of(candidates(0), length=12) == []


def test_noise_belongs_to_song_and_seed() -> None:
    noise = exploration_noise(-7, np.arange(10_000))
    assert np.abs(noise).max() <= 1.0
    assert abs(noise.mean()) < 0.02
    assert exploration_noise(-7, np.array([42]))[0] == noise[42]
    assert exploration_noise(8, np.array([42]))[0] != noise[42]
