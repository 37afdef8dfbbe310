"""Every screen is reached through the pages themselves, on three widths, by mouse and by keyboard alone.

On each: one headline, nothing wider than the window, and (the page is watched) no error, nothing blocked, no foreign
host. By keyboard, every stop on the way shows where the focus is.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Locator, Page, expect
from pytest_django.live_server_helper import LiveServer

from catalog.models import Song
from emotion.inference.quadrants import Quadrant
from tests.e2e.conftest import SONG_SECONDS, Opener, place_audio
from tests.factories import PASSWORD, EstimateFactory, RatingFactory, UserFactory, WorkerFactory

WIDTHS = (360, 768, 1440)
# What stands in the menu, in the order of the walk, and the address that it leads to.
SECTIONS = {
    "Journey": "/journey/",
    "Playlists": "/playlists/",
    "My mood map": "/me/",
    "Uploads": "/uploads/",
    "Edit songs": "/songs/edit/",
    "Status": "/status/",
    "Models": "/models/",
    "Library": "/library/",
}
_STOPS = 90
_IS_AT = "([target]) => document.activeElement === target"
# Whether the focused element, what stands for it, or what holds it has a ring around it.
_SHOWS_FOCUS = """() => {
  const ringed = (el) => { const s = getComputedStyle(el); return s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2; };
  const at = document.activeElement;
  if (at === document.body || at.id === "main") return "";
  const near = [at, at.nextElementSibling, at.parentElement, at.parentElement?.parentElement, at.closest("[data-pad]")];
  if (near.some((el) => el && ringed(el)) || at.closest("[data-pad]")?.querySelector(".pad__plane") && ringed(at.closest("[data-pad]").querySelector(".pad__plane"))) return "";
  return at.outerHTML.slice(0, 120);
}"""  # noqa: E501


@pytest.fixture
def edith(live_server: LiveServer, recording: Path) -> User:
    """A member of the staff, who may see every screen, has rated a song, and finds songs in every quadrant."""
    edith = UserFactory(username="edith", is_staff=True)
    WorkerFactory()
    for number in range(8):
        song: Song = EstimateFactory(quadrant=Quadrant(number % 4 + 1), song__duration_s=SONG_SECONDS).song
        place_audio(song, recording)
    RatingFactory(listener=edith, song=song)
    return edith


class Walker:
    """Goes from screen to screen, by mouse."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def press(self, target: Locator) -> None:
        """Press a link or a button."""
        target.click()

    def write(self, field: Locator, words: str) -> None:
        """Put words into a field."""
        field.fill(words)

    def choose(self, name: str) -> None:
        """Press an entry of the menu."""
        menu = self.page.get_by_role("button", name="Menu", exact=True)
        if menu.is_visible():
            self.press(menu)
        self.press(self.page.locator("#site-header").get_by_role("link", name=name, exact=True))

    def arrived(self, address: str) -> None:
        """Look whether this is the screen, and whether it is as every screen must be."""
        expect(self.page).to_have_url(re.compile(address + r"(\?.*)?$"))
        expect(self.page.locator("#main h1")).to_have_count(1)
        expect(self.page.locator("html.is-loading")).to_have_count(0)
        expect(self.page.locator("h1")).to_have_count(1)
        too_wide = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert too_wide <= 0, f"{self.page.url} is {too_wide} px wider than the window"


class KeyboardWalker(Walker):
    """Goes from screen to screen by Tab, Enter and the letters alone."""

    def press(self, target: Locator) -> None:
        """Go to a link or a button, and press Enter on it."""
        self._go_to(target)
        self.page.keyboard.press("Enter")

    def write(self, field: Locator, words: str) -> None:
        """Go to a field, and type."""
        self._go_to(field)
        self.page.keyboard.insert_text(words)

    def _go_to(self, target: Locator) -> None:
        expect(target).to_be_visible()
        element = target.element_handle()
        # A new page begins at its content: the header's elements lie behind, except in an open menu.
        header = bool(target.evaluate("el => Boolean(el.closest('#site-header')) && !el.closest(':popover-open')"))
        for _ in range(_STOPS):
            if self.page.evaluate(_IS_AT, [element]):
                assert self.page.evaluate(_SHOWS_FOCUS) == ""
                return
            self.page.keyboard.press("Shift+Tab" if header else "Tab")
            assert self.page.evaluate(_SHOWS_FOCUS) == "", f"no focus to be seen on {self.page.url}"
        raise AssertionError(f"{target} is out of the keyboard's reach on {self.page.url}")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("walker_class", [Walker, KeyboardWalker], ids=["mouse", "keyboard"])
def test_every_screen_is_within_reach(open_page: Opener, edith: User, width: int, walker_class: type[Walker]) -> None:
    touch = walker_class is Walker and width == WIDTHS[0]
    with open_page(viewport={"width": width, "height": 900}, has_touch=touch) as page:
        walker = walker_class(page)
        main = page.locator("#main")
        page.goto("/")
        walker.arrived("/")
        walker.press(page.locator("#site-header").get_by_role("link", name="Sign in"))
        walker.arrived("/accounts/login/")
        walker.press(main.get_by_role("link", name="Sign up"))
        walker.arrived("/accounts/signup/")
        walker.press(main.get_by_role("link", name="Sign in"))
        walker.arrived("/accounts/login/")
        walker.write(page.locator("[name=username]"), edith.username)
        walker.write(page.locator("[name=password]"), PASSWORD)
        walker.press(main.get_by_role("button", name="Sign in"))
        expect(page.locator(".site-account__name")).to_have_text(edith.username)
        walker.arrived("/")

        walker.press(page.get_by_role("button", name="Your menu"))
        walker.press(page.locator("#user-menu").get_by_role("link", name="Your account"))
        walker.arrived("/accounts/")
        for name, address in SECTIONS.items():
            walker.choose(name)
            walker.arrived(address)
        walker.press(main.get_by_role("navigation", name="Library").get_by_role("link", name="Songs"))
        walker.arrived("/songs/")
        walker.press(main.locator(".song-row__title").first)
        walker.arrived(r"/songs/\d+/")
        walker.choose("Listen")
        walker.arrived("/")
        walker.press(main.locator("button[name=quadrant]").first)
        walker.arrived(r"/playlists/\d+/")
