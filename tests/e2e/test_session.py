"""A listener's session with the felt recommender: rate, travel, share, take along; in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from catalog.models import Song
from recommender.models import FeltRating, Listen, MoodCheckIn, Playlist
from tests.e2e.conftest import Opener, press_pad, rating_sheet
from tests.e2e.test_listening import order, set_slider, sign_up, wait_until_heard


def reasons(page: Page) -> dict[str, str]:
    """What the page says of each song of its list."""
    rows = page.eval_on_selector_all(
        "#playlist-items [data-track]",
        "rows => rows.map(row => [row.dataset.song, row.querySelector('.song-row__reason').textContent])",
    )
    return dict(rows)


def rate_as_unpleasant_and_calm(page: Page) -> None:
    """Press the lower left corner of the pad, and wait for the order that follows."""
    with page.expect_response(lambda answer: answer.request.method == "POST" and "/felt/" in answer.url) as response:
        press_pad(rating_sheet(page), -0.9, -0.9)
    assert response.value.ok
    said = response.value.json()
    if said["changed"]:
        # What an earlier rating did stands there until the page has the new order.
        expect(page.locator("#playlist-changes")).to_have_text(said["reranked"])


def test_three_ratings_reorder_the_rest_for_a_reason_that_says_so(page: Page, songs: list[Song]) -> None:
    page.goto("/")
    sign_up(page, "dora")
    page.get_by_text("Fine-tune").click()
    page.get_by_role("button", name="Play around here").click()
    wait_until_heard(page)
    before, said_before = order(page), reasons(page)
    assert not any("rating" in said for said in said_before.values())
    for number in range(3):
        song = page.locator("#player").get_attribute("data-song") or ""
        expect(page.locator("#player-rating form")).to_have_attribute("data-song", song)
        rate_as_unpleasant_and_calm(page)
        if number < 2:
            page.get_by_role("button", name="Next song").click()
            expect(page.locator("#player")).not_to_have_attribute("data-song", song)
    after, said_after = order(page), reasons(page)
    felt = FeltRating.objects.filter(listener__username="dora").values_list("felt_valence", "felt_arousal")
    assert list(felt) == [(-0.9, -0.9)] * 3
    assert after[0] == before[0]
    assert after[3:] != before[3:]
    expect(page.locator("#playlist-changes")).to_contain_text("Your rating of")
    changed = [song for song in after[3:] if "rating" in said_after[song] and said_after[song] != said_before.get(song)]
    assert changed, f"no reason names a rating: {said_after}"


def test_a_journey_is_made_shared_opened_signed_out_and_taken_along(
    page: Page, open_page: Opener, songs: list[Song], tmp_path: Path
) -> None:
    page.goto("/")
    sign_up(page, "edda")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Journey").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("A journey")
    set_slider(page, "#start-valence", "Home", 1)
    set_slider(page, "#start-valence", "PageUp", 3)
    set_slider(page, "#start-arousal", "PageUp", 3)
    expect(page.locator("#start-arousal")).to_have_attribute("aria-valuetext", "arousal +0.60, energetic")
    page.get_by_text("Length and filters").click()
    page.get_by_label("Length").select_option("6")
    page.get_by_role("button", name="Preview the journey").click()
    preview = page.locator("#journey-preview[data-shown]")
    expect(page.locator("#journey-way .way__song")).to_have_count(6)
    assert not Playlist.objects.exists()
    shown = preview.locator("[data-track]").evaluate_all("rows => rows.map(row => row.dataset.song)")
    page.get_by_role("button", name="Play this journey").click()
    wait_until_heard(page)
    assert order(page) == shown
    journey = Playlist.objects.get()
    assert (journey.kind, journey.path[0], journey.path[-1]) == ("journey", [-0.4, 0.6], [0.6, -0.4])

    page.get_by_text("Name, order, share, download").click()
    page.get_by_role("button", name="Share by link").click()
    link = page.get_by_label("Anyone with this link").input_value()
    with open_page() as visitor:
        visitor.goto(link)
        expect(visitor.get_by_role("heading", level=1)).to_have_text(journey.title)
        expect(visitor.locator("[data-track]")).to_have_count(6)
        expect(visitor.get_by_role("main")).not_to_contain_text("step 1")
        visitor.get_by_role("button", name="Play", exact=True).click()
        wait_until_heard(visitor)
        visitor.get_by_role("button", name="Save a copy").click()
        expect(visitor.get_by_role("main")).to_contain_text("This copy is yours.")
        assert order(visitor) == shown
    assert Listen.objects.filter(listener=None, playlist=None).exists()

    with page.expect_download() as download:
        page.get_by_role("link", name="JSPF").click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    assert file.name == f"{journey.title}.jspf"
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Playlists").click()
    page.get_by_text("Import a playlist").click()
    page.get_by_label("Playlist file").set_input_files(file)
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_role("main")).to_contain_text("6 of the 6 songs")
    assert order(page) == shown

    page.go_back()
    page.goto(f"/playlists/{journey.pk}/")
    page.get_by_role("button", name="Stop sharing").click()
    expect(page.get_by_role("main")).to_contain_text("The link no longer works.")
    with open_page(allow="404") as visitor:
        visitor.goto(link)
        expect(visitor.get_by_role("main")).to_contain_text("has stopped sharing the playlist")


def test_a_list_is_put_in_order_with_the_keyboard(page: Page, songs: list[Song]) -> None:
    page.goto("/")
    page.get_by_role("button", name="Sad").click()
    expect(page.locator("#playlist-items [data-track]")).to_have_count(12)
    page.get_by_text("Name, order, share, download").click()
    page.get_by_role("link", name="Edit the order").click()
    expect(page.locator("[data-arranging]")).to_be_visible()
    before = order(page)
    down = page.locator(f"#down-{before[2]}")
    down.focus()
    for expected in ([*before[:2], before[3], before[2], *before[4:]], [*before[:2], before[3], before[4], before[2]]):
        with page.expect_response("**/move/"):
            page.keyboard.press("Enter")
        expect(page.locator("#playlist-items [data-track]").nth(len(expected) - 1)).to_be_visible()
        expect(page.locator("#playlist-items [data-track]").nth(expected.index(before[2]))).to_have_attribute(
            "data-song", before[2]
        )
        expect(page.locator(f"#down-{before[2]}")).to_be_focused()
    assert Playlist.objects.get().arranged_at is not None
    expect(page.locator("#playlist-changes")).to_contain_text("is now at place 5.")
    drag_and_take_out(page)


def drag_and_take_out(page: Page) -> None:
    """With the mouse the first song goes to the third place; taken out, it comes back there."""
    before, rows = order(page), page.locator("#playlist-items [data-track]")

    def drag() -> None:
        # Far from the window's edges, where dragging would scroll the list away from under the pointer.
        rows.first.evaluate("row => scrollBy(0, row.getBoundingClientRect().top - 200)")
        grip, third = rows.first.locator("[data-grip]").bounding_box(), rows.nth(2).bounding_box()
        assert grip is not None
        assert third is not None
        page.mouse.move(grip["x"] + grip["width"] / 2, grip["y"] + grip["height"] / 2)
        page.mouse.down()
        page.mouse.move(grip["x"] + 20, third["y"] + third["height"] * 0.75, steps=5)
        expect(rows.nth(2)).to_have_attribute("data-song", before[0])

    drag()
    # Escape puts it back, and asks the server nothing.
    page.keyboard.press("Escape")
    assert order(page) == before
    page.mouse.up()
    drag()
    with page.expect_response("**/move/"):
        page.mouse.up()
    expect(page.locator("#playlist-changes")).to_contain_text("is now at place 3.")
    expected = [*before[1:3], before[0], *before[3:]]
    assert order(page) == expected
    rows.nth(2).get_by_role("button", name="Remove").click()
    expect(rows).to_have_count(len(before) - 1)
    page.locator("#playlist-undo").get_by_role("button", name="Undo").click()
    expect(rows).to_have_count(len(before))
    assert order(page) == expected
    expect(page.locator("#playlist-undo form")).to_have_count(0)


def test_a_mood_is_one_tap_and_becomes_the_start_of_a_journey(page: Page, songs: list[Song]) -> None:
    page.goto("/")
    page.get_by_text("Fine-tune").click()
    for axis in ("valence", "arousal"):
        page.locator(f"#pad-{axis}").fill("-0.5")
    page.get_by_role("button", name="I feel like this now").click()
    expect(page.locator("#mood-now")).to_contain_text("You feel sad")
    assert page.url.endswith("/")
    report = MoodCheckIn.objects.get()
    assert (report.valence, report.arousal) == (-0.5, -0.5)
    page.get_by_role("link", name="Start a journey from here").click()
    expect(page.locator("#start-valence")).to_have_value("-0.5")
    page.go_back()
    page.get_by_role("button", name="Withdraw").click()
    expect(page.locator("#mood-now")).to_contain_text("How are you now?")
    assert not MoodCheckIn.objects.exists()


def test_without_javascript_all_of_it_works_too(open_page: Opener, songs: list[Song], tmp_path: Path) -> None:
    with open_page(java_script_enabled=False) as page:
        page.goto("/")
        page.get_by_text("Fine-tune").click()
        page.get_by_role("button", name="I feel like this now").click()
        expect(page.locator("#mood-now")).to_contain_text("You feel neutral")
        page.get_by_role("link", name="Start a journey from here").click()
        page.get_by_role("button", name="Lift").click()
        expect(page.locator(".way__song")).to_have_count(12)
        first = page.locator("#journey-preview input[name=seed]").get_attribute("value")
        page.get_by_role("link", name="Another one").click()
        expect(page.locator("#journey-preview input[name=seed]")).not_to_have_attribute("value", first or "")
        page.get_by_role("button", name="Play this journey").click()
        page.get_by_text("Name, order, share, download").click()
        page.get_by_label("Title").fill("By hand")
        page.get_by_role("button", name="Save name and description").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("By hand")
        page.get_by_text("Name, order, share, download").click()
        page.get_by_role("link", name="Edit the order").click()
        before = order(page)
        page.locator(f"#up-{before[1]}").click()
        assert order(page)[:2] == [before[1], before[0]]


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_the_new_pages_are_not_wider_than_the_screen(open_page: Opener, songs: list[Song], width: int) -> None:
    Song.objects.filter(pk=songs[-1].pk).update(title="Donaudampfschifffahrtsgesellschaftskapitän" * 4)
    way = "/journey/?start_valence=-0.6&start_arousal=0.6&end_valence=0.6&end_arousal=-0.6&length=24"
    with open_page(viewport={"width": width, "height": 800}) as page:
        page.goto(way)
        page.get_by_role("button", name="Play this journey").click()
        page.get_by_text("Name, order, share, download").click()
        page.get_by_role("button", name="Share by link").click()
        link = page.get_by_label("Anyone with this link").input_value()
        where = page.url.split("?")[0].split("#")[0]
        for path in (None, way, f"{where}?arrange=1", "/playlists/", "/playlists/?saved=1", link):
            if path:
                page.goto(path)
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, f"{path or 'the playlist'} is {wide} pixels too wide"
