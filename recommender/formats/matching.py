"""Match an entry of a playlist file with a song of the catalog.

In this order: our address of the song, while the titles agree; the name of the file; artist and title, in which
case, accents, punctuation and guests do not count, then also without brackets; at last our address alone. Where
several songs fit, the one of the same length is meant.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from recommender.formats.files import FileEntry

# Rips and radio edits of one recording differ by little more.
SAME_LENGTH_S = 3.0
# A label has its artist before one of its first dashes.
_MAX_CUTS = 4
_SONG_PAGE = re.compile(r"/songs/(\d{1,18})(?:/|/audio)?")
_HASH = re.compile(r"[0-9a-f]{64}")
_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|\{[^{}]*\}")
_GUESTS_IN_BRACKETS = re.compile(r"[(\[]\s*(?:feat|ft|featuring|with)\b[^)\]]*[)\]]", re.IGNORECASE)
_GUESTS = re.compile(r"\s(?:feat|ft|featuring)\b.*$", re.IGNORECASE)
_SPLIT = re.compile(r"\s+[-–—]\s+")
_TRACK_NUMBER = re.compile(r"^\d{1,3}\s*[-._)]\s*|^\d{1,3}\s+(?=\D)")
_APOSTROPHES = str.maketrans("", "", "'’‘`´")


class Candidate(NamedTuple):
    """A song that an entry might mean; `file_names` are those under which it arrived."""

    song_id: int
    title: str
    artist: str
    duration_s: float
    content_hash: str = ""
    file_names: tuple[str, ...] = ()


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
    file_name: str
    names: tuple[tuple[str, str], ...]


def wanted(entry: FileEntry, site: str) -> Wanted:
    """Read an entry; addresses other than of `site`, such as "https://music.example/", are not ours."""
    path = PurePosixPath(unquote(_split(entry.location.replace("\\", "/")).path))
    stem = path.stem.lower()
    return Wanted(
        own_id=_own_id(entry.page, site) or _own_id(entry.location, site),
        content_hash=stem if _HASH.fullmatch(stem) else "",
        file_name=path.name if path.suffix else "",
        names=_names(entry, path.stem if path.suffix else ""),
    )


def candidate_query(artist: str, title: str) -> str:
    """Return words to search the catalog for, without guests and brackets."""
    return f"{_loose(title)} {_loose(artist)}".strip()


def choose(entry: FileEntry, sought: Wanted, candidates: Sequence[Candidate]) -> Match:
    """Return which of a few dozen candidates an entry means; `sought` is what `wanted` reads in it."""
    own = [each for each in candidates if each.song_id == sought.own_id]
    titles = {_loose(title) for _, title in sought.names}
    if own and (not titles or _loose(own[0].title) in titles):
        return Match(own[0].song_id, certain=True)
    by_file = [each for each in candidates if _same_file(each, sought)]
    if by_file:
        return _closest(entry, by_file)._replace(certain=True)
    for fold in (_strict, _loose):
        by_name = [each for each in candidates if _same_name(each, sought, fold)]
        if by_name:
            match = _by_name(entry, by_name, sought)
            return match._replace(certain=fold is _strict and all(artist for artist, _ in sought.names))
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


def _names(entry: FileEntry, stem: str) -> tuple[tuple[str, str], ...]:
    """Return pairs of artist and title that an entry may mean, the likeliest first; an empty artist is any."""
    if entry.title:
        return ((entry.artist, entry.title),)
    if entry.label:
        return _pairs(entry.label)
    label = stem.replace("_", " ")
    # "01 Song" has a number before its name, "99 Luftballons" in it.
    return tuple(dict.fromkeys([*_pairs(_TRACK_NUMBER.sub("", label)), *_pairs(label)]))


def _pairs(label: str) -> tuple[tuple[str, str], ...]:
    """Split a label at each of its first dashes; a label without one is a title."""
    parts = _SPLIT.split(label)
    if len(parts) == 1:
        return (("", label),) if label else ()
    cuts = range(1, min(len(parts), _MAX_CUTS + 1))
    pairs = [(" - ".join(parts[:cut]), " - ".join(parts[cut:])) for cut in cuts]
    return (*pairs, pairs[0][::-1])


def _same_file(candidate: Candidate, sought: Wanted) -> bool:
    if sought.content_hash:
        return candidate.content_hash == sought.content_hash
    return bool(sought.file_name) and sought.file_name.casefold() in {n.casefold() for n in candidate.file_names}


def _same_name(candidate: Candidate, sought: Wanted, fold: Callable[[str], str]) -> bool:
    return any(
        fold(title) and fold(candidate.title) == fold(title) and (not artist or fold(candidate.artist) == fold(artist))
        for artist, title in sought.names
    )


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


def _strict(text: str) -> str:
    """Fold a name: guests, case, accents and punctuation do not count."""
    text = _GUESTS.sub("", _GUESTS_IN_BRACKETS.sub(" ", text))
    folded = unicodedata.normalize("NFKD", text.casefold().translate(_APOSTROPHES).replace("&", " and "))
    letters = "".join(" " if not char.isalnum() else char for char in folded if not unicodedata.combining(char))
    return " ".join(letters.split())


def _loose(text: str) -> str:
    """Fold a name further: what stands in brackets, and a leading "the", do not count either."""
    without = _BRACKETS.sub(" ", text)
    folded = _strict(without if without.strip() else text)
    return folded.removeprefix("the ")
