"""`manage.py ingest`: folders to the bottom, a summary that adds up, and a second run that adds nothing."""

from __future__ import annotations

import io
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
from catalog.uploads.folders import audio_files_find, paths_ingest
from tests.audio_fixtures import make_audio

pytestmark = pytest.mark.django_db


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
    names = [str(path.relative_to(folder)) for path in audio_files_find([folder])]

    assert names == ["a.ogg", "broken.mp3", "deep/c.flac", "deep/copy of b.mp3", "deep/er/b.MP3"]
    assert list(audio_files_find([folder / "cover.jpg"])) == [folder / "cover.jpg"], "a named file is meant"


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


def test_a_file_that_cannot_be_read_does_not_stop_the_others(folder: Path) -> None:
    (folder / "loose.mp3").symlink_to(folder / "nowhere.mp3")
    summary = paths_ingest(paths=[folder])

    assert summary.added == 3
    assert ("loose.mp3", "It cannot be read: No such file or directory.") in [
        (path.name, sentence) for path, sentence in summary.failed
    ]


def test_the_command_says_what_became_of_the_files(folder: Path, cleo: User) -> None:
    out, err = run(folder, "--owner", "cleo")

    assert out.splitlines() == ["3 added, 1 already here, 1 could not be added.", "These songs are now: 3 uploaded."]
    assert f"{folder}/broken.mp3: This is not an audio file: its content looks like text." in err
    assert Upload.objects.filter(owner=cleo).count() == 5


def test_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"^No such file or folder: /nowhere\.$"):
        run("/nowhere")
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

    assert out.splitlines()[1] == "These songs are now: 2 analysed, 1 failed."
    assert "c – Unknown artist: There is only silence in it." in err
