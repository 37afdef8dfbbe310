"""Every answer of every endpoint, in JSON and XML, against the schemas of the specification."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils.http import urlencode

from catalog.models import Song
from recommender.models import ArtistLike, Bookmark, Player, PlayQueue, StarRating
from recommender.subsonic.endpoints import HANDLERS, MISSING, OPEN
from recommender.subsonic.lists import ORDERS
from recommender.subsonic.system import EXTENSIONS
from tests.recommender.subsonic.conftest import Library, call, now_ms
from tests.recommender.subsonic.schemas import answer_schema, endpoints, of_xml, problems

Given = Mapping[str, Any]
BINARY = {"stream", "download", "getCoverArt", "getAvatar"}


def given(library: Library) -> dict[str, Given | list[Given]]:
    """What each endpoint is asked with; where several answers differ, several."""
    song, other, album = f"tr-{library.songs[0].pk}", f"tr-{library.songs[3].pk}", f"al-{library.album.pk}"
    artist, playlist = f"ar-{library.album.artist_id}", f"pl-{library.playlist.pk}"
    plain = set(ORDERS) - {"byYear", "byGenre"}
    albums: list[Given] = [{"type": order} for order in sorted(plain)]
    albums += [{"type": "byYear", "fromYear": 2000, "toYear": 1980}, {"type": "byGenre", "genre": "Dream Pop"}]
    position = {"mediaId": song, "mediaType": "song", "positionMs": 1000, "state": "playing"}
    return {
        "getIndexes": [{}, {"musicFolderId": library.folder.pk}, {"ifModifiedSince": now_ms() + 1000}],
        "getMusicDirectory": [
            {"id": artist},
            {"id": album},
            {"id": library.folder.pk},
            {"id": f"ar-{library.single.artist_id}"},
        ],
        "getArtist": [{"id": artist}, {"id": f"ar-{library.single.artist_id}"}],
        "getAlbum": [{"id": album}, {"id": f"si-{library.single.artist_id}"}],
        "getSong": {"id": song},
        "getArtistInfo": {"id": artist},
        "getArtistInfo2": {"id": artist},
        "getAlbumInfo": {"id": album},
        "getAlbumInfo2": {"id": album},
        "getTopSongs": {"artist": "the lanterns"},
        "getAlbumList": albums,
        "getAlbumList2": albums,
        "getRandomSongs": {"size": 4},
        "getSongsByGenre": {"genre": "folk"},
        "search": {"any": "lantern"},
        "search2": [{"query": "lantern"}, {"query": ""}],
        "search3": [{"query": "lantern"}, {"query": '""'}, {"query": "copper", "musicFolderId": library.folder.pk}],
        "getPlaylist": [{"id": playlist}, {"id": "mood-1"}, {"id": "mood-wind-down"}, {"id": "mood-ready-wind-down"}],
        "createPlaylist": [{"name": "New", "songId": [song, other]}, {"playlistId": playlist, "songId": [other, song]}],
        "updatePlaylist": {"playlistId": playlist, "comment": "Other", "songIdToAdd": other, "songIndexToRemove": 0},
        "deletePlaylist": {"id": "mood-2"},
        "getLyrics": [{"artist": "The Lanterns", "title": "Lantern 0"}, {"title": "Lantern 1"}],
        "getLyricsBySongId": [{"id": song}, {"id": other}],
        "star": {"id": song, "albumId": album, "artistId": artist},
        "unstar": {"id": song, "albumId": album},
        "setRating": {"id": song, "rating": 4},
        "scrobble": {"id": song, "time": now_ms()},
        "reportPlayback": position,
        "createBookmark": {"id": other, "position": 1500, "comment": "Here"},
        "deleteBookmark": {"id": song},
        "savePlayQueue": {"id": [song, other], "current": other, "position": 500},
        "savePlayQueueByIndex": {"id": [song, other], "currentIndex": 1, "position": 500},
        "getSimilarSongs": {"id": song},
        "getSimilarSongs2": [{"id": artist}, {"id": album}],
        "getSonicSimilarTracks": {"id": song},
        "findSonicPath": {"startSongId": song, "endSongId": other, "count": 5},
        "getUser": {"username": "alice"},
        "createShare": [{"id": playlist}, {"id": [song, album], "description": "Both"}],
        "updateShare": {"id": playlist, "description": "Ours"},
        "deleteShare": {"id": playlist},
    }


@pytest.fixture
def kept(library: Library, alice: User) -> Library:
    """The library, with all that players alone put into it."""
    song, artist = library.songs[0], library.album.artist
    for what in ({"song": song}, {"album": library.album}):
        StarRating.objects.create(listener=alice, stars=4, **what)
    ArtistLike.objects.create(listener=alice, artist=artist)
    Bookmark.objects.create(listener=alice, song=song, position_ms=1200, comment="<here>")
    now = song.created_at
    PlayQueue.objects.create(
        listener=alice, song_ids=[song.pk, song.pk], current_index=1, changed_by="tests", changed_at=now
    )
    paused = {"state": Player.State.PAUSED, "position_ms": 3000, "begun_at": now, "reported_at": now}
    Player.objects.create(listener=alice, name="Kitchen", song=song, **paused)
    return library


def test_the_table_names_every_endpoint_of_the_specification_once() -> None:
    names = [*HANDLERS, *MISSING, *OPEN]
    assert len(names) == len(set(names)) == 87
    assert set(names) == set(endpoints())
    assert len(HANDLERS) + len(OPEN) >= 60
    assert set(EXTENSIONS) >= {"apiKeyAuthentication", "formPost", "songLyrics", "transcodeOffset", "indexBasedQueue"}
    assert set(EXTENSIONS) >= {"playbackReport", "sonicSimilarity"}


@pytest.mark.parametrize("name", sorted({*HANDLERS, *OPEN} - BINARY))
def test_every_answer_is_valid_in_json_and_xml(name: str, kept: Library, key_alice: str) -> None:
    asked = given(kept).get(name, {})
    path = answer_schema(name)
    assert path is not None
    for parameters in asked if isinstance(asked, list) else [asked]:
        response = call(name, key_alice, **parameters)
        answer = json.loads(response.content)
        assert answer["subsonic-response"]["status"] == "ok", answer
        assert (response["Content-Type"], problems(path, answer)) == ("application/json; charset=utf-8", [])
        response = call(f"{name}.view", key_alice, **parameters, f=None)
        assert response["Content-Type"] == "text/xml; charset=utf-8"
        as_json = of_xml(path, response.content)
        assert problems(path, as_json) == []
        if name not in CHANCE and not name.startswith(("create", "update", "delete")):
            assert as_json["subsonic-response"].keys() == answer["subsonic-response"].keys()


CHANCE = {"getRandomSongs", "getAlbumList", "getAlbumList2"}


@pytest.mark.parametrize("name", [*MISSING, "noSuchThing", *sorted(BINARY)])
def test_every_failure_is_valid_in_json_and_xml(name: str, alice: User, key_alice: str) -> None:
    path = "openapi/schemas/SubsonicResponse.json"
    response = call(name, key_alice, id="tr-1", username="bob")
    assert response.status_code == MISSING.get(name, 404 if name == "noSuchThing" else 200)
    assert problems(path, json.loads(response.content)) == []
    xml = call(f"{name}.view", key_alice, id="tr-1", username="bob", f=None)
    assert problems(path, as_json := of_xml(path, xml.content)) == []
    assert as_json["subsonic-response"]["error"]["code"] in (0, 50, 70)


def test_a_song_says_what_is_known_of_it(kept: Library, key_alice: str) -> None:
    response = call("getSong", key_alice, id=f"tr-{kept.songs[0].pk}")
    song = json.loads(response.content)["subsonic-response"]["song"]
    assert song["moods"] == ["Happy"]
    assert (song["bpm"], song["userRating"], song["playCount"], song["bookmarkPosition"]) == (120, 4, 1, 1200)
    assert song["replayGain"]["trackGain"] == -6.5
    assert [genre["name"] for genre in song["genres"]] == ["Folk", "Dream Pop"]
    assert [artist["name"] for artist in song["artists"]] == ["The Lanterns", "Mira Vale"]
    assert song["path"] == "The Lanterns/Copper & <Salt>/1-01 - Lantern 0.ogg"
    assert "starred" in song
    assert "played" in song


def test_jsonp_calls_the_function_that_it_is_told(alice: User, key_alice: str) -> None:
    response = call("ping", key_alice, f="jsonp", callback="jQuery.on_1")
    assert response["Content-Type"].startswith("application/javascript")
    assert response.content.startswith(b"/**/jQuery.on_1({")
    # Anything else would be a script of the asker's.
    assert call("ping", key_alice, f="jsonp", callback="alert(1)//").content.startswith(b"{")


def test_a_form_may_be_posted_and_have_thousands_of_songs(kept: Library, key_alice: str) -> None:
    body = {"apiKey": key_alice, "c": "tests", "f": "json", "name": "Long"}
    songs = [("songId", f"tr-{kept.songs[n % 8].pk}") for n in range(3000)]
    sent = urlencode([*body.items(), *songs])
    client = Client(enforce_csrf_checks=True)
    response = client.post("/rest/createPlaylist.view", sent, "application/x-www-form-urlencoded")
    answer = json.loads(response.content)["subsonic-response"]
    assert (answer["status"], answer["playlist"]["songCount"]) == ("ok", 8)
    assert Song.objects.count() == 9
