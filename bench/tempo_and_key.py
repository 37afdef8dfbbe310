"""How often the tempo and the key of a song are right, on songs that say them, and what measuring costs.

Run: python bench/tempo_and_key.py DATA WORK. DATA has the folders vgmidi and emotify as published; fluidsynth renders
VGMIDI to WORK once. Annotations are public or by construction:

- VGMIDI: the tempo and the key signature in the MIDI files of 114 arrangements for piano. A piece counts where one
  tempo holds for nine tenths of what is measured and its notes lie on the beats; its signature where it is not C, the
  default. Signatures rarely say the mode, so a major key and its relative minor count as the same.
- The demo songs of Moodplane: tempo and key by which they were composed; Phrygian counts as minor, Lydian and
  Mixolydian as major. Those of one quadrant have a rubato of a tenth, and some are in 5/4 and 7/8.
- Emotify: recordings whose title names their key, by those who play at concert pitch (Baroque pitch is a semitone
  lower). Only the middle 30 s are there, which in classical movements are often in another key than the whole.

The methods were tuned on the training part: VGMIDI's pieces from three series, and every other demo song. Prints each
part with 95 % intervals (Clopper and Pearson; of the MIREX score a bootstrap), what a constant answer gets, and for the
tempo librosa's estimate of the same excerpt.
"""

from __future__ import annotations

import csv
import io
import re
import sys
import time
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import librosa
import mido
import mutagen
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.duplicates import interval
from emotion.measures.tempo import LEAST_STEADY, WITHIN, Tempo, evidence, tempo_of
from emotion.measures.tonality import KeyMeter, Tonality
from emotion.signal.audio import SAMPLE_RATE_HZ, read_window_at, stream_sound
from emotion.signal.fingerprint import EXCERPT_S
from tools.demo_songs.pieces import PIECES
from tools.demo_songs.render import piece_path
from tools.demo_songs.styles import STYLES
from training.datasets.midi import render_midis

DEMO = Path(__file__).resolve().parent.parent / "catalog" / "demo"
TRAINING_SERIES = ("Final Fantasy", "Chrono", "Donkey Kong")
CONCERT_PITCH = ("Ivan Ilic", "Daniel Ben Pienaar", "Janine Johnson")
LEAST_SHARE, LEAST_ON_GRID = 0.9, 0.85
FACTORS = {"half": 0.5, "double": 2.0, "a third": 1 / 3, "three times": 3.0}
_NOTES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11, "La": 9, "Re": 2, "Fa": 5}
_TITLE = re.compile(r"\bin ([A-G]|La|Re|Fa)(?:[- ](flat|sharp))?(?: (major|minor|maggiore|minore))?\b", re.IGNORECASE)


class Song(NamedTuple):
    """A recording with what it says of itself; a key as `Waveform.key`, or a signature by its major key."""

    path: Path
    bpm: float | None = None
    key: int | None = None
    signature: int | None = None


# --- Annotations --------------------------------------------------------------------------------------------------


def tonic_of(name: str) -> int:
    """Return the pitch class of a name such as "Eb", "F#" or "La"."""
    base = name.rstrip("b#")
    return (_NOTES[base] + name.count("#") - name[1:].count("b")) % 12


def vgmidi(data: Path, work: Path) -> dict[str, list[Song]]:
    archive = data / "vgmidi" / "midis.zip"
    audio = render_midis(archive, work / "vgmidi")
    with (data / "vgmidi" / "vgmidi_labelled.csv").open(newline="") as labels:
        series = {Path(row["midi"]).stem: row["series"] for row in csv.DictReader(labels)}
    parts: dict[str, list[Song]] = {"VGMIDI, training": [], "VGMIDI, test": []}
    with zipfile.ZipFile(archive) as zipped:
        for name in zipped.namelist():
            if (stem := Path(name).stem) in series and name.endswith(".mid"):
                midi = mido.MidiFile(file=io.BytesIO(zipped.read(name)))
                part = "VGMIDI, training" if series[stem] in TRAINING_SERIES else "VGMIDI, test"
                parts[part].append(Song(audio[stem], *_read(midi)))
    return parts


def _read(midi: mido.MidiFile) -> tuple[float | None, None, int | None]:
    """Return the tempo and the signature of what is measured of a piece, where they hold for nearly all of it."""
    events: list[tuple[float, Fraction, Any]] = []
    now, ticks, tempo = 0.0, 0, 500_000
    for event in mido.merge_tracks(midi.tracks):
        now, ticks = now + mido.tick2second(event.time, midi.ticks_per_beat, tempo), ticks + event.time
        events.append((now, Fraction(ticks, midi.ticks_per_beat), event))
        tempo = event.tempo if event.type == "set_tempo" else tempo
    strokes = [(at, beat) for at, beat, event in events if event.type == "note_on" and event.velocity]
    end = max(at for at, _beat in strokes)
    begin = max(0.0, (end - EXCERPT_S) / 2)
    end = min(end, begin + EXCERPT_S)

    def prevailing(kind: str, value: Callable[[Any], object]) -> tuple[object, float]:
        changes = [(at, value(event)) for at, _beat, event in events if event.type == kind]
        seconds: dict[object, float] = defaultdict(float)
        for (start, what), (stop, _next) in pairwise([*changes, (end, None)]):
            seconds[what] += max(0.0, min(stop, end) - max(start, begin))
        most = max(seconds, key=lambda what: seconds[what], default=None)
        near = [what for what in seconds if what == most or _is_near(what, most)]
        return most, sum(seconds[what] for what in near) / (end - begin)

    bpm, share = prevailing("set_tempo", lambda event: mido.tempo2bpm(event.tempo))
    metre, _share = prevailing("time_signature", lambda event: (event.numerator, event.denominator))
    key, key_share = prevailing("key_signature", lambda event: event.key)
    beats = np.array([float(beat) for at, beat in strokes if begin <= at <= end])
    off = np.min([np.abs(beats * n - np.round(beats * n)) / n for n in (4, 3)], axis=0)
    is_annotated = isinstance(bpm, float) and share > LEAST_SHARE and np.mean(off < 1 / 24) > LEAST_ON_GRID
    # In 6/8 the beat is a dotted quarter.
    per_quarter = 2 / 3 if isinstance(metre, tuple) and metre[1] == 8 and metre[0] % 3 == 0 else 1.0
    signature = None
    if isinstance(key, str) and key != "C" and key_share > LEAST_SHARE:
        signature = (tonic_of(key.removesuffix("m")) + (3 if key.endswith("m") else 0)) % 12
    return (bpm * per_quarter if is_annotated and isinstance(bpm, float) else None), None, signature


def _is_near(one: object, other: object) -> bool:
    return isinstance(one, float) and isinstance(other, float) and abs(one / other - 1) <= WITHIN


def demo() -> dict[str, list[Song]]:
    parts: dict[str, list[Song]] = {"demo, training": [], "demo, test": []}
    for number, piece in enumerate(PIECES):
        tonic, mode = piece.key.split(" ", 1)
        is_minor = mode not in ("major", "lydian", "mixolydian")
        bpm = piece.tempo_bpm / (1.5 if STYLES[piece.style].steps_per_beat == 6 else 1.0)
        song = Song(piece_path(DEMO, number), bpm, tonic_of(tonic) + 12 * is_minor)
        parts["demo, test" if number % 2 else "demo, training"].append(song)
    return parts


def emotify(data: Path) -> dict[str, list[Song]]:
    songs = []
    for path in sorted((data / "emotify" / "classical").glob("*.opus")):
        tags = mutagen.File(path).tags or {}
        found = _TITLE.search(tags.get("title", [""])[0])
        if found and tags.get("artist", [""])[0] in CONCERT_PITCH:
            sign = {"flat": "b", "sharp": "#"}.get((found[2] or "").lower(), "")
            tonic = tonic_of(found[1].capitalize() + sign)
            songs.append(Song(path, key=tonic + 12 * (found[3] or "").lower().startswith("min")))
    return {"Emotify, titles": songs}


# --- Scores -------------------------------------------------------------------------------------------------------


def relation(found: int, right: int) -> str:
    """Return how one key is related to the right one, as MIREX tells them apart."""
    apart, same_mode = (found - right) % 12, found // 12 == right // 12
    if found == right:
        return "exact"
    if same_mode and apart in (5, 7):
        return "fifth"
    if not same_mode and apart == (9 if right < 12 else 3):
        return "relative"
    return "parallel" if not same_mode and apart == 0 else "other"


MIREX = {"exact": 1.0, "fifth": 0.5, "relative": 0.3, "parallel": 0.2, "other": 0.0, "none": 0.0}


def tempo_lines(name: str, found: Sequence[tuple[float, Tempo | None, float, float]]) -> Iterator[str]:
    """Describe a part by (right, what Moodplane says, its best guess, librosa's)."""

    def near(bpm: float, right: float) -> bool:
        return abs(bpm / right - 1) <= WITHIN

    def factor(bpm: float, right: float) -> str:
        return next((name for name, ratio in FACTORS.items() if near(bpm, ratio * right)), "other")

    shown = [(right, tempo) for right, tempo, _guess, _librosa in found if tempo]
    n = len(shown)
    exact = sum(near(tempo.bpm, right) for right, tempo in shown)
    wrong = Counter(factor(tempo.bpm, right) for right, tempo in shown if not near(tempo.bpm, right))
    octaves = exact + sum(count for what, count in wrong.items() if what != "other")
    told = [(right, tempo) for right, tempo in shown if tempo.other_bpm]
    helped = sum(not near(t.bpm, right) and near(t.other_bpm or 0.0, right) for right, t in told)
    yield f"{name}: tempo of {len(found)} songs, {len(found) - n} without a steady beat."
    yield f"  within 4 %: {interval(exact, n)}; or by a factor of 2 or 3: {interval(octaves, n)}; wrong: {dict(wrong)}"
    yield f"  half or double named: {len(told)}, of which right only there: {helped}"
    off = [abs(tempo.bpm / right - 1) for right, tempo in shown if near(tempo.bpm, right)]
    yield f"  of the right ones, off by {100 * float(np.median(off)):.2f} % at the median"
    for label, column in (("every song, steady or not", 2), ("librosa.feature.tempo", 3)):
        values = [(row[0], float(row[column])) for row in found]  # type: ignore[arg-type]
        right_ones = sum(near(bpm, right) for right, bpm in values)
        related = right_ones + sum(not near(bpm, right) and factor(bpm, right) != "other" for right, bpm in values)
        yield f"  {label}: {interval(right_ones, len(values))}; with factors {interval(related, len(values))}"
    floor = max(sum(near(bpm, right) for right, *_ in found) for bpm in range(60, 200))
    yield f"  the best constant answer: {interval(floor, len(found))}"


def key_lines(name: str, found: Sequence[tuple[Song, Tonality | None]]) -> Iterator[str]:
    """Describe a part by what is right and what Moodplane says."""
    signed = [(song.signature, key.key) for song, key in found if song.signature is not None and key]
    if signed:
        right = sum((key if key < 12 else key + 3) % 12 == signature for signature, key in signed)
        most = max(Counter(signature for signature, _key in signed).values())
        yield f"{name}: signature: {interval(right, len(signed))}"
        yield f"  the best constant answer: {interval(most, len(signed))}"
    keyed = [(song.key, key.key if key else None) for song, key in found if song.key is not None]
    if keyed:
        kinds = ["none" if key is None else relation(key, right or 0) for right, key in keyed]
        scores = np.array([MIREX[kind] for kind in kinds])
        draws = np.random.default_rng(0).choice(scores, (10_000, len(scores))).mean(axis=1)
        low, high = np.percentile(draws, [2.5, 97.5])
        yield f"{name}: key exact: {interval(kinds.count('exact'), len(keyed))}; {dict(Counter(kinds))}"
        yield f"  MIREX score {scores.mean():.2f} [{low:.2f}, {high:.2f}]"
        most = max(Counter(right for right, _key in keyed).values())
        yield f"  the best constant answer: {interval(most, len(keyed))}"


# --- Measuring ----------------------------------------------------------------------------------------------------


def key_of(path: Path) -> Tonality | None:
    meter = KeyMeter()
    for mono in stream_sound(path):
        meter.add(mono)
    return meter.result()


def measured(song: Song) -> tuple[Tempo | None, float, float]:
    waveform = read_window_at(song.path, 0.5, window_s=EXCERPT_S).waveform
    seen = evidence(waveform)
    theirs = float(librosa.feature.tempo(y=waveform, sr=SAMPLE_RATE_HZ)[0])
    tempo = tempo_of(waveform)
    assert (tempo is None) == (seen is None or seen.steadiness < LEAST_STEADY)
    return tempo, seen.bpm if seen else 120.0, theirs


def cost(sound: NDArray[np.float32]) -> str:
    def cpu_s(work: Callable[[], object]) -> float:
        begun = time.process_time()
        work()
        return time.process_time() - begun

    def of_key() -> None:
        meter = KeyMeter()
        for piece in np.array_split(sound, 60):
            meter.add(piece)
        meter.result()

    middle = sound[: round(EXCERPT_S * SAMPLE_RATE_HZ)]
    tempo_s, key_s = (min(cpu_s(work) for _ in range(3)) for work in (lambda: tempo_of(middle), of_key))
    return f"CPU seconds of a song of four minutes: tempo {tempo_s:.2f}, key {key_s:.2f}."


def main() -> None:
    data, work = Path(sys.argv[1]), Path(sys.argv[2])
    parts: Mapping[str, list[Song]] = {**vgmidi(data, work), **demo(), **emotify(data)}
    for name, songs in parts.items():
        timed = [(song.bpm, *measured(song)) for song in songs if song.bpm]
        if timed:
            print(*tempo_lines(name, timed), sep="\n", flush=True)
    for name, songs in parts.items():
        found = [(song, key_of(song.path)) for song in songs if song.key is not None or song.signature is not None]
        print(*key_lines(name, found), sep="\n", flush=True)
    demo_sound = np.concatenate(list(stream_sound(piece_path(DEMO, 0))))
    print(cost(np.resize(demo_sound, 240 * SAMPLE_RATE_HZ)))


if __name__ == "__main__":
    main()
