"""Addresses of the catalog's API, below /api/v1/."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from catalog.uploads.api import ResumableUploadsView, ResumableUploadView, UploadViewSet

router = SimpleRouter()
router.register("uploads", UploadViewSet, basename="api-upload")

# Before the router, which would take the word for the number of an upload.
urlpatterns = [
    path("uploads/resumable/", ResumableUploadsView.as_view(), name="api-upload-sessions"),
    path("uploads/resumable/<str:public_id>/", ResumableUploadView.as_view(), name="api-upload-session"),
    *router.urls,
]
