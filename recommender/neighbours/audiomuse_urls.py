"""The addresses that clients of AudioMuse know."""

from django.urls import path

from recommender.neighbours import audiomuse

urlpatterns = [
    path("similar_tracks", audiomuse.similar_tracks),
    path("find_path", audiomuse.find_path),
]
