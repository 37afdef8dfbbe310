"""A real client over a real socket, and the requests that players are known to begin with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils.http import urlencode
from libopensonic import Connection
from pytest_django.live_server_helper import LiveServer

from catalog.models import Song
from recommender.models import FeltRating, Listen, Playlist, StarRating
from recommender.subsonic import credentials
from tests.recommender.subsonic.conftest import SALT, Library, signed
from tests.recommender.subsonic.schemas import answer_schema, of_xml, problems


@pytest.mark.integration
@pytest.mark.parametrize("way", ["key", "token", "legacy"])
def test_py_opensonic_reads_plays_and_keeps(
    transactional_db: None, live_server: LiveServer, library: Library, alice: User, sound: Song, way: str
) -> None:
    host, port = live_server.url.rsplit(":", 1)
    if way == "key":
        server = Connection(host, port=int(port), api_key=credentials.key_make(user=alice)[1])
    else:
        secret = credentials.secret_make(user=alice)
        server = Connection(host, "alice", secret, port=int(port), legacy_auth=way == "legacy", use_get=way == "legacy")
    try:
        _play(server, library)
        if way == "key":
            assert server.token_info().username == "alice"
    finally:
        server.cleanup()
        # The library leaves its loop open, which Python then says in whichever test comes next.
        server._loop.close()
    assert Listen.objects.filter(song=library.songs[1], outcome=Listen.Outcome.COMPLETED).count() == 1
    assert FeltRating.objects.get(song=library.songs[1]).liked is True
    assert StarRating.objects.get().stars == 5
    assert Playlist.objects.get(title="Made in a player").items.count() == 2


def _play(server: Any, library: Library) -> None:
    assert server.ping()
    assert "sonicSimilarity" in {each.name for each in server.get_open_subsonic_extensions()}
    artists = [artist for index in server.get_artists().index for artist in index.artist]
    artist = server.get_artist(next(each.id for each in artists if each.name == "The Lanterns"))
    album = server.get_album(artist.album[0].id)
    assert [song.title for song in album.song] == [f"Lantern {n}" for n in range(8)]
    first, second = album.song[0], album.song[1]
    assert (first.bpm, first.moods, first.replay_gain.track_gain) == (120, ["Happy"], -6.5)
    assert len(server.search3("").song) == 9
    assert [each.name for each in server.get_album_list2("alphabeticalByName")] == ["Copper & <Salt>"]
    moods = {each.name: each for each in server.get_playlists()}
    assert server.get_playlist(moods["Happy"].id).entry[0].moods == ["Happy"]
    assert server.get_lyrics_by_song_id(first.id)[0].line[1].value == "& another <one>"
    server.create_playlist(name="Made in a player", song_ids=[first.id, second.id])
    server.star(sids=[second.id])
    server.set_rating(second.id, 5)
    server.scrobble(second.id, submission=False)
    server.scrobble(second.id)
    server.create_bookmark(first.id, 1500, "Here")
    assert [mark.position for mark in server.get_bookmarks()] == [1500]
    server.save_play_queue([first.id, second.id], current=second.id, position=100)
    assert server.get_play_queue().current == second.id
    path = server.find_sonic_path(first.id, album.song[5].id, 4)
    assert (path[0].entry.id, path[-1].entry.id) == (first.id, album.song[5].id)
    assert server.get_user("alice").username == "alice"


# --- What players ask first -------------------------------------------------------------------------------------------
#
# By their sources and by what they send: each request as its player writes it, in order. "SONG" and the like stand for
# numbers that an answer before it gave.

SHAPES: dict[str, list[tuple[str, str, Mapping[str, Any]]]] = {
    # Reads all there is by an empty search, in pages, with JSON and a form.
    "Symfonium": [
        ("POST", "ping.view", {}),
        ("POST", "getOpenSubsonicExtensions.view", {}),
        ("POST", "getMusicFolders.view", {}),
        ("POST", "search3.view", {"query": '""', "songCount": 500, "songOffset": 0, "albumCount": 0, "artistCount": 0}),
        (
            "POST",
            "search3.view",
            {"query": '""', "albumCount": 500, "albumOffset": 0, "songCount": 0, "artistCount": 0},
        ),
        ("POST", "getStarred2.view", {}),
        ("POST", "getPlaylists.view", {}),
        ("POST", "getPlaylist.view", {"id": "mood-1"}),
        ("POST", "getInternetRadioStations.view", {}),
        ("POST", "getBookmarks.view", {}),
    ],
    # XML by GET; folders first.
    "DSub": [
        ("GET", "ping.view", {"f": "xml"}),
        ("GET", "getUser.view", {"username": "alice", "f": "xml"}),
        ("GET", "getMusicFolders.view", {"f": "xml"}),
        ("GET", "getIndexes.view", {"ifModifiedSince": 0, "f": "xml"}),
        ("GET", "getMusicDirectory.view", {"id": "ARTIST", "f": "xml"}),
        ("GET", "getAlbumList.view", {"type": "newest", "size": 20, "offset": 0, "f": "xml"}),
        (
            "GET",
            "search2.view",
            {"query": "lantern*", "artistCount": 10, "albumCount": 20, "f": "xml"},
        ),
        ("GET", "getPlaylists.view", {"username": "alice", "f": "xml"}),
        ("GET", "getPodcasts.view", {"includeEpisodes": "false", "f": "xml"}),
        ("GET", "scrobble.view", {"id": "SONG", "submission": "false", "f": "xml"}),
    ],
    "Ultrasonic": [
        ("GET", "ping.view", {"f": "json"}),
        ("GET", "getMusicFolders.view", {"f": "json"}),
        ("GET", "getIndexes.view", {"musicFolderId": "FOLDER", "ifModifiedSince": 1, "f": "json"}),
        ("GET", "getArtists.view", {"f": "json"}),
        ("GET", "getAlbumList2.view", {"type": "alphabeticalByName", "size": 500, "offset": 0, "f": "json"}),
        ("GET", "getSongsByGenre.view", {"genre": "Folk", "count": 50, "offset": 0, "f": "json"}),
        ("GET", "getChatMessages.view", {"f": "json"}),
        ("GET", "getVideos.view", {"f": "json"}),
        ("GET", "getShares.view", {"f": "json"}),
        ("GET", "jukeboxControl.view", {"action": "status", "f": "json"}),
    ],
    "Substreamer": [
        ("GET", "ping.view", {"f": "json"}),
        ("GET", "getAlbumList2.view", {"type": "recent", "size": 20, "f": "json"}),
        ("GET", "getAlbumList2.view", {"type": "frequent", "size": 20, "f": "json"}),
        ("GET", "getAlbumList2.view", {"type": "random", "size": 20, "f": "json"}),
        ("GET", "getArtistInfo2.view", {"id": "ARTIST", "count": 10, "f": "json"}),
        ("GET", "getTopSongs.view", {"artist": "The Lanterns", "count": 20, "f": "json"}),
        ("GET", "getSimilarSongs2.view", {"id": "ARTIST", "count": 20, "f": "json"}),
        ("GET", "getAlbumInfo2.view", {"id": "ALBUM", "f": "json"}),
        ("GET", "getScanStatus.view", {"f": "json"}),
    ],
    "Feishin": [
        ("GET", "ping.view", {"f": "json"}),
        ("GET", "getOpenSubsonicExtensions.view", {"f": "json"}),
        ("GET", "getUser.view", {"username": "alice", "f": "json"}),
        ("GET", "getArtists.view", {"f": "json"}),
        ("GET", "getArtist.view", {"id": "ARTIST", "f": "json"}),
        ("GET", "getGenres.view", {"f": "json"}),
        ("GET", "search3.view", {"query": "", "songCount": 100, "songOffset": 0, "albumCount": 0, "artistCount": 0}),
        ("GET", "getRandomSongs.view", {"size": 100, "f": "json"}),
        ("GET", "setRating.view", {"id": "ALBUM", "rating": 4, "f": "json"}),
        ("GET", "getLyricsBySongId.view", {"id": "SONG", "f": "json"}),
    ],
    # Without ".view", and with the queue of another device.
    "Supersonic": [
        ("GET", "ping", {"f": "json"}),
        ("GET", "getOpenSubsonicExtensions", {"f": "json"}),
        ("GET", "getAlbumList2", {"type": "alphabeticalByArtist", "size": 20, "offset": 0, "f": "json"}),
        ("GET", "getAlbum", {"id": "ALBUM", "f": "json"}),
        ("GET", "getStarred2", {"f": "json"}),
        ("GET", "getPlayQueueByIndex", {"f": "json"}),
        ("POST", "savePlayQueueByIndex", {"id": ["SONG", "SONG"], "currentIndex": 1, "position": 900, "f": "json"}),
        ("GET", "getSonicSimilarTracks", {"id": "SONG", "count": 20, "f": "json"}),
        ("GET", "startScan", {"f": "json"}),
    ],
}
# What these players ask for and live without.
_ABSENT = {"getChatMessages": 410, "jukeboxControl": 501}


@pytest.mark.parametrize("player", SHAPES)
def test_what_players_ask_first_is_answered(player: str, library: Library, alice: User) -> None:
    who = signed(credentials.secret_make(user=alice)) | {"c": player}
    assert who["s"] == SALT
    stand_in = {
        "SONG": f"tr-{library.songs[0].pk}",
        "ALBUM": f"al-{library.album.pk}",
        "ARTIST": f"ar-{library.album.artist_id}",
        "FOLDER": str(library.folder.pk),
    }
    for method, name, parameters in SHAPES[player]:
        known = {"f": "json", **{key: _filled(value, stand_in) for key, value in parameters.items()}}
        client = Client(headers={"user-agent": player})
        form = urlencode({**who, **known}, doseq=True)
        response = (
            client.get(f"/rest/{name}?{form}")
            if method == "GET"
            else client.post(f"/rest/{name}", form, "application/x-www-form-urlencoded")
        )
        plain = name.removesuffix(".view")
        assert response.status_code == _ABSENT.get(plain, 200), name
        path = answer_schema(plain)
        assert path is not None
        is_xml = known["f"] == "xml"
        answer = of_xml(path, response.content) if is_xml else json.loads(response.content)
        assert problems(path, answer) == [], name
        assert answer["subsonic-response"]["status"] == ("failed" if plain in _ABSENT else "ok"), (name, answer)


def _filled(value: Any, stand_in: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_filled(each, stand_in) for each in value]
    return stand_in.get(value, value) if isinstance(value, str) else value


def test_a_full_sync_reads_each_song_once_though_one_goes_meanwhile(library: Library, alice: User) -> None:
    who: dict[str, Any] = {
        "apiKey": credentials.key_make(user=alice)[1],
        "c": "Symfonium",
        "f": "json",
        "query": "",
        "songCount": 4,
    }
    pages = []
    for offset in (0, 4, 8):
        found = json.loads(Client().get("/rest/search3.view", {**who, "songOffset": offset}).content)
        pages.append([song["id"] for song in found["subsonic-response"]["searchResult3"]["song"]])
        if offset == 0:
            # By its number alone, the second page would begin one song too late.
            library.songs[0].delete()
    read = [number for page in pages for number in page]
    assert (len(read), len(set(read)), [len(page) for page in pages]) == (9, 9, [4, 4, 1])
