"""The installed app: a browser may install it, kept songs play without a line, and versions never mix."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from emotion.inference.quadrants import Quadrant
from mer_site import preferences, web_app
from tests.browser import chromium
from tests.e2e.conftest import SONG_SECONDS, axe_objections, place_audio, sign_in
from tests.e2e.test_first_run import WIDTHS, fits
from tests.e2e.test_listening import wait_until_heard
from tests.factories import EstimateFactory

CACHES = "async () => (await caches.keys()).map(name => name.replace(/-[0-9a-f]+$/, '')).sort()"
KEPT = "async () => (await (await caches.open('moodplane-songs')).keys()).length"
VERSION = "document.querySelector('meta[name=moodplane-version]').content"


@pytest.fixture
def installed(
    browser: Browser, live_server: LiveServer, settings: Settings, tmp_path: Path, transactional_db: None
) -> Iterator[BrowserContext]:
    """A browser with a profile on the disk, in front of collected files: in a private window nothing is installed."""
    settings.STATIC_ROOT = tmp_path / "static"
    others = [f"{app}/*" for app in ("admin", "rest_framework", "drf_spectacular_sidecar")]
    call_command("collectstatic", interactive=False, verbosity=0, ignore_patterns=others)
    # The live server looks files up where they come from.
    settings.STATICFILES_DIRS = [settings.STATIC_ROOT]
    context = browser.browser_type.launch_persistent_context(
        tmp_path / "profile",
        executable_path=chromium(),
        args=["--no-sandbox", "--disable-background-networking", "--disable-dev-shm-usage", "--disable-gpu"],
        base_url=live_server.url,
        reduced_motion="reduce",
        viewport={"width": 1280, "height": 900},
        bypass_csp=True,
    )
    yield context
    context.close()


def until(page: Page, script: str, wanted: Any) -> None:
    """Wait until a script says what it shall."""
    for _ in range(200):
        if page.evaluate(script) == wanted:
            return
        page.wait_for_timeout(50)
    assert page.evaluate(script) == wanted


def test_it_is_installed_keeps_songs_and_changes_versions(
    installed: BrowserContext, alice: User, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(2):
        place_audio(EstimateFactory(quadrant=Quadrant.Q1, seed=seed, song__duration_s=SONG_SECONDS).song, recording)
    page = installed.new_page()
    sign_in(page, to="/songs/")
    until(page, "() => Boolean(navigator.serviceWorker.controller)", True)
    errors = installed.new_cdp_session(page).send("Page.getInstallabilityErrors")
    assert errors == {"installabilityErrors": []}

    # Nothing is kept until she wants it, and then what she has listened to.
    page.goto("/offline/")
    assert page.evaluate(CACHES) == ["moodplane-shell"]
    page.get_by_label("Up to 250 MB").check()
    expect(page.get_by_text("No song is kept yet.")).to_be_visible()
    page.goto("/songs/")
    page.locator(".song-row [data-play]").first.click()
    wait_until_heard(page)
    page.evaluate("document.querySelector('[data-player-audio]').currentTime = 9.9")
    until(page, KEPT, 4)
    title = page.locator("[data-player-title]").inner_text()

    # Without a line every address leads to what is kept, also in parts.
    installed.set_offline(True)
    page.goto("/journey/")
    expect(page.get_by_role("heading", name="On this device")).to_be_visible()
    row = page.locator("[data-kept] .song-row")
    expect(row).to_have_count(1)
    expect(row).to_contain_text(title)
    assert "alice" not in page.content()
    faults = []
    for width, theme in zip(WIDTHS, ("light", "dark", "light"), strict=True):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        fits(page, width)
        faults += axe_objections(page)
    assert faults == []
    row.get_by_role("button").click()
    page.evaluate("document.querySelector('[data-player-audio]').currentTime = 15")
    wait_until_heard(page, beyond_s=15)
    installed.set_offline(False)

    # A new version waits, offers itself, and replaces all of the old one at once.
    page.goto("/songs/")
    old = page.evaluate(VERSION)
    for module in (preferences, web_app):
        monkeypatch.setattr(module, "frame_version", lambda: "0123456789ab")
    page.evaluate("async () => { await (await navigator.serviceWorker.ready).update() }")
    expect(page.get_by_text("A new version is ready.")).to_be_visible()
    assert page.evaluate(VERSION) == old
    with page.expect_navigation():
        page.get_by_role("button", name="Reload").click()
    assert page.evaluate(VERSION) == "0123456789ab"
    expect(page.get_by_text("A new version is ready.")).to_be_hidden()
    until(page, "async () => (await caches.keys()).sort()", ["moodplane-shell-0123456789ab", "moodplane-songs"])

    # A page of yet another version never comes into this frame.
    monkeypatch.setattr(preferences, "frame_version", lambda: "ba9876543210")
    page.get_by_role("link", name="Journey").click()
    page.wait_for_url("**/journey/")
    until(page, VERSION, "ba9876543210")

    # Whoever signs out takes the songs along.
    page.get_by_role("button", name="Your menu").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in").first).to_be_visible()
    until(page, CACHES, ["moodplane-shell"])
