"""Render MIDI with fluidsynth: once as written, and in variants with other instruments, keys and dynamics.

A network trained on one piano learns that piano; a variant keeps the notes, and so the label, and changes the timbre.
Rendering raises RenderError, after all other files, for those that failed, and DatasetError where fluidsynth or a
General MIDI sound font is missing, or the archive cannot be read.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, groupby
from pathlib import Path
from zlib import crc32

import mido
import numpy as np

from training.datasets.base import DatasetError, RenderError

SOUND_FONTS = ("/usr/share/sounds/sf2/FluidR3_GM.sf2", "/usr/share/sounds/sf2/TimGM6mb.sf2")
# fluidsynth's own default of 0.2 leaves piano some 20 dB below commercial recordings.
_GAIN = 1.0
_VARIANT_GAIN = 1.4
_SAMPLE_RATE_HZ = 22_050
_TIMEOUT_S = 120
_WORKERS = 2
_MIDI_SUFFIXES = (".mid", ".midi")

# General MIDI programs, counted from 0. Families that hold a note as long as the key is down get no pedal: the
# pedal of the piano they replace would smear every chord into the next.
STRUCK = {"piano": (0, 1, 2, 3, 4, 5), "mallets": (8, 11, 12, 13), "guitars": (24, 25, 26, 27, 28)}
HELD = {
    "organs": (16, 17, 18, 19, 21),
    "loud guitars": (29, 30),
    "strings": (40, 41, 42, 44, 48, 49, 50),
    "brass": (56, 57, 58, 60, 61, 62),
    "winds": (64, 65, 66, 68, 71, 73),
    "synths": (80, 81, 82, 87),
}
_PADS = (48, 49, 50, 52, 88, 89, 90, 91, 94)
_BASSES = (32, 33, 34, 35, 38, 39, 43)
_MAX_KEY_SHIFT = 4
_BAR_BEATS = 4
_MIDDLE_C = 60
_BASS_FLOOR, _PAD_FLOOR = 36, 55
_PEDAL = 64


@dataclass(frozen=True, slots=True)
class Note:
    """A note: start and end in ticks, MIDI pitch, velocity 1 to 127."""

    start: int
    end: int
    pitch: int
    velocity: int


@dataclass(frozen=True, slots=True)
class Arrangement:
    """How one variant of a piece is played: programs, or None, and changes of all notes."""

    lead: int  # Plays the notes.
    low: int | None  # Plays the notes below middle C in place of the lead.
    layer: int | None  # Doubles the lead more softly.
    pad: int | None  # Softly holds each bar's commonest pitch classes.
    bass: int | None  # Plays each bar's lowest note.
    key_shift: int  # Semitones, -4 to 4.
    velocity_scale: float  # Factor on every velocity.
    font: str
    reverb: bool

    @property
    def voices(self) -> int:
        return 1 + sum(program is not None for program in (self.low, self.layer, self.pad, self.bass))


def render_midis(archive: Path, out_dir: Path, *, only: Collection[str] | None = None) -> dict[str, Path]:
    """Render the MIDI files of a zip or a folder, all or `only` some, to FLAC at 22,050 Hz; existing files stay.

    Return the audio file of each stem.
    """
    midis = _read_midis(archive)
    targets = {stem: out_dir / f"{stem}.flac" for stem in midis if only is None or stem in only}
    _run({target: partial(_render_plain, midis[stem], target) for stem, target in targets.items()}, out_dir)
    return targets


def render_variants(archive: Path, out_dir: Path, *, variants: int, seed: int) -> dict[str, list[Path]]:
    """Render every MIDI file of a zip or a folder in several arrangements; existing files stay.

    An arrangement depends only on the seed, the file's stem, the variant's number and the installed sound fonts. Return
    the audio files of each stem, in the order of the variants.
    """
    midis = _read_midis(archive)
    targets = {stem: [out_dir / f"{stem}.s{seed}v{n}.flac" for n in range(variants)] for stem in midis}
    jobs = {
        path: partial(_render_variant, midis[stem], path, stem, seed, number)
        for stem, paths in targets.items()
        for number, path in enumerate(paths)
    }
    _run(jobs, out_dir)
    return targets


def _read_midis(archive: Path) -> dict[str, bytes]:
    if archive.is_dir():
        return {path.stem: path.read_bytes() for path in sorted(archive.rglob("*")) if path.suffix in _MIDI_SUFFIXES}
    try:
        with zipfile.ZipFile(archive) as zipped:
            names = [name for name in zipped.namelist() if "__MACOSX" not in name]
            return {Path(name).stem: zipped.read(name) for name in names if name.endswith(_MIDI_SUFFIXES)}
    except (OSError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{archive} cannot be read as a zip of MIDI files ({error}); unpack it again.") from error


def choose_arrangement(stem: str, seed: int, variant: int, fonts: tuple[str, ...]) -> Arrangement:
    """Draw the arrangement of one variant of one file; the same arguments give the same arrangement."""
    rng = np.random.default_rng([seed, variant, crc32(stem.encode())])
    families = STRUCK | HELD

    def program() -> int:
        return int(rng.choice(families[str(rng.choice(list(families)))]))

    def perhaps(chance: float, value: int) -> int | None:
        return value if rng.random() < chance else None

    return Arrangement(
        lead=program(),
        low=perhaps(0.3, program()),
        layer=perhaps(0.3, program()),
        pad=perhaps(0.35, int(rng.choice(_PADS))),
        bass=perhaps(0.35, int(rng.choice(_BASSES))),
        key_shift=int(rng.integers(-_MAX_KEY_SHIFT, _MAX_KEY_SHIFT + 1)),
        velocity_scale=float(rng.uniform(0.65, 1.2)),
        font=str(rng.choice(fonts)),
        reverb=bool(rng.random() < 0.7),
    )


def arrange(midi: mido.MidiFile, how: Arrangement) -> mido.MidiFile:
    """Return the piece as the arrangement plays it: same onsets, same durations, same tempo."""
    events = mido.merge_tracks(midi.tracks)
    notes = _notes(events)
    high = [note for note in notes if how.low is None or note.pitch >= _MIDDLE_C]
    low = [note for note in notes if how.low is not None and note.pitch < _MIDDLE_C]
    pad, bass = _pad_and_bass(notes, _BAR_BEATS * midi.ticks_per_beat)
    voices: list[tuple[int | None, list[Note], float]] = [
        (how.lead, high, 1.0),
        (how.low, low, 1.0),
        (how.layer, high, 0.7),
        (how.pad, pad, 0.55),
        (how.bass, bass, 0.8),
    ]
    struck = {program for family in STRUCK.values() for program in family}
    timed = list(zip(accumulate(event.time for event in events), events, strict=True))
    pedals = [(now, event) for now, event in timed if event.type == "control_change" and event.control == _PEDAL]
    arranged = mido.MidiFile(type=1, ticks_per_beat=midi.ticks_per_beat)
    arranged.tracks.append(_track([(now, event) for now, event in timed if event.type == "set_tempo"]))
    for channel, (program, played, share) in enumerate(voices):
        if program is not None:
            events = [(0, mido.Message("program_change", channel=channel, program=program))]
            events += [(now, event.copy(channel=channel)) for now, event in pedals if program in struck]
            for note in played:
                pitch = note.pitch + how.key_shift
                velocity = int(np.clip(round(note.velocity * (how.velocity_scale * share)), 1, 127))
                if 0 <= pitch <= 127:
                    on = mido.Message("note_on", channel=channel, note=pitch, velocity=velocity)
                    off = mido.Message("note_off", channel=channel, note=pitch, velocity=0)
                    events += [(note.start, on), (note.end, off)]
            arranged.tracks.append(_track(events))
    return arranged


def _notes(events: mido.MidiTrack) -> list[Note]:
    notes: list[Note] = []
    sounding: dict[tuple[int, int], tuple[int, int]] = {}
    now = 0
    for event in events:
        now += event.time
        if event.type not in ("note_on", "note_off"):
            continue
        key = (event.channel, event.note)
        if key in sounding:
            start, velocity = sounding.pop(key)
            notes.append(Note(start, max(now, start + 1), event.note, velocity))
        if event.type == "note_on" and event.velocity > 0:
            sounding[key] = (now, event.velocity)
    notes += [Note(start, now + 1, pitch, velocity) for (_, pitch), (start, velocity) in sounding.items()]
    return sorted(notes, key=lambda note: (note.start, note.pitch))


def _pad_and_bass(notes: list[Note], bar_ticks: int) -> tuple[list[Note], list[Note]]:
    pad: list[Note] = []
    bass: list[Note] = []
    for number, notes_of_bar in groupby(notes, lambda note: note.start // bar_ticks):
        bar = list(notes_of_bar)
        weight = np.zeros(12)
        for note in bar:
            weight[note.pitch % 12] += note.end - note.start
        loud = round(np.mean([note.velocity for note in bar]))
        start, end = bar[0].start, (number + 1) * bar_ticks
        longest = [int(pitch_class) for pitch_class in np.argsort(-weight, kind="stable")[:3] if weight[pitch_class]]
        pad += [Note(start, end, _PAD_FLOOR + (pitch_class - _PAD_FLOOR) % 12, loud) for pitch_class in longest]
        bass.append(Note(start, end, _BASS_FLOOR + min(note.pitch for note in bar) % 12, loud))
    return pad, bass


def _track(events: list[tuple[int, mido.Message]]) -> mido.MidiTrack:
    # At one tick an old note ends before a new one of the same pitch begins.
    ordered = sorted(events, key=lambda event: (event[0], event[1].type == "note_on"))
    track, before = mido.MidiTrack(), 0
    for now, message in ordered:
        track.append(message.copy(time=now - before))
        before = now
    return track


def _render_plain(midi: bytes, target: Path) -> None:
    # fluidsynth renders a damaged file to a moment of silence and calls that a success.
    _parsed(midi)
    _render(midi, target, font=_fonts()[0], gain=_GAIN)


def _render_variant(midi: bytes, target: Path, stem: str, seed: int, number: int) -> None:
    how = choose_arrangement(stem, seed, number, _fonts())
    arranged = io.BytesIO()
    arrange(_parsed(midi), how).save(file=arranged)
    # Several voices on one beat clip at the gain that one instrument bears.
    _render(arranged.getvalue(), target, font=how.font, gain=_VARIANT_GAIN / how.voices**0.25, reverb=how.reverb)


def _parsed(midi: bytes) -> mido.MidiFile:
    try:
        return mido.MidiFile(file=io.BytesIO(midi))
    except (EOFError, OSError, ValueError, KeyError, IndexError) as error:
        raise RenderError(f"is no readable MIDI ({error!r})") from error


def _fonts() -> tuple[str, ...]:
    return tuple(font for font in SOUND_FONTS if Path(font).exists())


def _run(targets: Mapping[Path, Callable[[], None]], out_dir: Path) -> None:
    jobs = {target: job for target, job in targets.items() if not target.exists()}
    if not jobs:
        return
    if shutil.which("fluidsynth") is None or not _fonts():
        raise DatasetError("Rendering MIDI needs fluidsynth and a General MIDI sound font (fluid-soundfont-gm).")
    out_dir.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(_WORKERS) as pool:
        running = {target: pool.submit(job) for target, job in jobs.items()}
    reasons = []
    for target, task in running.items():
        try:
            task.result()
        except RenderError as error:
            reasons.append(f"{target.stem} {error}.")
    if reasons:
        raise RenderError(*reasons)


def _render(midi: bytes, target: Path, *, font: str, gain: float, reverb: bool = True) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".rendering-") as folder:
        source, rendered = Path(folder) / "piece.mid", Path(folder) / "piece.flac"
        source.write_bytes(midi)
        options = ["-ni", "-q", "-g", f"{gain:.3f}", "-r", str(_SAMPLE_RATE_HZ), "-R", str(int(reverb)), "-T", "flac"]
        try:
            command = ["fluidsynth", *options, "-F", str(rendered), font, str(source)]
            run = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired as error:
            raise RenderError(f"took fluidsynth more than {_TIMEOUT_S} s") from error
        if run.returncode or not rendered.exists():
            raise RenderError(f"made fluidsynth fail ({run.stderr.decode(errors='replace').strip()[-200:]})")
        rendered.replace(target)
