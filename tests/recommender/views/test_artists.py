"""Pages, exports, imports and filters know all artists and genres of a song."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from catalog.models import Song, SongChange
from catalog.songs import editing
from recommender.index.songs import SongRow, SongTable
from recommender.requests import Filters, Listener
from recommender.retrieval import estimates_playable
from recommender.services.sharing import playlist_import
from tests.factories import AlbumFactory, EstimateFactory, PlaylistItemFactory, SongFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def song(cleo: User) -> Song:
    """ "Tide" by Ann feat. Bob, and Cyd, of two genres, on an album of The Band."""
    estimate = EstimateFactory(song__title="Tide", song__artist__name="Ann", song__genre="Rock")
    values = {
        "artist": "Ann feat. Bob; Cyd",
        "genre": "Jazz; Bop",
        "album": "Sea",
        "album_artist": "The Band",
        "disc_number": 2,
        "track_number": 7,
    }
    editing.songs_edit(song_ids=[estimate.song_id], values=values, editor=cleo)
    return Song.objects.select_related("artist", "album__artist").get(pk=estimate.song_id)


def titles(client: Client, query: str) -> list[str]:
    return [each.title for each in client.get(f"/songs/?{query}").context["page"]]


def test_the_song_page_links_each_artist_genre_and_the_album(song: Song, client: Client) -> None:
    page = client.get(f"/songs/{song.pk}/").content.decode()

    for artist in song.artists:
        assert f'/artists/{artist.pk}/" dir="auto">{artist.name}</a>' in page
    assert "feat. <a" in page
    assert 'genre=Jazz" dir="auto">Jazz</a>, <a' in page.replace("\n       ", "")
    assert f"/albums/{song.album_id}/" in page
    assert "disc 2, track 7" in page
    assert "<title>Tide by Ann feat. Bob, Cyd" in page


def test_lists_of_each_artist_genre_and_album_have_the_song(song: Song, client: Client) -> None:
    SongFactory(title="Other")
    for artist in song.artists:
        assert titles(client, f"artist={artist.pk}") == ["Tide"]
    for query in ("genre=jazz", "genre=Bop", "q=cyd+bop", f"album={song.album_id}", "q=bob"):
        assert titles(client, query) == ["Tide"], query
    assert titles(client, "album=999999") == titles(client, "genre=Rock;") == []

    page = client.get(f"/songs/?album={song.album_id}").content.decode()
    assert "Ann feat. Bob, Cyd" in page
    assert 'class="chip"' in page
    assert "Sea</span>" in page
    assert f'/albums/{song.album_id}/">Sea</a></h1>' in page
    assert "As on the album" in page


def test_an_album_comes_in_its_order(client: Client) -> None:
    album = AlbumFactory()
    for title, disc, track in [("d", 2, 1), ("b", None, 2), ("a", 1, 1), ("c", None, None)]:
        SongFactory(title=title, album=album, disc_number=disc, track_number=track)

    assert titles(client, f"album={album.pk}") == ["a", "b", "c", "d"]


def test_the_api_has_them_all(
    song: Song, api_anonymous: APIClient, api_cleo: APIClient, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    SongFactory()
    for query in ("genre=bop", f"artist={song.artists[2].pk}", f"album={song.album_id}"):
        with django_assert_max_num_queries(5):
            [answer] = api_anonymous.get(f"/api/v1/songs/?{query}").json()["results"]
        assert [artist["name"] for artist in answer["artists"]] == ["Ann", "Bob", "Cyd"]
    assert (answer["artist"]["name"], answer["artist_credit"]) == ("Ann", "Ann feat. Bob, Cyd")
    assert (answer["genre"], answer["genres"]) == ("Jazz; Bop", ["Jazz", "Bop"])
    assert (answer["album"]["artist"]["name"], answer["disc_number"]) == ("The Band", 2)

    change = {"artist": "Dan / Eve", "album_artist": "", "genre": "Ska", "disc_number": None}
    answer = api_cleo.patch(f"/api/v1/songs/{song.pk}/", change, format="json").json()
    assert [artist["name"] for artist in answer["artists"]] == ["Dan", "Eve"]
    assert (answer["album"]["artist"]["name"], answer["genres"], answer["disc_number"]) == ("Dan", ["Ska"], None)


def test_lists_by_mood_can_be_limited_to_any_of_them(song: Song) -> None:
    EstimateFactory()
    for filters in (*(Filters(artist_id=artist.pk) for artist in song.artists), Filters("BOP"), Filters("jazz")):
        assert [each.song_id for each in estimates_playable(filters)] == [song.pk]


def test_the_index_finds_a_genre_and_an_artist_among_several() -> None:
    rows = [
        SongRow(1, 5, False, None, "Jazz; Bop", 2000, datetime.now(tz=UTC), 1, 0.9, 0.1, 0.1, "m", bytes(16)),
        SongRow(2, 6, False, None, "Rock", 2000, datetime.now(tz=UTC), 1, 0.9, 0.1, 0.1, "m", bytes(16)),
    ]
    table, _left_out = SongTable.of_rows(rows, "m", 4)

    assert table.matching(genre="BOP").tolist() == table.matching(genre="jazz").tolist() == [True, False]
    assert table.matching(genre="Jazz; Bop").tolist() == [False, False]
    assert table.matching(artist_id=6, further=[1]).tolist() == [True, True]


def test_exported_lists_name_all_artists(song: Song, client_alice: Client, alice: User) -> None:
    playlist = PlaylistItemFactory(song=song, playlist__owner=alice).playlist

    m3u = client_alice.get(f"/playlists/{playlist.pk}/export/m3u8/").content.decode()
    jspf = json.loads(client_alice.get(f"/playlists/{playlist.pk}/export/jspf/").content)

    assert "Ann feat. Bob, Cyd - Tide" in m3u
    assert jspf["playlist"]["track"][0]["creator"] == "Ann feat. Bob, Cyd"


@pytest.mark.parametrize(
    "label",
    [
        *("Ann - Tide", "Bob - Tide", "Cyd - Tide", "Ann feat. Bob, Cyd - Tide", "Ann; Cyd - Tide"),
        *("Ann, Cyd - Tide", "Ann, Bob, Cyd - Tide"),
    ],
)
def test_a_list_may_name_any_of_the_artists(song: Song, alice: User, label: str) -> None:
    SongFactory(title="Tide", artist__name="Zoe")
    playlist = playlist_import(
        listener=Listener(user=alice),
        content=f"#EXTM3U\n#EXTINF:60,{label}\nx.mp3\n".encode(),
        file_name="a.m3u",
        site="https://here.example/",
    )

    assert [item.song_id for item in playlist.items.all()] == [song.pk]


def test_the_form_shows_and_takes_several(song: Song, client_cleo: Client) -> None:
    page = client_cleo.get(f"/songs/{song.pk}/edit/")
    form = page.context["form"]
    shown = {name: form[name].value() for name in ("artist", "album_artist", "genre", "disc_number")}
    assert shown == {"artist": "Ann feat. Bob; Cyd", "album_artist": "The Band", "genre": "Jazz; Bop", "disc_number": 2}
    assert "Several: a semicolon between them, or “feat.”." in page.content.decode()

    data = {name: form[name].value() or "" for name in form.fields if name not in ("seen", "clear", "cover")}
    initial = {f"initial-{name}": value for name, value in data.items()}
    answer = client_cleo.post(f"/songs/{song.pk}/edit/", {**data, **initial, "album": "", "album_artist": "Dan"})
    assert answer.context["form"].errors == {"album_artist": ["An album artist needs an album."]}
    client_cleo.post(f"/songs/{song.pk}/edit/", {**data, **initial, "artist": "Dan;Eve", "disc_number": "1"})
    assert [artist.name for artist in Song.objects.get(pk=song.pk).artists] == ["Dan", "Eve"]
    assert SongChange.objects.latest("pk").edits.get().after == {"artist": "Dan; Eve", "disc_number": 1}
