"""Match an entry of a playlist file with a song of the catalog.

In this order: our address of the song, while the titles agree; artist and title, in which case, accents, punctuation
and guests do not count, then also without brackets; the name of the file, unless the entry names another song; at last
our address alone. An entry that names no song is looked up by its file first. Where several songs fit, the one of the
same file or length is meant; a bare file name that several songs have says nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

from recommender.formats.files import FileEntry

# Rips and radio edits of one recording differ by little more.
SAME_LENGTH_S = 3.0
# A label has its artist before one of its first dashes.
_MAX_CUTS = 4
# An artist and a title are shorter; what is made to be looked up slowly is not.
_MAX_LABEL = 300
_SONG_PAGE = re.compile(r"/songs/(\d{1,18})(?:/|/audio)?")
_HASH = re.compile(r"[0-9a-f]{64}")
_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|\{[^{}]*\}")
_GUESTS_IN_BRACKETS = re.compile(r"[(\[]\s*(?:feat|ft|featuring|with)\b[^()\[\]]*[)\]]", re.IGNORECASE)
_GUESTS = re.compile(r"\s(?:feat|ft|featuring)\b.*$", re.IGNORECASE)
_SPLIT = re.compile(r"\s+[-–—]\s+")
_TRACK_NUMBER = re.compile(r"^\d{1,3}\s*[-._)]\s*|^\d{1,3}\s+(?=\D)")
_URL = re.compile(r"[a-z][a-z0-9+.-]+://|file:/", re.IGNORECASE)
_DRIVE = re.compile(r"^[A-Za-z]:")
# Unescaped ones too: a database takes no NUL.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_SUFFIX = re.compile(r"(?<=.)\.[^.\s]{1,10}$")
# No file has a longer name, and no upload keeps one.
_MAX_FILE_NAME = 300
# In which programs of this world have escaped names, the likeliest first.
_CODE_PAGES = (
    *("cp1252", "cp1251", "cp932", "gbk", "big5", "euc-kr", "cp1250", "koi8-r", "cp1253", "cp1254", "cp1255"),
    *("cp1256", "cp866", "cp850", "cp437", "mac-roman", "latin-1"),
)
_APOSTROPHES = str.maketrans("", "", "'’‘`´")


class Candidate(NamedTuple):
    """A song that an entry might mean; `file_names` are those under which it arrived.

    `artist` is all of its artists, and `artists` each of them, where it has several.
    """

    song_id: int
    title: str
    artist: str
    duration_s: float
    content_hash: str = ""
    file_names: tuple[str, ...] = ()
    # Else the song's file did not say who it is by, and no entry contradicts it there.
    artist_is_known: bool = True
    artists: tuple[str, ...] = ()


class Match(NamedTuple):
    """The song of an entry or None, and the other songs that fit as well."""

    song_id: int | None
    others: tuple[int, ...] = ()
    # No further look-up can change the answer.
    certain: bool = False


class Wanted(NamedTuple):
    """The information of an entry, ready to be looked up; empty where the entry has none."""

    own_id: int | None
    content_hash: str
    # As the location may be meant, the likeliest first: with its escapes as they are, or undone.
    file_names: tuple[str, ...]
    names: tuple[tuple[str, str], ...]
    # The names are those of EXTINF or of tags, not made of the file's.
    is_named: bool = False


def wanted(entry: FileEntry, site: str) -> Wanted:
    """Read an entry; addresses other than of `site`, such as "https://music.example/", are not ours."""
    file_names = _file_names(entry.location)
    stems = [_SUFFIX.sub("", name) for name in file_names]
    # Many players write the file's name where they know no other.
    unsaid = {file_key(text) for text in ("", entry.location, *file_names, *stems)}
    is_named = bool(entry.title and entry.artist) or file_key(entry.title or entry.label) not in unsaid
    # A name with escapes, and what it is without.
    by_stem = (name for stem in stems[:2] for name in _stem_names(stem))
    return Wanted(
        own_id=_own_id(entry.page, site) or _own_id(entry.location, site),
        content_hash=next((stem.lower() for stem in stems[:1] if _HASH.fullmatch(stem.lower())), ""),
        file_names=file_names,
        names=_names(entry) if is_named else tuple(dict.fromkeys(by_stem)),
        is_named=is_named,
    )


def file_key(name: str) -> str:
    """Return what spellings of one file name share: composed or not, in upper or lower case."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
    return " ".join(folded.split()).strip(". ")


def _file_names(location: str) -> tuple[str, ...]:
    """Return the names that the file of a location may have, as uploads are kept: composed, with single spaces.

    `?`, `#` and `%` end or escape something in a URL and are characters of a path; but programs escape paths as well.
    """
    if _URL.match(location):
        path = _split(location).path
        names = [*_unescaped(_last(path)), _last(path), *_unescaped(_last(location))]
    else:
        name, without_query = _last(location), _last(re.split(r"[?#]", location)[0])
        names = [name, *_unescaped(name), *_unescaped(without_query), _DRIVE.sub("", name)]
    spelled = (" ".join(_CONTROL.sub(" ", unicodedata.normalize("NFC", name)).split()).strip(". ") for name in names)
    return tuple(dict.fromkeys(name for name in spelled if len(name) <= _MAX_FILE_NAME and _SUFFIX.search(name)))


def _last(path: str) -> str:
    return re.split(r"[/\\]", path)[-1]


def _unescaped(name: str) -> list[str]:
    """Undo percent escapes: UTF-8 where they are valid in it, else whatever a code page makes of them."""
    # A character has at most four bytes in UTF-8, and an escape three characters.
    if "%" not in name or len(name) > 12 * _MAX_FILE_NAME:
        return [name]
    content = unquote_to_bytes(name)
    for encodings in (("utf-8",), _CODE_PAGES):
        found = []
        for encoding in encodings:
            with suppress(UnicodeDecodeError):
                found.append(_last(content.decode(encoding)))
        if found:
            return found
    return []


def candidate_query(artist: str, title: str) -> str:
    """Return words to search the catalog for, without guests and brackets."""
    return f"{_loose(title)} {_loose(artist)}".strip()


def choose(entry: FileEntry, sought: Wanted, candidates: Sequence[Candidate]) -> Match:
    """Return which of a few dozen candidates an entry means; `sought` is what `wanted` reads in it."""
    own = [each for each in candidates if each.song_id == sought.own_id]
    titles = {_loose(title) for _, title in sought.names}
    if own and (not titles or _loose(own[0].title) in titles):
        return Match(own[0].song_id, certain=True)
    if by_content := [each for each in candidates if each.content_hash and each.content_hash == sought.content_hash]:
        return _closest(entry, by_content)._replace(certain=True)
    by_file = _by_file(candidates, sought)
    if by_file and not sought.is_named:
        alone = by_file if len(by_file) == 1 else [each for each in by_file if _same_length(entry, each)]
        if len(alone) == 1:
            return Match(alone[0].song_id, certain=True)
        # "01.mp3" is the name of many songs; "Artist - Title.mp3" names one of them.
        sought = sought._replace(names=tuple(name for name in sought.names if name[0]))
    for fold in (_strict, _loose):
        by_name = [each for each in candidates if _same_name(each, sought, fold)]
        if by_name:
            match = _by_name(entry, [each for each in by_name if each in by_file] or by_name, sought)
            return match._replace(certain=fold is _strict and all(artist for artist, _ in sought.names))
    if agreeing := [each for each in by_file if sought.is_named and _agrees(each, sought)]:
        return _closest(entry, agreeing)
    return Match(own[0].song_id) if own else Match(None)


def _own_id(address: str, site: str) -> int | None:
    parts, ours = _split(address), urlsplit(site)
    if parts.netloc and parts.netloc.lower() != ours.netloc.lower():
        return None
    page = _SONG_PAGE.fullmatch(parts.path)
    return int(page.group(1)) if page else None


def _split(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError:
        # Such as "http://[": a name of a file, if anything.
        return SplitResult("", "", address, "", "")


def _names(entry: FileEntry) -> tuple[tuple[str, str], ...]:
    """Return pairs of artist and title that an entry may mean, the likeliest first; an empty artist is any."""
    if entry.title and entry.artist:
        return ((entry.artist, entry.title),)
    return _pairs(entry.title or entry.label)


def _stem_names(stem: str) -> tuple[tuple[str, str], ...]:
    label = stem.replace("_", " ")
    # "01 Song" has a number before its name, "99 Luftballons" in it.
    return (*_pairs(_TRACK_NUMBER.sub("", label)), *_pairs(label))


def _pairs(label: str) -> tuple[tuple[str, str], ...]:
    """Split a label at each of its first dashes; a label without one is a title."""
    label = label[:_MAX_LABEL].strip()
    parts = _SPLIT.split(label)
    if len(parts) == 1:
        return (("", label),) if label else ()
    cuts = range(1, min(len(parts), _MAX_CUTS + 1))
    pairs = [(" - ".join(parts[:cut]), " - ".join(parts[cut:])) for cut in cuts]
    return (*pairs, pairs[0][::-1])


def _by_file(candidates: Sequence[Candidate], sought: Wanted) -> list[Candidate]:
    """Return the songs that arrived under the likeliest of the names that any arrived under."""
    for key in map(file_key, sought.file_names):
        if found := [each for each in candidates if key in map(file_key, each.file_names)]:
            return found
    return []


def _agrees(candidate: Candidate, sought: Wanted) -> bool:
    """Tell whether the song may be what the entry names: with more or fewer words behind its title, or artists."""
    song, artist = _loose(candidate.title), set(_loose(candidate.artist).split())
    for said_artist, said_title in sought.names:
        said, by = _loose(said_title), set(_loose(said_artist).split())
        # Without an artist only the same title agrees, and that is found by its name.
        same_title = f"{said} ".startswith(f"{song} ") or f"{song} ".startswith(f"{said} ")
        if by and same_title and (not candidate.artist_is_known or by <= artist or set() < artist <= by):
            return True
    return False


def _same_name(candidate: Candidate, sought: Wanted, fold: Callable[[str], str]) -> bool:
    return any(
        fold(title) and fold(candidate.title) == fold(title) and (not artist or _same_artist(candidate, artist, fold))
        for artist, title in sought.names
    )


def _same_artist(candidate: Candidate, artist: str, fold: Callable[[str], str]) -> bool:
    """Tell whether someone is the artist of a song, or some of its several artists."""
    folded = fold(artist)
    if folded == fold(candidate.artist):
        return True
    rest = f" {folded} "
    for name in sorted(map(fold, candidate.artists), key=len, reverse=True):
        rest = rest.replace(f" {name} ", " ") if name else rest
    return bool(folded) and bool(candidate.artists) and set(rest.split()) <= {"and"}


def _by_name(entry: FileEntry, candidates: list[Candidate], sought: Wanted) -> Match:
    artists = {_loose(each.artist) for each in candidates}
    if len(artists) > 1 and not any(artist for artist, _ in sought.names):
        # A title alone that several artists have: to take any of them would be a guess.
        near = [each for each in candidates if _same_length(entry, each)]
        if len(near) != 1:
            return Match(None, tuple(each.song_id for each in candidates))
        candidates = near
    return _closest(entry, candidates)


def _closest(entry: FileEntry, candidates: list[Candidate]) -> Match:
    """Return the song of the same length; when that does not decide, the oldest, and the others as well."""
    near = [each for each in candidates if _same_length(entry, each)] or candidates
    first, *others = sorted(near, key=lambda each: each.song_id)
    return Match(first.song_id, tuple(each.song_id for each in others))


def _same_length(entry: FileEntry, candidate: Candidate) -> bool:
    return entry.duration_s is not None and abs(candidate.duration_s - entry.duration_s) <= SAME_LENGTH_S


# An entry is compared with dozens of songs, and a song with hundreds of entries.
@lru_cache(maxsize=2048)
def _strict(text: str) -> str:
    """Fold a name: guests, case, accents and punctuation do not count."""
    text = _GUESTS.sub("", _GUESTS_IN_BRACKETS.sub(" ", text))
    folded = unicodedata.normalize("NFKD", text.casefold().translate(_APOSTROPHES).replace("&", " and "))
    letters = "".join(" " if not char.isalnum() else char for char in folded if not unicodedata.combining(char))
    return " ".join(letters.split())


@lru_cache(maxsize=2048)
def _loose(text: str) -> str:
    """Fold a name further: what stands in brackets, and a leading "the", do not count either."""
    without = _BRACKETS.sub(" ", text)
    folded = _strict(without if without.strip() else text)
    return folded.removeprefix("the ")
