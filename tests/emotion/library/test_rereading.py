"""Files are read again with a preview, once each, and never over what a curator has decided."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from mutagen.flac import FLAC, Picture

from catalog.exceptions import ReadingInterruptedError
from catalog.files.probe import probe
from catalog.models import Song, SongChange, Upload
from catalog.songs import editing, rereading
from catalog.uploads.services import upload_create
from emotion.library.services import library_undo
from tests.audio_fixtures import make_audio
from tests.catalog.files.test_tags import png
from tests.factories import ArtistFactory

pytestmark = pytest.mark.django_db


def reread(*arguments: Any, **options: Any) -> list[str]:
    out = io.StringIO()
    call_command("reread", *arguments, stdout=out, stderr=io.StringIO(), **options)
    return out.getvalue().splitlines()


def again(song: Song) -> Song:
    return Song.objects.select_related("artist", "album__artist").get(pk=song.pk)


@pytest.fixture
def old(tmp_path: Path) -> Callable[..., Song]:
    """Make a song as an earlier version has read it: the first artist and genre, no disc, a wrong length and type."""

    def make(seed: int = 1, name: str = "x.flac", **tags: Any) -> Song:
        path = make_audio(tmp_path / f"{seed}.flac", seed=seed)
        flac = FLAC(path)
        for key, value in tags.items():
            flac[key] = value
        picture = Picture()
        picture.data, picture.mime, picture.type = png(), "image/png", 3
        flac.add_picture(picture)
        flac.save()
        with path.open("rb") as stream:
            song = upload_create(owner=None, file=stream, file_name=name).song
        assert song is not None
        song.further_artists.all().delete()
        song.artist = ArtistFactory(name="Old", name_key="old") if seed == 1 else song.artist
        song.credit, song.genre, song.disc_number, song.cover, song.reader = "", "Jazz", None, "", 0
        song.duration_s, song.mime_type, song.bit_rate = 9.0, "audio/mp4", None
        song.save()
        return again(song)

    return make


TAGS = {"title": "Tide", "artist": ["Ann", "Bob"], "genre": ["Jazz", "Bop"], "discnumber": "2"}


def test_a_preview_writes_nothing(old: Callable[..., Song]) -> None:
    song = old(**TAGS)

    lines = reread()

    assert lines[0] == f"{song.pk}  Tide – Old"
    assert set(lines[1:-2]) == {
        "    artist: Old -> Ann; Bob",
        "    genre: Jazz -> Jazz; Bop",
        "    disc_number: none -> 2",
        "    cover: none -> yes",
        "    duration_s: 9.0 s -> 6.0 s",
        "    mime_type: audio/mp4 -> audio/flac",
        f"    bit_rate: none -> {probe(Path(song.audio.path)).bit_rate}",
    }
    assert lines[-2].startswith("1 of 1 songs would change: ")
    assert lines[-1] == "Nothing was written; repeat it with --apply."
    assert (again(song).by, again(song).reader, SongChange.objects.count()) == ("Old", 0, 0)


def test_it_is_written_once_and_can_be_undone(old: Callable[..., Song], cleo: User, client_cleo: Client) -> None:
    song = old(**TAGS)
    assert reread(apply=True)[-1].startswith("1 of 1 songs changed: ")

    now = again(song)
    assert (now.by, now.genre, now.disc_number) == ("Ann, Bob", "Jazz; Bop", 2)
    assert (round(now.duration_s), now.mime_type, bool(now.cover)) == (6, "audio/flac", True)
    assert now.bit_rate
    assert reread(apply=True) == ["0 of 0 songs changed."]
    assert reread(again=True) == ["0 of 1 songs would change."]
    change = SongChange.objects.get()
    assert (change.n_songs, change.is_reread, change.made_by) == (1, True, None)
    assert "Read again from the files" in client_cleo.get(reverse("emotion:changes")).content.decode()

    assert library_undo(change=change, editor=cleo) == {}
    assert (again(song).by, again(song).genre) == ("Old", "Jazz")
    # Who puts it back has decided.
    assert reread(again=True)[:2] == [
        f"{song.pk}  Tide – Old",
        "    stays as a curator has it: artist, genre, disc_number, cover",
    ]


def test_what_a_curator_has_edited_stays(old: Callable[..., Song], cleo: User) -> None:
    song = old(**TAGS)
    kept = editing.songs_edit(song_ids=[song.pk], values={"artist": "Cyd", "year": 1999}, editor=cleo)
    undone = editing.songs_edit(song_ids=[song.pk], values={"genre": "Polka"}, editor=cleo)
    assert kept is not None
    assert undone is not None
    editing.change_undo(change=undone, editor=cleo)

    lines = reread(apply=True)

    assert "    stays as a curator has it: artist" in lines
    assert lines[-1] == "1 have fields that stay as a curator has them."
    assert (again(song).by, again(song).year, again(song).genre) == ("Cyd", 1999, "Jazz; Bop")


def test_an_edit_between_reading_and_writing_stays(old: Callable[..., Song], cleo: User) -> None:
    song = old(**TAGS)
    [[read]] = rereading.songs_reread([song.pk])
    editing.songs_edit(song_ids=[song.pk], values={"genre": "Polka"}, editor=cleo)

    rereading.rereads_apply(rereads=[read])
    assert (again(song).genre, again(song).by) == ("Polka", "Ann, Bob")
    assert rereading.rereads_apply(rereads=[read]) == (None, []), "another run has read it already"


def test_an_interrupted_run_goes_on_where_it_was(old: Callable[..., Song], monkeypatch: pytest.MonkeyPatch) -> None:
    songs = [old(seed, title=f"Song {seed}", artist="Ann", genre="Ska") for seed in (1, 2, 3)]
    monkeypatch.setattr(rereading, "BATCH", 1)
    batches = rereading.songs_reread([song.pk for song in songs])
    rereading.rereads_apply(rereads=next(batches))

    lines = reread(apply=True)

    assert lines[-1].startswith("2 of 2 songs changed: ")
    assert {again(song).genre for song in songs} == {"Ska"}


def test_names_are_read_with_those_that_came_along(old: Callable[..., Song]) -> None:
    songs = [
        old(1, "jason-shaw-audionautix-com-code-blue.flac"),
        old(2, "jason-shaw-audionautix-com-thought-bot.flac"),
    ]
    Song.objects.filter(pk=songs[0].pk).update(title="jason shaw audionautix com code blue")

    reread(apply=True)

    assert str(again(songs[0])) == "Code Blue – Jason Shaw Audionautix Com"
    Song.objects.filter(pk=songs[0].pk).update(title="As somebody calls it")
    reread(apply=True, again=True)
    assert again(songs[0]).title == "As somebody calls it", "a name is only read where an earlier version read it"


def test_what_a_file_does_not_say_stays(old: Callable[..., Song]) -> None:
    song = old(title="Tide")
    Song.objects.filter(pk=song.pk).update(year=1999)
    Upload.objects.all().delete()

    reread(apply=True)

    assert (again(song).by, again(song).year, again(song).genre) == ("Old", 1999, "Jazz")


def test_a_choice_of_songs_and_files_that_are_gone(old: Callable[..., Song]) -> None:
    one, two = old(1, title="Tide", artist="Ann"), old(2, title="Ebb", artist="Bob", genre="Folk")
    Path(one.audio.path).unlink()

    assert reread(query="ebb", apply=True)[-1].startswith("1 of 1 songs changed")
    lines = reread(one.pk, two.pk, apply=True)
    assert lines == [
        f"{one.pk}  Tide – Old",
        "    It cannot be read: No such file or directory.",
        "0 of 1 songs changed.",
        "1 could not be read.",
    ]
    assert again(one).reader == 0, "it may come back"


def test_an_interrupted_reading_is_tried_again_by_the_next_run(
    old: Callable[..., Song], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_path: Path) -> None:
        raise ReadingInterruptedError("Ended.")

    song = old()
    with monkeypatch.context() as patch:
        patch.setattr(rereading, "probe_isolated", interrupted)
        reread("--apply")
    assert again(song).reader == 0
    reread("--apply")
    assert again(song).mime_type == "audio/flac"
