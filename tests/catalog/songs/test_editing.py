"""Curators edit songs: in one go, never overwriting each other unseen, and back again."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.exceptions import EditConflictError, FileRejectedError
from catalog.models import Album, Artist, Song, SongChange, SongEdit
from catalog.selectors import song_search
from catalog.songs import editing
from catalog.songs import services as song_services
from catalog.songs.services import artists_get
from tests.factories import AlbumFactory, ArtistFactory, SongFactory
from tests.together import together

PNG = b"\x89PNG\r\n\x1a\n" + b"picture"


def edit(cleo: User, songs: list[Song], **values: object) -> SongChange | None:
    return editing.songs_edit(song_ids=[song.pk for song in songs], values=values, editor=cleo)


def again(song: Song) -> Song:
    return Song.objects.select_related("artist", "album").get(pk=song.pk)


def test_only_named_fields_change_and_their_old_values_are_stored(cleo: User) -> None:
    song = SongFactory(title="Tide", genre="Rock", year=1990, artist__name="Ann")

    change = edit(cleo, [song], title="Ebb", year=None)

    now = again(song)
    assert (now.title, now.year, now.genre, now.artist.name) == ("Ebb", None, "Rock", "Ann")
    assert change is not None
    assert (change.made_by, change.n_songs) == (cleo, 1)
    assert change.edits.get().before == {"title": "Tide", "year": 1990}
    assert change.edits.get().after == {"title": "Ebb", "year": None}


def test_setting_the_present_value_is_no_change(cleo: User) -> None:
    songs = [SongFactory(genre="Jazz"), SongFactory(genre="Rock")]

    change = edit(cleo, songs, genre="Jazz")

    assert change is not None
    assert [each.song_id for each in change.edits.all()] == [songs[1].pk]
    assert edit(cleo, songs, genre="Jazz") is None
    assert SongChange.objects.count() == 1


def test_names_are_shared_and_rows_without_songs_go(cleo: User) -> None:
    ann, ben = ArtistFactory(name="Ann", name_key="ann"), ArtistFactory(name="Ben", name_key="ben")
    old = AlbumFactory(title="Sea", title_key="sea", artist=ann)
    song = SongFactory(artist=ann, album=old)
    known = AlbumFactory(title="Sea", title_key="sea", artist=ben)
    SongFactory(artist=ben, album=known)

    edit(cleo, [song], artist="  ben ")

    now = again(song)
    assert (now.artist, now.album) == (ben, known)
    assert now.artist.name == "Ben"
    assert not Artist.objects.filter(pk=ann.pk).exists()
    assert not Album.objects.filter(pk=old.pk).exists()


def test_an_artist_is_respelled_by_its_own_songs_alone(cleo: User) -> None:
    song, sister = SongFactory(artist__name="the bees"), SongFactory(artist__name="Other")
    same = SongFactory(artist=song.artist)

    edit(cleo, [sister], artist="THE BEES")
    assert Artist.objects.get(pk=song.artist_id).name == "the bees"
    edit(cleo, [song], artist="The Bees")

    assert {again(each).artist.name for each in (song, sister, same)} == {"The Bees"}
    assert list(song_search(query="bees")) == [same, sister, song]


def test_the_search_follows(cleo: User) -> None:
    song = SongFactory(title="Tide", artist__name="Ann")

    edit(cleo, [song], artist="Zoë", album="Harbour", genre="Shanty")

    assert [list(song_search(query=words)) for words in ("zoe", "harbour", "shanty", "ann")] == [[song]] * 3 + [[]]


def test_undo_puts_back_what_nobody_has_touched_since(cleo: User, staff: User) -> None:
    one, two = SongFactory(genre="Rock", artist__name="Ann"), SongFactory(genre="Pop", artist__name="Ben")
    change = edit(cleo, [one, two], genre="Jazz", artist="Both")
    assert change is not None
    edit(staff, [two], genre="Soul")

    kept = editing.change_undo(change=change, editor=staff)

    assert kept == {two.pk: ["genre"]}
    assert [(s.genre, s.artist.name) for s in (again(one), again(two))] == [("Rock", "Ann"), ("Soul", "Ben")]
    change.refresh_from_db()
    assert change.undone_by == staff
    assert not Artist.objects.filter(name="Both").exists()
    # A second click finds it undone.
    edit(cleo, [one], genre="Jazz")
    assert editing.change_undo(change=change, editor=staff) == {}
    assert again(one).genre == "Jazz"


def test_nobody_overwrites_what_they_have_not_seen(cleo: User, staff: User) -> None:
    song = SongFactory(title="Tide", genre="Rock")
    seen = editing.values_seen([again(song)])
    edit(staff, [song], title="Ebb")

    with pytest.raises(EditConflictError) as caught:
        editing.songs_edit(song_ids=[song.pk], values={"title": "Flow"}, editor=cleo, seen=seen)
    assert caught.value.fields == ["title"]
    assert again(song).title == "Ebb"
    # Another field of the same song is no conflict.
    editing.songs_edit(song_ids=[song.pk], values={"genre": "Folk"}, editor=cleo, seen=seen)
    assert (again(song).title, again(song).genre) == ("Ebb", "Folk")


@pytest.mark.django_db(transaction=True)
def test_of_two_who_save_at_once_one_wins_and_the_other_gets_an_error(cleo: User, staff: User) -> None:
    songs = [SongFactory(title="Tide") for _ in range(3)]
    ids, seen = [song.pk for song in songs], editing.values_seen(map(again, songs))

    def save(user: User, genre: str) -> Callable[[], object]:
        return lambda: editing.songs_edit(song_ids=ids, values={"genre": genre}, editor=user, seen=seen)

    results = together(save(cleo, "Jazz"), save(staff, "Folk"))

    assert {type(each) for each in results} == {SongChange, EditConflictError}
    assert len(set(Song.objects.values_list("genre", flat=True))) == 1
    assert SongEdit.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_an_artist_is_not_removed_under_a_song_that_is_being_made(cleo: User) -> None:
    ann = ArtistFactory(name="Ann", name_key="ann")
    last = SongFactory(artist=ann)

    def upload() -> Song:
        from django.db import transaction

        with transaction.atomic():
            artist = artists_get(["Ann"])["ann"]
            made: Song = SongFactory(artist=artist)
            return made

    for _ in range(5):
        results = together(upload, lambda: edit(cleo, [last], artist="Somebody"))
        assert not any(isinstance(each, Exception) for each in results), results
        Song.objects.exclude(pk=last.pk).delete()
        edit(cleo, [last], artist="Ann")


def test_a_thousand_songs_take_few_queries(cleo: User) -> None:
    artists = [ArtistFactory(name=f"Artist {n:02}", name_key=f"artist {n:02}") for n in range(50)]
    template = SongFactory(artist=artists[0])
    Song.objects.bulk_create(
        Song(
            title=f"Song {n}",
            artist=artists[n % 50],
            genre=f"Genre {n % 7}",
            content_hash=f"{n:064}",
            audio=f"audio/{n}.ogg",
            mime_type="audio/ogg",
            size_bytes=1,
            duration_s=60,
            sample_rate_hz=44_100,
            channels=2,
        )
        for n in range(1000)
    )
    songs = list(Song.objects.exclude(pk=template.pk))
    with CaptureQueriesContext(connection) as asked:
        change = edit(cleo, songs, genre="Jazz", album="All of them")
    assert len(asked) <= 25, [query["sql"][:80] for query in asked]
    assert change is not None
    with CaptureQueriesContext(connection) as asked:
        assert editing.change_undo(change=change, editor=cleo) == {}
    assert len(asked) <= 25, [query["sql"][:80] for query in asked]
    assert Song.objects.filter(genre="Genre 3").count() == 143
    assert not Album.objects.exists()


def test_a_picture_is_taken_for_what_it_is(db: None, tmp_path: Path) -> None:
    name = song_services.cover_store(data=PNG)
    assert name.endswith(".png")
    assert (Path(settings.MEDIA_ROOT) / name).read_bytes() == PNG
    with pytest.raises(FileRejectedError, match="not a JPEG"):
        song_services.cover_check(stream=io.BytesIO(b"<svg onload=alert(1)>"))
    with pytest.raises(FileRejectedError, match="10 MiB"):
        song_services.cover_check(stream=io.BytesIO(PNG + bytes(10 * 1024 * 1024)))


def test_a_replaced_cover_stays_for_the_undo_and_goes_with_the_song(cleo: User) -> None:
    first, second = song_services.cover_store(data=PNG), song_services.cover_store(data=PNG + b"2")
    song = SongFactory(cover=first)
    change = edit(cleo, [song], cover=second)
    assert change is not None
    editing.change_undo(change=change, editor=cleo)
    assert again(song).cover.name == first
    edit(cleo, [song], cover="")

    files = [Path(settings.MEDIA_ROOT) / name for name in (first, second)]
    assert all(path.exists() for path in files)


@pytest.mark.django_db(transaction=True)
def test_deleting_takes_files_and_leaves_nothing_unused(cleo: User) -> None:
    first, second = song_services.cover_store(data=PNG), song_services.cover_store(data=PNG + b"2")
    song, other = SongFactory(cover=first), SongFactory(cover=second)
    edit(cleo, [song], cover=second)

    assert song_services.songs_delete(song_ids=[song.pk]) == 1

    root = Path(settings.MEDIA_ROOT)
    assert not (root / first).exists()
    assert (root / second).exists()
    assert list(Artist.objects.all()) == [other.artist]


@pytest.mark.django_db
def test_songs_are_analysed_again_once_despite_repeated_clicks(announced: list[int]) -> None:
    tagged, failed = SongFactory(), SongFactory(state=Song.State.FAILED, failure_code="silent", failure_reason="No.")
    waiting = SongFactory(state=Song.State.QUEUED)
    ids = [tagged.pk, failed.pk, waiting.pk]

    assert sorted(song_services.songs_reanalyse(song_ids=ids)) == sorted([tagged.pk, failed.pk])
    assert song_services.songs_reanalyse(song_ids=ids) == []
    failed.refresh_from_db()
    assert (failed.state, failed.failure_code) == ("uploaded", "")
