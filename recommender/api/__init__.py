"""The recommender over HTTP."""

from recommender.api.playlists import PlaylistViewSet
from recommender.api.ratings import ListenViewSet, MoodViewSet, RatingViewSet
from recommender.api.sharing import SharedViewSet

__all__ = ["ListenViewSet", "MoodViewSet", "PlaylistViewSet", "RatingViewSet", "SharedViewSet"]
