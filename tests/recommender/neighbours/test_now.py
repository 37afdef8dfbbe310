"""Any device plays a list for a mood by signed addresses, and clients of AudioMuse find what they know."""

from __future__ import annotations

import re
import shlex
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings
from rest_framework.authtoken.models import Token

from catalog.files import views
from catalog.models import Song
from catalog.uploads.services import upload_create
from emotion.inference.quadrants import Quadrant
from recommender.services import indexing
from tests.audio_fixtures import make_audio
from tests.factories import EstimateFactory
from tests.recommender.conftest import SongMaker

pytestmark = pytest.mark.django_db
DOCS = Path(__file__).parents[3] / "docs" / "neighbours.md"


def curl(client: Client, line: str, token: str) -> tuple[int, str]:
    """Ask what a line of the documentation asks."""
    words = shlex.split(line.replace("$TOKEN", token))
    headers = {}
    for name, value in pairwise(words):
        if name == "-H":
            key, _colon, text = value.partition(": ")
            headers[key] = text
    parts = urlsplit(next(word for word in words if word.startswith("http")))
    answer = client.get(f"{parts.path}?{parts.query}", headers=headers)
    return answer.status_code, answer.content.decode()


def test_the_documented_lines_give_lists_that_a_device_without_an_account_plays(
    alice: User, tmp_path: Path, settings: Settings, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MOODPLANE_PUBLIC = False
    path = make_audio(tmp_path / "x.flac")
    with path.open("rb") as stream:
        song = upload_create(owner=None, file=stream, file_name="x.flac").song
    assert song is not None
    Song.objects.filter(pk=song.pk).update(state=Song.State.ANALYSED)
    EstimateFactory(song=song, quadrant=Quadrant.Q4)
    indexing.index_rebuild()
    token = Token.objects.create(user=alice).key
    lines = [line.strip() for line in DOCS.read_text().splitlines() if line.startswith("    curl") and "/now/" in line]
    assert len(lines) >= 2
    for line in lines:
        status, text = curl(client, line, token)
        assert status == 200
        assert text.startswith("#EXTM3U")
        [address] = re.findall(r"^http\S+$", text, re.MULTILINE)
    assert client.get("/api/v1/playlists/now/?mood=calm").status_code in (401, 403)
    played = client.get(urlsplit(address).path, headers={"Range": "bytes=0-3"})
    assert (played.status_code, played.getvalue()) == (206, b"fLaC")
    assert client.get(urlsplit(address).path.replace(f"/{song.pk}/", f"/{song.pk + 1}/")).status_code == 404
    monkeypatch.setattr(views, "SIGNED_FOR", timedelta(seconds=-1))
    assert client.get(urlsplit(address).path).status_code == 404


def test_a_mood_or_a_point_is_needed(client_alice: Client) -> None:
    for query in ("", "?mood=bored", "?valence=0.2", "?mood=calm&valence=0&arousal=0", "?valence=2&arousal=0"):
        assert client_alice.get(f"/api/v1/playlists/now/{query}").status_code == 400


def test_clients_of_audiomuse_find_what_they_know_where_it_is_switched_on(
    client_alice: Client, settings: Settings, make_songs: SongMaker
) -> None:
    songs = make_songs(12)
    indexing.index_rebuild()
    one, other = songs[0].pk, songs[5].pk
    assert client_alice.get(f"/api/similar_tracks?item_id={one}").status_code == 404
    settings.MOODPLANE_AUDIOMUSE = True
    rows = client_alice.get(f"/api/similar_tracks?item_id=tr-{one}&n=5").json()
    assert len(rows) == 5
    assert set(rows[0]) == {"item_id", "title", "author", "album", "distance"}
    assert [row["distance"] for row in rows] == sorted(row["distance"] for row in rows)
    assert f"tr-{one}" not in {row["item_id"] for row in rows}
    way = client_alice.get(f"/api/find_path?start_song_id={one}&end_song_id={other}&max_steps=6").json()
    steps = [row["item_id"] for row in way["path"]]
    assert (steps[0], steps[-1]) == (f"tr-{one}", f"tr-{other}")
    assert len(steps) == len(set(steps)) <= 6
    assert way["total_distance"] > 0
    assert client_alice.get("/api/similar_tracks").status_code == 400
    assert client_alice.get("/api/similar_tracks?item_id=99").status_code == 404
