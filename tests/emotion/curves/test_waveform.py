"""How loud a song is over its length: measured while the curve is made, or by itself, and served to players."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from catalog.core import claims
from catalog.models import Song
from emotion.exceptions import AudioUnreadableError
from emotion.jobs import curves
from emotion.measures import VERSION
from emotion.measures.envelope import N_PARTS, Envelope
from emotion.measures.measuring import measure_file
from emotion.models import EmotionCurve, Waveform
from tests.audio_fixtures import make_audio
from tests.emotion.jobs.test_curves import queued_curve, tagged_song
from tests.emotion.pages.test_curve_pages import curve_for, tagged
from tests.factories import SongFactory
from tests.messages import waiting_tasks

RATE_HZ = 8000


def peaks_of(path: Path) -> np.ndarray:
    return np.frombuffer(measure_file(path, 30.0).peaks_bytes, np.uint8)


def envelope_of(*pieces: np.ndarray) -> np.ndarray:
    envelope = Envelope()
    for piece in pieces:
        envelope.add(piece.astype(np.float32), RATE_HZ)
    return envelope.peaks()


# --- The measure --------------------------------------------------------------------------------------------------


def test_the_loudest_part_is_255_and_half_as_loud_is_half_of_it() -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(RATE_HZ * 50) / RATE_HZ)
    peaks = envelope_of(np.concatenate([0.4 * tone, 0.2 * tone, 0 * tone]))
    assert peaks.dtype == np.uint8
    assert len(peaks) == N_PARTS
    assert peaks[10] == pytest.approx(255, abs=2)
    assert peaks[N_PARTS // 2] == pytest.approx(128, abs=2)
    assert peaks[-10] == 0


def test_it_does_not_matter_in_which_pieces_a_song_comes() -> None:
    song = np.random.default_rng(1).standard_normal(RATE_HZ * 30) * np.linspace(0, 1, RATE_HZ * 30)
    assert (envelope_of(song) == envelope_of(*np.array_split(song, [7, 1000, 1001, 90_000]))).all()


def test_silence_is_flat_nothing_is_empty_and_a_fault_is_silent() -> None:
    assert set(envelope_of(np.zeros(RATE_HZ * 60))) == {0}
    assert len(envelope_of()) == 0
    assert envelope_of(np.array([np.nan, np.inf] * RATE_HZ)).max() == 0
    assert len(envelope_of(np.ones(RATE_HZ))) == 20


@pytest.mark.parametrize("codec", ["flac", "mp3"])
def test_a_file_is_read_whole(tmp_path: Path, codec: str) -> None:
    peaks = peaks_of(make_audio(tmp_path / f"song.{codec}", 30, codec=codec))
    assert len(peaks) == N_PARTS
    assert peaks.min() > 30


def test_a_file_without_audio_is_refused(tmp_path: Path) -> None:
    (tmp_path / "song.mp3").write_bytes(b"no music")
    with pytest.raises(AudioUnreadableError):
        measure_file(tmp_path / "song.mp3", 30.0)


# --- In the background --------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_making_the_curve_stores_the_waveform(settings: Settings, small_model: Path) -> None:
    curve = queued_curve(settings, seconds=40)
    curves.curve_step()
    waveform = Waveform.objects.get(song=curve.song)
    assert (waveform.peaks == peaks_of(Path(curve.song.audio.path))).all()
    assert waveform.state == Waveform.State.DONE
    curves.curve_step()
    assert Waveform.objects.get(song=curve.song).pk == waveform.pk
    # A chord that pulses twice a second.
    assert waveform.loudness_lufs == pytest.approx(-14.0, abs=3.0)
    assert waveform.true_peak_dbtp == pytest.approx(-4.0, abs=1.0)
    assert waveform.bpm == pytest.approx(120.0, rel=0.01)
    assert waveform.key is not None
    assert waveform.measures_version == VERSION
    curve.refresh_from_db()
    assert curve.highlight_s is not None
    assert 0 <= curve.highlight_s <= 10


@pytest.mark.django_db
def test_half_a_hearing_leaves_no_half_waveform(
    settings: Settings, small_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued_curve(settings, seconds=100)
    answers = iter([False, True])
    with monkeypatch.context() as patch:
        patch.setattr(curves, "analysis_waits", lambda: next(answers))
        assert curves.curve_step() is False
    assert (EmotionCurve.objects.get().state, Waveform.objects.count()) == ("waiting", 0)
    curves.curve_step()
    waveform = Waveform.objects.get()
    assert (waveform.peaks == peaks_of(Path(waveform.song.audio.path))).all()


def old_song(settings: Settings, seed: int = 1) -> Song:
    """A song whose curve was made before there were waveforms."""
    song = tagged_song(settings, seconds=10, seed=seed)
    EmotionCurve.objects.create(song=song, model_version="small-1", hop_s=4, state=EmotionCurve.State.DONE)
    return song


def fill() -> int:
    """Take steps as messages would, and return how many songs were read."""
    curves.waveforms_prepare()
    n_read = 0
    while curves.waveform_step():
        n_read += 1
    return n_read


@pytest.mark.django_db
def test_songs_from_before_get_theirs_when_nothing_else_is_to_do(settings: Settings, small_model: Path) -> None:
    songs = [old_song(settings, seed) for seed in (1, 2)]
    waiting = SongFactory(state=Song.State.QUEUED)
    assert fill() == 0
    assert "emotion.tasks.waveforms_go_on" not in waiting_tasks()
    waiting.delete()
    claims.tick()
    assert "emotion.tasks.waveforms_go_on" in waiting_tasks()
    assert fill() == 2
    assert {len(waveform.peaks) for waveform in Waveform.objects.filter(song__in=songs)} == {200}
    assert fill() == 0


@pytest.mark.django_db
def test_a_file_that_is_away_is_tried_three_times_and_one_that_is_no_audio_once(settings: Settings) -> None:
    away, broken = old_song(settings, 1), old_song(settings, 2)
    Path(away.audio.path).unlink()
    Path(broken.audio.path).write_bytes(b"no music")
    for attempt in (1, 2, 3):
        assert fill() == (2 if attempt == 1 else 1)
        assert fill() == 0
        Waveform.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert fill() == 0
    assert {(len(row.peaks), row.state) for row in Waveform.objects.all()} == {(0, Waveform.State.FAILED)}


@pytest.mark.django_db
def test_a_disk_that_comes_back_brings_the_waveform(settings: Settings) -> None:
    song = old_song(settings)
    path = Path(song.audio.path)
    aside = path.rename(path.with_suffix(".away"))
    fill()
    aside.rename(path)
    Waveform.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert fill() == 1
    assert len(Waveform.objects.get(song=song).peaks) == 200


@pytest.mark.django_db
def test_a_row_from_before_the_measures_is_measured_again_and_stays_shown(
    settings: Settings, small_model: Path
) -> None:
    old, new, failed = (old_song(settings, seed) for seed in (1, 2, 3))
    points = np.tile(np.array([0.5, 0.5, 0.4, 0.2, 0.2, 0.2], np.float32), (3, 1))
    EmotionCurve.objects.filter(song=old).update(points_bytes=points.tobytes(), window_s=10.0)
    row = Waveform.objects.create(song=old, peaks_bytes=bytes([7]), state="done")
    Waveform.objects.create(song=new, peaks_bytes=bytes([8]), state="done", measures_version=VERSION)
    Waveform.objects.create(song=failed, peaks_bytes=bytes([9]), state="failed")
    curves.waveforms_prepare()
    row.refresh_from_db()
    assert (row.state, row.peaks.tolist(), row.loudness_lufs) == (Waveform.WAITING, [7], None)
    assert [fill(), fill()] == [1, 0]
    row.refresh_from_db()
    assert (row.state, row.measures_version, len(row.peaks)) == (Waveform.DONE, VERSION, 200)
    assert row.loudness_lufs is not None
    assert EmotionCurve.objects.get(song=old).highlight_s == 0.0
    assert Waveform.objects.get(song=new).peaks.tolist() == [8]
    assert Waveform.objects.get(song=failed).peaks.tolist() == [9]


@pytest.mark.django_db
def test_a_waiting_curve_measures_an_old_row_on_its_way(settings: Settings, small_model: Path) -> None:
    curve = queued_curve(settings, seconds=10)
    row = Waveform.objects.create(song=curve.song, peaks_bytes=bytes([7]), state="done")
    assert fill() == 0
    curves.curve_step()
    row.refresh_from_db()
    assert (row.state, row.measures_version) == (Waveform.DONE, VERSION)
    assert fill() == 0


@pytest.mark.django_db
def test_an_old_row_whose_file_broke_keeps_its_waveform(settings: Settings, small_model: Path) -> None:
    song = old_song(settings)
    Waveform.objects.create(song=song, peaks_bytes=bytes([7]), state="done")
    Path(song.audio.path).write_bytes(b"no music")
    assert [fill(), fill()] == [1, 0]
    row = Waveform.objects.get(song=song)
    assert (row.state, row.peaks.tolist(), row.measures_version) == (Waveform.FAILED, [7], 0)


@pytest.mark.django_db
def test_a_song_claimed_by_another_worker_is_left_alone(settings: Settings) -> None:
    song = old_song(settings)
    later = timezone.now() + timedelta(seconds=50)
    Waveform.objects.create(song=song, state=Waveform.State.CLAIMED, attempts=1, due_at=later)
    assert fill() == 0


# --- For players --------------------------------------------------------------------------------------------------


def url(song: Song) -> str:
    return reverse("emotion:song_waveform", args=[song.pk])


@pytest.mark.django_db
def test_a_player_gets_loudness_and_emotion(
    client: Client, api_anonymous: APIClient, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    estimate = tagged()
    curve_for(estimate)
    Waveform.objects.create(song=estimate.song, peaks_bytes=bytes([0, 128, 255]))
    with django_assert_max_num_queries(6):
        response = client.get(url(estimate.song))
    answer = response.json()
    assert (answer["song"], answer["duration_s"], answer["peaks"]) == (estimate.song.pk, 100.0, [0, 128, 255])
    parts = [(part["quadrant"], part["label"], part["start_s"], part["end_s"]) for part in answer["sections"]]
    assert parts == [("Q4", "Calm", 0.0, 50.0), ("Q2", "Tense", 50.0, 100.0)]
    assert answer["sections"][0]["confidence"] == pytest.approx(0.85)
    assert api_anonymous.get(f"/api/v1/songs/{estimate.song.pk}/waveform/").json() == answer
    assert "private" in response["Cache-Control"]
    again = client.get(url(estimate.song), headers={"If-None-Match": response["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    Waveform.objects.update(peaks_bytes=bytes([1]))
    assert client.get(url(estimate.song), headers={"If-None-Match": response["ETag"]}).status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("state", [None, "waiting", "failed"])
def test_a_song_without_either_is_no_fault(client: Client, state: str | None) -> None:
    estimate = tagged()
    if state:
        curve_for(estimate, state=state, points_bytes=b"")
    answer = client.get(url(estimate.song))
    assert (answer.status_code, answer.json()["peaks"], answer.json()["sections"]) == (200, [], [])
    assert client.get(url(SongFactory(state=Song.State.FAILED))).json()["sections"] == []


@pytest.mark.django_db
def test_who_may_ask_for_it(
    client: Client, client_bob: Client, api_anonymous: APIClient, api_cleo: APIClient, settings: Settings
) -> None:
    song = tagged().song
    assert client.get(reverse("emotion:song_waveform", args=[4711])).status_code == 404
    assert client.post(url(song)).status_code == 405
    assert api_cleo.post(f"/api/v1/songs/{song.pk}/waveform/").status_code == 405
    settings.MOODPLANE_PUBLIC = False
    assert client.get(url(song)).status_code in (302, 401, 403)
    assert api_anonymous.get(f"/api/v1/songs/{song.pk}/waveform/").status_code == 401
    assert client_bob.get(url(song)).status_code == 200
