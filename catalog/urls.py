"""Addresses of the catalog's pages."""

from django.urls import path

from catalog.files import views as file_views
from catalog.uploads import folder_views, views

app_name = "catalog"

urlpatterns = [
    path("songs/<int:pk>/audio", file_views.song_audio, name="song_audio"),
    path("songs/<int:pk>/audio/<str:signature>/", file_views.song_audio_signed, name="song_audio_signed"),
    path("songs/<int:pk>/lyrics/", file_views.song_lyrics, name="song_lyrics"),
    path("uploads/", views.uploads, name="uploads"),
    path("uploads/folders/", folder_views.folders, name="folders"),
    path("uploads/folders/add/", folder_views.folder_add, name="folder_add"),
    path("uploads/folders/missing/", folder_views.missing_decide, name="missing_decide"),
    path("uploads/folders/<int:pk>/empty/", folder_views.folder_empty, name="folder_empty"),
    path("uploads/folders/<int:pk>/stop/", folder_views.folder_end, name="folder_stop"),
    path("uploads/folders/<int:pk>/forget/", folder_views.folder_remove, name="folder_forget"),
    path("uploads/rows/", views.upload_rows, name="upload_rows"),
    path("uploads/changes/", views.upload_changes, name="upload_changes"),
    path("uploads/retry/", views.uploads_retry, name="uploads_retry"),
    path("uploads/hide/", views.uploads_hide, name="uploads_hide"),
    path("uploads/<int:pk>/retry/", views.upload_retry, name="upload_retry"),
    path("uploads/<int:pk>/hide/", views.upload_hide, name="upload_hide"),
    path("uploads/<int:pk>/compare/", views.upload_compare, name="upload_compare"),
    path("uploads/<int:pk>/keep/", views.duplicates_keep, name="duplicates_keep"),
    path("uploads/<int:pk>/remove/", views.duplicate_remove, name="duplicate_remove"),
    path("duplicates/", views.duplicates, name="duplicates"),
    path("duplicates/<int:pk>/keep/", views.duplicate_settle, name="duplicate_settle"),
    path("uploads/unfinished/<str:public_id>/discard/", views.partial_discard, name="session_discard"),
]
