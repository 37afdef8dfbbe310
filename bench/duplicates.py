"""How surely the same recording is found by its sound, and nothing else; and what it costs.

Run: python bench/duplicates.py FOLDER OTHERS... . Every song of FOLDER is written in six encodings, as harder copies
(low bit rates, mono, another level, another beginning), and as what is no copy: with another voice over it, faster,
without its middle, its halves exchanged. Every file is looked up, by keys and then by peaks, among the originals and at
most 500 songs of the folders OTHERS. Prints recall and false pairs with their 95 % intervals, the pairs found within
each folder, the CPU seconds of a song of four minutes and the bytes of each song. `bench/duplicates_rows.py` measures
a lookup in the database.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy.stats import beta

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.centre import sound_of
from catalog.files.probe import probe
from emotion.signal.audio import SAMPLE_RATE_HZ, read_window_at
from emotion.signal.fingerprint import (
    EXCERPT_S,
    agreement,
    keys,
    lengths_around,
    pack,
    peaks_of,
    sharing_keys,
    sounding_alike,
)
from emotion.signal.landmarks import Landmarks, find_matches
from tests.encodings import ENCODINGS, encode

SIX = ("mp3", "mp3-vbr-plain", "m4a", "flac", "ogg", "opus")
MOST_OTHERS = 500
ENCODINGS["mp3 64 kbit/s"] = ENCODINGS["mp3"]._replace(bit_rate=64_000)
ENCODINGS["mp3 32 kbit/s, 22 kHz"] = ENCODINGS["mp3"]._replace(bit_rate=32_000, rate_hz=22_050)
ENCODINGS["opus 24 kbit/s"] = ENCODINGS["opus"]._replace(bit_rate=24_000)
ENCODINGS["wav 16 kHz"] = ENCODINGS["wav"]._replace(rate_hz=16_000)
Sound = NDArray[np.float32]
Change = Callable[[Sound, int, Sound], Sound]


class Fingerprint(NamedTuple):
    duration_s: float
    peaks: Landmarks


def _mono(sound: Sound) -> Sound:
    return np.repeat(sound.mean(axis=1, keepdims=True), 2, axis=1)


def _later(sound: Sound, rate_hz: int, seconds: float) -> Sound:
    return np.concatenate([np.zeros((round(seconds * rate_hz), 2), np.float32), sound])


def _with_voice(sound: Sound, other: Sound, level: float) -> Sound:
    voice = np.resize(other, sound.shape)
    scale = level * np.sqrt(np.mean(sound**2) / max(float(np.mean(voice**2)), 1e-12))
    mixed: Sound = (sound + scale * voice).astype(np.float32)
    return mixed


def _without(sound: Sound, start: float, n_samples: int) -> Sound:
    begin = round(start * len(sound))
    return np.concatenate([sound[:begin], sound[begin + n_samples :]])


def _as_it_is(sound: Sound, _rate_hz: int, _other: Sound) -> Sound:
    return sound


HARDER: dict[str, tuple[str, Change]] = {
    "mp3 64 kbit/s": ("mp3 64 kbit/s", _as_it_is),
    "mp3 32 kbit/s, 22 kHz": ("mp3 32 kbit/s, 22 kHz", _as_it_is),
    "opus 24 kbit/s": ("opus 24 kbit/s", _as_it_is),
    "wav 16 kHz": ("wav 16 kHz", _as_it_is),
    "mono": ("mp3", lambda sound, _rate, _other: _mono(sound)),
    "12 dB quieter": ("mp3", lambda sound, _rate, _other: 0.25 * sound),
    "6 dB louder, clipped": ("mp3", lambda sound, _rate, _other: 2 * sound),
    "3 s cut off the beginning": ("mp3", lambda sound, rate, _other: sound[3 * rate :]),
    "3 s of silence in front": ("mp3", lambda sound, rate, _other: _later(sound, rate, 3.0)),
    "2 s later, mono, quieter, 64 kbit/s": (
        "mp3 64 kbit/s",
        lambda sound, rate, _other: _later(0.3 * _mono(sound), rate, 2.017),
    ),
}
NO_COPIES: dict[str, tuple[str, Change]] = {
    "a voice as loud over it": ("mp3", lambda sound, _rate, other: _with_voice(sound, other, 1.0)),
    "a voice 6 dB quieter over it": ("mp3", lambda sound, _rate, other: _with_voice(sound, other, 0.5)),
    "1 % faster": ("mp3", lambda sound, _rate, _other: soxr.resample(sound, 101, 100)),
    "a semitone higher": ("mp3", lambda sound, _rate, _other: soxr.resample(sound, 1059, 1000)),
    "3 s cut out of the middle": ("mp3", lambda sound, rate, _other: _without(sound, 0.5, 3 * rate)),
    "3 s cut out at a third": ("mp3", lambda sound, rate, _other: _without(sound, 0.33, 3 * rate)),
    "halves exchanged": ("mp3", lambda sound, _rate, _other: np.roll(sound, len(sound) // 2, axis=0)),
    "another second half": (
        "mp3",
        lambda sound, _rate, other: np.concatenate([sound[: len(sound) // 2], np.resize(other, sound.shape)])[
            : len(sound)
        ],
    ),
    "its first 80 %": ("mp3", lambda sound, _rate, _other: sound[: 4 * len(sound) // 5]),
}


KINDS = {name: (name, _as_it_is) for name in SIX} | HARDER | NO_COPIES


class Catalog:
    """Songs with their keys, as the database keeps them."""

    def __init__(self) -> None:
        self.songs: list[tuple[str, Fingerprint]] = []
        self._keys: list[NDArray[np.int32]] = []

    def add(self, name: str, song: Fingerprint) -> None:
        self.songs.append((name, song))
        self._keys.append(keys(song.peaks))

    def find(self, song: Fingerprint, *, of_any_length: bool = False) -> set[str]:
        shortest, longest = lengths_around(song.duration_s)
        near = [
            (name, other.peaks)
            for name, other in (self.songs[i] for i in sharing_keys(keys(song.peaks), self._keys))
            if of_any_length or shortest <= other.duration_s <= longest
        ]
        return {near[i][0] for i in sounding_alike(song.peaks, [peaks for _name, peaks in near])}


def fingerprint(path: Path) -> Fingerprint:
    return Fingerprint(probe(path).duration_s, peaks_of(read_window_at(path, 0.5, window_s=EXCERPT_S).waveform))


def written(scratch: Path, sound: Sound, rate_hz: int, name: str) -> Fingerprint:
    how = ENCODINGS[name]
    sound = soxr.resample(sound, rate_hz, how.rate_hz, quality="HQ") if rate_hz != how.rate_hz else sound
    return fingerprint(encode(scratch / f"song.{how.suffix}", np.clip(sound, -1, 1).astype(np.float32), name))


def interval(n_hits: int, n: int) -> str:
    """Return the share with its 95 % interval, after Clopper and Pearson."""
    low = beta.ppf(0.025, n_hits, n - n_hits + 1) if n_hits else 0.0
    high = beta.ppf(0.975, n_hits + 1, n - n_hits) if n_hits < n else 1.0
    return f"{n_hits} of {n}: {n_hits / n:.3g} [{low:.3g}, {high:.3g}]"


def least_share(song: Fingerprint, other: Fingerprint) -> tuple[float, float]:
    """Return the share of two recordings, and that of the part that agrees least; zeros where nothing matches."""
    for match in find_matches([song.peaks, other.peaks]):
        return agreement(song.peaks, other.peaks, match.offset_s)
    return 0.0, 0.0


def songs_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in (".ogg", ".opus", ".mp3", ".flac"))


def spread(folders: Iterable[Path]) -> list[Path]:
    files = [path for folder in folders for path in songs_in(folder)]
    return [files[i] for i in np.unique(np.linspace(0, len(files) - 1, MOST_OTHERS).round().astype(int))]


def cost() -> str:
    """Return the CPU seconds and bytes for a made song of four minutes."""
    rng = np.random.default_rng(1)
    time_s = np.arange(round(EXCERPT_S * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    notes = rng.choice(220.0 * 2 ** (np.arange(36) / 12), (4, round(EXCERPT_S * 4)))
    sound = sum(
        np.sin(2 * np.pi * np.repeat(voice, SAMPLE_RATE_HZ // 4 + 1)[: len(time_s)] * time_s)
        * np.exp(-8 * (time_s % 0.25))
        for voice in notes
    )
    waveform = (0.1 * sound + 0.01 * rng.standard_normal(len(time_s))).astype(np.float32)
    spent = []
    for _ in range(4):
        begun = time.process_time()
        peaks = peaks_of(waveform)
        packed, sketch = pack(peaks), keys(peaks)
        spent.append(time.process_time() - begun)
    return f"{min(spent):.2f} CPU seconds beside decoding; {len(packed)} bytes of peaks, {4 * len(sketch)} of keys."


def main() -> None:
    folder, others = Path(sys.argv[1]), [Path(each) for each in sys.argv[2:]]
    catalog = Catalog()
    print(f"A song of four minutes: {cost()}")
    originals = {path.stem: fingerprint(path) for path in songs_in(folder)}
    for name, song in originals.items():
        catalog.add(name, song)
    strangers = {f"{path.parent.name}/{path.stem}": fingerprint(path) for path in spread(others)}
    for name, song in strangers.items():
        catalog.add(name, song)
    print(f"{len(originals)} songs, {len(strangers)} others.", flush=True)
    n_bytes = [len(pack(song.peaks)) + 4 * len(keys(song.peaks)) for song in originals.values()]
    print(f"Bytes of a song of {folder.name}: {np.mean(n_bytes):.0f} on average, {max(n_bytes)} at most.")
    _within(catalog, "Among the originals and the others", {**originals, **strangers})
    groups = {"Six encodings": [*SIX], "Harder copies": [*HARDER], "No copies": [*NO_COPIES]}
    songs = songs_in(folder)
    rows = [row for title, kinds in groups.items() for row in _group(title, kinds, catalog, originals, songs)]
    n_asked = len(rows) * (len(catalog.songs) - 1)
    n_false, n_heard = sum(row.n_false for row in rows), sum(row.n_false_of_any_length for row in rows)
    print(f"False pairs with any other song: {interval(n_false, n_asked)}; whatever the lengths: {n_heard}")


class Found(NamedTuple):
    is_found: bool
    n_false: int
    n_false_of_any_length: int
    n_keys: int
    share: float
    least_part: float


def _copies(
    kinds: list[str], catalog: Catalog, originals: dict[str, Fingerprint], path: Path, neighbour: Path
) -> dict[str, Found]:
    (sound, rate_hz), (other, _rate_hz) = sound_of(path), sound_of(neighbour)
    original = originals[path.stem]
    rows = {}
    with tempfile.TemporaryDirectory() as scratch:
        for kind in kinds:
            encoding, change = KINDS[kind]
            copy = written(Path(scratch), change(sound, rate_hz, other), rate_hz, encoding)
            found, heard = catalog.find(copy), catalog.find(copy, of_any_length=True)
            rows[kind] = Found(
                path.stem in found,
                len(found - {path.stem}),
                len(heard - {path.stem}),
                len(np.intersect1d(keys(original.peaks), keys(copy.peaks))),
                *least_share(original, copy),
            )
    return rows


def _group(
    title: str,
    kinds: list[str],
    catalog: Catalog,
    originals: dict[str, Fingerprint],
    songs: list[Path],
) -> list[Found]:
    results: dict[str, list[Found]] = defaultdict(list)
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        work = partial(_copies, kinds, catalog, originals)
        for by_kind in pool.map(work, songs, [songs[i - 1] for i in range(len(songs))]):
            for kind, row in by_kind.items():
                results[kind].append(row)
    every = [row for rows in results.values() for row in rows]
    print(f"\n{title}: found {interval(sum(row.is_found for row in every), len(every))}")
    for kind, rows in results.items():
        found, _false, _heard, n_keys, share, part = np.array(rows, float).T
        print(
            f"  {kind}: {int(found.sum())} of {len(found)}; share {share.min():.2f} to {share.max():.2f}, median "
            f"{np.median(share):.2f}; least part {part.min():.2f} to {part.max():.2f}; keys {n_keys.min():.0f} to "
            f"{n_keys.max():.0f}",
            flush=True,
        )
    return every


def _within(catalog: Catalog, title: str, songs: dict[str, Fingerprint]) -> None:
    pairs = {
        frozenset((name, other)) for name, song in songs.items() for other in catalog.find(song, of_any_length=True)
    }
    pairs = {pair for pair in pairs if len(pair) == 2}
    n = len(songs) * (len(songs) - 1) // 2
    print(f"{title}, by sound alone: {len(pairs)} of {n} pairs: {sorted(' = '.join(sorted(pair)) for pair in pairs)}")


if __name__ == "__main__":
    main()
