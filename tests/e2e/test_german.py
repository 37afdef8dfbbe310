"""A German browser: the words of pages, of scripts and of what the server answers are German, and stay so."""

from __future__ import annotations

import re
import secrets
from typing import Any

import pytest
from playwright.sync_api import expect

from catalog.models import Song
from recommender.models import FeltRating
from tests.e2e.conftest import Opener, press_pad, rating_sheet
from tests.e2e.test_listening import NEW_PASSWORD, order, wait_until_heard

_WORDS = """async () => {
  const words = await import("/static/js/shared/i18n.js");
  return [
    words.language(),
    words.gettext("nobody ever says this"),
    words.ngettext("one", "many", 1),
    words.ngettext("one", "many", 2),
    words.interpolate("%(share)s %% of %(what)s", { share: 5, what: "$& all" }, true),
    words.interpolate("%s and %s", ["this", "that"]),
  ];
}"""


def test_a_listener_signs_up_plays_and_rates_in_german(
    open_page: Opener, songs: list[Song], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The seed of the list: with some, one rating moves nothing.
    monkeypatch.setattr(secrets, "randbits", lambda bits: 3)
    with open_page(viewport={"width": 1280, "height": 900}, locale="de-DE") as page:
        page.goto("/")
        expect(page.locator("html")).to_have_attribute("lang", "de")
        page.get_by_role("link", name="Registrieren").first.click()
        page.fill("[name=username]", "dora")
        page.fill("[name=password1]", NEW_PASSWORD)
        page.fill("[name=password2]", "vertippt")
        page.get_by_role("main").get_by_role("button", name="Registrieren").click()
        expect(page.get_by_role("main")).to_contain_text("Die beiden Passwörter sind nicht identisch")
        page.fill("[name=password1]", NEW_PASSWORD)
        page.fill("[name=password2]", NEW_PASSWORD)
        page.get_by_role("main").get_by_role("button", name="Registrieren").click()
        expect(page.locator(".site-account__name")).to_have_text("dora")

        page.get_by_role("button", name="Ruhig").first.click()
        wait_until_heard(page)
        assert len(order(page)) == 12
        # Words of scripts: the slider's value, and the player's button.
        panel = rating_sheet(page)
        expect(panel.locator("[name=felt_valence]")).to_have_attribute("aria-valuetext", "noch nicht beantwortet")
        expect(page.locator("#player").get_by_role("button", name="Pause")).to_be_visible()
        press_pad(panel, 0.9, 0.9)
        expect(panel.locator("[data-felt-saved]")).to_contain_text("Gespeichert.")
        expect(page.locator("#playlist-changes")).to_contain_text(re.compile("Deine Bewertung von „.*“"))
        assert FeltRating.objects.get().felt_valence == 0.9

        said: Any = page.evaluate(_WORDS)
        assert said == ["de", "nobody ever says this", "one", "many", "5 % of $& all", "this and that"]

        # The choice outlives the browser's wish, on every page, and without signing out.
        page.keyboard.press("Escape")
        page.get_by_role("button", name="English").click()
        expect(page.locator("html")).to_have_attribute("lang", "en")
        expect(page.get_by_role("button", name="Your menu")).to_be_visible()
        assert page.evaluate(_WORDS)[:3] == ["en", "nobody ever says this", "one"]
        page.get_by_role("navigation", name="Main").get_by_role("link", name="Library").click()
        expect(page).to_have_url(re.compile("/library/$"))
        page.get_by_role("button", name="Deutsch").click()
        expect(page.get_by_role("button", name="Dein Menü")).to_be_visible()
        assert page.url.endswith("/library/")
