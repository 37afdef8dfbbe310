"""Addresses of the recommender's API."""

from __future__ import annotations

from rest_framework.routers import SimpleRouter

from recommender.api import PlaylistViewSet, RatingViewSet

router = SimpleRouter()
router.register("playlists", PlaylistViewSet, basename="playlist")
router.register("ratings", RatingViewSet, basename="rating")

urlpatterns = router.urls
