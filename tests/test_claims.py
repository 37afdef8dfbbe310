"""The contract of claimed work, for every kind of job: one holder, one end, nothing lost to a worker or a broker."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.db import connections
from django.utils import timezone

from catalog.core import claims
from catalog.core.claims import Job, Kind
from catalog.models import Song
from emotion.measures import VERSION
from emotion.models import (
    EmotionCurve,
    Reanalysis,
    ReanalysisItem,
    SaliencyMap,
    SoundPrint,
    TagWriting,
    Waveform,
    Webhook,
    WebhookDelivery,
)
from emotion.selectors import served_version
from mer_site.celery import app as celery_app
from recommender.models import Scrobble, ScrobbleAccount
from tests.conftest import ROOT, process_environment
from tests.factories import EstimateFactory, ListenFactory, SongFactory, UserFactory
from tests.messages import lose_messages, waiting_tasks
from training.models import Retraining


def analysed_song() -> Song:
    song: Song = EstimateFactory(model_version=served_version()).song
    return song


def reanalysis_item() -> ReanalysisItem:
    running = Reanalysis.objects.create(model_version=served_version())
    return ReanalysisItem.objects.create(reanalysis=running, song=EstimateFactory(model_version="older").song)


def scrobble() -> Scrobble:
    account = ScrobbleAccount.objects.create(listener=UserFactory(), service="listenbrainz", url="https://x.example")
    return Scrobble.objects.create(account=account, listen=ListenFactory(listener=account.listener))


# A waiting row of each kind.
MAKERS: dict[str, Callable[[], Job]] = {
    "songs": lambda: SongFactory(state=Song.State.QUEUED),
    "saliency": lambda: SaliencyMap.objects.create(song=analysed_song(), model_version=served_version()),
    "curves": lambda: EmotionCurve.objects.create(song=analysed_song(), model_version=served_version(), hop_s=4),
    "waveforms": lambda: Waveform.objects.create(song=SongFactory(), measures_version=VERSION),
    "sounds": lambda: SoundPrint.objects.create(song=SongFactory()),
    "tags": lambda: TagWriting.objects.create(song=SongFactory()),
    "webhooks": lambda: WebhookDelivery.objects.create(
        webhook=Webhook.objects.create(url="https://x.example"), song=SongFactory()
    ),
    "reanalysis": reanalysis_item,
    "scrobbles": scrobble,
    "retrainings": lambda: Retraining.objects.create(recipe="refit"),
}

pytestmark = pytest.mark.django_db
each_kind = pytest.mark.parametrize("kind", claims.kinds(), ids=lambda kind: kind.name)


def make(kind: Kind[Any]) -> Job:
    return MAKERS[kind.name]()


def queue_of(kind: Kind[Any]) -> str:
    return str(celery_app.amqp.router.route({}, kind.task)["queue"].name)


def claimed(kind: Kind[Any]) -> Any:
    [job] = kind.claim()
    return job


def stored(job: Job) -> Any:
    return type(job)._default_manager.get(pk=job.pk)


def pass_time(job: Job, seconds: float) -> None:
    """Let a row's event that is due in so many seconds happen now."""
    row = stored(job)
    back = timedelta(seconds=seconds)
    type(job)._default_manager.filter(pk=job.pk).update(
        due_at=row.due_at - back, state_changed_at=row.state_changed_at - back
    )


def test_every_kind_is_under_contract() -> None:
    assert {kind.name for kind in claims.kinds()} == MAKERS.keys()
    assert {kind.model for kind in claims.kinds()} == {each for each in apps.get_models() if issubclass(each, Job)}
    celery_app.loader.import_default_modules()
    assert {kind.task for kind in claims.kinds()} <= set(celery_app.tasks)


def test_every_process_knows_every_kind() -> None:
    # A kind that only a page's module registers is unknown to workers and to the tick.
    script = "import django; django.setup(); from catalog.core import claims; print(*(k.name for k in claims.kinds()))"
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=process_environment(), capture_output=True, text=True, check=True
    )
    assert set(result.stdout.split()) == MAKERS.keys()


# --- One holder ---------------------------------------------------------------------------------------------------


@each_kind
@pytest.mark.django_db(transaction=True)
def test_of_many_connections_one_gets_the_claim(kind: Kind[Any]) -> None:
    job = make(kind)
    barrier = threading.Barrier(4)
    got: list[int] = []

    def work() -> None:
        try:
            barrier.wait(10)
            got.extend(job.pk for job in kind.claim())
        finally:
            connections.close_all()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert got == [job.pk]
    assert stored(job).attempts == 1


@each_kind
def test_only_the_holder_finishes_and_only_once(kind: Kind[Any]) -> None:
    make(kind)
    slow = claimed(kind)
    assert slow.state == kind.model.CLAIMED
    kind.model._default_manager.update(state=kind.model.WAITING, claim="", attempts=0, due_at=timezone.now())
    fast = claimed(kind)
    before = kind.model._default_manager.values().get()
    assert not claims.finish(slow)
    assert not claims.fail(slow, code="x", reason="No.")
    assert not claims.fail(slow, is_transient=True)
    assert not claims.release(slow)
    assert claims.renew(slow) == 0
    assert kind.model._default_manager.values().get() == before
    assert claims.finish(fast)
    assert stored(fast).state == kind.model.DONE
    assert not claims.finish(fast)
    assert not claims.fail(fast, code="x", reason="No.")
    assert stored(fast).state == kind.model.DONE


@each_kind
def test_a_row_that_is_not_due_is_not_claimed(kind: Kind[Any]) -> None:
    job = make(kind)
    pass_time(job, -60)
    assert kind.claim() == []
    pass_time(job, 61)
    assert claimed(kind).pk == job.pk
    assert kind.claim() == []


@each_kind
def test_a_renewed_claim_holds_for_another_lease(kind: Kind[Any]) -> None:
    make(kind)
    job = claimed(kind)
    pass_time(job, job.LEASE_S - 1)
    assert claims.renew(job) == 1
    assert stored(job).due_at - timezone.now() == pytest.approx(
        timedelta(seconds=job.LEASE_S), abs=timedelta(seconds=5)
    )
    claims.reap(kind.model._default_manager.all())
    assert stored(job).state == kind.model.CLAIMED


@each_kind
def test_work_that_is_put_off_waits_again_and_keeps_what_it_has(kind: Kind[Any]) -> None:
    make(kind)
    job = claimed(kind)
    assert claims.release(job, attempts=0)
    assert (stored(job).state, stored(job).attempts, stored(job).claim) == (kind.model.WAITING, 0, "")
    assert claimed(kind).attempts == 1


# --- Lost and failed ----------------------------------------------------------------------------------------------


@each_kind
def test_a_claim_that_runs_out_is_given_to_another_until_the_attempts_are_used_up(kind: Kind[Any]) -> None:
    row = make(kind)
    for attempt in range(1, kind.model.MAX_ATTEMPTS + 1):
        job = claimed(kind)
        assert (job.attempts, job.is_lost) == (attempt, False)
        pass_time(job, job.LEASE_S + 1)
        assert stored(job).is_lost
    assert kind.claim() == []
    row = stored(row)
    assert (row.state, row.failure_code, row.failure_reason) == (kind.model.FAILED, "worker_lost", kind.model.LOST)
    assert row.failure_reason.endswith(".")


@each_kind
def test_a_transient_error_leaves_it_for_later_until_the_attempts_are_used_up(kind: Kind[Any]) -> None:
    row = make(kind)
    for _ in range(kind.model.MAX_ATTEMPTS - 1):
        assert claims.fail(claimed(kind), code="away", reason="The disk is away.", is_transient=True)
        assert stored(row).state == kind.model.WAITING
        assert kind.claim() == []
        pass_time(row, kind.model.RETRY_S + 1)
    assert claims.fail(claimed(kind), code="away", reason="The disk is away.", is_transient=True)
    row = stored(row)
    assert (row.state, row.failure_code, row.failure_reason) == (kind.model.FAILED, "away", "The disk is away.")


@each_kind
def test_a_permanent_fault_fails_at_once(kind: Kind[Any]) -> None:
    row = make(kind)
    assert claims.fail(claimed(kind), code="silent", reason="There is only silence in it.")
    assert stored(row).state == kind.model.FAILED
    pass_time(row, 10_000)
    assert kind.claim() == []
    assert claims.reset(kind.model._default_manager.filter(pk=row.pk)) == [row.pk]
    again = claimed(kind)
    assert (again.attempts, again.failure_code, again.failure_reason) == (1, "", "")


_KILLED = """
import sys, time, django
django.setup()
from catalog.core import claims
[kind] = [kind for kind in claims.kinds() if kind.name == sys.argv[1]]
print("claimed", [job.pk for job in kind.claim()], flush=True)
time.sleep(600)
"""


@each_kind
@pytest.mark.integration
@pytest.mark.django_db(transaction=True)
def test_the_work_of_a_killed_worker_is_finished_by_another_exactly_once(kind: Kind[Any]) -> None:
    row = make(kind)
    worker = subprocess.Popen(
        [sys.executable, "-c", _KILLED, kind.name],
        cwd=ROOT,
        env=process_environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == f"claimed [{row.pk}]\n"
    worker.kill()
    worker.communicate()
    assert worker.returncode == -signal.SIGKILL
    assert (stored(row).state, stored(row).attempts) == (kind.model.CLAIMED, 1)
    assert kind.claim() == [], "its claim still holds"

    pass_time(row, kind.model.LEASE_S + 1)
    lose_messages()
    claims.tick()
    if kind.model.MAX_ATTEMPTS == 1:
        assert (stored(row).state, stored(row).failure_reason) == (kind.model.FAILED, kind.model.LOST)
        return
    assert stored(row).state == kind.model.WAITING
    assert waiting_tasks(queue_of(kind)).count(kind.task) == 1
    job = claimed(kind)
    assert (job.pk, job.attempts) == (row.pk, 2)
    assert claims.finish(job)
    assert kind.claim() == []
    assert stored(row).state == kind.model.DONE


# --- Messages -----------------------------------------------------------------------------------------------------


@each_kind
def test_a_broker_that_lost_its_messages_is_made_good_by_the_next_tick_however_long_a_row_has_waited(
    kind: Kind[Any],
) -> None:
    row = make(kind)
    kind.wake()
    assert waiting_tasks(queue_of(kind)).count(kind.task) == 1
    for waited_s in (0, 3600, 86_400):
        pass_time(row, waited_s)
        lose_messages()
        claims.tick()
        assert waiting_tasks(queue_of(kind)).count(kind.task) == 1, f"after {waited_s} s"
    assert claimed(kind).pk == row.pk


def test_the_tick_comes_often_enough_to_find_lost_work_within_two_minutes() -> None:
    [entry] = [each for each in django_settings.CELERY_BEAT_SCHEDULE.values() if each["task"] == "catalog.tick"]
    longest_lease_s = max(kind.model.LEASE_S for kind in claims.kinds())
    assert longest_lease_s + entry["schedule"] <= 120


@each_kind
def test_at_most_one_message_of_a_kind_waits(kind: Kind[Any]) -> None:
    make(kind)
    for _ in range(5):
        claims.tick()
        kind.wake()
    assert waiting_tasks(queue_of(kind)).count(kind.task) == 1


@each_kind
def test_nothing_to_do_is_no_message(kind: Kind[Any]) -> None:
    claims.tick()
    assert waiting_tasks(queue_of(kind)).count(kind.task) == 0
    make(kind)
    claims.finish(claimed(kind))
    lose_messages()
    claims.tick()
    assert waiting_tasks(queue_of(kind)).count(kind.task) == 0


def test_a_full_batch_wakes_the_next_worker_before_it_begins() -> None:
    [songs] = [kind for kind in claims.kinds() if kind.name == "songs"]
    SongFactory.create_batch(3, state=Song.State.QUEUED)
    assert len(songs.claim(2)) == 2
    assert waiting_tasks().count(songs.task) == 1
    lose_messages()
    assert len(songs.claim(2)) == 1
    assert waiting_tasks().count(songs.task) == 0


def test_a_kind_whose_tick_fails_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise OSError("no room")

    broken = Kind("broken", Song, "broken", Song.objects.none, fails, prepare=fails)
    monkeypatch.setattr(claims, "_kinds", {"broken": broken, **claims._kinds})
    row = SongFactory(state=Song.State.ANALYSING, attempts=1, due_at=timezone.now())
    claims.tick()
    assert stored(row).state == Song.State.QUEUED
    assert waiting_tasks().count("emotion.tasks.analyse_songs") == 1


@pytest.mark.parametrize(
    "task",
    [
        "emotion.tasks.songs_reconcile_task",
        "emotion.tasks.reanalysis_tick_task",
        "emotion.tasks.curves_tick_task",
        "emotion.tasks.attention_tick_task",
        "training.tasks.retraining_tick",
    ],
)
def test_messages_of_the_release_before_are_still_understood(task: str) -> None:
    SongFactory(state=Song.State.QUEUED)
    celery_app.loader.import_default_modules()
    celery_app.tasks[task]()
    assert waiting_tasks().count("emotion.tasks.analyse_songs") == 1
