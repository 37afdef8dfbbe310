"""Takes pictures of pages in a real browser, in both themes and on two widths, and keeps them small."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser import chromium
from tests.factories import PASSWORD
from tests.screenshots.story import NAME, Story

WIDTHS = {"wide": (1440, 900), "narrow": (390, 844)}
THEMES = ("light", "dark")
_ARGS = ["--no-sandbox", "--disable-background-networking", "--disable-dev-shm-usage"]
_QUALITY = 68


@dataclass(frozen=True, slots=True)
class Screen:
    """A screen: its title, its address, and the steps before its picture is taken."""

    name: str
    title: str
    path: str
    before: Callable[[Page], None] | None = None
    signed_in: bool = True


def screens(story: Story) -> list[Screen]:
    """Return every screen, in the order in which a user meets it."""
    return [
        Screen("home", "Mood pad, first visit", "/", signed_in=False),
        Screen("sign-in", "Sign in", "/accounts/login/", signed_in=False),
        Screen("sign-up", "Sign up", "/accounts/signup/", signed_in=False),
        Screen("shared", "A shared playlist", story.shared, signed_in=False),
        Screen("not-found", "Nothing at this address", "/nothing-is-here/", signed_in=False),
        Screen("journey", "Journey", "/journey/?start_valence=-0.5&start_arousal=0.4&end_valence=0.5&end_arousal=-0.4"),
        Screen("playlist", "A playlist", story.playlist),
        Screen("journey-playlist", "A journey's playlist", story.journey),
        Screen("song", "A song", story.song),
        Screen("song-curve", "A song: emotion curve", story.song, _scroll_to("#emotion-curve")),
        Screen("song-why", "A song: why this tag", story.song, _scroll_to("#saliency")),
        Screen("songs", "Songs", "/songs/"),
        Screen("playlists", "Playlists", "/playlists/"),
        Screen("mood-map", "My mood map", "/me/"),
        Screen("forget", "Forget what was learned", "/me/forget/"),
        Screen("delete", "Delete the account", "/me/delete/"),
        Screen("shortcuts", "Shortcuts", "/", _help),
        Screen("account", "Your account", "/accounts/"),
        Screen("on-this-device", "On this device", "/offline/"),
        Screen("uploads", "Upload", "/uploads/"),
        Screen("compare", "A duplicate beside its twin", story.upload),
        Screen("library", "Library", "/songs/edit/"),
        Screen("edit", "A song's tags", story.song + "edit/"),
        Screen("changes", "What was changed", "/songs/edit/history/"),
        Screen("status", "Status", "/status/"),
        Screen("models", "Models", "/models/"),
        Screen("model", "A model", story.model),
        Screen("settings", "Settings", "/settings/"),
        Screen("all-accounts", "Accounts", "/settings/accounts/"),
        Screen("model-scores", "A model: scores", story.model, _scroll_to("#scores-title")),
        Screen("model-calibration", "A model: calibration", story.model, _scroll_to("#calibration-title")),
        # What plays goes on playing on every page after it, so the player comes last.
        Screen("playing", "A playlist, playing", story.playlist, _play),
        Screen("player-song", "A song, while another plays", story.song),
    ]


def hard_screens() -> list[Screen]:
    """Return the screens on which names and numbers can go wrong."""
    return [
        Screen("home", "Mood pad", "/"),
        Screen("songs", "Songs", "/songs/"),
        Screen("song", "A song", "/songs/?page=1", _open_first(".song-row__title")),
        Screen("playlist", "A playlist", "/", _open_first("button[name=quadrant]")),
        Screen("library", "Library", "/songs/edit/"),
        Screen("status", "Status", "/status/"),
    ]


def _play(page: Page) -> None:
    page.locator(".song-row button").first.click()
    expect(page.locator("#player")).to_be_visible()


def _help(page: Page) -> None:
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()


def _scroll_to(selector: str) -> Callable[[Page], None]:
    def scroll(page: Page) -> None:
        page.locator(selector).first.evaluate("el => el.scrollIntoView({ block: 'start' })")

    return scroll


def _open_first(selector: str) -> Callable[[Page], None]:
    def follow(page: Page) -> None:
        found = page.locator(f"#main {selector}")
        if found.count() and found.first.is_enabled():
            found.first.click()
            page.wait_for_timeout(800)

    return follow


@contextmanager
def browser() -> Iterator[Browser]:
    """The browser that the tests use."""
    executable = chromium()
    if executable is None:
        raise SystemExit("There is no Chromium; set CHROMIUM, or run `python tests/browser.py` to get one.")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=executable, args=_ARGS)
        yield opened
        opened.close()


def shoot(opened: Browser, address: str, wanted: list[Screen], folder: Path, *, prefix: str = "") -> list[Path]:
    """Take the pictures of all screens, and return their files: `<screen>-<width>-<theme>.webp`."""
    taken = []
    for width, (x, y) in WIDTHS.items():
        for theme in THEMES:
            context = opened.new_context(
                base_url=address,
                viewport={"width": x, "height": y},
                color_scheme="dark" if theme == "dark" else "light",
                reduced_motion="reduce",
            )
            page = context.new_page()
            was_signed_in = False
            for screen in wanted:
                if screen.signed_in and not was_signed_in:
                    _sign_in(page)
                    was_signed_in = True
                file = folder / f"{prefix}{screen.name}-{width}-{theme}.webp"
                _take(page, screen, file)
                taken.append(file)
            context.close()
    return taken


def _sign_in(page: Page) -> None:
    page.goto("/accounts/login/")
    page.fill("[name=username]", NAME)
    page.fill("[name=password]", PASSWORD)
    page.locator("main button[type=submit]").click()
    expect(page.locator(".site-account__name")).to_have_text(NAME)


def _take(page: Page, screen: Screen, file: Path) -> None:
    page.goto(screen.path)
    page.wait_for_load_state("networkidle")
    if screen.before:
        screen.before(page)
        page.wait_for_timeout(300)
    too_wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    if too_wide > 0:
        print(f"{file.name}: {too_wide} px wider than the window")
    with Image.open(io.BytesIO(page.screenshot())) as picture:
        picture.convert("RGB").save(file, "WEBP", quality=_QUALITY, method=6)
