from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from catalog.core import claims
from catalog.models import Song
from catalog.songs.services import songs_queue
from emotion.exceptions import CheckpointError
from emotion.models import EmotionEstimate
from emotion.services import analysis, pictures
from emotion.signals import song_analysed
from tests.audio_fixtures import make_audio
from tests.factories import EstimateFactory, SongFactory

pytestmark = pytest.mark.django_db


def stored_song(settings: Settings, seed: int, seconds: float = 6) -> Song:
    song = SongFactory(state=Song.State.QUEUED)
    make_audio(Path(settings.MEDIA_ROOT) / str(song.audio.name), seconds, codec="ogg", seed=seed)
    return song


def test_queued_songs_become_tagged_with_one_current_estimate(settings: Settings, small_model: Path) -> None:
    songs = [stored_song(settings, seed) for seed in range(3)]
    ids = [song.pk for song in songs]
    assert sorted(analysis.songs_analyse()) == ids
    # The message may come twice; the second finds nothing to do.
    assert analysis.songs_analyse() == []
    for song in songs:
        song.refresh_from_db()
        assert song.state == Song.State.ANALYSED
        estimate = song.estimates.get()
        assert estimate.is_current
        assert estimate.model_version == "small-1"
        assert sum(estimate.probabilities) == pytest.approx(1)
        assert estimate.embedding.shape == (64,)
        assert estimate.is_partial
        assert estimate.window_s == pytest.approx(6, abs=0.05)
        assert (estimate.engine, estimate.device) == ("torch", "cpu")


def test_a_new_model_version_replaces_the_current_estimate_and_keeps_the_old(
    settings: Settings, small_model: Path
) -> None:
    song = stored_song(settings, 1)
    EstimateFactory(song=song, model_version="older")
    analysis.songs_analyse()
    assert dict(song.estimates.values_list("model_version", "is_current")) == {"older": False, "small-1": True}


def test_tagging_again_with_the_same_version_updates_in_place(settings: Settings, small_model: Path) -> None:
    song = stored_song(settings, 1)
    analysis.songs_analyse()
    Song.objects.update(state=Song.State.QUEUED)
    analysis.songs_analyse()
    assert EmotionEstimate.objects.filter(song=song).count() == 1


def test_a_silent_song_fails_with_its_sentence_and_the_others_are_tagged(settings: Settings, small_model: Path) -> None:
    import numpy as np

    good, silent = stored_song(settings, 1), SongFactory(state=Song.State.QUEUED)
    zeros = np.zeros((6 * 22_050, 1), np.float32)
    make_audio(Path(settings.MEDIA_ROOT) / str(silent.audio.name), codec="ogg", waveform=zeros)
    assert analysis.songs_analyse() == [good.pk]
    silent.refresh_from_db()
    assert (silent.state, silent.failure_code) == (Song.State.FAILED, "silent")
    assert silent.failure_reason.startswith("There is no audible sound")


def test_a_missing_file_is_transient_and_does_not_stop_the_rest(settings: Settings, small_model: Path) -> None:
    gone, good = SongFactory(state=Song.State.QUEUED), stored_song(settings, 1)
    for attempt in (1, 2, 3):
        assert analysis.songs_analyse() == ([good.pk] if attempt == 1 else [])
        gone.refresh_from_db()
        assert (gone.state, gone.attempts) == (Song.State.FAILED if attempt == 3 else Song.State.QUEUED, attempt)
        Song.objects.filter(pk=gone.pk).update(due_at=timezone.now())
    assert gone.failure_reason.endswith(".")


def test_an_error_of_the_machine_releases_the_songs_and_is_raised(
    settings: Settings, small_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored_song(settings, 1)

    def no_memory(*_: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(analysis.predictor_get(), "judge", no_memory)
    with pytest.raises(MemoryError):
        analysis.songs_analyse()
    assert Song.objects.get().state == Song.State.QUEUED


def test_a_worker_that_lost_its_claim_stores_nothing(settings: Settings, small_model: Path) -> None:
    song = stored_song(settings, 1)
    predictor = analysis.predictor_get()
    [slow] = claims.claim(Song.objects.all())
    Song.objects.update(due_at=timezone.now())
    assert len(claims.claim(Song.objects.all())) == 1
    [result] = predictor.predict([Path(song.audio.path)])
    assert analysis._result_store(slow, result, predictor) is False
    assert not EmotionEstimate.objects.exists()


def test_analysed_songs_are_announced(settings: Settings, small_model: Path) -> None:
    song = stored_song(settings, 1)
    heard: list[list[int]] = []

    def listener(sender: object, song_ids: list[int], **kwargs: object) -> None:
        heard.append(song_ids)

    song_analysed.connect(listener)
    try:
        analysis.songs_analyse()
    finally:
        song_analysed.disconnect(listener)
    assert heard == [[song.pk]]


def test_without_weights_the_service_says_so(settings: Settings) -> None:
    settings.MOODPLANE_WEIGHTS = None
    with pytest.raises(CheckpointError, match="no model weights"):
        analysis.predictor_get()


def test_reports_of_a_worker_are_one_row(small_model: Path) -> None:
    from emotion.models import AnalysisWorker
    from emotion.selectors import workers_alive

    analysis.worker_report(name="gpu@here")
    analysis.worker_report(name="gpu@here")
    [worker] = workers_alive()
    assert (worker.device, worker.engine, worker.model_version) == ("cpu", "torch", "small-1")
    analysis.worker_forget(name="gpu@here")
    assert not AnalysisWorker.objects.exists()


def test_failed_songs_can_be_queued_again() -> None:
    song = SongFactory(state=Song.State.FAILED)
    assert songs_queue(song_ids=[song.pk]) == [song.pk]


def test_the_spectrogram_is_a_picture_and_is_cached(settings: Settings, tmp_path: Path) -> None:
    settings.MOODPLANE_VAR = tmp_path
    song = stored_song(settings, 1)
    first = pictures.song_spectrogram_png(song)
    assert first.startswith(b"\x89PNG")
    Path(song.audio.path).unlink()
    assert pictures.song_spectrogram_png(song) == first
