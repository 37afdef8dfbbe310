"""Celery tasks of models: ids in, one idempotent service call."""

from __future__ import annotations

import logging

from celery import shared_task

from catalog.core import claims
from training.exceptions import TrainingError
from training.registry import services

logger = logging.getLogger(__name__)


@shared_task(name="training.tasks.gate_check")
def gate_check(version: str) -> None:
    """Check a model at the gate."""
    try:
        services.gate_check(version=version)
    except TrainingError as error:
        # The model was deleted in the meantime.
        logger.warning("Not checked: %s", error)


@shared_task(name="training.tasks.retrain")
def retrain(*_: object) -> None:
    """Run the queued retraining; messages of an earlier release carry its number."""
    claims.run("retrainings")
