"""Find the same recording under two names, in one dataset or in several, before anything is split.

The peaks of a spectrogram survive another codec, another level, noise and a cut at another place. Pairs of peaks are
hashed; two clips that share hashes at one offset in time are candidates, and of these the peaks themselves are
compared. Only clips that share a hash are compared, so the work does not grow with the square of the clips. Another
speed or key, another take and a cover are other recordings.

Source: Wang (2003), An Industrial-Strength Audio Search Algorithm (ISMIR); the comparison of peaks is this project's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import librosa
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from catalog.core.files import digest, write_atomic
from emotion.exceptions import AudioUnreadableError
from emotion.signal.audio import SAMPLE_RATE_HZ, read_window_at
from training.data.cache import content_digest, in_threads

# The middle of a whole track is enough to meet any excerpt of a research set.
EXCERPT_S = 120.0
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
# Frame and bin as one number, and how far from it a neighbour is that counts as the same peak.
_WIDTH = 1024
_NEAR = np.add.outer(_WIDTH * np.arange(-1, 2), np.arange(-1, 2)).ravel()

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


def landmarks_of(paths: Sequence[Path], *, cache_dir: Path, workers: int = 2) -> list[Landmarks]:
    """Return `landmarks` of the middle two minutes of audio files, from a cache by the audio's content."""
    numbers = (SAMPLE_RATE_HZ, EXCERPT_S, N_FFT, HOP_SAMPLES, BINS, PEAK_AREA, PEAK_RANGE_DB)
    folder = cache_dir / digest(repr(numbers).encode())[:12]
    folder.mkdir(parents=True, exist_ok=True)

    def cached(path: Path) -> Landmarks:
        target = folder / f"{content_digest(path).hex()}.npy"
        if not target.exists():
            try:
                waveform = read_window_at(path, 0.5, window_s=EXCERPT_S).waveform
            except AudioUnreadableError as error:
                raise AudioUnreadableError(error.code, f"{path}: {error}") from error
            write_atomic(target, partial(np.save, arr=landmarks(waveform)), durable=False)
        return np.asarray(np.load(target))

    return list(in_threads(cached, paths, workers=workers, desc="landmarks"))


def landmarks(waveform: NDArray[np.float32]) -> Landmarks:
    """Return the peaks of the spectrogram of a waveform `(n_samples,)` float32 at 22,050 Hz.

    `(n_peaks, 2)` int32, frame and bin of each peak, in order of time; about 40 a second, none in silence.
    """
    if len(waveform) < N_FFT:
        return np.zeros((0, 2), np.int32)
    spectrum = np.abs(librosa.stft(waveform, n_fft=N_FFT, hop_length=HOP_SAMPLES, center=False))[slice(*BINS)]
    floor = max(float(spectrum.max()) * 10 ** (-PEAK_RANGE_DB / 20), 1e-6)
    is_peak = (maximum_filter(spectrum, PEAK_AREA) == spectrum) & (spectrum > floor)
    return np.argwhere(is_peak.T).astype(np.int32)


def find_matches(clips: Sequence[Landmarks]) -> list[Match]:
    """Find all pairs of clips that hold the same recording, in order of position."""
    matches = (_compare(clips, *candidate) for candidate in _candidates(clips))
    return sorted(match for match in matches if match is not None)


def group_labels(n_clips: int, matches: Sequence[Match]) -> NDArray[np.int64]:
    """Return `(n_clips,)` labels that are equal for clips joined by matches, directly or through others."""
    first, second = [match.first for match in matches], [match.second for match in matches]
    joined = coo_matrix((np.ones(len(matches)), (first, second)), shape=(n_clips, n_clips))
    return connected_components(joined, directed=False)[1].astype(np.int64)


def duplicate_groups(paths: Sequence[Path], *, cache_dir: Path, workers: int = 2) -> NDArray[np.int64]:
    """Return `(n,)` labels of audio files, equal where two files hold the same recording."""
    return group_labels(len(paths), find_matches(landmarks_of(paths, cache_dir=cache_dir, workers=workers)))


def _hashes(peaks: Landmarks) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    paired = np.zeros(len(peaks), int)
    hashes, frames = [], []
    for step in range(1, min(_STEPS, len(peaks))):
        earlier, later = peaks[:-step].astype(np.int64), peaks[step:].astype(np.int64)
        wait, rise = (later - earlier).T
        wanted = (wait >= 2) & (wait < _FRAME_REACH) & (np.abs(rise) < _BIN_REACH) & (paired[:-step] < FAN_OUT)
        paired[:-step] += wanted
        code = (earlier[:, 1] * 2 * _BIN_REACH + rise + _BIN_REACH) * _FRAME_REACH + wait
        hashes.append(code[wanted])
        frames.append(earlier[wanted, 0])
    none = np.zeros(0, np.int64)
    return np.concatenate([none, *hashes]), np.concatenate([none, *frames])


def _candidates(clips: Sequence[Landmarks]) -> Iterator[tuple[int, int, int]]:
    hashed = [_hashes(peaks) for peaks in clips]
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
    moved = clips[first] + np.array([offset, 0], np.int32)
    begin, end = max(moved[0, 0], clips[second][0, 0]), min(moved[-1, 0], clips[second][-1, 0])
    a, b = (
        part[(part[:, 0] >= begin) & (part[:, 0] <= end)].astype(np.int64) @ [_WIDTH, 1]
        for part in (moved, clips[second])
    )
    common = int(np.isin(a, (b[:, None] + _NEAR).ravel()).sum())
    share = 2.0 * common / max(len(a) + len(b), 1)
    frame_s = HOP_SAMPLES / SAMPLE_RATE_HZ
    overlap_s = float(end - begin) * frame_s
    if overlap_s < MIN_OVERLAP_S or share < (MIN_SHARE if overlap_s >= LONG_OVERLAP_S else MIN_SHARE_OF_SHORT):
        return None
    return Match(first, second, offset * frame_s, overlap_s, min(share, 1.0))
