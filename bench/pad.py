"""What the mood pad costs: server time and bytes for 10,000, 100,000 and a million songs, and drawing in a browser.

Run: python bench/pad.py [sizes] [--no-browser]. Everything is measured in this run, on made songs. The browser is the
one that the tests use (`tests/browser.py`); it draws the pad's own modules on a page of its own, at 600 pixels.
"""

from __future__ import annotations

import argparse
import functools
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mer_site.settings")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import django
import numpy as np
from numpy.typing import NDArray

django.setup()

from recommender.pad import encode  # noqa: E402  # Its package has models.

ROOT = Path(__file__).resolve().parent.parent
REPEATS = 5
MOVES = 300
PAGE = """<!doctype html><meta charset="utf-8"><title>pad</title>
<div id="plane" style="position: relative; width: 600px; height: 600px; --plane-dot: #2229; --plane-lit: #222">
<canvas data-plane-dots></canvas><canvas data-plane-lit></canvas></div>"""
# Painted once for each new size or theme; lit for each move of the pointer, with the song under it and the count.
DRAW = """async ({ url, moves }) => {
  const { PlaneView, NEAR } = await import("/static/js/pad/view.js");
  const view = new PlaneView(document.getElementById("plane"), url);
  await view.load();
  const flushed = (canvas) => canvas.getContext("2d").getImageData(0, 0, 1, 1);
  const timed = (work) => {
    const begun = performance.now();
    work();
    return performance.now() - begun;
  };
  const paints = [];
  for (let n = 0; n < 10; n++) paints.push(timed(() => { view.paint(); flushed(view.dots); }));
  const lights = [], frames = [];
  let before = await new Promise(requestAnimationFrame);
  for (let n = 0; n < moves; n++) {
    const angle = (n / moves) * 12;
    const [v, a] = [0.6 * Math.cos(angle), 0.6 * Math.sin(1.7 * angle)];
    lights.push(timed(() => { view.light(v, a, view.pointed(v, a)); view.points.count(v, a, NEAR); }));
    const now = await new Promise(requestAnimationFrame);
    frames.push(now - before);
    before = now;
  }
  return { dots: view.points.length, paints, lights, frames };
}"""


def made(n_songs: int) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.uint8]]:
    """Songs as models place them: four clouds, ids with few gaps."""
    rng = np.random.default_rng(4)
    quadrants = rng.integers(1, 5, n_songs).astype(np.uint8)
    corners = np.asarray([(0.4, 0.4), (-0.4, 0.4), (-0.4, -0.4), (0.4, -0.4)])[quadrants - 1]
    perceived = np.clip(corners + rng.normal(0, 0.25, (n_songs, 2)), -1, 1)
    return np.cumsum(rng.integers(1, 3, n_songs)), perceived, quadrants


def median_ms(work: Callable[[], Any]) -> float:
    """Return the median time of a few runs."""
    times = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - begun))
    return float(np.median(times))


def measure_server(sizes: list[int], folder: Path) -> None:
    """Print how long an answer takes to make, which happens once for each state of the index, and its bytes."""
    for n_songs in sizes:
        songs = made(n_songs)
        payload = encode(*songs)
        (folder / f"{n_songs}.bin").write_bytes(payload)
        took = median_ms(functools.partial(encode, *songs))
        print(f"{n_songs:>9,} songs: encoded in {took:.1f} ms, {len(payload) / 1000:.1f} kB")


def measure_browser(sizes: list[int], folder: Path) -> None:
    """Print how long Chromium takes to paint the dots and to follow a pointer over them."""
    from playwright.sync_api import sync_playwright

    from tests.browser import chromium

    (folder / "index.html").write_text(PAGE)
    (folder / "static").symlink_to(ROOT / "static")
    handler = functools.partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, sync_playwright() as playwright:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for n_songs in sizes:
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{server.server_port}/index.html")
            timings = page.evaluate(DRAW, {"url": f"/{n_songs}.bin", "moves": MOVES})
            paint, light, frame = (np.asarray(timings[name]) for name in ("paints", "lights", "frames"))
            print(
                f"{n_songs:>9,} songs, {timings['dots']:,} dots: painted in {np.median(paint):.1f} ms, at best "
                f"{paint.min():.1f} ms; a move {np.median(light):.2f} ms, at best {light.min():.2f} ms, p95 "
                f"{np.quantile(light, 0.95):.2f} ms; {1000 / np.median(frame):.0f} frames/s"
            )
            page.close()
        browser.close()
        server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_request(self, *_: Any) -> None:
        """Say nothing."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", nargs="*", type=int, default=[10_000, 20_000, 100_000, 1_000_000])
    parser.add_argument("--no-browser", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        measure_server(options.sizes, Path(name))
        if not options.no_browser:
            measure_browser(options.sizes, Path(name))


if __name__ == "__main__":
    main()
