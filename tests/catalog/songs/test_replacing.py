"""Another file of a song's recording: what counts as one, and what becomes of what hangs on the song."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import mutagen
import pytest

from catalog.files.probe import probe
from catalog.files.storage import file_staged, media_exists
from catalog.models import Song
from catalog.songs.replacing import song_replace, sound_digest
from catalog.uploads.services import upload_create
from tests.audio_fixtures import make_audio

pytestmark = pytest.mark.django_db


def stored(path: Path) -> Song:
    with path.open("rb") as stream:
        song = upload_create(owner=None, file=stream, file_name=path.name).song
    assert song is not None
    return song


def replace(song: Song, path: Path, name: str = "") -> bool:
    with file_staged([path.read_bytes()]) as staged:
        facts = probe(staged.path)
        return song_replace(song=song, staged=staged, facts=facts, names=(path.name, name or path.name))


@pytest.mark.parametrize("kind", ["mp3", "flac", "ogg", "m4a"])
def test_new_tags_leave_the_encoded_sound(tmp_path: Path, kind: str) -> None:
    path = make_audio(tmp_path / f"a.{kind}")
    before = sound_digest(path)
    file = mutagen.File(path, easy=True)
    if file.tags is None:
        file.add_tags()
    file["title"] = "Ebb" * 500
    file.save()
    assert before
    assert sound_digest(path) == before
    assert sound_digest(make_audio(tmp_path / f"b.{kind}", seed=2)) != before


def test_what_is_no_audio_has_no_sound(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_text("no music " * 600)
    assert sound_digest(tmp_path / "a.mp3") == ""


def test_an_untagged_song_follows_its_tags_and_its_name(tmp_path: Path) -> None:
    path = make_audio(tmp_path / "Ann - Tide.mp3")
    song = stored(path)
    assert (song.artist.name, song.title) == ("Ann", "Tide")

    file = mutagen.File(path, easy=True)
    if file.tags is None:
        file.add_tags()
    file["title"] = "Ebb"
    file.save()
    assert replace(song, path)
    assert (song.title, Song.objects.count()) == ("Ebb", 1)


def test_the_earlier_file_goes_with_the_commit(
    tmp_path: Path, django_capture_on_commit_callbacks: Callable[..., AbstractContextManager[object]]
) -> None:
    song = stored(make_audio(tmp_path / "a.mp3", tags={"title": "Tide", "artist": "Ann"}))
    earlier = str(song.audio.name)
    with django_capture_on_commit_callbacks(execute=True):
        assert replace(song, make_audio(tmp_path / "a.flac", tags={"title": "Tide", "artist": "Ann"}))
    assert not song.audio.storage.exists(earlier)
    assert media_exists(song.audio)
    assert (song.mime_type, song.state) == ("audio/flac", Song.State.UPLOADED)


def test_another_recording_and_one_that_is_known_replace_nothing(tmp_path: Path) -> None:
    song = stored(make_audio(tmp_path / "a.mp3", tags={"title": "Tide", "artist": "Ann"}))
    other = make_audio(tmp_path / "b.mp3", seed=2, tags={"title": "Tide", "artist": "Bob"})
    longer = make_audio(tmp_path / "c.mp3", 9, seed=3, tags={"title": "Tide", "artist": "Ann"})
    same = make_audio(tmp_path / "d.mp3", seed=4, tags={"title": "Tide", "artist": "Ann"})
    content_hash = song.content_hash
    assert not replace(song, other)
    assert not replace(song, longer)
    stored(same)
    assert not replace(song, same)
    song.refresh_from_db()
    assert song.content_hash == content_hash


def test_a_song_whose_copy_was_lost_is_replaced_by_nothing_else(tmp_path: Path) -> None:
    song = stored(make_audio(tmp_path / "a.mp3", tags={"title": "Tide", "artist": "Ann"}))
    song.audio.storage.delete(str(song.audio.name))
    assert not replace(song, make_audio(tmp_path / "b.mp3", seed=2, tags={"title": "Tide", "artist": "Ann"}))
