"""Claims background work: each job is a row, at most one worker holds it, and only that worker may finish it.

Messages only wake workers: a message names a kind of job and no row, and at most one per kind waits in its queue. A
killed worker leaves an expiring claim, a lost message leaves a waiting row; `tick` finds both.
"""

import json
import logging
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Generic, TypeVar

from celery import current_app
from django.db import InterfaceError, OperationalError, connection, models, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy, gettext_noop

logger = logging.getLogger(__name__)

WORKER_LOST = "worker_lost"
# Of a longer queue only the newest messages are read: one message too many is harmless.
_MESSAGES_READ = 1000


class JobState(models.TextChoices):
    WAITING = "waiting", gettext_lazy("Waiting")
    CLAIMED = "claimed", gettext_lazy("Claimed")
    DONE = "done", gettext_lazy("Done")
    FAILED = "failed", gettext_lazy("Failed")


class Job(models.Model):
    """A row that one worker at a time works on; a model with other names for the states overrides these constants."""

    WAITING: ClassVar[str] = JobState.WAITING
    CLAIMED: ClassVar[str] = JobState.CLAIMED
    DONE: ClassVar[str] = JobState.DONE
    FAILED: ClassVar[str] = JobState.FAILED
    LEASE_S: ClassVar[float] = 60.0
    # After an error that is not the job's fault, such as a missing disk or too little memory.
    RETRY_S: ClassVar[float] = 60.0
    MAX_ATTEMPTS: ClassVar[int] = 3
    # Stored untranslated, and translated when shown.
    LOST: ClassVar[str] = gettext_noop(
        "The work on this song was started three times and never finished; see the worker's log."
    )

    state = models.CharField(max_length=10, choices=JobState.choices, default=JobState.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Begun since it was queued.")
    claim = models.CharField(
        max_length=16, blank=True, db_default="", help_text="Only the worker that knows it may finish the job."
    )
    due_at = models.DateTimeField(
        db_default=Now(), help_text="Waiting: when it may be claimed. Claimed: when the claim runs out."
    )
    failure_code = models.CharField(max_length=40, blank=True)
    failure_reason = models.TextField(blank=True, help_text="A sentence that a curator understands.")
    state_changed_at = models.DateTimeField(db_default=Now())

    class Meta:
        abstract = True

    @property
    def is_lost(self) -> bool:
        """Whether its claim has expired."""
        return self.state == self.CLAIMED and self.due_at < timezone.now()


J = TypeVar("J", bound=Job)


def due(rows: QuerySet[J]) -> QuerySet[J]:
    """Return the rows that may be claimed now."""
    return rows.filter(state=rows.model.WAITING, due_at__lte=Now())


def pending(rows: QuerySet[J]) -> QuerySet[J]:
    """Return the rows that are not finished."""
    return rows.filter(state__in=(rows.model.WAITING, rows.model.CLAIMED))


def claim(rows: QuerySet[J], limit: int = 1) -> list[J]:
    """Claim due rows, the oldest first, including those of lost workers; skip rows that others lock.

    `rows` is not filtered by state, because it is read again after the claim. Return the claimed rows by id.
    """
    reap(rows)
    with transaction.atomic():
        ids = _locked(due(rows).order_by("due_at", "pk"), limit)
        changes = {"claim": secrets.token_hex(8), "attempts": F("attempts") + 1, "due_at": _in(rows.model.LEASE_S)}
        _move(rows.model._default_manager.filter(pk__in=ids), rows.model.CLAIMED, **changes)
    return list(rows.filter(pk__in=ids).order_by("pk")) if ids else []


def renew(*jobs: J) -> int:
    """Extend the claims of one batch; return how many are still held."""
    if not jobs:
        return 0
    first = jobs[0]
    held = type(first)._default_manager.filter(state=first.CLAIMED, claim=first.claim)
    return held.filter(pk__in=[job.pk for job in jobs]).update(due_at=_in(first.LEASE_S))


def finish(job: Job, *, state: str = "", **results: object) -> bool:
    """Store results and end the job, as done or in another final state; return whether the claim was still held."""
    return _move(_held(job), state or job.DONE, **results)


def fail(job: Job, *, code: str = WORKER_LOST, reason: str = "", is_transient: bool = False) -> bool:
    """Fail a job, or retry it later after a transient error; return whether the claim was still held.

    `code` is stable, for programs; `reason` is a sentence for a curator, by default `LOST`.
    """
    if is_transient and job.attempts < job.MAX_ATTEMPTS:
        return release(job, wait_s=job.RETRY_S)
    return _move(_held(job), job.FAILED, failure_code=code, failure_reason=reason or job.LOST)


def release(job: Job, *, wait_s: float = 0.0, **changes: object) -> bool:
    """Leave a job for later; return whether the claim was still held."""
    return _move(_held(job), job.WAITING, due_at=_in(wait_s), **changes)


def reap(rows: QuerySet[J]) -> int:
    """Requeue jobs whose claim expired, and fail those without attempts left; return how many."""
    model = rows.model
    with transaction.atomic():
        ids = _locked(rows.filter(state=model.CLAIMED, due_at__lte=Now()).order_by("pk"))
        if ids:
            lost = model._default_manager.filter(pk__in=ids)
            exhausted = lost.filter(attempts__gte=model.MAX_ATTEMPTS)
            _move(exhausted, model.FAILED, failure_code=WORKER_LOST, failure_reason=model.LOST)
            _move(lost.filter(state=model.CLAIMED), model.WAITING, due_at=Now())
            logger.warning("%d claims on %s expired.", len(ids), model._meta.verbose_name_plural)
    return len(ids)


def reset(rows: QuerySet[J], state: str = "") -> list[int]:
    """Restart rows as waiting or in another state; return their ids.

    Of two callers at once the second waits, and finds only the rows that the first leaves.
    """
    with transaction.atomic():
        ids = list(rows.order_by("pk").select_for_update(of=("self",), no_key=True).values_list("pk", flat=True))
        fresh = {"attempts": 0, "failure_code": "", "failure_reason": "", "due_at": Now()}
        _move(rows.model._default_manager.filter(pk__in=ids), state or rows.model.WAITING, **fresh)
    return ids


@contextmanager
def released_on_error(jobs: Sequence[Job]) -> Iterator[None]:
    """Release the unfinished jobs if the block raises, as after a transient error."""
    try:
        yield
    except Exception:
        for job in jobs:
            fail(job, is_transient=True)
        raise


@contextmanager
def renewed(job: Job, every_s: float = 5.0) -> Iterator[None]:
    """Renew a claim from a thread while the block runs."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(every_s):
            try:
                renew(job)
            except (OperationalError, InterfaceError) as error:
                logger.warning("Could not renew the claim on %s: %s", job, error)
                connection.close()
        connection.close()

    thread = threading.Thread(target=beat, name="claim-renewal", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _held(job: J) -> QuerySet[J]:
    return type(job)._default_manager.filter(pk=job.pk, state=job.CLAIMED, claim=job.claim)


def _move(rows: QuerySet[Any], state: str, **changes: object) -> bool:
    return bool(rows.update(**{"state": state, "claim": "", "state_changed_at": Now(), **changes}))


def _locked(rows: QuerySet[J], limit: int | None = None) -> list[int]:
    # The NO KEY lock does not wait for transactions that store ratings or playlist items of a song.
    free = rows.select_for_update(of=("self",), skip_locked=True, no_key=True)
    return list(free.values_list("pk", flat=True)[:limit])


def _in(seconds: float) -> Any:
    # By the database's clock, because those of the workers may differ.
    return Now() + timedelta(seconds=seconds)


@dataclass(frozen=True, slots=True)
class Kind(Generic[J]):
    """A kind of background work.

    Attributes:
        name: Unique.
        model: The model of the jobs.
        task: Name of the Celery task that takes one step; its route decides the queue.
        rows: Returns the jobs that may be claimed, in any state; none while more urgent work waits.
        step: Claims due jobs and works on them.
        prepare: Called by each tick: adds rows for new work and ends obsolete ones.
    """

    name: str
    model: type[J]
    task: str
    rows: Callable[[], QuerySet[J]]
    step: Callable[[], object]
    prepare: Callable[[], object] = lambda: None

    def claim(self, limit: int = 1, **which: object) -> list[J]:
        """Claim due jobs; if there may be more, wake another worker before this one begins."""
        jobs = claim(self.rows().filter(**which), limit)
        if len(jobs) == limit:
            self.wake()
        return jobs

    def wake(self) -> None:
        """Send a message that wakes a worker, unless one waits already."""
        queue = current_app.amqp.router.route({}, self.task)["queue"].name
        with current_app.connection_for_write() as broker:
            waiting = broker.default_channel.client.lrange(queue, 0, _MESSAGES_READ - 1)
        if self.task not in {json.loads(message)["headers"].get("task") for message in waiting}:
            current_app.send_task(self.task)

    def wake_on_commit(self) -> None:
        """Wake a worker after the commit; a missing broker is logged, and the tick tries again."""
        transaction.on_commit(self.wake, robust=True)


_kinds: dict[str, Kind[Any]] = {}


def register(kind: Kind[J]) -> Kind[J]:
    """Register a kind for the tick; the first ones registered are woken first."""
    _kinds[kind.name] = kind
    return kind


def kinds() -> list[Kind[Any]]:
    """Return all kinds of job."""
    return list(_kinds.values())


def run(name: str) -> None:
    """Take one step of a kind, then wake every kind that is due."""
    _kinds[name].step()
    _wake_due()


def tick() -> None:
    """Find lost work: expired claims, and rows that wait while no message does."""
    for kind in kinds():
        try:
            kind.prepare()
            reap(kind.model._default_manager.all())
        except Exception:
            # One failing kind must not stop the others.
            logger.exception("The tick of %s failed.", kind.name)
    _wake_due()


def _wake_due() -> None:
    for kind in kinds():
        if due(kind.rows()).exists():
            kind.wake()
