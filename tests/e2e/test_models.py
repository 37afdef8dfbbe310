"""The staff's page of models and the listener's label, in a real browser."""

from __future__ import annotations

from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from catalog.models import Song
from emotion.models import ModelVersion, PerceivedLabel
from emotion.selectors import live_model
from tests.e2e.conftest import Opener, sign_in
from tests.factories import UserFactory


def test_the_staff_promotes_and_rolls_back(page: Page, models: ModelVersion) -> None:
    UserFactory(username="edith", is_staff=True)
    sign_in(page, "edith", to="/")
    page.get_by_role("link", name="Models").click()
    expect(page.get_by_role("heading", name="Live: shipped-1")).to_be_visible()
    page.get_by_role("main").get_by_role("link", name="good-1").first.click()
    expect(page.locator(".chart")).to_have_count(4)
    page.get_by_role("link", name="Promote").click()
    page.get_by_role("button", name="Promote good-1").click()
    expect(page.get_by_role("heading", name="Live: good-1")).to_be_visible()
    assert live_model() == models
    page.get_by_role("link", name="Roll back to shipped-1").click()
    page.get_by_role("button", name="Roll back to shipped-1").click()
    expect(page.get_by_role("heading", name="Live: shipped-1")).to_be_visible()


def test_a_listener_says_what_a_song_expresses_without_javascript(open_page: Opener, songs: list[Song]) -> None:
    dora = UserFactory(username="dora")
    for javascript in (True, False):
        with open_page(viewport={"width": 390, "height": 844}, java_script_enabled=javascript) as page:
            sign_in(page, "dora")
            page.goto(f"/songs/{songs[0].pk}/", wait_until="domcontentloaded")
            page.get_by_text("Wrong estimate?").click()
            page.get_by_role("button", name="Calm calm and positive").click()
            expect(page.get_by_text("Your answer: calm.")).to_be_visible()
            assert PerceivedLabel.objects.get().rater == User.objects.get(pk=dora.pk)
            page.get_by_role("button", name="Withdraw").click()
            expect(page.get_by_text("Your answer: ")).to_have_count(0)
            assert not PerceivedLabel.objects.exists()
