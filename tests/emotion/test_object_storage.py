"""A song's whole life in a storage that has no paths: nothing but `local_copy` leads to its bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from catalog.files.storage import incoming_path
from catalog.models import Song
from catalog.songs.services import songs_delete, songs_queue
from catalog.uploads.partial import partial_append, partial_open
from emotion.jobs import curves, saliency
from emotion.models import EmotionCurve, SaliencyMap, Waveform
from emotion.services.analysis import predictor_get, songs_analyse
from tests.audio_fixtures import make_audio

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def song(object_storage: None, small_model: Path, cleo: User, tmp_path: Path, settings: Settings) -> tuple[Song, Path]:
    """A song that arrived in pieces, and the file that it was."""
    settings.MOODPLANE_VAR = tmp_path / "var"
    path = make_audio(tmp_path / "tide.mp3", 40)
    data = path.read_bytes()
    partial_upload = partial_open(owner=cleo, file_name="Ann - Tide.mp3", size_bytes=len(data))
    partial_upload = partial_append(partial_upload=partial_upload, offset_bytes=0, pieces=[data[:5000], data[5000:]])
    assert partial_upload.upload is not None
    made = partial_upload.upload.song
    assert made is not None
    return made, path


@pytest.mark.django_db(transaction=True)
def test_from_upload_to_deletion(song: tuple[Song, Path], client: Client, settings: Settings) -> None:
    made, path = song
    whole = path.read_bytes()
    assert not (Path(settings.MEDIA_ROOT) / "audio").exists()

    songs_queue(song_ids=[made.pk])
    assert songs_analyse() == [made.pk]
    estimate = made.estimates.get()
    [same] = predictor_get().predict([path])
    assert not isinstance(same, Exception)
    assert estimate.probabilities == pytest.approx(same.probabilities, abs=1e-6)

    url = reverse("catalog:song_audio", args=[made.pk])
    assert client.get(url).getvalue() == whole
    part = client.get(url, headers={"range": "bytes=1000-1999"})
    assert (part.status_code, part.getvalue()) == (206, whole[1000:2000])
    assert client.get(url, headers={"if-none-match": client.head(url)["ETag"]}).status_code == 304

    EmotionCurve.objects.all().delete()
    curves.curves_queue(song_ids=[made.pk])
    while curves.curve_step():
        pass
    assert EmotionCurve.objects.get().state == EmotionCurve.State.DONE
    assert Waveform.objects.get().peaks.max() == 255
    Waveform.objects.all().delete()
    curves.waveforms_prepare()
    assert curves.waveform_step()
    assert np.asarray(Waveform.objects.get().peaks).max() == 255

    assert client.get(reverse("emotion:spectrogram", args=[made.pk])).content.startswith(PNG_MAGIC)
    saliency.saliency_request(song=made)
    assert saliency.saliency_step()
    assert SaliencyMap.objects.get().state == SaliencyMap.State.DONE
    assert client.get(reverse("emotion:saliency_picture", args=[made.pk])).content.startswith(PNG_MAGIC)

    name = str(made.audio.name)
    songs_delete(song_ids=[made.pk])
    assert not default_storage.exists(name)
    assert list(incoming_path().glob("*")) == [], "no copy is left"


@pytest.mark.django_db
def test_bytes_that_are_away_put_the_song_back(song: tuple[Song, Path], client: Client) -> None:
    made, _ = song
    songs_queue(song_ids=[made.pk])
    default_storage.delete(str(made.audio.name))
    assert songs_analyse() == []
    made.refresh_from_db()
    assert (made.state, made.attempts) == (Song.State.QUEUED, 1)
    assert made.due_at > timezone.now()
    assert client.get(reverse("catalog:song_audio", args=[made.pk])).status_code == 404
