"""The numbers, words and lines of an emotion curve."""

from __future__ import annotations

import gc
import tracemalloc
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from emotion.curves.curve import (
    BOTTOM,
    HOP_S,
    LEFT,
    MAX_POINTS,
    RIGHT,
    TOP,
    curve_chart,
    hop_for,
    sections,
    sentence,
    times_s,
)
from emotion.curves.tracing import trace
from emotion.exceptions import AudioUnreadableError
from emotion.inference.predict import Prediction, Predictor
from emotion.inference.quadrants import Quadrant
from emotion.signal.audio import read_window, stream_windows
from tests.audio_fixtures import CODECS, make_audio

pytestmark = pytest.mark.slow


def sure_of(*quadrants: Quadrant, confidence: float = 0.85) -> np.ndarray:
    rest = (1 - confidence) / 3
    return np.array([[confidence if each is quadrant else rest for each in Quadrant] for quadrant in quadrants])


def points_for(probabilities: np.ndarray) -> np.ndarray:
    return np.column_stack([np.zeros((len(probabilities), 2)), probabilities])


# --- Reading ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", CODECS)
def test_every_format_gives_overlapping_windows(codec: str, tmp_path: Path) -> None:
    windows = list(stream_windows(make_audio(tmp_path / f"a.{codec}", 33, codec=codec), hop_s=4))
    assert [window.start_s for window in windows] == [0, 4, 8]
    assert {len(window.waveform) for window in windows} == {24 * 22_050}
    for one, after in pairwise(windows):
        assert np.array_equal(one.waveform[4 * 22_050 :], after.waveform[: 20 * 22_050])


@pytest.mark.parametrize(("codec", "rate_hz"), [("wav", 44_100), ("mp3", 48_000), ("flac", 22_050)])
def test_a_streamed_window_is_the_window_that_is_tagged(codec: str, rate_hz: int, tmp_path: Path) -> None:
    path = make_audio(tmp_path / f"a.{codec}", 32, codec=codec, sample_rate_hz=rate_hz)
    tagged = read_window(path)
    [same] = [window for window in stream_windows(path, hop_s=4) if window.start_s == tagged.start_s]
    # The resampler knows what came before the window here; reading only the window it cannot.
    assert np.abs(same.waveform - tagged.waveform)[2000:-2000].max() < 1e-4


def test_a_short_file_is_one_partial_window(tmp_path: Path) -> None:
    [window] = stream_windows(make_audio(tmp_path / "a.ogg", 7), hop_s=4)
    assert window.is_partial
    assert window.duration_s == pytest.approx(7, abs=0.01)


def test_a_file_without_audio_is_reported(tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp3"
    bad.write_bytes(b"nonsense")
    with pytest.raises(AudioUnreadableError, match="could not be decoded"):
        list(stream_windows(bad, hop_s=4))


def test_a_file_that_breaks_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = make_audio(tmp_path / "a.flac", 60)
    cut = tmp_path / "cut.flac"
    cut.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.7)])
    n_whole, n_cut = (len(list(stream_windows(path, hop_s=4))) for path in (whole, cut))
    assert 0 < n_cut < n_whole


def test_a_long_file_needs_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    def peak_bytes(seconds: float) -> int:
        path = make_audio(tmp_path / f"{seconds}.wav", seconds, channels=1)
        gc.collect()
        tracemalloc.start()
        for _ in stream_windows(path, hop_s=4):
            pass
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    assert peak_bytes(600) < 1.2 * peak_bytes(60)


def test_a_long_song_gets_fewer_points_a_minute() -> None:
    assert hop_for(240) == HOP_S
    assert hop_for(MAX_POINTS * HOP_S) == HOP_S
    assert hop_for(7200) == 16
    assert 7200 / hop_for(7200) <= MAX_POINTS


# --- Judging ----------------------------------------------------------------------------------------------------


def test_the_curve_passes_through_the_tag(small_weights: Path, tmp_path: Path) -> None:
    predictor = Predictor.load(small_weights, engine="torch", device="cpu")
    path = make_audio(tmp_path / "a.wav", 32)
    tag = next(predictor.predict([path]))
    assert isinstance(tag, Prediction)
    [batch] = trace(path, predictor, hop_s=4)
    [point] = batch.points[times_s(3, hop_s=4, window_s=batch.window_s) == tag.window_start_s + 12]
    assert np.allclose(point, [tag.valence, tag.arousal, *tag.probabilities], atol=1e-3)


def test_a_curve_can_be_continued(small_weights: Path, tmp_path: Path) -> None:
    predictor = Predictor.load(small_weights, engine="torch", device="cpu")
    path = make_audio(tmp_path / "a.wav", 80)
    whole = np.concatenate([batch.points for batch in trace(path, predictor, hop_s=4)])
    assert len(whole) == 15
    rest = np.concatenate([batch.points for batch in trace(path, predictor, hop_s=4, skip=8)])
    assert np.allclose(rest, whole[8:], atol=1e-4)


def test_silence_is_a_gap(small_weights: Path, tmp_path: Path) -> None:
    predictor = Predictor.load(small_weights, engine="torch", device="cpu")
    sound = np.random.default_rng(0).normal(0, 0.1, (22_050 * 60, 1)).astype(np.float32)
    sound[20 * 22_050 : 52 * 22_050] = 0
    path = make_audio(tmp_path / "a.wav", waveform=sound)
    points = np.concatenate([batch.points for batch in trace(path, predictor, hop_s=4)])
    assert list(np.flatnonzero(np.isnan(points[:, 0]))) == [5, 6, 7]
    assert np.allclose(np.nansum(points[:, 2:], axis=1)[[0, 4, 8]], 1, atol=1e-5)


# --- Words ------------------------------------------------------------------------------------------------------


def sentence_of(probabilities: np.ndarray, duration_s: float = 0.0) -> str:
    times = times_s(len(probabilities), hop_s=4, window_s=24)
    return sentence(sections(probabilities, times, duration_s or float(times[-1]) + 12))


def test_a_change_is_described_with_its_time() -> None:
    calm_then_tense = sure_of(*[Quadrant.Q4] * 17, *[Quadrant.Q2] * 20)
    # The border lies between the points at 76 s and at 80 s.
    assert sentence_of(calm_then_tense) == "Starts calm, becomes tense after 1:18."


def test_the_absence_of_change_is_described_too() -> None:
    assert sentence_of(sure_of(*[Quadrant.Q3] * 9)) == "Sad throughout."


def test_a_moment_is_no_change() -> None:
    parts = sure_of(*[Quadrant.Q4] * 9, *[Quadrant.Q1] * 2, *[Quadrant.Q4] * 9)
    assert sentence_of(parts) == "Calm throughout."
    opening = sure_of(*[Quadrant.Q2] * 2, *[Quadrant.Q4] * 9)
    assert sentence_of(opening) == "Calm throughout."


def test_many_changes_are_counted() -> None:
    parts = sure_of(*([Quadrant.Q4] * 6 + [Quadrant.Q1] * 4) * 4)
    assert sentence_of(parts) == "Starts calm, changes 7 times and ends happy; it is calm for 59 % of the time."


def test_doubt_is_said() -> None:
    assert sentence_of(sure_of(*[Quadrant.Q1] * 9, confidence=0.4)).endswith("The model is unsure: 40 % on average.")


def test_silence_belongs_to_what_surrounds_it() -> None:
    probabilities = sure_of(*[Quadrant.Q1] * 12)
    probabilities[4:7] = np.nan
    assert sentence_of(probabilities) == "Happy throughout."
    assert sentence_of(np.full((3, 4), np.nan)) == "There is no audible sound in it."


def test_sections_cover_the_song_without_gaps() -> None:
    rng = np.random.default_rng(3)
    for n in (1, 2, 3, 5, 40, 200):
        probabilities = rng.dirichlet([0.4] * 4, n)
        parts = sections(probabilities, times_s(n, hop_s=4, window_s=24), 24 + 4 * (n - 1))
        assert parts[0].start_s == 0
        assert parts[-1].end_s == 24 + 4 * (n - 1)
        assert all(one.end_s == after.start_s for one, after in pairwise(parts))
        assert all(one.quadrant is not after.quadrant for one, after in pairwise(parts))
        assert all(part.end_s > part.start_s for part in parts)


# --- Lines ------------------------------------------------------------------------------------------------------


def drawn(line: str) -> np.ndarray:
    return np.array([[float(number) for number in pair.split(",")] for pair in line.split()])


def test_lines_stay_inside_the_plot_and_gaps_stay_gaps() -> None:
    points = points_for(sure_of(*[Quadrant.Q1] * 20, confidence=0.5))
    points[:, 0] = np.linspace(-1, 1, 20)
    points[7:9] = np.nan
    times = times_s(20, hop_s=4, window_s=24)
    sd = np.full((20, 2), 0.3)
    chart = curve_chart(points, sd, times, 100, sections(points[:, 2:], times, 100))
    valence, arousal = chart.traces
    assert (len(valence.lines), len(valence.bands), len(arousal.lines)) == (2, 2, 2)
    for line in (*valence.lines, *valence.bands, *arousal.lines, *arousal.bands):
        at = drawn(line)
        assert (at[:, 0] >= LEFT).all()
        assert (at[:, 0] <= RIGHT).all()
        assert (at[:, 1] >= TOP).all()
        assert (at[:, 1] <= BOTTOM).all()
    assert drawn(valence.lines[0])[0] == pytest.approx([LEFT + 0.12 * (RIGHT - LEFT), BOTTOM], abs=0.06)
    assert sum(strip.width for strip in chart.strips) == pytest.approx(RIGHT - LEFT, abs=0.2)


def test_one_point_is_a_dot_with_its_doubt() -> None:
    points = points_for(sure_of(Quadrant.Q2))
    chart = curve_chart(points, np.array([[0.2, 0.2]]), np.array([4.0]), 8, sections(points[:, 2:], np.array([4.0]), 8))
    assert [len(trace.dots) for trace in chart.traces] == [1, 1]
    assert [tick.text for tick in chart.x_ticks] == ["0 s", "5 s"]


@pytest.mark.parametrize("duration_s", [8, 61, 200, 400, 3600, 7200])
def test_the_axis_has_a_handful_of_ticks(duration_s: float) -> None:
    points = points_for(sure_of(*[Quadrant.Q2] * 3))
    chart = curve_chart(points, np.full((3, 2), 0.2), np.array([1.0, 2.0, 3.0]), duration_s, ())
    assert 2 <= len(chart.x_ticks) <= 9
    assert chart.x_ticks[-1].at <= RIGHT
