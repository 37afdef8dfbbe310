"""Watched folders: what is new, changed, moved, gone and back, and what a folder that is out of reach does not do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import mutagen
import psycopg2
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.core.locks import Lock
from catalog.exceptions import ReadingInterruptedError, StorageFullError
from catalog.files.storage import file_staged
from catalog.models import FolderFile, Song, Upload, WatchedFolder
from catalog.songs.editing import songs_edit
from catalog.songs.services import songs_delete
from catalog.uploads import scanning, services
from catalog.uploads.scanning import Scan, folder_of, folder_scan, missing_since, songs_missing
from catalog.uploads.steady import STABLE_S, FileChangingError, Steadiness, SteadyFile
from tests.audio_fixtures import make_audio
from tests.conftest import process_environment
from tests.factories import RatingFactory, UserFactory

pytestmark = pytest.mark.django_db


class Watch:
    """A watched folder whose time passes when the test says so."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now = 0.0
        self.steadiness = Steadiness(lambda: self.now)
        root.mkdir(exist_ok=True)

    @property
    def folder(self) -> WatchedFolder:
        return folder_of(self.root)

    def look(self, at_most: int = 200, stopping: Callable[[], bool] = lambda: False) -> Scan:
        return folder_scan(folder=self.folder, steadiness=self.steadiness, at_most=at_most, stopping=stopping)

    def settle(self) -> Scan:
        """Scan, wait until what was seen is stable, and scan again; return what both did."""
        first = self.look()
        self.now += STABLE_S
        last = self.look()
        for name in ("n_added", "n_changed", "n_missing", "n_moved", "n_returned", "n_refused"):
            setattr(last, name, getattr(last, name) + getattr(first, name))
        return last

    def song(self, name: str) -> Song:
        song = FolderFile.objects.get(folder=self.folder, path=os.fsencode(name), missing_since=None).song
        assert song is not None
        return song


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    return Watch(tmp_path / "music")


def tagged(path: Path, seed: int = 1, seconds: float = 6.0, **tags: str) -> Path:
    return make_audio(path, seconds, seed=seed, tags={"title": "Tide", "artist": "Ann", **tags})


def retag(path: Path, **tags: str) -> None:
    file = mutagen.File(path, easy=True)
    for name, value in tags.items():
        file[name] = value
    file.save()


# --- Added --------------------------------------------------------------------------------------------------------


def test_a_new_file_becomes_a_song_when_it_is_stable(
    watch: Watch, announced: list[int], django_capture_on_commit_callbacks: Callable[..., object]
) -> None:
    tagged(watch.root / "a.mp3")
    assert (watch.look().n_waiting, Song.objects.count()) == (1, 0)
    watch.now += STABLE_S - 1
    assert watch.look().n_waiting == 1
    watch.now += 1
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[attr-defined]
        scan = watch.look()

    assert (scan.n_added, scan.n_waiting) == (1, 0)
    assert announced == [Song.objects.get().pk]
    assert not watch.look().has_news


def test_a_file_that_grows_waits(watch: Watch) -> None:
    path = tagged(watch.root / "a.mp3")
    whole = path.read_bytes()
    for share in (0.3, 0.6, 1.0):
        path.write_bytes(whole[: int(share * len(whole))])
        watch.now += 2 * STABLE_S
        assert watch.look().n_waiting == 1
    watch.now += STABLE_S
    assert watch.look().n_added == 1
    assert Song.objects.get().duration_s > 5.9


def test_a_file_that_changes_while_it_is_read_is_no_song(tmp_path: Path) -> None:
    path = tagged(tmp_path / "a.mp3")
    with SteadyFile(path) as file:
        file.read(10)
        with path.open("ab") as writer:
            writer.write(b"more")
        with pytest.raises(FileChangingError):
            file.digest()
        with pytest.raises(FileChangingError):
            list(iter(lambda: file.read(1 << 20), b""))


def test_a_pipe_in_the_place_of_a_file_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.mp3")
    with pytest.raises(OSError, match="Not a regular file"):
        SteadyFile(tmp_path / "a.mp3")


def test_a_large_folder_is_taken_in_parts(watch: Watch) -> None:
    for seed in range(1, 4):
        tagged(watch.root / f"{seed}.mp3", seed, title=f"Tide {seed}")
    watch.look()
    watch.now += STABLE_S
    first, second = watch.look(2), watch.look(2)
    assert [(first.n_added, first.n_queued), (second.n_added, second.n_queued)] == [(2, 1), (1, 0)]


def test_a_watcher_that_is_stopped_leaves_the_other_files_for_the_next_scan(watch: Watch) -> None:
    for seed in range(1, 4):
        tagged(watch.root / f"{seed}.mp3", seed, title=f"Tide {seed}")
    watch.look()
    watch.now += STABLE_S
    first, second = watch.look(stopping=Song.objects.exists), watch.look()
    assert [(first.n_added, first.n_queued), (second.n_added, second.n_queued)] == [(1, 2), (2, 0)]


def test_a_file_whose_reading_was_ended_waits(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_args: object, **_options: object) -> None:
        raise ReadingInterruptedError("ended")

    tagged(watch.root / "a.mp3", 1, title="Tide")
    watch.look()
    watch.now += STABLE_S
    with monkeypatch.context() as patch:
        patch.setattr(services, "probe_isolated", interrupted)
        scan = watch.look()
    assert (scan.n_waiting, scan.n_refused, Upload.objects.count()) == (1, 0, 0)
    assert watch.look().n_added == 1


def test_a_refused_file_is_read_once_and_forgotten_with_its_file(watch: Watch) -> None:
    path = watch.root / "a.mp3"
    path.write_text("no music " * 600)
    assert watch.settle().n_refused == 1
    row = FolderFile.objects.get()
    assert (row.refusal_code, row.song) == ("not_audio", None)
    assert not watch.settle().has_news

    path.unlink()
    assert not watch.settle().problem
    assert not FolderFile.objects.exists()


def test_names_in_no_encoding_are_kept_as_they_are(watch: Watch) -> None:
    name = b"caf\xe9.mp3"
    make_audio(watch.root / "x.mp3").rename(watch.root / os.fsdecode(name))
    assert watch.settle().n_added == 1
    assert bytes(FolderFile.objects.get().path) == name
    assert not watch.settle().has_news
    assert Upload.objects.get().file_name == "caf .mp3"


# --- Changed ------------------------------------------------------------------------------------------------------


def test_new_tags_keep_the_song_its_ratings_and_what_a_curator_wrote(watch: Watch) -> None:
    path = tagged(watch.root / "a.mp3", genre="Rock")
    watch.settle()
    song = Song.objects.get()
    Song.objects.update(state=Song.State.ANALYSED)
    rating = RatingFactory(song=song)
    songs_edit(song_ids=[song.pk], values={"genre": "Ambient"}, editor=UserFactory())
    audio = str(song.audio.name)

    retag(path, title="Ebb", album="Sea", genre="Pop")
    scan = watch.settle()

    assert (scan.n_changed, scan.n_added, scan.n_missing) == (1, 0, 0)
    assert not songs_missing().exists()
    song.refresh_from_db()
    assert (song.title, song.artist.name, song.genre) == ("Ebb", "Ann", "Ambient")
    assert song.album is not None
    assert song.album.title == "Sea"
    assert song.state == Song.State.ANALYSED, "the sound is the same, and so is what was made of it"
    rating.refresh_from_db()
    assert rating.song == song
    assert str(song.audio.name) != audio
    assert song.size_bytes == path.stat().st_size
    assert not FolderFile.objects.exclude(missing_since=None).exists()


def test_another_encoding_of_the_recording_keeps_the_song_and_is_analysed_again(watch: Watch) -> None:
    path = tagged(watch.root / "a.mp3")
    watch.settle()
    song = Song.objects.get()
    Song.objects.update(state=Song.State.ANALYSED)

    tagged(path, seed=1, seconds=6.5)
    assert watch.settle().n_changed == 1

    changed = Song.objects.get()
    assert (changed.pk, changed.state) == (song.pk, Song.State.UPLOADED)
    assert changed.content_hash != song.content_hash


def test_a_copy_that_stopped_and_goes_on_later_is_one_song(watch: Watch) -> None:
    path = make_audio(watch.root / "a.mp3", 20, seed=1)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    watch.settle()
    song = Song.objects.get()
    assert song.duration_s < 11

    path.write_bytes(whole)
    assert watch.settle().n_changed == 1
    song.refresh_from_db()
    assert song.duration_s > 19


def test_another_recording_in_the_place_of_a_song_takes_none_of_its_ratings(watch: Watch) -> None:
    path = tagged(watch.root / "01.mp3")
    watch.settle()
    old = Song.objects.get()
    rating = RatingFactory(song=old)

    tagged(path, seed=2, title="Other", artist="Bob")
    scan = watch.settle()

    assert (scan.n_added, scan.n_missing) == (1, 1)
    new = watch.song("01.mp3")
    assert new != old
    rating.refresh_from_db()
    assert rating.song == old
    assert missing_since(old) is not None
    assert missing_since(new) is None

    tagged(path)
    watch.settle()
    assert watch.song("01.mp3") == old, "its file came back"
    assert missing_since(old) is None


def test_a_touched_file_is_the_same_song(watch: Watch) -> None:
    path = tagged(watch.root / "a.mp3")
    watch.settle()
    path.touch()
    path.chmod(0o600)
    assert not watch.settle().has_news
    assert not watch.look().n_waiting


# --- Moved --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["b.mp3", "deep/er/a.mp3", "A.MP3"])
def test_a_moved_file_keeps_its_song(watch: Watch, name: str) -> None:
    path = tagged(watch.root / "a.mp3")
    watch.settle()
    song = Song.objects.get()
    (watch.root / name).parent.mkdir(parents=True, exist_ok=True)
    path.rename(watch.root / name)

    scan = watch.settle()

    assert (scan.n_added, scan.n_moved, Song.objects.get()) == (0, 1, song)
    assert [bytes(row.path) for row in FolderFile.objects.all()] == [name.encode()]
    assert missing_since(song) is None
    assert Upload.objects.count() == 1


def test_a_file_that_was_moved_and_tagged_anew_keeps_its_song(watch: Watch) -> None:
    path = tagged(watch.root / "a.mp3")
    tagged(watch.root / "other.mp3", 2, title="Other")
    watch.settle()
    song = watch.song("a.mp3")
    retag(path, title="Ebb")
    path.rename(watch.root / "Ann - Ebb.mp3")

    assert watch.settle().n_changed == 1
    song.refresh_from_db()
    assert (watch.song("Ann - Ebb.mp3"), song.title) == (song, "Ebb")
    assert Song.objects.count() == 2
    assert FolderFile.objects.count() == 2


def test_hard_links_and_copies_are_one_song_that_is_there_as_long_as_one_is(watch: Watch) -> None:
    path = tagged(watch.root / "a.mp3")
    os.link(path, watch.root / "b.mp3")
    watch.settle()
    song = Song.objects.get()
    assert song.folder_files.count() == 2

    retag(path, title="Ebb")
    watch.settle()
    song.refresh_from_db()
    assert (Song.objects.count(), song.title) == (1, "Ebb"), "both names changed"

    path.unlink()
    watch.settle()
    assert missing_since(song) is None
    (watch.root / "b.mp3").rename(watch.root.parent / "away.mp3")
    make_audio(watch.root / "c.mp3", seed=3)
    watch.settle()
    assert missing_since(song) is not None


def test_a_copy_that_is_tagged_anew_is_a_song_of_its_own(watch: Watch) -> None:
    path = tagged(watch.root / "a.mp3")
    shutil.copy(path, watch.root / "b.mp3")
    watch.settle()
    song = Song.objects.get()
    retag(path, title="Ebb")
    watch.settle()
    assert watch.song("b.mp3") == song
    assert watch.song("a.mp3") != song


def test_a_file_in_two_watched_folders_is_one_song(watch: Watch, tmp_path: Path) -> None:
    second = Watch(tmp_path / "second")
    path = tagged(watch.root / "a.mp3")
    shutil.copy(path, second.root / "a.mp3")
    tagged(second.root / "z.mp3", 5, title="Z")
    watch.settle()
    second.settle()
    song = watch.song("a.mp3")
    (second.root / "a.mp3").unlink()
    assert second.settle().n_moved == 1
    assert missing_since(song) is None
    assert Song.objects.count() == 2


# --- Gone and back --------------------------------------------------------------------------------------------------


def test_a_removed_file_leaves_its_song_which_is_the_same_when_it_returns(watch: Watch) -> None:
    path = tagged(watch.root / "a.mp3")
    tagged(watch.root / "b.mp3", 2, title="Other")
    watch.settle()
    song = watch.song("a.mp3")
    rating = RatingFactory(song=song)
    content = path.read_bytes()

    path.unlink()
    assert watch.settle().n_missing == 1
    assert [file.song for file in songs_missing()] == [song]
    with song.audio.open() as copy:
        assert copy.read() == content, "it still plays"
    since = missing_since(song)
    watch.settle()
    assert missing_since(song) == since

    path.write_bytes(content)
    watch.settle()
    assert missing_since(song) is None
    assert Song.objects.count() == 2
    rating.refresh_from_db()
    assert rating.song == song


def test_a_file_that_comes_back_as_it_was_is_not_read_again(
    watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tagged(watch.root / "cd" / "a.mp3")
    tagged(watch.root / "b.mp3", 2, title="Other")
    watch.settle()
    (watch.root / "cd").rename(tmp_path / "away")
    assert watch.look().n_missing == 1
    (tmp_path / "away").rename(watch.root / "cd")
    monkeypatch.setattr(scanning, "SteadyFile", None)
    assert watch.look().n_returned == 1


@pytest.mark.parametrize("how", ["gone", "empty", "no_folder", "unreadable"])
def test_a_folder_out_of_reach_changes_nothing(
    watch: Watch, tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tagged(watch.root / "a.mp3")
    watch.settle()
    away = tmp_path / "away"
    scandir = os.scandir
    if how == "unreadable":
        monkeypatch.setattr(os, "scandir", lambda path: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    else:
        watch.root.rename(away)
        if how == "empty":
            watch.root.mkdir()
            (watch.root / "README").write_text("Nothing is mounted here.")
        elif how == "no_folder":
            watch.root.write_text("")

    scan = watch.look()

    assert (scan.problem, scan.n_missing) == (how, 0)
    assert missing_since(Song.objects.get()) is None
    assert watch.folder.report["problem"] == how
    monkeypatch.setattr(os, "scandir", scandir)
    if how != "unreadable":
        shutil.rmtree(watch.root, ignore_errors=True)
        watch.root.unlink(missing_ok=True)
        away.rename(watch.root)
    assert not watch.look().problem


def test_files_of_a_disk_that_is_not_mounted_are_not_missing(watch: Watch, tmp_path: Path) -> None:
    tagged(watch.root / "nas" / "a.mp3")
    tagged(watch.root / "b.mp3", 2, title="Other")
    watch.settle()
    # As if the folder had been on another disk.
    FolderFile.objects.filter(path=b"nas/a.mp3").update(device=1)
    (watch.root / "nas" / "a.mp3").rename(tmp_path / "a.mp3")

    scan = watch.look()
    assert (scan.n_missing, scan.n_unmounted) == (0, 1)
    assert missing_since(watch.song("nas/a.mp3")) is None


def test_files_in_a_folder_that_cannot_be_read_are_not_missing(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    tagged(watch.root / "cd" / "a.mp3")
    tagged(watch.root / "b.mp3", 2, title="Other")
    watch.settle()
    scandir = os.scandir

    def closed(path: Path) -> object:
        if Path(path).name == "cd":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    scan = watch.look()
    assert scan.n_missing == 0
    assert watch.folder.report["left_out"]["unreadable"] == 1


def test_files_that_cannot_be_read_keep_no_others_waiting(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(1, 5):
        tagged(watch.root / f"{seed}.mp3", seed, title=f"Tide {seed}")

    def closed(path: Path) -> SteadyFile:
        if path.name < "4":
            raise PermissionError(13, "Permission denied")
        return SteadyFile(path)

    monkeypatch.setattr(scanning, "SteadyFile", closed)
    watch.look()
    watch.now += STABLE_S
    scan = watch.look(1)
    assert (scan.n_added, scan.n_queued) == (1, 0)
    assert scan.faults == [(f"{seed}.mp3", "Permission denied") for seed in range(1, 4)]


def test_a_full_disk_loses_nothing(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    tagged(watch.root / "a.mp3")
    tagged(watch.root / "b.mp3", 2, title="Other")

    def full(*_: object) -> object:
        raise StorageFullError("full")

    monkeypatch.setattr(services, "file_staged", full)
    scan = watch.settle()
    assert (scan.is_full, scan.n_queued, Upload.objects.count()) == (True, 1, 0)
    monkeypatch.setattr(services, "file_staged", file_staged)
    assert watch.look().n_added == 2


# --- Deleted here ---------------------------------------------------------------------------------------------------


def test_a_song_that_was_deleted_here_is_not_added_again(watch: Watch) -> None:
    path = tagged(watch.root / "a.mp3")
    tagged(watch.root / "b.mp3", 2, title="Other")
    watch.settle()
    songs_delete(song_ids=[watch.song("a.mp3").pk])

    assert not watch.settle().has_news
    path.rename(watch.root / "moved.mp3")
    assert watch.settle().n_added == 0
    assert Song.objects.count() == 1

    with (watch.root / "moved.mp3").open("rb") as stream:
        again = services.upload_create(owner=None, file=stream, file_name="moved.mp3").song
    watch.settle()
    assert watch.song("moved.mp3") == again, "somebody added it again"


# --- Killed, twice, and many ----------------------------------------------------------------------------------------


def test_a_scan_that_was_killed_between_song_and_row_is_finished_by_the_next(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    tagged(watch.root / "a.mp3")
    watch.look()
    watch.now += STABLE_S
    store = scanning._Scanner._row_store

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(scanning._Scanner, "_row_store", killed)
    with pytest.raises(KeyboardInterrupt):
        watch.look()
    assert (Song.objects.count(), FolderFile.objects.count()) == (1, 0)
    monkeypatch.setattr(scanning._Scanner, "_row_store", store)
    assert watch.settle().n_added == 0
    assert (Song.objects.count(), FolderFile.objects.count(), Upload.objects.count()) == (1, 1, 1)


@pytest.mark.django_db(transaction=True)
def test_of_two_processes_one_scans(watch: Watch) -> None:
    url = process_environment()
    other = psycopg2.connect(url["DATABASE_URL"], passfile=url.get("PGPASSFILE") or None)
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [int(Lock.FOLDER_SCAN)])
    assert watch.look().is_busy
    other.close()
    for _attempt in range(100):
        if not watch.look().is_busy:
            break
    else:
        pytest.fail("the lock of a dead process is still held")


def test_a_scan_of_many_files_asks_few_questions(watch: Watch) -> None:
    folder = watch.folder
    rows = []
    for number in range(300):
        path = watch.root / f"{number:03}.mp3"
        path.write_bytes(b"x")
        status = path.stat()
        rows.append(
            FolderFile(
                folder=folder,
                path=os.fsencode(path.name),
                size_bytes=status.st_size,
                mtime_ns=status.st_mtime_ns,
                ctime_ns=status.st_ctime_ns,
                device=status.st_dev,
                content_hash=f"{number:064}",
                refusal_code="not_audio",
            )
        )
    FolderFile.objects.bulk_create(rows)
    with CaptureQueriesContext(connection) as few:
        assert not watch.look().has_news
    for number in range(150):
        (watch.root / f"{number:03}.mp3").unlink()
    with CaptureQueriesContext(connection) as half:
        watch.look()
    assert len(few) <= 10
    assert len(half) <= 14
    assert FolderFile.objects.count() == 150


def test_how_long_a_song_is_missing_is_stated(watch: Watch) -> None:
    path = tagged(watch.root / "a.mp3")
    tagged(watch.root / "b.mp3", 2, title="Other")
    watch.settle()
    path.unlink()
    watch.settle()
    since = songs_missing().get().missing_since
    assert since is not None
    assert timezone.now() - since < timedelta(minutes=1)
    assert timedelta(days=30) == scanning.MISSING_FOR
