"""The cues of mood that listeners hear, measured on every piece, against what each quadrant asks of them.

Score cues are exact; sound cues come from the file as a listener gets it.

Source: Juslin & Laukka (2004), Expression, perception, and induction of musical emotions, Table 3; Gabrielsson &
Lindström (2010), The role of structure in the musical expression of emotions; Eerola, Friberg & Bresin (2013),
Emotional expression in music: contribution, linearity, and additivity of primary musical cues.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path

import numpy as np
import scipy.signal
import soundfile
from numpy.typing import NDArray

from tools.demo_songs.compose import compose, lay_out
from tools.demo_songs.pieces import PIECES
from tools.demo_songs.render import piece_path
from tools.demo_songs.score import Recipe, Score
from tools.demo_songs.styles import STYLES
from tools.demo_songs.theory import Chord

Samples = NDArray[np.float64]

_WINDOW, _HOP = 4096, 2048
_PEAKS = 24
# Two notes closer than this are one attack to the ear.
_ATTACK_GAP_S = 0.03
# Whose notes count as the tune: the first role that the piece has.
_TUNES = ("melody", "guide", "harmony")


@dataclass(frozen=True, slots=True)
class Cues:
    """One piece.

    Attributes:
        tempo: quarter notes (dotted quarters in compound time) per minute, from the score.
        minor: share of the time, 0 to 1, in which a chord with a minor or no third, or a diminished one, sounds.
        register: mean MIDI pitch of the tune, weighted by duration.
        legato: sounding part of the time from one tune note to the next within a phrase; below .7 is detached.
        clashes: share of the pairs of notes sounding together that are a semitone, major seventh or tritone apart.
        onsets: attacks per second, all players together.
        level: RMS of the moments with sound, dB relative to full scale.
        range: difference of the 95th and the 20th percentile of short-term level, dB.
        centroid: mean spectral centroid of the A-weighted amplitudes, Hz.
        rough: mean sensory dissonance of a frame's A-weighted peaks, their amplitudes summing to one, times 1000.
        attack: mean rise of level at an attack, dB within 50 ms.
        pulse: highest autocorrelation of spectral flux between 0.25 and 1.5 s, 0 to 1; low is irregular.
    """

    tempo: float
    minor: float
    register: float
    legato: float
    clashes: float
    onsets: float
    level: float
    range: float
    centroid: float
    rough: float
    attack: float
    pulse: float


# What a quadrant asks, as (lowest, highest). A piece may miss one and still be convincing: cues add up.
# fmt: off
EXPECTED: dict[int, dict[str, tuple[float, float]]] = {
    1: {"tempo": (104, 190), "minor": (0, 0.35), "register": (70, 90), "legato": (0, 0.9), "clashes": (0, 0.1),
        "onsets": (4.5, 20), "level": (-17, -11)},
    2: {"tempo": (116, 200), "minor": (0.7, 1), "clashes": (0.15, 1), "onsets": (6, 30), "level": (-14, -8),
        "centroid": (3000, 9000), "rough": (90, 999)},
    3: {"tempo": (36, 66), "minor": (0.7, 1), "register": (45, 62), "legato": (0.9, 2), "onsets": (0.4, 2.5),
        "level": (-30, -21), "centroid": (0, 1200), "rough": (0, 90), "attack": (0, 7)},
    4: {"tempo": (48, 88), "minor": (0, 0.35), "register": (66, 82), "legato": (0.9, 2), "clashes": (0, 0.15),
        "onsets": (1, 4), "level": (-24, -18), "centroid": (0, 2300), "rough": (0, 90)},
}
# fmt: on


def measure_pieces(folder: Path) -> str:
    """Return a table of all pieces rendered in a folder; "!" marks a cue outside what its quadrant asks.

    Raises:
        OSError: a piece is missing.
    """
    names = [field.name for field in fields(Cues)]
    lines = ["".join(f"{name:>9} " for name in names) + " piece"]
    per_quadrant: dict[int, list[Cues]] = {}
    for number, recipe in enumerate(PIECES):
        cues = measure(recipe, piece_path(folder, number))
        per_quadrant.setdefault(recipe.quadrant, []).append(cues)
        lines.append(f"{_row(cues, EXPECTED[recipe.quadrant])} Q{recipe.quadrant} {recipe.title}")
    for quadrant, rows in sorted(per_quadrant.items()):
        means = Cues(*(float(np.mean([getattr(row, name) for row in rows])) for name in names))
        lines.append(f"{_row(means, {})} Q{quadrant} mean")
    return "\n".join(lines)


def measure(recipe: Recipe, path: Path) -> Cues:
    """Measure one piece.

    Args:
        recipe: what was rendered.
        path: the rendered file.

    Raises:
        OSError: the file cannot be read.
    """
    score = compose(recipe)
    stereo, rate_hz = soundfile.read(path)
    sound = stereo.mean(axis=1)
    onsets_s = _onsets_s(score)
    level_db = _level_db(stereo, rate_hz)
    frequency_hz, spectra = _spectra(sound, rate_hz)
    heard = spectra * _a_weighting(frequency_hz)
    return Cues(
        tempo=60.0 / score.beat_s / (1.5 if _is_compound(recipe) else 1.0),
        minor=_minor_share(recipe, score),
        register=_register(score),
        legato=_legato(score),
        clashes=_clashes(score),
        onsets=len(onsets_s) / score.duration_s,
        level=float(10 * np.log10(np.mean(10 ** (level_db[level_db > level_db.max() - 40] / 10)))),
        range=float(np.percentile(level_db, 95) - np.percentile(level_db, 20)),
        centroid=float((heard @ frequency_hz).sum() / heard.sum()),
        rough=1000 * float(np.mean([roughness(*_peaks(frequency_hz, frame)) for frame in heard[::4]])),
        attack=_attack_db(sound, rate_hz, onsets_s),
        pulse=_pulse(spectra, rate_hz),
    )


def roughness(frequency_hz: Samples, amplitude: Samples) -> float:
    """Return the sensory dissonance of a sum of sines whose amplitudes sum to one.

    Source: Plomp & Levelt (1965); the curve as fitted by Sethares (1993), Local consonance and the relationship between
    timbre and scale.
    """
    low_hz = np.minimum.outer(frequency_hz, frequency_hz)
    apart_hz = np.abs(np.subtract.outer(frequency_hz, frequency_hz)) * 0.24 / (0.0207 * low_hz + 18.96)
    pairs = np.minimum.outer(amplitude, amplitude) * (np.exp(-3.51 * apart_hz) - np.exp(-5.75 * apart_hz))
    return float(np.triu(pairs, 1).sum())


def _row(cues: Cues, expected: dict[str, tuple[float, float]]) -> str:
    cells = []
    for field in fields(cues):
        value = getattr(cues, field.name)
        low, high = expected.get(field.name, (-np.inf, np.inf))
        digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 3 else 2
        cells.append(f"{value:>9.{digits}f}{' ' if low <= value <= high else '!'}")
    return "".join(cells)


def _is_compound(recipe: Recipe) -> bool:
    return STYLES[recipe.style].steps_per_beat == 6


def _minor_share(recipe: Recipe, score: Score) -> float:
    bars = lay_out(recipe, score.key)
    return float(np.mean([np.mean([not _has_major_third(chord) for chord in bar.chords]) for bar in bars]))


def _has_major_third(chord: Chord) -> bool:
    return (chord.root + 4) % 12 in chord.tones and (chord.root + 7) % 12 in chord.tones


def _tune(score: Score) -> Iterator[list[tuple[float, float, int]]]:
    for role in _TUNES:
        parts = [part for part in score.parts if part.layer.role == role]
        if parts:
            yield from ([(n.start_s, n.duration_s, n.pitch) for n in part.notes] for part in parts)
            return


def _register(score: Score) -> float:
    notes = [note for part in _tune(score) for note in part]
    return float(np.average([pitch for *_, pitch in notes], weights=[held for _, held, _ in notes]))


def _legato(score: Score) -> float:
    shares = []
    for part in _tune(score):
        for (start_s, held_s, _), (next_s, *_) in pairwise(part):
            gap_s = next_s - start_s
            if 0.05 < gap_s < 6 * score.beat_s:
                shares.append(held_s / gap_s)
    return float(np.mean(np.minimum(shares, 2.0)))


def _clashes(score: Score) -> float:
    notes = sorted((n.start_s, n.start_s + n.duration_s, n.pitch) for part in score.parts for n in part.notes)
    harsh = pairs = 0
    for index, (start_s, _, pitch) in enumerate(notes):
        for _, end_s, other in notes[max(0, index - 40) : index]:
            if end_s > start_s + _ATTACK_GAP_S and other != pitch:
                pairs += 1
                harsh += (pitch - other) % 12 in (1, 6, 11)
    return harsh / max(pairs, 1)


def _onsets_s(score: Score) -> list[float]:
    notes = [note.start_s for part in score.parts for note in part.notes]
    starts = sorted(notes + [hit.start_s for part in score.parts for hit in part.hits])
    merged: list[float] = []
    for start_s in starts:
        if not merged or start_s - merged[-1] > _ATTACK_GAP_S:
            merged.append(start_s)
    return merged


def _level_db(stereo: Samples, rate_hz: int) -> Samples:
    block = rate_hz // 10
    power = (stereo[: len(stereo) // block * block] ** 2).mean(axis=1).reshape(-1, block).mean(axis=1)
    return 10 * np.log10(power + 1e-9)


def _spectra(sound: Samples, rate_hz: int) -> tuple[Samples, Samples]:
    frequency_hz, _, spectra = scipy.signal.stft(sound, rate_hz, nperseg=_WINDOW, noverlap=_WINDOW - _HOP)
    return frequency_hz, np.abs(spectra.T)


def _a_weighting(frequency_hz: Samples) -> Samples:
    """Return the ear's sensitivity at moderate levels, 1 at 1 kHz (IEC 61672)."""
    f2 = frequency_hz**2
    gain = 12194**2 * f2**2 / ((f2 + 20.6**2) * np.sqrt((f2 + 107.7**2) * (f2 + 737.9**2)) * (f2 + 12194**2))
    return 1.2589 * gain


def _peaks(frequency_hz: Samples, frame: Samples) -> tuple[Samples, Samples]:
    found, _ = scipy.signal.find_peaks(frame, height=frame.max() * 0.02 + 1e-7)
    loudest = found[np.argsort(frame[found])[-_PEAKS:]]
    amplitude = frame[loudest]
    return frequency_hz[loudest], amplitude / max(amplitude.sum(), 1e-9)


def _attack_db(sound: Samples, rate_hz: int, onsets_s: Sequence[float]) -> float:
    block = rate_hz // 200
    power = (sound[: len(sound) // block * block] ** 2).reshape(-1, block).mean(axis=1)
    level_db = 10 * np.log10(power + 1e-7)
    rises = []
    for onset_s in onsets_s:
        at = int(onset_s * 200)
        if 3 <= at < len(level_db) - 10:
            rises.append(level_db[at : at + 10].max() - level_db[at - 3 : at].mean())
    return float(np.mean(rises))


def _pulse(spectra: Samples, rate_hz: int) -> float:
    flux = np.maximum(np.diff(np.log1p(100 * spectra), axis=0), 0).sum(axis=1)
    flux -= flux.mean()
    correlation = scipy.signal.correlate(flux, flux)[len(flux) - 1 :]
    per_s = rate_hz / _HOP
    return float((correlation[int(0.25 * per_s) : int(1.5 * per_s)] / correlation[0]).max())
