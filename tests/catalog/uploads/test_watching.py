"""The watcher: what wakes it, when it looks again, and that it outlives what goes wrong."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.db import IntegrityError, OperationalError, connection

from catalog.uploads import watching
from catalog.uploads.scanning import Scan
from catalog.uploads.steady import STABLE_S, Steadiness
from catalog.uploads.watching import folders_watch, scan_words


@pytest.fixture(autouse=True)
def _no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "folder_of", lambda root: root)
    monkeypatch.setattr(watching, "close_old_connections", lambda: None)
    monkeypatch.setattr(connection, "close", lambda: None)


def scan_of(root: Path, monkeypatch: pytest.MonkeyPatch, outcome: Scan | Exception) -> tuple[float, list[str]]:
    def scanned(**_: Any) -> Scan:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(watching, "folder_scan", scanned)
    said: list[str] = []
    followed = watching._Followed(is_chosen=False)
    return watching._scan(root, followed, None, Steadiness(), said.append, threading.Event()), said


@pytest.mark.parametrize(
    ("outcome", "wait_s"),
    [
        (Scan(n_found=3), watching.RESCAN_S),
        (Scan(n_waiting=1), STABLE_S),
        (Scan(n_queued=5, n_waiting=1), 0.0),
        (Scan(n_queued=5, is_full=True), 30.0),
        (Scan(problem="gone"), 30.0),
        (Scan(is_busy=True), 30.0),
        (OperationalError("gone away"), 30.0),
        (IntegrityError("taken off the list"), 30.0),
    ],
)
def test_when_a_folder_is_scanned_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outcome: Scan | Exception, wait_s: float
) -> None:
    assert scan_of(tmp_path, monkeypatch, outcome)[0] == wait_s


def test_a_scan_is_said_in_a_line_and_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = Scan(n_found=3, n_added=2, n_waiting=1, is_full=True)
    assert scan_words(scan) == "3 audio files, 2 added, 1 not stable yet; the disk of the catalog is full"
    assert scan_words(Scan(problem="empty")).startswith("empty although it had songs")
    monkeypatch.setattr(watching, "folder_scan", lambda **_: Scan(n_found=3))
    said: list[str] = []
    followed = watching._Followed(is_chosen=False)
    for _ in range(2):
        watching._scan(tmp_path, followed, None, Steadiness(), said.append, threading.Event())
    assert said == [f"{tmp_path}: 3 audio files"]


def test_a_folder_within_another_is_watched_with_it(tmp_path: Path) -> None:
    said: list[str] = []
    assert watching._outermost([tmp_path / "a", tmp_path, tmp_path], said.append) == [tmp_path]
    assert said == [f"{tmp_path}/a is within another of these folders and is watched with it."]


def test_an_event_wakes_the_scan_and_the_signal_ends_the_watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop, scans = threading.Event(), []

    def events(*_: Any) -> Iterator[set[Any]]:
        yield {("added", "a.mp3")}
        stop.wait()

    def scanned(root: Path, *_: Any) -> float:
        scans.append(root)
        if len(scans) == 2:
            stop.set()
        return 1000.0

    monkeypatch.setattr(watching, "_events", events)
    monkeypatch.setattr(watching, "_scan", scanned)
    folders_watch(paths=[tmp_path], owner=None, stop=stop, say=lambda _: None)
    assert scans == [tmp_path, tmp_path]


def test_chosen_folders_come_and_go_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named, chosen, inner = tmp_path / "named", tmp_path / "chosen", tmp_path / "named" / "inner"
    stop, scans = threading.Event(), []
    answers = iter([[], [chosen, inner], [chosen, inner], [inner]])
    stops: dict[Path, threading.Event] = {}

    def asked() -> list[Path]:
        answer = next(answers, None)
        if answer is None:
            stop.set()
        return answer or []

    def scanned(root: Path, one: Any, *_: Any) -> float:
        scans.append((root, one.is_chosen))
        stops[root] = one.stop
        return 1000.0

    monkeypatch.setattr(watching, "_CHOSEN_S", 0.0)
    monkeypatch.setattr(watching, "chosen_paths", asked)
    monkeypatch.setattr(watching, "_listen", lambda *_: None)
    monkeypatch.setattr(watching, "_scan", scanned)
    folders_watch(paths=[named], owner=None, stop=stop, say=lambda _: None, chosen=True)
    assert scans == [(named, False), (chosen, True)], "what is within another is watched with it"
    assert stops[chosen].is_set()


@pytest.mark.parametrize(("n_waiting", "n_done"), [(0, 1), (1, 0)])
def test_what_is_added_once_ends_with_its_last_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_waiting: int, n_done: int
) -> None:
    done: list[Path] = []
    monkeypatch.setattr(watching, "folder_scan", lambda **_: Scan(n_found=3, n_waiting=n_waiting))
    monkeypatch.setattr(watching, "is_followed", lambda _root: True)
    monkeypatch.setattr(watching, "folder_added", done.append)
    followed = watching._Followed(is_chosen=True)
    watching._scan(tmp_path, followed, None, Steadiness(), lambda _: None, threading.Event())
    assert len(done) == n_done


def test_what_cannot_be_watched_is_polled_and_then_scanned_every_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    waited: list[float] = []

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waited.append(timeout or 0.0)
            if len(asked) > 6:
                self.set()
            return self.is_set()

    def events(_root: Path, _stop: threading.Event, polls: bool) -> Iterator[set[Any]]:
        asked.append(polls)
        raise ValueError("Unable to decode path")
        yield set()

    monkeypatch.setattr(watching, "_events", events)
    monkeypatch.setattr(watching, "_is_network", lambda _root: False)
    woken: queue.SimpleQueue[Path] = queue.SimpleQueue()
    watching._listen(tmp_path, woken, Stop())

    assert asked == [False, False, False, True, True, True, False]
    assert waited.count(60.0) == 1
    assert woken.qsize() == 7, "something happened there each time"


def test_a_folder_that_is_mounted_anew_is_watched_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "music"
    root.mkdir()
    stop, begun = threading.Event(), []

    def events(*_: Any) -> Iterator[set[Any]]:
        begun.append(1)
        if len(begun) == 2:
            stop.set()
            return
        root.rename(tmp_path / "old")
        root.mkdir()
        yield set()

    monkeypatch.setattr(watching, "_events", events)
    monkeypatch.setattr(watching, "_RELISTEN_S", 0.0)
    monkeypatch.setattr(stop, "wait", lambda _timeout: stop.is_set())
    woken: queue.SimpleQueue[Path] = queue.SimpleQueue()
    watching._listen(root, woken, stop)
    assert len(begun) == 2
    assert woken.get_nowait() == root


@pytest.mark.parametrize(("kind", "polls"), [("nfs4", True), ("cifs", True), ("fuse.sshfs", True), ("ext4", False)])
def test_a_network_share_is_polled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, polls: bool) -> None:
    class Disk:
        def __init__(self, mountpoint: str, fstype: str) -> None:
            self.mountpoint, self.fstype = mountpoint, fstype

    disks = [Disk("/", "overlay"), Disk(str(tmp_path.resolve()), kind)]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: disks)
    assert watching._is_network(tmp_path / "music") is polls


def test_the_library_tells_of_a_new_file(tmp_path: Path) -> None:
    stop = threading.Event()
    events = watching._events(tmp_path, stop, polls=False)
    # The watch begins with the first question.
    timer = threading.Timer(0.2, (tmp_path / "a.mp3").write_bytes, [b"x"])
    timer.start()
    try:
        assert any(path.endswith("a.mp3") for changes in events for _change, path in changes)
    finally:
        stop.set()
        timer.join()
