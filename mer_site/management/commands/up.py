"""`manage.py up`: the whole of Moodplane in the foreground, until Ctrl-C."""

import errno
import fcntl
import http.client
import os
import socket
import sys
import time
from argparse import ArgumentTypeError
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError, connection

from catalog.core.files import digest
from catalog.models import Song
from catalog.uploads.choosing import chosen_paths
from mer_site.installation.demo import demo_is_wanted
from mer_site.installation.first_steps import FIRST_NAME, first_account_create, setup_token
from mer_site.local.supervisor import Child, Program, Supervisor

_FIRST_ANSWER_S = 120.0
_HOPELESS_AFTER = 3
# The web server of a killed run needs a moment to notice.
_PORT_PATIENCE_S = 8.0
_GUNICORN = (
    "gunicorn mer_site.wsgi --worker-class gthread --workers 2 --threads 8 --timeout 120 --graceful-timeout 3 "
    "--preload --access-logfile - --no-control-socket"
)
# Celery's warning about root concerns pickled messages, which are off, and buries the line that matters.
_AS_ROOT = "ignore:You're running the worker with superuser"
_ANY_HOST = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to.
_FOLDERS_ASKED_S = 5.0
# The API answers in JSON alone, and Swagger documents it.
_NEVER_SERVED = ["rest_framework", "redoc", "*.map"]
# Matrices here are small: with a BLAS thread per core, fitting a listener's model takes 60 ms instead of 1.3 ms.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}


def _port(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise ArgumentTypeError(f"{text!r} is not a port; give a number from 1 to 65535.")
    return int(text)


class Command(BaseCommand):
    help = "Start database, broker, workers and web server, and keep them running until Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        port, host = os.environ.get("PORT") or "8000", os.environ.get("HOST") or "127.0.0.1"
        parser.add_argument("--port", type=_port, default=port, help="Default: $PORT, or 8000.")
        parser.add_argument("--host", default=host, help="Address to listen on. Default: $HOST, or 127.0.0.1.")
        parser.add_argument("--music", type=Path, help="A folder to add to the catalog instead of the demo music.")
        parser.add_argument("--no-demo", action="store_true", help="Leave an empty catalog empty.")

    def handle(self, *args: Any, **options: Any) -> None:
        host, port, music = options["host"], options["port"], options["music"]
        if music is not None and not music.exists():
            raise CommandError(f"Folder {music} does not exist. Name a folder with music, or leave the option out.")
        supervisor = Supervisor(self._say, self._once_ended)
        with self._only_one() as was_killed:
            _port_wait(host, port, _PORT_PATIENCE_S if was_killed else 0.0)
            try:
                self._start(supervisor, host, port, music, demo=not options["no_demo"])
                self._run(supervisor)
                self._say("Stopping.")
            finally:
                supervisor.stop()

    def _say(self, sentence: str) -> None:
        self.stdout.write(sentence)
        self.stdout.flush()

    @contextmanager
    def _only_one(self) -> Iterator[bool]:
        run_dir = settings.MOODPLANE_VAR / "run"
        run_dir.mkdir(parents=True, exist_ok=True)
        with (run_dir / "up.lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise CommandError(
                    f"Moodplane already runs on {settings.MOODPLANE_VAR} (process {lock.read().strip()}). "
                    "Stop that one first, or set MOODPLANE_VAR to another directory."
                ) from None
            lock.seek(0)
            was_killed = bool(lock.read().strip())
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            try:
                yield was_killed
            finally:
                lock.truncate(0)

    def _start(self, supervisor: Supervisor, host: str, port: int, music: Path | None, *, demo: bool) -> None:
        # Hashing static files takes as long as creating a database. The thread ends before a program is forked.
        with ThreadPoolExecutor(1) as pool:
            static = pool.submit(_static_collect)
            token = self._database_prepare()
        static.result()
        # In the order in which the first song needs them. Stage 0: the servers stop last, and restart if they die.
        servers = Program("database and broker", _python("mer_site.local.embedded"), _log("servers"), stage=0)
        analysis = _worker("analysis worker", "worker-gpu", "gpu@%h -Q gpu --pool solo")
        filling = _filling(music, demo=demo)
        supervisor.start([servers, analysis, *filling, *_page_programs(host, port)])
        self._first_answer_wait(supervisor, host, port)
        if token and not supervisor.stopping:
            # After the #, where neither logs nor other sites see it.
            link = f"http://{_shown(host)}:{port}/setup/#{token}"
            elsewhere = ", from elsewhere with the name of this machine in it" if host in _ANY_HOST else ""
            self._say(f"Set it up at {link}  (valid once{elsewhere})")

    def _run(self, supervisor: Supervisor) -> None:
        """Tend the programs until a signal to stop; the folder watcher begins with the first folder."""
        is_watching, asked_at = False, -_FOLDERS_ASKED_S
        while not supervisor.stopping:
            if not is_watching and time.monotonic() - asked_at >= _FOLDERS_ASKED_S:
                asked_at = time.monotonic()
                if is_watching := _has_folders():
                    supervisor.start([_watching()])
            supervisor.tick()

    def _database_prepare(self) -> str:
        """Bring the database up to date; return the token of the first steps as long as they were not taken."""
        try:
            connection.ensure_connection()
        except OperationalError as error:
            raise CommandError(f"The database does not answer: {error}") from error
        call_command("migrate", interactive=False, verbosity=0)
        try:
            call_command("models", "register", stdout=self.stdout)
        except CommandError as error:
            # The music still plays; the analysis worker logs the same.
            self._say(f"The bundled model is not usable: {error}")
        if password := first_account_create():
            self._say(f"A curator account was created: name {FIRST_NAME}, password {password}  (shown only this once)")
        token = setup_token()
        connection.close()
        return token

    def _first_answer_wait(self, supervisor: Supervisor, host: str, port: int) -> None:
        deadline = time.monotonic() + _FIRST_ANSWER_S
        while not supervisor.stopping:
            if _answers(host, port):
                self._say(f"Moodplane is at http://{_shown(host)}:{port}  (Ctrl-C stops everything)")
                return
            web = supervisor.child("web server")
            if web.failures >= _HOPELESS_AFTER or time.monotonic() > deadline:
                raise CommandError(f"The web server does not start:\n{web.last_words()}")
            supervisor.tick()

    def _once_ended(self, child: Child, code: int) -> None:
        name = child.program.name
        if code == 0:
            _pending_demo().unlink(missing_ok=True)
            self._say(f"The {name} is in:\n{child.last_words()}")
        else:
            self._say(f"The {name} could not be added. The end of {child.program.log}:\n{child.last_words(20)}")


def _static_collect() -> None:
    # Hashing and compressing takes seconds, so nothing is done unless a file has changed.
    stamp = settings.MOODPLANE_VAR / "run" / "static.stamp"
    files = [
        f"{path} {storage.size(path)} {storage.get_modified_time(path)}\n"
        for finder in get_finders()
        for path, storage in finder.list(None)
    ]
    state = digest("".join([str(settings.STATIC_ROOT), *files]).encode())
    if stamp.exists() and stamp.read_text() == state and settings.STATIC_ROOT.is_dir():
        return
    call_command("collectstatic", interactive=False, verbosity=0, ignore_patterns=_NEVER_SERVED)
    stamp.write_text(state)


def _python(words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", *words.split())


def _log(name: str) -> Path:
    return Path(settings.MOODPLANE_VAR, "log", f"{name}.log")


def _worker(name: str, log: str, words: str) -> Program:
    argv = _python(f"celery -A mer_site worker --without-gossip --without-mingle -n {words}")
    return Program(name, argv, _log(log), environment={"PYTHONWARNINGS": _AS_ROOT, **_ONE_THREAD})


def _page_programs(host: str, port: int) -> list[Program]:
    gunicorn = _python(f"{_GUNICORN} --bind {_bracketed(host)}:{port}")
    return [
        Program("web server", gunicorn, _log("web"), stage=2, environment=_web_environment(host)),
        _worker("worker", "worker-default", "default@%h -Q default --pool threads -c 2"),
        Program("scheduler", _python("celery -A mer_site beat --pidfile="), _log("beat")),
    ]


def _web_environment(host: str) -> dict[str, str]:
    if os.environ.get("ALLOWED_HOSTS"):
        return _ONE_THREAD
    # A server that listens on every address is reached under unknown names.
    names = "*" if host in _ANY_HOST else f"{_bracketed(host)},localhost,127.0.0.1,[::1]"
    return {**_ONE_THREAD, "ALLOWED_HOSTS": names}


def _filling(music: Path | None, *, demo: bool) -> list[Program]:
    if music is not None:
        return [Program(f"music in {music}", _manage("ingest", str(music.absolute())), _log("ingest"), once=True)]
    is_filled = Song.objects.exists() and not _pending_demo().exists()
    demo = demo and demo_is_wanted() and not _has_folders()
    connection.close()
    if not demo or is_filled:
        return []
    _pending_demo().touch()
    return [Program("demo music", _manage("demo"), _log("ingest"), once=True)]


def _has_folders() -> bool:
    # The staff may choose one in the browser at any time; a watcher without one would hold 160 MB for nothing.
    try:
        return bool(settings.MUSIC_FOLDERS or chosen_paths())
    except (OperationalError, InterfaceError):
        return False
    finally:
        connection.close()


def _watching() -> Program:
    return Program("folder watcher", _manage("ingest", "--watch"), _log("folders"), environment=_ONE_THREAD)


def _manage(*words: str) -> tuple[str, ...]:
    return (sys.executable, str(settings.BASE_DIR / "manage.py"), *words)


def _pending_demo() -> Path:
    # The second start completes an interrupted first one.
    return Path(settings.MOODPLANE_VAR, "run", "demo.pending")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _shown(host: str) -> str:
    return "127.0.0.1" if host in _ANY_HOST else _bracketed(host)


def _port_wait(host: str, port: int, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        with closing(socket.socket(family)) as probe:
            # As the web server does, so that closing connections of an earlier run do not matter.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                return probe.bind((host, port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE and time.monotonic() <= deadline:
                    time.sleep(0.5)
                    continue
                sentences = {
                    errno.EADDRINUSE: f"Port {port} is in use by another program. Choose another, such as "
                    f"PORT={port + 1} make run.",
                    errno.EACCES: f"Port {port} is not open to this user. Choose one above 1023, such as "
                    "PORT=8000 make run.",
                }
                other = f"Moodplane cannot listen on {host}, port {port}: {error.strerror or error}."
                raise CommandError(sentences.get(error.errno or 0, other)) from error


def _answers(host: str, port: int) -> bool:
    with closing(http.client.HTTPConnection(_shown(host).strip("[]"), port, timeout=10)) as client:
        try:
            client.request("GET", "/healthz", headers={"Host": "localhost"})
            return client.getresponse().status in (200, 503)
        except (OSError, http.client.HTTPException):
            return False
