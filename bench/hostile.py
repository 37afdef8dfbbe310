"""Damaged files and bombs through the real upload: what crashes, hangs or grows.

Run: python bench/hostile.py [--mutated 5000] [--bombs 500] [--seed 1]. The web server of `manage.py up` runs on a
scratch folder, which goes afterwards; ./var is not touched. Each file is a request of its own to the API, two at once.
Prints outcomes by code, the slowest files, and the most memory of any process, and ends with 1 if there was

- an answer other than 202, or a refusal without a code or a sentence;
- an upload that took more than 5 s, unless `--busy` says that other work runs on this machine;
- a process of more than 600 MB; or
- a web server that had to be replaced.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
_AT_A_TIME = 2
_MOST_S, _MOST_MB = 5.0, 600
_BOUNDARY = "hostile-2c1f8a"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file; `fault` is empty if it was answered as it should be."""

    name: str
    took_s: float
    code: str
    fault: str


class _Watch(threading.Thread):
    """The most memory of each of the server's processes, ten times a second."""

    def __init__(self, server_pid: int) -> None:
        super().__init__(daemon=True)
        self.server = psutil.Process(server_pid)
        self.most_mb = 0.0
        self.web_pids: set[int] = set()
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.1):
            for process in self.server.children(recursive=True):
                try:
                    self.most_mb = max(self.most_mb, process.memory_info().rss / 1e6)
                    if process.ppid() == self.server.pid:
                        self.web_pids.add(process.pid)
                except psutil.NoSuchProcess:
                    continue


def main() -> None:
    from bench import scratch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutated", type=int, default=5000)
    parser.add_argument("--bombs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--busy", action="store_true", help="other work runs here: time is reported, not judged")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the files that were answered wrongly")
    options = parser.parse_args()
    limits = {"OPENBLAS_NUM_THREADS": "1", "MOODPLANE_RATE_UPLOADS": "100000/s", "MOODPLANE_RATE_USER": "100000/s"}
    with scratch.installation("hostile", keep=None, **limits) as folder:
        faults = _campaign(options, folder)
    sys.exit(1 if faults else 0)


def _campaign(options: argparse.Namespace, folder: Path) -> list[str]:
    from django.contrib.auth.models import User
    from django.core.management import call_command

    from bench.pages import _cookie_of, _free_port, _server

    call_command("migrate", verbosity=0)
    cookie = _cookie_of(User.objects.create_superuser("curator"))
    files = _files(options, folder)
    port = _free_port()
    begun = time.perf_counter()
    with _server(port):
        watch = _Watch(_pid_of_server())
        watch.start()
        time.sleep(1.0)
        outcomes = list(_sent(files, port, cookie, options.keep))
        watch.ended.set()
        watch.join()
        web_pids = {child.pid for child in watch.server.children() if child.pid in watch.web_pids}
    return _report(options, outcomes, time.perf_counter() - begun, watch.most_mb, len(watch.web_pids - web_pids))


def _files(options: argparse.Namespace, folder: Path) -> Iterator[tuple[str, bytes]]:
    from tests.hostile import bombs, mutated, originals

    good = originals(folder)
    rng = np.random.default_rng(options.seed)
    # The bombs last, so that their processes' ends are not those of the others.
    return chain(mutated(good, options.mutated, rng), bombs(good["mp3"], options.bombs, rng))


def _pid_of_server() -> int:
    return int(next(child.pid for child in psutil.Process().children() if "gunicorn" in " ".join(child.cmdline())))


def _sent(files: Iterator[tuple[str, bytes]], port: int, cookie: str, keep: Path | None) -> Iterator[Outcome]:
    from tqdm import tqdm

    lock = threading.Lock()

    def work() -> list[Outcome]:
        done: list[Outcome] = []
        while True:
            with lock:
                named = next(files, None)
            if named is None:
                return done
            outcome = _offered(port, cookie, *named)
            if outcome.fault and keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                (keep / outcome.name).write_bytes(named[1])
            done.append(outcome)
            bar.update()

    with tqdm(unit="file", disable=None) as bar, ThreadPoolExecutor(_AT_A_TIME) as pool:
        for each in [pool.submit(work) for _worker in range(_AT_A_TIME)]:
            yield from each.result()


def _offered(port: int, cookie: str, name: str, data: bytes) -> Outcome:
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    body = head.encode() + data + f"\r\n--{_BOUNDARY}--\r\n".encode()
    token = "a" * 32
    headers = {
        "Content-Type": f"multipart/form-data; boundary={_BOUNDARY}",
        "Cookie": f"{cookie}; csrftoken={token}",
        "X-CSRFToken": token,
    }
    begun = time.perf_counter()
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        connection.request("POST", "/api/v1/uploads/", body, headers)
        answer = connection.getresponse()
        status, text = answer.status, answer.read()
        connection.close()
    except OSError as error:
        return Outcome(name, time.perf_counter() - begun, "no answer", f"no answer: {error}")
    took_s = time.perf_counter() - begun
    if status != 202:
        return Outcome(name, took_s, str(status), f"answered with {status}")
    row = json.loads(text)
    code = row["code"] or ("taken" if not row["reason"] else "taken without tags")
    refused = row["state"] in ("failed", "duplicate")
    fault = "refused without a code or a sentence" if refused and not (row["code"] and row["reason"]) else ""
    return Outcome(name, took_s, code, fault)


def _report(
    options: argparse.Namespace, outcomes: list[Outcome], took_s: float, most_mb: float, n_replaced: int
) -> list[str]:
    print(f"{len(outcomes):,} files in {took_s:.0f} s, load {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores")
    for code, count in Counter(outcome.code for outcome in outcomes).most_common():
        slowest = max(outcome.took_s for outcome in outcomes if outcome.code == code)
        print(f"{count:7,d}  {code:22s} at most {slowest:.1f} s")
    for outcome in sorted(outcomes, key=lambda outcome: -outcome.took_s)[:5]:
        print(f"{outcome.took_s:7.2f} s  {outcome.name} ({outcome.code})")
    print(f"the most memory of a process: {most_mb:.0f} MB; web servers that ended: {n_replaced}")
    faults = [f"{outcome.name}: {outcome.fault}" for outcome in outcomes if outcome.fault]
    if not options.busy:
        faults += [f"{outcome.name}: {outcome.took_s:.1f} s" for outcome in outcomes if outcome.took_s > _MOST_S]
    faults += [f"a process had {most_mb:.0f} MB"] if most_mb > _MOST_MB else []
    faults += [f"{n_replaced} web servers ended"] if n_replaced else []
    print("\n".join(faults) or "no fault")
    return faults


if __name__ == "__main__":
    main()
