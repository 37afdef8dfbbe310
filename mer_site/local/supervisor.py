"""Supervises programs in the foreground: restarts those that end, and stops all of them at the end."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_TICK_S = 0.2
_STOP_TIMEOUT_S = 10.0
_BACKOFF_LIMIT_S = 30.0
_HEALTHY_AFTER_S = 60.0
_PATIENT_AFTER = 4  # Failures in a row, after which the same message is not repeated.
_LOG_LIMIT_BYTES = 10_000_000
_PR_SET_PDEATHSIG = 1
# Loaded before any fork: between fork and exec a child must not allocate or take locks.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class Program:
    """A program to keep running or, with `once`, to run a single time; higher stages stop first."""

    name: str
    argv: tuple[str, ...]
    log: Path
    stage: int = 1
    once: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


class Child:
    """A program and its current process."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.failures = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._log_start = 0
        self._reported = ""
        self._restart_at = 0.0

    def start(self) -> None:
        """Start the process in a new group, bound to die with this process."""
        log = self.program.log
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
            log.replace(log.with_name(log.name + ".1"))
        with log.open("ab") as output:
            self._log_start = output.tell()
            self._process = subprocess.Popen(
                self.program.argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self.program.environment},
                # Ctrl-C reaches only this process, which stops the others in order.
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - it only calls prctl.
            )
        self._started_at = time.monotonic()

    def exit_code(self) -> int | None:
        return None if self._process is None else self._process.poll()

    def schedule_restart(self) -> float:
        """Plan the next start, later after each failure in a row; return the seconds until then."""
        lived_s = time.monotonic() - self._started_at
        self.failures = 1 if lived_s > _HEALTHY_AFTER_S else self.failures + 1
        delay_s = min(2.0 ** (self.failures - 1), _BACKOFF_LIMIT_S)
        self._process = None
        self._restart_at = time.monotonic() + delay_s
        return delay_s

    def restart_if_due(self) -> None:
        if self._process is None and time.monotonic() >= self._restart_at:
            self.start()

    def signal(self, number: signal.Signals) -> None:
        """Signal the process, or with SIGKILL its whole group."""
        with suppress(ProcessLookupError):
            if self._process and number is signal.SIGKILL:
                os.killpg(self._process.pid, number)
            elif self._process and self._process.poll() is None:
                self._process.send_signal(number)

    def ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def last_words(self, lines: int = 6) -> str:
        """Return the last lines that the latest process wrote to the log."""
        with self.program.log.open("rb") as log:
            log.seek(self._log_start)
            text = log.read().decode(errors="replace")
        return "\n".join([f"    {line}" for line in text.splitlines() if line.strip()][-lines:])

    def news(self) -> str:
        """Return the last words, unless they were returned before."""
        words = self.last_words()
        if words == self._reported:
            return ""
        self._reported = words
        return f" The end of {self.program.log}:\n{words}"


class Supervisor:
    """Runs programs until SIGINT, SIGTERM or SIGHUP (the terminal was closed)."""

    def __init__(self, say: Callable[[str], None], on_once_ended: Callable[[Child, int], None]) -> None:
        self._say, self._on_once_ended = say, on_once_ended
        self._children: list[Child] = []
        self.stopping = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: setattr(self, "stopping", True))

    def start(self, programs: Iterable[Program]) -> None:
        for program in programs:
            child = Child(program)
            child.start()
            self._children.append(child)

    def child(self, name: str) -> Child:
        """Return the child that runs the program of this name."""
        return next(child for child in self._children if child.program.name == name)

    def tick(self) -> None:
        """Tend every child once, then sleep a little."""
        for child in list(self._children):
            self._tend(child)
        if not self.stopping:
            time.sleep(_TICK_S)

    def stop(self) -> None:
        """Stop all children, stage by stage; kill those that do not stop in time."""
        for stage in sorted({child.program.stage for child in self._children}, reverse=True):
            children = [child for child in self._children if child.program.stage == stage]
            for child in children:
                child.signal(signal.SIGTERM)
            deadline = time.monotonic() + _STOP_TIMEOUT_S
            while time.monotonic() < deadline and not all(child.ended() for child in children):
                time.sleep(0.05)
            for child in children:
                # Even if the leader ended in time: no process of its group may stay.
                child.signal(signal.SIGKILL)
            while not all(child.ended() for child in children):
                time.sleep(0.05)
        self._children.clear()

    def _tend(self, child: Child) -> None:
        code = child.exit_code()
        if code is None:
            if not child.program.once:
                child.restart_if_due()
        elif child.program.once:
            self._children.remove(child)
            self._on_once_ended(child, code)
        else:
            delay_s = child.schedule_restart()
            news = child.news()
            if news or child.failures < _PATIENT_AFTER:
                how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
                self._say(f"The {child.program.name} ended ({how}) and starts again in {delay_s:.0f} s.{news}")
            elif child.failures == _PATIENT_AFTER:
                self._say(f"The {child.program.name} keeps ending like that; it is tried again without a word.")


def _die_with_parent() -> None:
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
