"""A real browser on a real server. Every page is watched: an error, something blocked or a foreign host fails the test.

The browser is a Chromium found by `tests.browser`. It runs with its usual autoplay policy, so that a test
which plays music proves that a listener's click is enough.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request, expect, sync_playwright
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from catalog.models import Song
from emotion.inference.quadrants import Quadrant
from emotion.models import ModelVersion
from tests.audio_fixtures import make_audio
from tests.browser import chromium
from tests.factories import FIXED_IDS, PASSWORD, EstimateFactory
from tests.training.made_models import held_out, made_held_out, made_run_folder, made_weights, worse
from training.registry import services

# Playwright's synchronous interface runs an event loop in this thread, where Django would refuse its database.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

SONG_SECONDS = 20.0
# A page is waited for while other tests, a server and a database share the machine with the browser.
PATIENCE_MS = 20_000
_REQUESTS_END_WITHIN_S = 5.0
# Without a graphics card, drawing by the processor itself is far cheaper than imitating one.
_CHROMIUM_ARGS = ["--no-sandbox", "--disable-background-networking", "--disable-dev-shm-usage", "--disable-gpu"]

Opener = Callable[..., AbstractContextManager[Page]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies here; it may fail once: a browser, a server and a database share two cores with other tests.

    The summary names what was run again: a test that needs it now and then has a fault, or shows one.
    """
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all browser tests."""
    executable = chromium()
    assert executable is not None, "There is no Chromium; set CHROMIUM, or run `python tests/browser.py` to get one."
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=_CHROMIUM_ARGS)
        yield browser
        browser.close()


class Watch:
    """What a page must never do, noted while it does it."""

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self._host = urlsplit(origin).netloc
        self.faults: list[str] = []
        context.on("console", self._console)
        context.on("weberror", lambda error: self.faults.append(f"uncaught: {error.error}"))
        context.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"console: {message.text} {message.location.get('url', '')}")

    def _request(self, request: Request) -> None:
        url = urlsplit(request.url)
        if url.scheme in ("http", "https", "ws", "wss") and url.netloc != self._host:
            self.faults.append(f"foreign host: {request.url}")


@pytest.fixture
def open_page(browser: Browser, live_server: LiveServer) -> Opener:
    """Opens a watched page in a fresh browser profile; `allow` names faults that the test provokes."""

    @contextmanager
    def opened(*, allow: str = "", **options: Any) -> Iterator[Page]:
        context = browser.new_context(base_url=live_server.url, reduced_motion="reduce", **options)
        context.set_default_timeout(30_000)
        watch = Watch(context, live_server.url)
        try:
            yield context.new_page()
            assert [fault for fault in watch.faults if not allow or allow not in fault] == []
        finally:
            context.close()
            # Those of a page that is still open end with it.
            if not browser.contexts:
                _let_requests_end()

    return opened


def sign_in(page: Page, name: str = "alice", *, to: str = "/me/") -> None:
    """Sign in, and wait until it is done: leaving before the answer arrives leaves the user signed out."""
    page.goto(f"/accounts/login/?next={to}")
    page.fill("[name=username]", name)
    page.fill("[name=password]", PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    expect(page.locator(".site-account__name")).to_have_text(name)


def axe_objections(page: Page) -> list[str]:
    """Return what axe objects to on the page as it is; the policy must let it be added to the page."""
    if not page.evaluate("() => Boolean(window.axe)"):
        page.evaluate(Axe().axe_script)
    # What passes is neither described nor sent: on a full page that takes longer than to look.
    run = "async () => (await axe.run({resultTypes: ['violations']})).violations"
    seen: list[dict[str, Any]] = page.evaluate(run)
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in seen]


def rating_sheet(page: Page) -> Locator:
    """Open the rating of the song that plays, and return it."""
    button = page.locator("[data-player-rate]")
    if button.get_attribute("aria-expanded") == "false":
        button.click()
    return page.locator("#player-rating")


def press_pad(panel: Locator, valence: float, arousal: float) -> None:
    """Press a point of a rating's pad with the mouse."""
    plane = panel.locator("[data-felt-plane]")
    plane.scroll_into_view_if_needed()
    box = plane.bounding_box()
    assert box is not None
    panel.page.mouse.click(box["x"] + box["width"] * (1 + valence) / 2, box["y"] + box["height"] * (1 - arousal) / 2)


def _let_requests_end() -> None:
    """Wait for requests that the page sent off as it closed: the tables must not be emptied under them."""
    deadline = time.monotonic() + _REQUESTS_END_WITHIN_S
    while time.monotonic() < deadline:
        # Each connection of the live server is a thread that holds a database connection until it ends.
        if not any("process_request_thread" in thread.name for thread in threading.enumerate()):
            return
        time.sleep(0.02)


@pytest.fixture
def page(open_page: Opener) -> Iterator[Page]:
    """A watched page on a desktop screen."""
    with open_page(viewport={"width": 1280, "height": 900}) as page:
        yield page


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A piece of audio that every song of a test shares."""
    return make_audio(tmp_path_factory.mktemp("recording") / "recording.ogg", seconds=SONG_SECONDS)


@pytest.fixture
def songs(live_server: LiveServer, recording: Path) -> list[Song]:
    """Thirty-two playable songs, eight in each quadrant, more and less sure."""
    made = []
    for number in range(32):
        estimate = EstimateFactory(
            quadrant=Quadrant(number % 4 + 1),
            confidence=0.4 + number / 64,
            seed=number,
            song__pk=FIXED_IDS + number,
            song__duration_s=SONG_SECONDS,
        )
        place_audio(estimate.song, recording)
        made.append(estimate.song)
    return made


def place_audio(song: Song, recording: Path) -> None:
    """Put a file where the song says that it lies."""
    path = Path(settings.MEDIA_ROOT) / str(song.audio.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(recording, path)


@pytest.fixture
def models(live_server: LiveServer, settings: Settings, tmp_path: Path) -> ModelVersion:
    """A live model, one that passes the gate, and one that does not; returns the one that passes."""
    settings.MOODPLANE_WEIGHTS = made_weights(tmp_path / "shipped", "shipped-1")
    held_out().save(settings.MOODPLANE_WEIGHTS.with_suffix(".predictions.npz"))
    settings.MOODPLANE_HELD_OUT = made_held_out(tmp_path)
    settings.MOODPLANE_ENGINE, settings.MOODPLANE_DEVICE = "torch", "cpu"
    services.shipped_register()
    for version, predictions, bias in (("good-1", held_out(), 1.0), ("bad-1", worse(held_out(), "emopia"), 2.0)):
        services.model_import_run(folder=made_run_folder(tmp_path, version, predictions, bias=bias))
        services.gate_check(version=version)
    return ModelVersion.objects.get(version="good-1")
