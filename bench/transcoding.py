"""Pages while songs are converted: the load of bench/pages.py, without and with two transcodes at a time.

Run: python bench/transcoding.py [--songs N] [--rate 20] [--seconds 60]. A scratch folder takes the database and goes
afterwards. Two clients ask for songs of four minutes that no Chromium plays, one after the other, each as Opus and
as FLAC, so that two processes encode all the time. Prints percentiles of the pages, and how long a conversion takes.
"""

from __future__ import annotations

import argparse
import http.client
import os
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
SONG_S = 240.0
# Songs that the clients take turns with; what is made of them is removed again.
N_SONGS = 4


def main() -> None:
    from bench import scratch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=int, default=20_000)
    parser.add_argument("--rate", type=float, default=20.0, help="Requests a second.")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--source", type=Path, default=ROOT / "catalog" / "demo" / "03-market-day-reel.opus")
    options = parser.parse_args()
    with scratch.installation("transcoding", OPENBLAS_NUM_THREADS="1"):
        _measure(options)


def _measure(options: argparse.Namespace) -> None:
    from bench.pages import _catalog, _drawn, _free_port, _pages, _send, _server

    _catalog(options.songs)
    pages = _pages(options.songs)
    songs = _files_place(options.source)
    port = _free_port()
    print(f"{options.songs:,} songs, {options.rate:g} requests/s for {options.seconds} s on {os.cpu_count()} cores")
    with _server(port):
        _send(port, _drawn(pages, options.rate, 10, seed=1))
        for title, n_clients in (("without", 0), ("with two transcodes at a time", 2)):
            load = os.getloadavg()[0]
            end, took = threading.Event(), list[tuple[str, float]]()
            clients = [threading.Thread(target=_convert, args=(port, songs[n::2], end, took)) for n in range(n_clients)]
            for client in clients:
                client.start()
            answers = _send(port, _drawn(pages, options.rate, options.seconds, seed=2))
            end.set()
            for client in clients:
                client.join()
            _report(title, [answer.took_ms for answer in answers], took, load)


def _files_place(source: Path) -> list[int]:
    """Give some songs a real file, an AIFF of four minutes; return their ids."""
    import av
    import numpy as np
    import soundfile
    from django.conf import settings

    from catalog.models import Song

    with av.open(str(source)) as container:
        blocks = [frame.to_ndarray() for frame in container.decode(audio=0)]
    piece = np.concatenate(blocks, axis=1)
    piece = piece.reshape(-1, 2) if piece.shape[0] == 1 else piece.T
    whole = np.resize(piece, (round(SONG_S * 48_000), 2)).astype(np.float32)
    songs = list(Song.objects.order_by("pk")[:N_SONGS])
    for song in songs:
        path = Path(settings.MEDIA_ROOT) / str(song.audio.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, whole, 48_000, format="AIFF", subtype="PCM_16")
    Song.objects.filter(pk__in=[song.pk for song in songs]).update(
        mime_type="audio/aiff", duration_s=SONG_S, sample_rate_hz=48_000
    )
    return [song.pk for song in songs]


def _convert(port: int, songs: list[int], end: threading.Event, took: list[tuple[str, float]]) -> None:
    from catalog.files.transcoding import transcoded_storage

    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    while not end.is_set():
        for song in songs:
            for encoding in ("opus-96", "flac"):
                begun = time.perf_counter()
                client.request("GET", f"/songs/{song}/audio?as={encoding}", headers={"Range": "bytes=0-0"})
                answer = client.getresponse()
                answer.read()
                took.append((encoding if answer.status == 206 else str(answer.status), time.perf_counter() - begun))
                for made in Path(transcoded_storage().path(".")).glob("*/*"):
                    if made.suffix != ".part" and time.time() - made.stat().st_mtime > 1:
                        made.unlink(missing_ok=True)
                if end.is_set():
                    return


def _report(title: str, page_ms: list[float], took: list[tuple[str, float]], load: float) -> None:
    import numpy as np

    p50, p95, p99 = np.quantile(page_ms, [0.5, 0.95, 0.99])
    print(f"{title} (load before: {load:.1f}): {len(page_ms)} pages, p50 {p50:.1f}, p95 {p95:.1f}, p99 {p99:.1f} ms")
    for kind in sorted({kind for kind, _ in took}):
        seconds = [each for name, each in took if name == kind]
        print(f"  {kind}: {len(seconds)} times, median {np.median(seconds):.1f} s, longest {max(seconds):.1f} s")


if __name__ == "__main__":
    main()
