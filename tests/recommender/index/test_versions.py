"""Versions of the index on disk: publishing, reading back, damage."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from recommender.exceptions import IndexCorruptError, IndexMissingError
from recommender.index import versions
from recommender.index.songs import SongIndex
from recommender.index.versions import (
    POINTER,
    IndexReader,
    load,
    publish_staged,
    publishing,
    read_info,
    staging,
)
from tests.recommender.index.test_index import build, large, listeners
from tests.recommender.made_songs import best, like_song, near_point, publish

__all__ = ["large"]


def test_a_published_index_reads_back(tmp_path: Path, large: SongIndex) -> None:
    for index in (build(), large):
        info = publish(index, tmp_path)
        loaded = load(tmp_path)
        assert loaded.info == info == read_info(tmp_path)
        assert (info.model_version, info.n_songs) == ("m1", len(index))
        for query in listeners(index, 4):
            assert best(loaded, query, 30).song_ids.tolist() == best(index, query, 30).song_ids.tolist()
        assert like_song(loaded, 30, 9).song_ids.tolist() == like_song(index, 30, 9).song_ids.tolist()
    assert not list(tmp_path.glob("*.building"))


def test_no_index_and_damaged_indexes_are_distinguished(tmp_path: Path) -> None:
    with pytest.raises(IndexMissingError, match="run index_rebuild"):
        load(tmp_path)
    info = publish(build(), tmp_path)
    file = tmp_path / f"songs-{info.index_version}" / "embeddings.bin"
    intact = file.read_bytes()
    for damage in (intact[:100], b"", intact[:-1] + bytes([intact[-1] ^ 1])):
        file.write_bytes(damage)
        with pytest.raises(IndexCorruptError, match=r"embeddings\.bin .* is not what was written"):
            load(tmp_path)
    file.unlink()
    with pytest.raises(IndexCorruptError, match="cannot be read"):
        load(tmp_path)


def test_a_large_file_is_checked_by_its_length_when_opened(
    tmp_path: Path, large: SongIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "CHECKED_WHOLE_BYTES", 1000)
    info = publish(large, tmp_path)
    file = tmp_path / f"songs-{info.index_version}" / "perceived.bin"
    intact = file.read_bytes()
    file.write_bytes(intact[:-1] + bytes([intact[-1] ^ 1]))
    assert len(load(tmp_path)) == len(large)
    file.write_bytes(intact[:-1])
    with pytest.raises(IndexCorruptError, match="is not what was written"):
        load(tmp_path)


def test_cells_that_faiss_cannot_read_are_a_damaged_index(
    tmp_path: Path, large: SongIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "CHECKED_WHOLE_BYTES", 0)
    info = publish(large, tmp_path)
    file = tmp_path / f"songs-{info.index_version}" / "felt.faiss"
    file.write_bytes(b"\0" * file.stat().st_size)
    with pytest.raises(IndexCorruptError, match="cannot be read"):
        load(tmp_path)


@pytest.mark.parametrize("pointer", ["", "{", "[]", '{"surprise": 1}', json.dumps({"format_version": 1})])
def test_a_damaged_pointer_is_an_error_of_its_own(tmp_path: Path, pointer: str) -> None:
    (tmp_path / POINTER).write_text(pointer)
    with pytest.raises(IndexCorruptError):
        IndexReader(tmp_path).current()


def test_what_does_not_read_back_is_not_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = publish(build(5), tmp_path)
    index = build(6)
    with staging(tmp_path) as folder, pytest.raises(IndexCorruptError):
        # Nothing but the basis and the manifest is there.
        publish_staged(index, folder, tmp_path)
    assert read_info(tmp_path) == first
    assert len(load(tmp_path)) == 5
    assert not list(tmp_path.glob("*.building"))


def test_a_reader_sees_a_new_generation_and_keeps_the_old_one_otherwise(tmp_path: Path) -> None:
    publish(build(5), tmp_path)
    reader = IndexReader(tmp_path)
    first = reader.current()
    assert reader.current() is first
    publish(build(8), tmp_path)
    assert len(reader.current()) == 8
    assert len(near_point(first, 0, 0, 10).song_ids) == 5


def test_readers_in_threads_never_see_half_an_index(tmp_path: Path) -> None:
    publish(build(5), tmp_path)
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
        publish(build(n_songs), tmp_path)
    stop.set()
    for thread in threads:
        thread.join()
    assert not faults
    assert len(reader.current()) == 25


def test_a_thread_that_waited_does_not_map_again_what_another_has_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(build(5), tmp_path)
    reader, mapped = IndexReader(tmp_path), []

    class Waiting:
        """A lock that is free once another thread has seen a publication."""

        def __enter__(self) -> None:
            monkeypatch.setattr(reader, "_lock", threading.Lock())
            publish(build(6), tmp_path)
            other = threading.Thread(target=reader.current)
            other.start()
            other.join()

        def __exit__(self, *_: object) -> None:
            pass

    reader.current()
    monkeypatch.setattr(reader, "_lock", Waiting())

    def counting(directory: Path) -> Any:
        mapped.append(directory)
        return load(directory)

    monkeypatch.setattr(versions, "load", counting)
    assert len(reader.current()) == len(reader.current()) == 6
    assert len(mapped) == 1


def test_old_generations_go_after_a_grace_and_not_before(tmp_path: Path) -> None:
    def age() -> None:
        long_ago = time.time() - versions.GRACE_S - 60
        for path in tmp_path.iterdir():
            os.utime(path, (long_ago, long_ago))

    first = publish(build(5), tmp_path)
    (tmp_path / "1.building").mkdir()
    age()
    second = publish(build(6), tmp_path)
    # However old it is, the first one may have been pointed to until now.
    assert (tmp_path / f"songs-{first.index_version}").exists()
    assert not (tmp_path / "1.building").exists()
    age()
    third = publish(build(7), tmp_path)
    kept = {f"songs-{second.index_version}", f"songs-{third.index_version}", POINTER}
    assert {path.name for path in tmp_path.iterdir()} == kept


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
