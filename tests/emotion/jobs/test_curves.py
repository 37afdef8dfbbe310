"""Curves in the background: made once, after the tags, whatever happens to the worker."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from catalog.core import claims
from catalog.models import Song
from emotion import selectors, tasks
from emotion.jobs import curves
from emotion.jobs.curves import CURVES
from emotion.models import EmotionCurve, EmotionEstimate, Reanalysis, SaliencyMap, Waveform
from emotion.services import analysis
from tests.audio_fixtures import make_audio
from tests.factories import EstimateFactory, SongFactory
from tests.messages import lose_messages, waiting_tasks

pytestmark = pytest.mark.django_db
VERSION = "small-1"
State = EmotionCurve.State


def tagged_song(settings: Settings, seconds: float = 40, seed: int = 1, **fields: Any) -> Song:
    song = EstimateFactory(song__duration_s=seconds, model_version=VERSION, **fields).song
    make_audio(Path(settings.MEDIA_ROOT) / str(song.audio.name), seconds, codec="ogg", seed=seed, channels=1)
    return song


def queued_curve(settings: Settings, seconds: float = 40, seed: int = 1) -> EmotionCurve:
    song = tagged_song(settings, seconds, seed)
    curves.curves_queue(song_ids=[song.pk])
    return EmotionCurve.objects.get(song=song)


def stale() -> None:
    """Let every claim run out."""
    EmotionCurve.objects.update(due_at=timezone.now() - timedelta(seconds=1))


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch, small_model: Path) -> list[int]:
    """How many windows each batch had that the network was asked about."""
    sizes: list[int] = []
    predictor = analysis.predictor_get()
    judge = predictor.judge

    def counted(images: Any) -> Any:
        sizes.append(len(images))
        return judge(images)

    monkeypatch.setattr(predictor, "judge", counted)
    return sizes


# --- Made once ----------------------------------------------------------------------------------------------------


def test_a_step_makes_a_curve_and_a_second_message_finds_nothing(settings: Settings, computed: list[int]) -> None:
    curve = queued_curve(settings, seconds=40)
    assert curve.state == State.WAITING
    tasks.curves_go_on()
    curve.refresh_from_db()
    assert curve.state == State.DONE
    assert curve.points.shape == (5, 6)
    assert curve.points[:, 2:].sum(axis=1) == pytest.approx(np.ones(5), abs=1e-5)
    assert (curve.hop_s, curve.window_s, curve.model_version) == (4.0, 24.0, VERSION)
    tasks.curves_go_on()
    assert sum(computed) == 5


def test_queueing_twice_makes_one_row(settings: Settings, small_model: Path) -> None:
    song = tagged_song(settings)
    assert curves.curves_queue(song_ids=[song.pk]) == 1
    assert curves.curves_queue(song_ids=[song.pk]) == 0
    assert EmotionCurve.objects.count() == 1


def test_songs_that_are_not_tagged_get_no_row(small_model: Path) -> None:
    song = SongFactory(state=Song.State.FAILED)
    assert curves.curves_queue(song_ids=[song.pk]) == 0


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_make_it_once(settings: Settings, computed: list[int]) -> None:
    queued_curve(settings, seconds=40)
    start = threading.Barrier(2)

    def work() -> None:
        try:
            start.wait()
            curves.curve_step()
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert EmotionCurve.objects.get().state == State.DONE
    assert sum(computed) == 5


def test_a_worker_that_lost_its_claim_stores_nothing(settings: Settings, small_model: Path) -> None:
    queued_curve(settings)
    [slow] = CURVES.claim()
    stale()
    curves.curve_step()
    made = EmotionCurve.objects.get()
    assert not claims.finish(slow, points_bytes=b"")
    assert not claims.renew(slow)
    assert not claims.fail(slow, code="x", reason="y")
    after = EmotionCurve.objects.get()
    assert (after.state, bytes(after.points_bytes)) == (State.DONE, bytes(made.points_bytes))


# --- After the tags -----------------------------------------------------------------------------------------------


def test_tagging_announces_the_curve(settings: Settings, small_model: Path) -> None:
    song = SongFactory(state=Song.State.QUEUED, duration_s=6)
    make_audio(Path(settings.MEDIA_ROOT) / str(song.audio.name), 6, codec="ogg")
    analysis.songs_analyse()
    assert EmotionCurve.objects.get(song=song).state == State.WAITING
    assert len(waiting_tasks()) == 1
    tasks.curves_go_on()
    curve = EmotionCurve.objects.get(song=song)
    assert curve.points.shape == (1, 6)
    assert curve.window_s == pytest.approx(6, abs=0.05)
    estimate = EmotionEstimate.objects.get(song=song)
    assert curve.points[0] == pytest.approx([estimate.valence, estimate.arousal, *estimate.probabilities], abs=1e-3)


def test_a_curve_waits_while_a_song_waits(settings: Settings, computed: list[int]) -> None:
    queued_curve(settings)
    waiting = SongFactory(state=Song.State.QUEUED)
    assert curves.curve_step() is False
    assert computed == []
    waiting.delete()
    assert curves.curve_step() is True
    assert EmotionCurve.objects.get().state == State.DONE


def test_a_curve_waits_for_a_reanalysis_and_for_a_person_at_a_page(settings: Settings, computed: list[int]) -> None:
    song = queued_curve(settings).song
    job = Reanalysis.objects.create(model_version=VERSION)
    assert curves.curve_step() is False
    job.delete()
    asked = SaliencyMap.objects.create(song=song, model_version=VERSION)
    assert curves.curve_step() is False
    asked.delete()
    assert curves.curve_step() is True


def test_a_song_that_arrives_midway_waits_for_one_batch_and_no_window_is_judged_twice(
    settings: Settings, computed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    queued_curve(settings, seconds=100)
    whole = 20
    real, asked = selectors.analysis_waits, 0

    def song_arrives() -> bool:
        nonlocal asked
        asked += 1
        if asked == 2:
            SongFactory(state=Song.State.QUEUED)
        return real()

    monkeypatch.setattr(curves, "analysis_waits", song_arrives)
    assert curves.curve_step() is False
    curve = EmotionCurve.objects.get()
    assert computed == [8]
    assert (curve.state, len(curve.points), curve.attempts) == (State.WAITING, 8, 0)
    Song.objects.filter(state=Song.State.QUEUED).delete()
    assert curves.curve_step() is True
    curve.refresh_from_db()
    assert (curve.state, len(curve.points)) == (State.DONE, whole)
    assert sum(computed) == whole


# --- What can go wrong --------------------------------------------------------------------------------------------


def test_a_killed_worker_costs_one_attempt_and_the_third_is_the_last(settings: Settings, small_model: Path) -> None:
    queued_curve(settings)
    for _ in range(3):
        assert len(CURVES.claim()) == 1
        # Nobody else gets it while the claim holds.
        assert curves.curve_step() is False
        stale()
    assert curves.curve_step() is False
    curve = EmotionCurve.objects.get()
    assert (curve.state, curve.failure_code) == (State.FAILED, "worker_lost")
    assert "started three times" in curve.failure_reason


def test_a_file_that_is_no_audio_fails_with_a_sentence_and_the_next_curve_is_made(
    settings: Settings, small_model: Path
) -> None:
    bad, good = queued_curve(settings), queued_curve(settings, seed=2)
    Path(bad.song.audio.path).write_bytes(b"nonsense")
    assert curves.curve_step() is True
    assert curves.curve_step() is True
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.state, bad.failure_code) == (State.FAILED, "not_decodable")
    assert bad.failure_reason.startswith("The audio could not be decoded")
    assert good.state == State.DONE


def test_a_missing_file_is_tried_again_later(settings: Settings, small_model: Path) -> None:
    curve = queued_curve(settings)
    path = Path(curve.song.audio.path)
    aside = path.rename(path.with_suffix(".away"))
    curves.curve_step()
    curve.refresh_from_db()
    assert curve.state == State.WAITING
    assert curve.due_at > timezone.now()
    aside.rename(path)
    stale()
    curves.curve_step()
    curve.refresh_from_db()
    assert curve.state == State.DONE


def test_an_error_of_the_machine_puts_it_back_and_is_raised(
    settings: Settings, small_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued_curve(settings)

    def no_memory(images: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(analysis.predictor_get(), "judge", no_memory)
    with pytest.raises(MemoryError):
        curves.curve_step()
    assert EmotionCurve.objects.get().state == State.WAITING


# --- The tick -----------------------------------------------------------------------------------------------------


def test_the_tick_takes_in_songs_from_before_there_were_curves(settings: Settings, small_model: Path) -> None:
    song = tagged_song(settings)
    claims.tick()
    assert EmotionCurve.objects.get().song == song
    assert len(waiting_tasks()) == 1
    claims.tick()
    assert EmotionCurve.objects.count() == 1


def test_the_tick_starts_nothing_that_is_at_work_or_that_makes_way(settings: Settings, small_model: Path) -> None:
    queued_curve(settings)
    assert len(CURVES.claim()) == 1
    lose_messages()
    claims.tick()
    assert waiting_tasks() == []
    # The worker died.
    stale()
    waiting = SongFactory(state=Song.State.QUEUED)
    claims.tick()
    assert waiting_tasks() == ["emotion.tasks.analyse_songs"]
    waiting.delete()
    claims.tick()
    assert waiting_tasks() == ["emotion.tasks.analyse_songs", "emotion.tasks.curves_go_on"]


def test_a_tick_sends_a_message_and_a_step_sends_the_next(settings: Settings, small_model: Path) -> None:
    queued_curve(settings)
    queued_curve(settings, seed=2)
    Waveform.objects.bulk_create(Waveform(song=song, state="done") for song in Song.objects.all())
    claims.tick()
    for left in (1, 0):
        assert waiting_tasks() == ["emotion.tasks.curves_go_on"]
        lose_messages()
        tasks.curves_go_on()
        assert EmotionCurve.objects.filter(state=State.WAITING).count() == left
    # The message that the claim of the last one sent finds nothing, and is the last.
    lose_messages()
    tasks.curves_go_on()
    assert waiting_tasks() == []


def test_a_new_model_makes_new_curves_and_drops_what_the_old_one_left_undone(
    settings: Settings, small_model: Path
) -> None:
    settings.MOODPLANE_WEIGHTS = small_model
    done = tagged_song(settings)
    old = EmotionCurve.objects.create(song=done, model_version="old", hop_s=4, state=State.DONE)
    EmotionCurve.objects.create(song=tagged_song(settings, seed=2), model_version="old", hop_s=4)
    curves.curves_prepare()
    assert set(EmotionCurve.objects.values_list("model_version", "state")) == {
        ("old", State.DONE),
        (VERSION, State.WAITING),
    }
    assert EmotionCurve.objects.filter(model_version=VERSION).count() == 2
    # A rollback finds what it had.
    assert EmotionCurve.objects.get(pk=old.pk).state == State.DONE
