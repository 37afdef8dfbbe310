"""Learns from what people here say that songs express, beside the labelled data sets. Felt ratings are never read.

A retraining ends in a model of the registry that was held against the gate; a person decides whether it goes live.
"""

from __future__ import annotations

import json
import logging
import traceback
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.db.models import Value
from django.db.models.functions import Concat
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from catalog.core import claims
from catalog.core.files import digest
from emotion.models import ModelVersion
from emotion.selectors import served_model
from training.exceptions import RetrainBusyError, RetrainRefusedError, TrainingError
from training.models import Retraining
from training.recipes.registry import DEFAULT_RECIPE, RECIPES, Recipe, RetrainJob
from training.registry.local_labels import OwnLabels, own_labels
from training.registry.promotion import gate_check
from training.registry.services import model_import_run, shipped_register

logger = logging.getLogger(__name__)

# Beside the data sets, fewer songs than this cannot move a head that thousands of clips have fitted.
MIN_OWN_SONGS = 20
# Without the data sets, a quadrant that almost nobody named would be forgotten.
MIN_OWN_SONGS_PER_QUADRANT = 15
BEAT_S = 5.0

_State = Retraining.State


def retraining_request(*, user: User | None = None, recipe: str = DEFAULT_RECIPE, queue: bool = True) -> Retraining:
    """Ask for a retraining; a worker of the analysis queue takes it, or with `queue` off whoever asked runs it.

    Raises:
        RetrainBusyError: one is under way.
        RetrainRefusedError: there is no such recipe.
    """
    if recipe not in RECIPES:
        raise RetrainRefusedError(
            _("There is no recipe “%(recipe)s”; choose one of %(recipes)s.")
            % {"recipe": recipe, "recipes": ", ".join(RECIPES)}
        )
    # Whoever asks need not wait for the tick to end one that was lost.
    claims.reap(Retraining.objects.all())
    try:
        with transaction.atomic():
            row = Retraining.objects.create(recipe=recipe, started_by=user)
    except IntegrityError:
        raise RetrainBusyError(
            _("A retraining is under way already; wait for its end, or take it back on the page of models.")
        ) from None
    if queue:
        RETRAININGS.wake_on_commit()
    return row


def retraining_cancel(*, pk: int) -> bool:
    """Take back a retraining that nobody began yet; return whether it was still to be had."""
    waiting = Retraining.objects.filter(pk=pk, state=_State.QUEUED)
    return bool(
        waiting.update(
            state=_State.SKIPPED,
            outcome=gettext_noop("It was taken back before it began."),
            state_changed_at=timezone.now(),
        )
    )


def retraining_step() -> None:
    """Do the retraining that waits, if one does."""
    for row in RETRAININGS.claim():
        _work(row, RECIPES[row.recipe])


RETRAININGS = claims.register(
    claims.Kind(
        name="retrainings",
        model=Retraining,
        task="training.tasks.retrain",
        rows=Retraining.objects.all,
        step=retraining_step,
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
    for row in claims.claim(Retraining.objects.filter(pk=pk)):
        _work(row, recipe or RECIPES[row.recipe], force=force)
    return Retraining.objects.get(pk=pk)


def _work(row: Retraining, recipe: Recipe, *, force: bool = False) -> None:
    Retraining.objects.filter(pk=row.pk).update(started_at=timezone.now())
    # An epoch may take longer than a lease.
    with claims.renewed(row, every_s=BEAT_S):
        try:
            _run(row, recipe, force=force)
        except TrainingError as error:
            claims.finish(row, state=_State.REFUSED, outcome=str(error))
        # Whatever a recipe dies of belongs on the page, not only in a worker's log.
        except Exception as error:
            logger.exception("Retraining %s failed.", row.pk)
            _say(row, traceback.format_exc(limit=-4))
            claims.fail(row, code="error", reason=f"It failed with {type(error).__name__}: {error}")


def _run(row: Retraining, recipe: Recipe, *, force: bool) -> None:
    with own_labels() as own:
        _run_on(row, recipe, own, data_sets_here(), force=force)


def _run_on(row: Retraining, recipe: Recipe, own: OwnLabels, data_sets: list[str], *, force: bool) -> None:
    for line in own.report():
        _say(row, line)
    _say(row, f"Data sets here: {', '.join(data_sets) or 'none'}.")
    _check_enough(own, data_sets)
    fingerprint = _fingerprint(own, data_sets, recipe)
    last = Retraining.objects.filter(state=_State.DONE, fingerprint=fingerprint).first()
    Retraining.objects.filter(pk=row.pk).update(fingerprint=fingerprint)
    if last is not None and not force:
        made = f", which made {last.model.version}" if last.model else ""
        told = f"Nothing has changed since the retraining of {last.created_at:%d %B %Y}{made}."
        claims.finish(row, state=_State.SKIPPED, outcome=told)
        return
    model = _train(row, recipe, own, data_sets)
    passed = "passes" if model.gate["passed"] else "does not pass"
    claims.finish(row, outcome=f"It made {model.version}, which {passed} the gate.", model=model)


def _train(row: Retraining, recipe: Recipe, own: OwnLabels, data_sets: list[str]) -> ModelVersion:
    shipped_register()
    served = served_model()
    if served.weights is None:
        raise RetrainRefusedError(_("There is no model to start from; import one, or train with manage.py train."))
    version = f"own-{row.pk}-{timezone.now():%Y%m%d}"
    job = RetrainJob(
        version=version,
        live_weights=served.weights,
        data_sets=tuple(data_sets),
        data_root=settings.MER_DATA,
        work_dir=settings.MOODPLANE_VAR / "training",
        run_dir=settings.MOODPLANE_VAR / "runs" / version,
        local_clips=own.clips,
        local_targets=own.targets,
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
        raise RetrainRefusedError(
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
        raise RetrainRefusedError(
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
    return digest(told.encode())


def _listing(folder: Path) -> str:
    """Return a hash of a folder's file names and sizes: reading gigabytes of audio would take minutes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return digest("".join(f"{path.relative_to(folder)} {path.stat().st_size}\n" for path in files).encode())


def _say(row: Retraining, line: str) -> None:
    logger.info("Retraining %s: %s", row.pk, line)
    # Hours may lie between two lines, and a connection that nobody used for so long may be gone.
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
    stamped = f"{timezone.now():%H:%M:%S} {line.rstrip()}\n"
    Retraining.objects.filter(pk=row.pk).update(log=Concat("log", Value(stamped)))
