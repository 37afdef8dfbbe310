"""The page of watched folders: counts, problems by kind, and what a curator decides."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from catalog.models import FolderFile, Song, WatchedFolder
from catalog.uploads.scanning import missing_since
from catalog.uploads.walking import LeftOut
from tests.factories import SongFactory

pytestmark = pytest.mark.django_db
PAGE = "/uploads/folders/"


def make_file(folder: WatchedFolder, path: bytes, song: Song | None = None, **values: Any) -> FolderFile:
    facts = {"size_bytes": 1, "mtime_ns": 1, "ctime_ns": 1, "device": 1, "content_hash": "0" * 64}
    return FolderFile.objects.create(folder=folder, path=path, song=song, **facts | values)


@pytest.fixture
def folder(db: None) -> WatchedFolder:
    left_out = LeftOut(n_other=12)
    left_out.untaken.update({".wma": 2, ".ape": 1})
    report = {"problem": "", "waiting": 3, "queued": 4, "unmounted": 2, "left_out": left_out.counts()}
    folder = WatchedFolder.objects.create(path=b"/srv/musi\xe9", scanned_at=timezone.now(), report=report)
    make_file(folder, b"a.mp3", SongFactory())
    make_file(folder, b"b.mp3", refusal_code="not_audio", refusal_reason="This is not an audio file.")
    make_file(folder, b"c.mp3")
    return folder


def words(client: Client, page: str = PAGE) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", client.get(page).content.decode()).split())


def test_the_page_counts_and_names_problems_by_kind(folder: WatchedFolder, client_cleo: Client) -> None:
    said = words(client_cleo)
    assert "/srv/musi\ufffd" in said
    assert "Songs 1 Waiting 7 Rejected 1 Missing 0" in said
    for sentence in (
        "2 files are on a disk that is not mounted.",
        "1 file is left out, because its song was deleted here.",
        "3 files of formats that are not taken: 2 .wma, 1 .ape.",
        "12 other files ignored.",
        "b.mp3 This is not an audio file.",
    ):
        assert sentence in said
    assert "No process watches it" not in said


def test_only_curators_see_it(folder: WatchedFolder, client_alice: Client, client: Client) -> None:
    assert client_alice.get(PAGE).status_code == 403
    assert client.get(PAGE).status_code == 302
    for address in (f"{PAGE}missing/", f"{PAGE}{folder.pk}/empty/", f"{PAGE}{folder.pk}/forget/"):
        assert client_alice.post(address).status_code == 403
    for address in (f"{PAGE}add/", f"{PAGE}{folder.pk}/stop/"):
        assert client_alice.post(address).status_code == 403
    assert WatchedFolder.objects.exists()


def test_without_folders_the_page_says_how_to_get_one(client_cleo: Client, client_staff: Client) -> None:
    assert "The staff can add folders of the server here." in words(client_cleo)
    assert "Folder on the server" in words(client_staff)


def test_a_missing_file_is_listed_and_its_song_says_so_to_curators_alone(
    folder: WatchedFolder, client_cleo: Client, client_alice: Client
) -> None:
    song = SongFactory(title="Tide")
    make_file(folder, b"cd/tide.mp3", song, missing_since=timezone.now() - timedelta(days=40))

    said = words(client_cleo)
    assert "Missing 1" in said
    assert "1 song is missing for longer than 30 days." in said
    assert "/srv/musi\ufffd/cd/tide.mp3" in said
    assert "Its file is missing from its folder since" in words(client_cleo, song.get_absolute_url())
    assert "missing from its folder" not in words(client_alice, song.get_absolute_url())


def test_a_curator_keeps_or_deletes_songs_whose_files_are_missing(folder: WatchedFolder, client_cleo: Client) -> None:
    songs = [SongFactory() for _ in range(3)]
    for days, song in zip((40, 40, 1), songs, strict=True):
        make_file(folder, b"%d.mp3" % song.pk, song, missing_since=timezone.now() - timedelta(days=days))

    asked = client_cleo.post(f"{PAGE}missing/", {"do": "delete", "song": [songs[0].pk, "x", "9" * 30]})
    assert asked["Location"].endswith(f"/songs/delete/?song={songs[0].pk}")
    assert Song.objects.count() == 4

    client_cleo.post(f"{PAGE}missing/", {"do": "keep", "song": [songs[0].pk]})
    assert missing_since(songs[0]) is None
    client_cleo.post(f"{PAGE}missing/", {"do": "keep", "which": "overdue"})
    assert missing_since(songs[1]) is None
    assert missing_since(songs[2]) is not None
    assert Song.objects.count() == 4
    assert (
        "Choose at least one song." in client_cleo.post(f"{PAGE}missing/", {"do": "keep"}, follow=True).content.decode()
    )


def test_a_curator_says_that_a_folder_is_empty_on_purpose(folder: WatchedFolder, client_cleo: Client) -> None:
    client_cleo.post(f"{PAGE}{folder.pk}/empty/")
    assert not FolderFile.objects.exclude(missing_since=None).exists(), "it is not empty"

    WatchedFolder.objects.update(report={**folder.report, "problem": "empty"})
    assert "its disk is probably not mounted" in words(client_cleo)
    client_cleo.post(f"{PAGE}{folder.pk}/empty/")
    assert not FolderFile.objects.filter(missing_since=None).exists()
    assert "its disk is probably not mounted" not in words(client_cleo)


def test_a_folder_is_taken_off_the_list_and_its_songs_stay(folder: WatchedFolder, client_cleo: Client) -> None:
    WatchedFolder.objects.update(scanned_at=timezone.now() - timedelta(days=1))
    assert "No process watches it at present." in words(client_cleo)
    client_cleo.post(f"{PAGE}{folder.pk}/forget/")
    assert (WatchedFolder.objects.count(), FolderFile.objects.count(), Song.objects.count()) == (0, 0, 1)
