"""Pages of the emotion app."""

from django.urls import path
from django.views.generic import RedirectView

from emotion.library import tags_page
from emotion.library import views as library
from emotion.pages import covers, views

app_name = "emotion"

urlpatterns = [
    path("songs/<int:pk>/cover", covers.song_cover, name="song_cover"),
    path("songs/<int:pk>/spectrogram.png", views.spectrogram, name="spectrogram"),
    path("songs/<int:pk>/curve/", views.song_curve, name="song_curve"),
    path("songs/<int:pk>/waveform/", views.song_waveform, name="song_waveform"),
    path("songs/<int:pk>/saliency/", views.song_saliency, name="song_saliency"),
    path("songs/<int:pk>/saliency.png", views.saliency_picture, name="saliency_picture"),
    path("songs/<int:pk>/perceived/", views.song_perceived, name="song_perceived"),
    path("status/", views.status, name="status"),
    path("songs/edit/", library.library, name="library"),
    path("songs/edit/act/", library.library_act, name="library_act"),
    path("songs/edit/states/", library.song_states, name="song_states"),
    path("songs/edit/change/", library.songs_change, name="songs_change"),
    path("songs/edit/tags/", tags_page.file_tags, name="file_tags"),
    path("songs/edit/tags/progress/", tags_page.file_tags_progress, name="file_tags_progress"),
    path("songs/edit/history/", library.changes, name="changes"),
    path("songs/edit/history/<int:pk>/undo/", library.change_undo, name="change_undo"),
    path("songs/<int:pk>/edit/", library.song_edit, name="song_edit"),
    path("songs/<int:pk>/quadrant/", library.song_override, name="song_override"),
    path("songs/<int:pk>/reanalyse/", library.song_reanalyse, name="song_reanalyse"),
    path("songs/<int:pk>/reanalysis/", library.song_reanalysis, name="song_reanalysis"),
    # The paths of 0.1.0; they go with the release after 0.2.0.
    path("songs/<int:pk>/attention/", RedirectView.as_view(pattern_name="emotion:song_saliency", permanent=True)),
    path("songs/<int:pk>/attention.png", RedirectView.as_view(pattern_name="emotion:saliency_picture", permanent=True)),
    path("songs/<int:pk>/hearing/", RedirectView.as_view(pattern_name="emotion:song_reanalysis", permanent=True)),
]
