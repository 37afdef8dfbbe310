"""`python -m tools.app_icons`: draw the icons of the installed app from static/img/mark.svg, with the tests' Chromium.

It also takes the two pictures that a browser shows before it installs the app from docs/screenshots.
"""

from __future__ import annotations

import base64
import io
import shutil
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from tests.browser import chromium

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "static" / "img"
SCREENSHOTS = ROOT / "docs" / "screenshots"
GROUND = "#0f0f19"
_COLOURS = 64


@dataclass(frozen=True, slots=True)
class Icon:
    """An icon: its size in pixels, the share of it that the mark takes, and whether it has a ground."""

    name: str
    size: int
    share: float
    has_ground: bool


ICONS = (
    Icon("icon-192.png", 192, 1.0, has_ground=False),
    Icon("icon-512.png", 512, 1.0, has_ground=False),
    # A system cuts it to a circle of four fifths of its width, or any shape that holds one.
    Icon("icon-maskable.png", 512, 0.56, has_ground=True),
    # iOS rounds the corners, and shows black where there is no ground.
    Icon("icon-apple.png", 180, 0.62, has_ground=True),
)


def draw(browser: Browser, icon: Icon) -> bytes:
    """Return an icon as PNG, with as few colours as it needs."""
    mark = base64.b64encode((IMAGES / "mark.svg").read_bytes()).decode()
    ground = GROUND if icon.has_ground else "transparent"
    page = browser.new_page(viewport={"width": icon.size, "height": icon.size})
    page.set_content(
        f"<body style='margin:0;height:100vh;display:grid;place-items:center;background:{ground}'>"
        f"<img style='width:{icon.share * 100}%' src='data:image/svg+xml;base64,{mark}'>"
    )
    page.locator("img").evaluate("image => image.decode()")
    picture = Image.open(io.BytesIO(page.screenshot(omit_background=True)))
    page.close()
    small = picture.quantize(_COLOURS, method=Image.Quantize.FASTOCTREE)
    out = io.BytesIO()
    small.save(out, "PNG", optimize=True)
    return out.getvalue()


def main() -> None:
    """Write all of them into static/img."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for icon in ICONS:
            (IMAGES / icon.name).write_bytes(draw(browser, icon))
        browser.close()
    for name in ("wide", "narrow"):
        shutil.copyfile(SCREENSHOTS / f"home-{name}-light.webp", IMAGES / f"screenshot-{name}.webp")


if __name__ == "__main__":
    main()
