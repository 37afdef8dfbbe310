"""Imports models, checks them at the gate, makes one live that passed, and rolls back to an earlier one."""

from __future__ import annotations

import json
import logging
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from celery import current_app
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.core.files import digest, write_atomic
from catalog.core.locks import Lock, advisory_lock
from emotion.jobs.reanalysis import reanalysis_start
from emotion.models import EmotionEstimate, ModelVersion
from emotion.selectors import live_model
from training.evaluation.model_report import make_report
from training.exceptions import ModelFileError, PromotionRefusedError, RollbackImpossibleError
from training.models import ModelEvent
from training.registry import gate
from training.selectors import model_named

logger = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_Kind = ModelEvent.Kind
_Origin = ModelVersion.Origin
_State = ModelVersion.State


@dataclass(frozen=True, slots=True)
class Imported:
    """A model of the registry, and whether it is new there."""

    model: ModelVersion
    is_new: bool


def model_import_run(*, folder: Path, user: User | None = None, retrained: bool = False) -> Imported:
    """Import the model of a run folder; importing it again changes nothing.

    Raises:
        ModelFileError: The folder holds no finished run, or its files do not fit together.
    """
    weights = sorted(folder.glob("*.safetensors"))
    if len(weights) != 1:
        count = "no weights" if not weights else f"{len(weights)} weights files"
        raise ModelFileError(f"{folder} holds {count}: expected the folder of a finished run, with one .safetensors.")
    return _import(weights[0], _Origin.RETRAINED if retrained else _Origin.RUN, user, run=folder)


def model_import_weights(*, weights: Path, user: User | None = None) -> Imported:
    """Import a weights file with its card, and predictions of the same name if there are any.

    Raises:
        ModelFileError: The file, or its card, is missing or damaged.
    """
    return _import(weights, _Origin.FILE, user)


def shipped_register() -> Imported | None:
    """Import the model that came with the program; return None when none came.

    A new one, or the one that `MOODPLANE_MODEL` names, goes live if no model is live yet, or if the live one came with
    the program too: an upgrade brings its model along. Next to a promoted model it is an import like any other.

    Raises:
        ModelFileError: It is damaged.
    """
    if settings.MOODPLANE_WEIGHTS_PINNED or settings.MOODPLANE_WEIGHTS is None:
        return None
    imported = _import(Path(settings.MOODPLANE_WEIGHTS), _Origin.SHIPPED)
    with advisory_lock(Lock.LIVE_MODEL):
        live = live_model()
        is_wanted = imported.is_new or settings.MOODPLANE_MODEL_CHOSEN
        if live is None or (is_wanted and live.origin == _Origin.SHIPPED and live.pk != imported.model.pk):
            model_go_live(imported.model, kind=_Kind.SHIPPED)
    imported.model.refresh_from_db()
    return imported


def model_go_live(
    model: ModelVersion, *, kind: ModelEvent.Kind, user: User | None = None, reason: str = "", remember: bool = True
) -> None:
    """Move the pointer to a model whose files were verified; the caller holds `Lock.LIVE_MODEL`.

    The old estimates serve until they are replaced one by one. With `remember`, a rollback from here leads to the model
    that was live until now.
    """
    before = live_model()
    if before is not None:
        before.state = _State.RETIRED
        before.save(update_fields=["state"])
    model.state, model.live_since = _State.LIVE, timezone.now()
    if remember:
        model.live_before = before
    model.save(update_fields=["state", "live_since", "live_before"])
    ModelEvent.objects.create(model=model, kind=kind, before=before, by=user, reason=reason, gate=model.gate)
    if EmotionEstimate.objects.exists():
        reanalysis_start(model_version=model.version, user=user)
    logger.info("Model %s is live (%s).", model.version, kind)


def model_files_problem(model: ModelVersion) -> str:
    """Return a sentence on what is wrong with a model's files; empty when they are as imported."""
    facts = {"version": model.version, "path": model.weights}
    if not (card := model.weights.with_suffix(".json")).is_file():
        return _("The card of %(version)s is missing at %(path)s; import it again.") % {**facts, "path": card}
    try:
        sha256 = digest(model.weights)
    except OSError as error:
        facts["problem"] = error.strerror or ""
        return _("%(path)s cannot be read (%(problem)s); import %(version)s again.") % facts
    if sha256 != model.weights_sha256:
        return _("%(path)s is not the file that was imported (its hash differs); import %(version)s again.") % facts
    return ""


def gate_check(*, version: str, user: User | None = None) -> ModelVersion:
    """Hold a model against the gate, and store the verdicts; takes a minute, and belongs in a worker.

    Raises:
        ModelNotFoundError: No such model was imported.
    """
    model, live = model_named(version), live_model()
    live = None if live == model else live
    against = live.version if live else ""
    verdicts, comparison = gate.judge(
        model.weights,
        live=live.weights if live else None,
        live_version=against,
        held_out=settings.MOODPLANE_HELD_OUT,
        data_root=settings.MER_DATA,
        work_dir=settings.MOODPLANE_VAR / "training",
        engine=settings.MOODPLANE_ENGINE,
        device=settings.MOODPLANE_DEVICE,
    )
    result: dict[str, Any] = {
        "against": against,
        "checked_at": timezone.now().isoformat(),
        "passed": all(verdict.passed for verdict in verdicts),
        "verdicts": [asdict(verdict) for verdict in verdicts],
        "comparison": comparison,
    }
    with advisory_lock(Lock.LIVE_MODEL):
        model.refresh_from_db()
        model.gate = result
        if model.state in (_State.IMPORTED, _State.REFUSED):
            model.state = _State.IMPORTED if result["passed"] else _State.REFUSED
        model.save(update_fields=["gate", "state"])
        ModelEvent.objects.create(model=model, kind=ModelEvent.Kind.CHECKED, by=user, gate=result)
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
    """Make an earlier model live again, by default the previous one; its estimates return at once.

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


def _card(weights: Path) -> dict[str, Any]:
    # Without loading torch; the gate checks whether serving can honour it.
    path = weights.with_suffix(".json")
    try:
        card = json.loads(path.read_text())
        version, expected = str(card["version"]), str(card["weights_sha256"])
    except FileNotFoundError:
        raise ModelFileError(f"The model card {path} is missing; it has to lie beside its weights.") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelFileError(f"{path} is not a model card: {error!r}.") from error
    if not _NAME.fullmatch(version):
        raise ModelFileError(
            f"{path} names the version {version!r}; use up to 80 letters, digits, dots, dashes and underscores."
        )
    try:
        sha256 = digest(weights)
    except OSError as error:
        raise ModelFileError(f"{weights} cannot be read: {error.strerror}.") from error
    if sha256 != expected:
        raise ModelFileError(f"{weights} is not the file that its card describes (its hash differs).")
    return dict(card)


def _import(
    weights: Path, origin: ModelVersion.Origin, user: User | None = None, *, run: Path | None = None
) -> Imported:
    card = _card(weights)
    version, sha256 = str(card["version"]), str(card["weights_sha256"])
    names = ("predictions.npz", "splits.json")
    predictions, splits = (run / name if run else weights.with_suffix(f".{name}") for name in names)
    # Two imports of one version at once would write the same files.
    with advisory_lock(Lock.LIVE_MODEL):
        known = ModelVersion.objects.filter(version=version).first()
        if known is not None and known.weights_sha256 != sha256:
            raise ModelFileError(f"There is another model {version} already; give the new one another version.")
        model = known or ModelVersion(version=version, origin=origin, weights_sha256=sha256, imported_by=user)
        optional = [(predictions, model.predictions), (splits, model.weights.with_suffix(".splits.json"))]
        # Predictions or ids of folds may come that did not come the first time.
        brings_news = any(file.is_file() and not target.is_file() for file, target in optional)
        if known is not None and not brings_news and not model_files_problem(known):
            return Imported(known, is_new=False)
        try:
            model.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            problem = f"{model.folder} cannot be made: {error.strerror}; see MOODPLANE_MODELS_DIR."
            raise ModelFileError(problem) from error
        _copy(weights, model.weights)
        _copy(weights.with_suffix(".json"), model.weights.with_suffix(".json"))
        for file, target in optional:
            if file.is_file():
                _copy(file, target)
        model.card, model.report = card, make_report(card, model.predictions, run)
        model.save()
        if known is None:
            ModelEvent.objects.create(model=model, kind=_Kind.IMPORTED, by=user)
    return Imported(model, is_new=known is None)


def _copy(origin: Path, target: Path) -> None:
    def copy(file: BinaryIO) -> None:
        with origin.open("rb") as source:
            shutil.copyfileobj(source, file)
        file.flush()
        if digest(Path(file.name)) != digest(origin):
            raise ModelFileError(f"{target} does not read back as it was written; is the disk full or failing?")

    try:
        write_atomic(target, copy)
    except OSError as error:
        raise ModelFileError(f"{origin} could not be copied to {target}: {error.strerror}.") from error


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
