"""Walks folders for audio files and counts by kind what it leaves out. It lists folders and opens nothing else."""

import errno
import os
import stat
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.utils.translation import ngettext

from catalog.files.lyrics import LYRICS_SUFFIXES

AUDIO_SUFFIXES = frozenset(
    {".mp3", ".mp2", ".mpa", ".mpga", ".flac", ".ogg", ".oga", ".opus", ".wav", ".wave", ".bwf"}
    | {".aif", ".aiff", ".aifc", ".m4a", ".m4b", ".m4r", ".mp4", ".aac", ".alac"}
)
_UNTAKEN = (
    ".wma .asf .wv .ape .mac .mka .weba .w64 .rf64 .caf .au .snd .voc .dsf .dff .dsd .wsd .mpc .mpp .mp+ .tta .tak "
    ".shn .ofr .ofs .la .ra .ram .rm .mid .midi .kar .rmi .xmf .amr .awb .3ga .gsm .spx .qcp .aa .aax .aaxc .m4p "
    ".oma .omg .aa3 .at3 .ac3 .eac3 .ec3 .ac4 .dts .dtshd .mlp .thd .mp1 .mogg .vqf .8svx .mod .s3m .xm .it .sid "
    ".nsf .spc .vgm"
)
# Audio in formats that are not taken.
UNTAKEN_SUFFIXES = frozenset(_UNTAKEN.split())
_NAMED_MOST = 20

Signature = tuple[int, int, int]
_BIGINT = 2**63 - 1


@dataclass(slots=True)
class LeftOut:
    """What a walk leaves out, by kind; folders and files that a person can do something about have their paths."""

    untaken: Counter[str] = field(default_factory=Counter)
    n_other: int = 0
    n_hidden: int = 0
    special: list[Path] = field(default_factory=list)
    unreadable: list[tuple[Path, str]] = field(default_factory=list)
    loops: list[Path] = field(default_factory=list)
    broken: list[Path] = field(default_factory=list)
    # What has a song's name, and is read for it.
    lyrics: list[tuple[Path, os.stat_result]] = field(default_factory=list)

    def counts(self) -> dict[str, Any]:
        """Return the counts, with some of the paths, as JSON takes them; `left_out_words` writes them."""
        named = {
            "special": self.special,
            "unreadable": [path for path, _ in self.unreadable],
            "loops": self.loops,
            "broken": self.broken,
        }
        return {
            "untaken": dict(self.untaken),
            "other": self.n_other,
            "hidden": self.n_hidden,
            **{kind: len(paths) for kind, paths in named.items()},
            "paths": {kind: [path_shown(path) for path in paths[:_NAMED_MOST]] for kind, paths in named.items()},
        }


def audio_walk(
    paths: Iterable[Path], left_out: LeftOut, stopping: Callable[[], bool] = lambda: False
) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield each named file, and the files in each folder that have an audio suffix, with their status.

    Linked folders are followed, after the others, unless they lead to a folder that was read or that holds this one.
    Once `stopping` is true, no further folder is listed.
    """
    read: set[tuple[int, int]] = set()
    for path in paths:
        try:
            status = path.stat()
        except OSError as error:
            left_out.unreadable.append((path, reason_of(error)))
            continue
        if stat.S_ISDIR(status.st_mode):
            yield from _folder_walk(path, read, left_out, stopping)
        elif stat.S_ISREG(status.st_mode):
            yield path, status
        else:
            left_out.special.append(path)


def _folder_walk(
    root: Path, read: set[tuple[int, int]], left_out: LeftOut, stopping: Callable[[], bool]
) -> Iterator[tuple[Path, os.stat_result]]:
    around = {_identity(parent.stat()) for parent in root.resolve().parents}
    waiting, linked = [root], deque[Path]()
    while (waiting or linked) and not stopping():
        folder = waiting.pop() if waiting else linked.popleft()
        inner: list[Path] = []
        try:
            entries = _entries(folder, read, around)
        except OSError as error:
            left_out.unreadable.append((folder, reason_of(error)))
            continue
        if entries is None:
            left_out.loops.append(folder)
            continue
        songs = {_stem(entry.name) for entry in entries if _suffix(entry.name) in AUDIO_SUFFIXES}
        for entry in entries:
            path = folder / entry.name
            try:
                kind = _kind(entry)
                if kind == "file" and _suffix(entry.name) in LYRICS_SUFFIXES and _stem(entry.name) in songs:
                    left_out.lyrics.append((path, entry.stat()))
                elif kind != "folder" and _is_taken(path, kind, left_out):
                    yield path, entry.stat()
                elif kind == "folder" and entry.name.startswith("."):
                    left_out.n_hidden += 1
                elif kind == "folder":
                    (linked if entry.is_symlink() else inner).append(path)
            except OSError as error:
                left_out.unreadable.append((path, reason_of(error)))
        waiting += reversed(inner)


def _entries(folder: Path, read: set[tuple[int, int]], around: set[tuple[int, int]]) -> list[os.DirEntry[str]] | None:
    """List a folder in alphabetical order; None where it was read before or holds the root, so that links end."""
    identity = _identity(folder.stat())
    if identity in read or identity in around:
        return None
    with os.scandir(folder) as listing:
        entries = sorted(listing, key=lambda entry: entry.name)
    read.add(identity)
    return entries


def _kind(entry: os.DirEntry[str]) -> str:
    try:
        if entry.is_dir():
            return "folder"
        if entry.is_file():
            return "file"
        # Only a link can lead nowhere; the rest must never be opened, because that may block or act.
        return "broken" if entry.is_symlink() and not Path(entry.path).exists() else "special"
    except OSError as error:
        if error.errno == errno.ELOOP:
            return "broken"
        raise


def _is_taken(path: Path, kind: str, left_out: LeftOut) -> bool:
    """Whether a path is to be read as audio; anything else is counted."""
    if kind == "broken":
        left_out.broken.append(path)
    elif kind == "special":
        left_out.special.append(path)
    return kind == "file" and _is_audio(path.name, left_out)


def _is_audio(name: str, left_out: LeftOut) -> bool:
    suffix = _suffix(name)
    if name.startswith("."):
        left_out.n_other += 1
    elif suffix in AUDIO_SUFFIXES:
        return True
    elif suffix in UNTAKEN_SUFFIXES:
        left_out.untaken[suffix] += 1
    else:
        left_out.n_other += 1
    return False


def _suffix(name: str) -> str:
    return name[name.rfind(".") :].lower() if "." in name else ""


def _stem(name: str) -> str:
    return name.rpartition(".")[0]


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def signature_of(status: os.stat_result) -> Signature:
    """Return size, mtime and ctime: programs that edit tags can preserve the first two, and none the third."""
    numbers = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    # A file system may hold times that no column does.
    size, mtime_ns, ctime_ns = (max(-_BIGINT, min(_BIGINT, number)) for number in numbers)
    return size, mtime_ns, ctime_ns


def device_of(status: os.stat_result) -> int:
    """Return the number of a file's disk."""
    return status.st_dev & _BIGINT


def reason_of(error: OSError) -> str:
    """Return why a file or folder cannot be read, in the system's words."""
    return error.strerror or str(error)


def path_shown(path: Path | bytes) -> str:
    """Return a path to show; bytes that are no UTF-8 become replacement characters."""
    return os.fsencode(path).decode("utf-8", "replace")


def left_out_words(counts: dict[str, Any]) -> list[str]:
    """Say in sentences what `LeftOut.counts` counted."""
    words = []
    untaken = counts["untaken"]
    if n := sum(untaken.values()):
        sentence = ngettext(
            "%(n)d file of a format that is not taken: %(kinds)s.",
            "%(n)d files of formats that are not taken: %(kinds)s.",
            n,
        )
        kinds = sorted(untaken.items(), key=lambda each: (-each[1], each[0]))
        words.append(sentence % {"n": n, "kinds": ", ".join(f"{count} {kind}" for kind, count in kinds)})
    if n := counts["other"]:
        words.append(ngettext("%(n)d other file ignored.", "%(n)d other files ignored.", n) % {"n": n})
    if n := counts["hidden"]:
        words.append(ngettext("%(n)d hidden folder ignored.", "%(n)d hidden folders ignored.", n) % {"n": n})
    if n := counts["special"]:
        sentence = ngettext("%(n)d pipe, socket or device skipped.", "%(n)d pipes, sockets or devices skipped.", n)
        words.append(sentence % {"n": n})
    if n := counts["unreadable"]:
        sentence = ngettext("%(n)d folder or file could not be read.", "%(n)d folders or files could not be read.", n)
        words.append(sentence % {"n": n})
    if n := counts["loops"]:
        sentence = ngettext(
            "%(n)d folder was not read twice: a link leads to it again.",
            "%(n)d folders were not read twice: links lead to them again.",
            n,
        )
        words.append(sentence % {"n": n})
    if n := counts["broken"]:
        words.append(ngettext("%(n)d link leads nowhere.", "%(n)d links lead nowhere.", n) % {"n": n})
    return words
