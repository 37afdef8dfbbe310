from pathlib import Path

import numpy as np
import pytest
import soundfile

from emotion.exceptions import AudioUnreadableError
from emotion.signal.audio import SAMPLE_RATE_HZ, read_window, read_window_at, stream_windows
from emotion.zoo.frontends import MelConfig, log_mel_image
from tests.audio_fixtures import CODECS, make_audio, make_waveform


@pytest.mark.parametrize("codec", CODECS)
def test_the_centre_of_every_format_is_read(tmp_path: Path, codec: str) -> None:
    rate = 48_000 if codec == "opus" else 22_050
    time_s = np.arange(40 * rate) / rate
    # The pitch rises with time, so the spectrum of a window shows its position.
    sweep = (0.3 * np.sin(2 * np.pi * (200 * time_s + 25 * time_s**2)))[:, None].astype(np.float32)
    window = read_window(make_audio(tmp_path / f"sweep.{codec}", codec=codec, sample_rate_hz=rate, waveform=sweep))
    assert len(window.waveform) == pytest.approx(24 * SAMPLE_RATE_HZ, abs=2)
    assert window.waveform.dtype == np.float32
    assert not window.is_partial
    middle = window.waveform[11 * SAMPLE_RATE_HZ : 13 * SAMPLE_RATE_HZ]
    peak_hz = np.abs(np.fft.rfft(middle * np.hanning(len(middle)))).argmax() / 2
    # At 20 s the sweep passes 200 + 50 * 20 Hz.
    assert peak_hz == pytest.approx(1200, abs=5)


def test_places_cover_the_file_from_first_to_last(tmp_path: Path) -> None:
    path = make_audio(tmp_path / "a.wav", 30)
    assert [round(read_window_at(path, place).start_s, 2) for place in (0.0, 0.5, 1.0)] == [0.0, 3.0, 6.0]


def test_a_short_file_is_read_whole_and_marked(tmp_path: Path) -> None:
    window = read_window(make_audio(tmp_path / "short.wav", 6))
    assert window.is_partial
    assert window.duration_s == pytest.approx(6, abs=0.01)


def test_stereo_becomes_the_mean_of_its_channels(tmp_path: Path) -> None:
    waveform = make_waveform(6, channels=2)
    waveform[:, 1] = 0
    window = read_window(make_audio(tmp_path / "left.wav", waveform=waveform))
    assert np.abs(window.waveform).max() == pytest.approx(np.abs(waveform).max() / 2, rel=0.05)


@pytest.mark.parametrize(("channels", "rate"), [(8, 48_000), (2, 192_000)])
def test_many_channels_and_high_rates_are_mixed_and_resampled(tmp_path: Path, channels: int, rate: int) -> None:
    path = make_audio(tmp_path / "odd.flac", 6, channels=channels, sample_rate_hz=rate)
    assert read_window(path).duration_s == pytest.approx(6, abs=0.01)


def test_silence_is_refused_with_a_sentence(tmp_path: Path) -> None:
    path = make_audio(tmp_path / "silent.wav", waveform=np.zeros((6 * 22_050, 2), np.float32))
    with pytest.raises(AudioUnreadableError, match="no audible sound") as error:
        read_window(path)
    assert error.value.code == "silent"


def test_sound_that_only_bats_hear_is_refused(tmp_path: Path) -> None:
    time_s = np.arange(6 * 48_000) / 48_000
    tone = (0.5 * np.sin(2 * np.pi * 20_000 * time_s))[:, None].astype(np.float32)
    path = make_audio(tmp_path / "ultrasonic.wav", sample_rate_hz=48_000, waveform=tone)
    with pytest.raises(AudioUnreadableError, match="below 11 kHz is quieter than -60 dBFS"):
        read_window(path)


def test_a_silent_centre_moves_the_window(tmp_path: Path) -> None:
    waveform = make_waveform(120, channels=1)
    waveform[40 * 22_050 : 80 * 22_050] = 0
    window = read_window(make_audio(tmp_path / "pause.wav", waveform=waveform))
    assert window.start_s == pytest.approx(24, abs=0.1)


def test_a_clip_of_one_second_is_too_short(tmp_path: Path) -> None:
    with pytest.raises(AudioUnreadableError, match=r"Only 1\.0 s of audio could be decoded; at least 5 s"):
        read_window(make_audio(tmp_path / "clip.wav", 1))


def test_text_is_not_decodable(tmp_path: Path) -> None:
    path = tmp_path / "text.mp3"
    path.write_text("This is not music.\n" * 100)
    with pytest.raises(AudioUnreadableError, match="could not be decoded") as error:
        read_window(path)
    assert error.value.code == "not_decodable"


def test_not_a_number_in_a_float_file_does_not_reach_the_network(tmp_path: Path) -> None:
    waveform = make_waveform(6, channels=1)
    waveform[1000:2000] = np.nan
    soundfile.write(tmp_path / "nan.wav", waveform, 22_050, subtype="FLOAT")
    assert np.isfinite(read_window(tmp_path / "nan.wav").waveform).all()


@pytest.mark.parametrize("absurd", [1e9, np.nan, -np.inf])
def test_one_absurd_sample_does_not_decide_the_image(tmp_path: Path, absurd: float) -> None:
    waveform = make_waveform(30, channels=2)
    images = []
    for name in ("plain", "absurd"):
        soundfile.write(tmp_path / f"{name}.wav", waveform, 22_050, subtype="FLOAT")
        images.append(log_mel_image(read_window(tmp_path / f"{name}.wav").waveform, MelConfig()))
        waveform[15 * 22_050] = absurd
    columns = np.abs(images[1] - images[0]).max(axis=0) > 0.02
    assert columns.sum() <= 4, "the sample is heard where it is, and nowhere else"


@pytest.mark.parametrize("codec", ["m4a", "aac", "mp3", "flac", "ogg", "opus"])
def test_a_bad_spot_ends_nothing(tmp_path: Path, codec: str) -> None:
    whole = make_audio(tmp_path / f"whole.{codec}", 40, codec).read_bytes()
    rng = np.random.default_rng(8)
    for place in rng.integers(len(whole) // 4, 3 * len(whole) // 4, 6):
        bad = tmp_path / f"bad.{codec}"
        bad.write_bytes(whole[:place] + rng.bytes(200) + whole[place + 200 :])
        assert read_window(bad).duration_s == pytest.approx(24, abs=0.01)
        assert len(list(stream_windows(bad, hop_s=4))) in (4, 5)


def test_a_damaged_centre_moves_the_window(tmp_path: Path) -> None:
    whole = make_audio(tmp_path / "whole.m4a", 120).read_bytes()
    start, stop = int(0.35 * len(whole)), int(0.65 * len(whole))
    noise = np.random.default_rng(4).bytes(stop - start)
    (tmp_path / "bad.m4a").write_bytes(whole[:start] + noise + whole[stop:])
    assert read_window(tmp_path / "bad.m4a").start_s == pytest.approx(24, abs=0.1)


def test_a_file_that_is_not_there_is_said_without_a_number_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(AudioUnreadableError) as error:
        read_window(tmp_path / "nowhere.flac")
    assert str(error.value) == "The audio could not be decoded. The file cannot be opened."
