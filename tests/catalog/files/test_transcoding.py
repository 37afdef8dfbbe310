"""Songs that are encoded anew: what comes out, by how many processes, and for how long it is kept."""

from __future__ import annotations

import fcntl
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pebble import concurrent
from pytest_django import Settings

from catalog.exceptions import FileRejectedError, TranscodersBusyError
from catalog.files import transcoding
from catalog.files.encoding import Encoding, encode
from catalog.files.recording import Recording
from catalog.files.transcoding import song_transcode
from catalog.files.views import _is_connected
from catalog.models import Song
from catalog.songs.services import songs_delete
from tests.audio_fixtures import make_audio
from tests.encodings import ENCODINGS, chirp, second_of
from tests.encodings import encode as make_encoded
from tests.factories import SongFactory


@pytest.fixture(autouse=True)
def folder(settings: Settings, tmp_path: Path) -> Path:
    settings.MOODPLANE_VAR = tmp_path / "var"
    return tmp_path / "var" / "transcoded"


@pytest.fixture
def aiff(db: None, settings: Settings, tmp_path: Path) -> Song:
    """A song of 6 s that no Chromium plays."""
    return made_song(make_audio(tmp_path / "song.aiff"), settings, mime_type="audio/aiff")


def made_song(source: Path, settings: Settings, **values: Any) -> Song:
    song = SongFactory(duration_s=6.0, **values)
    path = Path(settings.MEDIA_ROOT) / str(song.audio.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    source.replace(path)
    return song


def url(song: Song, encoding: str = "flac") -> str:
    return f"{reverse('catalog:song_audio', args=[song.pk])}?as={encoding}"


# --- What comes out -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mp3", "m4a", "alac", "opus", "wav-float", "aiff"])
def test_every_time_of_a_song_stays(name: str, tmp_path: Path) -> None:
    rate_hz = ENCODINGS[name].rate_hz
    source = make_encoded(tmp_path / "source", chirp(8.0, rate_hz), name)
    with Recording(source) as recording:
        duration_s = recording.duration_s
    for encoding in (Encoding.FLAC, Encoding.OPUS_96):
        encode(source, target := tmp_path / "target", encoding)
        with Recording(target) as made:
            assert made.duration_s == pytest.approx(duration_s, abs=1e-4)
            assert second_of(made.window(0.5, 4.0).mono, made.sample_rate_hz) == pytest.approx(4.0, abs=0.05)


def test_flac_loses_nothing_and_opus_is_small(tmp_path: Path) -> None:
    source = make_audio(tmp_path / "song.aiff", sample_rate_hz=44_100)
    encode(source, tmp_path / "song.flac", Encoding.FLAC)
    with Recording(source) as before, Recording(tmp_path / "song.flac") as after:
        assert (before.window(0, 6.0).mono == after.window(0, 6.0).mono).all()
        assert after.sample_rate_hz == 44_100
    encode(source, tmp_path / "song.opus", Encoding.OPUS_96)
    assert (tmp_path / "song.opus").stat().st_size < 6 * 96_000 / 8 * 1.4


def test_silence_stands_for_what_is_damaged(tmp_path: Path) -> None:
    path = make_encoded(tmp_path / "song.flac", chirp(20.0, 44_100), "flac")
    data = path.read_bytes()
    middle = len(data) // 2
    path.write_bytes(data[:middle] + bytes(30_000) + data[middle + 30_000 :])
    encode(path, tmp_path / "made.flac", Encoding.FLAC)
    with Recording(tmp_path / "made.flac") as made:
        assert made.duration_s == pytest.approx(20.0, abs=0.01)
        assert second_of(made.window(1.0, 4.0).mono, 44_100) == pytest.approx(18.0, abs=0.05)


# --- The address ----------------------------------------------------------------------------------------------------


def test_a_song_answers_ranges_in_another_encoding(client: Client, aiff: Song) -> None:
    before = Path(aiff.audio.path).read_bytes()
    whole = client.get(url(aiff))
    data = bytes(whole.getvalue())
    assert (whole.status_code, whole["Content-Type"], data[:4]) == (200, "audio/flac", b"fLaC")
    assert whole["Content-Disposition"].endswith('.flac"')
    part = client.get(url(aiff), headers={"range": "bytes=1000-1999", "if-range": whole["ETag"]})
    assert (part.status_code, bytes(part.getvalue())) == (206, data[1000:2000])
    assert client.get(url(aiff, "opus-128"))["Content-Type"] == "audio/ogg"
    assert client.get(url(aiff, "opus-128"))["ETag"] != whole["ETag"]
    assert client.get(url(aiff, "mp3")).status_code == 400
    assert Path(aiff.audio.path).read_bytes() == before


def test_who_may_not_listen_gets_nothing_converted(client: Client, aiff: Song, settings: Settings) -> None:
    settings.MOODPLANE_PUBLIC = False
    assert client.get(url(aiff)).status_code == 302
    assert not transcoding.transcoded_storage().exists(".")


def test_a_file_that_is_no_song_is_refused(client: Client, aiff: Song) -> None:
    Path(aiff.audio.path).write_bytes(b"This is not music. " * 400)
    assert client.get(url(aiff)).status_code == 422
    Path(aiff.audio.path).unlink()
    assert client.get(url(aiff)).status_code == 404


def test_nobody_waits_where_everything_is_busy(client: Client, aiff: Song, settings: Settings, folder: Path) -> None:
    settings.MOODPLANE_TRANSCODERS = 1
    folder.mkdir(parents=True)
    with (folder / "transcoder-0.lock").open("ab") as other_process:
        fcntl.flock(other_process, fcntl.LOCK_EX)
        answer = client.get(url(aiff))
        assert (answer.status_code, answer["Retry-After"]) == (503, "3")
    assert client.get(url(aiff)).status_code == 200


# --- Processes ------------------------------------------------------------------------------------------------------


@concurrent.process
def _slow(source: Path, target: Path, _encoding: Encoding, **_facts: float) -> None:
    with (source.parent / "begun").open("ab") as begun:
        begun.write(b"x")
    time.sleep(0.6)
    target.write_bytes(os.getpid().to_bytes(4, "big"))


def test_all_who_ask_for_a_song_wait_for_one_process(aiff: Song, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcoding, "encode_apart", _slow)
    with ThreadPoolExecutor(4) as pool:
        names = list(pool.map(lambda _: song_transcode(song=aiff, encoding=Encoding.FLAC), range(4)))
    assert len(set(names)) == 1
    assert (Path(aiff.audio.path).parent / "begun").read_bytes() == b"x"
    # More than wait are sent away.
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(song_transcode, song=aiff, encoding=Encoding.OPUS_96) for _ in range(8)]
    errors = [each.exception() for each in asked]
    assert sorted(isinstance(error, TranscodersBusyError) for error in errors) == [False] * 4 + [True] * 4


def test_what_nobody_wants_any_more_ends(aiff: Song, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(transcoding, "encode_apart", _slow)
    monkeypatch.setattr(transcoding, "_UNWANTED_AFTER_S", 0.0)
    with pytest.raises(TranscodersBusyError):
        song_transcode(song=aiff, encoding=Encoding.FLAC, is_wanted=iter([True, False]).__next__)
    for thread in threading.enumerate():
        if thread.name == "transcoding":
            thread.join()
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["transcoder-0.lock"]


def test_who_waits_too_long_is_sent_away_and_finds_it_done(aiff: Song, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcoding, "encode_apart", _slow)
    monkeypatch.setattr(transcoding, "_PATIENCE_S", 0.0)
    with pytest.raises(TranscodersBusyError):
        song_transcode(song=aiff, encoding=Encoding.FLAC)
    monkeypatch.setattr(transcoding, "_PATIENCE_S", 20.0)
    name = song_transcode(song=aiff, encoding=Encoding.FLAC)
    assert (Path(aiff.audio.path).parent / "begun").read_bytes() == b"x"
    assert transcoding.transcoded_storage().size(name) == 4


@concurrent.process
def _hoard(_source: Path, _target: Path, _encoding: Encoding, **_facts: float) -> None:
    raise MemoryError


def test_a_song_that_costs_too_much_is_refused(aiff: Song, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcoding, "encode_apart", _hoard)
    with pytest.raises(FileRejectedError) as refused:
        song_transcode(song=aiff, encoding=Encoding.FLAC)
    assert refused.value.code == "too_costly"


def test_a_closed_connection_is_noticed() -> None:
    ours, theirs = socket.socketpair()
    request: Any = type("Request", (), {"META": {"gunicorn.socket": ours}})
    assert _is_connected(request)
    theirs.send(b"GET")
    assert _is_connected(request)
    ours.recv(3)
    theirs.close()
    assert not _is_connected(request)
    ours.close()


# --- The folder -----------------------------------------------------------------------------------------------------


def test_the_folder_stays_within_its_limit(
    aiff: Song, settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcoding, "encode_apart", _slow)
    settings.MOODPLANE_TRANSCODED_BYTES = 1004
    (folder / "aa").mkdir(parents=True)
    for age, name in enumerate(["used", "unused"]):
        (folder / "aa" / name).write_bytes(bytes(700))
        os.utime(folder / "aa" / name, (time.time() - 100 * age, time.time() - 500))
    (folder / "aa" / "abandoned.part").write_bytes(bytes(200))
    os.utime(folder / "aa" / "abandoned.part", (0, 0))
    song_transcode(song=aiff, encoding=Encoding.FLAC)
    assert [path.name for path in (folder / "aa").iterdir()] == ["used"]


def test_a_song_that_is_deleted_takes_its_conversions_along(
    aiff: Song, folder: Path, django_capture_on_commit_callbacks: Any
) -> None:
    song_transcode(song=aiff, encoding=Encoding.OPUS_96)
    assert list(folder.rglob("*.opus"))
    with django_capture_on_commit_callbacks(execute=True):
        songs_delete(song_ids=[aiff.pk])
    assert not list(folder.rglob("*.opus"))
