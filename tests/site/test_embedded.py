"""The embedded servers: joined, left, revived; in awkward places, and after a crash."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mer_site.local.embedded import Servers
from mer_site.local.servers import EmbeddedError, Postgres, Redis, RunAs

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def var(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A path with a space, and longer than a socket's may be; one for all tests, since initdb takes seconds."""
    return tmp_path_factory.mktemp("embedded") / "a path with a space" / ("long" * 30)


@pytest.fixture
def servers(var: Path) -> Iterator[Servers]:
    """Servers that no process uses any more."""
    servers = Servers(var)
    yield servers
    servers.release()


def processes(servers: Servers) -> list[psutil.Process]:
    found = [Postgres(servers.paths).process(), Redis(servers.paths).process()]
    return [process for process in found if process is not None]


def test_awkward_path_is_shared_and_left_empty_by_the_last(servers: Servers) -> None:
    servers.acquire()
    second = Servers(servers.paths.var)
    second.acquire()
    first_processes = processes(servers)
    assert len(first_processes) == 2

    servers.release()
    assert processes(second) == first_processes
    second.release()
    assert processes(second) == []
    assert not servers.paths.socket_dir.exists()


def test_killed_servers_are_revived_past_their_stale_files(servers: Servers) -> None:
    servers.acquire()
    for process in processes(servers):
        process.kill()
        process.wait()
    assert servers.revive() == ["Postgres", "Redis"]
    assert Postgres(servers.paths).answers()
    assert Redis(servers.paths).answers()


def test_a_killed_process_leaves_no_servers_behind(servers: Servers) -> None:
    script = (
        "import sys, time; from pathlib import Path; from mer_site.local.embedded import Servers\n"
        "Servers(Path(sys.argv[1])).acquire(); print('up', flush=True); time.sleep(600)"
    )
    argv = [sys.executable, "-c", script, str(servers.paths.var)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == b"up\n"
        orphans = processes(servers)
        assert len(orphans) == 2
        starter.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(orphans, timeout=30)
    assert alive == []


def test_running_servers_are_adopted(servers: Servers) -> None:
    servers.acquire()
    before = processes(servers)
    late = Servers(servers.paths.var)
    late.acquire()
    servers.release()
    servers.acquire()
    assert processes(servers) == before
    late.release()


def test_a_stale_pid_of_another_process_does_not_block(servers: Servers) -> None:
    servers.acquire()
    servers.release()
    stale = servers.paths.postgres_data / "postmaster.pid"
    with subprocess.Popen(["sleep", "60"]) as namesake:
        stale.write_text(f"{namesake.pid}\n{servers.paths.postgres_data}\n{int(time.time())}\n5432\n\n\n\nready\n")
        servers.acquire()
        assert Postgres(servers.paths).answers()
        assert namesake.poll() is None
        namesake.kill()


def test_a_data_directory_of_another_version_is_refused_with_a_sentence(tmp_path: Path) -> None:
    servers = Servers(tmp_path)
    data = servers.paths.postgres_data
    RunAs.current(data).own(data)
    (data / "PG_VERSION").write_text("9\n")
    with pytest.raises(EmbeddedError, match="was written by PostgreSQL 9, and the installed wheel has only 16, 18"):
        servers.acquire()
