"""The catalog analysed again: each song once, uploads first, nothing lost to a killed worker or an emptied broker."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from catalog.core import claims
from catalog.core.locks import Lock, advisory_lock
from catalog.models import Song
from emotion.exceptions import ReanalysisError
from emotion.jobs import reanalysis
from emotion.jobs.reanalysis import REANALYSIS
from emotion.models import EmotionEstimate, ModelVersion, Reanalysis, ReanalysisItem
from emotion.selectors import prevailing_model_version, reanalysis_failures, reanalysis_latest
from emotion.services import analysis
from emotion.services.analysis import _result_store
from mer_site.celery import app as celery_app
from recommender.index.songs import SongIndex
from recommender.requests import Listener, Target
from recommender.retrieval import estimates_playable, n_dimensions_of, rows_state, table_of
from recommender.services.playlists import playlist_create
from tests.audio_fixtures import make_audio
from tests.conftest import WorkerStarter
from tests.factories import EstimateFactory, SongFactory, UserFactory
from tests.messages import waiting_tasks
from tests.recommender.made_songs import like_song
from training.models import ModelEvent
from training.registry.services import model_go_live

pytestmark = pytest.mark.django_db

OLD = "older-1"


@pytest.fixture
def make_songs(settings: Settings, tmp_path: Path) -> Callable[[int], list[Song]]:
    """Makes songs with audio that an older model analysed."""
    recording = make_audio(tmp_path / "recording.ogg", 6)

    def make(n: int) -> list[Song]:
        songs = []
        for _ in range(n):
            song = EstimateFactory(model_version=OLD).song
            path = Path(settings.MEDIA_ROOT) / str(song.audio.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(recording.read_bytes())
            songs.append(song)
        return songs

    return make


def run_to_the_end(job: Reanalysis, limit: int = 50) -> None:
    """Take steps as messages would, without waiting."""
    for _ in range(limit):
        ReanalysisItem.objects.filter(state="waiting").update(due_at=timezone.now())
        reanalysis.reanalysis_step()
        if Reanalysis.objects.get(pk=job.pk).state != "running":
            return
    pytest.fail("The re-analysis does not come to an end.")


def versions() -> dict[str, int]:
    current = EmotionEstimate.objects.filter(is_current=True).values_list("model_version", flat=True)
    return {version: list(current).count(version) for version in set(current)}


def test_every_song_is_analysed_once_and_the_old_estimates_stay_stored(
    live: ModelVersion, make_songs: Callable[[int], list[Song]]
) -> None:
    make_songs(11)
    job = reanalysis.reanalysis_start(model_version="shipped-1")
    assert versions() == {OLD: 11}
    assert reanalysis.reanalysis_step() is True
    assert versions() == {OLD: 3, "shipped-1": 8}
    run_to_the_end(job)
    job.refresh_from_db()
    assert (job.state, job.n_done, job.n_failed, job.n_total) == ("done", 11, 0, 11)
    assert versions() == {"shipped-1": 11}
    assert EmotionEstimate.objects.filter(model_version=OLD, is_current=False).count() == 11
    assert set(job.items.values_list("attempts", flat=True)) == {1}
    # Done is done: the same message again changes nothing, and a new start finds nothing to do.
    assert reanalysis.reanalysis_step() is False
    again = reanalysis.reanalysis_start(model_version="shipped-1")
    assert again.items.count() == 0


def test_uploads_go_first(live: ModelVersion, make_songs: Callable[[int], list[Song]]) -> None:
    make_songs(2)
    reanalysis.reanalysis_start(model_version="shipped-1")
    waiting = SongFactory(state=Song.State.QUEUED)
    assert reanalysis.reanalysis_step() is False
    assert versions() == {OLD: 2}
    Song.objects.filter(pk=waiting.pk).delete()
    assert reanalysis.reanalysis_step() is True
    assert versions() == {"shipped-1": 2}


def test_a_song_that_cannot_be_analysed_keeps_its_estimate_and_says_why(
    live: ModelVersion, make_songs: Callable[[int], list[Song]]
) -> None:
    _, silent, gone = make_songs(3)
    make_audio(Path(silent.audio.path), codec="ogg", waveform=np.zeros((6 * 22_050, 1), np.float32))
    Path(gone.audio.path).unlink()
    job = reanalysis.reanalysis_start(model_version="shipped-1")
    run_to_the_end(job)
    progress = reanalysis_latest()
    assert progress is not None
    assert (progress.job.state, progress.done, progress.failed, progress.left) == ("done", 1, 2, 0)
    assert versions() == {"shipped-1": 1, OLD: 2}
    reasons = {item.song_id: item.failure_code for item in reanalysis_failures(job)}
    assert reasons.keys() == {silent.pk, gone.pk}
    assert reasons[silent.pk] == "silent"
    assert set(Song.objects.values_list("state", flat=True)) == {Song.State.ANALYSED}
    # A file may be away for a moment: it was tried three times; silence is for good.
    assert ReanalysisItem.objects.get(song=gone).attempts == 3
    assert ReanalysisItem.objects.get(song=silent).attempts == 1


def test_two_workers_share_the_songs(live: ModelVersion, make_songs: Callable[[int], list[Song]]) -> None:
    make_songs(12)
    reanalysis.reanalysis_start(model_version="shipped-1")
    mine, yours = REANALYSIS.claim(8), REANALYSIS.claim(8)
    assert (len(mine), len(yours)) == (8, 4)
    assert not {item.pk for item in mine} & {item.pk for item in yours}
    assert reanalysis.reanalysis_step() is False


def test_a_worker_that_lost_its_claim_stores_nothing(
    live: ModelVersion, make_songs: Callable[[int], list[Song]]
) -> None:
    make_songs(1)
    reanalysis.reanalysis_start(model_version="shipped-1")
    [slow] = REANALYSIS.claim(8)
    ReanalysisItem.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    [fast] = REANALYSIS.claim(8)
    predictor = analysis.predictor_get()
    [result] = predictor.predict([Path(slow.song.audio.path)])
    assert _result_store(slow, result, predictor) is False
    assert versions() == {OLD: 1}
    assert _result_store(fast, result, predictor) is True
    assert versions() == {"shipped-1": 1}


def test_songs_that_end_every_worker_are_given_up(live: ModelVersion, make_songs: Callable[[int], list[Song]]) -> None:
    make_songs(1)
    job = reanalysis.reanalysis_start(model_version="shipped-1")
    for _ in range(3):
        assert len(REANALYSIS.claim(8)) == 1
        ReanalysisItem.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert REANALYSIS.claim(8) == []
    assert reanalysis_failures(job)[0].failure_code == "worker_lost"


def test_pause_resume_and_cancel(
    live: ModelVersion,
    make_songs: Callable[[int], list[Song]],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    make_songs(9)
    job = reanalysis.reanalysis_start(model_version="shipped-1")
    reanalysis.reanalysis_step()
    reanalysis.reanalysis_pause(pk=job.pk)
    assert reanalysis.reanalysis_step() is False
    assert versions() == {"shipped-1": 8, OLD: 1}
    with pytest.raises(ReanalysisError, match="is paused; it cannot be paused"):
        reanalysis.reanalysis_pause(pk=job.pk)
    with django_capture_on_commit_callbacks() as sent:
        reanalysis.reanalysis_resume(pk=job.pk)
    assert len(sent) == 1
    reanalysis.reanalysis_cancel(pk=job.pk)
    job.refresh_from_db()
    assert (job.state, job.n_done, job.n_total) == ("cancelled", 8, 9)
    run_to_the_end(reanalysis.reanalysis_start(model_version="shipped-1"))
    assert versions() == {"shipped-1": 9}
    with pytest.raises(ReanalysisError, match="is cancelled; it cannot be resumed"):
        reanalysis.reanalysis_resume(pk=job.pk)


def test_work_whose_message_was_lost_is_woken_once(live: ModelVersion, make_songs: Callable[[int], list[Song]]) -> None:
    make_songs(1)
    job = reanalysis.reanalysis_start(model_version="shipped-1")
    claims.tick()
    claims.tick()
    assert waiting_tasks() == ["emotion.tasks.reanalysis_go_on"]
    run_to_the_end(job)
    assert versions() == {"shipped-1": 1}


def test_one_whose_last_worker_died_before_it_was_closed_is_closed(live: ModelVersion) -> None:
    job = reanalysis.reanalysis_start(model_version="shipped-1")
    assert job.state == "running"
    claims.tick()
    job.refresh_from_db()
    assert job.state == "done"


def test_another_live_model_ends_it(live: ModelVersion, make_songs: Callable[[int], list[Song]]) -> None:
    make_songs(1)
    reanalysis.reanalysis_start(model_version="shipped-1")
    with pytest.raises(ReanalysisError, match="Model other-1 is not live \\(shipped-1 is\\)"):
        reanalysis.reanalysis_start(model_version="other-1")
    Reanalysis.objects.update(model_version="other-1")
    assert reanalysis.reanalysis_step() is False
    assert Reanalysis.objects.get().state == "superseded"
    assert versions() == {OLD: 1}


def test_songs_that_an_old_worker_finishes_meanwhile_are_not_left_behind(
    live: ModelVersion, make_songs: Callable[[int], list[Song]]
) -> None:
    make_songs(1)
    job = reanalysis.reanalysis_start(model_version="shipped-1")
    make_songs(2)
    run_to_the_end(job)
    assert versions() == {"shipped-1": 3}


def test_a_disk_that_fails_for_a_moment_costs_no_song(
    live: ModelVersion, make_songs: Callable[[int], list[Song]], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_songs(2)
    job = reanalysis.reanalysis_start(model_version="shipped-1")
    predictor = analysis.predictor_get()
    with monkeypatch.context() as broken:
        broken.setattr(type(predictor), "predict", _input_output_error)
        with pytest.raises(OSError, match="Input/output"):
            reanalysis.reanalysis_step()
    assert set(job.items.values_list("state", flat=True)) == {"waiting"}
    run_to_the_end(job)
    assert versions() == {"shipped-1": 2}


def _input_output_error(*_: object, **__: object) -> None:
    raise OSError(5, "Input/output error")


def test_playlists_and_the_index_work_half_way_through(
    live: ModelVersion, make_songs: Callable[[int], list[Song]]
) -> None:
    songs = make_songs(12)
    reanalysis.reanalysis_start(model_version="shipped-1")
    assert prevailing_model_version() == OLD
    reanalysis.reanalysis_step()
    assert prevailing_model_version() == "shipped-1"
    state = rows_state()
    table = table_of(estimates_playable(), state.model_version, n_dimensions_of(state.model_version))
    index = SongIndex.build(table, state)
    assert (index.info.model_version, len(index)) == ("shipped-1", 12)
    heard = [song.pk for song in songs[:8]]
    # Embeddings of two models are never compared: only songs that the index's own model analysed can be alike.
    assert set(like_song(index, heard[0], 20).song_ids.tolist()) <= set(heard)
    assert like_song(index, songs[-1].pk, 20).song_ids.tolist() == []
    # Songs that sound the same and last equally long count as one recording.
    for n, song in enumerate(songs):
        Song.objects.filter(pk=song.pk).update(duration_s=60.0 + n)
    playlist = playlist_create(listener=Listener(user=UserFactory()), target=Target(0.0, 0.0), length=12)
    assert playlist.items.count() == 12


def test_the_command_starts_shows_and_stops(live: ModelVersion, make_songs: Callable[[int], list[Song]]) -> None:
    make_songs(1)

    def said(*arguments: str) -> str:
        out = StringIO()
        call_command("reanalyse", *arguments, stdout=out)
        return out.getvalue()

    assert said("--status") == "No re-analysis yet.\n"
    with pytest.raises(CommandError, match="No re-analysis yet; start one"):
        said("--pause")
    assert said().startswith("Re-analysis by shipped-1 is running: 0 of 1 songs")
    assert "is paused" in said("--pause")
    assert "is running" in said("--resume")
    assert "is cancelled" in said("--cancel")
    with pytest.raises(CommandError, match="it cannot be resumed"):
        said("--resume")


@pytest.mark.integration
@pytest.mark.django_db(transaction=True)
def test_it_survives_a_killed_worker_and_an_emptied_broker_and_uploads_pass_it(
    live: ModelVersion, make_songs: Callable[[int], list[Song]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOODPLANE_ENGINE", "torch")
    songs = make_songs(40)
    starter = WorkerStarter(tmp_path)
    starter.start()
    try:
        with_lock_go_live(live)
        job = Reanalysis.objects.get()
        wait_until(lambda: job.items.filter(state="done").exists(), "the first batch")
        starter.kill()
        left = job.items.exclude(state="done").count()
        assert left > 0, "the worker was done before it could be killed"
        with celery_app.connection_for_write() as broker:
            broker.default_channel.queue_purge("gpu")
        # A minute passes for the claims of the dead worker.
        ReanalysisItem.objects.filter(state="claimed").update(due_at=timezone.now() - timedelta(seconds=1))
        starter.start()
        claims.tick()
        wait_until(lambda: Reanalysis.objects.get().state == "done", "the end")
    finally:
        starter.stop()
    assert versions() == {"shipped-1": len(songs)}
    assert EmotionEstimate.objects.filter(model_version="shipped-1").count() == len(songs)


def with_lock_go_live(model: ModelVersion) -> None:
    with advisory_lock(Lock.LIVE_MODEL):
        model_go_live(model, kind=ModelEvent.Kind.PROMOTED, remember=False)


def wait_until(condition: Callable[[], bool], what: str, within_s: float = 240) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {within_s:.0f} s"
        time.sleep(0.02)
