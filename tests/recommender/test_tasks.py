"""The index keeps up with the rows by itself."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.utils import timezone
from pytest_django.fixtures import Settings

from catalog.models import Song
from emotion.inference.quadrants import Quadrant
from emotion.library.services import Override, library_edit, library_undo
from emotion.models import EmotionEstimate, QuadrantOverride
from emotion.signals import song_analysed
from recommender.index.versions import POINTER, IndexReader, load
from recommender.requests import Listener, Target
from recommender.retrieval import songs_index
from recommender.services import indexing, playlists
from recommender.tasks import DEBOUNCE_S, index_refresh
from tests.conftest import ROOT, process_environment
from tests.factories import EstimateFactory
from tests.recommender.conftest import SongMaker


@pytest.fixture
def directory(settings: Settings) -> Path:
    return Path(settings.MOODPLANE_INDEX_DIR)


def test_refreshing_twice_builds_once(make_songs: SongMaker, directory: Path) -> None:
    make_songs(5)
    index_refresh()
    first = load(directory).info
    index_refresh()
    assert load(directory).info == first
    assert (first.n_songs, first.model_version) == (5, "test-model-1")


@pytest.mark.parametrize("change", ["add", "delete", "replace", "analyse anew", "fail", "tag anew"])
def test_any_change_of_the_rows_is_noticed(make_songs: SongMaker, directory: Path, change: str) -> None:
    songs = make_songs(5)
    index_refresh()
    before = load(directory).info
    if change == "add":
        make_songs(1)
    elif change == "delete":
        songs[2].delete()
    elif change == "replace":
        songs[2].delete()
        EstimateFactory()
    elif change == "analyse anew":
        estimate = songs[2].estimates.get()
        estimate.valence = -0.9
        estimate.save()
    elif change == "tag anew":
        Song.objects.filter(pk=songs[2].pk).update(genre="Jazz")
    else:
        Song.objects.filter(pk=songs[2].pk).update(state=Song.State.FAILED)
    index_refresh()
    assert load(directory).info.index_version != before.index_version


@pytest.mark.parametrize("damage", ["pointer", "file"])
def test_a_damaged_index_is_rebuilt_and_lists_are_right_meanwhile(
    make_songs: SongMaker, directory: Path, nobody: Listener, damage: str
) -> None:
    make_songs(5)
    info = indexing.index_rebuild()
    path = directory / (POINTER if damage == "pointer" else f"songs-{info.index_version}/places.bin")
    path.write_bytes(b"garbage")
    playlist = playlists.playlist_create(listener=nobody, target=Target.of_quadrant(Quadrant.Q1))
    assert playlist.items.count() == 5
    index_refresh()
    assert len(load(directory)) == 5


def test_a_running_reader_picks_up_a_published_index(make_songs: SongMaker, directory: Path) -> None:
    make_songs(3)
    indexing.index_rebuild()
    assert len(songs_index()) == 3
    make_songs(4)
    indexing.index_rebuild()
    assert len(songs_index()) == 7


def test_the_command_rebuilds_and_says_what_it_did(make_songs: SongMaker, directory: Path) -> None:
    songs = make_songs(3)
    broken = songs[0].estimates.get()
    broken.embedding_bytes = b"\x00\x00\xc0\x7f" * 64
    broken.save()
    said = StringIO()
    call_command("index_rebuild", stdout=said)
    assert "2 songs of model test-model-1" in said.getvalue()
    assert "1 songs were skipped" in said.getvalue()
    assert len(IndexReader(directory).current()) == 2


def test_of_a_large_catalog_a_few_changes_wait_and_many_or_old_ones_do_not(
    make_songs: SongMaker, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "ALWAYS_BELOW", 10)
    monkeypatch.setattr(indexing, "CHANGED_SHARE", 0.2)
    make_songs(20)
    # Songs written just before a build count as changed since, in case they were committed after it.
    EmotionEstimate.objects.update(updated_at=timezone.now() - timedelta(minutes=5))
    first = indexing.index_rebuild()
    make_songs(2)
    assert indexing.index_refresh() is None
    monkeypatch.setattr(indexing, "AT_LATEST", timedelta(seconds=1))
    second = indexing.index_refresh()
    assert second is not None
    assert (first.n_songs, second.n_songs) == (20, 22)
    monkeypatch.setattr(indexing, "AT_LATEST", timedelta(hours=1))
    EmotionEstimate.objects.update(updated_at=timezone.now() - timedelta(minutes=5))
    indexing.index_rebuild()
    Song.objects.filter(pk__in=Song.objects.values_list("pk")[:6]).delete()
    third = indexing.index_refresh()
    assert third is not None
    assert third.n_songs == 16


def test_an_index_is_due_after_an_override_and_after_its_undo(
    make_songs: SongMaker, directory: Path, monkeypatch: pytest.MonkeyPatch, cleo: User
) -> None:
    monkeypatch.setattr(indexing, "ALWAYS_BELOW", 10)
    monkeypatch.setattr(indexing, "CHANGED_SHARE", 0.2)
    songs = make_songs(20)
    ids = [song.pk for song in songs[:6]]

    def settle() -> None:
        old = timezone.now() - timedelta(minutes=5)
        EmotionEstimate.objects.update(updated_at=old)
        QuadrantOverride.objects.update(changed_at=old)
        indexing.index_rebuild()

    settle()
    few = library_edit(song_ids=ids[:2], values={}, override=Override(Quadrant.Q3), editor=cleo)
    assert few is not None
    assert indexing.index_refresh() is None
    many = library_edit(song_ids=ids, values={}, override=Override(Quadrant.Q2), editor=cleo)
    assert many is not None
    assert indexing.index_refresh() is not None
    assert set(IndexReader(directory).current().table.quadrants[:6].tolist()) == {2}
    settle()
    library_undo(change=many, editor=cleo)
    assert indexing.index_refresh() is not None
    quadrants = IndexReader(directory).current().table.quadrants[:6].tolist()
    assert quadrants == [3, 3, *(song.estimates.get().quadrant for song in songs[2:6])]


def test_two_publishers_leave_the_rows_as_the_later_one_read_them(make_songs: SongMaker, directory: Path) -> None:
    make_songs(4)
    indexing.index_rebuild()
    make_songs(3)
    newest = indexing.index_rebuild()
    assert indexing.index_refresh() is None
    assert (load(directory).info, newest.n_songs) == (newest, 7)
    assert len(list(directory.glob("songs-*"))) == 2
    assert not list(directory.glob("*.building"))


@pytest.fixture
def default_worker(transactional_db: None, tmp_path: Path) -> Iterator[Path]:
    """A real worker that takes everything but analyses, so that it needs no model; yields its log."""
    log = tmp_path / "worker.log"
    command = [sys.executable, "-m", "celery", "-A", "mer_site", "worker", "-Q", "default", "--pool", "solo"]
    command += ["--loglevel", "INFO"]
    with log.open("wb") as output:
        worker = subprocess.Popen(command, cwd=ROOT, env=process_environment(), stdout=output, stderr=output)
    try:
        assert wait_until(lambda: b" ready." in log.read_bytes(), 60), log.read_text()
        yield log
    finally:
        worker.terminate()
        worker.wait(20)


@pytest.mark.integration
@pytest.mark.django_db(transaction=True)
def test_announced_songs_reach_the_index_through_the_worker(
    make_songs: SongMaker, directory: Path, default_worker: Path
) -> None:
    songs = make_songs(4)
    song_analysed.send(sender=None, song_ids=[song.pk for song in songs])
    song_analysed.send(sender=None, song_ids=[songs[0].pk])
    assert wait_until((directory / POINTER).exists, DEBOUNCE_S + 30), default_worker.read_text()
    assert len(load(directory)) == 4
    assert default_worker.read_text().count("Published index") == 1


def wait_until(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Return whether the condition came true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
