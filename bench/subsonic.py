"""OpenSubsonic at 100,000 songs: how long list endpoints take, and a full copy of the library by search3.

Run: python bench/subsonic.py [--songs N] [--asked 40]. A scratch folder takes the database and goes afterwards; ./var
is not touched. One player asks after the other, over HTTP, of the web server that `manage.py up` starts.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
AIM_MS, AIM_SYNC_S = 100.0, 60.0
PAGE = 500


def main() -> None:
    from bench import scratch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=int, default=100_000)
    parser.add_argument("--asked", type=int, default=40, help="How often each endpoint is asked.")
    parser.add_argument("--keep", type=Path, help="A folder to use, and to leave, in place of a scratch one.")
    options = parser.parse_args()
    limits = {"OPENBLAS_NUM_THREADS": "1", "MOODPLANE_RATE_SUBSONIC": "1000000/min"}
    with scratch.installation("subsonic", keep=options.keep, **limits):
        _measure(options)


def _measure(options: argparse.Namespace) -> None:
    from django.contrib.auth.models import User

    from bench import pages
    from recommender.subsonic.credentials import key_make

    pages._catalog(options.songs)
    pages._listener()
    key = key_make(user=User.objects.get(username="alice"))[1]
    port = pages._free_port()
    with pages._server(port):
        player = _Player(port, key)
        print(f"{options.songs:,} songs, {os.cpu_count()} cores, load of the machine before: {os.getloadavg()[0]:.1f}")
        _report(player, "ping", {}, options.asked)
        worst = [_report(player, name, asked, options.asked) for name, asked in _lists(options.songs)]
        print(f"aim of p95 < {AIM_MS:.0f} ms: {'met' if max(worst) < AIM_MS else 'not met'}")
        _sync(player, options.songs)


class _Player:
    def __init__(self, port: int, key: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._known = {"apiKey": key, "c": "bench", "v": "1.16.1", "f": "json"}

    def ask(self, name: str, parameters: dict[str, Any]) -> tuple[float, Any]:
        """Return how many milliseconds an answer took, and what it says."""
        begun = time.perf_counter()
        query = urlencode({**self._known, **parameters}, doseq=True)
        self._connection.request("GET", f"/rest/{name}?{query}", headers={"Accept-Encoding": "identity"})
        text = self._connection.getresponse().read()
        took_ms = 1000 * (time.perf_counter() - begun)
        answer = json.loads(text)["subsonic-response"]
        assert answer["status"] == "ok", answer
        return took_ms, answer


def _lists(n_songs: int) -> Iterator[tuple[str, dict[str, Any]]]:
    from bench.scale_songs import SONGS_PER_ALBUM, SONGS_PER_ARTIST, made_word

    n_albums, n_artists = n_songs // SONGS_PER_ALBUM, n_songs // SONGS_PER_ARTIST
    for order in ("newest", "random", "frequent", "recent", "starred", "highest", "alphabeticalByArtist"):
        yield "getAlbumList2", {"type": order, "size": 50}
    yield "getAlbumList2", {"type": "alphabeticalByName", "size": 50, "offset": n_albums - 60}
    yield "getAlbumList2", {"type": "byYear", "fromYear": 1990, "toYear": 1999, "size": 50}
    yield "getAlbumList2", {"type": "byGenre", "genre": "genre 3", "size": 50}
    yield "getRandomSongs", {"size": 50}
    yield "getSongsByGenre", {"genre": "genre 3", "count": 50, "offset": 2000}
    yield "getStarred2", {}
    yield "getPlaylists", {}
    yield "getGenres", {}
    yield "getArtists", {}
    yield "getIndexes", {}
    yield "getArtist", {"id": f"ar-{n_artists // 2}"}
    yield "getAlbum", {"id": f"al-{n_albums // 2}"}
    yield "getPlaylist", {"id": "mood-1"}
    yield "search3", {"query": made_word(50)}
    yield "getSimilarSongs2", {"id": f"tr-{n_songs // 2}", "count": 50}
    yield "getSonicSimilarTracks", {"id": f"tr-{n_songs // 2}", "count": 50}


def _report(player: _Player, name: str, asked: dict[str, Any], n_times: int) -> float:
    import numpy as np

    player.ask(name, asked)
    times = [player.ask(name, asked)[0] for _ in range(n_times)]
    p50, p95 = np.quantile(times, [0.5, 0.95])
    words = " ".join(f"{key}={value}" for key, value in asked.items())
    print(f"  {name:<22}{words:<48}{p50:>8.1f}{p95:>8.1f} ms", flush=True)
    return float(p95)


def _sync(player: _Player, n_songs: int) -> None:
    begun, read, times = time.perf_counter(), set(), []
    for offset in range(0, n_songs + PAGE, PAGE):
        asked = {"query": '""', "songCount": PAGE, "songOffset": offset, "albumCount": 0, "artistCount": 0}
        took_ms, answer = player.ask("search3", asked)
        songs = answer["searchResult3"]["song"]
        times.append(took_ms)
        read |= {song["id"] for song in songs}
        if not songs:
            break
    took_s = time.perf_counter() - begun
    first, last = times[1:6], times[-7:-2]
    print(f"full sync by search3, {PAGE} songs a page: {len(read):,} songs in {took_s:.1f} s", end="; ")
    print(f"first pages {sum(first) / 5:.0f} ms, last pages {sum(last) / 5:.0f} ms")
    print(f"aim of {AIM_SYNC_S:.0f} s: {'met' if took_s < AIM_SYNC_S and len(read) == n_songs else 'not met'}")


if __name__ == "__main__":
    main()
