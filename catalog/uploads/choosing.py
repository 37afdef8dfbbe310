"""Folders of the server that the staff choose in the browser: looked at first, then followed, or added once.

Those of MUSIC_FOLDERS are the operator's, and not touched here.
"""

import getpass
import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from catalog.exceptions import FolderRefusedError
from catalog.files.storage import holds_media
from catalog.models import WatchedFolder
from catalog.uploads.walking import LeftOut, audio_walk, left_out_words, path_shown, reason_of

Mode = WatchedFolder.Mode
FOLLOWED = (Mode.WATCH, Mode.ONCE)
# A person waits for the count.
_COUNT_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class FolderFound:
    """What a folder holds; `is_all` is false where counting would have taken too long."""

    path: Path
    n_files: int
    is_all: bool
    left_out: list[str]


def folder_look(text: str) -> FolderFound:
    """Return what a folder holds, named by its whole path; links in the path are resolved.

    Raises:
        FolderRefusedError: It cannot be followed; the sentence says why.
    """
    path = _resolved(text)
    if holds_media(path) or settings.MOODPLANE_VAR.resolve().is_relative_to(path):
        raise FolderRefusedError(
            _("%(folder)s holds what Moodplane stores itself. Name another folder.") % {"folder": path_shown(path)}
        )
    if (other := _follower(path)) is not None:
        same = other == path
        sentence = _("%(folder)s is followed already.") if same else _("%(folder)s is in %(other)s, which is followed.")
        raise FolderRefusedError(sentence % {"folder": path_shown(path), "other": path_shown(other)})
    deadline, left_out, n_files = time.monotonic() + _COUNT_WITHIN_S, LeftOut(), 0

    def is_late() -> bool:
        return time.monotonic() > deadline

    for _file in audio_walk([path], left_out, is_late):
        n_files += 1
        if is_late():
            break
    is_all = not is_late()
    return FolderFound(path, n_files, is_all, left_out_words(left_out.counts()) if is_all else [])


def _resolved(text: str) -> Path:
    if not text.startswith("/"):
        raise FolderRefusedError(_("Write the whole path of a folder on the server, such as /srv/music."))
    try:
        path = Path(text).resolve(strict=True)
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        sentence = _("There is no %(folder)s on the server. The path is one of the server, not of your own computer.")
        raise FolderRefusedError(sentence % {"folder": text}) from None
    except PermissionError:
        raise FolderRefusedError(_unreadable(text)) from None
    except (OSError, RuntimeError, ValueError) as error:
        # A link in a circle, a name too long, a NUL in it.
        reason = reason_of(error) if isinstance(error, OSError) else str(error)
        raise FolderRefusedError(
            _("%(folder)s cannot be opened: %(reason)s.") % {"folder": text, "reason": reason}
        ) from None
    if not stat.S_ISDIR(status.st_mode):
        raise FolderRefusedError(_("%(folder)s is no folder. Name the one that it is in.") % {"folder": text})
    if not os.access(path, os.R_OK | os.X_OK):
        raise FolderRefusedError(_unreadable(text))
    return path


def _unreadable(text: str) -> str:
    sentence = _(
        "Moodplane may not read %(folder)s: on the server it runs as the user %(user)s. Let that user read it."
    )
    return sentence % {"folder": text, "user": _user()}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # As in a container, where nobody has a name.
        return str(os.geteuid())


def _follower(path: Path) -> Path | None:
    """Return the folder that is followed and holds a path, or is it."""
    followed = [*(each.resolve() for each in settings.MUSIC_FOLDERS), *chosen_paths()]
    return next((each for each in followed if path.is_relative_to(each)), None)


def chosen_paths() -> list[Path]:
    """Return the folders that the staff chose and that are followed, or being added."""
    paths = WatchedFolder.objects.filter(mode__in=FOLLOWED).values_list("path", flat=True)
    return [Path(os.fsdecode(bytes(path))) for path in paths]


def folder_choose(*, found: FolderFound, is_watched: bool) -> WatchedFolder:
    """Follow a folder, or add what is in it once; the watcher notices within seconds."""
    mode = Mode.WATCH if is_watched else Mode.ONCE
    folder, _is_new = WatchedFolder.objects.update_or_create(path=os.fsencode(found.path), defaults={"mode": mode})
    return folder


def folder_stop(*, folder: WatchedFolder) -> None:
    """Follow a chosen folder no longer; its songs stay."""
    WatchedFolder.objects.filter(pk=folder.pk, mode__in=FOLLOWED).update(mode=Mode.STOPPED)


def is_followed(path: Path) -> bool:
    """Whether a chosen folder is still to be followed."""
    return WatchedFolder.objects.filter(path=os.fsencode(path), mode__in=FOLLOWED).exists()


def folder_added(path: Path) -> None:
    """Note that all of a folder that is added once is in."""
    WatchedFolder.objects.filter(path=os.fsencode(path), mode=Mode.ONCE).update(mode=Mode.ADDED)
