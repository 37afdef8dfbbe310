"""Pages of the emotion app."""

from django.urls import path

from emotion import views

app_name = "emotion"

urlpatterns = [
    path("songs/<int:pk>/spectrogram.png", views.spectrogram, name="spectrogram"),
    path("status/", views.status, name="status"),
]
