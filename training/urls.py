"""Pages of models, for the staff."""

from django.urls import path

from training import views

app_name = "training"

urlpatterns = [
    path("models/", views.models, name="models"),
    path("models/compare/", views.model_compare, name="model_compare"),
    path("models/zoo/", views.zoo, name="zoo"),
    path("models/<int:pk>/", views.model_detail, name="model_detail"),
    path("models/<int:pk>/check/", views.model_check, name="model_check"),
    path("models/<int:pk>/promote/", views.model_promote, name="model_promote"),
    path("models/rollback/", views.model_rollback, name="model_rollback"),
    path("models/reanalysis/", views.reanalysis, name="reanalysis"),
    path("models/retraining/", views.retraining, name="retraining"),
]
