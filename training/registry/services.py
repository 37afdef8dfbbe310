"""Takes models into the registry: files copied beside and renamed, a row for each, the shipped one included."""

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
    """A model of the registry, and whether it came in just now."""

    model: ModelVersion
    is_new: bool


@dataclass(frozen=True, slots=True)
class _Source:
    """What an import reads: files, and what the run says of itself."""

    weights: Path
    card: dict[str, Any]
    predictions: Path
    splits: Path
    run: Path | None
    origin: ModelVersion.Origin


def model_import_run(*, folder: Path, user: User | None = None, retrained: bool = False) -> Imported:
    """Take the model of a run folder into the registry; the same one again changes nothing.

    Raises:
        ModelFileError: the folder holds no finished run, or its files do not fit together.
    """
    found = sorted(folder.glob("*.safetensors"))
    if len(found) != 1:
        what = "no weights" if not found else f"{len(found)} weights files"
        raise ModelFileError(f"{folder} holds {what}: expected the folder of a finished run, with one .safetensors.")
    origin = _Origin.RETRAINED if retrained else _Origin.RUN
    return _import(
        _Source(found[0], _card(found[0]), folder / "predictions.npz", folder / "splits.json", folder, origin), user
    )


def model_import_weights(*, weights: Path, user: User | None = None) -> Imported:
    """Take a weights file with its card into the registry, and its predictions if they lie beside it.

    Raises:
        ModelFileError: the file, or its card, is missing or damaged.
    """
    return _import(_source_of_file(weights, _Origin.FILE), user)


def shipped_register() -> Imported | None:
    """Register the model that came with the program, and tell whether that is new; None when none came.

    A new one goes live if no model is live yet, or if the live one came with the program too: an upgrade brings its
    model along. Beside a model that somebody promoted it is offered like any other import.

    Raises:
        ModelFileError: it is damaged.
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
    """Move the pointer to a model, under `Lock.LIVE_MODEL`; the old estimates serve until they are replaced one by one.

    Args:
        model: whose files were verified.
        kind: why.
        user: who did it.
        reason: in their words.
        remember: whether a rollback from here leads to the model that was live until now.
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
    """Return what is wrong with a model's files, in a sentence; empty when they are what was imported."""
    if not model.weights.with_suffix(".json").is_file():
        said = {"version": model.version, "path": model.weights.with_suffix(".json")}
        return _("The card of %(version)s is missing at %(path)s; import it again.") % said
    try:
        found = digest(model.weights)
    except OSError as error:
        said = {"path": model.weights, "problem": error.strerror, "version": model.version}
        return _("%(path)s cannot be read (%(problem)s); import %(version)s again.") % said
    if found != model.weights_sha256:
        said = {"path": model.weights, "version": model.version}
        return _("%(path)s is not the file that was imported (its hash differs); import %(version)s again.") % said
    return ""


def _source_of_file(weights: Path, origin: ModelVersion.Origin) -> _Source:
    card = _card(weights)
    predictions, splits = (weights.with_suffix(suffix) for suffix in (".predictions.npz", ".splits.json"))
    return _Source(weights, card, predictions, splits, None, origin)


def _card(weights: Path) -> dict[str, Any]:
    """Read a card without loading torch; whether serving can honour it is for the gate to say."""
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
        found = digest(weights)
    except OSError as error:
        raise ModelFileError(f"{weights} cannot be read: {error.strerror}.") from error
    if found != expected:
        raise ModelFileError(f"{weights} is not the file that its card describes (its hash differs).")
    return dict(card)


def _import(source: _Source, user: User | None) -> Imported:
    version, sha256 = str(source.card["version"]), str(source.card["weights_sha256"])
    # Two imports of one version at once would write the same files.
    with advisory_lock(Lock.LIVE_MODEL):
        known = ModelVersion.objects.filter(version=version).first()
        if known is not None and known.weights_sha256 != sha256:
            raise ModelFileError(f"There is another model {version} already; give the new one another version.")
        if known is not None and not model_files_problem(known) and not _brings_news(source, known):
            return Imported(known, is_new=False)
        model = known or ModelVersion(version=version, origin=source.origin, weights_sha256=sha256, imported_by=user)
        _files_copy(source, model)
        model.card, model.report = source.card, make_report(source.card, model.predictions, source.run)
        model.save()
        if known is None:
            ModelEvent.objects.create(model=model, kind=_Kind.IMPORTED, by=user)
    return Imported(model, is_new=known is None)


def _brings_news(source: _Source, known: ModelVersion) -> bool:
    """Whether predictions or ids of folds come with it that did not come the first time."""
    return any(origin.is_file() and not target.is_file() for origin, target in _optional(source, known))


def _optional(source: _Source, model: ModelVersion) -> list[tuple[Path, Path]]:
    return [(source.predictions, model.predictions), (source.splits, model.weights.with_suffix(".splits.json"))]


def _files_copy(source: _Source, model: ModelVersion) -> None:
    card = source.weights.with_suffix(".json")
    wanted = [(source.weights, model.weights), (card, model.weights.with_suffix(".json"))]
    wanted += [(origin, target) for origin, target in _optional(source, model) if origin.is_file()]
    try:
        model.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelFileError(f"{model.folder} cannot be made: {error.strerror}; see MOODPLANE_MODELS_DIR.") from error
    for origin, target in wanted:
        _copy(origin, target)


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
