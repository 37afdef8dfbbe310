"""`manage.py up`: everything comes up, comes back when killed, and goes without leaving anything."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest
from django.db import connection
from pytest_django import Settings

from catalog.models import WatchedFolder
from mer_site.installation.demo import demo_remove, demo_want
from mer_site.local.paths import EmbeddedPaths
from mer_site.management.commands.up import _filling, _has_folders, _watching

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parent.parent.parent
_PATIENCE_S = 90.0


@pytest.fixture(scope="module")
def var(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One installation for all tests, in a path with a space."""
    return tmp_path_factory.mktemp("up") / "var of a music lover"


@pytest.fixture
def port() -> int:
    """A free port."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Up:
    """A running `manage.py up` and what it says."""

    def __init__(self, var: Path, port: int) -> None:
        self._said = var.parent / f"said-{port}"
        environment = {"PATH": os.environ["PATH"], "MOODPLANE_VAR": str(var)}
        with self._said.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up", "--port", str(port), "--no-demo"],
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        """Everything printed so far."""
        return self._said.read_text()

    def family(self) -> list[psutil.Process]:
        """Every process that it started, and their children."""
        children: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        return children

    def end(self, number: signal.Signals) -> int:
        """Send a signal and wait for the end."""
        self.process.send_signal(number)
        return self.process.wait(_PATIENCE_S)


@pytest.fixture
def up(var: Path, port: int) -> Iterator[Up]:
    """Moodplane, as soon as it says where it is."""
    running = Up(var, port)
    try:
        wait_for(lambda: "Moodplane is at" in running.said or running.process.poll() is not None)
        assert f"Moodplane is at http://127.0.0.1:{port}  (Ctrl-C stops everything)" in running.said
        yield running
    finally:
        if running.process.poll() is None:
            running.end(signal.SIGTERM)


def wait_for(reached: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + _PATIENCE_S
    while not reached():
        assert time.monotonic() < deadline, "It did not happen in time."
        time.sleep(0.1)


def answers(port: int) -> bool:
    """Return whether the sign-in page, which needs the database's server, is served."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/accounts/login/", timeout=10) as page:
            return bool(page.status == 200)
    except OSError:
        return False


def web_server(up: Up) -> psutil.Process:
    """Return the web server's first process."""
    for process in up.family():
        with suppress(psutil.Error):
            if "gunicorn" in " ".join(process.cmdline()):
                return process
    raise AssertionError("No web server runs.")


def test_from_first_start_to_ctrl_c(up: Up, var: Path, port: int) -> None:
    assert answers(port)
    second = Up(var, port + 1)
    assert second.process.wait(_PATIENCE_S) == 1
    assert f"Moodplane already runs on {var} (process {up.process.pid})." in second.said
    assert answers(port)

    family = up.family()
    assert up.end(signal.SIGINT) == 0
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []
    assert not EmbeddedPaths(var).socket_dir.exists()


def test_a_port_in_use_is_said(var: Path, port: int) -> None:
    with closing(socket.socket()) as occupant:
        occupant.bind(("127.0.0.1", port))
        occupant.listen()
        refused = Up(var, port)
        assert refused.process.wait(_PATIENCE_S) == 1
    sentence = f"Port {port} is in use by another program. Choose another, such as PORT={port + 1} make run."
    assert sentence in refused.said


def test_a_killed_process_comes_back_and_none_outlives_a_sigkill(up: Up, var: Path, port: int) -> None:
    pidfile = EmbeddedPaths(var).postgres_data / "postmaster.pid"
    psutil.Process(int(pidfile.read_text().split()[0])).kill()
    web_server(up).kill()
    wait_for(lambda: "The web server ended (killed by SIGKILL) and starts again in 1 s." in up.said)
    wait_for(lambda: answers(port))

    family = up.family()
    up.end(signal.SIGKILL)
    _, alive = psutil.wait_procs(family, timeout=_PATIENCE_S)
    assert alive == []
    again = Up(var, port)
    wait_for(lambda: "Moodplane is at" in again.said or again.process.poll() is not None)
    assert answers(port)
    assert again.end(signal.SIGTERM) == 0


@pytest.mark.django_db
def test_folders_of_music_are_watched_in_place_of_the_demo(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "close", lambda: None)
    settings.MOODPLANE_VAR = tmp_path
    (tmp_path / "run").mkdir()
    assert [each.name for each in _filling(None, demo=True)] == ["demo music"]

    assert not _has_folders()
    chosen = WatchedFolder.objects.create(path=b"/srv/music", mode=WatchedFolder.Mode.WATCH)
    assert _filling(None, demo=True) == []
    assert _has_folders()
    chosen.delete()
    demo_remove()
    assert _filling(None, demo=True) == [], "they were removed in the browser"
    demo_want()
    settings.MUSIC_FOLDERS = [tmp_path / "music"]
    assert _filling(None, demo=True) == []
    assert _has_folders()
    watcher = _watching()
    assert watcher.argv[-2:] == ("ingest", "--watch")
    assert not watcher.once
