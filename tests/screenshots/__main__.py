"""`make screenshots`: every screen, light and dark, wide and narrow, into docs/screenshots/.

It starts an instance of its own with the demo music, which takes some minutes, and stops it afterwards. With `--hard`
it shows names that are long, from right to left or emoji, and 0, 1 and 10,000 songs, in a folder beside.
"""

from __future__ import annotations

import argparse
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from tests.screenshots import instance

if TYPE_CHECKING:
    from tests.screenshots.camera import Screen

DOCS = Path("docs/screenshots")
_EXPLAINED_WITHIN_S = 120
_MANY = 10_000


def main() -> None:
    """Take the pictures."""
    asked = _arguments()
    asked.out.mkdir(parents=True, exist_ok=True)
    running: AbstractContextManager[str] = instance.started()
    if asked.url:
        instance.settle(asked.var)
        running = nullcontext(asked.url)
    with running as address:
        taken = _hard(address, asked.out) if asked.hard else _all(address, asked.out)
    total = sum(file.stat().st_size for file in taken)
    print(f"{len(taken)} pictures in {asked.out}, {total / 1e6:.1f} MB")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.screenshots", description=__doc__)
    parser.add_argument("--out", type=Path, help="Folder for the pictures. Default: docs/screenshots, or var/hard.")
    parser.add_argument("--hard", action="store_true", help="Show what is hard to show.")
    parser.add_argument("--url", help="Take them of this running instance, which is filled with made data.")
    parser.add_argument("--var", type=Path, help="MOODPLANE_VAR of that instance.")
    asked = parser.parse_args()
    if bool(asked.url) != bool(asked.var):
        parser.error("--url and --var belong together.")
    asked.out = asked.out or (Path("var/hard") if asked.hard else DOCS)
    return asked


def _all(address: str, out: Path) -> list[Path]:
    from tests.screenshots import camera, story

    places = story.prepared()
    deadline = time.monotonic() + _EXPLAINED_WITHIN_S
    while not story.explained() and time.monotonic() < deadline:
        time.sleep(1)
    screens = camera.screens(places)
    with camera.browser() as opened:
        taken = camera.shoot(opened, address, screens, out)
    (out / "README.md").write_text(_page(screens), encoding="utf-8")
    return taken


def _hard(address: str, out: Path) -> list[Path]:
    from catalog.models import Artist, Song
    from recommender.models import Playlist
    from tests.factories import UserFactory
    from tests.screenshots import camera, story

    taken = []
    story.forgotten()
    UserFactory(username=story.NAME, is_staff=True)
    with camera.browser() as opened:
        for n_songs in (0, 1, _MANY):
            Playlist.objects.all().delete()
            Song.objects.all().delete()
            Artist.objects.all().delete()
            story.hard(n_songs)
            taken += camera.shoot(opened, address, camera.hard_screens(), out, prefix=f"{n_songs}-")
    return taken


def _page(screens: list[Screen]) -> str:
    rows = []
    for screen in screens:
        pictures = " ".join(
            f'<img src="{screen.name}-{width}-{theme}.webp" alt="{screen.title}, {width}, {theme}" height="300">'
            for width, theme in (("wide", "light"), ("wide", "dark"), ("narrow", "light"), ("narrow", "dark"))
        )
        rows.append(f"## {screen.title}\n\n{pictures}\n")
    head = (
        "# Every screen, light and dark, wide and narrow\n\nMade by `make screenshots`, with the built-in demo music.\n"
    )
    return head + "\n" + "\n".join(rows)


if __name__ == "__main__":
    main()
