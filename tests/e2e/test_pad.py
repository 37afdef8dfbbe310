"""The plane in a real browser: pressed, dragged over, pointed at and touched; and all of it with keys alone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from catalog.models import Song
from recommender.models import MoodCheckIn, Playlist
from tests.e2e.conftest import Opener
from tests.e2e.test_listening import set_slider, wait_until_heard

# As in static/js/pad/view.js: the plane's edge lies this share inside the element.
MARGIN = 0.05
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


def pixel(page: Page, valence: float, arousal: float) -> tuple[float, float]:
    """Where a place of the plane is on the screen."""
    box = page.locator("[data-plane]").bounding_box()
    assert box is not None
    across, down = ((value + 1) / 2 * (1 - 2 * MARGIN) + MARGIN for value in (valence, -arousal))
    return box["x"] + across * box["width"], box["y"] + down * box["height"]


def drag(page: Page, start: tuple[float, float], end: tuple[float, float], *, release: bool = True) -> None:
    page.mouse.move(*pixel(page, *start))
    page.mouse.down()
    page.mouse.move(*pixel(page, *end), steps=5)
    if release:
        page.mouse.up()


def ready(page: Page, n_songs: int) -> Locator:
    """Wait until the songs are on the plane."""
    plane = page.locator("[data-plane]")
    expect(plane).to_have_attribute("data-songs", str(n_songs))
    return plane


def values_in(url: str) -> dict[str, float]:
    """The coordinates in an address."""
    return {name: float(value) for name, value in re.findall(r"(\w+_(?:valence|arousal))=(-?[\d.]+)", url)}


def test_pointing_shows_the_song_and_a_click_plays_around_it(page: Page, songs: list[Song]) -> None:
    page.goto("/")
    ready(page, 32)
    estimate = songs[0].estimates.get()
    card = page.locator("[data-plane-card]")
    expect(card).to_be_hidden()
    page.mouse.move(*pixel(page, estimate.valence, estimate.arousal))
    expect(card).to_contain_text(songs[0].title)
    expect(card).to_contain_text(songs[0].artist.name)
    expect(card.locator(".badge")).to_contain_text("Happy")
    expect(page.locator("[data-pad-near]")).to_have_text(re.compile(r"pleasant, .* · \d+ songs? near here$"))
    painted = "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)"
    assert page.locator("[data-plane-dots]").evaluate(painted)
    assert page.locator("[data-plane-lit]").evaluate(painted)
    # Without a pointer on the plane, nothing is shown.
    page.mouse.move(2, 2)
    expect(card).to_be_hidden()
    page.mouse.click(*pixel(page, 0.5, -0.4))
    wait_until_heard(page)
    playlist = Playlist.objects.get()
    assert [playlist.target_valence, playlist.target_arousal] == pytest.approx([0.5, -0.4], abs=0.02)


def test_a_drag_draws_a_journey_and_can_be_given_up(page: Page, songs: list[Song]) -> None:
    page.goto("/")
    ready(page, 32)
    arrow = page.locator("[data-pad-arrow]")
    expect(arrow).to_be_hidden()
    drag(page, (-0.6, 0.4), (0.5, -0.2), release=False)
    expect(arrow).to_be_visible()
    expect(page.locator("[data-pad-start]")).to_have_text("Start")
    expect(page.locator("[data-pad-end-tag]")).to_have_text("End")
    page.keyboard.press("Escape")
    expect(arrow).to_be_hidden()
    page.mouse.up()
    # Back to where it began: nothing is meant either.
    drag(page, (-0.6, 0.4), (0.5, -0.2), release=False)
    page.mouse.move(*pixel(page, -0.6, 0.4))
    page.mouse.up()
    expect(arrow).to_be_hidden()
    page.wait_for_timeout(300)
    assert (page.url.split("/", 3)[3], Playlist.objects.exists()) == ("", False)

    page.get_by_text("Length and filters").click()
    page.get_by_label("Artist").press_sequentially("arti")
    expect(page.locator("#artist-options option")).to_have_count(10)
    page.get_by_label("Artist").fill("")
    page.get_by_label("Length").select_option("6")
    expect(page.locator("[data-limits-set]")).to_have_text("6 songs")
    drag(page, (-0.6, 0.4), (0.5, -0.2))
    expect(page.locator("[data-journey-row]")).to_have_count(6)
    expect(page.locator("#journey-way [data-journey-stop]")).to_have_count(6)
    asked = values_in(page.url)
    for name, value in {"start_valence": -0.6, "start_arousal": 0.4, "end_valence": 0.5, "end_arousal": -0.2}.items():
        assert asked[name] == pytest.approx(value, abs=0.02)


def test_a_mood_is_one_press_and_the_start_of_the_journey(page: Page, songs: list[Song]) -> None:
    page.goto("/")
    ready(page, 32)
    mark = page.locator("[data-pad-mood]")
    expect(mark).to_be_hidden()
    chip = page.get_by_role("button", name="How are you now?")
    chip.click()
    expect(chip).to_have_attribute("aria-pressed", "true")
    expect(page.locator("[data-press-message]")).to_contain_text("Press where you are now")
    # Given up, the next press plays again.
    page.keyboard.press("Escape")
    expect(chip).to_have_attribute("aria-pressed", "false")
    chip.click()
    page.mouse.click(*pixel(page, -0.5, -0.5))
    expect(page.locator("#mood-now")).to_contain_text("You feel sad")
    expect(mark).to_be_visible()
    expect(page.locator("[data-press-message]")).to_contain_text("Press to play")
    assert MoodCheckIn.objects.get().valence == pytest.approx(-0.5, abs=0.02)
    assert not Playlist.objects.exists()
    page.get_by_text("Fine-tune").click()
    page.get_by_role("button", name="Journey to here").click()
    page.wait_for_url("**/journey/?**")
    assert values_in(page.url)["start_valence"] == pytest.approx(-0.5, abs=0.02)
    page.go_back()
    expect(mark).to_be_visible()
    page.get_by_role("link", name="You feel sad").click()
    expect(page.locator("#start-valence")).to_have_value("-0.5")
    page.go_back()
    page.get_by_role("button", name="Withdraw").click()
    expect(page.locator("#mood-now")).to_contain_text("How are you now?")
    expect(mark).to_be_hidden()
    assert not MoodCheckIn.objects.exists()


def test_keys_alone_aim_bend_and_play_a_journey(page: Page, songs: list[Song]) -> None:
    page.goto("/")
    ready(page, 32)
    # The chip leads a keyboard to the sliders, which do the same as the plane.
    page.get_by_role("button", name="How are you now?").press("Enter")
    expect(page.locator("#pad-valence")).to_be_focused()
    set_slider(page, "#pad-valence", "End", 1)
    expect(page.locator("[data-pad-said]")).to_have_text(
        re.compile(r"near here(\. Nearest: “Song \d+” by Artist \d+, \w+\.)?$")
    )
    set_slider(page, "#pad-valence", "PageDown", 2)
    set_slider(page, "#pad-arousal", "PageUp", 3)
    expect(page.locator("[data-pad-said]")).to_contain_text("Nearest: “")
    expect(page.locator("[data-plane-card]")).to_be_visible()
    page.get_by_role("button", name="Journey to here").press("Enter")
    end = page.get_by_role("button", name=re.compile("^Where you want to be: pleasant, energetic"))
    expect(end).to_be_visible()
    rows = page.locator("[data-journey-row]")
    expect(rows).to_have_count(12)
    with page.expect_response("**/journey/?**") as response:
        end.press("ArrowDown")
        end.press("Shift+ArrowDown")
    assert values_in(response.value.url)["end_arousal"] == 0.35
    expect(page.locator("#end-arousal")).to_have_value("0.35")
    expect(page.locator("[data-journey-said]")).to_contain_text("Where you want to be: pleasant, energetic")

    with page.expect_response("**/journey/?**") as response:
        page.get_by_role("button", name="Add a waypoint").press("Enter")
    via = page.locator("[data-journey-handle=via]")
    expect(via).to_be_focused()
    assert "via=1" in response.value.url
    via.press("ArrowUp")
    expect(page.locator("#journey-way [data-journey-asked]")).to_have_attribute("points", re.compile(r"^\S+ \S+ \S+$"))
    via.press("Delete")
    expect(via).to_be_hidden()
    expect(page.get_by_role("button", name="Add a waypoint")).to_be_focused()
    with page.expect_response("**/journey/?**") as response:
        page.get_by_role("button", name="Focus").press("Enter")
    asked = values_in(response.value.url)
    assert (asked["end_valence"], asked["end_arousal"]) == (0.3, -0.15)
    assert "variety=0.1" in response.value.url
    expect(page.get_by_role("button", name="Focus")).to_have_attribute("aria-pressed", "true")
    with page.expect_response("**/journey/?**"):
        page.get_by_role("button", name="Lift").press("Enter")
    expect(page.get_by_role("button", name="Focus")).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#end-valence")).to_have_value("0.6")
    expect(page.get_by_role("button", name="Lift")).to_have_attribute("aria-pressed", "true")
    # A focused row shows its place on the way.
    rows.nth(2).locator(".song-row__title").focus()
    expect(page.locator("#journey-way .is-highlighted")).to_have_attribute("data-journey-stop", "3")
    page.get_by_role("button", name="Play this journey").press("Enter")
    wait_until_heard(page)
    assert Playlist.objects.get().path == [[0.0, 0.0], [0.6, 0.6]]


def test_handles_are_dragged_and_the_plane_takes_way_points(page: Page, songs: list[Song]) -> None:
    page.goto("/journey/?start_valence=-0.5&start_arousal=0.5&end_valence=0.5&end_arousal=-0.5&length=6")
    ready(page, 32)
    before = page.url
    with page.expect_response("**/journey/?**") as response:
        drag(page, (-0.5, 0.5), (-0.7, -0.6))
    assert values_in(response.value.url)["start_arousal"] == pytest.approx(-0.6, abs=0.02)
    expect(page).not_to_have_url(before)
    with page.expect_response("**/journey/?**") as response:
        page.mouse.click(*pixel(page, 0.1, 0.8))
    assert values_in(response.value.url)["via_arousal"] == pytest.approx(0.8, abs=0.02)
    expect(page.get_by_role("button", name=re.compile("^First waypoint"))).to_be_visible()
    expect(page.locator("[data-journey-row]")).to_have_count(6)
    page.locator("[data-journey-row='4']").hover()
    expect(page.locator("#journey-way .is-highlighted")).to_have_attribute("data-journey-stop", "4")
    page.get_by_role("button", name="Remove: First waypoint").click()
    expect(page.locator("[data-journey-point=via]")).to_be_hidden()


def test_a_finger_plays_and_draws_and_the_page_still_scrolls(open_page: Opener, songs: list[Song]) -> None:
    with open_page(**PHONE) as page:
        page.goto("/")
        plane = ready(page, 32)
        box, quadrant = plane.bounding_box(), page.locator(".quadrant").first.bounding_box()
        assert box is not None
        assert quadrant is not None
        assert box["height"] == box["width"] <= 360
        assert quadrant["y"] - box["y"] - box["height"] < 80, "the quadrants come right after the pad"
        assert quadrant["height"] <= 64
        assert plane.evaluate("plane => getComputedStyle(plane).touchAction") == "none"
        assert page.locator("main").evaluate("main => getComputedStyle(main).touchAction") == "auto"
        page.touchscreen.tap(*pixel(page, -0.5, 0.5))
        page.wait_for_url("**/playlists/**")
        assert Playlist.objects.get().target_arousal == pytest.approx(0.5, abs=0.02)
        page.goto("/")
        ready(page, 32)
        finger = page.context.new_cdp_session(page)
        for kind, place in (("Start", (-0.5, 0.5)), ("Move", (0.0, 0.0)), ("Move", (0.4, -0.5)), ("End", None)):
            touches = [] if place is None else [dict(zip("xy", pixel(page, *place), strict=True))]
            finger.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": touches})
        page.wait_for_url("**/journey/?**")
        assert values_in(page.url)["end_arousal"] == pytest.approx(-0.5, abs=0.02)


def test_without_javascript_the_sliders_and_buttons_do_it_all(open_page: Opener, songs: list[Song]) -> None:
    with open_page(java_script_enabled=False) as page:
        page.goto("/")
        expect(page.get_by_text("How are you now?")).to_be_hidden()
        page.get_by_text("Fine-tune").click()
        page.get_by_label("Valence: how pleasant").fill("0.4")
        page.get_by_role("button", name="Play around here").click()
        expect(page.locator("[data-track]")).to_have_count(12)
        assert Playlist.objects.get().target_valence == 0.4
        page.goto("/")
        page.get_by_text("Fine-tune").click()
        page.get_by_label("Arousal: how energetic").fill("0.6")
        page.get_by_role("button", name="Journey to here").click()
        expect(page.locator(".way__song")).to_have_count(12)
        page.get_by_label("Waypoint via: First waypoint").check()
        page.get_by_role("button", name="Calm").click()
        expect(page.locator("#end-arousal")).to_have_value("-0.6")
        page.get_by_role("button", name="Play this journey").click()
        expect(page.locator("[data-track]")).to_have_count(12)
        assert Playlist.objects.order_by("pk").last().path == [[0.0, 0.0], [0.0, 0.0], [0.6, -0.6]]  # type: ignore[union-attr]
