"""Claims work of the model on one song, and finishes it: at most one worker holds a row, and only it may end it.

A worker that was killed leaves its claim behind, which runs out; the next claim begins again from what is stored.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Iterable
from typing import TypeVar

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_noop

from catalog.models import Song
from emotion.models import AttentionMap, Hearing, Reanalysis

MAX_ATTEMPTS = 3
# Renewed with every batch of the network, as the claims of songs are.
LEASE_S = 60.0
# After an error that is not the song's fault: a disk that is away, memory that ran out.
RETRY_S = 60.0
_LOST = gettext_noop("The work on this song was begun three times and never came to an end; see the worker's log.")

_State = Hearing.State
_Row = TypeVar("_Row", bound=Hearing)


def tagging_waits() -> bool:
    """Whether something more urgent than a curve waits for the model: songs, a re-analysis, or a person at a page."""
    return (
        Song.objects.filter(state=Song.State.QUEUED).exists()
        or Reanalysis.objects.filter(state=Reanalysis.State.RUNNING).exists()
        or AttentionMap.objects.filter(state=_State.WAITING, due_at__lte=timezone.now()).exists()
    )


def hearings_due(rows: QuerySet[_Row], model_version: str) -> QuerySet[_Row]:
    """Return the rows that somebody may claim now, those whose worker was lost included."""
    return rows.filter(state__in=Hearing.PENDING, model_version=model_version, due_at__lte=timezone.now())


def hearing_claim(rows: QuerySet[_Row], *, model_version: str, pk: int | None = None) -> _Row | None:
    """Claim one row that is due, the oldest first, or a certain one; rows that others hold are passed over."""
    due = hearings_due(rows, model_version)
    due = due if pk is None else due.filter(pk=pk)
    free = due.order_by("due_at", "pk").select_for_update(skip_locked=True, no_key=True)
    with transaction.atomic():
        while (row := free.first()) is not None and row.attempts >= MAX_ATTEMPTS:
            rows.filter(pk=row.pk).update(
                state=_State.FAILED, failure_code="worker_lost", failure_reason=_LOST, updated_at=timezone.now()
            )
        if row is None:
            return None
        row.claim = secrets.token_hex(8)
        rows.filter(pk=row.pk).update(
            state=_State.CLAIMED, claim=row.claim, attempts=F("attempts") + 1, due_at=in_(LEASE_S)
        )
    return rows.select_related("song").get(pk=row.pk)


def hearing_renew(row: Hearing) -> bool:
    """Hold a claim for longer; return whether it is still held."""
    return bool(_mine(row).update(due_at=in_(LEASE_S)))


def hearing_finish(row: Hearing, **found: object) -> bool:
    """Store what was found and end the work; return whether the claim was still held."""
    return bool(_mine(row).update(state=_State.DONE, claim="", updated_at=timezone.now(), **found))


def hearing_fail(row: Hearing, *, code: str, reason: str) -> bool:
    """Give a row up for good; return whether the claim was still held."""
    return bool(
        _mine(row).update(
            state=_State.FAILED, claim="", failure_code=code, failure_reason=reason, updated_at=timezone.now()
        )
    )


def hearing_put_back(row: Hearing, *, wait_s: float, **changes: object) -> bool:
    """Leave a row for later; return whether the claim was still held."""
    return bool(_mine(row).update(state=_State.WAITING, claim="", due_at=in_(wait_s), **changes))


def hearings_drop_of_others(rows: QuerySet[_Row], model_versions: Iterable[str]) -> int:
    """Delete what no worker will ever make, because its version no longer serves; what is made stays."""
    gone = rows.filter(Q(state__in=Hearing.PENDING) & ~Q(model_version__in=list(model_versions)))
    return gone.delete()[0]


def _mine(row: _Row) -> QuerySet[_Row]:
    rows: QuerySet[_Row] = type(row)._default_manager.all()
    return rows.filter(pk=row.pk, state=_State.CLAIMED, claim=row.claim)


def in_(seconds: float) -> dt.datetime:
    """Return the moment that lies some seconds ahead."""
    return timezone.now() + dt.timedelta(seconds=seconds)
