"""How loud a song and its album are: measured, or else as tags say."""

from __future__ import annotations

import pytest

from catalog.models import Song
from emotion.loudness import Loudness, loudness_read
from emotion.models import Waveform
from tests.factories import AlbumFactory, SongFactory

pytestmark = pytest.mark.django_db


def measured(song: Song, lufs: float | None, peak_db: float | None = -1.0) -> Song:
    Waveform.objects.create(song=song, loudness_lufs=lufs, true_peak_dbtp=peak_db)
    return song


def test_what_was_measured_comes_before_tags() -> None:
    tags = {"track_gain_db": -7.0, "track_peak": 0.5, "album_gain_db": -4.0, "album_peak": 0.1}
    tagged = loudness_read(SongFactory(**tags))
    assert (tagged.lufs, tagged.album_lufs) == (-11.0, -14.0)
    assert tagged.peak_db == pytest.approx(-6.02, abs=0.01)
    assert tagged.album_peak_db == pytest.approx(-20.0)
    assert loudness_read(measured(SongFactory(**tags), -9.5, 0.3)) == Loudness(-9.5, 0.3, -9.5, 0.3)
    assert loudness_read(SongFactory()) == Loudness()
    # Silence has no loudness.
    assert loudness_read(measured(SongFactory(), None, None)) == Loudness()


def test_an_album_is_as_loud_as_the_mean_power_of_its_songs() -> None:
    album = AlbumFactory()
    loud = measured(SongFactory(album=album, duration_s=100.0), -10.0, 0.5)
    measured(SongFactory(album=album, duration_s=300.0), -20.0, -3.0)
    read = loudness_read(loud)
    assert read.album_lufs == pytest.approx(-14.89, abs=0.01)
    assert (read.lufs, read.peak_db, read.album_peak_db) == (-10.0, 0.5, 0.5)
    # While a song of it waits to be measured, its tag knows the whole album.
    SongFactory(album=album, duration_s=300.0, track_gain_db=-1.0)
    assert loudness_read(loud).album_lufs == pytest.approx(-15.67, abs=0.01)
    loud.album_gain_db = -3.0
    assert loudness_read(loud).album_lufs == -15.0
