"""Makes a model live that passed the gate, and rolls back to an earlier one."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from celery import current_app
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.core.locks import Lock, advisory_lock
from emotion.models import ModelVersion
from emotion.selectors import live_model
from training.exceptions import ModelFileError, PromotionRefusedError, RollbackImpossibleError
from training.models import ModelEvent
from training.registry import gate
from training.registry.services import model_files_problem, model_go_live
from training.selectors import model_named

_State = ModelVersion.State


def gate_check(*, version: str, user: User | None = None) -> ModelVersion:
    """Hold a model against the gate, and store the verdicts; takes seconds, and belongs in a worker.

    Raises:
        ModelNotFoundError: No such model was imported.
    """
    model, live = model_named(version), live_model()
    against = live if live is not None and live.pk != model.pk else None
    result = gate.judge(
        model.weights,
        model.predictions,
        live=against.predictions if against else None,
        live_version=against.version if against else "",
    )
    verdicts: dict[str, Any] = {
        "against": against.version if against else "",
        "checked_at": timezone.now().isoformat(),
        "passed": result.passed,
        "verdicts": [asdict(verdict) for verdict in result.verdicts],
        "comparison": result.comparison,
    }
    with advisory_lock(Lock.LIVE_MODEL):
        model.refresh_from_db()
        model.gate = verdicts
        if model.state in (_State.IMPORTED, _State.REFUSED):
            model.state = _State.IMPORTED if result.passed else _State.REFUSED
        model.save(update_fields=["gate", "state"])
        ModelEvent.objects.create(model=model, kind=ModelEvent.Kind.CHECKED, by=user, gate=verdicts)
    return model


def gate_check_request(*, version: str) -> None:
    """Have a worker hold a model against the gate.

    Raises:
        ModelNotFoundError: No such model was imported.
    """
    model = model_named(version)
    ModelVersion.objects.filter(pk=model.pk).update(gate={"queued_at": timezone.now().isoformat()})
    transaction.on_commit(lambda: current_app.send_task("training.tasks.gate_check", [version]))


def model_promote(*, version: str, user: User | None = None, force: bool = False, reason: str = "") -> ModelVersion:
    """Make a model the live one, if it passed the gate against the model that is live now.

    Of two promotions at once the second finds another model live than the one in its verdicts, and is refused. `force`
    overrules verdicts on quality, never those that keep it from serving, and needs a reason.

    Raises:
        ModelNotFoundError: No such model was imported.
        PromotionRefusedError: It is live already, the gate has not let it through, or forcing lacks a reason.
        ModelFileError: Its files are missing or damaged.
    """
    if force and not reason.strip():
        raise PromotionRefusedError(_("Overriding the gate needs a reason; it is stored with the model."))
    with advisory_lock(Lock.LIVE_MODEL):
        _check_not_pinned()
        model, live = model_named(version), live_model()
        if live is not None and model.pk == live.pk:
            raise PromotionRefusedError(_("Model %(version)s is already live.") % {"version": version})
        if problem := _gate_problem(model, live.version if live else "", force=force):
            raise PromotionRefusedError(problem)
        if problem := model_files_problem(model):
            raise ModelFileError(problem)
        forced = force and not model.gate["passed"]
        kind = ModelEvent.Kind.FORCED if forced else ModelEvent.Kind.PROMOTED
        model_go_live(model, kind=kind, user=user, reason=reason.strip())
    return model


def model_rollback(*, user: User | None = None, to: str = "", reason: str = "") -> ModelVersion:
    """Make the model live again that was live before, or another one that once was; its estimates return at once.

    Raises:
        ModelNotFoundError: No such model was imported.
        RollbackImpossibleError: There is none to go back to, or it was never live.
        ModelFileError: Its files are missing or damaged.
    """
    with advisory_lock(Lock.LIVE_MODEL):
        _check_not_pinned()
        target = _rollback_target(live_model(), to)
        if problem := model_files_problem(target):
            raise ModelFileError(problem)
        # The target keeps its own predecessor, so that a second rollback goes one further back.
        kind = ModelEvent.Kind.ROLLED_BACK
        model_go_live(target, kind=kind, user=user, reason=reason.strip(), remember=False)
    return target


def _rollback_target(live: ModelVersion | None, to: str) -> ModelVersion:
    if to:
        target = model_named(to)
        if target.live_since is None:
            raise RollbackImpossibleError(_("Model %(version)s was never live; promote it instead.") % {"version": to})
        if target.state == _State.LIVE:
            raise RollbackImpossibleError(_("Model %(version)s is already live.") % {"version": to})
        return target
    if live is None or live.live_before is None:
        raise RollbackImpossibleError(_("There is no earlier model to go back to."))
    return live.live_before


def _gate_problem(model: ModelVersion, live_version: str, *, force: bool) -> str:
    verdicts = model.gate.get("verdicts", [])
    facts = {"version": model.version, "live": live_version or _("none")}
    if not verdicts:
        return _("Model %(version)s has not been checked at the gate yet; check it first.") % facts
    if model.gate["against"] != live_version:
        facts["against"] = model.gate["against"] or _("none")
        return _("Model %(version)s was checked against %(against)s, but %(live)s is live now; check it again.") % facts
    failed = [v for v in verdicts if not v["passed"] and not (force and v["code"] not in gate.NEVER_FORCED)]
    if not failed:
        return ""
    facts["reasons"] = " ".join(verdict["sentence"] for verdict in failed)
    return _("Model %(version)s does not pass the gate. %(reasons)s") % facts


def _check_not_pinned() -> None:
    if settings.MOODPLANE_WEIGHTS_PINNED:
        raise PromotionRefusedError(
            _(
                "MOODPLANE_WEIGHTS names %(weights)s, which serves regardless of the live model; "
                "unset it and restart the workers first."
            )
            % {"weights": settings.MOODPLANE_WEIGHTS}
        )
