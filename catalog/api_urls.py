"""Addresses of the catalog's API, below /api/v1/."""

from rest_framework.routers import SimpleRouter

from catalog.api import UploadViewSet

router = SimpleRouter()
router.register("uploads", UploadViewSet, basename="api-upload")

urlpatterns = router.urls
