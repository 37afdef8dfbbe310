"""Measures a song while it is decoded: loudness, tempo, key, and how loud it is over its length."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalog.files.recording import Block
from emotion.measures.envelope import Envelope
from emotion.measures.loudness import LoudnessMeter
from emotion.measures.tempo import tempo_of
from emotion.measures.tonality import KeyMeter
from emotion.signal.audio import stream_sound
from emotion.signal.fingerprint import Excerpt


@dataclass(frozen=True, slots=True)
class Measures:
    """What was measured of a song, named as the columns of `Waveform`."""

    peaks_bytes: bytes
    loudness_lufs: float | None
    true_peak_dbtp: float | None
    bpm: float | None
    bpm_other: float | None
    bpm_confidence: float | None
    key: int | None
    key_confidence: float | None


class Measuring:
    """Takes in a song as it is decoded and measures it at the end; `excerpt` keeps its middle."""

    def __init__(self, duration_s: float) -> None:
        self.excerpt = Excerpt(duration_s)
        self._envelope, self._loudness, self._key = Envelope(), LoudnessMeter(), KeyMeter()

    def add_block(self, block: Block, sample_rate_hz: int) -> None:
        """Take in the next samples as they are in the file."""
        self._envelope.add(block.mono, sample_rate_hz)
        self._loudness.add(block, sample_rate_hz)

    def add_sound(self, mono: NDArray[np.float32]) -> None:
        """Take in the next samples at 22,050 Hz."""
        self.excerpt.add(mono)
        self._key.add(mono)

    def result(self) -> Measures:
        """Return what all that was taken in measures; the tempo is that of the excerpt."""
        loudness, tempo, key = self._loudness.result(), tempo_of(self.excerpt.waveform), self._key.result()
        return Measures(
            peaks_bytes=self._envelope.peaks().tobytes(),
            loudness_lufs=_rounded(loudness.integrated_lufs),
            true_peak_dbtp=_rounded(loudness.true_peak_dbtp),
            bpm=_rounded(tempo.bpm, 1) if tempo else None,
            bpm_other=_rounded(tempo.other_bpm, 1) if tempo else None,
            bpm_confidence=_rounded(tempo.steadiness) if tempo else None,
            key=key.key if key else None,
            key_confidence=_rounded(key.likeness) if key else None,
        )


def _rounded(value: float | None, decimals: int = 2) -> float | None:
    return None if value is None else round(value, decimals)


def measure_file(path: Path, duration_s: float) -> Measures:
    """Decode a file, `duration_s` seconds long, to measure it; a minute of music takes a second of a processor.

    Raises:
        emotion.exceptions.AudioUnreadableError: `not_decodable`.
    """
    measuring = Measuring(duration_s)
    for mono in stream_sound(path, on_block=measuring.add_block):
        measuring.add_sound(mono)
    return measuring.result()
