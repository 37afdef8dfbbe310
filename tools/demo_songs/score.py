"""What a piece is before it sounds: recipe and style (the intention), notes and hits (the score). Pure."""

from __future__ import annotations

from dataclasses import dataclass

from tools.demo_songs.theory import Chord, Key


@dataclass(frozen=True, slots=True)
class Layer:
    """One player: what it does (`role`), with what, where in the form, and how it sits in the mix.

    Attributes:
        role: a key of `accompaniment.ROLES`, or "melody", "harmony" or "drums".
        instrument: a key of `instruments.INSTRUMENTS`; for drums unused.
        pattern: what the role reads: a rhythm, an order of chord tones, a groove.
        register: MIDI pitch around which it plays.
        level_db: RMS while it plays, relative to the other layers.
        sections: letters of the sections in which it plays.
        length: sounding part of each note's slot; below 0.6 is staccato, above 1 overlaps.
        drive: 0 clean to 1 heavily distorted, on the sum of the layer's notes.
        echo: level of a dotted-eighth echo.
        duck: how far each bass drum pushes it down, 0 to 1.
        roll_s: delay between the notes of one chord, as fingers or a plectrum make it.
    """

    role: str
    instrument: str
    pattern: str = ""
    register: int = 60
    level_db: float = -20.0
    pan: float = 0.0
    reverb: float = 0.2
    sections: str = "IABCO"
    length: float = 0.95
    drive: float = 0.0
    low_pass_hz: float = 0.0
    echo: float = 0.0
    duck: float = 0.0
    roll_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Style:
    """A way of playing: layers, metre, feel and room.

    Attributes:
        steps_per_bar: 16 for four quarter notes, 12 for three (or for six eighths).
        steps_per_beat: 4, or 6 where the bar is felt in two.
        rhythms: one-bar cells for the melody, "x" strikes, "-" holds, "." rests; one character per step.
        contour: how phrases lean: "rise", "fall", "arch" or "wave".
        swing: delay of every second eighth note, as a fraction of an eighth.
        looseness_s: standard deviation of human timing.
        loudness_db: RMS of the finished piece, in dB relative to full scale.
        room: a key of `mix.ROOMS`.
        slows_down: whether the last two bars broaden.
        rubato: how far the tempo rises in the middle of each phrase of four bars and sinks at its ends, 0 to 0.3.
        leaning: probability that a held tune note is approached by the note above it, on the beat.
        lean_share: part of the held note that the leaning takes: half is a sigh, an eighth a bite.
        reach: how many scale steps a tune strays from its register.
    """

    layers: tuple[Layer, ...]
    rhythms: tuple[str, ...]
    contour: str = "arch"
    steps_per_bar: int = 16
    steps_per_beat: int = 4
    swing: float = 0.0
    looseness_s: float = 0.006
    loudness_db: float = -16.0
    room: str = "room"
    slows_down: bool = False
    rubato: float = 0.0
    leaning: float = 0.0
    lean_share: float = 0.5
    reach: int = 7


@dataclass(frozen=True, slots=True)
class Recipe:
    """One piece: its names, and what its style needs to write it.

    Attributes:
        quadrant: what the piece is meant to express, 1 to 4; known to the tests only, never written to a file.
        tempo_bpm: quarter notes per minute.
        key: such as "Eb minor".
        a, b: chord symbols of the two themes, one bar each; a comma puts two into one bar.
        form: sections and their bars. I intro, A and B themes, C the varied return of A, O outro.
        lead: instrument of the melody in place of the style's own.
    """

    title: str
    artist: str
    genre: str
    year: int
    quadrant: int
    style: str
    tempo_bpm: float
    key: str
    a: str
    b: str
    form: str
    lead: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of the form: its number, section letter, place in the section, and its chords in order."""

    number: int
    section: str
    position: int
    section_bars: int
    chords: tuple[Chord, ...]

    @property
    def is_last_of_section(self) -> bool:
        """Whether a cadence or a fill belongs here."""
        return self.position == self.section_bars - 1

    def chord_at(self, fraction: float) -> Chord:
        """Return the chord that sounds at a fraction of the bar, 0 to 1."""
        return self.chords[min(int(fraction * len(self.chords)), len(self.chords) - 1)]


@dataclass(frozen=True, slots=True)
class Event:
    """A note on the grid: position and length in steps from the start of the piece, velocity 0 to 1."""

    step: float
    length_steps: float
    pitch: int
    velocity: float


@dataclass(frozen=True, slots=True)
class Note:
    """A note in time."""

    start_s: float
    duration_s: float
    pitch: int
    velocity: float


@dataclass(frozen=True, slots=True)
class Hit:
    """A stroke on a drum of `drums.DRUMS`."""

    start_s: float
    drum: str
    velocity: float


@dataclass(frozen=True, slots=True)
class Part:
    """What one layer plays: notes, or hits where the layer is a drummer."""

    layer: Layer
    notes: tuple[Note, ...] = ()
    hits: tuple[Hit, ...] = ()


@dataclass(frozen=True, slots=True)
class Score:
    """A written piece."""

    key: Key
    parts: tuple[Part, ...]
    beat_s: float
    duration_s: float
    loudness_db: float
    room: str
