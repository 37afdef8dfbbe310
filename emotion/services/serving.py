"""The live model in this process's memory, loaded when first needed and again when another is live."""

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
    served: ServedModel | None = None
    predictor: Predictor | None = None


_memory = _Memory()
_loading = threading.Lock()


def predictor_get() -> Predictor:
    """Return the live model, ready to predict; loads it if the database names another than the one in memory.

    A caller uses one predictor for a whole batch, so that an estimate is by one version from end to end.

    Raises:
        emotion.exceptions.CheckpointError: The live weights are missing or unusable.
        emotion.exceptions.DeviceUnavailableError: The configured device is not on this machine.
    """
    with _loading:
        wanted = served_model()
        if _memory.predictor is None or _memory.served != wanted:
            # The old one goes first: two models at once do not fit on every machine.
            _release()
            _memory.predictor, _memory.served = _load(wanted), wanted
            logger.info("This process serves model %s.", _memory.predictor.card.version)
        return _memory.predictor


def predictor_forget() -> None:
    """Free the model; the next call loads one again."""
    with _loading:
        _release()


def _release() -> None:
    had_one = _memory.predictor is not None
    _memory.served, _memory.predictor = None, None
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
    """Record that a worker is alive and what it runs on; a database that is away is only logged."""
    now = timezone.now()
    seen = {"device": "", "engine": "", "model_version": "", "problem": "", "seen_at": now}
    try:
        try:
            # The model in memory is reported, not the live one: the thread that works changes it.
            predictor = _memory.predictor or predictor_get()
            seen |= {"device": predictor.engine.device, "engine": predictor.engine.name}
            seen["model_version"] = predictor.card.version
        except EmotionError as error:
            seen["problem"] = str(error)
        AnalysisWorker.objects.update_or_create(name=name, defaults=seen, create_defaults={**seen, "started_at": now})
    except OperationalError as error:
        logger.warning("Could not report this worker: %s", error)


def worker_forget(*, name: str) -> None:
    """Delete the row of a worker that stops in good order."""
    AnalysisWorker.objects.filter(name=name).delete()
