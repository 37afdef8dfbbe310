"""Whole playlists from a large catalog: rows in a scratch PostgreSQL, the index rebuilt from them, lists over HTTP too.

Run: python bench/scale_rows.py [songs]. A scratch folder takes the database (about 2.5 GB for 1,000,000 songs) and goes
afterwards; ./var is not touched. Prints times measured in this run; the machine should have nothing else to do.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "MOODPLANE_RATE_PLAYLISTS": "1000000/min",
    "MOODPLANE_RATE_USER": "1000000/min",
}
MODEL = "made-1"
N_RATINGS = 20
REQUESTS = 200
CLIENTS = 4
WORKERS = 4
Ask = Callable[[int], object]


def main() -> None:
    from bench import scratch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("songs", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="A folder to use, and to leave, in place of a scratch one.")
    asked = parser.parse_args()
    with scratch.installation("scale", keep=asked.keep, **_ENVIRONMENT):
        _measure(asked.songs)


def _measure(n_songs: int) -> None:
    from django.core.management import call_command

    from catalog.models import Song

    call_command("migrate", verbosity=0)
    if Song.objects.count() != n_songs:
        print(f"{n_songs:,} rows in {_seconds(lambda: _rows_write(n_songs)):.0f} s")
    seconds, peak = _rebuilt()
    print(f"index_rebuild: {seconds:.1f} s, peak {peak:.0f} MB in a process of its own")
    print(f"index_refresh with nothing to do: {1000 * _seconds(_refresh):.0f} ms")
    print(f"  load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for name, ask in _in_process():
        _report(name, _times_ms(ask, REQUESTS))
    print(f"  this process holds {_memory()}")
    _over_http()


# --- Rows -----------------------------------------------------------------------------------------------------------


def _rows_write(n_songs: int) -> None:
    from django.db import connection

    from bench.scale_songs import SONGS_PER_ALBUM, SONGS_PER_ARTIST, made_songs

    now = datetime.now(UTC).isoformat()
    n_artists, n_albums = n_songs // SONGS_PER_ARTIST + 1, n_songs // SONGS_PER_ALBUM + 1
    _copy("catalog_artist", "id, name, name_key", (f"{n}\tArtist {n}\tartist {n}" for n in range(1, n_artists + 1)))
    albums = (
        f"{n}\tAlbum {n}\talbum {n}\t{(n - 1) * SONGS_PER_ALBUM // SONGS_PER_ARTIST + 1}"
        for n in range(1, n_albums + 1)
    )
    _copy("catalog_album", "id, title, title_key, artist_id", albums)
    for part in made_songs(n_songs):
        _copy("catalog_song", _SONG, _song_lines(part, now))
        _copy("emotion_emotionestimate", _ESTIMATE, _estimate_lines(part, now))
    with connection.cursor() as cursor:
        for table in ("catalog_artist", "catalog_album", "catalog_song", "emotion_emotionestimate"):
            cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}")  # noqa: S608
            cursor.execute(f"VACUUM ANALYZE {table}")


_SONG = (
    "id, title, artist_id, album_id, genre, year, content_hash, audio, cover, mime_type, size_bytes, duration_s, "
    "sample_rate_hz, channels, state, failure_code, failure_reason, attempts, created_at, state_changed_at"
)
_ESTIMATE = (
    "song_id, model_version, is_current, quadrant, p_q1, p_q2, p_q3, p_q4, valence, arousal, embedding_bytes, "
    "window_start_s, window_s, is_partial, engine, device, decode_ms, mel_ms, network_ms, created_at, updated_at"
)


def _song_lines(part: Any, now: str) -> Iterator[str]:
    from bench.scale_songs import made_title

    for row, song_id in enumerate(part.song_ids.tolist()):
        hashed = f"{song_id:064x}"
        yield (
            f"{song_id}\t{made_title(song_id)}\t{part.artist_ids[row]}\t{part.album_ids[row]}\t"
            f"{part.genres[part.genre_codes[row]]}\t{part.years[row]}\t{hashed}\taudio/{hashed}\t\taudio/ogg\t1000000\t"
            f"180\t44100\t2\ttagged\t\t\t1\t{now}\t{now}"
        )


def _estimate_lines(part: Any, now: str) -> Iterator[str]:
    for row, song_id in enumerate(part.song_ids.tolist()):
        sure, quadrant = float(part.confidence[row]), int(part.quadrants[row])
        odds = "\t".join(str(sure if each == quadrant else (1 - sure) / 3) for each in (1, 2, 3, 4))
        valence, arousal = part.perceived[row]
        updated = datetime.fromtimestamp(part.updated_us[row] / 1e6, UTC).isoformat()
        yield (
            f"{song_id}\t{MODEL}\tt\t{quadrant}\t{odds}\t{valence}\t{arousal}\t\\\\x{part.embeddings[row].tobytes().hex()}\t"
            f"18\t24\tf\ttorch\tcpu\t20\t10\t200\t{now}\t{updated}"
        )


def _copy(table: str, fields: str, lines: Iterator[str]) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.copy_expert(f"COPY {table} ({fields}) FROM STDIN", io.StringIO("\n".join(lines)))


# --- The index ------------------------------------------------------------------------------------------------------


def _rebuilt() -> tuple[float, float]:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "manage.py", "index_rebuild"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return time.perf_counter() - begun, peak


def _refresh() -> None:
    from recommender.services.indexing import index_refresh

    assert index_refresh() is None


# --- Lists ----------------------------------------------------------------------------------------------------------


def _in_process() -> Iterator[tuple[str, Ask]]:
    import numpy as np

    from recommender.generate import generate
    from recommender.requests import Filters, Listener, PlaylistRequest, Target
    from recommender.services.playlists import playlist_create

    nobody, alice = Listener(user=None, session_key="a session"), Listener(user=_rated())
    targets = [Target.of_point(*point) for point in np.random.default_rng(3).uniform(-0.8, 0.8, (REQUESTS + 1, 2))]

    def request(n: int, **others: Any) -> PlaylistRequest:
        return PlaylistRequest(target=targets[n], length=12, seed=n, **others)

    yield "generate, nobody known", lambda n: generate(listener=nobody, request=request(n))
    yield f"generate, {N_RATINGS} ratings", lambda n: generate(listener=alice, request=request(n))
    genre = Filters(genre="genre 3")
    yield "generate, one genre", lambda n: generate(listener=alice, request=request(n, filters=genre))
    both = Filters(genre="genre 3", decade=1990)
    yield "generate, genre and decade", lambda n: generate(listener=alice, request=request(n, filters=both))
    yield "generate, around a song", lambda n: generate(listener=alice, request=request(n, around=1000 + 37 * n))
    path = ((-0.5, 0.5), (0.5, -0.4))
    yield "generate, a journey", lambda n: generate(listener=alice, request=request(n, path=path))
    yield "playlist_create, with its rows", lambda n: playlist_create(listener=alice, target=targets[n])


def _rated(n_ratings: int = N_RATINGS) -> Any:
    """Return a user who rated songs all over the catalog."""
    import numpy as np
    from django.contrib.auth.models import User

    from emotion.models import EmotionEstimate
    from recommender.models import FeltRating

    alice, _ = User.objects.get_or_create(username="alice")
    rng = np.random.default_rng(11)
    highest = EmotionEstimate.objects.order_by("-song_id").values_list("song_id", flat=True)[0]
    for song_id in rng.choice(np.arange(1, highest + 1), n_ratings, replace=False).tolist():
        estimate = EmotionEstimate.objects.get(song_id=song_id)
        felt = np.clip(np.array([estimate.valence, estimate.arousal]) + rng.normal(0.1, 0.2, 2), -1, 1)
        given = {"felt_valence": felt[0], "felt_arousal": felt[1], "liked": bool(rng.random() < 0.5)}
        FeltRating.objects.get_or_create(listener=alice, song_id=song_id, defaults=given | {"model_version": MODEL})
    return alice


def _over_http() -> None:
    from rest_framework.authtoken.models import Token

    token, _ = Token.objects.get_or_create(user=_rated())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # As `manage.py up` starts it, but for more workers.
    words = f"gunicorn mer_site.wsgi --worker-class gthread --workers {WORKERS} --threads 8 --no-control-socket"
    words = f"{words} --bind 127.0.0.1:{port}"
    with (Path(os.environ["MOODPLANE_VAR"]) / "gunicorn.log").open("wb") as log:
        server = subprocess.Popen([sys.executable, "-m", *words.split()], cwd=ROOT, stdout=log, stderr=log)
    try:
        ask = _asker(port, token.key)
        _wait_for(ask)
        for n in range(10 * WORKERS):
            ask(n)
        _report(f"POST /api/v1/playlists/, 1 client, {WORKERS} workers", _times_ms(ask, REQUESTS), cpu=False)
        _report(f"POST /api/v1/playlists/, {CLIENTS} clients", _together_ms(ask), cpu=False)
        print(f"  workers hold {_workers_memory(server.pid)}")
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)


def _asker(port: int, token: str) -> Ask:
    def ask(n: int) -> object:
        body = json.dumps({"valence": ((n * 37) % 160 - 80) / 100, "arousal": ((n * 53) % 160 - 80) / 100}).encode()
        headers = {"Authorization": f"Token {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{port}/api/v1/playlists/", body, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - an address of this machine.
            return answer.read()

    return ask


def _wait_for(ask: Ask) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            ask(0)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


def _together_ms(ask: Ask) -> list[tuple[float, float]]:
    times: list[list[tuple[float, float]]] = [[] for _ in range(CLIENTS)]

    def client(each: int) -> None:
        times[each] = _times_ms(lambda n: ask(1000 * each + n), REQUESTS // 2)

    threads = [threading.Thread(target=client, args=(each,)) for each in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [took for some in times for took in some]


# --- Measures -------------------------------------------------------------------------------------------------------


def _times_ms(ask: Ask, n_times: int) -> list[tuple[float, float]]:
    """Return wall and CPU times of this process; the first few queries warm the caches."""
    for n in range(3):
        ask(n)
    times = []
    for n in range(n_times):
        begun, spent = time.perf_counter(), time.process_time()
        ask(n)
        times.append((1000 * (time.perf_counter() - begun), 1000 * (time.process_time() - spent)))
    return times


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _report(name: str, times: list[tuple[float, float]], *, cpu: bool = True) -> None:
    import numpy as np

    wall, own = np.quantile(np.asarray(times), [0.5, 0.9, 0.99], axis=0).T
    said = f"p50 {wall[0]:.1f} ms, p90 {wall[1]:.1f} ms, p99 {wall[2]:.1f} ms"
    said += f"; CPU p50 {own[0]:.1f} ms, p99 {own[2]:.1f} ms" if cpu else ""
    print(f"  {name}: {said}", flush=True)


def _memory(pid: int | str = "self") -> str:
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    own = sum(int(lines[key].split()[0]) for key in ("Private_Clean", "Private_Dirty")) / 1024
    return f"{int(lines['Rss'].split()[0]) / 1024:.0f} MB, {own:.0f} of them not shared"


def _workers_memory(parent: int) -> str:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return "; ".join(_memory(int(pid)) for pid in children)


if __name__ == "__main__":
    main()
