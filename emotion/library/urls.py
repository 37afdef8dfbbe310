"""Addresses of the library, in the namespace of the emotion app."""

from django.urls import path

from emotion.library import views

urlpatterns = [
    path("songs/edit/", views.library, name="library"),
    path("songs/edit/act/", views.library_act, name="library_act"),
    path("songs/edit/states/", views.song_states, name="song_states"),
    path("songs/edit/change/", views.songs_change, name="songs_change"),
    path("songs/edit/history/", views.changes, name="changes"),
    path("songs/edit/history/<int:pk>/undo/", views.change_undo, name="change_undo"),
    path("songs/<int:pk>/edit/", views.song_edit, name="song_edit"),
    path("songs/<int:pk>/quadrant/", views.song_override, name="song_word"),
    path("songs/<int:pk>/reanalyse/", views.song_reanalyse, name="song_reanalyse"),
    path("songs/<int:pk>/reanalysis/", views.song_reanalysis, name="song_reanalysis"),
]
