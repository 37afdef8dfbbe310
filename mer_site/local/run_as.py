"""Runs the embedded servers as another user than root, which PostgreSQL refuses."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_ACCOUNTS = ("moodplane", "nobody")
# Directories above a checkout in /root or in a mktemp directory are closed to everybody but root. Opening them would
# change what is not ours, so the server gets a capability to pass them; the weaker capability comes first.
_TRAVERSAL = ("dac_read_search", "dac_override")


class EmbeddedError(Exception):
    """The embedded servers cannot run; the message is a sentence for the user."""


class LastingProcess(subprocess.Popen[bytes]):
    """A process that may well outlive the one that started it."""

    def __del__(self) -> None:
        """Say nothing: Popen would complain that it still runs."""


@dataclass(frozen=True, slots=True)
class RunAs:
    """The user of the servers: a uid and gid to change to, or none where this process is not root."""

    uid: int | None = None
    gid: int | None = None
    capability: str = ""

    @classmethod
    def current(cls, data: Path) -> RunAs:
        """Return the user for servers whose data lie in `data`: the owner of existing data, else a service account."""
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
        """Create a private directory of this user, or accept an existing one that is theirs.

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
        """Return this user, with a capability if closed directories lie on the way to a binary or to `directory`.

        `probe` is a harmless command of that binary, such as asking for its version.
        """
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
        return LastingProcess(
            [*self._setpriv(), *argv],
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

    def _setpriv(self) -> list[str]:
        if not self.capability:
            return []
        user = [f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups"]
        capability = [f"--inh-caps=+{self.capability}", f"--ambient-caps=+{self.capability}"]
        # Without this bit the kernel forgets the capability in access(2), by which PostgreSQL finds its programs.
        return ["setpriv", "--securebits=+no_setuid_fixup", *user, *capability]
