"""The index as a thing of its own: search, publishing, damage."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from recommender import index as index_module
from recommender.exceptions import IndexCorrupt, IndexMissing
from recommender.index import POINTER, IndexInfo, IndexReader, SongIndex, publishing, read_info

INFO = IndexInfo(model_version="m1", fingerprint="f1", watermark="2026-01-01T00:00:00+00:00")


def embeddings_of(n_songs: int, seed: int = 0) -> list[NDArray[np.float32]]:
    rows = np.random.default_rng(seed).normal(size=(n_songs, 64)).astype(np.float32)
    return list(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def points_of(n_songs: int, seed: int = 1) -> list[tuple[float, float]]:
    rows = np.random.default_rng(seed).uniform(-1, 1, size=(n_songs, 2))
    return [(float(valence), float(arousal)) for valence, arousal in rows]


def build(n_songs: int = 50, info: IndexInfo = INFO) -> SongIndex:
    return SongIndex.build([10 * n for n in range(n_songs)], embeddings_of(n_songs), points_of(n_songs), info)


def test_near_point_agrees_with_brute_force() -> None:
    points = np.array(points_of(50))
    squared = np.square(points - [0.3, -0.4]).sum(axis=1)
    hits = build().near_point(0.3, -0.4, 7)
    assert hits.song_ids.tolist() == (10 * np.argsort(squared)[:7]).tolist()
    assert hits.scores == pytest.approx(-np.sort(squared)[:7], abs=1e-5)


def test_near_point_keeps_to_the_songs_it_is_given() -> None:
    hits = build().near_point(0.3, -0.4, 7, within=np.array([30, 110, 999]))
    assert set(hits.song_ids.tolist()) == {30, 110}


def test_like_song_agrees_with_brute_force_and_leaves_the_song_out() -> None:
    embeddings = np.array(embeddings_of(50))
    cosines = embeddings @ embeddings[4]
    cosines[4] = -2
    hits = build().like_song(40, 5)
    assert hits.song_ids.tolist() == (10 * np.argsort(-cosines)[:5]).tolist()
    assert hits.scores == pytest.approx(-np.sort(-cosines)[:5], abs=1e-5)


def test_a_song_that_it_does_not_know_is_like_nothing() -> None:
    assert len(build().like_song(7, 5).song_ids) == 0


def test_asking_for_more_than_there_is_gives_what_there_is() -> None:
    assert len(build(3).near_point(0, 0, 100).song_ids) == 3
    assert len(build(3).like_song(0, 100).song_ids) <= 2


def test_songs_that_point_elsewhere_or_nowhere_are_not_alike() -> None:
    song, other = embeddings_of(2)
    rows = [song, song, -song, np.zeros(64, np.float32), other]
    index = SongIndex.build(list(range(5)), rows, points_of(5), INFO)
    assert not {2, 3} & set(index.like_song(0, 5).song_ids.tolist())
    assert index.like_song(0, 5).song_ids[0] == 1
    assert len(index.like_song(3, 5).song_ids) == 0


def test_an_empty_index_finds_nothing(tmp_path: Path) -> None:
    empty = SongIndex.build([], [], [], INFO)
    empty.publish(tmp_path)
    assert len(SongIndex.load(tmp_path)) == 0
    assert len(SongIndex.load(tmp_path).near_point(0, 0, 5).song_ids) == 0


def test_rows_that_are_not_finite_or_of_another_length_are_skipped_and_counted() -> None:
    embeddings, points = embeddings_of(6), points_of(6)
    embeddings[1] = np.full(64, np.nan, np.float32)
    embeddings[2] = np.ones(3, np.float32)
    points[3] = (float("inf"), 0.0)
    index = SongIndex.build(list(range(6)), embeddings, points, INFO)
    assert (index.info.n_songs, index.info.n_skipped) == (3, 3)
    assert set(index.near_point(0, 0, 10).song_ids.tolist()) == {0, 4, 5}


def test_what_is_published_reads_back(tmp_path: Path) -> None:
    index = build()
    info = index.publish(tmp_path)
    loaded = SongIndex.load(tmp_path)
    assert loaded.info == info == read_info(tmp_path)
    assert (info.model_version, info.n_songs) == ("m1", 50)
    assert loaded.near_point(0, 0, 9).song_ids.tolist() == index.near_point(0, 0, 9).song_ids.tolist()
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".faiss", ".json"]


def test_no_index_and_damaged_indexes_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(IndexMissing, match="run index_rebuild"):
        SongIndex.load(tmp_path)
    info = build().publish(tmp_path)
    file = tmp_path / f"songs-{info.generation}.faiss"
    intact = file.read_bytes()
    for damage in (intact[:100], b"", intact[:-1] + bytes([intact[-1] ^ 1])):
        file.write_bytes(damage)
        with pytest.raises(IndexCorrupt, match="is not what was written"):
            SongIndex.load(tmp_path)
    file.unlink()
    with pytest.raises(IndexCorrupt, match="cannot be read"):
        SongIndex.load(tmp_path)


@pytest.mark.parametrize("pointer", ["", "{", "[]", '{"surprise": 1}', json.dumps({"format_version": 99})])
def test_a_damaged_pointer_is_an_error_of_its_own(tmp_path: Path, pointer: str) -> None:
    (tmp_path / POINTER).write_text(pointer)
    with pytest.raises(IndexCorrupt):
        IndexReader(tmp_path).current()


def test_a_reader_sees_a_new_generation_and_keeps_the_old_one_otherwise(tmp_path: Path) -> None:
    build(5).publish(tmp_path)
    reader = IndexReader(tmp_path)
    first = reader.current()
    assert reader.current() is first
    build(8).publish(tmp_path)
    assert len(reader.current()) == 8
    assert len(first) == 5


def test_readers_in_threads_never_see_half_an_index(tmp_path: Path) -> None:
    build(5).publish(tmp_path)
    reader, stop, faults = IndexReader(tmp_path), threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            index = reader.current()
            if len(index) != index.info.n_songs:
                faults.append(index.info)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for n_songs in range(6, 26):
        build(n_songs).publish(tmp_path)
    stop.set()
    for thread in threads:
        thread.join()
    assert not faults
    assert len(reader.current()) == 25


def test_old_generations_go_after_a_grace_and_not_before(tmp_path: Path) -> None:
    old = build(5).publish(tmp_path)
    left_behind = tmp_path / "songs-1.faiss.abcd.tmp"
    left_behind.write_bytes(b"half")
    build(6).publish(tmp_path)
    assert (tmp_path / f"songs-{old.generation}.faiss").exists()
    long_ago = time.time() - index_module.GRACE_S - 60
    for path in tmp_path.iterdir():
        os.utime(path, (long_ago, long_ago))
    current = build(7).publish(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {POINTER, f"songs-{current.generation}.faiss"}


def test_publishers_take_turns(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with publishing(tmp_path):
            order.append("second")

    with publishing(tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
