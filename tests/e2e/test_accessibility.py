"""axe-core finds nothing to object to on any page, in both themes, on a desktop and on a phone."""

from __future__ import annotations

import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from catalog.models import Song
from tests.e2e.conftest import Opener
from tests.factories import PASSWORD, UserFactory

SIGNED_OUT = ["/", "/journey/", "/songs/", "/songs/{song}/", "/playlists/", "/status/", "/accounts/login/"]
JOURNEY = "/journey/?start_valence=-0.4&start_arousal=0.4&end_valence=0.6&end_arousal=-0.4&length=6"
SIGNED_IN = ["/", "/songs/{song}/", JOURNEY, "/playlists/", "/me/", "/me/forget/", "/me/delete/"]


def faults(page: Page) -> list[str]:
    """Return what axe objects to on the page as it is, a line for each rule."""
    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [f"{page.url}: {fault['id']}: {fault['nodes'][0]['html'][:160]}" for fault in found]


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 360)])
def test_axe_has_no_objection_to_any_page(open_page: Opener, songs: list[Song], theme: str, width: int) -> None:
    listener = UserFactory()
    found: list[str] = []
    # The policy forbids what axe adds to a page; a test that hears of forbidden things is another one.
    with open_page(viewport={"width": width, "height": 900}, color_scheme=theme, bypass_csp=True) as page:

        def look(addresses: list[str]) -> None:
            for address in addresses:
                page.goto(address.format(song=songs[0].pk))
                page.wait_for_load_state("networkidle")
                found.extend(faults(page))

        look(SIGNED_OUT)
        page.fill("input[name=username]", listener.username)
        page.fill("input[name=password]", PASSWORD)
        page.click("main button[type=submit]")
        page.wait_for_load_state("networkidle")
        look(SIGNED_IN)
        page.goto("/")
        page.locator("button[name=quadrant]").first.click()
        page.wait_for_url(re.compile(r"/playlists/\d+/"))
        found.extend(faults(page))
    assert found == []
