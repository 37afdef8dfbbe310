"""The endpoints of OpenSubsonic, each with `.view` behind its name and without."""

from django.urls import path

from recommender.subsonic.views import call

app_name = "subsonic"

urlpatterns = [path("<str:name>", call, name="call")]
