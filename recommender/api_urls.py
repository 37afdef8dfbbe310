"""Addresses of the recommender's API."""

from __future__ import annotations

from rest_framework.routers import SimpleRouter

from recommender.api import ratings
from recommender.api.playlists import PlaylistViewSet, SharedViewSet

router = SimpleRouter()
router.register("playlists", PlaylistViewSet, basename="playlist")
router.register("ratings", ratings.RatingViewSet, basename="rating")
router.register("listens", ratings.ListenViewSet, basename="listen")
router.register("moods", ratings.MoodViewSet, basename="mood")
router.register("shared", SharedViewSet, basename="shared")
router.register("me", ratings.MeViewSet, basename="me")

urlpatterns = router.urls
