"""Celery tasks of models: ids in, one service call. Each may run twice without harm."""

from __future__ import annotations

import logging

from celery import shared_task

from training.exceptions import TrainingError
from training.registry import promotion, retraining

logger = logging.getLogger(__name__)


@shared_task(name="training.tasks.gate_check")
def gate_check(version: str) -> None:
    """Hold a model against the gate."""
    try:
        promotion.gate_check(version=version)
    except TrainingError as error:
        # Gone meanwhile: there is nobody left to tell.
        logger.warning("Not checked: %s", error)


@shared_task(name="training.tasks.retrain")
def retrain(retraining_id: int) -> None:
    """Do a retraining; the message that comes twice finds it begun."""
    retraining.retraining_run(pk=retraining_id)


@shared_task(name="training.tasks.retraining_tick")
def retraining_tick() -> None:
    """End a retraining whose process is gone, and send one again that nobody took."""
    retraining.retraining_tick()
