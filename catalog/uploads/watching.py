"""Watches folders and scans those in which something happens.

Events only wake: what happened is found by the scan, so a lost or a wrong event costs time and nothing else. Every
folder is scanned after `RESCAN_S` even if nothing was heard of it. Folders that the staff choose in the browser come
and go while it runs.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from django.contrib.auth.models import User
from django.db import IntegrityError, InterfaceError, OperationalError, close_old_connections, connection
from watchfiles import Change, watch

from catalog.uploads.choosing import chosen_paths, folder_added, is_followed
from catalog.uploads.scanning import Scan, folder_of, folder_scan
from catalog.uploads.steady import STABLE_S, Steadiness
from catalog.uploads.walking import path_shown

logger = logging.getLogger(__name__)

RESCAN_S = 600.0
_BUSY_S = 30.0
# A person who chose a folder waits for it to begin.
_CHOSEN_S = 3.0
_REST = 4.0
_POLL_S = 10.0
_RELISTEN_S = 30.0
# What neither tells nor can be polled is scanned as often.
_UNWATCHED_S = 60.0
_MOST_FAILURES = 3
# The kernel tells nothing of what other machines write there.
_NETWORK = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "davfs", "fuse", "gluster", "ncp", "vboxsf", "virtiofs", "drvfs")


@dataclass(slots=True)
class _Followed:
    """A folder that is followed: when it is due and rested, on `time.monotonic`, and what it said last."""

    is_chosen: bool
    due: float = 0.0
    rested: float = 0.0
    said: str = ""
    stop: threading.Event = field(default_factory=threading.Event)


def folders_watch(
    *,
    paths: Sequence[Path],
    owner: User | None,
    stop: threading.Event,
    say: Callable[[str], None],
    chosen: bool = False,
) -> None:
    """Keep the catalog in step with folders, and with those that the staff chose if `chosen`, until `stop` is set."""
    named, woken, steadiness = _outermost(paths, say), queue.SimpleQueue[Path](), Steadiness()
    followed: dict[Path, _Followed] = {}
    _follow(followed, named, [], woken)
    asked_at = -_CHOSEN_S
    while not stop.is_set():
        if chosen and time.monotonic() - asked_at >= _CHOSEN_S:
            _follow(followed, named, _chosen(followed), woken)
            asked_at = time.monotonic()
        for root, one in followed.items():
            began = time.monotonic()
            if one.due <= began and not stop.is_set():
                wait_s = _scan(root, one, owner, steadiness, say, stop)
                ended = time.monotonic()
                # While a collection is being copied, events never end, and a large folder takes seconds to compare.
                one.due, one.rested = ended + wait_s, ended + _REST * (ended - began)
        try:
            # Short, so that a signal to stop is noticed.
            soonest = min((one.due for one in followed.values()), default=0.0) - time.monotonic()
            root = woken.get(timeout=max(0.05, min(1.0, soonest)) if followed else 1.0)
        except queue.Empty:
            continue
        # What was written just now is looked at now and taken when it has not changed for as long.
        if woken_one := followed.get(root):
            woken_one.due = min(woken_one.due, max(time.monotonic() + 1.0, woken_one.rested))
    for one in followed.values():
        one.stop.set()


def _outermost(paths: Sequence[Path], say: Callable[[str], None]) -> list[Path]:
    roots = list(dict.fromkeys(path.absolute() for path in paths))
    inner = [root for root in roots if _is_within(root, roots)]
    for root in inner:
        say(f"{path_shown(root)} is within another of these folders and is watched with it.")
    return [root for root in roots if root not in inner]


def _is_within(root: Path, roots: Sequence[Path]) -> bool:
    return any(root != other and root.is_relative_to(other) for other in roots)


def _chosen(followed: dict[Path, _Followed]) -> list[Path]:
    try:
        close_old_connections()
        return chosen_paths()
    except (OperationalError, InterfaceError) as error:
        logger.warning("The database does not answer; trying again: %s", error)
        connection.close()
        return [root for root, one in followed.items() if one.is_chosen]


def _follow(
    followed: dict[Path, _Followed], named: list[Path], chosen: list[Path], woken: "queue.SimpleQueue[Path]"
) -> None:
    """Begin and end following, so that `followed` holds what is named and what is chosen."""
    every = list(dict.fromkeys([*named, *chosen]))
    wanted = [root for root in every if not _is_within(root, every)]
    for root in followed.keys() - set(wanted):
        followed.pop(root).stop.set()
    for root in wanted:
        if root not in followed:
            one = followed[root] = _Followed(is_chosen=root not in named)
            threading.Thread(target=_listen, args=(root, woken, one.stop), name="folder-events", daemon=True).start()


def _scan(
    root: Path,
    one: _Followed,
    owner: User | None,
    steadiness: Steadiness,
    say: Callable[[str], None],
    stop: threading.Event,
) -> float:
    """Scan a folder and say what is new; return the seconds until the next scan."""

    def is_stopping() -> bool:
        # It is asked before each file; what was stopped stays so.
        if one.is_chosen and not one.stop.is_set() and not is_followed(root):
            one.stop.set()
        return stop.is_set() or one.stop.is_set()

    try:
        close_old_connections()
        if is_stopping():
            return _BUSY_S
        scan = folder_scan(folder=folder_of(root), owner=owner, steadiness=steadiness, stopping=is_stopping)
        is_settled = not (scan.problem or scan.is_busy or scan.is_full or scan.n_queued or scan.n_waiting)
        if one.is_chosen and is_settled:
            folder_added(root)
    except IntegrityError as error:
        logger.warning("%s was taken off the list while it was scanned: %s", path_shown(root), error)
        return _BUSY_S
    except (OperationalError, InterfaceError) as error:
        logger.warning("The database does not answer; trying again: %s", error)
        connection.close()
        return _BUSY_S
    words = scan_words(scan)
    if scan.has_news or words != one.said:
        say(f"{path_shown(root)}: {words}")
    one.said = words
    if scan.problem or scan.is_busy or scan.is_full:
        return _BUSY_S
    if scan.n_queued:
        return 0.0
    return STABLE_S if scan.n_waiting else RESCAN_S


# For the log, in English.
_PROBLEM_WORDS = {
    "gone": "not there; its songs stay as they are",
    "no_folder": "no folder; its songs stay as they are",
    "unreadable": "not readable; its songs stay as they are",
    "empty": "empty although it had songs, as a disk that is not mounted is; they stay as they are",
}


def scan_words(scan: Scan) -> str:
    """Say in a line what a scan did."""
    if scan.is_busy:
        return "another process scans"
    if scan.problem:
        return _PROBLEM_WORDS[scan.problem]
    counts = {
        "added": scan.n_added,
        "changed": scan.n_changed,
        "missing": scan.n_missing,
        "moved": scan.n_moved,
        "back": scan.n_returned,
        "refused": scan.n_refused,
        "not stable yet": scan.n_waiting,
        "to come": scan.n_queued,
        "on a disk that is not mounted": scan.n_unmounted,
        "not readable": len(scan.faults),
    }
    words = [f"{scan.n_found} audio files", *(f"{count} {word}" for word, count in counts.items() if count)]
    return ", ".join(words) + ("; the disk of the catalog is full" if scan.is_full else "")


def _listen(root: Path, woken: "queue.SimpleQueue[Path]", stop: threading.Event) -> None:
    """Wake the scan whenever something happens in a folder; one that is not there is asked for again."""
    is_network = _is_network(root)
    polls, n_failures = is_network, 0
    while not stop.is_set():
        identity = _identity(root)
        try:
            for changes in _events(root, stop, polls):
                if changes:
                    n_failures = 0
                    woken.put(root)
                # Another disk was mounted there, or the folder was made anew: the events of the old one end.
                if _identity(root) != identity:
                    break
        except FileNotFoundError:
            pass
        except Exception as error:
            # A name in no encoding or a link in a circle ends the events, as does the limit of inotify.
            woken.put(root)
            n_failures += 1
            if n_failures == _MOST_FAILURES:
                logger.warning("%s cannot be watched%s: %s", path_shown(root), " by polling" if polls else "", error)
                if polls:
                    stop.wait(_UNWATCHED_S)
                polls, n_failures = (is_network if polls else True), 0
        if not stop.wait(_RELISTEN_S if identity is None else 1.0) and _identity(root) != identity:
            woken.put(root)


def _events(root: Path, stop: threading.Event, polls: bool) -> Iterator[set[tuple[Change, str]]]:
    """Yield what happens, or nothing every two seconds."""
    return watch(
        root,
        watch_filter=None,
        stop_event=stop,
        # Where this is None, WATCHFILES_FORCE_POLLING may ask for polling.
        force_polling=polls or None,
        poll_delay_ms=round(_POLL_S * 1000),
        ignore_permission_denied=True,
        raise_interrupt=False,
        yield_on_timeout=True,
        rust_timeout=2000,
    )


def _identity(root: Path) -> tuple[int, int] | None:
    try:
        status = root.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _is_network(root: Path) -> bool:
    place = root.resolve()
    mounts = [(Path(each.mountpoint), each.fstype) for each in psutil.disk_partitions(all=True)]
    around = [(len(mount.parts), kind) for mount, kind in mounts if place.is_relative_to(mount)]
    return bool(around) and max(around)[1].lower().startswith(_NETWORK)
