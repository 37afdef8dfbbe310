"""Keys, chords and voice-leading. Pure.

Pitches are MIDI numbers. A melody lives in *scale steps*: 0 is the tonic of octave 4, 7 the tonic above it, so that
moving a motif along the scale is an addition.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

MODES: dict[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "phrygian dominant": (0, 1, 4, 5, 7, 8, 10),
}
_NAMES = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
_SYMBOL = re.compile(r"(?P<flat>b?)(?P<degree>[1-7])(?P<suffix>[a-z0-9]*)(?:/(?P<bass>[1-7]))?")

# Suffixes that stack thirds of the scale, and suffixes that fix the intervals whatever the scale says.
_STACKS: dict[str, tuple[int, ...]] = {"": (0, 2, 4), "7": (0, 2, 4, 6), "9": (0, 2, 4, 6, 8), "add9": (0, 2, 4, 8)}
_INTERVALS: dict[str, tuple[int, ...]] = {
    "maj": (0, 4, 7),
    "min": (0, 3, 7),
    "dom7": (0, 4, 7, 10),
    "dim": (0, 3, 6),
    "dim7": (0, 3, 6, 9),
    "sus2": (0, 2, 7),
    "sus4": (0, 5, 7),
    "5": (0, 7),
    "tritone": (0, 6, 13),
    "b9": (0, 7, 13),
    "aug": (0, 4, 8),
    "minmaj7": (0, 3, 7, 11),
    "halfdim": (0, 3, 6, 10),
    "cluster": (0, 1, 6, 11),
}


@dataclass(frozen=True, slots=True)
class Key:
    """A tonic (MIDI number near middle C) and a mode of `MODES`."""

    tonic: int
    mode: str

    @classmethod
    def named(cls, name: str) -> Key:
        """Read a key such as "Eb harmonic minor"; its tonic lies between F sharp 3 and F 4."""
        tonic, _, mode = name.partition(" ")
        return cls(tonic=(_NAMES.index(tonic) + 6) % 12 + 54, mode=mode)

    def pitch(self, step: int) -> int:
        """Return the MIDI pitch of a scale step."""
        octave, degree = divmod(step, 7)
        return self.tonic + 12 * octave + MODES[self.mode][degree]


@dataclass(frozen=True, slots=True)
class Chord:
    """A chord as pitch classes.

    Its root, the bass under it, all its tones from the root upwards, and those foreign to the key, towards which a
    melody bends.
    """

    root: int
    bass: int
    tones: tuple[int, ...]
    foreign: frozenset[int]

    @classmethod
    def parse(cls, symbol: str, key: Key) -> Chord:
        """Read a symbol: scale degree with an optional flat, suffix and bass degree, such as "5dom7", "b2maj", "1/3".

        Raises:
            ValueError: the symbol is not of that form.
        """
        match = _SYMBOL.fullmatch(symbol)
        suffix = match["suffix"] if match else ""
        if match is None or suffix not in _STACKS | _INTERVALS:
            raise ValueError(f"{symbol!r} is not a chord symbol.")
        degree = int(match["degree"]) - 1
        root = (key.pitch(degree) - bool(match["flat"])) % 12
        if suffix in _STACKS:
            tones = tuple(key.pitch(degree + third) % 12 for third in _STACKS[suffix])
        else:
            tones = tuple((root + interval) % 12 for interval in _INTERVALS[suffix])
        scale = {key.pitch(step) % 12 for step in range(7)}
        bass = key.pitch(int(match["bass"]) - 1) % 12 if match["bass"] else root
        return cls(root, bass, tones, frozenset(tones) - scale)


def pitch_over(step: int, key: Key, chord: Chord) -> int:
    """Return the pitch of a scale step over a chord, bent by a semitone where the chord leaves the key there."""
    pitch = key.pitch(step)
    if pitch % 12 in chord.tones:
        return pitch
    for bend in (1, -1):
        if (pitch + bend) % 12 in chord.foreign:
            return pitch + bend
    return pitch


def nearest_chord_step(step: float, key: Key, chord: Chord) -> int:
    """Return the scale step nearest to `step` that sounds a tone of the chord; the lower of two equally near."""
    around = range(round(step) - 4, round(step) + 5)
    fitting = [candidate for candidate in around if pitch_over(candidate, key, chord) % 12 in chord.tones]
    return min(fitting or around, key=lambda candidate: (abs(candidate - step), candidate))


def nearest_pitch(pitch_class: int, centre: float) -> int:
    """Return the pitch of a class that lies nearest to `centre`."""
    return min(range(pitch_class, 128, 12), key=lambda pitch: (abs(pitch - centre), pitch))


def voice_chord(chord: Chord, previous: Sequence[int], centre: float) -> tuple[int, ...]:
    """Place a chord in close position near `centre` so that the voices move as little as they can.

    Args:
        chord: what to voice.
        previous: the voicing before it, or nothing.
        centre: MIDI pitch around which the voices should lie.

    Returns:
        Pitches, ascending.
    """
    classes = list(dict.fromkeys(chord.tones))
    turns = [classes[turn:] + classes[:turn] for turn in range(len(classes))]
    candidates = [
        _stacked(order, nearest_pitch(order[0], centre - 5 + octave)) for order in turns for octave in (-12, 0, 12)
    ]
    return min(candidates, key=lambda voicing: (_voicing_cost(voicing, previous, centre), voicing))


def _stacked(classes: Sequence[int], lowest: int) -> tuple[int, ...]:
    pitches = [lowest]
    for pitch_class in classes[1:]:
        pitches.append(pitches[-1] + ((pitch_class - pitches[-1]) % 12 or 12))
    return tuple(pitches)


def _voicing_cost(voicing: Sequence[int], previous: Sequence[int], centre: float) -> float:
    drift = abs(sum(voicing) / len(voicing) - centre)
    clash = sum(2.0 for low, high in pairwise(voicing) if high - low == 1)
    if not previous:
        return drift + clash
    motion = sum(min(abs(pitch - old) for old in previous) for pitch in voicing)
    return motion + abs(voicing[-1] - previous[-1]) + 0.6 * drift + clash
