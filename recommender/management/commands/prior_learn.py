"""`manage.py prior_learn`: learn now what all listeners have in common; otherwise that happens by itself every hour."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from recommender.services.priors import MIN_LISTENERS, MIN_RATINGS, prior_learn


class Command(BaseCommand):
    help = "Learn from all ratings what listeners have in common; new listeners' models start there."

    def handle(self, *args: Any, **options: Any) -> None:
        learned = prior_learn(anyway=True)
        if learned is None:
            self.stdout.write(
                f"Too few ratings: this needs at least {MIN_LISTENERS} listeners with {MIN_RATINGS} ratings each."
            )
            return
        self.stdout.write(f"Learned from {learned.n_ratings} ratings of {learned.n_listeners} listeners.")
