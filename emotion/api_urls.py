from rest_framework.routers import SimpleRouter

from emotion.api import EstimateViewSet, LabelViewSet, SongViewSet

router = SimpleRouter()
router.register("songs", SongViewSet, basename="api-song")
router.register("estimates", EstimateViewSet, basename="api-estimate")
router.register("labels", LabelViewSet, basename="api-label")
urlpatterns = router.urls
