"""What somebody sees first: an empty site, a first list, its rows, their own menu; on phone, tablet and desktop."""

from __future__ import annotations

import re
from itertools import cycle
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from catalog.models import Song
from emotion.inference.quadrants import Quadrant
from mer_site.installation.first_steps import first_account_create, is_setting_up, setup_token
from recommender.models import Playlist, PlaylistItem
from tests.e2e.conftest import Opener, axe_objections, place_audio, sign_in
from tests.e2e.test_listening import wait_until_heard
from tests.factories import EstimateFactory, SongFactory

WIDTHS = (360, 768, 1440)
ROW_PX = 64


def fits(page: Page, width: int) -> None:
    """Assert that nothing sticks out of the window."""
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", WIDTHS)
def test_an_empty_site_follows_by_itself_until_music_plays(
    open_page: Opener, recording: object, width: int, transactional_db: None
) -> None:
    with open_page(viewport={"width": width, "height": 900}) as page:
        page.goto("/")
        expect(page.get_by_role("heading", name="No music yet")).to_be_visible()
        expect(page.get_by_role("link", name="Add my folder")).to_be_visible()
        fits(page, width)
        waiting = SongFactory.create_batch(2, state=Song.State.QUEUED)
        expect(page.get_by_text("0 of 2 songs analysed.")).to_be_visible()
        expect(page.get_by_role("progressbar", name="Songs analysed")).to_be_visible()
        fits(page, width)
        for song in waiting:
            place_audio(song, recording)  # type: ignore[arg-type]
            Song.objects.filter(pk=song.pk).update(state=Song.State.ANALYSED)
            EstimateFactory(song=song, quadrant=Quadrant.Q1)
        plane = page.locator("[data-plane]")
        expect(plane).to_have_attribute("data-songs", "2")
        expect(page.locator(".quadrant__cover")).to_have_count(1)
        fits(page, width)
        page.get_by_role("button", name="Happy").click()
        wait_until_heard(page)
        fits(page, width)


def test_the_first_steps_are_walked_from_the_printed_link(open_page: Opener, tmp_path: Path) -> None:
    music = tmp_path / "music"
    music.mkdir()
    (music / "a.mp3").write_bytes(b"x")
    first_account_create()
    faults: list[str] = []
    looks = cycle((("light", 1440), ("dark", 360)))
    # The policy forbids what axe adds to a page.
    with open_page(viewport={"width": 360, "height": 900}, bypass_csp=True) as page:

        def look(address: str) -> None:
            page.wait_for_url(f"**{address}")
            theme, width = next(looks)
            page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            page.set_viewport_size({"width": width, "height": 900})
            faults.extend(f"{address}: {objection}" for objection in axe_objections(page))
            fits(page, width)

        page.goto(f"/setup/#{setup_token()}")
        expect(page.get_by_role("button", name="Begin")).to_be_focused()
        assert "#" not in page.url, "neither the history nor a picture of the window keeps the code"
        look("/setup/")
        page.keyboard.press("Enter")
        look("/setup/you/")
        page.get_by_label("Your name here").fill("anna")
        page.get_by_label("New password", exact=False).first.fill("seven poplars in a row 41")
        page.get_by_label("New password again").fill("seven poplars in a row 41")
        page.get_by_role("button", name="Save and go on").click()
        look("/setup/music/")
        page.get_by_label("Folder on the server").fill(str(music))
        page.keyboard.press("Enter")
        expect(page.get_by_text("1 audio file in this folder.")).to_be_visible()
        look("/setup/music/")
        page.get_by_role("button", name="Add this folder").click()
        expect(page.locator(".ticks")).to_contain_text(str(music))
        page.get_by_role("link", name="Go on").click()
        look("/setup/demo/")
        page.get_by_role("link", name="Back").click()
        page.wait_for_url("**/setup/music/")
        page.get_by_role("link", name="Who may join?").click()
        look("/setup/people/")
        page.get_by_label("Only people with an invitation").check()
        page.get_by_role("button", name="Save and finish").click()
        expect(page.get_by_text("Moodplane is yours.")).to_be_visible()
        expect(page.locator(".site-account__name")).to_have_text("anna")
    assert faults == []
    assert not is_setting_up()


def test_quadrants_open_while_songs_are_analysed(page: Page) -> None:
    EstimateFactory(quadrant=Quadrant.Q1)
    waiting = SongFactory.create_batch(2, state=Song.State.QUEUED)
    page.goto("/")
    tense = page.locator("#quadrant-2")
    expect(tense).to_be_disabled()
    page.locator("#quadrant-1").focus()
    Song.objects.filter(pk=waiting[0].pk).update(state=Song.State.ANALYSED)
    EstimateFactory(song=waiting[0], quadrant=Quadrant.Q2)
    expect(page.get_by_text("2 of 3 songs analysed.")).to_be_visible()
    expect(tense).to_be_enabled()
    expect(page.locator("#quadrant-1")).to_be_focused()


@pytest.mark.parametrize("width", WIDTHS)
def test_home_has_one_chooser_that_shows_without_scrolling(open_page: Opener, songs: list[Song], width: int) -> None:
    with open_page(viewport={"width": width, "height": 900}) as page:
        page.goto("/")
        expect(page.locator("[data-plane]")).to_have_attribute("data-songs", "32")
        plane, last = page.locator("[data-plane]").bounding_box(), page.locator(".quadrant").last.bounding_box()
        assert plane is not None
        assert last is not None
        assert plane["width"] >= {360: 320, 768: 560, 1440: 640}[width]
        assert last["y"] + last["height"] <= {360: 900, 768: 1000, 1440: 900}[width]
        assert last["height"] <= ROW_PX
        for name in ("Play around here", "I feel like this now"):
            expect(page.get_by_role("button", name=name)).to_be_hidden()
        # A visitor is shown no figures of the model, and no status of the machine.
        assert not re.search(r"[+\u2212-]\d[.,]\d", page.locator("main").inner_text())
        expect(page.locator("#site-header").get_by_role("link", name="Status")).to_have_count(0)


def test_twelve_songs_are_seen_on_one_and_a_half_screens(open_page: Opener, songs: list[Song]) -> None:
    with open_page(viewport={"width": 1280, "height": 800}) as page:
        page.goto("/")
        page.get_by_role("button", name="Happy").click()
        wait_until_heard(page)
        playlist = Playlist.objects.get()
        # As in a list in which something decided for a third of the songs.
        playlist.items.update(reason="")
        for item in playlist.items.filter(position__in=(2, 5, 8, 11)):
            PlaylistItem.objects.filter(pk=item.pk).update(reason="You liked it.")
        page.goto(f"/playlists/{playlist.pk}/")
        rows = page.locator("#playlist-items > li")
        expect(rows).to_have_count(12)
        boxes = [row.bounding_box() for row in rows.all()]
        bottom = boxes[-1]["y"] + boxes[-1]["height"]  # type: ignore[index]
        assert bottom <= 1.5 * 800
        heights = [box["height"] for box in boxes if box is not None]
        assert min(heights) <= ROW_PX + 2
        assert len([height for height in heights if height <= ROW_PX + 2]) == 8
        expect(page.locator(".song-row__reason:visible")).to_have_count(4)

        # What is folded away opens by a key, and names the place in words first.
        details = rows.nth(3).locator("summary")
        details.press("Enter")
        expect(rows.nth(3).locator(".facts")).to_contain_text("bright and lively (valence +")
        details.press("Enter")
        expect(rows.nth(3).locator(".facts")).to_be_hidden()


def test_a_user_has_a_menu_and_continues_in_the_players_place(
    open_page: Opener, alice: User, songs: list[Song]
) -> None:
    with open_page(viewport={"width": 360, "height": 740}) as page:
        sign_in(page, to="/")
        page.get_by_role("button", name="Calm").click()
        wait_until_heard(page)
        other = page.context.new_page()
        page.close()
        other.wait_for_timeout(6500)
        other.goto("/songs/")
        offer = other.get_by_role("region", name="Continue listening")
        expect(offer).to_be_visible()
        box = offer.bounding_box()
        assert box is not None
        assert (box["x"], box["width"], round(box["y"] + box["height"])) == (0, 360, 740)
        other.evaluate("scrollTo(0, document.body.scrollHeight)")
        footer = other.locator(".site-footer").bounding_box()
        assert footer is not None
        assert footer["y"] + footer["height"] <= box["y"] + 1, "the page makes room for it"
        fits(other, 360)

        assert other.evaluate("'moodplane.last' in localStorage")
        menu = other.get_by_role("button", name="Your menu")
        expect(other.get_by_role("button", name="Sign out")).to_be_hidden()
        menu.click()
        expect(other.get_by_role("link", name="Your account")).to_be_visible()
        fits(other, 360)
        other.get_by_role("button", name="Sign out").click()
        expect(other.get_by_role("link", name="Sign in").first).to_be_visible()
        kept = "Object.keys(localStorage).filter(key => key.startsWith('moodplane.last'))"
        assert other.evaluate(kept) == []
