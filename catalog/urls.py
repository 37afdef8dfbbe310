"""Addresses of the catalog's pages."""

from django.urls import path

from catalog import views

app_name = "catalog"

urlpatterns = [
    path("songs/<int:pk>/audio", views.song_audio, name="song_audio"),
    path("songs/<int:pk>/cover", views.song_cover, name="song_cover"),
    path("uploads/", views.uploads, name="uploads"),
    path("uploads/rows/", views.upload_rows, name="upload_rows"),
    path("uploads/<int:pk>/retry/", views.upload_retry, name="upload_retry"),
]
