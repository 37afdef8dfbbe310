"""From a score to finished stereo sound: players on a stage, effects, a room, and a careful master. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter1d, uniform_filter1d

from tools.demo_songs.drums import DRUMS, stroke
from tools.demo_songs.instruments import NoteBook
from tools.demo_songs.oscillators import SAMPLE_RATE_HZ, Signal, band_pass, decay, high_pass, low_pass, noise, samples
from tools.demo_songs.score import Layer, Part, Score

# A lossy encoder overshoots: Opus at this rate by up to 4.4 dB where the music is dense.
CEILING = 10 ** (-5.0 / 20)

# Each room: how long its lows ring (to -60 dB), its highs, the gap before it answers, all in seconds.
ROOMS: dict[str, tuple[float, float, float]] = {
    "room": (0.6, 0.35, 0.006),
    "plate": (1.5, 0.9, 0.012),
    "hall": (2.4, 1.1, 0.024),
    "cathedral": (4.0, 1.6, 0.035),
}

_FADE_OUT_S = 2.4
_BLOCK = 128
_FFT_SAMPLES = 1 << 19
# The noise of the tape: relative to the music around it, and relative to the piece where it is silent.
_AIR_DB = -33.0
_BED_DB = -58.0
_QUIET = 10 ** (-40 / 20)
_SILENT = 10 ** (-50 / 20)


def mix(score: Score) -> Signal:
    """Render a score.

    Args:
        score: what to play.

    Returns:
        float32 `(2, n_samples)` at 48,000 Hz: peaks at most -5 dBFS, no DC, silent at both ends.
    """
    n = samples(score.duration_s)
    stage = np.zeros((2, n), dtype=np.float32)
    send = np.zeros(n, dtype=np.float32)
    kicks_s = _kicks(score.parts)
    for part in score.parts:
        sound = _perform(part, n)
        _apply_effects(sound, part.layer, score.beat_s, kicks_s)
        sound *= np.float32(10 ** (part.layer.level_db / 20) / max(active_rms(sound), 1e-9))
        stage += sound
        if part.layer.reverb:
            send += np.float32(0.5 * part.layer.reverb) * (sound[0] + sound[1])
    _add_room(stage, send, score.room)
    _to_tape(stage, score.loudness_db)
    return _master(stage, score.loudness_db)


def active_rms(sound: Signal) -> float:
    """Return the RMS of the moments in which a sound is present: its blocks within 40 dB of the loudest."""
    n_blocks = sound.shape[-1] // 4096
    blocks = sound[..., : n_blocks * 4096].reshape(sound.shape[0], n_blocks, 4096)
    power = np.einsum("cbs,cbs->b", blocks, blocks) / (4096 * sound.shape[0])
    heard = power[power > power.max(initial=0.0) * _QUIET**2]
    return float(np.sqrt(heard.mean())) if heard.size else 0.0


def _perform(part: Part, n: int) -> Signal:
    sound = np.zeros((2, n), dtype=np.float32)
    for hit in part.hits:
        place = DRUMS[hit.drum][2]
        played = stroke(hit.drum, zlib.crc32(f"{hit.start_s:.4f}".encode())) * np.float32(hit.velocity**1.3)
        _place(sound, played, hit.start_s, place)
    if part.notes:
        book = NoteBook(part.layer.instrument, part.layer.low_pass_hz)
        for note in part.notes:
            # Higher notes lean a little to the right, as at a keyboard; it gives width without an effect.
            lean = part.layer.pan + 0.012 * (note.pitch - part.layer.register)
            _place(sound, book.note(note.pitch, note.duration_s, note.velocity), note.start_s, lean)
    return sound


def _place(sound: Signal, played: Signal, start_s: float, pan: float) -> None:
    """Add a note at its time, by the constant-power law; what passes the end is dropped."""
    start = samples(start_s)
    end = min(start + played.shape[-1], sound.shape[-1])
    if end <= start:
        return
    angle = (min(max(pan, -1.0), 1.0) + 1.0) * np.pi / 4
    left, right = (played[0], played[1]) if played.ndim == 2 else (played, played)
    sound[0, start:end] += np.float32(np.sqrt(2) * np.cos(angle)) * left[: end - start]
    sound[1, start:end] += np.float32(np.sqrt(2) * np.sin(angle)) * right[: end - start]


def _apply_effects(sound: Signal, layer: Layer, beat_s: float, kicks_s: Sequence[float]) -> None:
    if layer.drive:
        _distort(sound, layer.drive)
    if layer.duck and kicks_s:
        _duck(sound, layer.duck, kicks_s)
    if layer.echo:
        _echo(sound, layer.echo, 0.75 * beat_s)


def _distort(sound: Signal, drive: float) -> None:
    """Overdrive the sum of the notes, then take off the fizz as a loudspeaker's cone does."""
    gain = np.float32((1.0 + 7.0 * drive) * 0.3 / max(active_rms(sound), 1e-9))
    np.tanh(sound * gain, out=sound)
    for _ in range(2 if drive < 0.6 else 3):
        # A binomial average of three samples, twice, is 3 dB down at 5.7 kHz and costs a tenth of a recursive filter.
        sound[:, 1:-1] = 0.25 * (sound[:, :-2] + sound[:, 2:]) + 0.5 * sound[:, 1:-1]


def _duck(sound: Signal, depth: float, kicks_s: Sequence[float]) -> None:
    n = samples(0.28)
    dip = (1.0 - depth * (1.0 - np.linspace(0.0, 1.0, n, dtype=np.float32)) ** 1.5).astype(np.float32)
    # The dip falls over 4 ms: a step would click.
    fall = samples(0.004)
    dip[:fall] = np.linspace(1.0, dip[fall], fall, dtype=np.float32)
    gain = np.ones(sound.shape[-1], dtype=np.float32)
    for kick_s in kicks_s:
        start = samples(kick_s)
        end = min(start + n, gain.size)
        gain[start:end] = np.minimum(gain[start:end], dip[: max(0, end - start)])
    sound *= gain


def _echo(sound: Signal, level: float, delay_s: float) -> None:
    """Repeat the sound from side to side, each time weaker."""
    dry = sound.copy()
    for repeat in range(1, 4):
        delay = repeat * samples(delay_s)
        if delay >= sound.shape[-1]:
            return
        crossed = dry[::-1] if repeat % 2 else dry
        sound[:, delay:] += np.float32(level**repeat) * crossed[:, :-delay]


def _kicks(parts: Sequence[Part]) -> list[float]:
    return sorted(hit.start_s for part in parts for hit in part.hits if "kick" in hit.drum)


def _add_room(stage: Signal, send: Signal, room: str) -> None:
    """Convolve the send with the room, block by block (overlap-add), and add it to the stage."""
    spectra, n_response = _room_spectra(room)
    step = _FFT_SAMPLES - n_response
    for start in range(0, send.size, step):
        block = scipy.fft.rfft(send[start : start + step], _FFT_SAMPLES)
        end = min(start + _FFT_SAMPLES, send.size)
        for channel in (0, 1):
            wet = scipy.fft.irfft(block * spectra[channel], _FFT_SAMPLES)
            stage[channel, start:end] += wet[: end - start]


@lru_cache(maxsize=8)
def _room_spectra(room: str) -> tuple[NDArray[np.complex64], int]:
    response = _room_response(room)
    return scipy.fft.rfft(response, _FFT_SAMPLES), response.shape[-1]


def _room_response(room: str) -> Signal:
    """Return a synthetic impulse response, `(2, n)`: a few early reflections, then noise whose highs die first."""
    low_s, high_s, gap_s = ROOMS[room]
    rng = np.random.default_rng(zlib.crc32(room.encode()))
    n = samples(1.1 * low_s)
    tail = np.stack([_tail(rng, n, low_s, high_s) for _ in range(2)])
    tail *= 1.0 - np.exp(-np.arange(n, dtype=np.float32) / samples(0.012))
    response = np.zeros((2, n + samples(gap_s)), dtype=np.float32)
    response[:, samples(gap_s) :] = tail / np.sqrt((tail**2).sum() / 2)
    for channel in (0, 1):
        for reflection_s in np.sort(rng.uniform(0.3, 1.0, 7)) * (0.03 + gap_s):
            response[channel, samples(reflection_s)] += np.float32(rng.choice([-1, 1]) * 0.12)
    return response


def _tail(rng: np.random.Generator, n: int, low_s: float, high_s: float) -> Signal:
    # A sound that falls by 60 dB in T seconds has the time constant T / 6.9.
    mid_s = (low_s * high_s) ** 0.5
    lows = band_pass(noise(rng, n), 150.0, 500.0) * decay(n, low_s / 6.9)
    mids = band_pass(noise(rng, n), 500.0, 2500.0) * decay(n, mid_s / 6.9)
    highs = high_pass(noise(rng, n), 2500.0) * decay(n, high_s / 6.9)
    return lows + mids + np.float32(0.5) * low_pass(highs, 9000.0)


def _to_tape(stage: Signal, loudness_db: float) -> None:
    """Record the mix on tape, the harder the louder the piece is meant to be: saturation, and the noise of real air.

    Bare synthesis is silent between its partials, which no recording is; the noise is masked by the music it follows.
    """
    grit = float(np.clip((loudness_db + 24.0) / 12.0, 0.0, 1.0))
    level = active_rms(stage)
    gain = np.float32((0.1 + 0.32 * grit) / max(level, 1e-9))
    np.tanh(stage * gain, out=stage)
    n_blocks = stage.shape[-1] // _BLOCK
    loudness = (
        np.abs(stage[0, : n_blocks * _BLOCK] + stage[1, : n_blocks * _BLOCK]).reshape(n_blocks, _BLOCK).mean(axis=1)
    )
    breath = 10 ** ((_AIR_DB + 9.0 * grit) / 20) * uniform_filter1d(loudness, 24)
    bed = 10 ** (_BED_DB / 20) * (0.1 + 0.32 * grit)
    envelope = _stretched((breath + bed).astype(np.float32), stage.shape[-1])
    air = _air()
    for start in range(0, stage.shape[-1], air.shape[-1]):
        end = min(start + air.shape[-1], stage.shape[-1])
        stage[:, start:end] += air[:, : end - start] * envelope[start:end]


@lru_cache(maxsize=1)
def _air() -> Signal:
    """Return twelve seconds of the noise of a room, `(2, n)`, of unit variance, whose end runs into its beginning.

    It is pink up to 1.8 kHz and falls by 12 dB per octave above, so that it fills valleys without hissing.
    """
    n = 12 * SAMPLE_RATE_HZ
    spectrum = scipy.fft.rfft(noise(np.random.default_rng(12), 2 * n).reshape(2, n))
    frequency_hz = scipy.fft.rfftfreq(n, 1 / SAMPLE_RATE_HZ)
    colour = np.sqrt(1.0 / np.maximum(frequency_hz, 60.0)) / (1.0 + (frequency_hz / 1800.0) ** 2)
    air = scipy.fft.irfft(spectrum * (colour * (frequency_hz > 30.0)).astype(np.float32), n)
    return (air / air.std()).astype(np.float32)


def _stretched(blocks: Signal, n: int) -> Signal:
    """Draw a line through one value per block, `(n,)`; the last value holds to the end."""
    edges = np.concatenate([blocks[:1], 0.5 * (blocks[1:] + blocks[:-1]), blocks[-1:]]).astype(np.float32)
    ramp = np.arange(_BLOCK, dtype=np.float32) / np.float32(_BLOCK)
    line = (edges[:-1, np.newaxis] + np.diff(edges)[:, np.newaxis] * ramp).ravel()
    return np.pad(line, (0, max(0, n - line.size)), mode="edge")[:n]


def _master(stage: Signal, loudness_db: float) -> Signal:
    """Bring the piece to its loudness, hold its peaks under the ceiling, fade it out, and remove what is not sound."""
    stage -= stage.mean(axis=1, keepdims=True)
    for _ in range(2):
        stage *= np.float32(10 ** (loudness_db / 20) / max(active_rms(stage), 1e-9))
        _limit(stage)
    stage = stage[:, : _heard_samples(stage)]
    n_fade = samples(_FADE_OUT_S)
    stage[:, -n_fade:] *= np.cos(np.linspace(0.0, np.pi / 2, n_fade, dtype=np.float32)) ** 2
    n_start = samples(0.01)
    stage[:, :n_start] *= np.linspace(0.0, 1.0, n_start, dtype=np.float32)
    return stage


def _heard_samples(stage: Signal) -> int:
    """Return how many samples there are up to the end of the last sound that can be heard."""
    heard = np.flatnonzero(np.abs(stage).max(axis=0) > _SILENT)
    return min(int(heard[-1]) + samples(0.3), stage.shape[-1]) if heard.size else stage.shape[-1]


def _limit(stage: Signal) -> None:
    """Turn peaks down before they come: a look-ahead limiter on blocks of 3 ms."""
    n_blocks = -(-stage.shape[-1] // _BLOCK)
    padded = np.zeros(n_blocks * _BLOCK, dtype=np.float32)
    padded[: stage.shape[-1]] = np.abs(stage).max(axis=0)
    peaks = padded.reshape(n_blocks, _BLOCK).max(axis=1)
    wanted = np.minimum(1.0, CEILING / np.maximum(peaks, 1e-9))
    if wanted.min() >= 1.0:
        return
    # The minimum over 15 blocks, smoothed over 7, never exceeds what any block within reach of it wants.
    held = uniform_filter1d(minimum_filter1d(wanted, 15), 7)
    stage *= _stretched(held, stage.shape[-1])
