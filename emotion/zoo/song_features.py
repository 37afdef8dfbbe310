"""Four hundred and some hand-made features of a song, by the dimensions of music that Panda et al. name.

Curves over time (frames every 23 ms) are summarised by seven statistics each; others are single numbers. The
official features of 4QAED are of other programs (Marsyas, MIR Toolbox, PsySound and their own); this set says the same
dimensions with librosa: melody (pitch of the strongest voice, its intervals and range), harmony (chroma, tonal
centroid, strength of major and minor, changes), rhythm (onset strength, tempogram, tempo, pulse clarity, onsets),
dynamics (level, its changes, peak to mean), tone colour (spectral shape, MFCCs, contrast, flatness, roughness), texture
(share of harmonic and percussive energy, number of voices), expressivity (vibrato and tremolo, attacks and decays).

Source: Panda, Malheiro and Paiva (2020), Novel audio features for music emotion recognition, section 3; Krumhansl
(1990), Cognitive foundations of musical pitch (key profiles).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import librosa
import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks
from scipy.stats import kurtosis, skew

from emotion.signal.audio import SAMPLE_RATE_HZ

_FFT, _FINE_FFT, _HOP = 1024, 4096, 512
_FRAMES_PER_S = SAMPLE_RATE_HZ / _HOP
_MAJOR = np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88])
_MINOR = np.array([6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17])
_STATISTICS = ("mean", "sd", "skewness", "kurtosis", "p10", "p90", "change")
_LOWEST_HZ, _HIGHEST_HZ = 65.0, 1760.0
_VIBRATO_HZ, _TREMOLO_HZ = (4.0, 8.0), (3.0, 10.0)
_TINY = 1e-10

Curve = NDArray[np.floating]


def song_features(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """Measure a window `(n_samples,)` at 22,050 Hz; returns `(len(names()),)` float32, all finite."""
    return np.array([value for _, value in _measured(waveform)], np.float32)


def names() -> list[str]:
    """Return what each number is, such as "tone colour: centroid, mean"."""
    return [name for name, _ in _measured(np.zeros(SAMPLE_RATE_HZ, np.float32))]


def _measured(waveform: NDArray[np.float32]) -> Iterator[tuple[str, float]]:
    spectrum = np.abs(librosa.stft(waveform, n_fft=_FFT, hop_length=_HOP)) + _TINY
    # Semitones need longer frames than rhythm does.
    fine = np.abs(librosa.stft(waveform, n_fft=_FINE_FFT, hop_length=_HOP)) + _TINY
    parts = (_colour(waveform, spectrum), _dynamics(waveform, spectrum), _harmony(fine))
    for part in (*parts, _rhythm(spectrum), _texture(spectrum), _melody(fine)):
        for name, value in part:
            if isinstance(value, np.ndarray):
                yield from zip((f"{name}, {each}" for each in _STATISTICS), _statistics(value), strict=True)
            else:
                yield name, float(np.nan_to_num(value))


def _statistics(curve: Curve) -> list[float]:
    values = np.nan_to_num(np.asarray(curve, np.float64))
    if len(values) < 2 or np.ptp(values) < 1e-9:
        return [float(values.mean()) if len(values) else 0.0, 0.0, 0.0, 0.0, *2 * [float(values.mean())], 0.0]
    low, high = np.percentile(values, (10, 90))
    change = np.abs(np.diff(values)).mean()
    return [float(each) for each in (values.mean(), values.std(), skew(values), kurtosis(values), low, high, change)]


def _colour(waveform: NDArray[np.float32], spectrum: Curve) -> Iterator[tuple[str, Curve | float]]:
    power = spectrum**2
    mel_db = librosa.power_to_db(librosa.feature.melspectrogram(S=power, sr=SAMPLE_RATE_HZ, n_mels=64))
    for number, row in enumerate(librosa.feature.mfcc(S=mel_db, n_mfcc=20), start=1):
        yield f"tone colour: MFCC {number}", row
    for number, row in enumerate(librosa.feature.spectral_contrast(S=spectrum, sr=SAMPLE_RATE_HZ), start=1):
        yield f"tone colour: contrast {number}", row
    yield "tone colour: centroid", librosa.feature.spectral_centroid(S=spectrum, sr=SAMPLE_RATE_HZ)[0]
    yield "tone colour: bandwidth", librosa.feature.spectral_bandwidth(S=spectrum, sr=SAMPLE_RATE_HZ)[0]
    yield "tone colour: rolloff", librosa.feature.spectral_rolloff(S=spectrum, sr=SAMPLE_RATE_HZ)[0]
    yield "tone colour: flatness", np.log(librosa.feature.spectral_flatness(S=spectrum)[0])
    yield "tone colour: zero crossings", librosa.feature.zero_crossing_rate(waveform, hop_length=_HOP)[0]
    shares = power / power.sum(axis=0)
    yield "tone colour: entropy", -(shares * np.log(shares + _TINY)).sum(axis=0)
    bands = np.array_split(np.log(power), 8)
    for number, band in enumerate(bands, start=1):
        yield f"tone colour: level of band {number}", band.mean(axis=0)
    yield "tone colour: flux", np.sqrt((np.diff(np.log(spectrum), axis=1) ** 2).mean(axis=0))
    yield "tone colour: roughness", _roughness(spectrum)


def _roughness(spectrum: Curve) -> Curve:
    # Neighbouring bins within a critical band that are both strong beat against each other.
    strong = spectrum[:256]
    return np.log((strong[:-2] * strong[2:]).sum(axis=0) / (strong**2).sum(axis=0))


def _dynamics(waveform: NDArray[np.float32], spectrum: Curve) -> Iterator[tuple[str, Curve | float]]:
    rms = librosa.feature.rms(S=spectrum, frame_length=_FFT)[0] + _TINY
    level_db = 20 * np.log10(rms)
    yield "dynamics: level", level_db
    yield "dynamics: change of level", np.diff(level_db, prepend=level_db[0])
    yield "dynamics: peak to mean", float(20 * np.log10((np.abs(waveform).max() + _TINY) / (rms.mean() + _TINY)))
    yield "dynamics: share of quiet frames", float((rms < rms.mean() / 2).mean())
    yield "dynamics: range", float(np.ptp(np.percentile(level_db, (5, 95))))
    yield "expressivity: tremolo", _modulation(level_db, _TREMOLO_HZ)
    rises = np.clip(np.diff(level_db, prepend=level_db[0]), 0, None)
    falls = np.clip(-np.diff(level_db, prepend=level_db[0]), 0, None)
    yield "expressivity: attacks", rises
    yield "expressivity: decays", falls


def _modulation(curve: Curve, band_hz: tuple[float, float]) -> float:
    # The share of a curve's changes that lie in a band of modulation frequencies.
    power = np.abs(np.fft.rfft(curve - curve.mean())) ** 2
    frequencies = np.fft.rfftfreq(len(curve), 1 / _FRAMES_PER_S)
    inside = (frequencies >= band_hz[0]) & (frequencies <= band_hz[1])
    return float(power[inside].sum() / (power[1:].sum() + _TINY))


def _harmony(fine: Curve) -> Iterator[tuple[str, Curve | float]]:
    chroma = librosa.feature.chroma_stft(S=fine**2, sr=SAMPLE_RATE_HZ, tuning=0.0)
    mean = chroma.mean(axis=1)
    fits = np.array(
        [[np.corrcoef(np.roll(p, k), mean + 1e-6 * np.arange(12))[0, 1] for k in range(12)] for p in (_MAJOR, _MINOR)]
    )
    # Pitch classes from the likeliest key's tonic up, so that a transposition changes nothing.
    tonic = int(fits.max(axis=0).argmax())
    for number, row in enumerate(np.roll(chroma, -tonic, axis=0)):
        yield f"harmony: pitch class {number}", row
    for number, row in enumerate(librosa.feature.tonnetz(chroma=chroma), start=1):
        yield f"harmony: tonal centroid {number}", row
    yield "harmony: strength of the key", float(fits.max())
    yield "harmony: major over minor", float(fits[0].max() - fits[1].max())
    yield "harmony: change", np.sqrt((np.diff(chroma, axis=1) ** 2).sum(axis=0))
    shares = chroma / (chroma.sum(axis=0) + _TINY)
    yield "harmony: entropy", -(shares * np.log(shares + _TINY)).sum(axis=0)
    yield "texture: pitch classes at once", (chroma > 0.5).sum(axis=0).astype(np.float64)


def _rhythm(spectrum: Curve) -> Iterator[tuple[str, Curve | float]]:
    mel_db = librosa.power_to_db(librosa.feature.melspectrogram(S=spectrum**2, sr=SAMPLE_RATE_HZ, n_mels=64))
    onsets = librosa.onset.onset_strength(S=mel_db, sr=SAMPLE_RATE_HZ, hop_length=_HOP)
    yield "rhythm: onset strength", onsets
    tempogram = librosa.feature.tempogram(onset_envelope=onsets, sr=SAMPLE_RATE_HZ, hop_length=_HOP).mean(axis=1)
    tempi = librosa.tempo_frequencies(len(tempogram), sr=SAMPLE_RATE_HZ, hop_length=_HOP)
    inside = (tempi >= 40) & (tempi <= 220)
    best = int(np.flatnonzero(inside)[tempogram[inside].argmax()])
    yield "rhythm: tempo", float(tempi[best])
    yield "rhythm: pulse clarity", float(tempogram[best])
    edges = (40, 60, 80, 100, 120, 140, 160, 180, 220)
    for low, high in pairwise(edges):
        yield f"rhythm: pulse from {low} to {high}", float(tempogram[(tempi >= low) & (tempi < high)].max(initial=0.0))
    peaks, _ = find_peaks(onsets, height=onsets.mean() + onsets.std())
    seconds = len(onsets) / _FRAMES_PER_S
    yield "rhythm: onsets a second", len(peaks) / seconds
    gaps = np.diff(peaks) / _FRAMES_PER_S
    yield "rhythm: time between onsets", gaps if len(gaps) else np.zeros(1)


def _texture(spectrum: Curve) -> Iterator[tuple[str, Curve | float]]:
    harmonic, percussive = librosa.decompose.hpss(spectrum)
    parts = (harmonic**2).sum(axis=0), (percussive**2).sum(axis=0)
    yield "texture: share of percussion", parts[1] / (parts[0] + parts[1] + _TINY)
    yield "texture: level of harmony", 10 * np.log10(parts[0] + _TINY)
    yield "texture: level of percussion", 10 * np.log10(parts[1] + _TINY)
    peaks = (
        (spectrum[1:-1] > spectrum[:-2])
        & (spectrum[1:-1] > spectrum[2:])
        & (spectrum[1:-1] > spectrum.max(axis=0) / 10)
    )
    yield "texture: partials at once", peaks.sum(axis=0).astype(np.float64)


def _melody(fine: Curve) -> Iterator[tuple[str, Curve | float]]:
    low, high = (round(hz * _FINE_FFT / SAMPLE_RATE_HZ) for hz in (_LOWEST_HZ, _HIGHEST_HZ))
    bins = np.arange(low, high)
    # The product of the first three partials is greatest at the pitch of the strongest voice.
    partials = [np.log(fine[np.minimum(bins * number, len(fine) - 1)]) for number in (1, 2, 3)]
    salience = np.sum(partials, axis=0)
    pitch = 12 * np.log2(bins[salience.argmax(axis=0)] * SAMPLE_RATE_HZ / _FINE_FFT / 440.0)
    clear = salience.max(axis=0) - np.median(salience, axis=0)
    yield "melody: pitch", pitch
    yield "melody: clarity", clear
    yield "melody: interval", np.abs(np.diff(pitch))
    yield "melody: range", float(np.ptp(np.percentile(pitch, (5, 95))))
    yield "melody: share of steps", float((np.abs(np.diff(pitch)) <= 2).mean())
    yield "melody: share of leaps", float((np.abs(np.diff(pitch)) > 7).mean())
    yield "melody: rising", float((np.diff(pitch) > 0).mean())
    yield "expressivity: vibrato", _modulation(pitch, _VIBRATO_HZ)
