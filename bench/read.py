"""What reading a song of four minutes costs in each format, in CPU seconds, and what another version takes for it.

Run: python bench/read.py [checkout of the other version]. The door (probe), the window that the tag hears, and the
windows of the curve. Made recordings; both versions take turns, and the cheapest run counts.
Prints times of this machine, and ratios of this version to the other.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 240.0
ROUNDS = 3
STEPS = ("door", "window", "curve")


def cost_s(work: Callable[[], object]) -> float:
    """Return the CPU seconds of the cheapest of three runs."""
    costs = []
    for _ in range(3):
        begun = time.process_time()
        work()
        costs.append(time.process_time() - begun)
    return min(costs)


def measure(folder: Path) -> dict[str, list[float]]:
    from catalog.files.probe import probe
    from emotion.signal.audio import read_window, stream_windows

    def steps(song: Path) -> list[float]:
        return [
            cost_s(lambda: probe(song)),
            cost_s(lambda: read_window(song)),
            cost_s(lambda: [None for _ in stream_windows(song, hop_s=4.0)]),
        ]

    return {song.suffix[1:]: steps(song) for song in sorted(folder.iterdir())}


def asked(checkout: Path, folder: Path) -> dict[str, list[float]]:
    """Measure a version of the code in a process of its own."""
    command = [sys.executable, __file__, "--measure", str(checkout), str(folder)]
    run = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=True)
    return {codec: list(costs) for codec, costs in json.loads(run.stdout).items()}


def main() -> None:
    if sys.argv[1:2] == ["--measure"]:
        sys.path.insert(0, sys.argv[2])
        print(json.dumps(measure(Path(sys.argv[3]))))
        return
    sys.path.insert(0, str(ROOT))
    from tests.audio_fixtures import CODECS, make_audio

    versions = [ROOT, *map(Path, sys.argv[1:2])]
    best: list[dict[str, list[float]]] = [{} for _ in versions]
    with tempfile.TemporaryDirectory() as name:
        for codec in CODECS:
            make_audio(Path(name) / f"song.{codec}", SECONDS, sample_rate_hz=48_000 if codec == "opus" else 44_100)
        for _ in range(ROUNDS):
            for costs, version in zip(best, versions, strict=True):
                for codec, found in asked(version, Path(name)).items():
                    costs[codec] = [min(pair) for pair in zip(found, costs.get(codec, found), strict=True)]
    print("CPU seconds: " + ", ".join(STEPS) + "; with the ratio to the other version.")
    for codec in best[0]:
        cells = []
        for i in range(len(STEPS)):
            ratio = f" ({best[0][codec][i] / best[1][codec][i]:.2f})" if len(best) > 1 else ""
            cells.append(f"{best[0][codec][i]:.3f}{ratio}")
        whole = f", ratio of all: {sum(best[0][codec]) / sum(best[1][codec]):.2f}" if len(best) > 1 else ""
        print(f"{codec}: {', '.join(cells)}{whole}")


if __name__ == "__main__":
    main()
