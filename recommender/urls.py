"""The pages a listener walks through."""

from django.urls import path

from recommender import views

app_name = "recommender"

urlpatterns = [
    path("", views.home, name="home"),
    path("home/body/", views.home_body, name="home_body"),
    path("home/progress/", views.tagging_progress, name="tagging_progress"),
    path("home/points/", views.pad_points, name="pad_points"),
    path("songs/", views.song_list, name="song_list"),
    path("songs/<int:pk>/", views.song_detail, name="song_detail"),
    path("songs/<int:pk>/felt/", views.song_felt, name="song_felt"),
    path("songs/<int:pk>/felt/withdraw/", views.song_felt_withdraw, name="song_felt_withdraw"),
    path("songs/<int:pk>/played/", views.song_played, name="song_played"),
    path("songs/<int:pk>/skipped/", views.song_skipped, name="song_skipped"),
    path("playlists/", views.playlist_list, name="playlist_list"),
    path("playlists/<int:pk>/", views.playlist_detail, name="playlist_detail"),
    path("playlists/<int:pk>/items/", views.playlist_items, name="playlist_items"),
    path("playlists/<int:pk>/regenerate/", views.playlist_regenerate, name="playlist_regenerate"),
    path("playlists/<int:pk>/delete/", views.playlist_delete, name="playlist_delete"),
]
