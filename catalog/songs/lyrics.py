"""Keeps the lyrics of songs: those in a file's tags, or of a file beside it."""

import os
from pathlib import Path

from catalog.files.isolation import lyrics_isolated
from catalog.files.lyrics import LYRICS_SUFFIXES, SongLyrics
from catalog.models import Lyrics


def lyrics_set(*, song_id: int, read: SongLyrics | None, source: Lyrics.Source, signature: str = "") -> bool:
    """Give a song the lyrics that a source has of it, if they are better than those it has; return whether it did.

    Lines with times come first, then a file beside the song, which somebody has put there. Lyrics that their source has
    no more are deleted. `signature` tells one state of a file from another.
    """
    kept = Lyrics.objects.filter(song=song_id).first()
    is_others = kept is not None and kept.source != source
    if kept and is_others and (read is None or _rank(kept.lines, kept.source) > _rank(read.lines, source)):
        # Looked at, so that it need not be read again.
        Lyrics.objects.filter(pk=kept.pk).update(signature=signature or kept.signature)
        return False
    if read is None:
        return kept is not None and kept.delete()[0] > 0
    values = {"text": read.text, "lines": [list(line) for line in read.lines]}
    Lyrics.objects.update_or_create(song_id=song_id, defaults={**values, "source": source, "signature": signature})
    return True


def _rank(lines: object, source: str) -> tuple[bool, bool]:
    return bool(lines), source == Lyrics.Source.FILE


def lyrics_beside(*, song_id: int, path: Path) -> None:
    """Give a song the lyrics of a file that lies beside its own, if there is one."""
    beside = next((file for suffix in LYRICS_SUFFIXES if (file := path.with_suffix(suffix)).is_file()), None)
    if beside is not None:
        lyrics_file_take(song_id=song_id, path=beside)


def lyrics_file_take(*, song_id: int, path: Path) -> bool:
    """Give a song the lyrics in a file, if it can be read; return whether it has them now."""
    try:
        signature, read = lyrics_signature(path.stat()), lyrics_isolated(path)
    except OSError:
        return False
    return lyrics_set(song_id=song_id, read=read, source=Lyrics.Source.FILE, signature=signature)


def lyrics_signature(status: os.stat_result) -> str:
    """Return what tells one state of a file from another."""
    return f"{status.st_size}-{status.st_mtime_ns}"
