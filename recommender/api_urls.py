"""Addresses of the recommender's API."""

from __future__ import annotations

from django.urls import path
from rest_framework.routers import SimpleRouter

from recommender.api import ratings
from recommender.api.playlists import PlaylistViewSet, SharedViewSet

router = SimpleRouter()
router.register("playlists", PlaylistViewSet, basename="playlist")
router.register("ratings", ratings.RatingViewSet, basename="rating")
router.register("listens", ratings.ListenViewSet, basename="listen")
router.register("moods", ratings.MoodViewSet, basename="mood")
router.register("shared", SharedViewSet, basename="shared")

urlpatterns = [
    *router.urls,
    path("me/export/", ratings.ExportView.as_view(), name="me-export"),
    path("me/export/csv/", ratings.ExportCsvView.as_view(), name="me-export-csv"),
    path("me/forget/", ratings.ForgetView.as_view(), name="me-forget"),
    path("me/delete/", ratings.DeleteView.as_view(), name="me-delete"),
]
