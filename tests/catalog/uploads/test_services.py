"""The door: every bad input gets its sentence, leaves no file behind, and harms nothing that was there before."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from pytest_django import Settings

from catalog.models import Artist, Song, Upload
from catalog.signals import song_uploaded
from catalog.songs.services import songs_delete
from catalog.uploads.services import upload_create
from tests.audio_fixtures import make_audio, make_video
from tests.together import together

OnCommit = Callable[..., AbstractContextManager[object]]


def offer(path: Path, owner: User | None = None, name: str = "") -> Upload:
    with path.open("rb") as stream:
        return upload_create(owner=owner, file=stream, file_name=name or path.name)


def media_files() -> list[str]:
    root = Path(django_settings.MEDIA_ROOT)
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_a_file_becomes_a_song(
    cleo: User, tmp_path: Path, announced: list[int], django_capture_on_commit_callbacks: OnCommit
) -> None:
    path = make_audio(tmp_path / "x.mp3", tags={"title": "Tide", "artist": "Ann", "album": "Sea", "genre": "Folk"})
    with django_capture_on_commit_callbacks(execute=True):
        upload = offer(path, cleo)

    song = Song.objects.get()
    assert (upload.owner, upload.song, upload.state, upload.reason) == (cleo, song, "uploaded", "")
    assert (song.title, song.artist.name, song.album and song.album.title, song.genre) == ("Tide", "Ann", "Sea", "Folk")
    assert song.audio.name == f"audio/{song.content_hash[:2]}/{song.content_hash}.mp3"
    assert Path(song.audio.path).read_bytes() == path.read_bytes()
    assert media_files() == [song.audio.name], "nothing is left in the folder of arriving files"
    assert announced == [song.pk]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "artist", "title"),
    [
        ("Ann - Tide.ogg", "Ann", "Tide"),
        ("03 - Tide.ogg", "Unknown artist", "Tide"),
        ("03 - Ann - Tide.ogg", "Ann", "Tide"),
        ("low_tide.ogg", "Unknown artist", "Low Tide"),
        ("low-tide.ogg", "Unknown artist", "Low Tide"),
        ("tide.ogg", "Unknown artist", "tide"),
    ],
)
def test_without_tags_the_name_is_read(tmp_path: Path, name: str, artist: str, title: str) -> None:
    song = offer(make_audio(tmp_path / "x.ogg"), name=name).song

    assert song is not None
    assert (song.artist.name, song.title) == (artist, title)


@pytest.mark.django_db
def test_spellings_in_another_case_are_one_artist(tmp_path: Path) -> None:
    offer(make_audio(tmp_path / "a.mp3", seed=1, tags={"title": "a", "artist": "The  Band"}))
    offer(make_audio(tmp_path / "b.mp3", seed=2, tags={"title": "b", "artist": "the band"}))

    assert Artist.objects.count() == 1


@pytest.mark.django_db
def test_bad_files_get_their_sentence_and_leave_nothing(tmp_path: Path, announced: list[int]) -> None:
    """The probe's sentences are tested one by one in test_probe; here, that they reach the row."""
    empty = tmp_path / "empty.mp3"
    empty.touch()
    offered = [empty, make_video(tmp_path / "video.mp3"), make_audio(tmp_path / "short.wav", 1.0)]

    uploads = [offer(path) for path in offered]

    assert [(upload.state, upload.failure_code, upload.reason) for upload in uploads] == [
        ("failed", "empty_file", "The file is empty (0 bytes). Copy it from its source again."),
        ("failed", "video", "This is a video (mpeg4, 64x48). Upload only its audio, for example as MP3 or M4A."),
        ("failed", "too_short", "It is 1.0 s long; a song must last at least 5 s to be analysed."),
    ]
    assert not Song.objects.exists()
    assert media_files() == []
    assert announced == []


@pytest.mark.django_db
@pytest.mark.parametrize("declares_size", [True, False])
def test_over_the_size_limit(tmp_path: Path, settings: Settings, declares_size: bool) -> None:
    settings.MOODPLANE_MAX_UPLOAD_BYTES = 100 * 1024
    data = make_audio(tmp_path / "song.wav", 6.0).read_bytes()
    file = SimpleUploadedFile("song.wav", data) if declares_size else io.BytesIO(data)

    upload = upload_create(owner=None, file=file, file_name="song.wav")

    assert (upload.state, upload.failure_code) == ("failed", "too_large")
    assert upload.reason == (
        "The file is larger than 100 KiB, the limit for one song. Convert it to FLAC or MP3, or split it."
    )
    assert media_files() == []


@pytest.mark.django_db
def test_longer_than_the_setting_allows(tmp_path: Path, settings: Settings) -> None:
    settings.MOODPLANE_MAX_DURATION_S = 60.0

    assert offer(make_audio(tmp_path / "song.ogg", 70.0)).reason == (
        "It is 1 min 10 s long; a song may last at most 1 min 0 s. Split it and upload the parts."
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../../tmp/escape.ogg", "escape.ogg"),
        ("🎵 sea 🌊.ogg", "🎵 sea 🌊.ogg"),
        ("n" * 400 + ".ogg", "n" * 295 + "….ogg"),
    ],
)
def test_strange_names_are_shown_and_never_used_as_paths(tmp_path: Path, name: str, shown: str) -> None:
    upload = offer(make_audio(tmp_path / "song.ogg"), name=name)

    upload.refresh_from_db()
    assert upload.song is not None
    assert upload.file_name == shown
    assert media_files() == [upload.song.audio.name]


@pytest.mark.django_db
def test_the_same_file_again_is_a_duplicate_with_its_song(tmp_path: Path, announced: list[int]) -> None:
    path = make_audio(tmp_path / "a.mp3", tags={"title": "Tide", "artist": "Ann"})
    first = offer(path)
    second = offer(path, name="another name.mp3")

    assert second.state == "duplicate"
    assert second.song == first.song
    assert second.reason == "The same recording is already here as “Tide” by Ann."
    assert Song.objects.count() == 1
    assert len(media_files()) == 1


@pytest.mark.django_db(transaction=True)
def test_the_same_file_from_many_at_once_is_one_song(tmp_path: Path, announced: list[int]) -> None:
    path = make_audio(tmp_path / "a.mp3", tags={"title": "Tide", "artist": "Ann", "album": "Sea"})
    states = [str(getattr(upload, "state", upload)) for upload in together(*[lambda: offer(path)] * 6)]
    assert sorted(states) == ["duplicate"] * 5 + ["uploaded"]
    song = Song.objects.get()
    assert announced == [song.pk]
    assert media_files() == [song.audio.name]
    assert Path(song.audio.path).read_bytes() == path.read_bytes()


_DISK_FULL = (
    "The server's disk is full, so this file was not saved; everything stored before is intact. "
    "Free some space, then upload it again."
)


@pytest.mark.django_db
def test_disk_full(tiny_disk: Path, tmp_path: Path, settings: Settings) -> None:
    settings.MEDIA_ROOT = tiny_disk
    kept = offer(make_audio(tmp_path / "small.opus", 6.0))
    upload = offer(make_audio(tmp_path / "large.wav", 20.0))

    assert (upload.state, upload.failure_code, upload.reason) == ("failed", "storage_full", _DISK_FULL)
    assert kept.song is not None
    assert media_files() == [kept.song.audio.name], "the half-written file is gone, the older one is whole"
    assert offer(make_audio(tmp_path / "other.opus", 6.0, seed=3)).state == "uploaded", "there is room again"


@pytest.mark.django_db
def test_over_the_process_file_size_limit(tmp_path: Path) -> None:
    """Where no file system may be mounted, the operating system's file size limit plays the full disk."""
    import resource
    import signal

    path = make_audio(tmp_path / "large.wav", 20.0)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        upload = offer(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)

    assert (upload.state, upload.reason) == ("failed", _DISK_FULL)
    assert media_files() == []


@pytest.mark.django_db
def test_a_lost_file_is_healed_by_the_same_bytes(tmp_path: Path) -> None:
    path = make_audio(tmp_path / "a.ogg")
    song = offer(path).song
    assert song is not None
    Path(song.audio.path).unlink()

    assert offer(path).state == "duplicate"
    assert Path(song.audio.path).read_bytes() == path.read_bytes()


@pytest.mark.django_db
def test_a_deleted_song_takes_its_file_and_can_come_back(
    tmp_path: Path, django_capture_on_commit_callbacks: OnCommit
) -> None:
    path = make_audio(tmp_path / "a.ogg")
    upload = offer(path)
    assert upload.song is not None
    with django_capture_on_commit_callbacks(execute=True):
        songs_delete(song_ids=[upload.song.pk])

    upload.refresh_from_db()
    assert (upload.state, upload.reason) == ("failed", "The song was deleted.")
    assert media_files() == []
    assert offer(path).state == "uploaded"


@pytest.mark.django_db
def test_a_broker_that_is_down_does_not_undo_the_upload(
    tmp_path: Path, django_capture_on_commit_callbacks: OnCommit, caplog: pytest.LogCaptureFixture
) -> None:
    def unreachable(**_: object) -> None:
        raise ConnectionError("broker down")

    song_uploaded.connect(unreachable)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            upload = offer(make_audio(tmp_path / "a.ogg"))
    finally:
        song_uploaded.disconnect(unreachable)

    assert upload.state == "uploaded"
    assert "broker down" in caplog.text
