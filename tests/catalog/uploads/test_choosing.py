"""Folders that the staff choose in the browser: looked at, refused with a sentence, followed, stopped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from catalog.exceptions import FolderRefusedError
from catalog.models import WatchedFolder
from catalog.uploads import choosing
from catalog.uploads.choosing import chosen_paths, folder_look

pytestmark = pytest.mark.django_db
PAGE = "/uploads/folders/"
Mode = WatchedFolder.Mode


@pytest.fixture
def music(tmp_path: Path, settings: Settings) -> Path:
    """A folder with three songs, one in a folder within it, and two files that are none."""
    settings.MOODPLANE_VAR = tmp_path / "var"
    settings.MEDIA_ROOT = tmp_path / "var" / "media"
    settings.MEDIA_ROOT.mkdir(parents=True)
    folder = tmp_path / "music"
    (folder / "cd").mkdir(parents=True)
    for name in ("a.mp3", "b.flac", "cd/c.ogg", "d.wma", "cover.jpg"):
        (folder / name).write_bytes(b"x")
    (tmp_path / "link").symlink_to(folder)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    return folder


def test_looking_counts_audio_files_and_says_what_is_left_out(music: Path) -> None:
    found = folder_look(str(music / "cd" / ".."))
    assert (found.path, found.n_files, found.is_all) == (music, 3, True)
    assert found.left_out == ["1 file of a format that is not taken: 1 .wma.", "1 other file ignored."]
    assert folder_look(str(music.parent / "link")).path == music


def test_counting_has_an_end(music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "_COUNT_WITHIN_S", -1.0)
    found = folder_look(str(music))
    assert (found.n_files, found.is_all) == (0, False)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("music", "Write the whole path of a folder on the server"),
        ("~/music", "Write the whole path of a folder on the server"),
        ("{here}/nowhere", "There is no {here}/nowhere on the server."),
        ("{here}/music/a.mp3/b", "There is no {here}/music/a.mp3/b on the server."),
        ("{here}/music/a.mp3", "{here}/music/a.mp3 is no folder."),
        ("{here}/loop", "{here}/loop cannot be opened:"),
        ("{here}/" + 300 * "x", "cannot be opened: File name too long."),
        ("{here}/a\0b", "cannot be opened: embedded null byte."),
        ("{here}/var", "{here}/var holds what Moodplane stores itself."),
        ("{here}/var/media", "{here}/var/media holds what Moodplane stores itself."),
        ("{here}/music/../var", "{here}/var holds what Moodplane stores itself."),
        ("{here}", "{here} holds what Moodplane stores itself."),
        ("/", "/ holds what Moodplane stores itself."),
    ],
)
def test_a_folder_that_cannot_be_followed_is_refused_with_a_sentence(music: Path, path: str, sentence: str) -> None:
    here = str(music.parent)
    with pytest.raises(FolderRefusedError) as refused:
        folder_look(path.format(here=here))
    assert sentence.format(here=here) in str(refused.value)


def test_a_folder_that_may_not_be_read_names_the_user(music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(choosing, "_user", lambda: "moodplane")
    with pytest.raises(FolderRefusedError, match="runs as the user moodplane"):
        folder_look(str(music))


def test_what_is_followed_is_not_chosen_again(music: Path, settings: Settings) -> None:
    settings.MUSIC_FOLDERS = [music]
    with pytest.raises(FolderRefusedError, match="is followed already"):
        folder_look(str(music))
    with pytest.raises(FolderRefusedError, match=f"is in {music}, which is followed"):
        folder_look(str(music / "cd"))


def test_the_staff_look_follow_and_stop(music: Path, client_staff: Client) -> None:
    looked = client_staff.post(f"{PAGE}add/", {"path": str(music), "look": ""}).content.decode()
    assert "3\n    audio files in this folder." in looked or "3 audio files in this folder." in looked
    assert not WatchedFolder.objects.exists()
    refused = client_staff.post(f"{PAGE}add/", {"path": "/", "follow": "1"}).content.decode()
    assert "holds what Moodplane stores itself" in refused

    client_staff.post(f"{PAGE}add/", {"path": str(music), "is_watched": "yes", "follow": "1"})
    folder = WatchedFolder.objects.get()
    assert (bytes(folder.path), folder.mode) == (os.fsencode(music), Mode.WATCH)
    assert chosen_paths() == [music]
    page = client_staff.get(PAGE).content.decode()
    assert "Not compared yet" in page
    assert "Take off the list" not in page

    client_staff.post(f"{PAGE}{folder.pk}/stop/")
    assert chosen_paths() == []
    assert "Take off the list" in client_staff.get(PAGE).content.decode()
    client_staff.post(f"{PAGE}add/", {"path": str(music), "is_watched": "no", "follow": "1"})
    assert WatchedFolder.objects.get().mode == Mode.ONCE
