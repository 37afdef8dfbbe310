"""Now playing: the player opened over the page, on three widths, in both themes, and closed by the way back."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from catalog.models import Song
from recommender.models import FeltRating
from tests.e2e.conftest import Opener, axe_objections, press_pad, rating_sheet, sign_in
from tests.e2e.test_listening import audio_time_s
from tests.e2e.test_player import wait_for
from tests.e2e.test_rating import play_a_mood
from tests.e2e.test_walk import WIDTHS

LONG = "A title of a song that is so long that no bar of a player has the room to show all of its words at once"


def sticks_out(page: Page) -> bool:
    """Whether anything is wider than the window, in the page or in the player."""
    wide: bool = page.evaluate(
        "[document.documentElement, document.querySelector('#player')].some((el) => el.scrollWidth > innerWidth)"
    )
    return wide


@pytest.mark.parametrize("width", WIDTHS)
def test_it_has_everything_of_the_song_and_goes_back(
    open_page: Opener, alice: User, songs: list[Song], width: int
) -> None:
    Song.objects.update(title=LONG)
    with open_page(viewport={"width": width, "height": 740}, has_touch=width == WIDTHS[0]) as page:
        sign_in(page)
        song = play_a_mood(page)
        address = page.url
        page.evaluate("document.querySelector('#main').dataset.mark = 'same page'")
        opener = page.locator("[data-player-open]")
        opener.click()
        now = page.get_by_role("dialog", name="Now playing")
        expect(now.get_by_role("button", name="Close").first).to_be_focused()
        title = now.locator("[data-player-title]")
        expect(title).to_have_text(LONG)
        assert title.evaluate("el => el.scrollWidth <= el.clientWidth && el.scrollHeight <= el.clientHeight + 1")
        for name in ("Previous song", "Next song", "Play", "Like this song"):
            expect(now.get_by_role("button", name=name, exact=True)).to_be_visible()
        expect(now.locator("[data-player-cover]")).to_be_visible()
        # There is a reason only where something else than closeness decided.
        reason = page.locator("[data-track][aria-current=true]").get_attribute("data-reason")
        expect(now.get_by_text("Why this song")).to_be_visible(visible=bool(reason))
        expect(now.locator("#player-queue .queue__song")).to_have_count(12)
        assert not sticks_out(page)
        # The page below is out of reach, for the keyboard too.
        for _ in range(60):
            page.keyboard.press("Tab")
            assert page.evaluate("!document.activeElement.closest('#main, header, footer')")
        now.get_by_role("slider", name="Position in the song").focus()
        page.keyboard.press("PageUp")
        wait_for(lambda: audio_time_s(page) > 10 or page.locator("#player").get_attribute("data-song") != song, "seeks")
        press_pad(now, 0.6, 0.6)
        expect(now.locator("[data-felt-saved]")).to_contain_text("Saved.")
        assert FeltRating.objects.count() == 1
        playing = page.locator("#player").get_attribute("data-song") or ""
        now.get_by_role("button", name="Next song").click()
        expect(page.locator("#player")).not_to_have_attribute("data-song", playing)
        expect(now.locator("[data-felt-saved]")).to_be_empty()
        # The way back closes it; the page below was never left.
        page.go_back()
        expect(now).to_be_hidden()
        expect(opener).to_be_focused()
        assert page.url == address
        assert page.locator("#main").get_attribute("data-mark") == "same page"
        assert not sticks_out(page)
        for close in (lambda: page.keyboard.press("Escape"), now.get_by_role("button", name="Close").first.click):
            opener.click()
            expect(now).to_be_visible()
            close()
            expect(now).to_be_hidden()
        assert page.locator("#main").get_attribute("data-mark") == "same page"
        expect(page.locator("#player-rating")).to_be_hidden()
        expect(page.locator("#player-queue")).to_be_hidden()
        # A link leads to its page, and the way back from there to the page below.
        opener.click()
        title.get_by_role("link").or_(title).first.click()
        expect(page).to_have_url(re.compile(r"/songs/\d+/$"))
        expect(page.get_by_role("heading", level=1)).to_have_text(LONG)
        page.go_back()
        expect(page).to_have_url(address)
        expect(page.locator("#playlist-items")).to_be_visible()


def test_axe_has_no_objection_to_it_nor_to_the_rating(open_page: Opener, alice: User, songs: list[Song]) -> None:
    found: list[str] = []
    # The policy forbids what axe adds to a page.
    with open_page(viewport={"width": 1280, "height": 900}, bypass_csp=True) as page:
        sign_in(page)
        play_a_mood(page)

        def look(where: str) -> None:
            for theme, width in (("light", 1280), ("dark", 360), ("dark", 1280), ("light", 360)):
                page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
                page.set_viewport_size({"width": width, "height": 900})
                found.extend(f"{where} {theme} {width}: {objection}" for objection in axe_objections(page))
                if sticks_out(page):
                    found.append(f"{where}: wider than {width} px")

        press_pad(rating_sheet(page), 0.5, -0.5)
        expect(page.locator("#player-rating [data-felt-saved]")).to_contain_text("Saved.")
        look("rating")
        page.locator("[data-player-open]").click()
        expect(page.get_by_role("dialog", name="Now playing")).to_be_visible()
        look("now playing")
    assert "\n".join(found) == ""
