"""The player in a real browser: waveform, two songs at once, order, queue, keys, tabs, and what goes wrong."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from PIL import Image
from playwright.sync_api import Locator, Page, expect
from pytest_django import Settings

from catalog.models import Lyrics, Song
from emotion.inference.quadrants import Quadrant
from emotion.models import EmotionCurve, Waveform
from recommender.models import FeltRating
from tests.e2e.conftest import SONG_SECONDS, Opener, axe_objections
from tests.e2e.test_listening import audio_time_s, order, sign_up, wait_until_heard
from tests.encodings import chirp, encode

_WITHIN_S = 20.0


def wait_for(what: Callable[[], bool], message: str) -> None:
    # Asked from here: the page's policy forbids the eval that waiting inside the page would need.
    deadline = time.monotonic() + _WITHIN_S
    while not what():
        assert time.monotonic() < deadline, message
        time.sleep(0.05)


def hear_calm_then_tense(song: Song) -> None:
    """Give a song a waveform and a curve: calm and sure, then tense and a guess."""
    points = np.zeros((40, 6), np.float32)
    points[:, 2:] = 0.04
    points[:20, 2 + Quadrant.Q4.index] = 0.88
    points[20:, 2:] = 0.2
    points[20:, 2 + Quadrant.Q2.index] = 0.4
    estimate = song.estimates.get()
    EmotionCurve.objects.create(
        song=song,
        model_version=estimate.model_version,
        state=EmotionCurve.State.DONE,
        hop_s=SONG_SECONDS / 40,
        window_s=1.0,
        points_bytes=points.astype("<f4").tobytes(),
    )
    Waveform.objects.create(song=song, peaks_bytes=bytes([60, 255, 120, 200] * 125))


def play_first(page: Page) -> str:
    """Play the list of songs from its first, and return which that is."""
    page.goto("/songs/")
    first = page.locator("[data-track]").first
    first.locator("[data-play]").click()
    wait_until_heard(page, 0.1)
    return first.get_attribute("data-song") or ""


def shown(page: Page) -> list[str]:
    songs: list[str] = page.eval_on_selector_all("[data-track]", "rows => rows.map(row => row.dataset.song)")
    return songs


def queued(page: Page) -> list[str]:
    """Which songs the tab's queue holds, in order."""
    songs: list[str] = page.evaluate("JSON.parse(sessionStorage['moodplane.queue']).tracks.map(track => track.song)")
    return songs


def elements(page: Page) -> list[dict[str, Any]]:
    """How both audio elements stand; the first is the one that counts."""
    found: list[dict[str, Any]] = page.evaluate(
        "['audio', 'standby'].map(name => document.querySelector(`[data-player-${name}]`))"
        ".map(({paused, volume, currentTime}) => ({paused, volume, currentTime}))"
    )
    return found


def seek_to(page: Page, time_s: float) -> None:
    """Drag the position, as the range itself reports it."""
    page.locator("[data-player-seek]").fill(str(time_s))


def colours(what: Locator) -> set[tuple[int, int, int]]:
    image = Image.open(io.BytesIO(what.screenshot())).convert("RGB")
    return {tuple(colour) for _, colour in image.getcolors(1 << 20) or []}  # type: ignore[arg-type,misc]


def test_the_waveform_has_the_songs_emotion_and_leads_through_it(page: Page, songs: list[Song]) -> None:
    song = songs[-1]
    hear_calm_then_tense(song)
    page.goto(f"/songs/{song.pk}/")
    page.get_by_role("button", name=f"Play {song.title}").first.click()
    wait_until_heard(page, 0.1)
    calm, tense = page.locator(".wave__part--q4"), page.locator(".wave__part--q2")
    expect(calm).to_have_count(1)
    expect(tense).to_have_count(1)
    sure = [one.evaluate("path => parseFloat(path.style.getPropertyValue('--sure'))") for one in (calm, tense)]
    assert sure[0] == 100 > 60 > sure[1], "the guess is greyer"
    hues = {colour for colour in colours(page.locator(".player__seek")) if max(colour) - min(colour) > 12}
    assert any(green > red for red, green, _ in hues)
    assert any(red > green for red, green, _ in hues)

    seek = page.locator("[data-player-seek]")
    page.keyboard.press("Space")
    seek.focus()
    seek.press("Home")
    wait_for(lambda: audio_time_s(page) == 0, "back to the beginning")
    seek.press("ArrowRight")
    expect(seek).to_have_attribute("aria-valuetext", "0:05 of 0:20, Calm")
    seek.press("ArrowRight")
    seek.press("ArrowRight")
    expect(seek).to_have_attribute("aria-valuetext", "0:15 of 0:20, Tense")
    expect(page.locator("[data-player-section]")).to_have_text("Tense")
    box = seek.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 5)
    expect(page.locator("[data-player-hover]")).to_have_text("0:05 Calm, 85 % sure")
    page.mouse.click(box["x"] + box["width"] / 4, box["y"] + 5)
    wait_for(lambda: abs(audio_time_s(page) - 5) < 0.2, "a click leads to the place under it")

    # The curve on the page follows, and leads as well.
    on_curve = page.locator("[data-curve-seek]")
    expect(on_curve).to_be_visible()
    x = float(page.locator("[data-curve-cursor]").get_attribute("x1") or 0)
    assert x == pytest.approx(34 + (552 - 34) / 4, abs=6)
    on_curve.focus()
    on_curve.press("ArrowRight")
    on_curve.press("ArrowRight")
    wait_for(lambda: abs(audio_time_s(page) - 15) < 0.3, "the curve leads through the song")
    expect(on_curve).to_have_attribute("aria-valuetext", "0:15, Tense, 40 % sure")


def test_one_song_fades_into_the_next_and_a_pause_holds_both(page: Page, songs: list[Song]) -> None:
    first = play_first(page)
    page.keyboard.press("?")
    page.get_by_label("Between songs").select_option("6")
    page.keyboard.press("Escape")
    seek_to(page, SONG_SECONDS - 5)
    expect(page.locator("#player")).not_to_have_attribute("data-song", first)
    wait_for(lambda: 0.1 < elements(page)[0]["volume"] < 0.95, "the next song comes in")
    coming, going = elements(page)
    assert not coming["paused"]
    assert not going["paused"]
    # Equal power, whatever moment it is; both are read at once, but set one after the other.
    assert coming["volume"] ** 2 + going["volume"] ** 2 == pytest.approx(1, abs=0.1)
    page.keyboard.press("Space")
    wait_for(lambda: all(one["paused"] for one in elements(page)), "a pause holds both")
    page.keyboard.press("Space")
    wait_for(lambda: not any(one["paused"] for one in elements(page)), "both go on")
    # Going somewhere else ends the rest of the song before.
    seek_to(page, 2)
    wait_for(lambda: elements(page)[0]["volume"] == 1 and elements(page)[1]["paused"], "the fade is over")


def test_shuffle_repeat_and_what_comes_next(page: Page, songs: list[Song]) -> None:
    first = play_first(page)
    listed = shown(page)
    assert queued(page) == listed
    page.keyboard.press("s")
    expect(page.locator(".player__controls [data-player-shuffle]")).to_have_attribute("aria-pressed", "true")
    mixed = queued(page)
    assert (mixed[0], sorted(mixed), mixed != listed) == (first, sorted(listed), True)
    # One or two songs on: to one that another follows in the list.
    drawn = next(song for song in mixed[1:] if song != listed[-1])
    for song in mixed[1 : mixed.index(drawn) + 1]:
        page.keyboard.press("n")
        expect(page.locator("#player")).to_have_attribute("data-song", song)
    page.keyboard.press("s")
    assert queued(page) == listed
    page.keyboard.press("Shift+ArrowRight")
    after = listed[listed.index(drawn) + 1]
    expect(page.locator("#player")).to_have_attribute("data-song", after)

    repeat = page.locator(".player__controls [data-player-repeat]")
    for words in ("Repeat: the whole list", "Repeat: this song"):
        page.keyboard.press("r")
        expect(repeat).to_have_attribute("aria-label", words)
    seek_to(page, SONG_SECONDS - 0.4)
    wait_for(lambda: 0 < audio_time_s(page) < 5, "the song begins again")
    expect(page.locator("#player")).to_have_attribute("data-song", after)

    page.keyboard.press("q")
    panel = page.get_by_role("region", name="Up next")
    rows = panel.get_by_role("listitem")
    current = rows.nth(listed.index(after))
    expect(current).to_have_attribute("aria-current", "true")
    expect(current.locator("[data-queue-play]")).to_be_focused()
    second = rows.nth(1)
    second.locator("[data-queue-down]").press("Enter")
    expect(panel.get_by_role("status")).to_contain_text("is now number 3 of")
    assert queued(page)[:3] == [listed[0], listed[2], listed[1]]
    expect(rows.nth(2).locator("[data-queue-down]")).to_be_focused()
    rows.nth(0).locator("[data-queue-remove]").click()
    assert queued(page)[:2] == [listed[2], listed[1]]
    grip, target = rows.nth(0).locator("[data-queue-handle]"), rows.nth(1)
    grip.scroll_into_view_if_needed()
    start, end = grip.bounding_box(), target.bounding_box()
    assert start is not None
    assert end is not None
    page.mouse.move(start["x"] + 8, start["y"] + 8)
    page.mouse.down()
    page.mouse.move(start["x"] + 8, end["y"] + end["height"] - 4, steps=4)
    page.mouse.up()
    wait_for(lambda: queued(page)[:2] == [listed[1], listed[2]], "a song is dragged to another place")
    rows.nth(0).locator("[data-queue-play]").click()
    expect(page.locator("#player")).to_have_attribute("data-song", listed[1])
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(page.locator("[data-player-queue]")).to_be_focused()


def test_a_like_by_a_key_help_and_letters_that_are_no_shortcuts(page: Page, songs: list[Song]) -> None:
    page.goto("/")
    sign_up(page, "dora")
    page.get_by_role("button", name="Calm").click()
    wait_until_heard(page)
    song = page.locator("#player").get_attribute("data-song") or ""
    title = page.locator("[data-player-title]").inner_text()
    assert page.title().startswith(f"♪ {title} · ")
    # On a busy machine a song of 20 s would end before the test is done with it.
    page.get_by_role("button", name="Pause", exact=True).click()
    reasons = page.eval_on_selector_all(
        "#playlist-items [data-track]", "rows => rows.map(row => row.dataset.reason || '')"
    )
    page.keyboard.press("q")
    expect(page.locator("[data-queue-reason]").first).to_have_text(reasons[0])
    page.keyboard.press("Escape")
    like = page.get_by_role("button", name="Like this song")
    with page.expect_response(lambda answer: answer.request.method == "POST" and "/felt/" in answer.url):
        page.keyboard.press("l")
    expect(like).to_have_attribute("aria-pressed", "true")
    wait_for(lambda: FeltRating.objects.filter(song_id=song, liked=True).exists(), "the like is in the database")
    expect(page.locator("#toast")).to_contain_text("You like")
    expect(page.locator("#player-rating [name=liked][value=yes]")).to_be_checked()
    page.get_by_role("button", name="Next song").click()
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(like).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("p")
    expect(page.locator("#player")).to_have_attribute("data-song", song)
    expect(like).to_have_attribute("aria-pressed", "true")
    like.click()
    expect(like).to_have_attribute("aria-pressed", "false")
    wait_for(lambda: not FeltRating.objects.filter(liked=True).exists(), "the like is taken back")

    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Shortcuts and sound")
    for _ in range(6):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
    dialog.get_by_label("Enable shortcuts on letters").uncheck()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(like).to_be_focused()
    page.keyboard.press("m")
    expect(page.locator("[data-player-mute]")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("ArrowRight")
    wait_until_heard(page, 8)


def test_a_reload_and_another_tab_go_on_where_it_was(page: Page, songs: list[Song]) -> None:
    song = play_first(page)
    page.keyboard.press("s")
    mixed = queued(page)
    seek_to(page, 9)
    wait_until_heard(page, 9.2)
    page.reload()
    expect(page.locator("#player")).to_have_attribute("data-song", song)
    wait_until_heard(page, 8.9)
    assert audio_time_s(page) < 15
    assert queued(page) == mixed
    expect(page.locator(".player__controls [data-player-shuffle]")).to_have_attribute("aria-pressed", "true")
    # The same tab may go on by itself, another one never does.
    if elements(page)[0]["paused"]:
        page.keyboard.press("Space")
    wait_for(lambda: not elements(page)[0]["paused"], "it goes on")

    other = page.context.new_page()
    other.goto("/songs/")
    expect(other.locator("#player")).to_be_hidden()
    expect(other.locator("#player-offer")).to_be_hidden()
    other.locator("[data-track] [data-play]").nth(2).click()
    wait_until_heard(other, 0.1)
    wait_for(lambda: bool(elements(page)[0]["paused"]), "one tab plays at a time")
    expect(page.locator("[data-player-status]")).to_have_text("Playback continues in another tab.")
    title = other.locator("[data-player-title]").inner_text()
    other.close()
    page.evaluate("localStorage['moodplane.last.position'] = JSON.stringify({timeS: 7, savedAt: Date.now() - 60000})")
    third = page.context.new_page()
    third.goto("/songs/")
    offer = third.get_by_role("button", name=f"Continue: {title}")
    expect(offer).to_be_visible()
    assert elements(third)[0]["paused"]
    offer.click()
    wait_until_heard(third, 7.1)
    expect(offer).to_be_hidden()


def test_what_cannot_be_played_is_said_in_words(open_page: Opener, songs: list[Song]) -> None:
    with open_page(allow="ERR_INTERNET_DISCONNECTED") as page:
        play_first(page)
        wait_for(lambda: page.evaluate("document.querySelector('[data-player-standby]').readyState") == 4, "prepared")
        page.context.set_offline(True)
        page.keyboard.press("n")
        wait_until_heard(page, 0.1)
        page.keyboard.press("n")
        status = page.locator("[data-player-status]")
        expect(status).to_contain_text("You are offline.")
        page.context.set_offline(False)
        wait_until_heard(page, 0.1)
        expect(status).to_have_text("")
    with open_page(allow="/audio") as page:
        page.goto("/songs/")
        listed = shown(page)
        files = [Path(settings.MEDIA_ROOT) / str(Song.objects.get(pk=number).audio.name) for number in listed[:2]]
        files[0].unlink()
        files[1].write_bytes(b"This is not music at all. " * 400)
        page.locator("[data-track] [data-play]").first.click()
        status = page.locator("[data-player-status]")
        expect(status).to_contain_text("its file is missing. Continuing with the next song.")
        expect(status).to_contain_text("the file is damaged, or this browser does not support its format.")
        expect(page.locator("#player")).to_have_attribute("data-song", listed[2])
        wait_until_heard(page, 0.1)


def test_the_order_of_a_journey_is_the_queues(page: Page, songs: list[Song]) -> None:
    page.goto("/")
    page.get_by_role("button", name="Sad").click()
    wait_until_heard(page, 0.1)
    before = order(page)
    page.keyboard.press("s")
    page.keyboard.press("r")
    # The list is fetched again; the listener's own order stays, and the list's comes back afterwards.
    mixed = queued(page)
    page.evaluate(
        "document.dispatchEvent(new CustomEvent('player:reranked', {detail: "
        "{playlist: document.getElementById('player').dataset.playlist, sentence: 'Changed.'}}))"
    )
    expect(page.locator("#playlist-changes")).to_have_text("Changed.")
    assert queued(page) == mixed
    page.keyboard.press("s")
    assert queued(page) == before


@pytest.mark.parametrize(
    ("encoding", "media_type"), [("aiff", "audio/aiff"), ("alac", 'audio/mp4; codecs="alac"'), ("alac", "audio/mp4")]
)
def test_what_the_browser_cannot_play_plays_and_can_be_sought(
    page: Page, songs: list[Song], settings: Settings, tmp_path: Path, encoding: str, media_type: str
) -> None:
    # The last is an ALAC that came before they were told apart: the browser finds out that it cannot play it.
    settings.MOODPLANE_VAR = tmp_path / "var"
    song = songs[-1]
    Song.objects.filter(pk=song.pk).update(mime_type=media_type)
    file = encode(tmp_path / "song", chirp(SONG_SECONDS, 44_100), encoding)
    file.replace(Path(settings.MEDIA_ROOT) / str(song.audio.name))
    page.goto(f"/songs/{song.pk}/")
    page.get_by_role("button", name=f"Play {song.title}").first.click()
    wait_until_heard(page, 0.1)
    source, duration_s = page.evaluate(
        "(({currentSrc, duration}) => [currentSrc, duration])(document.querySelector('[data-player-audio]'))"
    )
    assert source.endswith("/audio?as=flac")
    assert duration_s == pytest.approx(SONG_SECONDS, abs=0.01)
    seek_to(page, 15.0)
    wait_until_heard(page, 15.2)
    seek_to(page, 4.0)
    wait_for(lambda: 4.2 < audio_time_s(page) < 14.0, "sought back")


def test_lyrics_are_followed_and_lead_into_the_song(open_page: Opener, songs: list[Song]) -> None:
    song = songs[-1]
    lines = [[2.0 * number, f"Line {number}"] for number in range(10)]
    Lyrics.objects.create(song=song, text="", lines=lines, source=Lyrics.Source.TAG)
    with open_page(viewport={"width": 768, "height": 1000}, bypass_csp=True) as page:
        page.goto(f"/songs/{song.pk}/")
        section = page.locator("#lyrics-title + [data-lyrics]")
        # A click plays the song from there, whether or not it plays.
        section.get_by_role("button", name="Line 3").click()
        wait_until_heard(page, 6.05)
        expect(section.locator("[aria-current]")).to_have_text("Line 3")
        page.keyboard.press("Space")
        assert elements(page)[0]["paused"]
        section.get_by_role("button", name="Line 3").press("ArrowDown")
        expect(section.get_by_role("button", name="Line 4")).to_be_focused()
        page.keyboard.press("Enter")
        wait_until_heard(page, 8.05)
        page.get_by_role("button", name="Now playing").click()
        panel = page.locator("#player-lyrics")
        expect(panel).to_be_visible()
        expect(panel.locator("[aria-current]")).to_have_text(re.compile("Line [456]"))
        assert axe_objections(page) == []


def test_a_list_that_ends_goes_on(page: Page, songs: list[Song]) -> None:
    page.goto(f"/songs/{songs[-1].pk}/")
    page.get_by_role("button", name=f"Play {songs[-1].title}").first.click()
    wait_until_heard(page, 0.1)
    page.keyboard.press("q")
    panel = page.get_by_role("region", name="Up next")
    rows = panel.get_by_role("listitem")
    # A song of 20 s is near its end from the beginning.
    expect(rows).to_have_count(6)
    expect(rows.nth(1).get_by_text("Then: more like this")).to_be_visible()
    expect(rows.nth(2).get_by_text("Then: more like this")).to_be_hidden()
    seek_to(page, SONG_SECONDS - 0.4)
    expect(page.locator("#player")).to_have_attribute("data-song", queued(page)[1])
    assert len(set(queued(page))) == 6
    panel.get_by_label("go on with more like this").uncheck()
    rows.nth(5).locator("[data-queue-play]").click()
    expect(page.get_by_role("button", name="Next song")).to_be_disabled()


def test_the_sleep_timer_says_what_is_left_and_stops_the_music(page: Page, songs: list[Song]) -> None:
    play_first(page)
    listed = shown(page)
    button = page.locator("[data-player-sleep]")
    button.click()
    dialog = page.get_by_role("dialog", name="Sleep timer")
    dialog.get_by_role("button", name="End of this song").press("Enter")
    expect(button).to_have_attribute("aria-label", "Sleep timer. The music stops at the end of this song.")
    seek_to(page, SONG_SECONDS - 0.5)
    expect(page.locator("[data-player-status]")).to_have_text("The sleep timer has stopped the music.")
    expect(page.locator("#player")).to_have_attribute("data-song", listed[1])
    assert elements(page)[0]["paused"]
    expect(button).to_have_attribute("aria-label", "Sleep timer")
    button.click()
    dialog.get_by_role("button", name="45 minutes").click()
    expect(page.locator("[data-player-status]")).to_contain_text("The music will stop at")
    page.reload()
    expect(button).to_have_attribute("aria-label", "Sleep timer. The music stops in 45 minutes.")
    button.click()
    dialog.get_by_role("button", name="Switch off").click()
    expect(button).to_have_attribute("aria-label", "Sleep timer")
