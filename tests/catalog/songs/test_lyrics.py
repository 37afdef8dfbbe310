"""Lyrics: read from tags and from files beside songs, and shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from mutagen.apev2 import APEv2
from mutagen.flac import FLAC
from mutagen.id3 import ID3, SYLT, USLT
from mutagen.mp4 import MP4
from pytest_django import Settings
from rest_framework.test import APIClient

from catalog.files.lyrics import SongLyrics, lyrics_file_read, lyrics_read
from catalog.files.probe import probe
from catalog.models import Lyrics, Song
from catalog.songs.lyrics import lyrics_set
from catalog.uploads import folders
from catalog.uploads.scanning import folder_of, folder_scan
from catalog.uploads.services import upload_create
from catalog.uploads.steady import STABLE_S, Steadiness
from tests.audio_fixtures import make_audio
from tests.factories import SongFactory, UploadFactory

LRC = "[ti:Tide]\n[ar:Ann]\n[00:12.50]Come <00:13.00>in\n[00:05]Out\n\n[01:01.5][00:20.123] Again\n"
TIMED = SongLyrics("Out\nCome in\nAgain\nAgain", ((5.0, "Out"), (12.5, "Come in"), (20.123, "Again"), (61.5, "Again")))


# --- Reading --------------------------------------------------------------------------------------------------------


def test_lines_have_their_times_in_order() -> None:
    assert lyrics_read(LRC) == TIMED
    assert lyrics_read("[offset:+500]\n[00:00.20]a\n[00:02.00]b") == SongLyrics("a\nb", ((0.0, "a"), (1.5, "b")))
    # The end of a line is a line without words.
    assert lyrics_read("[00:01.00]a\n[00:02.00]\n[00:03.00]b") == SongLyrics(
        "a\n\nb", ((1.0, "a"), (2.0, ""), (3.0, "b"))
    )
    repeated = lyrics_read("[00:01]" * 9000 + "a" * 400)
    assert repeated is not None
    assert (len(repeated.lines), repeated.text.count("\n")) == (2000, 1999)


@pytest.mark.parametrize(
    ("text", "lyrics"),
    [
        ("Out\r\n\r\n\r\nCome in\0\u202e", "Out\n\nCome in"),
        ("[Chorus]\nOut [x2]\n[00:12] a\nin\nand\nout", "[Chorus]\nOut [x2]\na\nin\nand\nout"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("e\u0301" * 40_000, "é" * 500),
    ],
)
def test_words_without_times_stay_as_they_are(text: str, lyrics: str) -> None:
    assert lyrics_read(text) == SongLyrics(lyrics)


@pytest.mark.parametrize("text", ["", " \n\t\n", "[ar:Ann]\n[ti:Tide]", "[00:01.00]\n[00:02.00]"])
def test_no_words_are_no_lyrics(text: str) -> None:
    assert lyrics_read(text) is None


def test_a_file_in_any_encoding(tmp_path: Path) -> None:
    path = tmp_path / "song.lrc"
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp1252"):
        path.write_bytes("[00:01]Für\n[00:02]dich".encode(encoding))
        assert lyrics_file_read(path) == SongLyrics("Für\ndich", ((1.0, "Für"), (2.0, "dich"))), encoding
    for data in (b"a\0b", b"x" * 300_000):
        path.write_bytes(data)
        assert lyrics_file_read(path) is None


def test_lyrics_in_every_kind_of_tags(tmp_path: Path) -> None:
    def tagged(*frames: object) -> SongLyrics | None:
        path = make_audio(tmp_path / "song.mp3")
        tags = ID3()
        for frame in frames:
            tags.add(frame)
        tags.save(path)
        return lyrics_read(probe(path).tags.lyrics)

    plain = USLT(encoding=3, lang="eng", desc="", text="Out\nin")
    lines = SYLT(encoding=3, lang="eng", format=2, type=1, desc="", text=[("Out", 5000), ("Come in", 12_500)])
    syllables = [("Out", 5000), ("\nCome", 12_500), (" in", 13_000)]
    timed = SongLyrics("Out\nCome in", ((5.0, "Out"), (12.5, "Come in")))
    assert tagged(plain) == SongLyrics("Out\nin")
    assert tagged(plain, lines) == timed
    assert tagged(SYLT(encoding=3, lang="eng", format=2, type=1, desc="", text=syllables)) == timed
    chords = SYLT(encoding=3, lang="eng", format=2, type=5, desc="", text=[("Am", 5000), ("C", 9000)])
    assert tagged(chords, plain) == SongLyrics("Out\nin")

    flac = FLAC(make_audio(tmp_path / "song.flac"))
    flac.update({"UNSYNCEDLYRICS": "Out\nin", "SYNCEDLYRICS": LRC})
    flac.save()
    m4a = MP4(make_audio(tmp_path / "song.m4a"))
    m4a["\xa9lyr"] = LRC
    m4a.save()
    ape = APEv2()
    ape["Lyrics"] = LRC
    ape.save(make_audio(tmp_path / "ape.mp3"))
    for name in ("song.flac", "song.m4a", "ape.mp3"):
        assert lyrics_read(probe(tmp_path / name).tags.lyrics) == TIMED, name


# --- Keeping --------------------------------------------------------------------------------------------------------


def lyrics_of(song: Song) -> tuple[str, str]:
    kept = Lyrics.objects.filter(song=song).first()
    return (kept.source, kept.text) if kept else ("", "")


@pytest.mark.django_db
def test_the_better_lyrics_stay() -> None:
    song = SongFactory()
    tag, file = Lyrics.Source.TAG, Lyrics.Source.FILE
    plain, other = SongLyrics("plain"), SongLyrics("other")
    assert lyrics_set(song_id=song.pk, read=plain, source=tag)
    assert lyrics_set(song_id=song.pk, read=other, source=file)
    assert not lyrics_set(song_id=song.pk, read=plain, source=tag)
    assert not lyrics_set(song_id=song.pk, read=None, source=tag)
    assert lyrics_set(song_id=song.pk, read=TIMED, source=tag)
    assert not lyrics_set(song_id=song.pk, read=other, source=file, signature="1")
    assert (lyrics_of(song), song.lyrics.signature) == (("tag", TIMED.text), "1")
    assert lyrics_set(song_id=song.pk, read=None, source=tag)
    assert lyrics_of(song) == ("", "")


@pytest.mark.django_db
def test_a_song_brings_the_lyrics_of_its_tags(tmp_path: Path) -> None:
    flac = FLAC(make_audio(tmp_path / "song.flac"))
    flac["LYRICS"] = LRC
    flac.save()
    with (tmp_path / "song.flac").open("rb") as stream:
        song = upload_create(owner=None, file=stream, file_name="song.flac").song
    assert song is not None
    assert song.lyrics.lines == [list(line) for line in TIMED.lines]


@pytest.mark.django_db
def test_a_watched_folder_reads_what_lies_beside_songs(tmp_path: Path) -> None:
    root = tmp_path / "music"
    make_audio(root / "one.ogg", seed=1)
    make_audio(root / "two.ogg", seed=2)
    (root / "one.lrc").write_text(LRC)
    (root / "one.txt").write_text("plain")
    (root / "notes.txt").write_text("no song's")
    now = 0.0
    steadiness = Steadiness(lambda: now)
    folder_scan(folder=folder_of(root), steadiness=steadiness)
    now = STABLE_S
    folder_scan(folder=folder_of(root), steadiness=steadiness)
    one, two = Song.objects.order_by("title")
    assert (one.title, lyrics_of(one), lyrics_of(two)) == ("one", ("file", TIMED.text), ("", ""))
    assert folder_of(root).report["left_out"]["other"] == 1
    (root / "two.TXT").write_text("later")
    (root / "one.lrc").write_text("[00:01]new\n[00:02]words")
    folder_scan(folder=folder_of(root), steadiness=steadiness)
    assert (lyrics_of(one), lyrics_of(two)) == (("file", "new\nwords"), ("file", "later"))


@pytest.mark.django_db
def test_a_folder_that_is_added_once_reads_them_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "STABLE_S", 0.0)
    make_audio(tmp_path / "one.ogg")
    (tmp_path / "one.txt").write_text("Out")
    folders.paths_ingest(paths=[tmp_path])
    assert lyrics_of(Song.objects.get()) == ("file", "Out")


@pytest.mark.django_db
def test_the_page_sends_lyrics_after_their_song(api_cleo: APIClient, cleo: User, api_alice: APIClient) -> None:
    upload = UploadFactory(owner=cleo)
    address = f"{reverse('api-upload-detail', args=[upload.pk])}lyrics/"

    def sent(api: APIClient, data: bytes = LRC.encode()) -> tuple[int, object]:
        answer = api.post(address, {"file": SimpleUploadedFile("song.lrc", data)}, format="multipart")
        return answer.status_code, answer.json().get("taken")

    assert sent(api_cleo) == (200, True)
    assert upload.song is not None
    assert lyrics_of(upload.song) == ("file", TIMED.text)
    assert sent(api_cleo, b"\0\0") == (200, True)  # Its own lyrics are gone from it.
    assert sent(api_alice)[0] == 403
    assert api_cleo.post(address, format="multipart").status_code == 400


# --- Showing --------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_words_are_shown_and_never_run(client: Client, settings: Settings) -> None:
    song = SongFactory()
    address = reverse("catalog:song_lyrics", args=[song.pk])
    assert client.get(address).status_code == 204
    lyrics_set(song_id=song.pk, read=lyrics_read("[00:01.5]<b>Out</b>\n[00:02]in"), source=Lyrics.Source.TAG)
    page = client.get(address).content.decode()
    assert 'data-at="1.5">&lt;b&gt;Out&lt;/b&gt;</li>' in page
    assert page in client.get(song.get_absolute_url()).content.decode()
    settings.MOODPLANE_PUBLIC = False
    assert client.get(address).status_code == 302
