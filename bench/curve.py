"""What an emotion curve costs: CPU seconds for a minute of song, and how many tags that would have made.

Run: python bench/curve.py [minutes of song]. A made recording of four minutes as MP3, the shipped model on the engine
that serves on this machine's CPU. Prints times and ratios measured in this run, and what it adds to measure loudness,
tempo and key on the way.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from emotion.curves.curve import MAX_POINTS, hop_for
from emotion.curves.tracing import trace
from emotion.inference import checkpoint
from emotion.inference.predict import Predictor
from emotion.measures.measuring import Measuring, measure_file
from emotion.signal.audio import stream_windows
from tests.audio_fixtures import make_audio

REPEATS = 3
LONG_S = 7200.0


def cost(work: Callable[[], object]) -> tuple[float, float]:
    """Return CPU seconds and seconds by the clock of the cheapest of several runs."""
    timings = []
    for _ in range(REPEATS):
        cpu, clock = time.process_time(), time.perf_counter()
        work()
        timings.append((time.process_time() - cpu, time.perf_counter() - clock))
    return min(timings)


def main() -> None:
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
    predictor = Predictor.load(checkpoint.shipped_weights(), device="cpu")
    with tempfile.TemporaryDirectory() as name:
        song = make_audio(Path(name) / "song.mp3", minutes * 60, sample_rate_hz=44_100, seed=1)
        hop_s = hop_for(minutes * 60)
        n_points = sum(len(batch.points) for batch in trace(song, predictor, hop_s=hop_s))
        tag_cpu, tag_clock = cost(lambda: list(predictor.predict([song])))
        decode_cpu, _ = cost(lambda: [None for _ in stream_windows(song, hop_s=hop_s)])
        curve_cpu, curve_clock = cost(lambda: list(trace(song, predictor, hop_s=hop_s)))

        def measured() -> None:
            measuring = Measuring(minutes * 60)
            list(trace(song, predictor, hop_s=hop_s, on_block=measuring.add_block, on_sound=measuring.add_sound))
            measuring.result()

        measured_cpu, _ = cost(measured)
        alone_cpu, _ = cost(lambda: measure_file(song, minutes * 60))
    engine = predictor.engine
    print(f"{minutes:g} minutes, {n_points} points every {hop_s:g} s, {engine.name} on {engine.device}.")
    print(f"Curve: {curve_cpu:.2f} CPU s, {curve_clock:.2f} s by the clock: {curve_cpu / minutes:.2f} CPU s a minute.")
    print(
        f"Of that decoding and resampling the whole song: {decode_cpu:.2f} CPU s. share: {decode_cpu / curve_cpu:.2f}"
    )
    print(
        f"Measuring on the way adds {measured_cpu - curve_cpu:.2f} CPU s. share: {measured_cpu / curve_cpu - 1:.2f}; "
        f"alone, with decoding: {alone_cpu:.2f} CPU s."
    )
    print(f"Tag: {tag_cpu:.3f} CPU s, {tag_clock:.3f} s by the clock.")
    print(f"ratio of a curve to a tag, CPU: {curve_cpu / tag_cpu:.1f}")
    print(f"ratio of a point to a tag, CPU: {curve_cpu / n_points / tag_cpu:.2f}")
    print(f"Longest wait of a song behind a curve, one batch of 8 points: {8 * curve_clock / n_points:.2f} s.")
    print(f"A song of two hours has {LONG_S / hop_for(LONG_S):.0f} points; the limit is {MAX_POINTS}.")


if __name__ == "__main__":
    main()
