"""The same recording in another file is found by its sound: in the background, once, whatever happens to the worker."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from catalog.core import claims
from catalog.models import PossibleDuplicate, Song
from emotion import tasks
from emotion.jobs import curves, sounds
from emotion.models import EmotionCurve, SoundPrint
from emotion.signal import fingerprint
from tests.encodings import ENCODINGS, encode
from tests.factories import EstimateFactory, SongFactory, UploadFactory
from tests.messages import waiting_tasks
from tests.songs import RATE_HZ, Sound, song

pytestmark = pytest.mark.django_db
VERSION = "small-1"


def tagged(settings: Settings, sound: Sound, name: str = "flac") -> Song:
    """An analysed song of this sound, mono at 22,050 Hz, in an encoding."""
    row = EstimateFactory(model_version=VERSION, song__duration_s=len(sound) / RATE_HZ).song
    how = ENCODINGS[name]
    stereo = np.repeat(soxr.resample(sound, RATE_HZ, how.rate_hz)[:, None], 2, axis=1).astype(np.float32)
    encode(Path(settings.MEDIA_ROOT) / str(row.audio.name), np.clip(stereo, -1, 1), name)
    return row


def pairs() -> list[tuple[int, int]]:
    return list(PossibleDuplicate.objects.order_by("song", "other").values_list("song", "other"))


def hear_all() -> None:
    sounds.sounds_prepare()
    while sounds.sound_step():
        pass


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many samples each fingerprint was taken of."""
    sizes: list[int] = []
    really = fingerprint.peaks_of

    def counted(waveform: Any) -> Any:
        sizes.append(len(waveform))
        return really(waveform)

    monkeypatch.setattr(fingerprint, "peaks_of", counted)
    return sizes


# --- What is found ---------------------------------------------------------------------------------------------------


def test_one_recording_in_six_encodings(settings: Settings) -> None:
    first = [tagged(settings, song(seed, 12.0)) for seed in (1, 2, 3)]
    copies = [tagged(settings, song(1, 12.0), name) for name in ("mp3", "mp3-vbr-plain", "m4a", "ogg", "opus", "aac")]
    hear_all()
    same = [first[0], *copies]
    oldest = same[: sounds.MOST_QUESTIONS]
    assert pairs() == [(newer.pk, older.pk) for newer in same for older in oldest if older.pk < newer.pk]
    assert set(PossibleDuplicate.objects.values_list("by_name", "by_sound")) == {(False, True)}


def test_what_is_not_the_same_recording(settings: Settings) -> None:
    sound, other = song(1, 24.0), song(2, 24.0)
    tagged(settings, sound)
    half = len(sound) // 2
    for another in (
        other,
        sound[: -6 * RATE_HZ],
        np.concatenate([sound[: half - RATE_HZ], sound[half + RATE_HZ :]]),
        np.concatenate([sound[:half], other[half:]]),
        sound + other,
        soxr.resample(sound, 103, 100),
    ):
        tagged(settings, another.astype(np.float32))
    hear_all()
    assert pairs() == []


def test_silence_tones_and_noise_are_like_nothing(settings: Settings) -> None:
    time_s = np.arange(8 * RATE_HZ) / RATE_HZ
    rng = np.random.default_rng(1)
    for sound in (
        np.zeros(len(time_s)),
        np.zeros(len(time_s)),
        0.5 * np.sin(2 * np.pi * 440 * time_s),
        0.4 * np.sin(2 * np.pi * 440 * time_s),
        0.2 * rng.standard_normal(len(time_s)),
        0.2 * rng.standard_normal(len(time_s)),
    ):
        tagged(settings, sound.astype(np.float32))
    hear_all()
    assert pairs() == []
    assert SoundPrint.objects.filter(state=SoundPrint.DONE).count() == 6


def test_songs_of_a_few_seconds(settings: Settings) -> None:
    for seed, name in ((1, "flac"), (1, "mp3"), (2, "flac"), (3, "opus")):
        tagged(settings, song(seed, 5.2), name)
    hear_all()
    assert len(pairs()) == 1


# --- When ------------------------------------------------------------------------------------------------------------


def test_a_curve_brings_the_fingerprint_along(settings: Settings, small_model: Path, read: list[int]) -> None:
    old, new = tagged(settings, song(1, 26.0)), tagged(settings, song(1, 26.0), "mp3")
    for row in (old, new):
        curves.curves_queue(song_ids=[row.pk])
        sounds.sounds_prepare()
        assert not sounds.sound_step()
        tasks.curves_go_on()
    assert pairs() == [(new.pk, old.pk)]
    assert len(read) == 2
    EmotionCurve.objects.all().delete()
    curves.curves_queue(song_ids=[new.pk])
    tasks.curves_go_on()
    assert len(read) == 2, "another model makes another curve, not another fingerprint"


def test_songs_of_an_older_catalog_are_heard_by_themselves(settings: Settings, read: list[int]) -> None:
    old, new = tagged(settings, song(1)), tagged(settings, song(1), "opus")
    SongFactory(state=Song.State.FAILED)
    claims.tick()
    assert SoundPrint.objects.count() == 2
    assert any("sounds_go_on" in str(task) for task in waiting_tasks())
    tasks.sounds_go_on()
    tasks.sounds_go_on()
    tasks.sounds_go_on()
    assert pairs() == [(new.pk, old.pk)]
    claims.tick()
    assert not sounds.sound_step()
    assert len(read) == 2


def test_it_waits_for_songs_and_curves(settings: Settings, small_model: Path) -> None:
    tagged(settings, song(1))
    sounds.sounds_prepare()
    waiting = SongFactory(state=Song.State.QUEUED)
    assert not sounds.sound_step()
    waiting.delete()
    curves.curves_queue(song_ids=[tagged(settings, song(2, 6.0)).pk])
    assert not sounds.sound_step()
    tasks.curves_go_on()
    assert sounds.sound_step()


def test_a_killed_worker_leaves_nothing_half_done(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    tagged(settings, song(1))
    hear_all()
    new = tagged(settings, song(1), "mp3")
    sounds.sounds_prepare()

    def killed(**_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sounds, "duplicates_heard", killed)
        with pytest.raises(KeyboardInterrupt):
            sounds.sound_step()
    row = SoundPrint.objects.get(song=new)
    assert (row.state, bytes(row.peaks_bytes)) == (SoundPrint.CLAIMED, b"")
    SoundPrint.objects.filter(song=new).update(due_at=timezone.now() - timedelta(seconds=1))
    assert sounds.sound_step()
    assert len(pairs()) == 1
    assert not claims.finish(row)


@pytest.mark.django_db(transaction=True)
def test_two_copies_that_are_heard_at_once_find_one_another(settings: Settings) -> None:
    tagged(settings, song(1))
    tagged(settings, song(1), "mp3")
    sounds.sounds_prepare()
    start = threading.Barrier(2)

    def work() -> None:
        try:
            start.wait()
            sounds.sound_step()
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(pairs()) == 1


def test_a_file_that_cannot_be_read(settings: Settings) -> None:
    broken, gone = tagged(settings, song(1)), tagged(settings, song(2))
    (Path(settings.MEDIA_ROOT) / str(broken.audio.name)).write_bytes(b"no music")
    (Path(settings.MEDIA_ROOT) / str(gone.audio.name)).unlink()
    hear_all()
    assert SoundPrint.objects.get(song=broken).failure_code == "not_decodable"
    assert SoundPrint.objects.get(song=gone).state == SoundPrint.WAITING, "its disk may come back"


# --- What was decided ------------------------------------------------------------------------------------------------


def test_a_verdict_stays_and_a_new_question_brings_the_upload_back(settings: Settings) -> None:
    old, decided, new = (tagged(settings, song(1)) for _ in range(3))
    pair = PossibleDuplicate.objects.create(song=decided, other=old, by_name=True, verdict="both")
    uploads = [UploadFactory(song=row, hidden_at=timezone.now()) for row in (decided, new)]
    hear_all()
    pair.refresh_from_db()
    assert (pair.verdict, pair.by_name, pair.by_sound) == ("both", True, True)
    assert PossibleDuplicate.objects.filter(song=new, verdict="open").count() == 2
    for upload in uploads:
        upload.refresh_from_db()
    assert [upload.hidden_at is None for upload in uploads] == [False, True]


# --- How it is kept --------------------------------------------------------------------------------------------------


def test_peaks_are_packed_in_a_few_bytes() -> None:
    peaks = fingerprint.peaks_of(song(1, 120.0))
    packed = fingerprint.pack(peaks)
    assert np.array_equal(fingerprint.unpack(packed), peaks)
    assert len(packed) < 3 * len(peaks) < 3 * 12.5 * 120
    assert fingerprint.unpack(fingerprint.pack(peaks[:0])).shape == (0, 2)


def test_keys_are_the_same_everywhere() -> None:
    """They are compared with those of years ago."""
    peaks = np.array([(frame, (frame * 37) % 390) for frame in range(0, 60, 4)], np.int32)
    assert fingerprint.keys(peaks)[:3].tolist() == [-1728809860, -1718357329, -1705693823]
    assert len(fingerprint.keys(peaks[:5])) == 0


def test_an_excerpt_is_the_middle_whatever_the_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint, "EXCERPT_S", 2.0)
    sound = np.arange(10 * RATE_HZ, dtype=np.float32)
    excerpt = fingerprint.Excerpt(10.0)
    for start in range(0, len(sound), 10_007):
        excerpt.add(sound[start : start + 10_007])
    assert np.array_equal(excerpt.waveform, sound[4 * RATE_HZ : 6 * RATE_HZ])
    assert excerpt.duration_s == 10.0
