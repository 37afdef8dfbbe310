"""What a song did to a listener: one press by mouse, touch or keys, undone, and kept while the server is away."""

from __future__ import annotations

import re
import secrets

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Locator, Page, Route, expect

from catalog.core.wording import clock
from catalog.models import Song
from recommender.models import FeltRating, Playlist
from tests.e2e.conftest import Opener, press_pad, rating_sheet, sign_in
from tests.e2e.test_listening import NEW_PASSWORD, audio_time_s, wait_until_heard
from tests.e2e.test_player import wait_for
from tests.e2e.test_walk import WIDTHS


def play_a_mood(page: Page) -> str:
    """Play a list, pause, lest the next song comes meanwhile, and return the song."""
    page.goto("/")
    page.get_by_role("button", name="Calm").first.click()
    wait_until_heard(page)
    page.locator("[data-player-toggle]").click()
    return page.locator("#player").get_attribute("data-song") or ""


def press_slider(panel: Locator, name: str, share: float) -> None:
    """Put the thumb of a slider somewhere with the mouse; the slider of arousal stands upright."""
    box = panel.locator(f"[name=felt_{name}]").bounding_box()
    assert box is not None
    x, y = (share, 0.5) if name == "valence" else (0.5, 1 - share)
    panel.page.mouse.click(box["x"] + box["width"] * x, box["y"] + box["height"] * y)


@pytest.mark.parametrize("width", WIDTHS)
def test_one_press_saves_and_is_undone(open_page: Opener, alice: User, songs: list[Song], width: int) -> None:
    touch = width == WIDTHS[0]
    with open_page(viewport={"width": width, "height": 800}, has_touch=touch, color_scheme="dark") as page:
        sign_in(page)
        song = play_a_mood(page)
        # From any page, not only from that of the list.
        page.goto("/me/")
        panel = rating_sheet(page)
        saved = panel.locator("[data-felt-saved]")
        plane = panel.locator("[data-felt-plane]").bounding_box()
        assert plane is not None
        if touch:
            page.touchscreen.tap(plane["x"] + plane["width"] * 0.9, plane["y"] + plane["height"] * 0.7)
        else:
            press_pad(panel, 0.8, -0.4)
        expect(saved).to_contain_text("Saved.")
        rating = FeltRating.objects.get(listener=alice)
        assert str(rating.song_id) == song
        assert (rating.felt_valence, rating.felt_arousal) == pytest.approx((0.8, -0.4), abs=0.05)
        assert (rating.liked, rating.familiar, rating.felt_nothing) == (None, None, False)
        # A like is one press too, wherever it stands, and says nothing else.
        panel.get_by_role("radio", name="Liked it").check()
        wait_for(lambda: FeltRating.objects.get().liked is True, "the like is saved")
        expect(page.get_by_role("button", name="Like this song")).to_have_attribute("aria-pressed", "true")
        # Felt nothing takes the place of a feeling; undoing it brings the feeling back.
        panel.get_by_label("Felt nothing").check()
        expect(panel.locator("[name=felt_valence]")).to_have_attribute("aria-valuetext", "not answered yet")
        wait_for(lambda: FeltRating.objects.get().felt_nothing, "felt nothing is saved")
        panel.get_by_role("button", name="Undo").click()
        expect(saved).to_contain_text("Undone")
        assert FeltRating.objects.get().felt_valence == rating.felt_valence
        expect(panel.locator("[name=felt_valence]")).to_have_value(str(rating.felt_valence))
        panel.get_by_role("button", name="Withdraw").click()
        expect(saved).to_contain_text("Your rating was withdrawn.")
        assert not FeltRating.objects.exists()
        panel.get_by_role("button", name="Undo").click()
        expect(saved).to_contain_text("Undone")
        assert FeltRating.objects.get().liked is True
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_an_axis_counts_only_once_it_was_touched(page: Page, alice: User, songs: list[Song]) -> None:
    sign_in(page)
    play_a_mood(page)
    panel = rating_sheet(page)
    press_slider(panel, "arousal", 0.9)
    expect(panel.locator("[data-felt-saved]")).to_contain_text("Saved.")
    rating = FeltRating.objects.get()
    assert (rating.felt_valence, (rating.felt_arousal or 0) > 0.6) == (None, True)
    expect(panel.locator("[name=felt_valence]")).to_have_attribute("aria-valuetext", "not answered yet")
    press_slider(panel, "valence", 0.1)
    wait_for(lambda: (FeltRating.objects.get().felt_valence or 0) < -0.6, "the other axis is added")
    assert FeltRating.objects.get().felt_arousal == rating.felt_arousal
    # Unticked, an answer is withdrawn; the others stay.
    panel.get_by_label("Knew it already").check()
    wait_for(lambda: FeltRating.objects.get().familiar is True, "known already")
    panel.get_by_label("Knew it already").uncheck()
    wait_for(lambda: FeltRating.objects.get().familiar is None, "nothing said of knowing it")
    assert FeltRating.objects.get().felt_arousal == rating.felt_arousal


def test_by_keyboard_alone(page: Page, alice: User, songs: list[Song]) -> None:
    sign_in(page)
    play_a_mood(page)
    panel = page.locator("#player-rating")
    valence, arousal = panel.locator("[name=felt_valence]"), panel.locator("[name=felt_arousal]")
    saved = panel.locator("[data-felt-saved]")
    page.keyboard.press("f")
    expect(valence).to_be_focused()
    expect(valence).to_have_attribute("aria-valuetext", "not answered yet")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(valence).to_have_attribute("aria-valuetext", "6 % towards pleasant")
    # Some presses of a key are one answer, saved when none follows.
    expect(saved).to_contain_text("Saved.")
    assert (FeltRating.objects.get().felt_valence, FeltRating.objects.get().felt_arousal) == (0.06, None)
    page.keyboard.press("Tab")
    expect(arousal).to_be_focused()
    # The middle, left there on purpose, is an answer too.
    page.keyboard.press("Space")
    expect(arousal).to_have_attribute("aria-valuetext", "in the middle")
    page.keyboard.press("Tab")
    wait_for(lambda: FeltRating.objects.get().felt_arousal == 0.0, "leaving the slider saves it")
    page.keyboard.press("ArrowRight")
    wait_for(lambda: FeltRating.objects.get().liked is False, "not liked")
    panel.get_by_role("button", name="Undo").focus()
    page.keyboard.press("Enter")
    expect(saved).to_contain_text("Undone")
    # The button went, the focus did not.
    expect(valence).to_be_focused()
    assert FeltRating.objects.get().liked is None
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(page.locator("[data-player-rate]")).to_be_focused()


def test_on_the_page_of_a_song_that_does_not_play(page: Page, alice: User, songs: list[Song]) -> None:
    sign_in(page)
    page.goto(f"/songs/{songs[0].pk}/")
    felt = page.locator("#felt")
    press_pad(felt, -0.5, 0.5)
    expect(felt.locator("[data-felt-saved]")).to_contain_text("Saved.")
    assert FeltRating.objects.get().song == songs[0]
    felt.get_by_role("button", name="Undo").click()
    expect(felt.locator("[data-felt-saved]")).to_contain_text("Undone")
    assert not FeltRating.objects.exists()
    # What the song expresses is another question, folded away.
    summary = page.get_by_text("Wrong estimate?")
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="What does this song express?")).to_be_visible()


def test_while_the_server_is_away_nothing_is_lost_and_nothing_stops(
    open_page: Opener, alice: User, songs: list[Song]
) -> None:
    with open_page(viewport={"width": 1280, "height": 900}, allow="/felt/") as page:
        sign_in(page)
        song = play_a_mood(page)
        away = True

        def answer(route: Route) -> None:
            if route.request.method == "POST" and away:
                route.fulfill(status=503, content_type="text/html", body="")
            else:
                route.continue_()

        page.route("**/felt/", answer)
        panel = rating_sheet(page)
        press_pad(panel, -0.8, 0.5)
        problem = panel.locator("[data-felt-problem]")
        expect(problem).to_contain_text("Not saved: the server does not answer. Your answer is stored here")
        expect(panel.locator("[data-felt-saved]")).to_be_empty()
        assert float(panel.locator("[name=felt_valence]").input_value()) < -0.5
        # Saving the list is another thing: the answer still waits, and still says so.
        page.locator("#main").get_by_role("button", name="Save", exact=True).click()
        expect(page.locator("#main").get_by_role("button", name="Saved", exact=True)).to_be_visible()
        expect(problem).to_contain_text("Your answer is stored here")
        assert float(panel.locator("[name=felt_valence]").input_value()) < -0.5
        toggle = page.locator("[data-player-toggle]")
        toggle.click()
        wait_until_heard(page, audio_time_s(page) + 0.3)
        toggle.click()
        assert not FeltRating.objects.exists()
        # A heart says it too, where the sheet is closed.
        page.keyboard.press("Escape")
        expect(panel).to_be_hidden()
        page.get_by_role("button", name="Like this song").click()
        expect(page.locator("#toast")).to_contain_text("Not saved: the server does not answer.")
        rating_sheet(page)
        away = False
        problem.get_by_role("button", name="Try again").click()
        expect(page.locator("#toast")).to_contain_text("was sent")
        expect(problem).to_be_hidden()
        rating = FeltRating.objects.get()
        assert (str(rating.song_id), (rating.felt_valence or 0) < -0.5) == (song, True)
        wait_for(lambda: FeltRating.objects.get().liked is True, "the like follows")
        assert page.evaluate("localStorage.getItem('moodplane.felt.pending')") is None


def test_a_refused_answer_says_so_and_shows_what_is_saved(open_page: Opener, alice: User, songs: list[Song]) -> None:
    with open_page(viewport={"width": 1280, "height": 900}, allow="(Not Found)") as page:
        sign_in(page)
        play_a_mood(page)
        panel = rating_sheet(page)
        panel.get_by_role("radio", name="Not for me").check()
        expect(panel.locator("[data-felt-saved]")).to_contain_text("Saved.")
        # The list was deleted elsewhere.
        Playlist.objects.all().delete()
        panel.get_by_role("radio", name="Liked it").check()
        expect(panel.locator("[data-felt-problem]")).to_contain_text("Not saved: this song or playlist no longer")
        expect(panel.locator("[data-felt-saved]")).to_be_empty()
        expect(panel.locator("[name=liked][value=no]")).to_be_checked()


def test_a_visitor_answers_first_and_signs_up_then(page: Page, songs: list[Song]) -> None:
    song = play_a_mood(page)
    panel = rating_sheet(page)
    press_pad(panel, 0.8, 0.5)
    expect(panel.locator("[data-felt-saved]")).to_have_text(
        "Kept in this browser. Sign in or sign up to make it count."
    )
    assert not FeltRating.objects.exists()
    panel.get_by_role("link", name="Sign up").click()
    page.fill("[name=username]", "fritz")
    page.fill("[name=password1]", NEW_PASSWORD)
    page.fill("[name=password2]", NEW_PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Sign up").click()
    expect(page.get_by_text("was saved.")).to_be_visible()
    rating = FeltRating.objects.get(listener__username="fritz")
    assert (str(rating.song_id), rating.playlist) == (song, Playlist.objects.get())
    # The sheet knows who signed in.
    expect(panel.locator("[data-felt-sign-in]")).to_be_hidden()
    expect(panel.locator("[name=felt_valence]")).to_have_value(str(rating.felt_valence))
    expect(page).to_have_url(re.compile(r"/playlists/\d+/"))


def test_the_total_of_a_list_is_right_after_a_rating(
    page: Page, alice: User, songs: list[Song], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The seed of the list: with some, one rating moves nothing.
    monkeypatch.setattr(secrets, "randbits", lambda bits: 3)
    for number, song in enumerate(songs):
        Song.objects.filter(pk=song.pk).update(duration_s=100 + 17 * number)
    sign_in(page)
    play_a_mood(page)
    press_pad(rating_sheet(page), 0.9, 0.9)
    expect(page.locator("#playlist-changes")).to_contain_text(re.compile("moved|replaced"))
    durations = dict(Playlist.objects.get().items.values_list("song_id", "song__duration_s"))
    expect(page.locator("#playlist-total")).to_have_text(f"{len(durations)} songs · {clock(sum(durations.values()))}")
    left = clock(sum(durations.values()))
    expect(page.locator("[data-heard-words]")).to_have_text(f"0 of {len(durations)} songs played, {left} left")


def test_signing_out_empties_the_player(page: Page, alice: User, songs: list[Song]) -> None:
    sign_in(page)
    play_a_mood(page)
    press_pad(rating_sheet(page), 0.5, 0.5)
    expect(page.locator("#player-rating [data-felt-saved]")).to_contain_text("Saved.")
    for _ in range(2):
        page.locator("[data-player-queue]").click()
    title = page.locator("[data-player-title]").inner_text()
    page.locator("form[action*=logout]").evaluate("form => form.requestSubmit()")
    expect(page.locator("#player")).to_be_hidden()
    assert page.evaluate("document.querySelector('[data-player-audio]').paused")
    assert title not in page.locator("#player").inner_html()
    assert page.locator("#player-queue .queue__song").count() == 0
    assert page.locator("#player-rating form").get_attribute("data-song") == ""
    assert page.locator("#player-rating [name=felt_valence]").get_attribute("aria-valuetext") == "not answered yet"
    page.goto("/songs/")
    expect(page.locator("#player")).to_be_hidden()
    expect(page.locator("#player-offer")).to_be_hidden()


def test_signing_out_in_one_tab_empties_the_others(page: Page, alice: User, songs: list[Song]) -> None:
    sign_in(page)
    play_a_mood(page)
    title = page.locator("[data-player-title]").inner_text()
    other = page.context.new_page()
    other.goto("/songs/")
    other.locator("form[action*=logout]").evaluate("form => form.requestSubmit()")
    expect(other.get_by_role("link", name="Sign in").first).to_be_visible()
    expect(page.get_by_role("link", name="Sign in").first).to_be_visible()
    expect(page.locator("#player")).to_be_hidden()
    assert title not in page.locator("#player").inner_html()
    kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert title not in kept


@pytest.mark.parametrize(
    ("width", "height", "language", "kept"),
    [(360, 740, "de", "In diesem Browser aufgehoben."), (1440, 900, "en", "Kept in this browser.")],
)
def test_the_pad_stays_under_the_pointer(
    open_page: Opener, songs: list[Song], width: int, height: int, language: str, kept: str
) -> None:
    with open_page(viewport={"width": width, "height": height}) as page:
        song = play_a_mood(page)
        origin = page.evaluate("location.origin")
        page.context.add_cookies([{"name": "language", "value": language, "url": origin}])
        page.goto(f"/songs/{song}/")
        panel = rating_sheet(page)
        plane = panel.locator("[data-felt-plane]")
        before = plane.bounding_box()
        press_pad(panel, 0.8, 0.5)
        expect(panel.locator("[data-felt-saved]")).to_contain_text(kept)
        assert plane.bounding_box() == before
        sheet, links = panel.bounding_box(), panel.locator("[data-felt-sign-in]").bounding_box()
        assert sheet is not None
        assert links is not None
        assert links["y"] + links["height"] <= sheet["y"] + sheet["height"]
