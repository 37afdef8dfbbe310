"""Without JavaScript: browse, search, open a playlist, play it, rate, put it in order, undo. In a real browser."""

from __future__ import annotations

import time

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from catalog.models import Song
from recommender.models import FeltRating, Playlist
from tests.e2e.conftest import Opener
from tests.e2e.test_listening import HEARD_WITHIN_S, order
from tests.factories import PASSWORD


def press_play(page: Page) -> None:
    """Press the play button of the browser's own player of the first song, and wait until it plays."""
    audio = page.locator("audio:visible").first
    audio.scroll_into_view_if_needed()
    box = audio.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 20, box["y"] + box["height"] / 2)
    deadline = time.monotonic() + HEARD_WITHIN_S
    while not audio.evaluate("audio => audio.currentTime > 0.3 && !audio.paused"):
        assert time.monotonic() < deadline, "the browser's own player does not play"
        page.wait_for_timeout(50)


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_a_visitor_browses_searches_and_plays(open_page: Opener, songs: list[Song], width: int) -> None:
    song = songs[7]
    song.title, song.genre = "Unmistakable", "Waltz"
    song.save()
    with open_page(java_script_enabled=False, viewport={"width": width, "height": 900}) as page:
        page.goto("/songs/")
        expect(page.locator("[data-track]")).to_have_count(30)
        page.get_by_role("link", name="Next").click()
        expect(page.locator("[data-track]")).to_have_count(2)
        page.get_by_role("searchbox", name="Search").fill("unmis")
        page.get_by_label("Genre").select_option("Waltz")
        page.get_by_role("button", name="Show").click()
        expect(page.locator("[data-track]")).to_have_count(1)
        expect(page.get_by_role("status")).to_have_text("1 song found")
        page.get_by_role("link", name="Waltz – remove").click()
        expect(page.locator("[data-track]")).to_have_count(1)
        page.get_by_label("Decade").select_option("1950")
        page.get_by_role("button", name="Show").click()
        page.get_by_role("link", name="Without 1950s").click()
        press_play(page)
        page.get_by_role("link", name="Unmistakable").click()
        press_play(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width

        page.goto("/")
        page.get_by_role("button", name="Calm").click()
        expect(page.locator("[data-track]")).to_have_count(12)
        press_play(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        # A row's title and its player begin at one edge, and the player is as wide as what stands above it.
        row = page.locator("[data-track]").first
        title, audio = (row.locator(each).bounding_box() for each in (".song-row__text", "audio"))
        assert title
        assert audio
        assert abs(title["x"] - audio["x"]) < 2
        assert audio["width"] >= title["width"] - 2
        expect(page.get_by_role("button", name="Play", exact=True)).to_have_count(0)


def test_a_listener_rates_arranges_and_takes_it_back(open_page: Opener, alice: User, songs: list[Song]) -> None:
    with open_page(java_script_enabled=False, viewport={"width": 768, "height": 900}) as page:
        # What is said before signing in counts afterwards.
        # Its spectrogram is drawn meanwhile; without JavaScript pictures do not wait until they are looked at.
        page.goto(f"/songs/{songs[0].pk}/", wait_until="domcontentloaded")
        felt = page.locator("#felt")
        felt.get_by_label("Liked it").check(force=True)
        # Each axis has a tick of its own; a slider without one says nothing.
        felt.locator("[name=felt_arousal]").press("End")
        felt.locator("[name=felt][value=arousal]").check()
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Kept in this browser.")).to_be_visible()
        page.fill("[name=username]", "alice")
        page.fill("[name=password]", PASSWORD)
        page.get_by_role("main").get_by_role("button", name="Sign in").click()
        expect(page.get_by_text("was saved.")).to_be_visible()
        rating = FeltRating.objects.get(listener=alice)
        assert (rating.liked, rating.felt_valence, rating.felt_arousal, rating.familiar) == (True, None, 1.0, None)
        page.get_by_role("button", name="Withdraw").click()
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_text("Undone")).to_be_visible()
        rating = FeltRating.objects.get(listener=alice)
        assert (rating.liked, rating.felt_valence, rating.felt_arousal, rating.familiar) == (True, None, 1.0, None)

        page.get_by_role("button", name="Play songs like this").click()
        page.get_by_text("Name, order, share, download").click()
        page.get_by_role("link", name="Edit the order").click()
        before = order(page)
        page.locator(f"#down-{before[0]}").click()
        assert order(page)[:2] == [before[1], before[0]]
        page.get_by_role("button", name="Remove").first.click()
        assert order(page)[0] == before[0]
        page.get_by_role("button", name="Undo").click()
        assert order(page)[:2] == [before[1], before[0]]
        page.get_by_role("button", name="Delete", exact=True).click()
        expect(page.get_by_text("was deleted.")).to_be_visible()
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_text("is back.")).to_be_visible()
        assert Playlist.objects.get().trashed_at is None
