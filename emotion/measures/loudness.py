"""Measures the loudness of a whole recording by EBU R 128, and its true peak, while it is decoded.

FFmpeg's filter `ebur128` does it, of which PyAV brings the library: K-weighting and gating by ITU-R BS.1770, channels
behind the listener count 1.5 dB more, the low-frequency channel not at all; the true peak is found at 192 kHz. It needs
some hundred kilobytes, however long the recording is.

Source: EBU R 128 (2023); EBU Tech 3341; ITU-R BS.1770-5.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import av
import numpy as np
from av.filter import Graph

from catalog.files.recording import Block

# A mono recording comes out of both speakers of a stereo pair, and is as loud as the same on two channels.
_OPTIONS = "metadata=1:peak=true:dualmono=true:framelog=quiet"
# The filter's answer where nothing passed its gate.
_NOTHING_LUFS = -70.0


class Loudness(NamedTuple):
    """How loud a recording is; both are None where it is silent."""

    integrated_lufs: float | None
    true_peak_dbtp: float | None


class LoudnessMeter:
    """Takes in a recording, block by block, and gives its loudness at the end."""

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._layout = ""
        self._n_channels = 0
        self._said: dict[str, str] = {}

    def add(self, block: Block, sample_rate_hz: int) -> None:
        """Take in the next block; the rate must not change."""
        if self._graph is None:
            self._begin(block, sample_rate_hz)
        channels = block.channels
        if len(channels) != self._n_channels:
            # Files were joined: what follows is measured as if it had the channels of the beginning.
            channels = np.broadcast_to(block.mono, (self._n_channels, len(block.mono)))
        if channels.shape[1]:
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(channels), format="fltp", layout=self._layout)
            frame.sample_rate = sample_rate_hz
            self._push(frame)

    def result(self) -> Loudness:
        """Return the loudness of all that was taken in, and take in nothing more."""
        if self._graph is not None:
            self._push(None)
        loudness = float(self._said.get("lavfi.r128.I", _NOTHING_LUFS))
        peak = float(self._said.get("lavfi.r128.true_peak", 0.0))
        return Loudness(
            loudness if loudness > _NOTHING_LUFS else None,
            20 * math.log10(peak) if loudness > _NOTHING_LUFS and peak > 0 else None,
        )

    def _begin(self, block: Block, sample_rate_hz: int) -> None:
        self._layout, self._n_channels = block.layout, len(block.channels)
        graph = Graph()
        source = graph.add_abuffer(sample_rate=sample_rate_hz, format="fltp", layout=self._layout)
        graph.link_nodes(source, graph.add("ebur128", _OPTIONS), graph.add("abuffersink")).configure()
        self._graph = graph

    def _push(self, frame: av.AudioFrame | None) -> None:
        assert self._graph is not None, "it has begun"
        self._graph.push(frame)
        while True:
            try:
                measured = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            self._said = measured.metadata or self._said
