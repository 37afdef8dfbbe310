"""The library in a real browser: find an album as one types, play it, and put songs where they should go."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from catalog.models import Song
from recommender.models import Playlist
from tests.e2e.conftest import Opener
from tests.factories import AlbumFactory


@pytest.fixture
def box(songs: list[Song]) -> list[Song]:
    """An album of two discs, whose twelve songs can be played."""
    album = AlbumFactory(title="Évenings", artist=songs[0].artist)
    for number, song in enumerate(songs[:12]):
        song.album, song.disc_number, song.track_number = album, 1 + number // 6, 1 + number % 6
        song.artist, song.title = songs[0].artist, f"Part {number + 1}"
        song.save()
    return songs[:12]


def queue_titles(page: Page) -> list[str]:
    return page.locator("#player-queue [data-queue-title]").all_inner_texts()


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_an_album_is_found_played_and_a_song_put_next(open_page: Opener, box: list[Song], width: int) -> None:
    with open_page(viewport={"width": width, "height": 900}) as page:
        page.goto("/library/")
        page.get_by_role("link", name="Search").first.click()
        expect(page.locator("h1")).to_have_text("Search")
        page.get_by_role("searchbox").press_sequentially("evenigs")
        expect(page.get_by_text("Showing “evenings”")).to_be_visible()
        page.get_by_role("link", name="Évenings").first.click()
        expect(page.locator("h1")).to_have_text("Évenings")
        expect(page.get_by_role("heading", name="Disc 2")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

        page.get_by_role("button", name="Play", exact=True).first.click()
        expect(page.locator(".song-row[data-playing] .song-row__title")).to_have_text("Part 1")
        page.get_by_label("More about Part 9").click()
        row = page.locator(".song-row", has=page.get_by_role("link", name="Part 9", exact=True))
        row.get_by_role("button", name="Play next").click()
        expect(page.locator("#toast")).to_have_text("Part 9 plays next.")
        row.get_by_role("link", name="Add to playlist").click()
        row.get_by_label("New playlist").fill("Keepers")
        row.get_by_label("New playlist").press("Enter")
        expect(row.get_by_text("Added to “Keepers”.")).to_be_visible()
        page.keyboard.press("q")
        expect(page.locator("#player-queue")).to_be_visible()
        assert queue_titles(page)[:3] == ["Part 1", "Part 9", "Part 2"]
    assert Playlist.objects.get(title="Keepers").items.get().song == box[8]


def test_a_list_goes_on_as_one_scrolls_and_plays_whole(page: Page, box: list[Song]) -> None:
    page.goto("/songs/?sort=title")
    expect(page.locator("#song-rows > .song-row")).to_have_count(30)
    page.mouse.wheel(0, 20_000)
    expect(page.locator("#song-rows > .song-row")).to_have_count(32)
    page.get_by_role("button", name="Shuffle", exact=True).first.click()
    expect(page.locator("[data-player-title]").first).not_to_be_empty()
    page.keyboard.press("q")
    expect(page.locator("#player-queue li")).to_have_count(32)
