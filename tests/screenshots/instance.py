"""An instance of the whole product that lasts as long as the pictures are taken, in a folder that vanishes with it."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus
from pathlib import Path

_STARTS_WITHIN_S = 180.0
_FILLED_WITHIN_S = 1200.0
_STOPS_WITHIN_S = 60.0


def settle(var: Path) -> None:
    """Let this process use the product of a folder: its settings, and so its database."""
    os.environ["MOODPLANE_VAR"] = str(var)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mer_site.settings")
    # Playwright's synchronous interface runs an event loop in this thread, where Django would refuse its database.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    import django

    django.setup()


@contextmanager
def started() -> Iterator[str]:
    """Start the product with its demo music, wait until all of it is analysed, and return its address."""
    with tempfile.TemporaryDirectory(prefix="moodplane-pictures-") as folder:
        var, port = Path(folder), _free_port()
        address = f"http://127.0.0.1:{port}"
        environment = os.environ | {"MOODPLANE_VAR": str(var), "PORT": str(port)}
        with (var / "up.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "manage.py", "up"], env=environment, stdout=log, stderr=log, start_new_session=True
            )
        try:
            _wait(lambda: _answers(address) or _ended(process, var), _STARTS_WITHIN_S, "the web server")
            settle(var)
            from mer_site.local import embedded

            try:
                _wait(lambda: _is_heard() or _ended(process, var), _FILLED_WITHIN_S, "the demo music")
                yield address
            finally:
                # This process holds files open in the folder, which is about to vanish.
                embedded.leave()
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(_STOPS_WITHIN_S)


def _free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _answers(address: str) -> bool:
    with closing(http.client.HTTPConnection(address.removeprefix("http://"), timeout=5)) as server:
        try:
            server.request("GET", "/")
            return server.getresponse().status == HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False


def _ended(process: subprocess.Popen[bytes], var: Path) -> bool:
    if process.poll() is None:
        return False
    end = (var / "up.log").read_text(errors="replace")[-2000:]
    raise SystemExit(f"The product ended with code {process.returncode}:\n{end}")


def _is_heard() -> bool:
    from catalog.models import Song
    from emotion.models import EmotionCurve, Waveform
    from tools.demo_songs.pieces import PIECES

    states = list(Song.objects.values_list("state", flat=True))
    if len(states) < len(PIECES) or set(states) != {Song.State.ANALYSED}:
        return False
    curves = EmotionCurve.objects.filter(state=EmotionCurve.State.DONE).count()
    return curves >= len(states) and Waveform.objects.exclude(peaks_bytes=b"").count() >= len(states)


def _wait(is_so: Callable[[], bool], within_s: float, what: str) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > deadline:
            raise SystemExit(f"Waited {within_s:.0f} s for {what} in vain.")
        time.sleep(2)
