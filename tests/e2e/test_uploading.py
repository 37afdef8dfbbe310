"""A curator's afternoon: folders go up in the browser, breaks cost nothing, and states come to tagged by themselves."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Dialog, Page, Request, Route, expect
from pytest_django.live_server_helper import LiveServer

from catalog.models import PartialUpload, Song, Upload
from tests.audio_fixtures import make_audio
from tests.e2e.conftest import PATIENCE_MS, Opener, sign_in

TAGGED_WITHIN_MS = 120_000
IN_A_FOLDER = 120

# A browser hands a dropped folder over in parts of a hundred, and cannot read everything; no test can drop a real one.
DROPPED_FOLDER = """async () => {
  const { filesOfDrop } = await import("/static/js/upload/files.js");
  const file = (name) => ({ name, isFile: true, file: (resolve) => resolve(new File(["x"], name)) });
  const lost = { name: "lost.mp3", isFile: true, file: (_, reject) => reject(new DOMException("no")) };
  const folder = (name, entries) => ({ name, isDirectory: true, createReader() {
    const left = [...entries];
    return { readEntries: (resolve) => resolve(left.splice(0, 100)) };
  } });
  const refuse = (_, reject) => reject(new DOMException("no"));
  const closed = { name: "closed", createReader: () => ({ readEntries: refuse }) };
  const deep = folder("deep", Array.from({ length: 250 }, (_, n) => file(`${n}.mp3`)));
  const root = folder("root", [folder("inner", [deep, lost]), closed, file(".hidden.mp3"), file("top.mp3")]);
  const found = { files: 0, unread: 0 };
  for await (const part of filesOfDrop({ entries: [root, file("single.txt")], plain: [] })) {
    found.files += part.files.length;
    found.unread += part.unread;
  }
  return found;
}"""


@pytest.fixture(autouse=True)
def _patience() -> Iterator[None]:
    """Files go up while a server, a database and perhaps a worker share the machine with the browser."""
    expect.set_options(timeout=60_000)
    yield
    expect.set_options(timeout=PATIENCE_MS)


def open_uploads(page: Page, who: User) -> None:
    sign_in(page, who.username)
    # A page that was loaded whole: signing in swaps it in, and then moves the focus.
    page.goto("/uploads/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Uploads")


def tab_to(page: Page, selector: str) -> None:
    """Reach an element without a mouse."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("(selector) => document.activeElement?.matches(selector)", selector):
            return
    pytest.fail(f"{selector} cannot be reached with the Tab key")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Music as it lies on a disk: nested, with copies, files that are not what they say, and a cover."""
    root = tmp_path / "music"
    originals = [
        make_audio(root / f"disc {n}" / f"piece {n}.ogg", seconds=8.0, seed=n, frequency_hz=220.0 * n) for n in (1, 2)
    ]
    for n in range(18):
        shutil.copyfile(originals[n % 2], root / f"copy {n}.ogg")
    for n in range(IN_A_FOLDER - 20):
        (root / f"words {n}.mp3").write_text(f"These are words, whatever the name says: {n}.")
    (root / "disc 1" / "cover.jpg").write_bytes(b"no music")
    return root


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A recording of some 12 MB, which goes up in three pieces."""
    noise = np.random.default_rng(7).uniform(-0.3, 0.3, (66 * 44_100, 2)).astype(np.float32)
    return make_audio(tmp_path / "long evening.wav", waveform=noise, sample_rate_hz=44_100)


@pytest.mark.integration
def test_a_folder_of_many_files_paused_and_reloaded(
    page: Page,
    live_server: LiveServer,
    celery_worker_process: subprocess.Popen[bytes],
    cleo: User,
    folder: Path,
) -> None:
    leaving: list[str] = []

    def leave(dialog: Dialog) -> None:
        leaving.append(dialog.type)
        dialog.accept()

    page.on("dialog", leave)
    open_uploads(page, cleo)
    page.set_input_files("#upload-folder", folder)
    expect(page.locator("#toast")).to_have_text("1 other file ignored.")
    summary = page.locator("[data-upload-summary]")
    expect(summary).to_have_text(re.compile(rf"^[1-9]\d* of {IN_A_FOLDER} files sent"))
    page.get_by_role("button", name="Pause").click()
    expect(summary).to_have_text(re.compile(r"^Paused: "))
    expect(page.locator(".upload-item:not([data-state=waiting])")).to_have_count(0)
    sent = Upload.objects.count()
    assert 0 < sent < IN_A_FOLDER
    assert page.locator(".upload-item").count() <= 31, "only the next ones in line are drawn"

    # What was sent is in the database: a reload in the middle loses nothing of it, and asks first.
    page.reload()
    assert leaving == ["beforeunload"]
    expect(page.locator("[data-upload-id]")).to_have_count(min(sent, 50))

    # The same folder again, by way of another page: sending goes on over a click on a link.
    page.set_input_files("#upload-folder", folder)
    expect(summary).to_have_text(re.compile(r"^[1-9]\d* of"))
    page.get_by_role("link", name="Status").first.click()
    expect(page.locator("#upload-history")).to_have_count(0)
    page.get_by_role("link", name="Upload").first.click()
    expect(summary).to_have_text(f"Done: all {IN_A_FOLDER} files sent.", timeout=TAGGED_WITHIN_MS)
    assert Upload.objects.count() == sent + IN_A_FOLDER

    expect(page.locator("[data-pending='0']")).to_be_visible(timeout=TAGGED_WITHIN_MS)
    assert Song.objects.filter(state=Song.State.ANALYSED).count() == Song.objects.count() == 2
    # Followed by its address: a click would be lost if the page renewed the link at that moment.
    page.goto(page.get_by_role("link", name=re.compile("^Done 2")).get_attribute("href") or "")
    expect(page.locator("[data-upload-id][data-state=tagged] .badge__sure")).to_have_count(2)
    page.get_by_role("link", name=re.compile("^Failed")).click()
    expect(page.locator("[data-state=failed]")).to_have_count(50)
    page.get_by_label("Part of a file name").fill("words 77")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("[data-upload-id]").first).to_contain_text("its content looks like text")
    page.goto("/uploads/")
    page.get_by_role("button", name="Hide finished").click()
    expect(page.locator("#upload-history > .message")).to_contain_text("rows were removed from the list")
    expect(page.get_by_role("link", name=re.compile("^Done"))).to_have_count(0)
    page.goto("/status/")
    expect(page.get_by_role("heading", name="All songs analysed")).to_be_visible()


def test_a_large_file_goes_on_where_it_stopped(
    open_page: Opener, live_server: LiveServer, cleo: User, large: Path
) -> None:
    offsets: list[int] = []

    def note(request: Request) -> None:
        if request.method == "PATCH":
            offsets.append(int(request.headers["upload-offset"]))

    def break_off(route: Route) -> None:
        if int(route.request.headers.get("upload-offset", "0")) > 0:
            route.abort()
        else:
            route.continue_()

    with open_page(viewport={"width": 360, "height": 800}, allow="Failed to load resource") as page:
        page.on("request", note)
        page.on("dialog", lambda dialog: dialog.accept())
        open_uploads(page, cleo)
        page.route("**/resumable/*/", break_off)
        page.set_input_files("#upload-files", large)
        expect(page.locator("[data-upload-note]")).to_contain_text("Sending resumes when it is back")
        page.reload()
        page.unroute("**/resumable/*/")
        page.reload()
        expect(page.locator(".upload-session")).to_contain_text("36 % of 11.1 MiB has arrived")
        assert page.evaluate(DROPPED_FOLDER) == {"files": 253, "unread": 2}
        assert page.evaluate("document.documentElement.scrollWidth") == 360

        # Chosen again, it goes on behind the piece that arrived; a second loss, and it goes on by itself.
        offsets.clear()
        page.route("**/resumable/*/", lambda route: route.abort(), times=1)
        page.set_input_files("#upload-files", large)
        expect(page.locator(".upload-session")).to_have_count(0)
        expect(page.locator("[data-upload-summary]")).to_have_text("Done: 1 file sent.")
        expect(page.locator("[data-upload-id]")).to_contain_text("long evening")
    assert offsets[0] == 4 * 1024 * 1024
    assert 0 not in offsets
    song = Song.objects.get()
    assert Path(song.audio.path).read_bytes() == large.read_bytes()
    assert PartialUpload.objects.filter(finished_at=None).count() == 0


def test_by_keyboard_alone_with_a_server_that_asks_for_patience(
    open_page: Opener, live_server: LiveServer, cleo: User, tmp_path: Path
) -> None:
    files = [tmp_path / f"words {n}.mp3" for n in range(6)]
    for file in files:
        file.write_text(f"Only words: {file.name}")
    tags = {"title": "Tide", "artist": "Ann"}
    twins = [make_audio(tmp_path / f"{name}.mp3", 6.0, seed=n, tags=tags) for n, name in enumerate(("first", "second"))]
    answers = [(429, "Too many."), (429, "Too many."), (500, "Fell over."), (413, "Far too large.")]
    asked: list[float] = []

    def answer(route: Route) -> None:
        asked.append(page.evaluate("performance.now()"))
        if not answers:
            route.continue_()
            return
        status, detail = answers.pop(0)
        route.fulfill(status=status, json={"detail": detail}, headers={"Retry-After": "2"})

    with open_page(viewport={"width": 1440, "height": 900}, allow="Failed to load resource") as page:
        page.on("dialog", lambda dialog: dialog.accept())
        open_uploads(page, cleo)
        # Whether a chooser is noticed is switched on without waiting for it: long before the key is pressed.
        with page.expect_file_chooser() as chooser:
            tab_to(page, "#upload-files")
            page.keyboard.press("Enter")
        page.route("**/api/v1/uploads/", answer)
        chooser.value.set_files(files)
        expect(page.locator("[data-upload-note]")).to_contain_text("The server asks to wait")
        tab_to(page, "[data-upload-pause]")
        page.keyboard.press("Enter")
        expect(page.locator("[data-upload-pause]")).to_have_text("Resume")
        tab_to(page, ".upload-item:nth-child(6) [data-cancel]")
        page.keyboard.press("Enter")
        expect(page.locator(".upload-item")).to_have_count(5)
        page.keyboard.press("Shift+Tab")
        page.locator("#upload-queue-title").focus()
        tab_to(page, "[data-upload-pause]")
        page.keyboard.press("Enter")
        # One file was refused; the others went, each once, after the pause that was asked for.
        failed = page.locator(".upload-item[data-state=failed]")
        expect(failed).to_contain_text("Far too large.")
        expect(page.locator("[data-upload-summary]")).to_have_text("4 of 5 sent, 1 failed.")
        assert asked[2] - asked[0] > 1900
        tab_to(page, ".upload-item[data-state=failed] [data-again]")
        page.keyboard.press("Enter")
        expect(page.locator("[data-upload-id]")).to_have_count(5)
        assert Upload.objects.count() == 5

        # Two recordings that may be one: looked at side by side, and the new one goes.
        page.set_input_files("#upload-files", twins[0])
        expect(page.locator("[data-upload-id]")).to_have_count(6)
        page.set_input_files("#upload-files", twins[1])
        expect(page.locator("[data-upload-id]")).to_have_count(7)
        tab_to(page, "[id^=compare-link]")
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Keep both")).to_be_visible()
        tab_to(page, "[data-compare-close]")
        page.keyboard.press("Enter")
        expect(page.locator(".compare")).to_have_count(0)
        page.keyboard.press("Enter")
        tab_to(page, ".compare .button--danger")
        page.keyboard.press("Enter")
        expect(page.locator("#upload-history > .message")).to_contain_text("was deleted; the existing one stays.")
        assert Song.objects.get().uploads.get().file_name == "first.mp3"
