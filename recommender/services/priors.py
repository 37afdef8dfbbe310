"""The prior of all listeners' models, learned from their ratings."""

from __future__ import annotations

import logging

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, Q

from recommender.felt_model.learning import learn
from recommender.felt_model.model import Prior
from recommender.listener import history_of
from recommender.models import FeltPrior, FeltRating
from recommender.requests import Listener
from recommender.retrieval import songs_index

logger = logging.getLogger(__name__)

# Fewer listeners than this would be recognisable in what they have in common.
MIN_LISTENERS = 5
# A listener with fewer ratings carries no information on how listeners differ.
MIN_RATINGS = 3
# The most active listeners decide; learning from them takes a minute or two.
MAX_LISTENERS = 2000
# Learning again pays once there is this much more to learn from.
GROWTH = 1.1


def prior_learn(*, anyway: bool = False) -> FeltPrior | None:
    """Learn the prior, make it the current one and return it.

    None when there are too few listeners or, unless `anyway`, too few new ratings and none withdrawn.
    """
    felt = Q(felt_valence__isnull=False) | Q(felt_arousal__isnull=False)
    rated = FeltRating.objects.filter(felt).order_by().values_list("listener_id")
    counted = rated.annotate(n=Count("pk")).filter(n__gte=MIN_RATINGS).order_by("-n", "listener_id")
    listeners = dict(counted[:MAX_LISTENERS])
    n_ratings = sum(listeners.values())
    index = songs_index()
    if len(listeners) < MIN_LISTENERS:
        # What was learned from deleted accounts or withdrawn ratings goes too.
        FeltPrior.objects.all().delete()
        return None
    current = FeltPrior.objects.filter(is_current=True).first()
    if (
        not anyway
        and current is not None
        # Another model's estimates make every rating new.
        and current.model_version == index.info.model_version
        and current.n_ratings <= n_ratings < GROWTH * current.n_ratings
    ):
        return None
    users = User.objects.filter(pk__in=listeners).order_by("pk")
    ratings = [history_of(Listener(user), index).ratings for user in users]
    learned = learn(ratings, index.basis, Prior.default())
    with transaction.atomic():
        # The lock makes two learners come one after the other; the constraint allows one current row.
        list(FeltPrior.objects.select_for_update().filter(is_current=True))
        FeltPrior.objects.filter(is_current=True).update(is_current=False)
        row = FeltPrior.objects.create(
            parameters=learned.as_json(),
            model_version=index.info.model_version,
            n_listeners=len(ratings),
            n_ratings=n_ratings,
        )
    logger.info("Learned what %d listeners have in common from %d ratings.", len(ratings), n_ratings)
    return row
