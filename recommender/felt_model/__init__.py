"""What a listener feels, learned from what they said: the ladder from everybody's mean to one person. Pure."""

from recommender.adaptation.learning import learn
from recommender.adaptation.listener import (
    MAX_SHIFT,
    Felt,
    LinearFelt,
    ListenerModel,
)
from recommender.adaptation.prior import Prior
from recommender.adaptation.ratings import TYPICAL_MOOD, Ratings

__all__ = ["MAX_SHIFT", "TYPICAL_MOOD", "Felt", "LinearFelt", "ListenerModel", "Prior", "Ratings", "learn"]
