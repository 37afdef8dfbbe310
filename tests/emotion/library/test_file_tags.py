"""Mood, numbers, tempo, key and gain reach the files of songs, whose sound stays; what stood there can be restored."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import mutagen
import numpy as np
import pytest
from django.core.management import call_command
from django.test import Client
from mutagen.id3 import ID3, TBPM, TIT2, TYER
from pytest_django import DjangoCaptureOnCommitCallbacks

from catalog.core.files import digest
from catalog.files import tag_writing
from catalog.files.storage import local_copy
from catalog.models import FolderFile, Song, WrittenTags
from catalog.songs.services import songs_delete
from catalog.uploads import tagging
from catalog.uploads.services import upload_create
from emotion.inference.quadrants import Quadrant
from emotion.jobs.file_tags import tags_request, tags_step
from emotion.models import TagWriting, Waveform
from emotion.services.file_tags import Options
from tests.audio_fixtures import make_audio
from tests.catalog.uploads.test_scanning import Watch
from tests.factories import EstimateFactory

pytestmark = pytest.mark.django_db


def tags(*arguments: Any, **options: Any) -> list[str]:
    out = io.StringIO()
    call_command("tags", *arguments, stdout=out, stderr=options.pop("stderr", io.StringIO()), **options)
    return out.getvalue().splitlines()


def measured(song: Song, quadrant: Quadrant = Quadrant.Q4) -> None:
    Song.objects.filter(pk=song.pk).update(state=Song.State.ANALYSED)
    EstimateFactory(song=song, quadrant=quadrant, model_version="b3", valence=0.25, arousal=-0.5)
    steady = {"bpm": 119.8, "bpm_confidence": 0.9, "key": 21, "key_confidence": 0.95}
    Waveform.objects.update_or_create(
        song=song, defaults={"loudness_lufs": -14.2, "true_peak_dbtp": -0.5, "measures_version": 1, **steady}
    )


@pytest.fixture
def stored(tmp_path: Path, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks) -> Callable[..., Song]:
    """Store a song that is analysed and measured."""

    def make(name: str = "tide.flac", change: Callable[[Path], object] = lambda _path: None, **kind: Any) -> Song:
        path = make_audio(tmp_path / name, seed=len(name), **kind)
        change(path)
        with path.open("rb") as stream:
            song = upload_create(owner=None, file=stream, file_name=name).song
        assert song is not None
        measured(song)
        return song

    return make


def read(song: Song) -> dict[str, list[str]]:
    """Return what mutagen reads in a song's file, by name."""
    song.refresh_from_db()
    with local_copy(song.audio) as path:
        file = mutagen.File(path)
        return {key: _texts(value) for key, value in (file.tags or {}).items()}


def _texts(value: Any) -> list[str]:
    values = getattr(value, "text", value)
    return [bytes(each).decode() if isinstance(each, bytes) else str(each) for each in values]


def sound(song: Song) -> bytes:
    song.refresh_from_db()
    with local_copy(song.audio) as path, av.open(str(path)) as container:
        return b"".join(np.ascontiguousarray(frame.to_ndarray()).tobytes() for frame in container.decode(audio=0))


def by_ffmpeg(song: Song) -> dict[str, str]:
    """Return what ffprobe reads of it, or its library where the program is not installed."""
    with local_copy(song.audio) as path:
        if shutil.which("ffprobe"):
            command = ["ffprobe", "-v", "error", "-show_entries", "format_tags:stream_tags", "-of", "json", str(path)]
            found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
            both = found["format"].get("tags", {}) | found.get("streams", [{}])[0].get("tags", {})
        else:
            with av.open(str(path)) as container:
                both = container.metadata | container.streams.audio[0].metadata
    return {name.upper(): value for name, value in both.items()}


MOOD = {"MOOD": "Calm", "MOODPLANE_VALENCE": "0.250", "MOODPLANE_AROUSAL": "-0.500", "MOODPLANE_MODEL": "b3"}
GAINS = {"REPLAYGAIN_TRACK_GAIN": "-3.80 dB", "REPLAYGAIN_TRACK_PEAK": "0.944061"}
IN_EACH = {
    "tide.mp3": {"TMOO": "Calm", "TBPM": "120", "TKEY": "Am"} | {f"TXXX:{k}": v for k, v in (MOOD | GAINS).items()},
    "tide.flac": {k.lower(): v for k, v in (MOOD | GAINS | {"BPM": "120", "INITIALKEY": "Am"}).items()},
    "tide.ogg": {k.lower(): v for k, v in (MOOD | GAINS | {"BPM": "120", "INITIALKEY": "Am"}).items()},
    "tide.opus": {k.lower(): v for k, v in (MOOD | {"R128_TRACK_GAIN": "-2253", "BPM": "120"}).items()},
    "tide.m4a": {f"----:com.apple.iTunes:{k}": v for k, v in MOOD.items()}
    | {"tmpo": "120", "----:com.apple.iTunes:initialkey": "Am"}
    | {f"----:com.apple.iTunes:{k.lower()}": v for k, v in GAINS.items()},
    "tide.wav": {"TMOO": "Calm", "TXXX:MOODPLANE_VALENCE": "0.250"},
    "tide.aiff": {"TMOO": "Calm", "TXXX:MOODPLANE_VALENCE": "0.250"},
}


@pytest.mark.parametrize("name", IN_EACH)
def test_each_container_says_it_to_others_and_sounds_the_same(stored: Callable[..., Song], name: str) -> None:
    song = stored(name)
    before, first = sound(song), song.content_hash
    own = read(song)

    tags("write", "--apply")

    assert read(song) == own | {key: [value] for key, value in IN_EACH[name].items()} | {
        key: value for key, value in read(song).items() if key not in own
    }
    assert sound(song) == before
    assert song.content_hash != first
    with local_copy(song.audio) as path:
        assert digest(path) == song.content_hash
        assert path.stat().st_size == song.size_bytes
    if name.endswith(("mp3", "flac", "ogg", "opus", "m4a")):
        assert {key: by_ffmpeg(song)[key] for key in MOOD} == MOOD
    # A second run has nothing to do.
    assert tags("write", "--apply")[-1] == "The tags of 0 of 1 songs changed."

    tags("restore", "--apply")

    assert read(song) == own
    assert sound(song) == before
    assert not WrittenTags.objects.exists()


def test_a_dry_run_shows_a_table_and_writes_nothing(stored: Callable[..., Song]) -> None:
    song = stored()
    lines = tags("write")
    assert lines[0].split() == ["song", "title", "tag", "before", "after"]
    assert [line.split() for line in lines if "MOOD " in line] == [
        [str(song.pk), "tide", "–", "Unknown", "artist", "MOOD", "–", "Calm"]
    ]
    assert lines[-2:] == ["The tags of 1 of 1 songs would change.", "Nothing was written; repeat it with --apply."]
    before = song.content_hash
    song.refresh_from_db()
    assert song.content_hash == before
    assert tags("write", "--query", "nothing like it")[-1] == "The tags of 0 of 0 songs would change."


def dated(path: Path) -> None:
    """Give an MP3 the tags of a careful owner, in ID3v2.3 and ID3v1."""
    id3 = ID3()
    id3.add(TIT2(encoding=3, text="Tide"))
    id3.add(TYER(encoding=3, text="1999"))
    id3.add(TBPM(encoding=3, text="87"))
    id3.save(path, v2_version=3, v1=2)
    data = path.read_bytes()
    path.write_bytes(data[:-128] + b"TAG" + b"An older title".ljust(125, b"\0"))


def test_values_of_others_stay_unless_they_are_to_be_replaced(stored: Callable[..., Song]) -> None:
    song = stored("old.mp3", dated)
    lines = tags("write", "--apply")
    assert any("bpm" in line and "stays" in line for line in lines)
    assert read(song)["TBPM"] == ["87"]
    with local_copy(song.audio) as path:
        raw = ID3(path, translate=False)
        # The frames of 2.3 are still such, and the oldest tags say what they said.
        assert (raw.version, raw["TYER"].text, "TMOO" in raw) == ((2, 3, 0), ["1999"], False)
        assert path.read_bytes()[-128:].startswith(b"TAGAn older title")
    tags("write", "--apply", "--overwrite", "--fields", "bpm")
    assert read(song)["TBPM"] == ["120"]
    with local_copy(song.audio) as path:
        id3 = ID3(path, translate=False)
        id3.delall("TXXX:MOOD")
        id3.save(path, v2_version=3)
    # Somebody has removed the mood since: it is theirs, and the tempo is given back.
    tags("restore", "--apply")
    assert read(song)["TBPM"] == ["87"]
    assert not any("MOOD" in key for key in read(song))


def test_what_is_not_sure_is_not_said_and_what_was_said_is_taken_back(stored: Callable[..., Song]) -> None:
    song = stored()
    tags("write", "--apply")
    Waveform.objects.update(bpm_other=60.0, key_confidence=0.7, loudness_lufs=-16.0)
    tags("write", "--apply")
    now = read(song)
    assert "bpm" not in now
    assert "initialkey" not in now
    assert now["replaygain_track_gain"] == ["-2.00 dB"]
    assert song.track_gain_db == pytest.approx(-2.0)
    assert WrittenTags.objects.get().before["REPLAYGAIN_TRACK_GAIN"] is None


def test_a_sound_that_would_differ_is_given_up(stored: Callable[..., Song], monkeypatch: pytest.MonkeyPatch) -> None:
    song = stored()
    digests = iter(["one", "another"])
    monkeypatch.setattr(tagging, "sound_digest", lambda _path, **_: next(digests))
    said = io.StringIO()
    tags("write", "--apply", stderr=said)
    assert "would not be the same to the bit" in said.getvalue()
    before = song.content_hash
    song.refresh_from_db()
    assert song.content_hash == before


@pytest.mark.parametrize(
    ("name", "reason"), [("raw.aac", "no place for tags"), ("lost.flac", "no longer on the server")]
)
def test_a_file_that_cannot_be_written_is_named_with_the_reason(
    stored: Callable[..., Song], name: str, reason: str
) -> None:
    song = stored(name)
    if name.startswith("lost"):
        with local_copy(song.audio) as path:
            path.unlink()
    said = io.StringIO()
    lines = tags("write", "--apply", stderr=said)
    assert reason in said.getvalue()
    assert lines[-1] == "1 songs and 0 files could not be written."


# --- Watched folders --------------------------------------------------------------------------------------------------


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    return Watch(tmp_path / "music")


def analysed(watch: Watch, name: str) -> Song:
    song = watch.song(name)
    measured(song)
    return song


def test_the_file_in_its_folder_follows_and_the_watcher_finds_nothing_new(
    watch: Watch, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    path = make_audio(watch.root / "tide.flac", tags={"title": "Tide"})
    (watch.root / "copy.flac").write_bytes(path.read_bytes())
    watch.settle()
    song = analysed(watch, "tide.flac")
    path.chmod(0o640)
    os.utime(path, ns=(10**18, 10**18))
    watch.settle()

    with django_capture_on_commit_callbacks(execute=True):
        lines = tags("write", "--apply", folders=True, keep_times=True)

    assert lines[-1] == "2 files in watched folders followed."
    song.refresh_from_db()
    assert digest(path) == digest(watch.root / "copy.flac") == song.content_hash
    assert (path.stat().st_mode & 0o777, path.stat().st_mtime_ns) == (0o640, 10**18)
    assert sorted(each.name for each in watch.root.iterdir()) == ["copy.flac", "tide.flac"]
    scan = watch.settle()
    assert not scan.has_news
    assert scan.n_waiting == 0
    assert Song.objects.get().state == Song.State.ANALYSED

    tags("restore", "--apply")
    assert "mood" not in mutagen.File(path)
    assert not watch.settle().has_news
    assert Song.objects.get().state == Song.State.ANALYSED


def test_the_bytes_before_are_still_the_song_wherever_they_turn_up(watch: Watch) -> None:
    path = make_audio(watch.root / "tide.flac", tags={"title": "Tide"})
    watch.settle()
    song = analysed(watch, "tide.flac")
    before = path.read_bytes()
    tags("write", "--apply")
    assert path.read_bytes() == before, "only the copy is written unless folders are asked for"

    path.rename(watch.root / "ebb.flac")
    watch.settle()
    again = upload_create(owner=None, file=io.BytesIO(before), file_name="x.flac")

    assert watch.song("ebb.flac") == song
    assert (again.song, again.outcome) == (song, "duplicate")
    assert Song.objects.count() == 1
    assert read(song)["mood"] == ["Calm"]
    songs_delete(song_ids=[song.pk])
    watch.settle()
    assert not Song.objects.exists()


def test_files_that_changed_or_may_not_be_written_stay_and_are_named(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_audio(watch.root / "tide.flac", tags={"title": "Tide"})
    watch.settle()
    analysed(watch, "tide.flac")
    make_audio(path, seed=3, tags={"title": "Ebb"})
    changed = path.read_bytes()
    said = io.StringIO()
    tags("write", "--apply", "--folders", stderr=said)
    assert "has been changed since" in said.getvalue()
    monkeypatch.setattr("catalog.uploads.tagging.os.access", lambda *_: False)
    tags("write", "--folders", stderr=said)
    assert "may not write it" in said.getvalue()
    assert path.read_bytes() == changed


def test_an_interrupted_replacement_leaves_the_file(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_audio(watch.root / "tide.flac", tags={"title": "Tide"})
    watch.settle()
    analysed(watch, "tide.flac")
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("catalog.core.files.shutil.copyfile", full)
    monkeypatch.setattr("catalog.uploads.tagging.shutil.copyfile", full)
    said = io.StringIO()
    tags("write", "--apply", "--folders", stderr=said)
    assert "disk is full" in said.getvalue()
    assert path.read_bytes() == before
    assert [each.name for each in watch.root.iterdir()] == ["tide.flac"]
    assert FolderFile.objects.get().song is not None


# --- The page ---------------------------------------------------------------------------------------------------------


def test_a_curator_previews_asks_and_restores(client_cleo: Client, stored: Callable[..., Song]) -> None:
    song, raw = stored(), stored("raw.aac")
    page = client_cleo.get("/songs/edit/tags/").content.decode()
    assert "MOODPLANE_VALENCE" in page
    assert "no place for tags" in page
    assert "mood" not in read(song)

    client_cleo.post(f"/songs/edit/tags/?song={song.pk}&song={raw.pk}", {"groups": ["mood"], "write": "1"})
    assert "2 files are" in client_cleo.get("/songs/edit/tags/progress/").content.decode()
    while tags_step():
        pass
    assert read(song)["mood"] == ["Calm"]
    assert "bpm" not in read(song)
    done = client_cleo.get("/songs/edit/tags/progress/").content.decode()
    assert "Done: 1 file." in done
    assert "no place for tags" in done

    client_cleo.post("/songs/edit/tags/", {"restore": "1"})
    while tags_step():
        pass
    assert "mood" not in read(song)
    nothing = client_cleo.post("/songs/edit/tags/", {"write": "1"})
    assert "Choose at least one of them." in nothing.content.decode()


def test_others_may_not(client_alice: Client, client: Client) -> None:
    assert client_alice.get("/songs/edit/tags/").status_code == 403
    assert client.post("/songs/edit/tags/", {"restore": "1"}).status_code == 302


def test_a_newer_request_takes_the_place_of_one_that_waits(stored: Callable[..., Song]) -> None:
    song = stored()
    tags_request(song_ids=[song.pk], options=Options(("key",)))
    tags_request(song_ids=[song.pk], options=Options(("mood",)))
    tags_step()
    assert set(read(song)) >= {"mood"}
    assert "initialkey" not in read(song)
    assert TagWriting.objects.get().n_changed == 5


def test_every_field_has_a_name_in_each_kind_of_tags() -> None:
    named = set(tag_writing._ID3_NAMES) | set(tag_writing._OPUS_NAMES) | set(tag_writing._OWN)
    assert named == set(tag_writing.FIELDS)
