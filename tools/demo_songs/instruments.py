"""The orchestra: names, how a note of each is asked for, and how notes end. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tools.demo_songs import struck, sustained
from tools.demo_songs.oscillators import Signal, low_pass, samples

Voice = Callable[[float, float, float, np.random.Generator], Signal]


@dataclass(frozen=True, slots=True)
class Instrument:
    """A voice and its ending: `damped_s` is None where it releases by itself, else how long the damper takes."""

    voice: Voice
    damped_s: float | None = None


INSTRUMENTS: dict[str, Instrument] = {
    "piano": Instrument(struck.piano, 0.18),
    "felt piano": Instrument(struck.felt_piano, 0.5),
    "ukulele": Instrument(struck.ukulele, 0.1),
    "steel pan": Instrument(struck.steel_pan, 0.3),
    "electric piano": Instrument(struck.electric_piano, 0.14),
    "guitar": Instrument(struck.guitar, 0.2),
    "nylon guitar": Instrument(struck.nylon_guitar, 0.3),
    "harp": Instrument(struck.harp, 0.8),
    "pizzicato": Instrument(struck.pizzicato, 0.3),
    "plucked bass": Instrument(struck.plucked_bass, 0.08),
    "bell": Instrument(struck.bell, 1.2),
    "glass bell": Instrument(struck.glass_bell, 0.9),
    "marimba": Instrument(struck.marimba, 0.4),
    "vibraphone": Instrument(struck.vibraphone, 0.6),
    "music box": Instrument(struck.music_box, 0.7),
    "synth pluck": Instrument(struck.synth_pluck, 0.08),
    "warm pad": Instrument(sustained.warm_pad),
    "glass pad": Instrument(sustained.glass_pad),
    "strings": Instrument(sustained.strings),
    "short strings": Instrument(sustained.short_strings),
    "tremolo strings": Instrument(sustained.tremolo_strings),
    "cello": Instrument(sustained.cello),
    "violin": Instrument(sustained.violin),
    "weeping cello": Instrument(sustained.weeping_cello),
    "duduk": Instrument(sustained.duduk),
    "lone voice": Instrument(sustained.lone_voice),
    "shriek": Instrument(sustained.shriek),
    "siren": Instrument(sustained.siren),
    "braam": Instrument(sustained.braam),
    "accordion": Instrument(sustained.accordion),
    "choir": Instrument(sustained.choir),
    "organ": Instrument(sustained.organ),
    "flute": Instrument(sustained.flute),
    "whistle": Instrument(sustained.whistle),
    "clarinet": Instrument(sustained.clarinet),
    "brass": Instrument(sustained.brass),
    "saw lead": Instrument(sustained.saw_lead),
    "square lead": Instrument(sustained.square_lead),
    "power guitar": Instrument(sustained.power_guitar),
    "reese bass": Instrument(sustained.reese_bass),
    "saw bass": Instrument(sustained.saw_bass),
    "sub bass": Instrument(sustained.sub_bass),
    "bowed bass": Instrument(sustained.bowed_bass),
    "wind": Instrument(sustained.wind),
}

# Four shades of touch are enough for the ear, and keep the number of distinct notes small.
_TOUCHES = 4
_DURATION_GRID_S = 0.06


class NoteBook:
    """The notes of one instrument, each distinct one made once.

    A note is told apart by pitch, touch and, for held instruments, its length on a grid of 60 ms. The random numbers
    of a note depend only on these, so a piece sounds the same whatever was rendered before it.
    """

    def __init__(self, name: str, low_pass_hz: float = 0.0) -> None:
        self.instrument = INSTRUMENTS[name]
        self._name = name
        self._low_pass_hz = low_pass_hz
        self._made: dict[tuple[int, int, int], Signal] = {}

    def note(self, pitch: int, duration_s: float, velocity: float) -> Signal:
        """Return the sound of a note, `(n,)` or `(2, n)`, scaled by its velocity (0 to 1)."""
        touch = min(int(velocity * _TOUCHES), _TOUCHES - 1)
        slots = 0 if self.instrument.damped_s is not None else max(1, round(duration_s / _DURATION_GRID_S))
        made = self._made.get((pitch, touch, slots))
        if made is None:
            made = self._made[pitch, touch, slots] = self._make(pitch, touch, slots)
        loudness = np.float32(velocity**1.4)
        if self.instrument.damped_s is None:
            return made * loudness
        return self._damped(made, duration_s, self.instrument.damped_s) * loudness

    def _make(self, pitch: int, touch: int, slots: int) -> Signal:
        rng = np.random.default_rng(zlib.crc32(f"{self._name} {pitch} {touch} {slots}".encode()))
        frequency_hz = 440.0 * 2.0 ** ((pitch - 69) / 12.0)
        sound = self.instrument.voice(frequency_hz, slots * _DURATION_GRID_S, (touch + 0.5) / _TOUCHES, rng)
        if self._low_pass_hz:
            sound = low_pass(sound, self._low_pass_hz)
        return sound.astype(np.float32, copy=False)

    @staticmethod
    def _damped(sound: Signal, duration_s: float, damped_s: float) -> Signal:
        held, damped = samples(duration_s), samples(damped_s)
        if held + damped >= sound.shape[-1]:
            return sound
        cut = sound[..., : held + damped].copy()
        cut[..., held:] *= np.linspace(1.0, 0.0, damped, dtype=np.float32) ** 2
        return cut
