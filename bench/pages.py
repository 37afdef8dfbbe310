"""Pages under load: 100,000 songs in PostgreSQL, the web server of `manage.py up`, requests at drawn moments.

Run: python bench/pages.py [--songs N] [--rate 20] [--seconds 120]. A scratch folder takes the database and goes
afterwards; ./var is not touched. Requests are sent at moments that are drawn beforehand (a Poisson process), and a
request's time counts from its moment: a server that falls behind is seen to, where clients that wait for an answer
before they ask again would spare it. Prints percentiles per page, and their ratio to /healthz in the same run.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
CONNECTIONS = 64
WARM_UP_S = 10
N_RATINGS, N_PLAYLISTS, N_VISITORS, N_UPLOADS, N_LISTENS = 60, 30, 20, 500, 20_000
# The pages that the aim is set for, and the aim.
AIMED_AT = ("home", "browse", "search", "playlist")
AIM_MS = 100.0
TRIVIAL = "healthz"


@dataclass(frozen=True, slots=True)
class Ask:
    """A request: whose browser sends it, and under which name its time is counted."""

    name: str
    path: str
    cookie: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request; `late_ms` is how long after its moment it was sent."""

    ask: Ask
    took_ms: float
    late_ms: float
    status: int
    n_bytes: int


def main() -> None:
    from bench import scratch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=int, default=100_000)
    parser.add_argument("--rate", type=float, default=20.0, help="Requests a second.")
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--keep", type=Path, help="A folder to use, and to leave, in place of a scratch one.")
    options = parser.parse_args()
    with scratch.installation("pages", keep=options.keep, OPENBLAS_NUM_THREADS="1"):
        _measure(options)


def _measure(options: argparse.Namespace) -> None:
    _catalog(options.songs)
    pages = _pages(options.songs)
    port = _free_port()
    with _server(port):
        load = os.getloadavg()[0]
        _send(port, _drawn(pages, options.rate, WARM_UP_S, seed=1))
        answers = _send(port, _drawn(pages, options.rate, options.seconds, seed=2))
    print(f"{options.songs:,} songs, {options.rate:g} requests/s for {options.seconds} s on {os.cpu_count()} cores")
    print(f"load of the machine before: {load:.1f}")
    _report(answers)


# --- Rows -----------------------------------------------------------------------------------------------------------


def _catalog(n_songs: int) -> None:
    from django.core.management import call_command

    from bench.scale_rows import _rebuilt, _rows_write
    from catalog.models import Song

    call_command("migrate", verbosity=0)
    if Song.objects.count() == n_songs:
        return
    _rows_write(n_songs)
    _curves_write(n_songs)
    _rebuilt()


def _curves_write(n_songs: int) -> None:
    """Give every hundredth song a curve, as most of a real catalog has one."""
    import numpy as np

    from bench.scale_rows import MODEL
    from emotion.models import EmotionCurve

    rng = np.random.default_rng(5)
    done = {"model_version": MODEL, "state": EmotionCurve.State.DONE, "hop_s": 4.0, "window_s": 24.0}
    curves = []
    for song_id in range(1, n_songs + 1, 100):
        odds = rng.dirichlet(np.ones(4), size=40)
        points = np.column_stack([odds @ [1, -1, -1, 1], odds @ [1, 1, -1, -1], odds]).astype("<f4")
        curves.append(EmotionCurve(song_id=song_id, points_bytes=points.tobytes(), **done))
    EmotionCurve.objects.bulk_create(curves)


def _cookie_of(user: Any = None) -> str:
    """Return the cookie of a browser of a signed-in user, or which only has a session."""
    from django.conf import settings
    from django.test import Client

    client = Client()
    if user is None:
        client.post("/mood/", {"valence": "0.2", "arousal": "0.1"}, headers={"host": "localhost"})
    else:
        client.force_login(user)
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


def _listener() -> tuple[str, list[int]]:
    """Return the cookie of somebody who rated songs and keeps lists, and the ids of the lists."""
    from bench.scale_rows import _rated
    from recommender.models import Listen, Playlist
    from recommender.requests import Listener, Target
    from recommender.services.playlists import playlist_create

    alice = _rated(N_RATINGS)
    rng = random.Random(7)
    for seed in range(N_PLAYLISTS - Playlist.objects.filter(owner=alice).count()):
        target = Target.of_point(rng.uniform(-0.8, 0.8), rng.uniform(-0.8, 0.8))
        playlist_create(listener=Listener(user=alice), target=target, seed=seed)
    if not Listen.objects.filter(listener=alice).exists():
        played = (Listen(listener=alice, song_id=1 + rng.randrange(5_000), listened_s=180.0) for _ in range(N_LISTENS))
        Listen.objects.bulk_create(played)
    return _cookie_of(alice), list(Playlist.objects.filter(owner=alice).values_list("pk", flat=True))


def _visitor(seed: int) -> tuple[str, int]:
    """Return the cookie of somebody without an account, and the id of the list that they made."""
    from recommender.requests import Listener, Target
    from recommender.services.playlists import playlist_create

    cookie = _cookie_of()
    key = cookie.partition("=")[2]
    rng = random.Random(seed)
    target = Target.of_point(rng.uniform(-0.8, 0.8), rng.uniform(-0.8, 0.8))
    return cookie, playlist_create(listener=Listener(user=None, session_key=key), target=target, seed=seed).pk


def _curator() -> str:
    from django.contrib.auth.models import Group, User

    from catalog.models import Upload
    from catalog.permissions import CURATOR_GROUP

    cleo, is_new = User.objects.get_or_create(username="cleo", defaults={"is_staff": True})
    if is_new:
        cleo.groups.add(Group.objects.get(name=CURATOR_GROUP))
        Upload.objects.bulk_create(
            Upload(owner=cleo, file_name=f"{n}.ogg", song_id=n, outcome=Upload.Outcome.ACCEPTED)
            for n in range(1, N_UPLOADS + 1)
        )
    return _cookie_of(cleo)


# --- Pages ----------------------------------------------------------------------------------------------------------


def _pages(n_songs: int) -> list[list[Ask]]:
    """Return the pages, each with the requests that one is drawn from; half of them by somebody signed in."""
    alice, hers = _listener()
    visitors = [_visitor(seed) for seed in range(N_VISITORS)]
    cleo, rng = _curator(), random.Random(3)
    everybody = ["", alice, *(cookie for cookie, _ in visitors[:1]), alice]
    songs = [1 + 100 * rng.randrange(n_songs // 100) for _ in range(200)]

    def each(name: str, *paths: str) -> list[Ask]:
        return [Ask(name, path, cookie) for path in paths for cookie in everybody]

    return [
        each(TRIVIAL, "/healthz"),
        each("home", "/"),
        each("home: points", "/home/points/"),
        each("browse", "/songs/", "/songs/?page=2", "/songs/?page=7"),
        each("browse: far", f"/songs/?page={n_songs // 60}", f"/songs/?page={n_songs // 30}"),
        each("browse: mood", *(f"/songs/?quadrant={n}" for n in (1, 2, 3, 4)), "/songs/?quadrant=2&page=40"),
        each("browse: genre", *(f"/songs/?genre=genre+{n}&page={1 + n % 3}" for n in range(8))),
        each("browse: both", *(f"/songs/?genre=genre+{n}&quadrant={1 + n % 4}" for n in range(8))),
        each("browse: artist", *(f"/songs/?artist={n}" for n in range(1, n_songs // 20, n_songs // 400))),
        *_searches(each, n_songs),
        [Ask("playlist", f"/playlists/{pk}/", alice) for pk in hers]
        + [Ask("playlist", f"/playlists/{pk}/", cookie) for cookie, pk in visitors],
        [Ask("playlist: list", "/playlists/", cookie) for cookie in (alice, visitors[0][0])],
        [Ask("song", f"/songs/{pk}/", cookie) for pk in songs for cookie in everybody[:2]],
        *_library(each, alice, n_songs),
        each("journey", "/journey/"),
        [Ask("my mood map", "/me/", alice)],
        [Ask("cover", f"/songs/{pk}/cover", cookie) for pk in songs for cookie in everybody[:2]],
        each("status", "/status/"),
        [Ask("uploads", "/uploads/", cleo)],
    ]


def _library(each: Any, alice: str, n_songs: int) -> Iterator[list[Ask]]:
    from bench.scale_songs import SONGS_PER_ALBUM, SONGS_PER_ARTIST, made_word
    from recommender.browse.smart import READY

    rng = random.Random(13)
    albums, artists = n_songs // SONGS_PER_ALBUM, n_songs // SONGS_PER_ARTIST
    yield each("library", "/library/")
    yield each("albums", "/albums/", f"/albums/?page={albums // 96}", "/albums/?sort=newest", "/albums/?sort=artist")
    yield each("albums: genre, decade", "/albums/?genre=genre+3", "/albums/?decade=1990")
    yield each("album", *(f"/albums/{rng.randint(1, albums)}/" for _ in range(40)))
    yield each("artists", "/artists/", f"/artists/?page={artists // 120}")
    yield each("artist", *(f"/artists/{rng.randint(1, artists)}/" for _ in range(40)))
    yield each("genres, decades", "/genres/", "/decades/")
    yield each("search: all", *(f"/search/?q={made_word(rank)}" for rank in (5, 50, 500)), "/search/?q=artist+77")
    yield each("search: all, misspelt", *(f"/search/?q={made_word(rank)[:-1]}qx" for rank in (50, 100, 500)))
    yield [Ask("smart list", f"/smart/ready/{each_list.slug}/", alice) for each_list in READY]
    yield [Ask("played, liked", f"/songs/?{query}", alice) for query in ("sort=plays", "sort=played", "liked=on")]
    yield each("a whole list", f"/songs/queue/?artist={artists // 2}", "/songs/queue/?genre=genre+3")


def _searches(each: Any, n_songs: int) -> Iterator[list[Ask]]:
    from bench.scale_songs import made_title, made_word

    rng = random.Random(9)
    titles = [made_title(rng.randint(1, n_songs)).replace(" ", "+") for _ in range(20)]
    yield each("search: title", *(f"/songs/?q={title}" for title in titles))
    yield each("search: word", *(f"/songs/?q={made_word(rank)}" for rank in (20, 50, 100, 200, 500, 1000, 3000)))
    yield each("search: frequent word", *(f"/songs/?q={made_word(rank)}" for rank in (0, 1, 2)))
    # Every song has an artist and a genre that begin so: all of them are found.
    yield each("search: in every song", "/songs/?q=artist", "/songs/?q=a", "/songs/?q=genre&page=3")
    yield each("search: in none", "/songs/?q=xyzzy", f"/songs/?q={made_word(0)}+xyzzy")
    yield each("search: two words", *(f"/songs/?q={made_word(0)}+{made_word(n)}" for n in range(1, 20, 3)))
    yield each("search: word and mood", *(f"/songs/?q={made_word(0)}&quadrant={n}" for n in (1, 2, 3, 4)))


def _drawn(pages: list[list[Ask]], rate: float, seconds: float, *, seed: int) -> list[tuple[float, Ask]]:
    """Return moments and the page requested at each, all pages equally often."""
    rng = random.Random(seed)
    moments, now = [], 0.0
    while (now := now + rng.expovariate(rate)) < seconds:
        moments.append(now)
    turns = [rng.sample(pages, len(pages)) for _ in range(len(moments) // len(pages) + 1)]
    return list(zip(moments, (rng.choice(page) for turn in turns for page in turn), strict=False))


# --- The server -----------------------------------------------------------------------------------------------------


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _server(port: int) -> Iterator[None]:
    """Start the web server as `manage.py up` does: the same words, the same environment."""
    from django.conf import settings

    from mer_site.management.commands.up import _page_programs, _static_collect

    (settings.MOODPLANE_VAR / "run").mkdir(parents=True, exist_ok=True)
    _static_collect()
    program = next(each for each in _page_programs("127.0.0.1", port) if each.name == "web server")
    with (settings.MOODPLANE_VAR / "gunicorn.log").open("wb") as log:
        environment = {**os.environ, **program.environment}
        server = subprocess.Popen(program.argv, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        _wait_for(port)
        yield
    finally:
        server.terminate()
        server.wait(20)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.2)
    raise SystemExit("The web server does not come up.")


# --- The load -------------------------------------------------------------------------------------------------------


def _send(port: int, drawn: list[tuple[float, Ask]]) -> list[Answer]:
    """Send each request at its moment, whatever became of those before it."""
    browsers = threading.local()
    begun = time.perf_counter()

    def send(moment: float, ask: Ask) -> Answer:
        sent = time.perf_counter() - begun
        status, n_bytes = _fetch(browsers, port, ask)
        return Answer(ask, 1000 * (time.perf_counter() - begun - moment), 1000 * (sent - moment), status, n_bytes)

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        futures = []
        for moment, ask in drawn:
            time.sleep(max(0.0, begun + moment - time.perf_counter()))
            futures.append(pool.submit(send, moment, ask))
        return [future.result() for future in futures]


def _fetch(browsers: threading.local, port: int, ask: Ask) -> tuple[int, int]:
    """Return the status, 0 for none, and the size of an answer as it travelled."""
    for _ in (1, 2):
        client = getattr(browsers, "client", None)
        is_reused = client is not None
        if client is None:
            client = browsers.client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            client.request("GET", ask.path, headers={"Cookie": ask.cookie, "Accept-Encoding": "gzip"})
            answer = client.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException):
            client.close()
            browsers.client = None
            # A reused connection may have been closed by the server in the same instant; browsers ask once more, too.
            if is_reused:
                continue
            return 0, 0
        return answer.status, len(body)
    return 0, 0


# --- Figures --------------------------------------------------------------------------------------------------------


def _report(answers: list[Answer]) -> None:
    import numpy as np

    by_page: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        by_page[answer.ask.name].append(answer)
    trivial = float(np.median([answer.took_ms for answer in by_page[TRIVIAL]]))
    print(f"  {'page':<24}{'n':>5}{'p50':>8}{'p95':>8}{'p99':>8} ms{'p50 / healthz':>15}{'kB':>8}")
    for name, some in by_page.items():
        p50, p95, p99 = np.quantile([answer.took_ms for answer in some], [0.5, 0.95, 0.99])
        size = np.mean([answer.n_bytes for answer in some]) / 1000
        print(f"  {name:<24}{len(some):>5}{p50:>8.1f}{p95:>8.1f}{p99:>8.1f} {p50 / trivial:>17.1f}{size:>8.1f}")
    _verdict(answers)


def _verdict(answers: list[Answer]) -> None:
    import numpy as np

    late = np.quantile([answer.late_ms for answer in answers], 0.99)
    # Without a worker, healthz answers 503, which is right here.
    wrong = Counter(
        (answer.ask.name, answer.status)
        for answer in answers
        if answer.status != 200 and (answer.ask.name, answer.status) != (TRIVIAL, 503)
    )
    for title, chosen in (("aimed at", AIMED_AT), ("all pages", ("",))):
        took = [each.took_ms for each in answers if each.ask.name != TRIVIAL and each.ask.name.startswith(chosen)]
        p50, p95, p99 = np.quantile(took, [0.5, 0.95, 0.99])
        print(f"{title}: {len(took)} requests, p50 {p50:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms")
        if chosen == AIMED_AT:
            print(f"aim of p95 < {AIM_MS:.0f} ms: {'met' if p95 < AIM_MS else 'not met'}")
    print(f"errors: {dict(wrong) or 'none'}; sent late by {late:.1f} ms at the 99th percentile")


if __name__ == "__main__":
    main()
