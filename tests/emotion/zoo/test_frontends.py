import numpy as np
import pytest
import torch

from emotion.zoo.frontends import (
    Chunked,
    Features,
    FrontEnd,
    MelConfig,
    PowerSpectrogram,
    RawWaveform,
    TaggerMel,
    TaggerMels,
    front_end_of,
)
from emotion.zoo.registry import OverChunks
from tests.audio_fixtures import make_waveform

RATE_HZ = 22_050
ALL = [
    MelConfig(image_size=64),
    MelConfig(hop_samples=1024, frames_as_channels=True),
    PowerSpectrogram(257),
    PowerSpectrogram(513, window_s=10.0),
    RawWaveform(),
    Features(),
    TaggerMel(6.0),
    TaggerMels(6.0),
    Chunked(RawWaveform(5.0), hop_s=2.5),
    Chunked(MelConfig(window_s=3.5, image_size=32), hop_s=3.5),
]


@pytest.mark.parametrize("frontend", ALL, ids=lambda frontend: frontend.describe())
@pytest.mark.parametrize("seconds", [3, 24, 30])
def test_windows_of_any_length_make_inputs_of_one_shape(frontend: FrontEnd, seconds: int) -> None:
    prepared = frontend.prepare(make_waveform(seconds, channels=1)[:, 0])
    assert prepared.dtype == np.float32
    assert prepared.shape == frontend.prepared_shape
    inputs = frontend.tensor(torch.from_numpy(np.stack([prepared, prepared])))
    chunks = (frontend.chunks,) if frontend.chunks > 1 else ()
    assert inputs.shape == (2, *chunks, *frontend.input_shape)
    assert inputs.isfinite().all()


@pytest.mark.parametrize("frontend", ALL, ids=lambda frontend: frontend.describe())
def test_a_card_remembers_it(frontend: FrontEnd) -> None:
    assert front_end_of({"frontend": {"name": frontend.name, **frontend.to_json()}}) == frontend


def test_a_card_of_before_the_zoo_has_a_log_mel_image() -> None:
    assert front_end_of({"mel": {"image_size": 128}}) == MelConfig(image_size=128)


@pytest.mark.parametrize("raw", [{"name": "cochleagram"}, {"size": 9}])
def test_an_unknown_name_is_no_front_end(raw: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError)):
        front_end_of({"frontend": raw})


@pytest.mark.parametrize("size", [257, 513])
def test_a_power_spectrogram_is_square_and_spreads_its_frames_over_the_window(size: int) -> None:
    frontend = PowerSpectrogram(size)
    n_fft, n = 2 * (size - 1), 24 * RATE_HZ
    time_s = np.arange(n) / RATE_HZ
    tone = np.where(time_s < 12, np.sin(2 * np.pi * 1000 * time_s), 0).astype(np.float32)
    image = frontend.prepare(tone)
    assert image.shape == (size, size)
    bin_of_tone = round(1000 * n_fft / RATE_HZ)
    assert image[:, : size // 2 - 2].mean(axis=1).argmax() == bin_of_tone
    # Half of the window sounds, and so do half of the frames.
    assert (image[bin_of_tone] > 0.5).mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("size", [257, 513])
def test_frames_begin_where_the_papers_overlap_puts_them(size: int) -> None:
    frontend = PowerSpectrogram(size)
    n_fft, n = 2 * (size - 1), 24 * RATE_HZ
    # The overlap is ((M + 1) N - L) / M; at each frame's centre, where its window is 1, is an impulse.
    starts = [(frame * size * n_fft - frame * ((size + 1) * n_fft - n)) // size for frame in range(size)]
    impulses = np.zeros(n, np.float32)
    impulses[np.array(starts) + n_fft // 2] = 1
    assert frontend.prepare(impulses) == pytest.approx(1 - frontend.reference_db / frontend.range_db, abs=1e-5)


def test_a_power_spectrogram_of_less_than_one_frame_is_padded() -> None:
    frontend = PowerSpectrogram(257, window_s=0.01)
    assert frontend.prepare(np.ones(220, np.float32)).shape == (257, 257)


def test_chunks_overlap_and_the_last_one_ends_in_silence() -> None:
    frontend = Chunked(RawWaveform(5.0), hop_s=2.5)
    waveform = np.arange(1, 24 * RATE_HZ + 1, dtype=np.float32)
    prepared = frontend.prepare(waveform)
    assert prepared.shape == (9, 5 * RATE_HZ)
    assert np.array_equal(prepared[1], waveform[round(2.5 * RATE_HZ) : round(7.5 * RATE_HZ)])
    assert np.array_equal(prepared[8, : 4 * RATE_HZ], waveform[20 * RATE_HZ :])
    assert not prepared[8, 4 * RATE_HZ :].any()
    assert Chunked(RawWaveform(24.0), hop_s=1.0).chunks == 1


def test_the_answer_of_a_song_is_the_mean_of_its_chunks() -> None:
    class Echo(torch.nn.Module):
        def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return inputs[:, :4], inputs[:, 4:]

    logits = torch.randn(2, 3, 4)
    embeddings = torch.randn(2, 3, 64)
    found, mean = OverChunks(Echo(), 3)(torch.cat([logits, embeddings], dim=-1))
    assert torch.allclose(found.softmax(-1), logits.softmax(-1).mean(dim=1), atol=1e-6)
    assert torch.allclose(mean, embeddings.mean(dim=1), atol=1e-6)


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ({"name": "log_mel_image", "hop_samples": 0}, "hop_samples is 0; it must be a whole number from 1 on"),
        ({"name": "log_mel_image", "f_max_hz": 20_000.0}, "f_max_hz 20000.0; they must rise from 0 to at most 11025"),
        ({"name": "log_mel_image", "sample_rate_hz": 44_100}, "sample_rate_hz is 44100; songs are read at 22050 Hz"),
        ({"name": "power_spectrogram", "size": 257.5}, "size is 257.5; it must be a whole number from 3 on"),
        ({"name": "power_spectrogram", "range_db": -90.0}, "range_db is -90.0; it must be a number above 0"),
        ({"name": "waveform", "window_s": 0.0}, "window_s is 0.0; it must be a number above 0"),
        ({"name": "waveform", "window_s": "long"}, "window_s is 'long'; it must be a number above 0"),
        ({"name": "features", "extractor": "ears"}, "there is no feature extractor 'ears'; known are mfcc_means"),
        ({"name": "features", "window_s": float("nan")}, "window_s is nan; it must be a number above 0"),
        ({"name": "tagger_mel", "window_s": 5.0}, "window_s is 5.0; it must be a number above 5.1"),
        ({"name": "tagger_mel", "window_s": True}, "window_s is True; it must be a number above 5.1"),
        ({"name": "tagger_mels", "window_s": 1.0}, "window_s is 1.0; it must be a number above 5.1"),
        ({"name": "tagger_mels", "window_s": None}, "window_s is None; it must be a number above 5.1"),
        ({"name": "image_and_tagger_mel", "mel": {"window_s": 3.0}}, "window_s is 3.0; it must be a number above 5.1"),
        ({"name": "image_and_tagger_mel", "mel": {"n_mels": 0}}, "n_mels is 0; it must be a whole number from 1 on"),
        ({"name": "image_and_features", "mel": {"n_fft": 1}}, "n_fft is 1; it must be a whole number from 2 on"),
        ({"name": "image_and_features", "mel": {}, "extractor": "ears"}, "there is no feature extractor 'ears'"),
        ({"name": "waveform", "chunks": {"hop_s": -1.0}}, "hop_s is -1.0; it must be a number above 0"),
        (
            {"name": "waveform", "window_s": 30.0, "chunks": {"hop_s": 1.0}},
            "chunks of 30 s do not fit in a window of 24 s",
        ),
    ],
)
def test_what_makes_no_sense_is_a_sentence(raw: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        front_end_of({"frontend": raw})
