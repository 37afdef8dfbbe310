"""Addresses of the recommender's API."""

from __future__ import annotations

from django.urls import path
from rest_framework.routers import SimpleRouter

from recommender.api import me
from recommender.api.playlists import PlaylistViewSet, SharedViewSet
from recommender.api.ratings import ListenViewSet, MoodViewSet, RatingViewSet

router = SimpleRouter()
router.register("playlists", PlaylistViewSet, basename="playlist")
router.register("ratings", RatingViewSet, basename="rating")
router.register("listens", ListenViewSet, basename="listen")
router.register("moods", MoodViewSet, basename="mood")
router.register("shared", SharedViewSet, basename="shared")

urlpatterns = [
    *router.urls,
    path("me/export/", me.ExportView.as_view(), name="me-export"),
    path("me/export/csv/", me.ExportCsvView.as_view(), name="me-export-csv"),
    path("me/forget/", me.ForgetView.as_view(), name="me-forget"),
    path("me/delete/", me.DeleteView.as_view(), name="me-delete"),
]
