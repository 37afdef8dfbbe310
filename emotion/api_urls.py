from rest_framework.routers import SimpleRouter

from emotion.api import EstimateViewSet, SongViewSet

router = SimpleRouter()
router.register("songs", SongViewSet, basename="api-song")
router.register("estimates", EstimateViewSet, basename="api-estimate")
urlpatterns = router.urls
