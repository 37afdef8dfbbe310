"""The index as a thing of its own: search against brute force, filters, publishing, damage."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from recommender.felt_model.model import LinearFelt
from recommender.index import songs
from recommender.index.songs import (
    DISTANCE_WEIGHT,
    LIKING_WEIGHT,
    FeltQuery,
    Form,
    IndexInfo,
    SongIndex,
    SongRow,
    SongTable,
    TableWriter,
    lift,
)
from recommender.index.versions import load
from recommender.ranking.lists import closeness
from tests.recommender.made_songs import best, like_song, near_point, publish, table_of

INFO = IndexInfo(model_version="m1", fingerprint="f1", watermark="2026-01-01T00:00:00+00:00")
N_DIMENSIONS = 16


def made(n_songs: int, *, first_id: int = 10, clusters: int = 40, seed: int = 0) -> SongTable:
    """Return songs in clusters, their ids `first_id` apart."""
    rng = np.random.default_rng(seed)
    raw = rng.normal(size=(clusters, N_DIMENSIONS))[rng.integers(clusters, size=n_songs)]
    raw = raw + 0.4 * rng.normal(size=(n_songs, N_DIMENSIONS))
    embeddings = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    perceived = np.tanh(embeddings @ rng.normal(size=(N_DIMENSIONS, 2)) + 0.2 * rng.normal(size=(n_songs, 2)))
    return table_of(
        first_id * np.arange(n_songs),
        perceived,
        embeddings.astype(np.float32),
        artist_ids=np.arange(n_songs) // 7,
        genre_codes=rng.integers(4, size=n_songs),
        genres=("rock", "jazz", "folk", "dub"),
        years=rng.integers(1950, 2020, size=n_songs),
    )


def build(n_songs: int = 50) -> SongIndex:
    return SongIndex.build(made(n_songs), INFO)


@pytest.fixture(scope="module")
def large() -> SongIndex:
    """An index that keeps its songs in partitions."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(songs, "FLAT_BELOW", 5_000)
        index = SongIndex.build(made(12_000), INFO)
    assert index.felt is not None
    assert index.alike is not None
    return index


def listeners(index: SongIndex, n_listeners: int) -> list[FeltQuery]:
    """Return listeners who feel and like songs in ways of their own, the first not at all differently."""
    rng = np.random.default_rng(7)
    r = len(index.basis)
    return [
        FeltQuery(
            rng.uniform(-0.8, 0.8, 2),
            LinearFelt(
                offset=differs * rng.normal(size=2) * 0.1,
                on_perceived=np.eye(2) + differs * rng.normal(size=(2, 2)) * 0.1,
                on_embedding=differs * (rng.normal(size=(2, r)) * 0.1) @ index.basis,
                liking=differs * (rng.normal(size=r) * 0.35) @ index.basis,
            ),
        )
        for differs in np.linspace(0, 1.5, n_listeners)
    ]


def scores_of(index: SongIndex, query: FeltQuery) -> NDArray[np.float64]:
    """Return the score of every song, as the definition has it."""
    table = index.table
    felt = (
        query.felt.offset + table.perceived @ query.felt.on_perceived.T + table.embeddings @ query.felt.on_embedding.T
    )
    away = np.square(felt - query.target).sum(axis=1)
    return np.asarray(-DISTANCE_WEIGHT * away + LIKING_WEIGHT * (table.embeddings @ query.felt.liking))


def recall(index: SongIndex, query: FeltQuery, allowed: NDArray[np.bool_] | None = None, k: int = 50) -> float:
    scores = scores_of(index, query)
    if allowed is not None:
        scores[~allowed] = -np.inf
        k = min(k, int(allowed.sum()))
    return float(np.isin(np.argsort(-scores)[:k], best(index, query, 100, allowed=allowed).rows).mean())


# --- Search ---------------------------------------------------------------------------------------------------------


def test_lifted_songs_score_as_the_definition_says() -> None:
    index = build(200)
    for query in listeners(index, 5):
        form = Form.of(query, index.basis)
        expected = scores_of(index, query)
        assert form.scores(index.places) == pytest.approx(expected, abs=1e-5)
        lifted = lift(np.asarray(index.places)) @ form.lifted() - DISTANCE_WEIGHT * form.off @ form.off
        assert lifted == pytest.approx(expected, abs=1e-4)


def test_the_weight_of_distance_is_the_ranking_s_own_near_a_target() -> None:
    near = closeness(np.array([[0.01, 0.0]]), np.zeros(2))[0]
    assert 1.0 - near == pytest.approx(DISTANCE_WEIGHT * 0.01**2, rel=1e-2)


def test_the_basis_has_orthonormal_rows_and_is_the_same_each_time() -> None:
    first, second = build(300), build(300)
    assert first.basis @ first.basis.T == pytest.approx(np.eye(len(first.basis)), abs=1e-9)
    assert (first.basis == second.basis).all()
    assert first.basis.shape == (8, N_DIMENSIONS)


def test_few_songs_are_found_exactly() -> None:
    index = build(400)
    assert index.felt is None
    for query in listeners(index, 8):
        hits = best(index, query, 20)
        assert hits.song_ids.tolist() == (10 * np.argsort(-scores_of(index, query))[:20]).tolist()
        assert hits.scores == pytest.approx(np.sort(scores_of(index, query))[::-1][:20], abs=1e-5)


def test_many_songs_are_found_for_every_listener(large: SongIndex) -> None:
    shares = [recall(large, query) for query in listeners(large, 60)]
    assert np.mean(shares) >= 0.99
    assert min(shares) >= 0.9


@pytest.mark.parametrize("filters", [{"genre": "Jazz"}, {"decade": 1970}, {"genre": "dub", "decade": 1980}])
def test_filters_lose_nothing(large: SongIndex, filters: dict[str, str | int], monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = large.table.matching(**filters)  # type: ignore[arg-type]
    queries = listeners(large, 25)
    for few in (5_000, 100):
        monkeypatch.setattr(songs, "FEW_ALLOWED", few)
        assert np.mean([recall(large, query, allowed) for query in queries]) >= 0.99
        for query in queries:
            assert allowed[best(large, query, 100, allowed=allowed).rows].all()


def test_an_artist_s_few_songs_are_all_found(large: SongIndex) -> None:
    allowed = large.table.matching(artist_id=5)
    assert sorted(best(large, listeners(large, 1)[0], 100, allowed=allowed).rows.tolist()) == list(range(35, 42))
    assert not large.table.matching(genre="polka").any()


def test_near_point_agrees_with_brute_force() -> None:
    index = build(50)
    squared = np.square(index.table.perceived - [0.3, -0.4]).sum(axis=1)
    hits = near_point(index, 0.3, -0.4, 7)
    assert hits.song_ids.tolist() == (10 * np.argsort(squared)[:7]).tolist()
    assert hits.scores == pytest.approx(-DISTANCE_WEIGHT * np.sort(squared)[:7], abs=1e-5)
    assert set(near_point(index, 0.3, -0.4, 7, within=np.array([30, 110, 999])).song_ids.tolist()) == {30, 110}


def test_like_song_agrees_with_brute_force_and_leaves_the_song_out(large: SongIndex) -> None:
    for index in (build(400), large):
        for row in (4, 77, 310):
            cosines = index.table.embeddings @ index.table.embeddings[row]
            cosines[row] = -2
            hits = like_song(index, 10 * row, 25)
            assert np.isin(np.argsort(-cosines)[:25], hits.rows).mean() >= 0.96
            assert 10 * row not in hits.song_ids.tolist()
            assert hits.scores[0] == pytest.approx(cosines.max(), abs=1e-6)


def test_a_song_that_it_does_not_know_is_like_nothing() -> None:
    assert len(like_song(build(), 7, 5).song_ids) == 0


def test_asking_for_more_than_there_is_gives_what_there_is() -> None:
    assert len(near_point(build(3), 0, 0, 100).song_ids) == 3
    assert len(like_song(build(3), 0, 100).song_ids) <= 2
    assert len(near_point(build(3), 0, 0, 0).song_ids) == 0


def test_songs_that_point_elsewhere_or_nowhere_are_not_alike() -> None:
    song, other = made(2).embeddings
    rows = np.stack([song, song, -song, np.zeros(N_DIMENSIONS, np.float32), other])
    index = SongIndex.build(table_of(np.arange(5), np.zeros((5, 2)), rows), INFO)
    assert not {2, 3} & set(like_song(index, 0, 5).song_ids.tolist())
    assert like_song(index, 0, 5).song_ids[0] == 1
    assert len(like_song(index, 3, 5).song_ids) == 0


def test_an_empty_index_finds_nothing(tmp_path: Path) -> None:
    publish(SongIndex.build(SongTable.none(), INFO), tmp_path)
    empty = load(tmp_path)
    assert len(empty) == 0
    assert len(near_point(empty, 0, 0, 5).song_ids) == 0
    assert len(like_song(empty, 1, 5).song_ids) == 0


def test_searching_in_threads_finds_the_same(large: SongIndex) -> None:
    queries = listeners(large, 12)
    expected = [best(large, query, 50).song_ids.tolist() for query in queries]
    found: dict[int, bool] = {}

    def search(n: int) -> None:
        found[n] = all(
            best(large, query, 50).song_ids.tolist() == songs for query, songs in zip(queries, expected, strict=True)
        )

    threads = [threading.Thread(target=search, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == dict.fromkeys(range(4), True)


# --- Rows -----------------------------------------------------------------------------------------------------------


def row(song_id: int, **fields: object) -> SongRow:
    embedding = np.full(4, 0.5, "<f4").tobytes()
    usual = SongRow(
        song_id, 1, False, None, "Rock", None, datetime(2026, 1, 2, tzinfo=UTC), 1, 0.7, 0.1, 0.2, "m1", b""
    )
    return usual._replace(embedding=embedding)._replace(**fields)  # type: ignore[arg-type]


def test_rows_that_cannot_be_used_are_skipped_and_counted() -> None:
    rows = [
        row(1),
        row(2, embedding=np.full(4, np.nan, "<f4").tobytes()),
        row(3, embedding=b"odd"),
        row(4, valence=float("inf")),
        row(5, album_id=9, genre="ROCK", year=1999),
    ]
    table, n_skipped = SongTable.of_rows(rows, "m1", 4)
    assert (table.song_ids.tolist(), n_skipped) == ([1, 5], 3)
    assert (table.album_ids.tolist(), table.years.tolist()) == ([0, 9], [0, 1999])
    assert table.matching(genre="rock").all()
    assert SongTable.of_rows([row(3, embedding=b"")], "m1", 4)[1] == 1


def test_a_row_of_another_model_takes_part_by_its_point_only() -> None:
    rows = [row(1), row(2, model_version="m0", embedding=b"anything"), row(3)]
    table, n_skipped = SongTable.of_rows(rows, "m1", 4)
    index = SongIndex.build(table, INFO)
    assert n_skipped == 0
    assert table.comparable.tolist() == [True, False, True]
    assert not table.embeddings[1].any()
    assert set(near_point(index, 0.1, 0.2, 5).song_ids.tolist()) == {1, 2, 3}
    assert like_song(index, 1, 5).song_ids.tolist() == [3]


def test_parts_written_one_by_one_are_mapped_as_if_they_were_one(tmp_path: Path) -> None:
    whole, other = made(90), made(30, first_id=1000)
    other = SongTable.join([table_of(10_000 + other.song_ids, other.perceived, other.embeddings, genres=("ska",))])
    with TableWriter(tmp_path, N_DIMENSIONS) as writer:
        writer.add(whole)
        writer.add(other)
    mapped, joined = writer.mapped(), SongTable.join([other, whole])
    assert len(mapped) == 120
    assert (mapped.song_ids == joined.song_ids).all()
    assert (mapped.embeddings == joined.embeddings).all()
    for genre in ("rock", "dub", "ska"):
        assert (mapped.matching(genre=genre) == joined.matching(genre=genre)).all()
    assert mapped.matching(genre="ska").sum() == 30
