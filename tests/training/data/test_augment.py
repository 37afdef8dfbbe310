"""Each change does what it says, and is held to the same change of the waveform where there is one."""

from collections.abc import Callable
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import signal
from torch import Tensor

from emotion.zoo.frontends import MelConfig, log_mel_image
from tests.audio_fixtures import make_audio
from training.data import augment as changes
from training.data.augment import AugmentConfig, augment, mixup, soft_quadrants
from training.data.cache import images_of
from training.fit.loop import ClipSet

OFF = AugmentConfig.off()
MEL = MelConfig(window_s=6.0, image_size=128)
RATE_HZ = MEL.sample_rate_hz
ALONE: dict[str, Any] = {
    "gain_db": 10,
    "power_db": 6,
    "tilt_db": 8,
    "equaliser_db": 8,
    "lowpass_chance": 1.0,
    "mask_chance": 1.0,
    "shift": True,
    "stretch": 0.2,
    "pitch_semitones": 3,
    "noise_chance": 1.0,
    "reverb_chance": 1.0,
}


def images(n: int = 8) -> Tensor:
    return torch.rand(n, 1, 32, 40) * 0.8 + 0.1


def image_of(waveform: NDArray[np.floating]) -> Tensor:
    return torch.from_numpy(log_mel_image(waveform.astype(np.float32), MEL))[None, None]


@cache
def melody() -> NDArray[np.float32]:
    """Notes with overtones, each dying away, over a whole window."""
    rng = np.random.default_rng(0)
    waveform = np.zeros(round(MEL.window_s * RATE_HZ), np.float32)
    for start in range(0, len(waveform), RATE_HZ // 4):
        time_s = np.arange(len(waveform) - start) / RATE_HZ
        root_hz = 300 * 2 ** (rng.integers(0, 24) / 12)
        note = sum(np.sin(2 * np.pi * root_hz * k * time_s) / k for k in range(1, 12))
        waveform[start:] += (0.1 * note * np.exp(-4 * time_s)).astype(np.float32)
    return waveform + 1e-4 * rng.standard_normal(len(waveform)).astype(np.float32)


def distance_db(one: Tensor, other: Tensor, *, level: bool = True) -> float:
    """Return the mean difference where the second has sound, in dB; `level=False` leaves a common offset out."""
    heard = other > 0.02
    difference = (one - other)[heard] * MEL.range_db
    return float((difference if level else difference - difference.mean()).abs().mean())


# --- The configuration --------------------------------------------------------------------------------------------


def test_everything_off_changes_nothing() -> None:
    batch = images()
    assert torch.equal(augment(batch, OFF, range_db=90), batch)


def test_every_key_is_tried_alone_here() -> None:
    elsewhere = {"mixup_alpha", "crop", "noise_snr_db"}
    assert {field.name for field in fields(AugmentConfig)} == ALONE.keys() | elsewhere


@pytest.mark.parametrize("name", ALONE)
def test_each_change_alone_changes_and_keeps_the_range(name: str) -> None:
    torch.manual_seed(0)
    batch = images()
    config = replace(OFF, **{name: ALONE[name]})
    changed = augment(batch, config, range_db=90, mel=MEL)
    assert changed.shape == batch.shape
    assert changed.dtype == batch.dtype
    assert not torch.allclose(changed, batch)
    assert 0 <= changed.min() <= changed.max() <= 1
    assert all(not torch.allclose(changed[i] - batch[i], changed[0] - batch[0]) for i in range(1, 8)) or name in (
        "power_db",
    )


def test_silence_stays_silent() -> None:
    torch.manual_seed(0)
    everything = AugmentConfig(**ALONE)
    assert augment(torch.zeros(4, 1, 32, 40), everything, range_db=90, mel=MEL).max() == 0


def test_the_same_seed_draws_the_same() -> None:
    batch, everything = images(), AugmentConfig(**ALONE)
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(augment(batch, everything, range_db=90, mel=MEL))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


# --- Against the waveform -----------------------------------------------------------------------------------------

ONE = torch.ones(1)
IDENTITIES: dict[str, Callable[[Tensor], Tensor]] = {
    "time_shift": lambda x: changes.time_shift(x, 0 * ONE),
    "time_stretch": lambda x: changes.time_stretch(x, ONE),
    "pitch_shift": lambda x: changes.pitch_shift(x, 0 * ONE, MEL),
    "change_level": lambda x: changes.change_level(x, torch.zeros(1, 1), 90.0),
    "lowpass": lambda x: changes.lowpass(x, ONE),
    "reverberate": lambda x: changes.reverberate(x, ONE, 200 * ONE, 90.0, MEL),
    "add_noise": lambda x: changes.add_noise(x, 200 * ONE, 90.0, MEL),
}


@pytest.mark.parametrize("name", IDENTITIES)
def test_no_change_is_the_identity(name: str) -> None:
    image = image_of(melody())
    assert torch.allclose(IDENTITIES[name](image), image, atol=2e-4)


@pytest.mark.parametrize("semitones", [-5.0, -2.0, 2.0, 5.0])
@pytest.mark.parametrize("hz", [500.0, 1000.0, 3000.0])
def test_a_pitch_shift_moves_a_tone_to_the_row_of_its_new_frequency(semitones: float, hz: float) -> None:
    time_s = np.arange(round(MEL.window_s * RATE_HZ)) / RATE_HZ
    tone, moved = (image_of(0.1 * np.sin(2 * np.pi * f * time_s)) for f in (hz, hz * 2 ** (semitones / 12)))
    shifted = changes.pitch_shift(tone, semitones * ONE, MEL)
    row = int(shifted.mean(dim=3).argmax())
    assert abs(row - moved.mean(dim=3).argmax().item()) <= 1
    assert changes.row_frequencies_hz(MEL, 128)[row].item() == pytest.approx(hz * 2 ** (semitones / 12), rel=0.05)


@pytest.mark.parametrize("semitones", [-2.0, 3.0])
def test_a_pitch_shift_is_that_of_a_phase_vocoder(semitones: float) -> None:
    before = image_of(melody())
    after = image_of(librosa.effects.pitch_shift(melody(), sr=RATE_HZ, n_steps=semitones))
    found = changes.pitch_shift(before, semitones * ONE, MEL)
    # A phase vocoder makes everything about 3 dB softer; that is not meant.
    assert distance_db(found, after, level=False) < 0.6 * distance_db(before, after, level=False)


@pytest.mark.parametrize("speed", [0.8, 1.25])
def test_a_time_stretch_is_that_of_a_phase_vocoder(speed: float) -> None:
    before = image_of(melody())
    stretched = librosa.effects.time_stretch(melody(), rate=speed)
    spare = len(stretched) - len(melody())
    if spare > 0:
        stretched = stretched[spare // 2 :][: len(melody())]
    else:
        stretched = np.roll(np.resize(stretched, len(melody())), -spare // 2)
    found = changes.time_stretch(before, speed * ONE)
    middle = (..., slice(20, 108))
    assert distance_db(found[middle], image_of(stretched)[middle], level=False) < 0.5 * distance_db(
        before[middle], image_of(stretched)[middle], level=False
    )


def test_a_time_shift_rolls_the_sound() -> None:
    before = image_of(melody())
    share = 32 / 128
    rolled = image_of(np.roll(melody(), round(share * len(melody()))))
    found = changes.time_shift(before, share * ONE)
    assert distance_db(found, rolled) < 0.1 * distance_db(before, rolled)


def test_a_change_of_level_is_that_of_the_sound() -> None:
    before, after = image_of(melody()), image_of(0.5 * melody())
    found = changes.change_level(before, torch.full((1, 1), -6.0206), MEL.range_db).clamp(0, 1)
    assert distance_db(found, after) < 0.01


def test_a_power_shift_is_exactly_one_step_up_or_down() -> None:
    torch.manual_seed(0)
    batch = images() * 0.5 + 0.2
    steps = (augment(batch, replace(OFF, power_db=9.0), range_db=90) - batch).amax(dim=(1, 2, 3))
    down = (augment(batch, replace(OFF, power_db=9.0), range_db=90) - batch).amin(dim=(1, 2, 3))
    assert torch.allclose(steps.abs(), torch.full((8,), 0.1))
    assert {True, False} == set((steps > 0).tolist())
    assert torch.allclose(down.abs(), torch.full((8,), 0.1))


def test_the_seven_bands_are_shelves_and_bells() -> None:
    hz = torch.tensor([10.0, 60.0, 600.0, 6000.0, 10_000.0])
    centre_hz = torch.tensor([[60.0, 140, 300, 600, 1400, 3000, 6000]])

    def response(band: int) -> list[float]:
        gain_db = torch.zeros(1, 7)
        gain_db[0, band] = 12
        return changes.seven_band_response_db(hz, centre_hz, gain_db, torch.full((1, 7), 0.7))[0].tolist()

    low, bell, high = response(0), response(3), response(6)
    assert low == pytest.approx([12, 6, 0, 0, 0], abs=0.35)
    assert bell[2] == pytest.approx(12, abs=0.01)
    assert max(bell[0], bell[4]) < 0.5
    assert high[:3] == pytest.approx([0, 0, 0], abs=0.3)
    assert high[3] == pytest.approx(6, abs=0.3)
    assert high[4] > 9


def test_the_equaliser_is_the_real_filter() -> None:
    centre_hz, gain_db, q = (torch.full((1, 7), value) for value in (1000.0, 0.0, 0.7))
    gain_db[0, 3] = -12.0
    # The digital peaking filter of the same cookbook.
    a, w = 10 ** (-12 / 40), 2 * np.pi * 1000 / RATE_HZ
    alpha = np.sin(w) / 1.4
    b, c = [1 + alpha * a, -2 * np.cos(w), 1 - alpha * a], [1 + alpha / a, -2 * np.cos(w), 1 - alpha / a]
    before, after = image_of(melody()), image_of(signal.lfilter(b, c, melody()))
    level_db = changes.seven_band_response_db(changes.row_frequencies_hz(MEL, 128), centre_hz, gain_db, q)
    found = changes.change_level(before, level_db, MEL.range_db).clamp(0, 1)
    assert distance_db(found, after) < 0.15 * distance_db(before, after)


def test_bandwidth_cuts_only_what_is_above() -> None:
    before = image_of(melody())
    found = changes.lowpass(before, 0.75 * ONE)
    assert torch.equal(found[:, :, :96], before[:, :, :96])
    assert found[:, :, 96:].max() == 0


def test_noise_is_as_loud_as_real_noise() -> None:
    rng = np.random.default_rng(1)
    power = float(np.mean(melody() ** 2))
    noisy = image_of(melody() + rng.standard_normal(len(melody())) * np.sqrt(power / 10**1.5))
    torch.manual_seed(0)
    found = changes.add_noise(image_of(melody()), 15 * ONE, MEL.range_db, MEL)
    assert distance_db(found, noisy) < 3.0 < 0.3 * distance_db(image_of(melody()), noisy)


def test_reverberation_is_that_of_a_decaying_room() -> None:
    rng, decay_s, direct_db = np.random.default_rng(1), 1.0, 0.0
    time_s = np.arange(round(decay_s * RATE_HZ)) / RATE_HZ
    room = rng.standard_normal(len(time_s)) * 10 ** (-3 * time_s / decay_s)
    room *= np.sqrt(10 ** (-direct_db / 10) / np.sum(room**2))
    room[0] += 1
    # A beat and nothing after it, so that the rest is the room's.
    beat = np.where(np.arange(len(melody())) < RATE_HZ, melody(), 0)
    wet = image_of(signal.fftconvolve(beat, room)[: len(beat)])
    found = changes.reverberate(image_of(beat) + 1e-6, decay_s * ONE, direct_db * ONE, MEL.range_db, MEL)
    tail = (..., slice(0, 100), slice(24, 36))
    assert wet[tail].mean() > image_of(beat)[tail].mean() + 0.1
    assert distance_db(found[tail], wet[tail], level=False) < 3.0
    assert float((found[tail] - wet[tail]).mean().abs()) * MEL.range_db < 3.0


def test_masks_blank_a_stretch_of_bands_and_of_time() -> None:
    torch.manual_seed(0)
    batch = torch.full((64, 1, 100, 200), 0.5)
    blank = augment(batch, replace(OFF, mask_chance=1.0), range_db=90)[:, 0] == 0
    bands, times = blank.all(dim=2).float().mean(dim=1), blank.all(dim=1).float().mean(dim=1)
    for share in (bands, times):
        assert 0.04 < share.mean() < 0.11
        assert share.max() <= 0.16


def test_crops_are_other_places_of_the_file(tmp_path: Path) -> None:
    waveform = np.concatenate([melody() * level for level in (0.1, 0.3, 1.0)])[:, None]
    path = make_audio(tmp_path / "long.wav", waveform=waveform)
    stored = images_of([path], config=MEL, cache_dir=tmp_path, places=(0.5, 0.0, 1.0))
    data = ClipSet(stored, np.eye(4, dtype=np.float32)[:1])
    crops = data.batch(np.zeros(3, int), np.arange(3), torch.device("cpu"))
    parts = [image_of(part[:, 0]) for part in np.split(waveform, 3)]
    for crop, place in zip(crops, (1, 0, 2), strict=True):
        # The ends of a window differ, where the transform looks past them.
        apart_db = [distance_db(crop[None, None], part) for part in parts]
        assert apart_db[place] < 1 < min(apart_db[:place] + apart_db[place + 1 :])


def test_the_row_frequencies_are_those_of_librosas_bands() -> None:
    centres = librosa.mel_frequencies(MEL.n_mels + 2, fmin=MEL.f_min_hz, fmax=MEL.f_max_hz)[1:-1]
    assert np.allclose(changes.row_frequencies_hz(MEL, MEL.n_mels).numpy(), centres, rtol=1e-5)
    # An image of 300 rows has them at the same heights.
    tall = changes.row_frequencies_hz(MEL, 3 * MEL.n_mels).numpy()
    assert np.allclose(tall[1::3], centres, rtol=1e-4)


# --- Labels -------------------------------------------------------------------------------------------------------


def test_mixup_mixes_images_and_targets_with_the_same_weight() -> None:
    torch.manual_seed(0)
    marks = torch.arange(8.0).view(8, 1)
    mixed, also = mixup([marks, marks.clone()], 0.4)
    assert torch.equal(mixed, also)
    assert not torch.equal(mixed, marks)
    assert mixup([marks], 0)[0] is marks


def test_a_rating_near_the_midpoint_says_little() -> None:
    assert soft_quadrants(0, 0, 0.3) == pytest.approx((0.25,) * 4)
    certain = soft_quadrants(1, 1, 0.3)
    assert certain[0] > 0.99
    assert sum(soft_quadrants(0.2, -0.4, 0.3)) == pytest.approx(1)
