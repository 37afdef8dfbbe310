"""A listener's evening, in a real browser: sign up, choose a mood, hear, rate, and see the list follow."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from catalog.models import Song
from recommender.models import FeltRating, Listen, Playlist
from tests.e2e.conftest import Opener, press_pad, rating_sheet

HEARD_WITHIN_S = 30.0
NEW_PASSWORD = "a long enough secret 42"


def audio_time_s(page: Page) -> float:
    return float(page.evaluate("document.querySelector('[data-player-audio]').currentTime"))


def wait_until_heard(page: Page, beyond_s: float = 0.5) -> None:
    # Asked from here: the page's policy forbids the eval that waiting inside the page would need.
    deadline = time.monotonic() + HEARD_WITHIN_S
    while audio_time_s(page) <= beyond_s:
        assert time.monotonic() < deadline, f"the music stands at {audio_time_s(page)} s"
        page.wait_for_timeout(50)


def order(page: Page) -> list[str]:
    songs: list[str] = page.eval_on_selector_all(
        "#playlist-items [data-track]", "rows => rows.map(row => row.dataset.song)"
    )
    return songs


def sign_up(page: Page, name: str) -> None:
    page.get_by_role("link", name="Sign up").first.click()
    page.fill("[name=username]", name)
    page.fill("[name=password1]", NEW_PASSWORD)
    page.fill("[name=password2]", NEW_PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Sign up").click()
    expect(page.locator(".site-account__name")).to_have_text(name)


def set_slider(page: Page, selector: str, key: str, presses: int) -> None:
    page.focus(selector)
    for _ in range(presses):
        page.keyboard.press(key)


def test_a_listener_signs_up_plays_a_mood_rates_and_the_rest_changes(
    page: Page, songs: list[Song], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The seed of the list: with some, one rating moves nothing.
    monkeypatch.setattr(secrets, "randbits", lambda bits: 3)
    page.goto("/")
    sign_up(page, "dora")
    page.get_by_role("button", name="Calm").click()
    wait_until_heard(page)
    before = order(page)
    assert len(before) == 12
    expect(page.locator("[data-track][aria-current=true]")).to_have_attribute("data-song", before[0])

    panel = rating_sheet(page)
    expect(panel.locator("[name=felt_valence]")).to_have_attribute("aria-valuetext", "not answered yet")
    press_pad(panel, 0.9, 0.9)
    expect(panel.locator("[name=felt_arousal]")).to_have_attribute("aria-valuetext", "90 % towards energetic")

    expect(page.locator("#playlist-changes")).to_contain_text("moved")
    after = order(page)
    assert after[0] == before[0], "what was played keeps its place"
    assert after != before
    assert page.locator(".is-moved").count() > 0
    rating = FeltRating.objects.get(listener__username="dora")
    assert (str(rating.song_id), rating.felt_valence, rating.felt_arousal) == (before[0], 0.9, 0.9)

    # The next song is the first of the new order, not of the old one.
    page.get_by_role("button", name="Next song").click()
    expect(page.locator("#player")).to_have_attribute("data-song", after[1])
    # The rating panel follows the music.
    expect(panel.locator("form")).to_have_attribute("data-song", after[1])
    expect(panel.locator("[name=felt_valence]")).to_have_attribute("aria-valuetext", "not answered yet")


def test_the_music_plays_on_while_pages_change(page: Page, songs: list[Song]) -> None:
    page.goto("/")
    page.get_by_role("button", name="Happy").click()
    wait_until_heard(page)
    page.evaluate("document.querySelector('[data-player-audio]').dataset.mark = 'same element'")
    title = page.locator("[data-player-title]").inner_text()
    for link, heading in (("Library", "Library"), ("Journey", "A journey"), ("Playlists", "Your playlists")):
        page.get_by_role("navigation", name="Main").get_by_role("link", name=link).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
        expect(page).to_have_title(f"♪ {title} · {link} · Moodplane")
    before_s = audio_time_s(page)
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("A journey")
    wait_until_heard(page, before_s + 0.3)
    assert page.locator("[data-player-audio]").get_attribute("data-mark") == "same element"
    expect(page.locator("[data-player-title]")).to_have_text(title)


def test_a_reload_remembers_the_song(page: Page, songs: list[Song]) -> None:
    page.goto("/")
    page.get_by_role("button", name="Sad").click()
    wait_until_heard(page)
    song = page.locator("#player").get_attribute("data-song")
    page.reload()
    expect(page.locator("#player")).to_have_attribute("data-song", song or "")
    assert Playlist.objects.count() == 1


def test_a_keyboard_is_enough(page: Page, songs: list[Song]) -> None:
    page.goto("/")
    for _ in range(25):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('[data-fine-tune] > summary')"):
            break
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    slider = page.locator("#pad-valence")
    expect(slider).to_be_focused()
    page.keyboard.press("ArrowRight")
    assert slider.input_value() == "0.01"
    page.keyboard.press("Home")
    expect(slider).to_have_attribute("aria-valuetext", "valence −1.00, very unpleasant")
    page.keyboard.press("Tab")
    page.keyboard.press("PageUp")
    expect(page.locator("#pad-arousal")).to_have_attribute("aria-valuetext", "arousal +0.20, slightly energetic")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    wait_until_heard(page)
    playlist = Playlist.objects.get()
    assert (playlist.target_valence, playlist.target_arousal) == (-1.0, 0.2)


def test_shortcuts_pause_seek_and_mute(page: Page, songs: list[Song]) -> None:
    page.goto("/")
    page.get_by_role("button", name="Happy").click()
    wait_until_heard(page)
    page.keyboard.press("Space")
    expect(page.locator("[data-player-toggle]")).to_have_attribute("aria-label", "Play")
    paused_s = audio_time_s(page)
    page.keyboard.press("ArrowRight")
    wait_until_heard(page, paused_s + 9)
    page.keyboard.press("m")
    expect(page.locator("[data-player-mute]")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Space")
    expect(page.locator("[data-player-toggle]")).to_have_attribute("aria-label", "Pause")


def test_letters_typed_into_a_field_are_no_shortcuts(page: Page, songs: list[Song]) -> None:
    page.goto("/")
    page.get_by_role("button", name="Happy").click()
    wait_until_heard(page)
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Library").click()
    page.get_by_role("searchbox").press_sequentially("m m")
    expect(page.locator("[data-player-mute]")).to_have_attribute("aria-pressed", "false")
    expect(page.locator("[data-player-toggle]")).to_have_attribute("aria-label", "Pause")


def test_a_file_that_cannot_be_played_is_said_and_passed_over(open_page: Opener, songs: list[Song]) -> None:
    with open_page(allow="/audio") as page:
        page.goto("/songs/")
        first = page.locator("[data-track]").first
        broken = Song.objects.get(pk=int(first.get_attribute("data-song") or 0))
        (Path(settings.MEDIA_ROOT) / str(broken.audio.name)).unlink()
        first.locator("[data-play]").click()
        expect(page.locator("[data-player-status]")).to_contain_text(f"“{broken.title}” could not be played")
        second = page.locator("[data-track]").nth(1).get_attribute("data-song") or ""
        expect(page.locator("#player")).to_have_attribute("data-song", second)
        wait_until_heard(page)


def test_an_early_skip_of_a_listener_is_noted(page: Page, songs: list[Song]) -> None:
    page.goto("/")
    sign_up(page, "emil")
    page.get_by_role("button", name="Tense").click()
    wait_until_heard(page)
    skipped = page.locator("#player").get_attribute("data-song") or ""
    with page.expect_response("**/skipped/") as response:
        page.get_by_role("button", name="Next song").click()
    assert response.value.ok
    listen = Listen.objects.get(listener__username="emil", song_id=skipped)
    assert (listen.outcome, listen.listened_s is not None) == ("skipped", True)
    assert not FeltRating.objects.exists()


def test_a_visitor_plays_music_and_must_sign_in_to_rate(page: Page, songs: list[Song]) -> None:
    page.goto("/")
    page.get_by_role("button", name="Calm").click()
    wait_until_heard(page)
    address = page.url
    # What was made before belongs to the account afterwards, and the way leads back to it.
    press_pad(rating_sheet(page), 0.5, 0.5)
    page.locator("#player-rating").get_by_role("link", name="Sign up").click()
    page.fill("[name=username]", "fritz")
    page.fill("[name=password1]", NEW_PASSWORD)
    page.fill("[name=password2]", NEW_PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Sign up").click()
    expect(page.get_by_text("was saved.")).to_be_visible()
    assert page.url == address
    assert Playlist.objects.get().owner is not None
    assert Listen.objects.filter(listener__username="fritz").exists()


def test_search_as_you_type_keeps_the_address(page: Page, songs: list[Song]) -> None:
    Song.objects.filter(pk=songs[7].pk).update(title="Unmistakable")
    songs[7].refresh_from_db()
    songs[7].save()
    page.goto("/songs/")
    page.get_by_role("searchbox", name="Search").press_sequentially("unmis")
    expect(page.locator("[data-track]")).to_have_count(1)
    assert "q=unmis" in page.url


def test_without_javascript_a_mood_still_leads_to_songs(open_page: Opener, songs: list[Song]) -> None:
    with open_page(java_script_enabled=False) as page:
        page.goto("/")
        page.get_by_role("button", name="Calm").click()
        expect(page.locator("[data-track]")).to_have_count(12)
        page.locator(".song-row__title").first.click()
        expect(page.locator("noscript audio, audio[controls]").first).to_be_visible()


@pytest.mark.parametrize("width", [360, 390, 768, 1440])
def test_nothing_is_wider_than_the_screen(open_page: Opener, songs: list[Song], width: int) -> None:
    Song.objects.filter(pk=songs[-1].pk).update(title="Donaudampfschifffahrtsgesellschaftskapitän" * 4)
    with open_page(viewport={"width": width, "height": 800}) as page:
        page.goto("/")
        page.get_by_role("button", name="Calm").click()
        wait_until_heard(page, 0.1)
        for path in (None, "/", "/songs/", f"/songs/{songs[-1].pk}/", "/playlists/", "/status/", "/accounts/signup/"):
            if path:
                page.goto(path)
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, f"{path or 'the playlist'} is {wide} pixels too wide"
