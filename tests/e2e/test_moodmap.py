"""My mood map in a real browser: read by mouse and by keyboard, taken along, deleted."""

from __future__ import annotations

import json
import zipfile

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from catalog.models import Song
from emotion.models import EmotionEstimate
from recommender.models import FeltRating, Playlist
from recommender.requests import Listener, Target
from recommender.services import feedback, playlists, sharing
from tests.e2e.conftest import Opener, sign_in
from tests.factories import PASSWORD

SCREENS = [(390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")]


@pytest.fixture
def rated(alice: User, songs: list[Song]) -> list[Song]:
    """Twenty-four songs that Alice rated, each sadder than it sounds, and a mood and a shared list of hers."""
    feedback.check_in_create(listener=Listener(alice), valence=-0.2, arousal=0.3)
    for number, song in enumerate(songs[:24]):
        at = EmotionEstimate.objects.get(song=song)
        feedback.feedback_record(
            user=alice,
            song=song,
            felt_valence=max(at.valence - 0.4, -1),
            felt_arousal=at.arousal * 0.8,
            liked=number < 20,
        )
    playlist = playlists.playlist_create(listener=Listener(alice), target=Target(0.5, 0.5), length=5, seed=1)
    sharing.playlist_share(playlist=playlist)
    return songs[:24]


def test_the_map_is_read_by_mouse_and_by_keyboard(page: Page, rated: list[Song]) -> None:
    sign_in(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("My mood map")
    caption, lines = page.locator("[data-felt-sentence]"), page.locator("[data-felt-line]")
    expect(lines).to_have_count(24)
    lines.last.locator("circle").last.hover()
    expect(caption).to_contain_text(rated[-1].title)

    # All lines are one stop of the Tab key; arrows go through them, the newest first.
    page.get_by_role("link", name="Skip the songs on the plane").focus()
    page.keyboard.press("Tab")
    expect(lines.last).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(lines.nth(22)).to_be_focused()
    expect(caption).to_contain_text(rated[22].title)
    page.keyboard.press("Home")
    expect(lines.first).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_text("As a table")).to_be_focused()
    lines.first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(rated[0].title)


def test_a_rating_is_withdrawn_in_the_list(page: Page, rated: list[Song]) -> None:
    sign_in(page)
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name=f"Withdraw the rating of {rated[-1].title}").click()
    expect(page.get_by_text("was withdrawn")).to_be_visible()
    assert FeltRating.objects.count() == 23


def test_all_data_is_taken_along_and_then_deleted(page: Page, rated: list[Song], open_page: Opener) -> None:
    sign_in(page)
    shared = Playlist.objects.get().share_token
    with page.expect_download() as document:
        page.get_by_role("link", name="Download JSON").click()
    exported = json.loads(document.value.path().read_text())
    assert document.value.suggested_filename.startswith("moodplane-alice-")
    assert (len(exported["ratings"]), len(exported["moods"]), len(exported["playlist_items"])) == (24, 1, 5)
    with page.expect_download() as tables:
        page.get_by_role("link", name="Download CSV").click()
    with zipfile.ZipFile(tables.value.path()) as archive:
        assert archive.read("ratings.csv").decode().count("\n") == 25

    page.get_by_role("link", name="Delete what was learned").click()
    expect(page.get_by_text("24 ratings of what you felt about songs")).to_be_visible()
    page.get_by_role("button", name="Delete all of this").click()
    expect(page.get_by_role("heading", name="No ratings yet")).to_be_visible()
    assert not FeltRating.objects.exists()

    page.get_by_role("link", name="Delete my account").click()
    page.get_by_label("Your password").fill("not it")
    page.get_by_role("button", name="Delete my account and everything").click()
    expect(page.get_by_text("This is not your password")).to_be_visible()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Delete my account and everything").click()
    expect(page.get_by_text("were deleted")).to_be_visible()
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    assert not User.objects.exists()
    assert not Playlist.objects.exists()
    with open_page(allow="404") as other:
        answer = other.goto(f"/shared/{shared}/")
        assert answer is not None
        assert answer.status == 404


def test_without_javascript_all_of_it_works(open_page: Opener, rated: list[Song]) -> None:
    with open_page(java_script_enabled=False) as page:
        page.goto("/me/")
        expect(page.get_by_role("heading", name="Sign in to see your mood map")).to_be_visible()
        page.get_by_role("main").get_by_role("link", name="Sign in").click()
        page.fill("[name=username]", "alice")
        page.fill("[name=password]", PASSWORD)
        page.get_by_role("main").get_by_role("button", name="Sign in").click()
        expect(page.locator("[data-felt-line]")).to_have_count(24)
        expect(page.locator("[data-felt-sentence]")).to_be_hidden()
        assert rated[0].title in (page.locator("[data-felt-line] title").first.text_content() or "")
        page.get_by_role("link", name="Delete my account").click()
        page.get_by_label("Your password").fill(PASSWORD)
        page.get_by_role("button", name="Delete my account and everything").click()
        expect(page.get_by_text("were deleted")).to_be_visible()
    assert not User.objects.exists()


@pytest.mark.parametrize(("width", "scheme"), SCREENS)
def test_nothing_sticks_out_on_any_screen(open_page: Opener, rated: list[Song], width: int, scheme: str) -> None:
    Song.objects.filter(pk=rated[-1].pk).update(title="Ein-ganz-und-gar-unerhört-langer-Titel-ohne-jede-Lücke-" * 3)
    with open_page(viewport={"width": width, "height": 900}, color_scheme=scheme) as page:
        sign_in(page)
        for where in ("/me/", "/me/forget/", "/me/delete/"):
            page.goto(where)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
