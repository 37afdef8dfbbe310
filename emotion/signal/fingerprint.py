"""Tells the same recording in another file from other music, by a few kilobytes of each song.

A fingerprint is the loudest peaks of the spectrogram in the middle two minutes. A codec keeps these; another voice,
take or mix has others. Keys, hashes of three peaks, find the few songs of a large catalog whose peaks are compared.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from emotion.signal.audio import SAMPLE_RATE_HZ
from emotion.signal.landmarks import (
    HOP_SAMPLES,
    MOST_HASHES,
    Landmarks,
    find_matches,
    landmarks,
    pair_hashes,
    shares_by_part,
)

EXCERPT_S = 120.0
_FRAME_S = HOP_SAMPLES / SAMPLE_RATE_HZ
# Peaks of a second. With all of them (40), a song and the same with another voice of equal loudness share up to 74 %.
LOUDEST = 12
# Of the keys of a song, those with the smallest hashes: of one recording largely the same ones.
N_KEYS = 128
# Unrelated songs share two keys once in 20,000 pairs, two encodings of a recording six or more.
LEAST_KEYS = 2
# Encoders pad, and editions begin earlier or fade out later. What differs by more is an excerpt or an edit.
MOST_APART_S = 5.0
MOST_APART = 0.1
LEAST_OVERLAP = 0.85
# A held note has its peak somewhere in it, elsewhere in another encoding: 70 ms either way.
REACH_FRAMES = 3
# Two encodings of a recording share .65 of their peaks or more, the same notes on two pianos up to .56. What agrees
# less somewhere has another voice, another part or another mix there.
LEAST_SHARE = 0.62
LEAST_SHARE_OF_PART = 0.48
PART_S = 10.0
# A steady tone has peaks at any time, but in few places of the spectrum.
LEAST_BINS = 8


class Excerpt:
    """Takes in a song at 22,050 Hz as it is decoded, and keeps its middle."""

    def __init__(self, duration_s: float) -> None:
        self._missing = round(EXCERPT_S * SAMPLE_RATE_HZ)
        self._before = max(0, round(duration_s * SAMPLE_RATE_HZ) - self._missing) // 2
        self._pieces: list[NDArray[np.float32]] = []
        self._n_samples = 0

    def add(self, mono: NDArray[np.float32]) -> None:
        """Take in the next samples."""
        self._n_samples += len(mono)
        piece = mono[self._before : self._before + self._missing]
        self._before = max(0, self._before - len(mono))
        if len(piece):
            self._pieces.append(piece.copy())
            self._missing -= len(piece)

    @property
    def duration_s(self) -> float:
        """Seconds of the song, as far as it was taken in."""
        return self._n_samples / SAMPLE_RATE_HZ

    @property
    def waveform(self) -> NDArray[np.float32]:
        """What was kept, `(n_samples,)`."""
        return np.concatenate([*self._pieces, np.zeros(0, np.float32)])


def peaks_of(waveform: NDArray[np.float32]) -> Landmarks:
    """Return the peaks of an excerpt `(n_samples,)` at 22,050 Hz."""
    return landmarks(waveform, loudest=LOUDEST)


def keys(peaks: Landmarks) -> NDArray[np.int32]:
    """Return at most `N_KEYS` keys, in order; none where the peaks say too little."""
    if len(np.unique(peaks[:, 1])) < LEAST_BINS:
        return np.zeros(0, np.int32)
    codes, firsts = pair_hashes(peaks)
    order = np.argsort(firsts, kind="stable")
    codes, firsts = codes[order], firsts[order]
    # Two of the at most three pairs that begin at one peak.
    triples = [(codes[:-n] * MOST_HASHES + codes[n:])[firsts[:-n] == firsts[n:]] for n in (1, 2)]
    mixed = np.unique(_mixed(np.concatenate(triples).astype(np.uint64)))[:N_KEYS]
    # The upper bits, by which they were chosen, are alike; the lower ones are not.
    return np.unique(mixed.astype(np.uint32).view(np.int32))


def sharing_keys(new: NDArray[np.int32], others: Sequence[NDArray[np.int32]]) -> list[int]:
    """Return the positions of those others that have enough keys of `new` to be compared with it."""
    places = np.repeat(np.arange(len(others)), [len(other) for other in others])
    is_common = np.isin(np.concatenate([*others, np.zeros(0, np.int32)]), new)
    return np.flatnonzero(np.bincount(places[is_common], minlength=1) >= LEAST_KEYS).tolist()


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scatter numbers over 64 bits, always in the same way.

    Source: Stafford (2011), variant 13 of MurmurHash3's finaliser, as in SplitMix64.
    """
    numbers = (numbers ^ numbers >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ numbers >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return numbers ^ numbers >> np.uint64(31)


def lengths_around(duration_s: float) -> tuple[float, float]:
    """Return the shortest and the longest song that can be the same recording."""
    return (
        max(duration_s - MOST_APART_S, duration_s * (1 - MOST_APART)),
        min(duration_s + MOST_APART_S, duration_s / (1 - MOST_APART)),
    )


def sounding_alike(new: Landmarks, others: Sequence[Landmarks]) -> list[int]:
    """Return the positions of those others that agree with `new` from its beginning to its end."""
    return [i for i, other in enumerate(others) if _is_alike(new, other)]


def _is_alike(one: Landmarks, other: Landmarks) -> bool:
    longer = max(int(peaks[-1, 0] - peaks[0, 0]) if len(peaks) else 0 for peaks in (one, other)) * _FRAME_S
    for match in find_matches([one, other]):
        share, least = agreement(one, other, match.offset_s)
        if match.overlap_s >= LEAST_OVERLAP * longer and share >= LEAST_SHARE and least >= LEAST_SHARE_OF_PART:
            return True
    return False


def agreement(one: Landmarks, other: Landmarks, offset_s: float) -> tuple[float, float]:
    """Return which share of their peaks two excerpts have in common, and that of the ten seconds that agree least."""
    whole, parts = (
        shares_by_part(one, other, offset_s, part_s=part_s, reach=REACH_FRAMES) for part_s in (EXCERPT_S, PART_S)
    )
    return float(whole.min()), float(parts.min())


def pack(peaks: Landmarks) -> bytes:
    """Write peaks as bytes, about two for each."""
    return zlib.compress(_columns(peaks).astype("<u2").tobytes(), 9)


def unpack(packed: bytes) -> Landmarks:
    """Read what `pack` wrote."""
    waits, bins = np.frombuffer(zlib.decompress(packed), "<u2").reshape(2, -1).astype(np.int32)
    return np.column_stack([np.cumsum(waits, dtype=np.int32), bins])


def _columns(peaks: Landmarks) -> NDArray[np.int32]:
    return np.stack([np.diff(peaks[:, 0], prepend=np.int32(0)), peaks[:, 1]])
