"""What the players around the melody do: one function per role, chords in, events on the grid out. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from tools.demo_songs.score import Bar, Event, Layer
from tools.demo_songs.theory import Chord, Key, nearest_chord_step, nearest_pitch, pitch_over, voice_chord

# How hard each section is played.
SECTION_ENERGY = {"I": 0.72, "A": 0.86, "B": 0.94, "C": 1.0, "O": 0.74}
_STROKES = {"X": 1.0, "x": 0.8, "o": 0.5}

Role = Callable[[Layer, Sequence[Bar], Key, int], list[Event]]


def bars_played(layer: Layer, bars: Sequence[Bar]) -> list[Bar]:
    """Return the bars in whose section the layer plays."""
    return [bar for bar in bars if bar.section in layer.sections]


def play_pad(layer: Layer, bars: Sequence[Bar], key: Key, steps_per_bar: int) -> list[Event]:
    """Hold each chord for as long as it lasts, moving between chords by the smallest steps."""
    return [
        Event(start, length * layer.length, pitch, 0.75 * SECTION_ENERGY[bar.section])
        for bar, start, length, voicing in _voiced(layer, bars, steps_per_bar)
        for pitch in voicing
    ]


def play_comp(layer: Layer, bars: Sequence[Bar], key: Key, steps_per_bar: int) -> list[Event]:
    """Strike the chords in a rhythm; the last bar of the piece is one chord that rings."""
    step = steps_per_bar / len(layer.pattern)
    events = []
    for bar, start, length, voicing in _voiced(layer, bars, steps_per_bar):
        if _is_final(bar, bars):
            events += [Event(start, length, pitch, 0.7 * SECTION_ENERGY[bar.section]) for pitch in voicing]
            continue
        for position, stroke in enumerate(layer.pattern):
            at = bar.number * steps_per_bar + position * step
            if stroke in _STROKES and start <= at < start + length:
                velocity = 0.85 * _STROKES[stroke] * SECTION_ENERGY[bar.section]
                held = _until_next(layer.pattern, position) * step * layer.length
                events += [Event(at, held, pitch, velocity) for pitch in voicing]
    return events


def play_arpeggio(layer: Layer, bars: Sequence[Bar], key: Key, steps_per_bar: int) -> list[Event]:
    """Play the chord's tones one after another: digits count upwards from the lowest, "b" is the bass below."""
    step = steps_per_bar / len(layer.pattern)
    events = []
    for bar, start, length, voicing in _voiced(layer, bars, steps_per_bar):
        pattern = layer.pattern if not _is_final(bar, bars) else "0123" + "." * (len(layer.pattern) - 4)
        chord = bar.chord_at((start % steps_per_bar) / steps_per_bar)
        for position, symbol in enumerate(pattern):
            at = bar.number * steps_per_bar + position * step
            if symbol == "." or not start <= at < start + length:
                continue
            pitch = _arpeggio_pitch(symbol, voicing, chord, layer.register)
            velocity = (0.82 if position % 4 == 0 else 0.66) * SECTION_ENERGY[bar.section]
            events.append(Event(at, step * layer.length, pitch, velocity))
    return events


def play_bass(layer: Layer, bars: Sequence[Bar], key: Key, steps_per_bar: int) -> list[Event]:
    """Play root (r), third (3), fifth (5), octave (o) or a step to the next root (a); "-" holds the note before."""
    step = steps_per_bar / len(layer.pattern)
    played = bars_played(layer, bars)
    events = []
    for bar, following in zip(played, [*played[1:], played[-1]] if played else [], strict=True):
        pattern = layer.pattern if not _is_final(bar, bars) else "r".ljust(len(layer.pattern), "-")
        for position, symbol in enumerate(pattern):
            if symbol in ".-":
                continue
            chord = bar.chord_at(position / len(pattern))
            held = 1 + len(pattern[position + 1 :]) - len(pattern[position + 1 :].lstrip("-"))
            pitch = _bass_pitch(symbol, chord, following.chords[0], layer.register)
            velocity = (0.9 if position == 0 else 0.76) * SECTION_ENERGY[bar.section]
            at = bar.number * steps_per_bar + position * step
            events.append(Event(at, held * step * layer.length, pitch, velocity))
    return events


def play_ostinato(layer: Layer, bars: Sequence[Bar], key: Key, steps_per_bar: int) -> list[Event]:
    """Repeat a figure of scale steps counted from each chord's root, such as "0 0 1 0 . 0 2 1"."""
    figure = layer.pattern.split()
    step = steps_per_bar / len(figure)
    events = []
    for bar in bars_played(layer, bars):
        for position, symbol in enumerate(figure[:1] if _is_final(bar, bars) else figure):
            if symbol == ".":
                continue
            chord = bar.chord_at(position / len(figure))
            root_step = _step_of(chord.root, layer.register, key)
            velocity = (0.95 if position % 4 == 0 else 0.74) * SECTION_ENERGY[bar.section]
            pitch = pitch_over(root_step + int(symbol), key, chord)
            events.append(Event(bar.number * steps_per_bar + position * step, step * layer.length, pitch, velocity))
    return events


def play_drone(layer: Layer, bars: Sequence[Bar], key: Key, steps_per_bar: int) -> list[Event]:
    """Hold the tonic and its fifth, breathing every second bar."""
    low = nearest_pitch(key.tonic % 12, layer.register)
    return [
        Event(bar.number * steps_per_bar, 2.1 * steps_per_bar, pitch, 0.7 * SECTION_ENERGY[bar.section])
        for bar in bars_played(layer, bars)
        if bar.position % 2 == 0
        for pitch in (low, low + 7)
    ]


def play_guide(layer: Layer, bars: Sequence[Bar], key: Key, steps_per_bar: int) -> list[Event]:
    """Sing one long tone per chord, its third where possible, always the nearest to the tone before."""
    at_step = float(_step_of(key.tonic % 12, layer.register, key))
    centre = at_step
    events = []
    for bar in bars_played(layer, bars):
        length = steps_per_bar / len(bar.chords)
        for number, chord in enumerate(bar.chords):
            leaning = at_step + (1.5 if at_step <= centre else -1.5)
            at_step = nearest_chord_step(leaning, key, chord)
            start = bar.number * steps_per_bar + number * length
            pitch = pitch_over(int(at_step), key, chord)
            events.append(Event(start, length * layer.length, pitch, 0.72 * SECTION_ENERGY[bar.section]))
    return events


ROLES: dict[str, Role] = {
    "pad": play_pad,
    "comp": play_comp,
    "arpeggio": play_arpeggio,
    "bass": play_bass,
    "ostinato": play_ostinato,
    "drone": play_drone,
    "guide": play_guide,
}


def _voiced(
    layer: Layer, bars: Sequence[Bar], steps_per_bar: int
) -> Iterator[tuple[Bar, float, float, tuple[int, ...]]]:
    voicing: tuple[int, ...] = ()
    for bar in bars_played(layer, bars):
        length = steps_per_bar / len(bar.chords)
        for number, chord in enumerate(bar.chords):
            voicing = voice_chord(chord, voicing, layer.register)
            yield bar, bar.number * steps_per_bar + number * length, length, voicing


def _is_final(bar: Bar, bars: Sequence[Bar]) -> bool:
    return bar.number == bars[-1].number


def _until_next(pattern: str, position: int) -> int:
    rest = pattern[position + 1 :]
    return 1 + next((gap for gap, stroke in enumerate(rest) if stroke in _STROKES), len(rest))


def _arpeggio_pitch(symbol: str, voicing: tuple[int, ...], chord: Chord, register: int) -> int:
    if symbol == "b":
        return nearest_pitch(chord.bass, register - 15)
    octave, index = divmod(int(symbol), len(voicing))
    return voicing[index] + 12 * octave


def _bass_pitch(symbol: str, chord: Chord, following: Chord, register: int) -> int:
    root = nearest_pitch(chord.bass, register)
    if symbol == "a":
        target = nearest_pitch(following.bass, register)
        return target + (1 if target < root else -1)
    if symbol == "o":
        return root + 12
    tones = {"r": chord.bass, "3": chord.tones[1 % len(chord.tones)], "5": chord.tones[min(2, len(chord.tones) - 1)]}
    return root + (tones[symbol] - root) % 12


def _step_of(pitch_class: int, register: int, key: Key) -> int:
    return min(
        (step for step in range(-28, 29) if abs(key.pitch(step) - register) <= 13),
        key=lambda step: ((key.pitch(step) - pitch_class) % 12 not in (0,), abs(key.pitch(step) - register)),
    )
