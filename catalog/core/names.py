"""Names as tags and file names write them: several artists in one text, and who sings what in a file without tags.

The artists of a song are one text, the credit: names between semicolons, and "feat." as it is written. It says all that
is known of them, so a curator can write it too.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path, PurePath
from typing import NamedTuple

# With spaces, because AC/DC is one artist, and Hip-Hop/Rap one genre.
_LIST = re.compile(r"\s*;\s*|\s+/\s+")
_FEAT = r"\s+[(\[]?(?:feat\.?|featuring|ft\.)\s+"
_GUEST = re.compile(_FEAT, re.IGNORECASE)
_SEPARATOR = "; "
# A hostile file has thousands.
MAX_NAMES = 50
_MAX_SIBLINGS = 500


def name_key(name: str) -> str:
    """Return the key that spellings share if they differ only in case or spaces."""
    return " ".join(name.casefold().split())[:300]


def names_split(text: str) -> list[str]:
    """Split a text at `;` and at `/` between spaces; each name once."""
    return _once(name for part in _LIST.split(text) if (name := part.strip()))


@lru_cache(maxsize=4096)
def name_keys(text: str) -> frozenset[str]:
    """Return the keys of the names in a text; every list asks this of the same few texts of genres."""
    return frozenset(map(name_key, names_split(text)))


def artists_split(credit: str) -> list[str]:
    """Return the artists of a credit in their order, guests behind "feat." too; each once."""
    return _once(_balanced(name) for part in names_split(credit) for name in _GUEST.split(part) if name.strip())


def credit_shown(credit: str) -> str:
    """Write a credit for people."""
    return credit.replace(_SEPARATOR, ", ")


def names_join(values: Iterable[str], max_chars: int) -> str:
    """Join names, or texts of several, to one text; those that are too many for it are left out."""
    text = ""
    for name in names_split(_SEPARATOR.join(values)):
        longer = f"{text}{_SEPARATOR}{name}" if text else name[:max_chars]
        if len(longer) > max_chars:
            break
        text = longer
    return text


def credit_join(written: Sequence[str], artists: Sequence[str], max_chars: int) -> str:
    """Return the credit of a file.

    Args:
        written: The artists as they are to be shown, in one text or several.
        artists: Each by itself, where the file has that too; they decide who the artists are.
        max_chars: Of the credit.
    """
    credit = names_join(written, max_chars)
    if not artists or [*map(name_key, artists_split(credit))] == [*map(name_key, artists)]:
        return credit
    text = artists[0][:max_chars]
    for before, name in pairwise(artists[:MAX_NAMES]):
        guest = re.search(re.escape(before) + f"({_FEAT})" + re.escape(name), credit, re.IGNORECASE)
        longer = text + (guest.group(1).replace("(", "").replace("[", "") if guest else _SEPARATOR) + name
        if len(longer) > max_chars:
            break
        text = longer
    return text


def _once(names: Iterable[str]) -> list[str]:
    by_key: dict[str, str] = {}
    for name in names:
        by_key.setdefault(name_key(name), name)
    return list(by_key.values())[:MAX_NAMES]


def _balanced(name: str) -> str:
    name = name.strip()
    for left, right in ("()", "[]"):
        if name.endswith(right) and name.count(right) > name.count(left):
            name = name[:-1].rstrip()
    return name


# --- Names of files ---------------------------------------------------------------------------------------------------

# Programs put these behind the name of a second copy.
_COPY = re.compile(r"\s*(?:\((?:copy|kopie|\d{1,2})\)|- (?:copy|kopie))$", re.IGNORECASE)
_DASH = re.compile(r"\s+[-–—]\s+")
_NUMBER = re.compile(r"(?:(?P<disc>\d)[-.])?(?P<track>\d{1,3})")
# "01. Title", "01 - Title", "1-01 Title": a number by its sign or its zero. "99 Luftballons" needs the folder's word.
_SURE_NUMBER = re.compile(
    r"(?:(?P<disc>\d)[-.])?(?P<track>\d{1,2}|0\d\d)(?:\s*[.)_]\s*|\s+[-–—]\s+|-(?=[^\d\s]))(?=\S)"
)
_ZERO_NUMBER = re.compile(r"(?:(?P<disc>\d)[-.](?=\d\d))?(?P<track>0\d{1,2}|(?<=[-.])\d\d)\s+(?=\S)")
_BARE_NUMBER = re.compile(r"(?P<track>\d{1,3})\s+(?=\S)")
_SMALL = frozenset({"a", "an", "and", "at", "by", "for", "from", "in", "my", "of", "on", "the", "to", "with"})


class FolderHint(NamedTuple):
    """What the folder of a file says of its name: the folder's own, and those of the other audio files in it."""

    folder: str = ""
    names: tuple[str, ...] = ()


class NameRead(NamedTuple):
    """What a file name says; missing parts are empty or None."""

    title: str
    artist: str = ""
    album: str = ""
    track_number: int | None = None
    disc_number: int | None = None


def folder_hint(path: Path) -> FolderHint:
    """Return what the folder of a file says of its name; nothing where it cannot be read."""
    try:
        names = _names_in(path.parent, path.parent.stat().st_mtime_ns, path.suffix.lower())
    except OSError:
        return FolderHint()
    return FolderHint(path.parent.name, tuple(name for name in names if name != path.name))


@lru_cache(maxsize=4)
def _names_in(folder: Path, _changed_ns: int, suffix: str) -> tuple[str, ...]:
    with os.scandir(folder) as entries:
        return tuple(sorted(each.name for each in entries if each.name.lower().endswith(suffix))[:_MAX_SIBLINGS])


def file_name_read(file_name: str, hint: FolderHint | None = None) -> NameRead:
    """Read the name of a file without tags: "Artist - Title", "NN Title", "NN - Artist - Title" and the like.

    A number without a sign or a zero, and which part of "One - Two" is the artist, are only taken from other files of
    the folder, or its own name, when they agree; without them the artist comes first.
    """
    hint = hint or FolderHint()
    stems = [_stem(name) for name in hint.names[:_MAX_SIBLINGS]]
    stem = _stem(file_name)
    if " " not in stem:
        return _slug_read(stem, stems)
    track, disc, rest = _numbered(stem, stems)
    parts = [part.strip() for part in _DASH.split(rest) if part.strip()]
    # "Artist - Album - 03 - Title".
    for place in range(1, len(parts) - 1):
        if track is None and (number := _NUMBER.fullmatch(parts[place])):
            track, disc = int(number["track"]), _int(number["disc"])
            del parts[place]
            break
    if len(parts) < 2:
        return NameRead(rest.strip() or stem, track_number=track, disc_number=disc)
    first = _artist_place(parts, stems, hint.folder)
    artist = parts.pop(first)
    album = parts.pop(0) if len(parts) > 1 and track is not None and first == 0 else ""
    return NameRead(" - ".join(parts), artist, album, track, disc)


def _stem(file_name: str) -> str:
    name = PurePath(file_name)
    stem = _COPY.sub("", name.stem if re.fullmatch(r"\.\w{1,5}", name.suffix) else name.name).strip()
    if " " in stem or "_" not in stem:
        return " ".join(stem.split())
    # Underscores are the spaces of programs that write none, and no capitals either.
    return " - ".join(_capitals(part.split()) for part in stem.replace("_", " ").split(" - "))


def _numbered(stem: str, siblings: Sequence[str]) -> tuple[int | None, int | None, str]:
    """Return the track and disc number at the beginning of a name, and the rest."""
    for pattern in (_SURE_NUMBER, _ZERO_NUMBER):
        if match := pattern.match(stem):
            return int(match["track"]), _int(match["disc"]), stem[match.end() :]
    match = _BARE_NUMBER.match(stem)
    others = [number for each in siblings if (number := _BARE_NUMBER.match(each) or _ZERO_NUMBER.match(each))]
    # Nearly all have one, and no two the same.
    if match and siblings and len(others) >= 0.8 * len(siblings):
        numbers = Counter([int(match["track"]), *(int(each["track"]) for each in others)])
        if max(numbers.values()) == 1:
            return int(match["track"]), None, stem[match.end() :]
    return None, None, stem


def _artist_place(parts: Sequence[str], siblings: Sequence[str], folder: str) -> int:
    """Return which of the parts is the artist: the one that the folder names or the other files share, or the first."""
    if name_key(parts[0]) == name_key(folder):
        return 0
    if len(parts) == 2 and name_key(parts[1]) == name_key(folder):
        return 1
    others = [_DASH.split(_numbered(each, siblings)[2]) for each in siblings]
    shares = [
        sum(len(each) == len(parts) and name_key(each[place]) == name_key(parts[place]) for each in others)
        for place in (0, len(parts) - 1)
    ]
    is_last = len(parts) == 2 and shares[1] > shares[0] and 2 * shares[1] >= len(others)
    return 1 if is_last else 0


def _slug_read(stem: str, siblings: Sequence[str]) -> NameRead:
    """Read a name without spaces: the words that begin several such names are the artist."""
    words = _words(stem)
    if len(words) < 2:
        return NameRead(stem)
    number = words.pop(0) if re.fullmatch(r"0\d{1,2}", words[0]) else None
    n_shared = _n_shared(words, [_words(each) for each in siblings if " " not in each])
    return NameRead(_capitals(words[n_shared:]), _capitals(words[:n_shared]), track_number=_int(number))


def _words(slug: str) -> list[str]:
    return [word for word in re.split(r"[-.]", slug) if word]


def _n_shared(words: Sequence[str], siblings: Sequence[Sequence[str]]) -> int:
    """Return how many words the most siblings begin with too, the more words of equally many siblings."""
    same = [_n_same(words, each) for each in siblings]
    counts = {n: sum(each >= n for each in same) for n in range(1, len(words))}
    # Two names may begin with the same word by chance; with the same two they hardly do.
    least = {n: 1 if n >= 2 else 2 if words[0].lower() not in _SMALL else len(same) + 1 for n in counts}
    return max((n for n in counts if counts[n] >= least[n]), key=lambda n: (counts[n], n), default=0)


def _n_same(words: Sequence[str], others: Sequence[str]) -> int:
    n_same = 0
    for word, other in zip(words, others, strict=False):
        if word.lower() != other.lower():
            break
        n_same += 1
    return n_same


def _capitals(words: Sequence[str]) -> str:
    """Join words; where none has a capital, every longer one gets one, as titles are written."""
    if any(word != word.lower() for word in words):
        return " ".join(words)
    return " ".join(
        word if place and word in _SMALL else word[:1].upper() + word[1:] for place, word in enumerate(words)
    )


def _int(digits: str | None) -> int | None:
    return int(digits) if digits else None
