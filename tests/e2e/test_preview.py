"""Previews in a real browser: a rest on a cover or a dot, the key, the player, the switch."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from catalog.models import Song
from emotion.models import EmotionCurve
from tests.e2e.test_listening import wait_until_heard


def test_a_song_is_previewed_while_the_pointer_rests_on_it_and_never_beside_the_player(
    page: Page, songs: list[Song]
) -> None:
    for estimate in (song.estimates.get() for song in songs):
        EmotionCurve.objects.create(
            song=estimate.song, model_version=estimate.model_version, hop_s=4, highlight_s=6.5, state=EmotionCurve.DONE
        )
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/audio") else None)
    page.goto("/songs/")
    row, other = page.locator("[data-track]").nth(0), page.locator("[data-track]").nth(1)
    sounding, heading = page.locator("[data-previewed]"), page.get_by_role("heading", level=1)
    # Browsers let a page sound after a click.
    heading.click()

    row.locator(".cover").hover()
    page.wait_for_timeout(300)
    heading.hover()
    page.wait_for_timeout(600)
    assert asked == [], "passing by is no rest"
    row.locator(".cover").hover()
    expect(row).to_have_attribute("data-previewed", "")
    heading.hover()
    expect(sounding).to_have_count(0)

    other.locator(".song-row__title").focus()
    page.keyboard.press("v")
    expect(other).to_have_attribute("data-previewed", "")
    expect(page.locator("body > [role=status]").last).to_have_text(f"Preview: {other.get_attribute('data-title')}")
    page.keyboard.press("Escape")
    expect(sounding).to_have_count(0)

    row.locator(".cover").hover()
    expect(row).to_have_attribute("data-previewed", "")
    row.locator("[data-play]").click()
    wait_until_heard(page, 0.1)
    expect(sounding).to_have_count(0)
    other.locator(".cover").hover()
    page.wait_for_timeout(900)
    expect(sounding).to_have_count(0)

    page.keyboard.press("Space")
    page.keyboard.press("?")
    page.get_by_label("Preview songs under the pointer").uncheck()
    page.keyboard.press("Escape")
    heading.hover()
    row.locator(".cover").hover()
    page.wait_for_timeout(900)
    expect(sounding).to_have_count(0)
