"""Learns from what people here say that songs express, beside the labelled data sets. Felt ratings are never read.

A retraining ends in a model of the registry that was held against the gate; a person decides whether it goes live.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, InterfaceError, OperationalError, connection, transaction
from django.db.models import Value
from django.db.models.functions import Concat
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from emotion.models import ModelVersion
from emotion.selectors import served_model
from training.exceptions import RetrainBusy, RetrainRefused, TrainingError
from training.models import Retraining
from training.recipes.registry import (
    DEFAULT_RECIPE,
    RECIPES,
    Recipe,
    RetrainJob,
)
from training.registry.local_labels import OwnLabels, own_labels
from training.registry.promotion import gate_check
from training.registry.services import model_import_run, shipped_register
from training.selectors import RETRAINING_ALIVE_S, retraining_is_lost

logger = logging.getLogger(__name__)

# Beside the data sets, fewer songs than this cannot move a head that thousands of clips have fitted.
MIN_OWN_SONGS = 20
# Without the data sets, a quadrant that almost nobody named would be forgotten.
MIN_OWN_SONGS_PER_QUADRANT = 15
BEAT_S = 5.0
RESEND_S = 60.0

_State = Retraining.State
_LOST = (
    f"Its process was not heard of for {RETRAINING_ALIVE_S} s and ended without a word: it was killed, ran out of "
    "memory, or the machine stopped. See the worker's log; then start it again."
)


def retraining_request(*, user: User | None = None, recipe: str = DEFAULT_RECIPE, queue: bool = True) -> Retraining:
    """Ask for a retraining; a worker of the analysis queue takes it, or with `queue` off whoever asked runs it.

    Raises:
        RetrainBusy: one is under way.
        RetrainRefused: there is no such recipe.
    """
    from training import tasks

    if recipe not in RECIPES:
        raise RetrainRefused(
            _("There is no recipe “%(recipe)s”; choose one of %(recipes)s.")
            % {"recipe": recipe, "recipes": ", ".join(RECIPES)}
        )
    retraining_reap()
    try:
        with transaction.atomic():
            row = Retraining.objects.create(recipe=recipe, started_by=user)
    except IntegrityError:
        raise RetrainBusy(
            _("A retraining is under way already; wait for its end, or take it back on the page of models.")
        ) from None
    if queue:
        transaction.on_commit(lambda: tasks.retrain.delay(row.pk))
    return row


def retraining_reap() -> None:
    """End retrainings whose process is gone, and say so in their rows."""
    for row in Retraining.objects.filter(is_active=True, state=_State.RUNNING):
        if retraining_is_lost(row):
            _end(row, _State.FAILED, _LOST)


def retraining_tick() -> None:
    """End what was lost, and send again what nobody took: the broker may have been emptied."""
    from training import tasks

    retraining_reap()
    before = timezone.now() - timedelta(seconds=RESEND_S)
    for pk in Retraining.objects.filter(state=_State.QUEUED, created_at__lt=before).values_list("pk", flat=True):
        # A message too many does nothing, and behind a busy worker they do not pile up.
        tasks.retrain.apply_async([pk], expires=RESEND_S)


def retraining_cancel(*, pk: int) -> bool:
    """Take back a retraining that nobody began yet; return whether it was still to be had."""
    waiting = Retraining.objects.filter(pk=pk, state=_State.QUEUED)
    return bool(
        waiting.update(
            state=_State.SKIPPED,
            is_active=False,
            outcome=gettext_noop("It was taken back before it began."),
            finished_at=timezone.now(),
        )
    )


def retraining_run(*, pk: int, recipe: Recipe | None = None, force: bool = False) -> Retraining:
    """Do a retraining that was asked for; a second call for the same one does nothing.

    Args:
        pk: of the row.
        recipe: in place of the one that the row names.
        force: even when nothing has changed since the last one.

    Returns:
        The row, in its final state; an error that the recipe raised is in its outcome and log.
    """
    now = timezone.now()
    mine = Retraining.objects.filter(pk=pk, state=_State.QUEUED)
    if not mine.update(state=_State.RUNNING, started_at=now, beat_at=now):
        return Retraining.objects.get(pk=pk)
    row = Retraining.objects.get(pk=pk)
    with _beating(row):
        try:
            _run(row, recipe or RECIPES[row.recipe], force=force)
        except TrainingError as error:
            _end(row, _State.REFUSED, str(error))
        # Whatever a recipe dies of belongs on the page, not only in a worker's log.
        except Exception as error:
            logger.exception("Retraining %s failed.", pk)
            _say(row, traceback.format_exc(limit=-4))
            _end(row, _State.FAILED, f"It failed with {type(error).__name__}: {error}")
    row.refresh_from_db()
    return row


def _run(row: Retraining, recipe: Recipe, *, force: bool) -> None:
    own, data_sets = own_labels(), data_sets_here()
    for line in own.report():
        _say(row, line)
    _say(row, f"Data sets here: {', '.join(data_sets) or 'none'}.")
    _check_enough(own, data_sets)
    fingerprint = _fingerprint(own, data_sets, recipe)
    last = Retraining.objects.filter(state=_State.DONE, fingerprint=fingerprint).first()
    Retraining.objects.filter(pk=row.pk).update(fingerprint=fingerprint)
    if last is not None and not force:
        made = f", which made {last.model.version}" if last.model else ""
        _end(row, _State.SKIPPED, f"Nothing has changed since the retraining of {last.created_at:%d %B %Y}{made}.")
        return
    model = _train(row, recipe, own, data_sets)
    passed = "passes" if model.gate["passed"] else "does not pass"
    _end(row, _State.DONE, f"It made {model.version}, which {passed} the gate.", model)


def _train(row: Retraining, recipe: Recipe, own: OwnLabels, data_sets: list[str]) -> ModelVersion:
    shipped_register()
    served = served_model()
    if served.weights is None:
        raise RetrainRefused(_("There is no model to start from; import one, or train with manage.py train."))
    version = f"own-{row.pk}-{timezone.now():%Y%m%d}"
    job = RetrainJob(
        version=version,
        live_weights=served.weights,
        data_sets=tuple(data_sets),
        data_root=settings.MER_DATA,
        work_dir=settings.MOODPLANE_VAR / "training",
        run_dir=settings.MOODPLANE_VAR / "runs" / version,
        own_clips=own.clips,
        own_targets=own.targets,
    )
    job.run_dir.parent.mkdir(parents=True, exist_ok=True)
    recipe.run(job, lambda line: _say(row, line))
    _say(row, "Trained. Into the registry, and to the gate.")
    model = model_import_run(folder=job.run_dir, user=row.started_by, retrained=True).model
    return gate_check(version=model.version, user=row.started_by)


def data_sets_here() -> list[str]:
    """Return the data sets with quadrants whose labels and audio are on this machine."""
    from training.datasets import DATASETS

    work_dir = settings.MOODPLANE_VAR / "training"
    return [name for name, data_set in DATASETS.items() if data_set.is_trainable(settings.MER_DATA, work_dir)]


def _check_enough(own: OwnLabels, data_sets: list[str]) -> None:
    if data_sets and len(own.clips) < MIN_OWN_SONGS:
        raise RetrainRefused(
            ngettext(
                "%(n)d song has a label that can be used; retraining needs %(least)d. Say on the pages of more songs "
                "what they express.",
                "%(n)d songs have a label that can be used; retraining needs %(least)d. Say on the pages of more songs "
                "what they express.",
                len(own.clips),
            )
            % {"n": len(own.clips), "least": MIN_OWN_SONGS}
        )
    scarce = [f"{q.label} {n}" for q, n in own.per_quadrant().items() if n < MIN_OWN_SONGS_PER_QUADRANT]
    if not data_sets and scarce:
        raise RetrainRefused(
            _(
                "None of the labelled data sets is at %(folder)s, and without them %(least)d songs are needed of each "
                "quadrant: there are of %(scarce)s. Label more songs, or set MER_DATA."
            )
            % {"folder": settings.MER_DATA, "least": MIN_OWN_SONGS_PER_QUADRANT, "scarce": ", ".join(scarce)}
        )


def _fingerprint(own: OwnLabels, data_sets: list[str], recipe: Recipe) -> str:
    """Return a hash of all that decides what would be learned, but for the model it starts from."""
    from training.datasets import DATASETS

    folders = {name: _listing(settings.MER_DATA / DATASETS[name].folder) for name in data_sets}
    told = json.dumps({"own": own.fingerprint(), "data_sets": folders, "recipe": recipe.text}, sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


def _listing(folder: Path) -> str:
    """Return a hash of a folder's file names and sizes: reading gigabytes of audio would take minutes."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder)} {path.stat().st_size}\n".encode())
    return digest.hexdigest()


def _say(row: Retraining, line: str) -> None:
    logger.info("Retraining %s: %s", row.pk, line)
    # Hours may lie between two lines, and a connection that nobody used for so long may be gone.
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
    stamped = f"{timezone.now():%H:%M:%S} {line.rstrip()}\n"
    Retraining.objects.filter(pk=row.pk).update(log=Concat("log", Value(stamped)), beat_at=timezone.now())


def _end(row: Retraining, state: Retraining.State, outcome: str, model: ModelVersion | None = None) -> None:
    # Conditional: one that was given up as lost stays so, even if its process comes back to life.
    Retraining.objects.filter(pk=row.pk, is_active=True).update(
        state=state, is_active=False, outcome=outcome, model=model, finished_at=timezone.now()
    )


@contextmanager
def _beating(row: Retraining) -> Iterator[None]:
    """Say every few seconds that this process is alive: an epoch may take longer than anybody would wait for news."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(BEAT_S):
            try:
                Retraining.objects.filter(pk=row.pk, is_active=True).update(beat_at=timezone.now())
            except (OperationalError, InterfaceError) as error:
                logger.warning("Could not say that retraining %s is alive: %s", row.pk, error)
                connection.close()
        connection.close()

    thread = threading.Thread(target=beat, name="retraining-beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
