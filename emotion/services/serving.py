"""The model in this process's memory: the live one, loaded when first asked for and again when it has changed."""

from __future__ import annotations

import gc
import logging
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import OperationalError
from django.utils import timezone

from emotion.exceptions import CheckpointError, EmotionError
from emotion.models import AnalysisWorker
from emotion.selectors import ServedModel, served_model

if TYPE_CHECKING:
    from emotion.inference.predict import Predictor

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Memory:
    """What this process has loaded, or why it could not."""

    served: ServedModel | None = None
    predictor: Predictor | None = None
    problem: str = ""


_memory = _Memory()
_loading = threading.Lock()


def predictor_get() -> Predictor:
    """Return the live model, ready to predict; asks the database which one that is, and loads it if it is another.

    Whoever works on a batch keeps the predictor that it got, so that an estimate is by one version from end to end.

    Raises:
        emotion.exceptions.CheckpointError: The live weights are missing or unusable.
        emotion.exceptions.DeviceUnavailableError: The configured device is not on this machine.
    """
    with _loading:
        wanted = served_model()
        if _memory.predictor is None or _memory.served != wanted:
            _replace(wanted)
        assert _memory.predictor is not None
        return _memory.predictor


def predictor_forget() -> None:
    """Free the model; the next call loads one again."""
    with _loading:
        _release()


def _replace(wanted: ServedModel) -> None:
    # The old one goes first: two models at once do not fit beside each other on every machine.
    _release()
    try:
        _memory.predictor = _load(wanted)
    except EmotionError as error:
        _memory.problem = str(error)
        raise
    _memory.served = wanted
    logger.info("This process serves model %s.", _memory.predictor.card.version)


def _release() -> None:
    had_one = _memory.predictor is not None
    _memory.served, _memory.predictor, _memory.problem = None, None, ""
    if had_one:
        gc.collect()
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()


def _load(wanted: ServedModel) -> Predictor:
    # Imported here because torch takes seconds, and the web server must not wait for it.
    from emotion.inference.predict import Predictor

    if wanted.weights is None:
        raise CheckpointError("There are no model weights; set MOODPLANE_WEIGHTS, or train with manage.py train.")
    try:
        predictor = Predictor.load(
            wanted.weights,
            engine=settings.MOODPLANE_ENGINE,
            device=settings.MOODPLANE_DEVICE,
            cache_dir=settings.MOODPLANE_VAR / "openvino",
        )
    except CheckpointError as error:
        if not wanted.version:
            raise
        raise CheckpointError(
            f"{error} It is the live model {wanted.version}: manage.py rollback leads back."
        ) from error
    if wanted.version and predictor.card.version != wanted.version:
        raise CheckpointError(
            f"{wanted.weights} is model {predictor.card.version}, not the live {wanted.version}: import that again, "
            "or manage.py rollback."
        )
    return predictor


def worker_report(*, name: str) -> None:
    """Write down that a worker is alive and what it really runs on; a database that is away is only logged."""
    now = timezone.now()
    try:
        # What is loaded is reported, not what ought to be: the change is the business of the thread that works.
        predictor = _memory.predictor or predictor_get()
        seen = {
            "device": predictor.engine.device,
            "engine": predictor.engine.name,
            "model_version": predictor.card.version,
            "problem": "",
            "seen_at": now,
        }
    except EmotionError as error:
        seen = {"device": "", "engine": "", "model_version": "", "problem": str(error), "seen_at": now}
    except OperationalError as error:
        logger.warning("Could not report this worker: %s", error)
        return
    try:
        AnalysisWorker.objects.update_or_create(name=name, defaults=seen, create_defaults={**seen, "started_at": now})
    except OperationalError as error:
        logger.warning("Could not report this worker: %s", error)


def worker_forget(*, name: str) -> None:
    """Remove a worker that stops in good order from the list."""
    AnalysisWorker.objects.filter(name=name).delete()
