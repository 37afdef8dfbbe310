"""Pages of the emotion app."""

from django.urls import path

from emotion.library import views as library
from emotion.pages import views

app_name = "emotion"

urlpatterns = [
    path("songs/<int:pk>/spectrogram.png", views.spectrogram, name="spectrogram"),
    path("songs/<int:pk>/curve/", views.song_curve, name="song_curve"),
    path("songs/<int:pk>/waveform/", views.song_waveform, name="song_waveform"),
    path("songs/<int:pk>/attention/", views.song_saliency, name="song_attention"),
    path("songs/<int:pk>/attention.png", views.saliency_picture, name="attention_picture"),
    path("songs/<int:pk>/perceived/", views.song_perceived, name="song_perceived"),
    path("status/", views.status, name="status"),
    path("songs/edit/", library.library, name="library"),
    path("songs/edit/act/", library.library_act, name="library_act"),
    path("songs/edit/states/", library.song_states, name="song_states"),
    path("songs/edit/change/", library.songs_change, name="songs_change"),
    path("songs/edit/history/", library.changes, name="changes"),
    path("songs/edit/history/<int:pk>/undo/", library.change_undo, name="change_undo"),
    path("songs/<int:pk>/edit/", library.song_edit, name="song_edit"),
    path("songs/<int:pk>/quadrant/", library.song_override, name="song_word"),
    path("songs/<int:pk>/reanalyse/", library.song_reanalyse, name="song_reanalyse"),
    path("songs/<int:pk>/reanalysis/", library.song_reanalysis, name="song_reanalysis"),
]
