"""From a recipe to a score: the form is laid out, every layer writes its part, and people play it. Pure."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tools.demo_songs.accompaniment import ROLES, SECTION_ENERGY, bars_played
from tools.demo_songs.drums import FILLS, GENTLE, GROOVES
from tools.demo_songs.melody import THEME_OF_SECTION, play_harmony, play_melody
from tools.demo_songs.score import Bar, Event, Hit, Layer, Note, Part, Recipe, Score, Style
from tools.demo_songs.styles import STYLES
from tools.demo_songs.theory import Chord, Key

Rng = np.random.Generator

_SECTION = re.compile(r"([IABCO])(\d+)")
_STROKES = {"X": 1.0, "x": 0.74, "o": 0.42}
_TUNES = {"melody": play_melody, "harmony": play_harmony}
_START_S = 0.08
_TAIL_S = 3.2


@dataclass(frozen=True, slots=True)
class Clock:
    """Turns steps of the grid into seconds: tempo, swing, and the broadening at the end."""

    step_s: float
    swing: float
    steps_per_beat: int
    broadens_from: float
    broadening: float
    rubato: float
    phrase_steps: int

    def seconds(self, step: float) -> float:
        """Return when a step sounds, in seconds from the start of the piece."""
        straight = self._swung(step)
        late = max(0.0, straight - self.broadens_from)
        phrase = 2 * np.pi / self.phrase_steps
        straight += self.rubato / phrase * np.sin(phrase * straight)
        return _START_S + self.step_s * (straight + self.broadening * late * late)

    def _swung(self, step: float) -> float:
        half = self.steps_per_beat / 2
        beat, within = divmod(step, self.steps_per_beat)
        if within < half:
            return beat * self.steps_per_beat + within * (1.0 + self.swing)
        return beat * self.steps_per_beat + half * (1.0 + self.swing) + (within - half) * (1.0 - self.swing)


def compose(recipe: Recipe) -> Score:
    """Write a piece.

    Args:
        recipe: what to write; the same recipe always gives the same score.

    Returns:
        The score, with human timing and touch already in its notes.

    Raises:
        ValueError: the recipe's form or one of its chords cannot be read.
    """
    style = STYLES[recipe.style]
    key = Key.named(recipe.key)
    bars = lay_out(recipe, key)
    clock = _clock(recipe, style, len(bars))
    seed = zlib.crc32(recipe.title.encode())
    parts = tuple(
        _part(_cast(layer, recipe), bars, key, style, clock, np.random.default_rng([seed, number]), seed)
        for number, layer in enumerate(style.layers)
    )
    return Score(
        key=key,
        parts=parts,
        beat_s=4 * clock.step_s,
        duration_s=clock.seconds(len(bars) * style.steps_per_bar) + _TAIL_S,
        loudness_db=style.loudness_db,
        room=style.room,
    )


def lay_out(recipe: Recipe, key: Key) -> list[Bar]:
    """Return the bars of the form with their chords; the last one rests on the tonic.

    Raises:
        ValueError: the form is not a row of sections such as "I2 A8 B4 C8 O2".
    """
    progressions = {"A": _progression(recipe.a, key), "B": _progression(recipe.b, key)}
    bars: list[Bar] = []
    for text in recipe.form.split():
        match = _SECTION.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not a section of a form: a letter of IABCO and a number of bars.")
        letter, length = match[1], int(match[2])
        chords = progressions[THEME_OF_SECTION[letter]]
        bars += [Bar(len(bars) + at, letter, at, length, chords[at % len(chords)]) for at in range(length)]
    opening = progressions["A"][0][0]
    rest = opening if opening.root == key.tonic % 12 else Chord.parse("1", key)
    bars[-1] = replace(bars[-1], chords=(rest,))
    return bars


def _progression(text: str, key: Key) -> list[tuple[Chord, ...]]:
    return [tuple(Chord.parse(symbol, key) for symbol in bar.split(",")) for bar in text.split()]


def _clock(recipe: Recipe, style: Style, n_bars: int) -> Clock:
    return Clock(
        step_s=60.0 / recipe.tempo_bpm / 4,
        swing=style.swing,
        steps_per_beat=style.steps_per_beat,
        broadens_from=(n_bars - 2) * style.steps_per_bar,
        broadening=0.012 if style.slows_down else 0.0,
        rubato=style.rubato,
        phrase_steps=4 * style.steps_per_bar,
    )


def _cast(layer: Layer, recipe: Recipe) -> Layer:
    if layer.role == "melody" and recipe.lead:
        return replace(layer, instrument=recipe.lead)
    return layer


def _part(layer: Layer, bars: list[Bar], key: Key, style: Style, clock: Clock, rng: Rng, seed: int) -> Part:
    if layer.role == "drums":
        return Part(layer, hits=tuple(_hits(layer, bars, style, clock, rng)))
    if layer.role in _TUNES:
        events = _TUNES[layer.role](layer, bars, key, style, seed)
    else:
        events = ROLES[layer.role](layer, bars, key, style.steps_per_bar)
    return Part(layer, notes=tuple(_played(events, layer, style, clock, rng)))


def _played(events: Sequence[Event], layer: Layer, style: Style, clock: Clock, rng: Rng) -> Iterator[Note]:
    """Give events human timing and touch; a rolled chord spreads from its lowest note."""
    rank: dict[float, int] = {}
    tune_length = layer.length if layer.role in _TUNES else 1.0
    for event in events:
        order = rank[event.step] = rank.get(event.step, -1) + 1
        start_s = clock.seconds(event.step)
        end_s = clock.seconds(event.step + event.length_steps * tune_length)
        late_s = order * layer.roll_s + rng.normal(0.0, style.looseness_s)
        velocity = event.velocity * (1.0 + rng.normal(0.0, 0.05)) * (1.0 - 0.04 * order * (layer.roll_s > 0))
        yield Note(max(0.0, start_s + late_s), max(0.05, end_s - start_s), event.pitch, min(1.0, max(0.08, velocity)))


def _hits(layer: Layer, bars: list[Bar], style: Style, clock: Clock, rng: Rng) -> Iterator[Hit]:
    played = bars_played(layer, bars)
    for bar in played:
        final = bar.number == bars[-1].number
        for step, drum, loudness in _strokes(layer.pattern, bar, style.steps_per_bar, final):
            at_s = clock.seconds(bar.number * style.steps_per_bar + step) + rng.normal(0.0, 0.5 * style.looseness_s)
            velocity = loudness * (0.4 + 0.6 * SECTION_ENERGY[bar.section]) * (1.0 + rng.normal(0.0, 0.07))
            yield Hit(max(0.0, at_s), drum, min(1.0, max(0.05, velocity)))


def _strokes(groove: str, bar: Bar, steps_per_bar: int, final: bool) -> Iterator[tuple[float, str, float]]:
    """Yield (step in the bar, drum, loudness): the groove, a crash to open a section, a fill to close one."""
    gentle = groove in GENTLE
    fills = bar.is_last_of_section and bar.section_bars >= 4 and not gentle and not final
    for drum, grid in GROOVES[groove].items():
        if drum == "crash":
            if final or (bar.position == 0 and bar.section in "BC"):
                yield 0.0, drum, 0.9
            continue
        step = steps_per_bar / len(grid)
        for position, mark in enumerate(grid):
            if mark in _STROKES and not (final and position) and not (fills and 2 * position >= len(grid)):
                yield position * step, drum, _STROKES[mark]
    if fills:
        for drum, grid in FILLS[steps_per_bar].items():
            yield from ((float(at), drum, _STROKES[mark]) for at, mark in enumerate(grid) if mark in _STROKES)
