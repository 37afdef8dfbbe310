"""Finds the same recording in several files by the peaks of its spectrogram.

The peaks of a spectrogram survive another codec, another level, noise and a cut at another place. Pairs of peaks are
hashed; two clips that share hashes at one offset in time are candidates, and of these the peaks themselves are
compared. Only clips that share a hash are compared, so the work does not grow with the square of the clips. Another
speed or key, another take and a cover are other recordings.

Source: Wang (2003), An Industrial-Strength Audio Search Algorithm (ISMIR); the comparison of peaks is this project's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import librosa
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from emotion.signal.audio import SAMPLE_RATE_HZ

N_FFT = 2048
HOP_SAMPLES = 512
# 54 to 4,300 Hz: above the rumble, below what a codec at 24 kbit/s leaves out.
BINS = (5, 400)
# A peak is the highest point within 21 bins and 15 frames (226 Hz, 350 ms), at most 50 dB below the clip's highest.
PEAK_AREA = (21, 15)
PEAK_RANGE_DB = 50.0
# Each peak is paired with the next three that lie 2 to 63 frames later and less than 64 bins away.
FAN_OUT = 3
_STEPS = 20
_BIN_REACH, _FRAME_REACH = 64, 64
MOST_HASHES = (BINS[1] - BINS[0]) * 2 * _BIN_REACH * _FRAME_REACH

# A hash that comes more often than this, such as a steady hum's, tells no clip from another.
MOST_PAIRS_PER_HASH = 200
MIN_VOTES = 8
# Unrelated clips share 2 to 12 % of their peaks, and short stretches of one instrument up to 37 %; the same recording
# in two encodings shares more than 55 % (4QAED, Emotion in Music, DEAM, Emotify and rendered EMOPIA).
MIN_OVERLAP_S = 3.0
LONG_OVERLAP_S = 10.0
MIN_SHARE = 0.2
MIN_SHARE_OF_SHORT = 0.45

# Offsets of two minutes either way, in frames, fit in this.
_OFFSETS = 1 << 14
# Frame and bin as one number.
_WIDTH = 1024

Landmarks = NDArray[np.int32]


@dataclass(frozen=True, slots=True, order=True)
class Match:
    """Two clips, by position, that hold the same recording.

    The first begins at `offset_s` in the second; both sound for `overlap_s` and share this part of their peaks.
    """

    first: int
    second: int
    offset_s: float
    overlap_s: float
    share: float


def landmarks(waveform: NDArray[np.float32], *, loudest: int = 0) -> Landmarks:
    """Return the peaks of the spectrogram of a waveform `(n_samples,)` float32 at 22,050 Hz.

    `(n_peaks, 2)` int32, frame and bin of each peak, in order of time; about 40 a second, none in silence. With
    `loudest`, only the peaks that are among so many of the second around them.
    """
    if len(waveform) < N_FFT:
        return np.zeros((0, 2), np.int32)
    spectrum = np.abs(librosa.stft(waveform, n_fft=N_FFT, hop_length=HOP_SAMPLES, center=False))[slice(*BINS)]
    floor = max(float(spectrum.max()) * 10 ** (-PEAK_RANGE_DB / 20), 1e-6)
    is_peak = (maximum_filter(spectrum, PEAK_AREA) == spectrum) & (spectrum > floor)
    peaks = np.argwhere(is_peak.T).astype(np.int32)
    return peaks[_louder_near(peaks[:, 0], spectrum.T[is_peak.T]) < loudest] if loudest else peaks


def _louder_near(frames: NDArray[np.int32], levels: NDArray[np.float32]) -> NDArray[np.int64]:
    """Count for each peak the louder ones within half a second of it."""
    reach = SAMPLE_RATE_HZ // (2 * HOP_SAMPLES)
    louder = np.zeros(len(frames), np.int64)
    for step in range(1, len(frames)):
        near = frames[step:] - frames[:-step] <= reach
        if not near.any():
            break
        louder[:-step] += near & (levels[step:] >= levels[:-step])
        louder[step:] += near & (levels[:-step] > levels[step:])
    return louder


def find_matches(clips: Sequence[Landmarks]) -> list[Match]:
    """Find all pairs of clips that hold the same recording, in order of position."""
    matches = (_compare(clips, *candidate) for candidate in _candidates(clips))
    return sorted(match for match in matches if match is not None)


def pair_hashes(peaks: Landmarks) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the hashes of the pairs of peaks, less than `MOST_HASHES`, and for each the position of its first peak."""
    paired = np.zeros(len(peaks), int)
    hashes, firsts = [], []
    for step in range(1, min(_STEPS, len(peaks))):
        earlier, later = peaks[:-step].astype(np.int64), peaks[step:].astype(np.int64)
        wait, rise = (later - earlier).T
        wanted = (wait >= 2) & (wait < _FRAME_REACH) & (np.abs(rise) < _BIN_REACH) & (paired[:-step] < FAN_OUT)
        paired[:-step] += wanted
        code = (earlier[:, 1] * 2 * _BIN_REACH + rise + _BIN_REACH) * _FRAME_REACH + wait
        hashes.append(code[wanted])
        firsts.append(np.flatnonzero(wanted))
    none = np.zeros(0, np.int64)
    return np.concatenate([none, *hashes]), np.concatenate([none, *firsts])


def _candidates(clips: Sequence[Landmarks]) -> Iterator[tuple[int, int, int]]:
    hashed = [(codes, peaks[firsts, 0].astype(np.int64)) for peaks in clips for codes, firsts in (pair_hashes(peaks),)]
    n = len(clips)
    none = np.zeros(0, np.int64)
    keys = np.concatenate([none, *(codes * n + clip for clip, (codes, _) in enumerate(hashed))])
    frames = np.concatenate([none, *(begins for _, begins in hashed)])
    order = np.argsort(keys, kind="stable")
    keys, frames = keys[order], frames[order]
    _, place, count = np.unique(keys // max(n, 1), return_inverse=True, return_counts=True)
    telling = count[place] <= MOST_PAIRS_PER_HASH
    keys, frames = keys[telling], frames[telling]
    for first, (codes, begins) in enumerate(hashed):
        # Keys are sorted by hash and then by clip, so that what comes after this clip is one stretch per hash.
        start, stop = np.searchsorted(keys, codes * n + first + 1), np.searchsorted(keys, (codes + 1) * n)
        lengths = stop - start
        met = np.arange(lengths.sum()) + np.repeat(start - (np.cumsum(lengths) - lengths), lengths)
        for second, offset in _winners(keys[met] % n, frames[met] - np.repeat(begins, lengths)):
            yield first, second, offset


def _winners(partners: NDArray[np.int64], offsets: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    ballots, count = np.unique(partners * _OFFSETS + offsets + _OFFSETS // 2, return_counts=True)
    votes = count.copy()
    adjacent = np.flatnonzero(np.diff(ballots) == 1)
    votes[adjacent] += count[adjacent + 1]
    votes[adjacent + 1] += count[adjacent]
    enough = np.flatnonzero(votes >= MIN_VOTES)
    best: dict[int, int] = {}
    for i in enough[np.argsort(count[enough], kind="stable")]:
        partner, offset = divmod(int(ballots[i]), _OFFSETS)
        best[partner] = offset - _OFFSETS // 2
    yield from best.items()


def _compare(clips: Sequence[Landmarks], first: int, second: int, offset: int) -> Match | None:
    a, b, begin, end = _overlapping(clips[first], clips[second], offset)
    share = 2.0 * int(_common(a, b).sum()) / max(len(a) + len(b), 1)
    frame_s = HOP_SAMPLES / SAMPLE_RATE_HZ
    overlap_s = float(end - begin) * frame_s
    if overlap_s < MIN_OVERLAP_S or share < (MIN_SHARE if overlap_s >= LONG_OVERLAP_S else MIN_SHARE_OF_SHORT):
        return None
    return Match(first, second, offset * frame_s, overlap_s, min(share, 1.0))


def shares_by_part(
    first: Landmarks, second: Landmarks, offset_s: float, *, part_s: float, reach: int = 1
) -> NDArray[np.float64]:
    """Return which part of their peaks two clips share, `(n_parts,)`, in equal parts of about `part_s` of the overlap.

    `first` begins at `offset_s` in `second`, as in a `Match`. Peaks up to `reach` frames apart count as the same.
    """
    a, b, begin, end = _overlapping(first, second, round(offset_s * SAMPLE_RATE_HZ / HOP_SAMPLES))
    n_parts = max(1, round((end - begin) * HOP_SAMPLES / SAMPLE_RATE_HZ / part_s))
    edges = np.linspace(begin, end + 1, n_parts + 1)
    common = (a[_common(a, b, reach)], b[_common(b, a, reach)])
    n_all, n_common = (sum(np.histogram(part[:, 0], edges)[0] for part in parts) for parts in ((a, b), common))
    return np.asarray(n_common / np.maximum(n_all, 1), np.float64)


def _overlapping(first: Landmarks, second: Landmarks, offset: int) -> tuple[Landmarks, Landmarks, int, int]:
    """Return the peaks of both where both sound, in the frames of the second, and the first and last frame of that."""
    moved = first + np.array([offset, 0], np.int32)
    begin, end = max(moved[0, 0], second[0, 0]), min(moved[-1, 0], second[-1, 0])
    a, b = (part[(part[:, 0] >= begin) & (part[:, 0] <= end)] for part in (moved, second))
    return a, b, int(begin), int(end)


def _common(a: Landmarks, b: Landmarks, reach: int = 1) -> NDArray[np.bool_]:
    """Return `(len(a),)`: which peaks of `a` are also in `b`, at most `reach` frames and a bin away."""
    first, second = (part.astype(np.int64) @ [_WIDTH, 1] for part in (a, b))
    near = np.add.outer(_WIDTH * np.arange(-reach, reach + 1), np.arange(-1, 2)).ravel()
    return np.isin(first, (second[:, None] + near).ravel())
