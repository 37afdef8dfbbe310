"""What a song did to a listener, said by mouse, by keyboard alone, without an account, and while the server is away."""

from __future__ import annotations

from django.contrib.auth.models import User
from playwright.sync_api import Page, Route, expect

from catalog.models import Song
from recommender.models import FeltRating, Playlist
from tests.e2e.conftest import Opener, sign_in
from tests.e2e.test_listening import NEW_PASSWORD, audio_time_s, wait_until_heard


def play_a_mood(page: Page) -> str:
    """Play a list, and return the song that the panel asks about."""
    page.goto("/")
    page.get_by_role("button", name="Calm").click()
    wait_until_heard(page)
    return page.locator("#felt").get_attribute("data-song") or ""


def thumb_at(page: Page, name: str, share: float) -> None:
    """Put a slider's thumb somewhere with the mouse."""
    slider = page.locator(f"#felt-{name}")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * share, box["y"] + box["height"] / 2)


def test_by_mouse_on_a_phone_saved_undone_and_withdrawn(open_page: Opener, alice: User, songs: list[Song]) -> None:
    with open_page(viewport={"width": 360, "height": 800}, color_scheme="dark") as page:
        sign_in(page)
        song = play_a_mood(page)
        felt = page.locator("#felt")
        saved = felt.locator("[data-felt-saved]")
        expect(felt.get_by_text("No answer yet")).to_be_visible()
        thumb_at(page, "valence", 0.9)
        thumb_at(page, "arousal", 0.25)
        expect(felt.get_by_text("No answer yet")).to_be_hidden()
        felt.get_by_role("radio", name="Liked it").check()
        felt.get_by_role("button", name="Save").click()
        expect(saved).to_have_text("Saved.")
        rating = FeltRating.objects.get(listener=alice)
        assert (str(rating.song_id), rating.liked) == (song, True)
        assert (rating.felt_valence or 0) > 0.6
        assert (rating.felt_arousal or 0) < -0.3
        # Felt nothing takes the place of a feeling; undoing it brings the feeling back.
        felt.get_by_label("Felt nothing").check()
        expect(felt.get_by_text("No answer yet")).to_be_visible()
        with page.expect_response(lambda answer: answer.request.method == "POST" and "/felt/" in answer.url):
            felt.get_by_role("button", name="Save").click()
        expect(saved).to_have_text("Saved.")
        assert FeltRating.objects.get().felt_nothing
        felt.get_by_role("button", name="Undo").click()
        expect(saved).to_contain_text("Undone")
        assert FeltRating.objects.get().felt_valence == rating.felt_valence
        felt.get_by_role("button", name="Withdraw").click()
        expect(saved).to_have_text("Your rating was withdrawn.")
        assert not FeltRating.objects.exists()
        felt.get_by_role("button", name="Undo").click()
        expect(saved).to_contain_text("Undone")
        assert FeltRating.objects.get().felt_valence == rating.felt_valence
        # The music went on all the while.
        assert audio_time_s(page) > 0.5
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_by_keyboard_alone(page: Page, alice: User, songs: list[Song]) -> None:
    sign_in(page)
    page.goto(f"/songs/{songs[0].pk}/")
    valence, arousal = page.locator("#felt-valence"), page.locator("#felt-arousal")
    expect(valence).to_have_attribute("aria-valuetext", "not answered yet")
    page.locator("#felt-valence").focus()
    page.keyboard.press("PageUp")
    expect(valence).to_have_attribute("aria-valuetext", "20 % towards pleasant")
    page.keyboard.press("Tab")
    expect(arousal).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowDown")
    expect(arousal).to_have_attribute("aria-valuetext", "in the middle")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    for _ in range(2):
        page.keyboard.press("Tab")
    expect(page.locator("#felt").get_by_role("button", name="Save")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("[data-felt-saved]")).to_have_text("Saved.")
    rating = FeltRating.objects.get()
    assert (rating.felt_valence, rating.felt_arousal, rating.liked, rating.familiar) == (0.2, 0.0, False, True)
    page.locator("#felt").get_by_role("button", name="Undo").focus()
    page.keyboard.press("Enter")
    expect(page.locator("[data-felt-saved]")).to_contain_text("Undone")
    assert not FeltRating.objects.exists()
    # The middle, left there on purpose, is an answer too.
    page.locator("#felt-valence").focus()
    page.keyboard.press("Space")
    expect(valence).to_have_attribute("aria-valuetext", "in the middle")
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
        thumb_at(page, "valence", 0.1)
        page.locator("#felt").get_by_role("button", name="Save").click()
        problem = page.locator("[data-felt-problem]")
        expect(problem).to_contain_text("Your answer is stored here")
        expect(problem.get_by_role("button", name="Try again")).to_be_visible()
        assert float(page.locator("#felt-valence").input_value()) < -0.5
        heard_s = audio_time_s(page)
        wait_until_heard(page, heard_s + 0.3)
        assert not FeltRating.objects.exists()
        away = False
        page.evaluate("window.dispatchEvent(new Event('online'))")
        expect(page.locator("#toast")).to_contain_text("was sent")
        rating = FeltRating.objects.get()
        assert (str(rating.song_id), (rating.felt_valence or 0) < -0.5) == (song, True)
        expect(problem).to_be_hidden()
        assert page.evaluate("localStorage.getItem('moodplane.felt.pending')") is None


def test_a_visitor_answers_first_and_signs_up_then(page: Page, songs: list[Song]) -> None:
    song = play_a_mood(page)
    thumb_at(page, "valence", 0.9)
    page.locator("#felt").get_by_role("button", name="Save").click()
    expect(page.locator("#felt")).to_contain_text("Saved in this browser. Sign in or sign up to make it count.")
    assert not FeltRating.objects.exists()
    page.locator("#felt").get_by_role("link", name="Sign up").click()
    page.fill("[name=username]", "fritz")
    page.fill("[name=password1]", NEW_PASSWORD)
    page.fill("[name=password2]", NEW_PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Sign up").click()
    expect(page.get_by_text("was saved.")).to_be_visible()
    rating = FeltRating.objects.get(listener__username="fritz")
    assert (str(rating.song_id), rating.playlist) == (song, Playlist.objects.get())
    expect(page.locator("#felt").get_by_role("button", name="Withdraw")).to_be_visible()
