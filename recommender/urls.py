"""The pages a listener walks through."""

from django.urls import path

from recommender import views
from recommender.views import deleting, moodmap

app_name = "recommender"

urlpatterns = [
    path("", views.home, name="home"),
    path("home/body/", views.home_body, name="home_body"),
    path("home/progress/", views.tagging_progress, name="tagging_progress"),
    path("home/points/", views.pad_points, name="pad_points"),
    path("home/songs/<int:pk>/", views.pad_song, name="pad_song"),
    path("home/artists/", views.artist_options, name="artist_options"),
    path("mood/", views.mood_report, name="mood_report"),
    path("mood/withdraw/", views.mood_withdraw, name="mood_withdraw"),
    path("journey/", views.journey, name="journey"),
    path("songs/", views.song_list, name="song_list"),
    path("songs/<int:pk>/", views.song_detail, name="song_detail"),
    path("songs/<int:pk>/playlist/", views.song_playlist, name="song_playlist"),
    path("songs/<int:pk>/felt/", views.song_felt, name="song_felt"),
    path("songs/<int:pk>/felt/withdraw/", views.song_felt_withdraw, name="song_felt_withdraw"),
    path("songs/<int:pk>/felt/undo/", views.song_felt_undo, name="song_felt_undo"),
    path("songs/<int:pk>/liked/", views.song_liked, name="song_liked"),
    path("songs/<int:pk>/played/", views.song_played, name="song_played"),
    path("songs/<int:pk>/skipped/", views.song_skipped, name="song_skipped"),
    path("songs/<int:pk>/completed/", views.song_completed, name="song_completed"),
    path("songs/delete/", deleting.songs_delete, name="songs_delete"),
    path("playlists/", views.playlist_list, name="playlist_list"),
    path("playlists/import/", views.playlist_import, name="playlist_import"),
    path("playlists/<int:pk>/", views.playlist_detail, name="playlist_detail"),
    path("playlists/<int:pk>/items/", views.playlist_items, name="playlist_items"),
    path("playlists/<int:pk>/items/<int:song_pk>/move/", views.playlist_item_move, name="playlist_item_move"),
    path("playlists/<int:pk>/items/<int:song_pk>/remove/", views.playlist_item_remove, name="playlist_item_remove"),
    path("playlists/<int:pk>/regenerate/", views.playlist_regenerate, name="playlist_regenerate"),
    path("playlists/<int:pk>/rerank/", views.playlist_rerank, name="playlist_rerank"),
    path("playlists/<int:pk>/rename/", views.playlist_rename, name="playlist_rename"),
    path("playlists/<int:pk>/save/", views.playlist_save, name="playlist_save"),
    path("playlists/<int:pk>/unsave/", views.playlist_unsave, name="playlist_unsave"),
    path("playlists/<int:pk>/share/", views.playlist_share, name="playlist_share"),
    path("playlists/<int:pk>/unshare/", views.playlist_unshare, name="playlist_unshare"),
    path("playlists/<int:pk>/export/<str:suffix>/", views.playlist_export, name="playlist_export"),
    path("playlists/<int:pk>/delete/", views.playlist_delete, name="playlist_delete"),
    path("playlists/<int:pk>/restore/", views.playlist_restore, name="playlist_restore"),
    path("playlists/<int:pk>/items/restore/", views.playlist_item_restore, name="playlist_item_restore"),
    path("shared/<str:token>/", views.shared_playlist, name="shared_playlist"),
    path("shared/<str:token>/copy/", views.shared_copy, name="shared_copy"),
    path("me/", moodmap.me, name="me"),
    path("me/ratings/<int:pk>/withdraw/", moodmap.me_rating_withdraw, name="me_rating_withdraw"),
    path("me/ratings/<int:song_pk>/restore/", moodmap.me_rating_restore, name="me_rating_restore"),
    path("me/moods/<int:pk>/withdraw/", moodmap.me_mood_withdraw, name="me_mood_withdraw"),
    path("me/export/<str:suffix>/", moodmap.me_export, name="me_export"),
    path("me/forget/", moodmap.me_forget, name="me_forget"),
    path("me/delete/", moodmap.me_delete, name="me_delete"),
]
