"""Files appear whole or not at all, whatever happens to those who write them."""

from __future__ import annotations

import multiprocessing
import os
import re
import resource
import signal
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest

from catalog.core.files import digest, remove_leftovers, write_atomic

ONE, OTHER = b"a" * 300_000, b"b" * 300_000
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "state.json"
    path.write_text("old")
    return path


@pytest.mark.parametrize("durable", [True, False])
def test_bytes_text_and_a_writer_take_the_place_of_the_old_file(path: Path, durable: bool) -> None:
    write_atomic(path, b"\x00\xff", durable=durable)
    assert path.read_bytes() == b"\x00\xff"
    write_atomic(path, "Übung", durable=durable)
    assert path.read_text(encoding="utf-8") == "Übung"
    write_atomic(path, lambda file: file.write(b"by hand"), durable=durable)
    assert path.read_bytes() == b"by hand"
    assert list(path.parent.iterdir()) == [path]


def test_others_may_read_what_the_mask_of_the_process_allows(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write_atomic(tmp_path / "new", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o644


def test_the_old_file_is_seen_until_the_new_one_is_whole(path: Path) -> None:
    def write(file: BinaryIO) -> None:
        file.write(b"new")
        file.flush()
        assert path.read_text() == "old"

    write_atomic(path, write)
    assert path.read_text() == "new"


def _break(file: BinaryIO) -> None:
    file.write(b"half")
    raise ValueError


def _no_room(descriptor: int) -> None:
    raise OSError(28, "No space left on device")


def test_an_error_leaves_the_old_file_and_nothing_else(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError):
        write_atomic(path, _break)
    with pytest.raises(UnicodeEncodeError):
        write_atomic(path, "\ud800")
    monkeypatch.setattr(os, "fsync", _no_room)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(path, b"new")
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def _in_pieces(file: BinaryIO) -> None:
    np.arange(10_000).tofile(file)


@pytest.mark.parametrize("content", [ONE, _in_pieces])
def test_an_error_names_the_file(path: Path, content: bytes | Callable[[BinaryIO], None]) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match=re.escape(str(path))):
            write_atomic(path, content)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_only_a_durable_write_waits_for_file_and_folder(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: waited.append(Path(f"/proc/self/fd/{descriptor}").readlink()))
    write_atomic(path, b"", durable=False)
    assert not waited
    write_atomic(path, b"")
    file, folder = waited
    assert file.parent == folder == path.parent


def _die_before_the_rename(path: Path) -> None:
    Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign,assignment]
    write_atomic(path, b"new")


def _write_often(path: Path, content: bytes) -> None:
    for _ in range(50):
        write_atomic(path, content, durable=False)


def _processes(*jobs: tuple[Callable[..., None], tuple[object, ...]]) -> list[int | None]:
    context = multiprocessing.get_context("spawn")
    started = [context.Process(target=target, args=args) for target, args in jobs]
    for process in started:
        process.start()
    for process in started:
        process.join(60)
    return [process.exitcode for process in started]


def test_killed_before_the_rename_it_leaves_the_old_file(path: Path) -> None:
    assert _processes((_die_before_the_rename, (path,))) == [-signal.SIGKILL]
    assert path.read_text() == "old"
    (left,) = [other for other in path.parent.iterdir() if other != path]
    assert left.name.startswith(".state.json.")
    other = path.with_name("other.json")
    write_atomic(other, b"")
    remove_leftovers(other)
    assert left.exists()
    remove_leftovers(path)
    assert sorted(path.parent.iterdir()) == [other, path]


def test_of_two_writers_one_wins_whole(path: Path) -> None:
    assert _processes((_write_often, (path, ONE)), (_write_often, (path, OTHER))) == [0, 0]
    assert path.read_bytes() in (ONE, OTHER)
    assert list(path.parent.iterdir()) == [path]


def test_a_digest_is_the_same_of_bytes_and_of_their_file(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert digest(b"abc") == digest(tmp_path / "abc") == ABC
    with pytest.raises(FileNotFoundError):
        digest(tmp_path / "none")
