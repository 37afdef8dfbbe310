"""Themes made of motifs: stated, answered, contrasted, and brought to rest on a chord tone. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tools.demo_songs.accompaniment import SECTION_ENERGY, bars_played
from tools.demo_songs.score import Bar, Event, Layer, Style
from tools.demo_songs.theory import Chord, Key, nearest_chord_step, pitch_over

Rng = np.random.Generator

# The returning theme is the first one, ornamented; the outro recalls it.
THEME_OF_SECTION = {"I": "A", "A": "A", "B": "B", "C": "A", "O": "A"}
_LEANINGS = {"rise": (0.3, 0.55), "fall": (-0.35, 0.3), "arch": (0.0, 0.45), "wave": (0.0, 0.5)}


@dataclass(frozen=True, slots=True)
class ThemeNote:
    """A melody note on the grid, its pitch still a scale step."""

    step: float
    length_steps: float
    scale_step: int
    velocity: float
    bar: Bar


@dataclass(frozen=True, slots=True)
class _Motif:
    rhythm: str
    contour: tuple[int, ...]


def play_melody(layer: Layer, bars: Sequence[Bar], key: Key, style: Style, seed: int) -> list[Event]:
    """Write the tune: one theme per section letter, A and C sharing theirs."""
    theme = write_theme(layer, bars, key, style, seed)
    return [_sounded(note, key, style) for note in _leaning(theme, style, np.random.default_rng([seed, 7]))]


def play_harmony(layer: Layer, bars: Sequence[Bar], key: Key, style: Style, seed: int) -> list[Event]:
    """Follow the tune from about a third below, on chord tones."""
    melody_layer = replace(layer, register=layer.register + 4)
    followed = []
    for note in write_theme(melody_layer, bars, key, style, seed):
        chord = _chord_under(note, style)
        below = nearest_chord_step(note.scale_step - 2.4, key, chord)
        if note.length_steps >= 2 and below < note.scale_step:
            followed.append(replace(note, scale_step=below, velocity=0.85 * note.velocity))
    return [_sounded(note, key, style) for note in followed]


def write_theme(layer: Layer, bars: Sequence[Bar], key: Key, style: Style, seed: int) -> list[ThemeNote]:
    """Write the theme of every section that the layer plays in.

    Args:
        layer: gives sections and register.
        bars: the whole form.
        key: its key.
        style: gives rhythms, contour and metre.
        seed: the piece's own number; the same seed gives the same tune.

    Returns:
        Notes in order, none overlapping.
    """
    centre = _nearest_step(key, layer.register)
    notes: list[ThemeNote] = []
    played = bars_played(layer, bars)
    for section in _sections(played):
        letter = THEME_OF_SECTION[section[0].section]
        rng = np.random.default_rng([seed, zlib.crc32(letter.encode())])
        theme = _write_section(section, key, style, centre + (2 if letter == "B" else 0), rng)
        notes += _ornamented(theme, style, rng) if section[0].section == "C" else theme
    return notes


def _sections(bars: Sequence[Bar]) -> list[list[Bar]]:
    sections: list[list[Bar]] = []
    for bar in bars:
        if bar.position == 0 or not sections:
            sections.append([])
        sections[-1].append(bar)
    return sections


def _write_section(section: list[Bar], key: Key, style: Style, centre: int, rng: Rng) -> list[ThemeNote]:
    statement = _invent(style, rng)
    contrast = _invent(style, rng)
    sequence = int(rng.choice([-2, -1, 1, 2]))
    notes: list[ThemeNote] = []
    anchor = float(centre)
    for start in range(0, len(section), 4):
        phrase = section[start : start + 4]
        closed = start + 4 >= len(section)
        plan = [(statement, 0), (statement, sequence), (contrast, 0)][: len(phrase) - 1]
        anchor = float(centre + (1 if start else 0))
        for bar, (motif, shift) in zip(phrase, plan, strict=False):
            line = _set_motif(motif, bar, key, style, anchor + shift, centre)
            notes += line
            anchor = 0.5 * (line[-1].scale_step if line else anchor) + 0.5 * centre
        previous = notes[-1].scale_step if notes else centre
        notes += _cadence(phrase[-1], key, style, previous, centre, closed)
    return notes


def _invent(style: Style, rng: Rng) -> _Motif:
    rhythm = style.rhythms[int(rng.integers(len(style.rhythms)))]
    onsets = rhythm.count("x")
    lean, leap = _LEANINGS[style.contour]
    contour, height, direction = [0], 0.0, 1.0 if lean >= 0 else -1.0
    for number in range(1, onsets):
        if style.contour == "arch" and number > onsets / 2:
            direction = -1.0
        elif style.contour == "wave":
            direction = -direction
        stride = 2 if rng.random() < leap * 0.6 else 1
        forward = direction if rng.random() < 0.72 + abs(lean) * 0.5 else -direction
        height += forward * stride
        contour.append(round(height))
    return _Motif(rhythm, tuple(contour))


def _set_motif(motif: _Motif, bar: Bar, key: Key, style: Style, anchor: float, centre: int) -> list[ThemeNote]:
    """Lay a motif over a bar's chords: what falls on a beat or lasts becomes a chord tone, the rest may pass by."""
    notes: list[ThemeNote] = []
    first = nearest_chord_step(anchor, key, bar.chords[0])
    heard = 0
    onsets = [position for position, mark in enumerate(motif.rhythm) if mark == "x"]
    for position, offset in zip(onsets, motif.contour, strict=True):
        rest = motif.rhythm[position + 1 :]
        length = 1 + len(rest) - len(rest.lstrip("-"))
        wanted = _within_reach(first + offset, centre, style.reach)
        if position % style.steps_per_beat == 0 or length >= style.steps_per_beat:
            wanted = nearest_chord_step(wanted, key, bar.chord_at(position / style.steps_per_bar))
            if notes and offset != heard and wanted == notes[-1].scale_step:
                # The motif moved here and the chord pulled it back: go on to the next tone of the chord instead.
                onwards = wanted + (2 if offset > heard else -2)
                wanted = nearest_chord_step(onwards, key, bar.chord_at(position / style.steps_per_bar))
        heard = offset
        velocity = 0.8 + 0.12 * (position == 0) + 0.02 * (wanted - centre)
        start = bar.number * style.steps_per_bar + position
        notes.append(ThemeNote(start, length, wanted, velocity, bar))
    return notes


def _cadence(bar: Bar, key: Key, style: Style, previous: int, centre: int, closed: bool) -> list[ThemeNote]:
    """End a phrase: one approach by step, then a long tone; the tonic chord's root where the section closes."""
    chord = bar.chords[-1]
    candidates = [step for step in range(centre - 6, centre + 7) if pitch_over(step, key, chord) % 12 in chord.tones]
    if closed:
        roots = [step for step in candidates if pitch_over(step, key, chord) % 12 == chord.root]
        candidates = roots or candidates
    goal = min(candidates, key=lambda step: (abs(step - previous) + 0.4 * abs(step - centre), step))
    beat = style.steps_per_beat
    start = bar.number * style.steps_per_bar
    approach = goal + (1 if previous >= goal else -1)
    held = style.steps_per_bar - beat if len(bar.chords) == 1 else style.steps_per_bar / 2
    long_at = start + style.steps_per_bar - held
    lead_in = nearest_chord_step(approach, key, bar.chords[0]) if long_at - start > beat else approach
    return [
        ThemeNote(start, long_at - start, lead_in, 0.78, bar),
        ThemeNote(long_at, held * 0.8, goal, 0.84, bar),
    ]


def _ornamented(theme: list[ThemeNote], style: Style, rng: Rng) -> list[ThemeNote]:
    """Vary a returning theme: some long notes are approached by a neighbour, some fall back on one."""
    varied: list[ThemeNote] = []
    for note in theme:
        if note.length_steps < style.steps_per_beat or note.bar.is_last_of_section or rng.random() < 0.45:
            varied.append(note)
            continue
        half = note.length_steps / 2
        neighbour = note.scale_step + int(rng.choice([-1, 1]))
        varied.append(replace(note, length_steps=half))
        if half >= 4:
            varied.append(
                replace(note, step=note.step + half, length_steps=half / 2, scale_step=neighbour, velocity=0.7)
            )
            varied.append(replace(note, step=note.step + 1.5 * half, length_steps=half / 2, velocity=0.72))
        else:
            varied.append(replace(note, step=note.step + half, length_steps=half, scale_step=neighbour, velocity=0.7))
    return varied


def _leaning(theme: list[ThemeNote], style: Style, rng: Rng) -> list[ThemeNote]:
    """Approach held notes by the note above, stressed: an appoggiatura, which sighs where it is long."""
    leaning: list[ThemeNote] = []
    for note in theme:
        if note.length_steps < style.steps_per_beat or rng.random() >= style.leaning:
            leaning.append(note)
            continue
        taken = max(1.0, round(note.length_steps * style.lean_share))
        leaning.append(replace(note, length_steps=taken, scale_step=note.scale_step + 1, velocity=1.06 * note.velocity))
        leaning.append(
            replace(note, step=note.step + taken, length_steps=note.length_steps - taken, velocity=0.82 * note.velocity)
        )
    return leaning


def _sounded(note: ThemeNote, key: Key, style: Style) -> Event:
    chord = _chord_under(note, style)
    velocity = min(1.0, note.velocity * SECTION_ENERGY[note.bar.section] * _phrase_arch(note.bar))
    return Event(note.step, note.length_steps, pitch_over(note.scale_step, key, chord), velocity)


def _chord_under(note: ThemeNote, style: Style) -> Chord:
    return note.bar.chord_at((note.step - note.bar.number * style.steps_per_bar) / style.steps_per_bar)


def _phrase_arch(bar: Bar) -> float:
    return (0.9, 0.97, 1.04, 0.93)[bar.position % 4]


def _within_reach(step: float, centre: int, reach: int) -> int:
    folded = step
    if folded > centre + reach:
        folded = 2 * (centre + reach) - folded
    if folded < centre - reach:
        folded = 2 * (centre - reach) - folded
    return round(folded)


def _nearest_step(key: Key, register: int) -> int:
    return min(range(-28, 29), key=lambda step: abs(key.pitch(step) - register))
