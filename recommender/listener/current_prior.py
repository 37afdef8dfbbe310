"""What all listeners have in common: read for every playlist, learned now and then from everybody's ratings."""

from __future__ import annotations

import logging

from recommender.felt_model.prior import Prior
from recommender.models import FeltPrior

logger = logging.getLogger(__name__)


def current_prior() -> Prior:
    """Return the prior learned last, or that of a new installation while there is none that can be read."""
    row = FeltPrior.objects.filter(is_current=True).only("parameters").first()
    if row is None:
        return Prior.default()
    try:
        return Prior.from_json(row.parameters)
    except ValueError as error:
        logger.warning("The prior of all listeners cannot be read, so the built-in one is used: %s", error)
        return Prior.default()
