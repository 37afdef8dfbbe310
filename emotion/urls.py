"""Pages of the emotion app."""

from django.urls import include, path

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
    path("", include("emotion.library.urls")),
]
