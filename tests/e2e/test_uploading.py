"""A curator's afternoon: files go up in the browser, and their states come to tagged by themselves."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from catalog.models import Song
from tests.audio_fixtures import make_audio

TAGGED_WITHIN_MS = 120_000


@pytest.mark.integration
def test_files_become_tagged_songs_or_say_why_not(
    page: Page,
    live_server: LiveServer,
    celery_worker_process: subprocess.Popen[bytes],
    cleo: User,
    password: str,
    tmp_path: Path,
) -> None:
    good = [make_audio(tmp_path / f"piece {n}.ogg", seconds=8.0, seed=n, frequency_hz=220.0 * n) for n in (1, 2)]
    bad = tmp_path / "not music.mp3"
    bad.write_text("These are words, whatever the name says.")

    page.goto("/accounts/login/?next=/uploads/")
    page.fill("[name=username]", cleo.username)
    page.fill("[name=password]", password)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.set_input_files("#upload-files", [*good, bad])

    rows = page.locator("[data-upload-id]")
    expect(rows).to_have_count(3)
    expect(page.locator("[data-upload-id][data-state=tagged]")).to_have_count(2, timeout=TAGGED_WITHIN_MS)
    failed = page.locator("[data-upload-id][data-state=failed]")
    expect(failed).to_contain_text("not music.mp3")
    assert Song.objects.filter(state=Song.State.TAGGED).count() == 2

    # The states live in the database, so a reload loses nothing; and the songs are on the plane.
    page.reload()
    expect(rows).to_have_count(3)
    page.goto("/status/")
    expect(page.get_by_role("heading", name="Every song is tagged")).to_be_visible()
    expect(page.locator("table").first).to_contain_text("cpu")
