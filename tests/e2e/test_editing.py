"""A curator's evening by keyboard alone: songs found, changed, corrected, undone, analysed again and deleted."""

from __future__ import annotations

import re

from django.contrib.auth.models import User
from playwright.sync_api import Locator, Page, expect

from catalog.models import Song, SongChange
from emotion.inference.quadrants import Quadrant
from emotion.library.services import Override, library_edit
from emotion.models import EmotionEstimate
from tests.e2e.conftest import Opener
from tests.e2e.test_accessibility import faults


def press(place: Locator, key: str) -> None:
    """Press a key where the focus was brought."""
    place.focus()
    place.page.keyboard.press(key)


def sign_in(page: Page, user: User, password: str, to: str) -> None:
    page.goto(f"/accounts/login/?next={to}")
    page.fill("[name=username]", user.username)
    page.fill("[name=password]", password)
    press(page.get_by_role("main").get_by_role("button", name="Sign in"), "Enter")
    expect(page.get_by_role("heading", level=1, name="Library")).to_be_visible()


def test_a_curators_evening_by_keyboard(page: Page, songs: list[Song], cleo: User, password: str) -> None:
    Song.objects.filter(pk__in=[song.pk for song in songs[:3]]).update(genre="Wrong genre")
    sign_in(page, cleo, password, "/songs/edit/")
    main = page.get_by_role("main")

    # Found by their faults.
    press(main.get_by_label("Search"), "End")
    page.keyboard.type("wrong genre")
    rows = main.locator("[data-library-row]")
    expect(rows).to_have_count(3)
    expect(page).to_have_url(re.compile("q=wrong"))

    # Chosen one by one, then all of the page; from a song's box the next stop is its title, then its own button.
    chosen = main.locator("[data-library-chosen]")
    press(rows.nth(0).get_by_role("checkbox"), "Space")
    expect(chosen).to_have_text("1 song chosen")
    page.keyboard.press("Tab")
    expect(rows.nth(0).locator(".library__title")).to_be_focused()
    page.keyboard.press("Tab")
    expect(rows.nth(0).get_by_role("link", name="Edit")).to_be_focused()
    press(main.get_by_label("Choose all on this page"), "Space")
    expect(chosen).to_have_text("3 songs chosen")
    press(main.get_by_role("button", name="Edit"), "Enter")

    # Changed together, looked at first.
    expect(main.get_by_role("heading", level=1, name="Edit 3 songs")).to_be_visible()
    genre = main.get_by_label("Genre", exact=True)
    expect(genre).to_have_value("Wrong genre")
    genre.focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("Chamber")
    press(main.get_by_role("radio", name="Unchanged"), "ArrowDown")
    expect(main.get_by_role("radio", name="Happy")).to_be_checked()
    press(main.get_by_role("button", name="Preview changes"), "Enter")
    preview = main.locator("#change-preview")
    expect(preview).to_contain_text("Chamber")
    expect(preview).to_contain_text("3 of 3 songs")
    assert not SongChange.objects.exists()
    press(main.get_by_role("button", name="Save for 3 songs"), "Enter")

    # Undone from the message.
    banner = main.locator(".messages")
    expect(banner).to_contain_text("3 songs were changed.")
    assert Song.objects.filter(genre="Chamber").count() == 3
    assert (
        EmotionEstimate.objects.with_effective().filter(is_overridden=True, effective_quadrant=Quadrant.Q1).count() == 3
    )
    press(banner.get_by_role("button", name="Undo"), "Enter")
    expect(banner).to_contain_text("Undone: everything is as it was before.")
    expect(rows).to_have_count(3)
    assert not Song.objects.filter(genre="Chamber").exists()

    # On the page of a song, with a reason.
    press(rows.nth(0).locator(".library__title"), "Enter")
    tools = main.get_by_role("region", name="For curators")
    tools.get_by_label("Why (optional)").focus()
    page.keyboard.type("Listen to the bridge")
    press(tools.get_by_role("button", name="Calm"), "Enter")
    expect(main.locator(".mood-word")).to_contain_text("Calm, set by cleo; the model's estimate is")
    expect(tools.get_by_role("button", name="Calm")).to_have_attribute("aria-pressed", "true")
    expect(tools).to_contain_text("“Listen to the bridge”")
    press(tools.get_by_role("button", name="Undo", exact=True), "Enter")
    expect(main.locator(".mood-word")).to_have_count(0)

    # Analysed again: once, however often it is requested; and the page says when it is done.
    press(tools.get_by_role("button", name="Analyse again"), "Enter")
    expect(tools.get_by_text("Queued")).to_be_visible()
    with page.expect_response(lambda answer: answer.request.method == "POST"):
        page.keyboard.press("Enter")
    Song.objects.update(state=Song.State.ANALYSED)
    expect(tools.get_by_role("link", name="Show the spectrogram")).to_be_visible()

    # Deleted only after a yes.
    press(tools.get_by_role("link", name="Delete"), "Enter")
    expect(main).to_contain_text("This cannot be undone.")
    press(main.get_by_role("button", name="Delete 1 song for good"), "Enter")
    expect(banner).to_contain_text("1 song was deleted.")
    assert Song.objects.count() == len(songs) - 1


def test_the_library_has_no_obstacles(open_page: Opener, songs: list[Song], cleo: User, password: str) -> None:
    library_edit(song_ids=[songs[0].pk], values={"genre": "Folk"}, override=Override(Quadrant.Q3, "Slow"), editor=cleo)
    both = f"song={songs[0].pk}&song={songs[1].pk}"
    found: list[str] = []
    # The policy forbids what axe adds to a page.
    with open_page(bypass_csp=True) as page:
        sign_in(page, cleo, password, "/songs/edit/")
        for path in (
            "/songs/edit/",
            f"/songs/edit/change/?{both}",
            "/songs/edit/history/",
            f"/songs/{songs[0].pk}/",
            f"/songs/delete/?{both}",
        ):
            page.goto(path)
            found += faults(page)
    assert found == []
