"""Imports models into the registry, the shipped one included, and makes one live."""

from __future__ import annotations

import json
import logging
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.core.files import digest, write_atomic
from catalog.core.locks import Lock, advisory_lock
from emotion.jobs.reanalysis import reanalysis_start
from emotion.models import EmotionEstimate, ModelVersion
from emotion.selectors import live_model
from training.evaluation.model_report import make_report
from training.exceptions import ModelFileError
from training.models import ModelEvent

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


@dataclass(frozen=True, slots=True)
class _Source:
    """The input of an import; predictions and ids of folds need not exist."""

    weights: Path
    card: dict[str, Any]
    predictions: Path
    splits: Path
    run: Path | None
    origin: ModelVersion.Origin


def model_import_run(*, folder: Path, user: User | None = None, retrained: bool = False) -> Imported:
    """Import the model of a run folder; importing it again changes nothing.

    Raises:
        ModelFileError: The folder holds no finished run, or its files do not fit together.
    """
    weights = sorted(folder.glob("*.safetensors"))
    if len(weights) != 1:
        count = "no weights" if not weights else f"{len(weights)} weights files"
        raise ModelFileError(f"{folder} holds {count}: expected the folder of a finished run, with one .safetensors.")
    origin = _Origin.RETRAINED if retrained else _Origin.RUN
    card = _card(weights[0])
    return _import(_Source(weights[0], card, folder / "predictions.npz", folder / "splits.json", folder, origin), user)


def model_import_weights(*, weights: Path, user: User | None = None) -> Imported:
    """Import a weights file with its card, and the predictions beside it if there are any.

    Raises:
        ModelFileError: The file, or its card, is missing or damaged.
    """
    return _import(_source_of_file(weights, _Origin.FILE), user)


def shipped_register() -> Imported | None:
    """Import the model that came with the program; return None when none came.

    A new one goes live if no model is live yet, or if the live one came with the program too: an upgrade brings its
    model along. Next to a promoted model it is an import like any other.

    Raises:
        ModelFileError: It is damaged.
    """
    if settings.MOODPLANE_WEIGHTS_PINNED or settings.MOODPLANE_WEIGHTS is None:
        return None
    imported = _import(_source_of_file(Path(settings.MOODPLANE_WEIGHTS), _Origin.SHIPPED), None)
    with advisory_lock(Lock.LIVE_MODEL):
        live = live_model()
        if live is None or (imported.is_new and live.origin == _Origin.SHIPPED):
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


def _source_of_file(weights: Path, origin: ModelVersion.Origin) -> _Source:
    card = _card(weights)
    predictions, splits = (weights.with_suffix(suffix) for suffix in (".predictions.npz", ".splits.json"))
    return _Source(weights, card, predictions, splits, None, origin)


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


def _import(source: _Source, user: User | None) -> Imported:
    version, sha256 = str(source.card["version"]), str(source.card["weights_sha256"])
    # Two imports of one version at once would write the same files.
    with advisory_lock(Lock.LIVE_MODEL):
        known = ModelVersion.objects.filter(version=version).first()
        if known is not None and known.weights_sha256 != sha256:
            raise ModelFileError(f"There is another model {version} already; give the new one another version.")
        model = known or ModelVersion(version=version, origin=source.origin, weights_sha256=sha256, imported_by=user)
        optional = [(source.predictions, model.predictions), (source.splits, model.weights.with_suffix(".splits.json"))]
        # Predictions or ids of folds may come that did not come the first time.
        brings_news = any(origin.is_file() and not target.is_file() for origin, target in optional)
        if known is not None and not brings_news and not model_files_problem(known):
            return Imported(known, is_new=False)
        try:
            model.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            problem = f"{model.folder} cannot be made: {error.strerror}; see MOODPLANE_MODELS_DIR."
            raise ModelFileError(problem) from error
        _copy(source.weights, model.weights)
        _copy(source.weights.with_suffix(".json"), model.weights.with_suffix(".json"))
        for origin, target in optional:
            if origin.is_file():
                _copy(origin, target)
        model.card, model.report = source.card, make_report(source.card, model.predictions, source.run)
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
