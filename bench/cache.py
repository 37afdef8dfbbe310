"""What the image cache costs to build, and how much faster its one file is read than a file per clip.

Run: python bench/cache.py [number of clips]. Made recordings of 30 s as MP3; a batch is 32 clips in random order, both
ways from the page cache. Prints times and ratios measured in this run.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from emotion.zoo.frontends import MelConfig
from tests.audio_fixtures import make_audio
from training.data.cache import images_of

BATCH = 32
REPEATS = 5


def build_ms(paths: list[Path], folder: Path, workers: int) -> float:
    """Return the time per clip of a build from nothing, in milliseconds."""
    begun = time.perf_counter()
    images_of(paths, config=MelConfig(), cache_dir=folder, workers=workers)
    return 1000 * (time.perf_counter() - begun) / len(paths)


def reads_per_s(read: Callable[[NDArray[np.int64]], NDArray[np.float16]], n_clips: int) -> float:
    """Return the clips per second of the fastest of several passes in random order."""
    rng = np.random.default_rng(0)
    times = []
    for _ in range(REPEATS):
        order = rng.permutation(n_clips)
        begun = time.perf_counter()
        for start in range(0, n_clips, BATCH):
            read(order[start : start + BATCH])
        times.append(time.perf_counter() - begun)
    return n_clips / min(times)


def main() -> None:
    n_clips = int(sys.argv[1]) if len(sys.argv) > 1 else 128
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = [make_audio(folder / f"{i}.mp3", 30, seed=i + 1) for i in range(n_clips)]
        build_ms(paths[:2], folder / "warm-up", 1)
        alone, together = (build_ms(paths, folder / str(workers), workers) for workers in (1, 2))
        begun = time.perf_counter()
        images = images_of(paths, config=MelConfig(), cache_dir=folder / "2")
        found_ms = 1000 * (time.perf_counter() - begun) / n_clips
        for i in range(n_clips):
            np.save(folder / f"{i}.npy", images[i])
        mapped = reads_per_s(lambda rows: images[rows], n_clips)
        single = reads_per_s(lambda rows: np.stack([np.load(folder / f"{i}.npy") for i in rows]), n_clips)
    print(f"{n_clips} clips, two windows each: {alone:.0f} ms a clip in one thread, {together:.0f} ms in two.")
    print(f"ratio of two threads to one: {alone / together:.2f}")
    print(f"Found again: {found_ms:.2f} ms a clip. ratio to building: {together / found_ms:.0f}")
    print(f"Read: {mapped:.0f} clips/s from the memory map, {single:.0f} clips/s from a file each.")
    print(f"ratio: {mapped / single:.1f}")


if __name__ == "__main__":
    main()
