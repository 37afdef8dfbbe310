"""Reads lyrics from text: plain ones, and lines with the seconds at which they are sung.

Source: the LRC format, as players write it: `[mm:ss.xx]` before a line, several for a line that repeats, `[offset:ms]`,
and the times of words in `<mm:ss.xx>`, which are left out.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from catalog.files.tags import MAX_LYRICS_CHARS, text_clean

# Of files beside a song's, the better first.
LYRICS_SUFFIXES = (".lrc", ".txt")
MAX_FILE_BYTES = 256 * 1024
_MAX_LINES, _MAX_LINE_CHARS = 2_000, 500
# Of a text that has times, at least this share of lines.
_TIMED_SHARE = 0.5
_TIME = re.compile(r"\[(\d{1,3}):(\d{1,2}(?:[.:]\d{1,3})?)\]\s*", re.ASCII)
_WORD_TIME = re.compile(r"<\d{1,3}:\d{1,2}(?:[.:]\d{1,3})?>", re.ASCII)
_OFFSET = re.compile(r"\[offset:\s*([+-]?\d{1,6})\s*\]", re.ASCII | re.IGNORECASE)
# Who made it, and for what: `[ar:Ann]`.
_ABOUT = re.compile(r"\[(?:al|ar|au|by|encoding|la|length|lr|offset|re|ti|tool|ve|#):.*\]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SongLyrics:
    """Lyrics as text, and by line with the second at which each begins where these are known."""

    text: str
    lines: tuple[tuple[float, str], ...] = ()


def lyrics_read(text: str) -> SongLyrics | None:
    """Read lyrics, with times or without; None where there are no words."""
    rows = text[:MAX_LYRICS_CHARS].splitlines()[:_MAX_LINES]
    offset = _OFFSET.search(text[:MAX_LYRICS_CHARS])
    offset_s = int(offset.group(1)) / 1000 if offset else 0.0
    timed: list[tuple[float, str]] = []
    plain: list[str] = []
    n_timed = 0
    for row in rows:
        if _ABOUT.fullmatch(row.strip()):
            continue
        times_s, words = _times(row.strip())
        line = text_clean(_WORD_TIME.sub("", words), _MAX_LINE_CHARS)
        plain.append(line)
        n_timed += bool(times_s)
        timed += [(round(max(0.0, time_s - offset_s), 3), line) for time_s in times_s]
    n_lines = sum(1 for line in plain if line)
    if not n_lines:
        return None
    if len(timed) > 1 and n_timed >= _TIMED_SHARE * n_lines:
        # A line may repeat thousands of times.
        timed = sorted(timed, key=lambda each: each[0])[:_MAX_LINES]
        return SongLyrics(_joined([line for _time_s, line in timed]), tuple(timed))
    return SongLyrics(_joined(plain))


def lyrics_file_read(path: Path) -> SongLyrics | None:
    """Read a file of lyrics, in UTF-8, UTF-16 with its mark, or Windows-1252; None where there are no words.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as stream:
        data = stream.read(MAX_FILE_BYTES + 1)
    # A text so long is something else, as one with bytes that are no text is.
    if len(data) > MAX_FILE_BYTES:
        return None
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data.decode("utf-16", "replace")
    elif b"\0" in data:
        return None
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp1252", "replace")
    return lyrics_read(text)


def _times(row: str) -> tuple[list[float], str]:
    times_s, at = [], 0
    while match := _TIME.match(row, at):
        times_s.append(60 * int(match.group(1)) + float(match.group(2).replace(":", ".")))
        at = match.end()
    return times_s, row[at:]


def _joined(lines: list[str]) -> str:
    """Join lines, with at most one empty one in a row."""
    kept = [line for at, line in enumerate(lines) if line or (at and lines[at - 1])]
    return "\n".join(kept).strip()
