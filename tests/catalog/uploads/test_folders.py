"""`manage.py ingest`: folders to the bottom, a summary that adds up, and a second run that adds nothing."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connections

from catalog.core import claims
from catalog.models import Song, Upload
from catalog.songs.services import songs_queue
from catalog.uploads import folders, steady
from catalog.uploads.folders import paths_ingest
from catalog.uploads.walking import LeftOut, audio_walk
from tests.audio_fixtures import make_audio

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_is_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test has just written is taken as if it were old."""
    monkeypatch.setattr(folders, "STABLE_S", 0.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three songs, one of them twice, one broken file, and what else lies in music folders."""
    root = tmp_path / "music"
    make_audio(root / "a.ogg", seed=1)
    make_audio(root / "deep" / "er" / "b.MP3", codec="mp3", seed=2)
    (root / "deep" / "copy of b.mp3").write_bytes((root / "deep" / "er" / "b.MP3").read_bytes())
    make_audio(root / "deep" / "c.flac", seed=3)
    (root / "broken.mp3").write_text("no music " * 600)
    (root / "cover.jpg").write_bytes(b"\xff\xd8\xff")
    (root / ".hidden.mp3").write_bytes(b"x")
    (root / ".trash").mkdir()
    make_audio(root / ".trash" / "d.ogg", seed=4)
    return root


def run(*args: object) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("ingest", *map(str, args), stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_which_files_are_offered(folder: Path) -> None:
    left_out = LeftOut()
    names = [str(path.relative_to(folder)) for path, _status in audio_walk([folder], left_out)]

    assert names == ["a.ogg", "broken.mp3", "deep/c.flac", "deep/copy of b.mp3", "deep/er/b.MP3"]
    assert (left_out.n_other, left_out.n_hidden) == (2, 1)
    named = [path for path, _status in audio_walk([folder / "cover.jpg"], left_out)]
    assert named == [folder / "cover.jpg"], "a named file is meant"


def test_the_summary_adds_up_and_a_second_run_adds_nothing(
    folder: Path,
    cleo: User,
    announced: list[int],
    django_capture_on_commit_callbacks: Callable[..., AbstractContextManager[object]],
) -> None:
    seen: list[tuple[int, int]] = []
    with django_capture_on_commit_callbacks(execute=True):
        first = paths_ingest(paths=[folder], owner=cleo, progress=lambda done, total, path: seen.append((done, total)))

    assert (first.added, first.duplicates) == (3, 1)
    assert [(path.name, sentence[:21]) for path, sentence in first.failed] == [("broken.mp3", "This is not an audio ")]
    assert first.song_ids == sorted(Song.objects.values_list("pk", flat=True))
    assert seen == [(number, 5) for number in range(1, 6)]
    assert sorted(announced) == first.song_ids
    assert Upload.objects.filter(owner=cleo).count() == 5

    Song.objects.update(state=Song.State.ANALYSED)
    announced.clear()
    rows = set(Upload.objects.filter(outcome__in=["accepted", "duplicate"]).values_list("pk", flat=True))
    with django_capture_on_commit_callbacks(execute=True):
        paths_ingest(paths=[folder], owner=cleo)
        again = paths_ingest(paths=[folder], owner=cleo)

    assert (again.added, again.duplicates, len(again.failed)) == (0, 4, 1)
    assert Song.objects.count() == 3
    assert announced == []
    assert Upload.objects.filter(outcome="failed").count() == 1
    assert rows <= set(Upload.objects.values_list("pk", flat=True))
    assert Upload.objects.count() <= 5 + 3, "one more row a name at most, and none in the third run"


def test_a_run_that_was_killed_is_finished_by_the_next(
    folder: Path,
    announced: list[int],
    django_capture_on_commit_callbacks: Callable[..., AbstractContextManager[object]],
) -> None:
    """Songs stored without their announcement are announced by the second run."""
    paths_ingest(paths=[folder / "a.ogg"])
    assert announced == []

    with django_capture_on_commit_callbacks(execute=True):
        summary = paths_ingest(paths=[folder])

    assert (summary.added, summary.duplicates) == (2, 2)
    assert sorted(announced) == summary.song_ids


def test_a_file_that_cannot_be_read_does_not_stop_the_others(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "loose.mp3").symlink_to(folder / "nowhere.mp3")
    taken = steady.SteadyFile

    def closed(path: Path) -> steady.SteadyFile:
        if path.name == "a.ogg":
            raise PermissionError(13, "Permission denied")
        return taken(path)

    monkeypatch.setattr(folders, "SteadyFile", closed)
    summary = paths_ingest(paths=[folder])

    assert summary.added == 2
    assert (folder / "a.ogg", "It cannot be read: Permission denied.") in summary.failed
    assert summary.left_out.broken == [folder / "loose.mp3"]


def test_a_fresh_file_comes_last_and_waits_until_it_is_stable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "STABLE_S", 10.0)
    whole = make_audio(folder.parent / "x.mp3", seed=9).read_bytes()
    for path in folder.rglob("*.*"):
        os.utime(path, (1e9, 1e9))
    growing = folder / "0.mp3"
    growing.write_bytes(whole[:1000])
    clock = [0.0]
    order: list[str] = []

    def sleep(seconds: float) -> None:
        clock[0] += seconds
        if clock[0] == 5.0:
            growing.write_bytes(whole)

    monkeypatch.setattr(folders, "Steadiness", lambda: steady.Steadiness(lambda: clock[0]))
    summary = paths_ingest(paths=[folder], progress=lambda done, total, path: order.append(path.name), sleep=sleep)

    assert (order[-1], summary.added) == ("0.mp3", 4)
    assert clock[0] == 15.0, "five seconds of growth, and ten in which it stays"


def test_a_file_that_never_stops_growing_is_left_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "STABLE_S", 10.0)
    path = folder / "a.ogg"

    def grow(_seconds: float) -> None:
        with path.open("ab") as out:
            out.write(b"more")

    summary = paths_ingest(paths=[path], sleep=grow)
    assert summary.failed == [(path, "It is still being written. Add it when it is complete.")]
    assert not Song.objects.exists()


def test_the_command_says_what_became_of_the_files(folder: Path, cleo: User) -> None:
    (folder / "old.WMA").write_bytes(b"x")
    os.mkfifo(folder / "pipe.mp3")
    (folder / "deep" / "up").symlink_to(folder)
    out, err = run(folder, "--owner", "cleo")

    assert out.splitlines() == [
        "3 added, 1 already here, 1 could not be added.",
        "1 file of a format that is not taken: 1 .wma.",
        "2 other files ignored.",
        "1 hidden folder ignored.",
        "1 pipe, socket or device skipped.",
        "1 folder was not read twice: a link leads to it again.",
        "These songs are now: 3 uploaded.",
    ]
    assert f"{folder}/pipe.mp3: It is a pipe, a socket or a device, and was not opened." in err
    assert f"{folder}/deep/up: It leads to a folder that is read already." in err
    assert f"{folder}/broken.mp3: This is not an audio file: its content looks like text." in err
    assert Upload.objects.filter(owner=cleo).count() == 5


def test_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"^No such file or folder: /nowhere\.$"):
        run("/nowhere")
    with pytest.raises(CommandError, match=r"^Name an audio file or a folder\.$"):
        run()
    with pytest.raises(CommandError, match=r"^/ holds what Moodplane stores itself; name another folder\.$"):
        run("--watch", "/")
    with pytest.raises(CommandError, match=r'^There is no user named "zoe"\.$'):
        run(tmp_path, "--owner", "zoe")
    with pytest.raises(CommandError, match=r"^No audio files found: give audio files, or a folder that contains some"):
        run(tmp_path)


def test_waiting_has_an_end(folder: Path) -> None:
    with pytest.raises(CommandError, match=r"^3 songs were still not analysed after 0\.1 s\.$"):
        run(folder, "--wait", "--timeout", 0.1)


@pytest.mark.django_db(transaction=True)
def test_wait_until_every_song_is_tagged_or_failed(folder: Path) -> None:
    def analyse() -> None:
        try:
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                songs_queue(song_ids=Song.objects.values_list("pk", flat=True))
                for song in claims.claim(Song.objects.all(), 8):
                    if song.mime_type == "audio/flac":
                        claims.fail(song, code="silent", reason="There is only silence in it.")
                    else:
                        claims.finish(song)
                if Song.objects.filter(state__in=["tagged", "failed"]).count() == 3:
                    return
                time.sleep(0.05)
        finally:
            connections.close_all()

    worker = threading.Thread(target=analyse)
    worker.start()
    out, err = run(folder, "--wait", "--timeout", 30)
    worker.join(30)

    assert out.splitlines()[-1] == "These songs are now: 2 analysed, 1 failed."
    assert "c – Unknown artist: There is only silence in it." in err
