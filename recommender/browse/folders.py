"""The library as folders: those that the server watches, as they are on its disk."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

from django.db import connection

from catalog.models import Song, WatchedFolder
from emotion.selectors import current_estimates

# Folders and songs of one folder that a page shows.
MOST_SHOWN = 1_000
# By this expression paths are indexed: a whole path may be longer than an index takes.
_INDEXED = "substring(path, 1, 1000)"

# One step of the index for each folder, where DISTINCT would read every file below them.
_FOLDERS = f"""
    WITH RECURSIVE below AS (
        (SELECT path FROM catalog_folderfile
         WHERE folder_id = %(folder)s AND missing_since IS NULL AND {_INDEXED} >= %(first)s AND {_INDEXED} < %(end)s
           AND position('\\x2f'::bytea in substring(path from %(after)s)) > 0
         ORDER BY {_INDEXED} LIMIT 1)
        UNION ALL
        SELECT (
            SELECT file.path FROM catalog_folderfile file
            WHERE folder_id = %(folder)s AND missing_since IS NULL
              AND substring(file.path, 1, 1000) >= substring(
                  below.path from 1 for %(after)s - 2 + position('\\x2f'::bytea in substring(below.path from %(after)s))
              ) || '\\x30'::bytea
              AND substring(file.path, 1, 1000) < %(end)s
              AND position('\\x2f'::bytea in substring(file.path from %(after)s)) > 0
            ORDER BY substring(file.path, 1, 1000) LIMIT 1)
        FROM below WHERE below.path IS NOT NULL
    )
    SELECT path FROM below WHERE path IS NOT NULL LIMIT %(most)s
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder: its name to show, and its path within the watched one as an address has it."""

    name: str
    path: str


def path_written(path: bytes) -> str:
    """Write a path for an address: names of a file system may be in any encoding, or in none."""
    return urlsafe_b64encode(path).decode().rstrip("=")


def path_read(text: str) -> bytes:
    """Return the path that an address names, with a slash at its end; empty for the watched folder itself.

    Raises:
        ValueError: It names none.
    """
    path = urlsafe_b64decode(text + "=" * (-len(text) % 4)).strip(b"/")
    return path + b"/" if path else b""


def folders_in(root: WatchedFolder, path: bytes) -> list[Folder]:
    """Return the folders with music in a folder of a watched one, by name."""
    end = path[:-1] + b"0" if path else b"\xff" * 8
    values: dict[str, int | bytes] = {
        "folder": root.pk,
        "first": path,
        "end": end,
        "after": len(path) + 1,
        "most": MOST_SHOWN,
    }
    with connection.cursor() as cursor:
        cursor.execute(_FOLDERS, values)
        paths = [bytes(row[0]) for row in cursor.fetchall()]
    names = [found[len(path) :].split(b"/", 1)[0] for found in paths]
    return [Folder(shown(name), path_written(path + name)) for name in names]


def songs_in(root: WatchedFolder, path: bytes) -> list[Song]:
    """Return the songs of the files that lie in a folder itself, in the order of their names."""
    end = path[:-1] + b"0" if path else b"\xff" * 8
    files = root.files.filter(missing_since=None, song__isnull=False).extra(  # noqa: S610
        where=[
            f"{_INDEXED} >= %s AND {_INDEXED} < %s",
            "position('\\x2f'::bytea in substring(path from %s)) = 0",
        ],
        params=[path, end, len(path) + 1],
    )
    ids = list(files.order_by("path").values_list("song_id", flat=True)[:MOST_SHOWN])
    songs = Song.objects.filter(pk__in=ids).select_related("artist", "album").prefetch_related(current_estimates())
    by_id = {song.pk: song for song in songs}
    return [by_id[pk] for pk in dict.fromkeys(ids) if pk in by_id]


def way_to(path: bytes) -> list[Folder]:
    """Return the folders above a path, and it, from the outermost."""
    parts = path.rstrip(b"/").split(b"/") if path else []
    return [Folder(shown(part), path_written(b"/".join(parts[:place]))) for place, part in enumerate(parts, start=1)]


def shown(name: bytes) -> str:
    """Return a name of a file system for people: bytes that are no UTF-8 are replaced."""
    return name.decode("utf-8", "replace")
