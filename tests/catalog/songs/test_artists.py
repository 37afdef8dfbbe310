"""A song has all its artists and genres, a compilation is one album, and edits keep it so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test.utils import CaptureQueriesContext

from catalog.core.names import FolderHint
from catalog.files.tags import AudioTags
from catalog.models import Album, Artist, FurtherArtist, Song, SongChange
from catalog.selectors import FURTHER_ARTISTS, artists_named_like, genre_texts, genres, song_search
from catalog.songs import editing
from catalog.songs.services import songs_delete, values_read
from catalog.uploads.services import upload_record
from tests.audio_fixtures import make_audio
from tests.factories import AlbumFactory, ArtistFactory, SongFactory

pytestmark = pytest.mark.django_db


def song_of(path: Path, seed: int = 1, name: str = "", hint: FolderHint | None = None, **tags: str) -> Song:
    """Upload a song with these tags, as FFmpeg writes them."""
    make_audio(path / f"{seed}.flac", seed=seed, tags={"title": f"Song {seed}", **tags})
    with (path / f"{seed}.flac").open("rb") as stream:
        song = upload_record(owner=None, file=stream, file_name=name or f"{seed}.flac", hint=hint).song
    assert song is not None
    return again(song)


def again(song: Song) -> Song:
    return Song.objects.select_related("artist", "album__artist").get(pk=song.pk)


def found(**filters: Any) -> list[str]:
    return [song.title for song in song_search(**filters)]


def names(song: Song) -> list[str]:
    return [artist.name for artist in song.artists]


def edit(cleo: User, song: Song, **values: Any) -> SongChange | None:
    return editing.songs_edit(song_ids=[song.pk], values=values, editor=cleo)


def test_every_artist_and_genre_finds_the_song(tmp_path: Path) -> None:
    song = song_of(tmp_path, artist="Ada Lom; Bo Kern; Cy Dahl", genre="Jazz; Bop", album="Sea")
    song_of(tmp_path, 2, artist="Cy Dahl", genre="Bop")

    assert (song.by, names(song)) == ("Ada Lom, Bo Kern, Cy Dahl", ["Ada Lom", "Bo Kern", "Cy Dahl"])
    assert song.genres == ["Jazz", "Bop"]
    assert found(query="kern") == ["Song 1"]
    assert found(query="bop lom") == ["Song 1"]
    assert found(artist_id=song.artists[1].pk) == ["Song 1"]
    assert found(artist_id=song.artists[2].pk) == ["Song 1", "Song 2"]
    assert found(genre="BOP") == ["Song 2", "Song 1"]
    assert found(genre="Jazz") == ["Song 1"]
    assert found(genre="az") == found(genre="Jazz; B") == found(genre="") or found(genre="az") == []
    assert genres() == ["Bop", "Jazz"]
    assert sorted(genre_texts("bop")) == ["Bop", "Jazz; Bop"]
    assert artists_named_like("bo") == ["Bo Kern"]
    assert song.album is not None
    assert song.album.artist == song.artist


def test_a_guest_is_shown_as_written_and_has_the_song_too(tmp_path: Path) -> None:
    song = song_of(tmp_path, artist="Ann Feat. Bob")

    assert (song.by, names(song)) == ("Ann Feat. Bob", ["Ann", "Bob"])
    assert song.credit_pieces == [
        *[("", None), ("Ann", song.artists[0])],
        *[(" Feat. ", None), ("Bob", song.artists[1]), ("", None)],
    ]
    assert str(song) == "Song 1 – Ann Feat. Bob"


def test_one_artist_costs_no_row_and_no_query(tmp_path: Path) -> None:
    songs = [song_of(tmp_path, artist="AC/DC"), song_of(tmp_path, 2, artist="Ann; Bob")]

    assert list(FurtherArtist.objects.values_list("song", flat=True)) == [songs[1].pk]
    with CaptureQueriesContext(connection) as queries:
        assert names(songs[0]) == ["AC/DC"]
    assert len(queries) == 0
    with CaptureQueriesContext(connection) as queries:
        rows = Song.objects.select_related("artist").prefetch_related(FURTHER_ARTISTS).order_by("pk")
        assert [names(song) for song in rows] == [["AC/DC"], ["Ann", "Bob"]]
    assert len(queries) == 2


def test_a_compilation_is_one_album_in_the_order_of_its_discs(tmp_path: Path) -> None:
    for seed, (disc, track) in enumerate([("2", "1"), ("1", "2"), ("1", "1"), ("2", "2")], start=1):
        by = f"Artist {seed}"
        song_of(tmp_path, seed, artist=by, album="Hits", compilation="1", disc=disc, track=track)
    other = song_of(tmp_path, 5, artist="Ann", album="Hits")
    led = song_of(tmp_path, 6, artist="Ann feat. Bob", album="Sea", album_artist="The Band")

    album = Album.objects.get(artist__name="Various artists")
    assert found(album_id=album.pk) == ["Song 3", "Song 2", "Song 1", "Song 4"]
    assert other.album != album
    assert led.album is not None
    assert led.album.artist.name == "The Band"
    assert found(query="band sea") == ["Song 6"], "the artist of an album is found as well"
    assert found(album_id=album.pk, sort="title") == ["Song 1", "Song 2", "Song 3", "Song 4"]


@pytest.mark.parametrize("name", ["Various", "VA", "various ARTISTS", "Verschiedene Interpreten"])
def test_spellings_of_various_artists(name: str) -> None:
    assert values_read(AudioTags("a", "Ann", "Hits", album_artist=name), "")["album_artist"] == "Various artists"


def test_the_artist_of_an_album_is_said_only_where_it_is_another() -> None:
    for tags in (
        AudioTags("a", "Ann", "Sea", album_artist="ANN"),
        AudioTags("a", "Ann; Bob", "Sea", album_artist="Ann"),
        AudioTags("a", "Ann", "", album_artist="Bob", is_compilation=True),
    ):
        assert values_read(tags, "")["album_artist"] == ""


def test_a_name_says_what_tags_do_not() -> None:
    values = values_read(AudioTags(genre="Folk"), "03 - Ann - Tide.mp3")
    assert (values["title"], values["artist"], values["track_number"], values["genre"]) == ("Tide", "Ann", 3, "Folk")
    assert values_read(AudioTags("Tide"), "Ann - Tide.mp3")["artist"] == "Ann"
    assert values_read(AudioTags("Ebb"), "Ann - Tide.mp3")["artist"] == "Unknown artist"
    assert values_read(AudioTags(), "\u200b.mp3")["title"] == "Untitled"


def test_a_hint_reaches_the_song(tmp_path: Path) -> None:
    song = song_of(tmp_path, title="", name="Tide - Ann.flac", hint=FolderHint("x", ("Ebb - Ann.flac",)))

    assert (song.title, song.artist.name) == ("Tide", "Ann")


# --- Edits ------------------------------------------------------------------------------------------------------------


def test_artists_are_edited_as_one_text_and_put_back(cleo: User) -> None:
    song = again(SongFactory(artist__name="Ann", album=None))
    change = edit(cleo, song, artist="Bob;Ann feat. Cyd", genre="Pop;Rock / POP")
    assert change is not None

    song = again(song)
    assert (song.by, names(song)) == ("Bob, Ann feat. Cyd", ["Bob", "Ann", "Cyd"])
    assert song.genre == "Pop; Rock"
    assert change.edits.get().after == {"artist": "Bob; Ann feat. Cyd", "genre": "Pop; Rock"}
    assert found(query="cyd") == [song.title]
    assert edit(cleo, song, artist="Bob; Ann feat. Cyd", genre="Pop; Rock") is None

    assert editing.change_undo(change=change, editor=cleo) == {}
    song = again(song)
    assert (song.by, names(song), song.genre) == ("Ann", ["Ann"], "Rock")
    assert sorted(Artist.objects.values_list("name", flat=True)) == ["Ann"], "artists without songs are removed"
    assert not FurtherArtist.objects.exists()


def test_an_album_follows_its_song_unless_it_has_an_artist_of_its_own(cleo: User) -> None:
    ann = ArtistFactory(name="Ann")
    song = again(SongFactory(artist=ann, album=AlbumFactory(title="Sea", artist=ann)))

    edit(cleo, song, artist="Bob; Cyd")
    assert (again(song).album or Album()).artist.name == "Bob"
    change = edit(cleo, song, album_artist="The Band")
    assert change is not None
    assert change.edits.get().before == {"album_artist": ""}
    edit(cleo, song, artist="Dan")
    assert (again(song).album or Album()).artist.name == "The Band"
    assert editing.values_of(again(song))["album_artist"] == "The Band"
    edit(cleo, song, album_artist="")
    assert (again(song).album or Album()).artist.name == "Dan"
    assert Album.objects.count() == 1
    assert Artist.objects.count() == 1


def test_an_album_alone_changes_no_artist(cleo: User) -> None:
    song = again(SongFactory(artist__name="Ann", album=None))
    edit(cleo, song, artist="ANN; Bob")
    Artist.objects.filter(name_key="ann").update(name="Ann")

    edit(cleo, song, album="Sea", disc_number=2)

    song = again(song)
    assert (song.by, names(song), song.disc_number) == ("ANN, Bob", ["Ann", "Bob"], 2)


def test_a_deleted_song_takes_its_further_artists_along(tmp_path: Path) -> None:
    song = song_of(tmp_path, artist="Ann; Bob", album="Sea", album_artist="The Band")
    SongFactory(artist=song.artists[1])

    songs_delete(song_ids=[song.pk])

    assert [artist.name for artist in Artist.objects.all()] == ["Bob"]
    assert not Album.objects.exists()


# --- Existing installations -------------------------------------------------------------------------------------------


def _migrate(name: str) -> Any:
    executor = MigrationExecutor(connection)
    return executor.migrate([("catalog", name)]).apps


def _migrate_to_newest() -> None:
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


@pytest.fixture
def before(transactional_db: None) -> Iterator[Any]:
    """The models as they were before a song could have several artists."""
    try:
        yield _migrate("0012_duplicates_by_sound")
    finally:
        _migrate_to_newest()


@pytest.mark.django_db(transaction=True)
def test_artists_in_one_name_become_several_and_albums_stay(before: Any) -> None:
    artists, albums, songs = (before.get_model("catalog", name) for name in ("Artist", "Album", "Song"))
    rows = {}
    for name in ("Ann feat. Bob", "Ann", "AC/DC", "Cyd; Dan"):
        rows[name] = artists.objects.create(name=name, name_key=name.casefold())
    sea, same, own = (
        albums.objects.create(title=title, title_key=title.casefold(), artist=rows[name])
        for title, name in [("Sea", "Ann feat. Bob"), ("Sea", "Ann"), ("Land", "Cyd; Dan")]
    )
    facts = {"mime_type": "audio/ogg", "size_bytes": 1, "duration_s": 1.0, "sample_rate_hz": 1, "channels": 1}
    for number, (name, album) in enumerate([("Ann feat. Bob", sea), ("Ann", same), ("AC/DC", None), ("Cyd; Dan", own)]):
        songs.objects.create(
            title=f"Song {number}", artist=rows[name], album=album, content_hash=str(number), genre="Rock", **facts
        )

    _migrate_to_newest()

    now = list(Song.objects.select_related("artist", "album__artist").order_by("title"))
    assert [song.by for song in now] == ["Ann feat. Bob", "Ann", "AC/DC", "Cyd, Dan"]
    assert [names(song) for song in now] == [["Ann", "Bob"], ["Ann"], ["AC/DC"], ["Cyd", "Dan"]]
    assert [(album.title, album.artist.name) for album in Album.objects.order_by("title")] == [
        ("Land", "Cyd"),
        ("Sea", "Ann"),
    ]
    assert {song.album_id for song in now[:2]} == {same.pk}
    assert sorted(Artist.objects.values_list("name", flat=True)) == ["AC/DC", "Ann", "Bob", "Cyd", "Dan"]
    assert found(query="bob") == ["Song 0"]
