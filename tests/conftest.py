"""The cast, clients for each of them, and the real servers behind every test.

Alice and Bob are listeners, Cleo is a curator, `staff` is one of the staff, and `api_anonymous` is nobody.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import psycopg2
import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.utils import translation
from pytest_django import Settings
from rest_framework.test import APIClient
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from mer_site.celery import app as celery_app
from tests.factories import PASSWORD, UserFactory

# The same examples in every run: a build fails for what it changed.
hypothesis.settings.register_profile("fixed", derandomize=True)
hypothesis.settings.load_profile("fixed")

ROOT = Path(__file__).resolve().parent.parent
_WORKER_START_S = 240.0
_CELERY = (sys.executable, "-m", "celery", "-A", "mer_site")
# As `up` starts it: the only worker looks for no others, which takes a second.
_ALONE = ("--without-gossip", "--without-mingle")


# Each process starts a database, a broker and torch.
_PROCESSES_AT_MOST = 4


def pytest_xdist_auto_num_workers() -> int:
    """Divide the tests among the cores and one more, or not at all where they share a named database or broker.

    A quarter of the time they wait, for a worker, a server or a browser to start or to answer.
    """
    if os.environ.get("DATABASE_URL") or os.environ.get("CELERY_BROKER_URL"):
        return 0
    return min(len(os.sched_getaffinity(0)) + 1, _PROCESSES_AT_MOST)


class OneBrowser(LoadScopeScheduling):  # type: ignore[misc]
    """A file goes to one process, and all that drives the browser to the same one."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "tests/e2e" if file.startswith("tests/e2e/") else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneBrowser:
    """Tell pytest-xdist how to divide the tests."""
    return OneBrowser(config, log)


# Markers and fixtures of tests that are slow to start.
_NOT_UNIT = {"e2e", "integration", "needs_data", "slow", "db", "django_db", "transactional_db"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark unit tests, and skip what needs data sets that this machine does not have."""
    for item in items:
        names = {*item.keywords, *getattr(item, "fixturenames", ())}
        # The clients of the cast ask for their accounts, and with them for the database, when they are made.
        if not _NOT_UNIT & names and not any(name.startswith(("api_", "client_")) for name in names):
            item.add_marker(pytest.mark.unit)
    if data_root() is not None:
        return
    reason = "The data sets are not here: set MER_DATA to their directory, or put them in ../shared/data."
    for item in items:
        if "needs_data" in item.keywords:
            item.add_marker(pytest.mark.skip(reason=reason))


def data_root() -> Path | None:
    """Return the directory of the research data sets, if this machine has it."""
    root = Path(os.environ.get("MER_DATA") or ROOT.parent / "shared" / "data")
    return root if root.is_dir() else None


@pytest.fixture(scope="session")
def mer_data() -> Path:
    """The directory of the research data sets; mark the test `needs_data`."""
    root = data_root()
    assert root is not None, "mark tests that use this fixture with needs_data"
    return root


# --- Servers ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def django_db_keepdb(request: pytest.FixtureRequest) -> bool:
    """A private server vanishes with its data; dropping its database first fails on late connections."""
    return django_settings.MOODPLANE_EMBEDDED_POSTGRES or bool(request.config.getvalue("reuse_db"))


@pytest.fixture(scope="session", autouse=True)
def _real_servers() -> Iterator[None]:
    """PostgreSQL and Redis for the run: those of DATABASE_URL and CELERY_BROKER_URL, or embedded and private."""
    from mer_site.local import embedded

    running = embedded.ensure_running()
    if running is not None and django_settings.MOODPLANE_EMBEDDED_POSTGRES:
        _fast_and_careless(running.paths.socket_dir, running.paths.passfile)
    yield
    if running is not None:
        # Leaving here would take the database from fixtures that end later.
        atexit.register(running.release)


def _fast_and_careless(socket_dir: Path, passfile: Path) -> None:
    """Tell the private server not to wait for the disk; no one needs this data after a power cut."""
    database = psycopg2.connect(host=str(socket_dir), user="postgres", dbname="postgres", passfile=str(passfile))
    database.autocommit = True
    with database.cursor() as cursor:
        for option in ("fsync", "synchronous_commit", "full_page_writes"):
            cursor.execute(f"ALTER SYSTEM SET {option} = off")
        cursor.execute("SELECT pg_reload_conf()")
    database.close()


@pytest.fixture(autouse=True)
def _fresh_places(settings: Settings, tmp_path: Path, _real_servers: None) -> None:
    """Every test has its own media and index, an empty cache (rate limits live there) and empty queues."""
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.MOODPLANE_INDEX_DIR = tmp_path / "index"
    settings.MOODPLANE_MODELS_DIR = tmp_path / "models"
    cache.clear()
    # A worker of this test would do what an earlier test announced, on this test's rows.
    with celery_app.connection_for_write() as broker:
        for queue in ("gpu", "default"):
            broker.default_channel.queue_purge(queue)


@pytest.fixture
def object_storage(settings: Settings) -> None:
    """Audio and covers lie in a storage that has no paths."""
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"}}


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    """A request leaves its language active in its thread; the next test starts without one."""
    yield
    translation.deactivate()


@pytest.fixture
def celery_worker_process(transactional_db: None, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A real worker on both queues, on the test database and this test's media; use it in transactional tests."""
    starter = WorkerStarter(tmp_path)
    try:
        yield starter.start()
    finally:
        starter.stop()


class WorkerStarter:
    """Starts real Celery workers on the test database; a test that kills one can start another."""

    def __init__(self, tmp_path: Path) -> None:
        self._log = tmp_path / "worker.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        """Start a worker and wait until it takes tasks."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._log.write_bytes(b"")
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [*_CELERY, "worker", *_ALONE, "-Q", "gpu,default", "--pool", "solo", "--loglevel", "INFO"],
                cwd=ROOT,
                env=process_environment(),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + _WORKER_START_S
        while b" ready." not in self._log.read_bytes():
            if self._process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"The worker did not start:\n{self._log.read_text(errors='replace')}")
            time.sleep(0.1)
        return self._process

    def kill(self) -> None:
        """Kill the worker as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """Stop the worker."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()


@pytest.fixture
def process_env(db: None) -> Callable[[], dict[str, str]]:
    """`process_environment`, for tests that start `manage.py` on the test database."""
    return process_environment


def process_environment() -> dict[str, str]:
    """Return the environment of a process that shall work on this test's database, media and index."""
    database = connection.settings_dict
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "mer_site.settings",
        "MEDIA_ROOT": str(django_settings.MEDIA_ROOT),
        "MOODPLANE_INDEX_DIR": str(django_settings.MOODPLANE_INDEX_DIR),
        "MOODPLANE_MODELS_DIR": str(django_settings.MOODPLANE_MODELS_DIR),
        "DATABASE_URL": _database_url(database),
        "PGPASSFILE": str(database.get("OPTIONS", {}).get("passfile", "")),
        "CELERY_BROKER_URL": django_settings.CELERY_BROKER_URL,
    }
    return {key: value for key, value in environment.items() if value}


def _database_url(database: dict[str, object]) -> str:
    from urllib.parse import quote

    user, password = quote(str(database["USER"])), quote(str(database.get("PASSWORD") or ""))
    credentials, name = f"{user}:{password}" if password else user, quote(str(database["NAME"]))
    if str(database["HOST"]).startswith("/"):
        # A socket's directory does not survive in the host part of an address.
        return f"postgres://{credentials}@/{name}?host={quote(str(database['HOST']))}"
    port = f":{database['PORT']}" if database.get("PORT") else ""
    return f"postgres://{credentials}@{database['HOST']}{port}/{name}"


# --- The cast -----------------------------------------------------------------------------------------------------


@pytest.fixture
def alice(db: None) -> User:
    """A listener."""
    return UserFactory(username="alice")


@pytest.fixture
def bob(db: None) -> User:
    """Another listener, who must never see Alice's data."""
    return UserFactory(username="bob")


@pytest.fixture
def cleo(db: None) -> User:
    """A curator."""
    user = UserFactory(username="cleo")
    # A transactional test empties every table, the group that a migration made included.
    user.groups.add(Group.objects.get_or_create(name="curator")[0])
    return user


@pytest.fixture
def staff(db: None) -> User:
    """One of the staff."""
    return UserFactory(username="staff", is_staff=True)


@pytest.fixture
def password() -> str:
    """The password of every user in the cast."""
    return PASSWORD


def _client_of(name: str) -> Any:
    """Return a fixture: a browser in which one of the cast is signed in."""

    @pytest.fixture
    def client(request: pytest.FixtureRequest) -> Client:
        client = Client()
        client.force_login(request.getfixturevalue(name))
        return client

    return client


client_alice, client_bob, client_cleo, client_staff = map(_client_of, ("alice", "bob", "cleo", "staff"))


@pytest.fixture
def api_anonymous(db: None) -> APIClient:
    """The API for a visitor without an account."""
    return APIClient()


def _api_of(name: str) -> Any:
    """Return a fixture: the API for one of the cast."""

    @pytest.fixture
    def api(request: pytest.FixtureRequest) -> APIClient:
        client = APIClient()
        client.force_authenticate(request.getfixturevalue(name))
        return client

    return api


api_alice, api_bob, api_cleo, api_staff = map(_api_of, ("alice", "bob", "cleo", "staff"))
