"""Forgives a wrong letter: replaces words that no song has by the nearest ones that some have."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

from django.db import connection
from rapidfuzz import process
from rapidfuzz.distance import OSA

from catalog.core.caching import cached_while_large
from catalog.songs.search import search_terms

# Reading the words of 100,000 songs takes a third of a second; a new song is found by its exact words at once.
_CACHED_S = 600.0


class Vocabulary(NamedTuple):
    """Words as the search has them, in order, and in how many songs, or other names, each is."""

    words: list[str]
    n_songs: list[int]

    @classmethod
    def of(cls, names: Iterable[str]) -> Vocabulary:
        """Return the words of names."""
        counts = sorted(Counter(word for name in names for word in search_terms(name)).items())
        return cls([word for word, _n in counts], [n for _word, n in counts])

    def begins(self, term: str) -> bool:
        """Whether some word begins with a term."""
        at = bisect_left(self.words, term)
        return at < len(self.words) and self.words[at].startswith(term)

    def nearest(self, term: str) -> str:
        """Return the word that is nearest to a term, of several the most common; empty where none is near.

        A word is near if one letter was changed, left out, added or swapped with its neighbour, in a term of six
        letters or more two. A term may be the beginning of a longer word.
        """
        most = 0 if len(term) < 4 or term.isdigit() else 1 if len(term) < 6 else 2
        if not most:
            return ""
        extract = partial(process.extract, term, scorer=OSA.distance, score_cutoff=most, limit=50)
        near = extract(self.words) or extract([word[: len(term)] for word in self.words])
        if not near:
            return ""
        at: int = min(near, key=lambda one: (one[1], -self.n_songs[one[2]]))[2]
        return self.words[at]


# An artist may have albums of others' songs alone.
_WORDS = """
    SELECT search FROM catalog_song
    UNION ALL SELECT to_tsvector(''simple'', catalog_search_fold(name)) FROM catalog_artist
"""


@cached_while_large(size=lambda found: len(found.words), seconds=_CACHED_S)
def vocabulary() -> Vocabulary:
    """Return the words of all songs: titles, artists, albums and genres; and of artists without songs."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT word, ndoc FROM ts_stat('{_WORDS}') ORDER BY word COLLATE \"C\"")  # noqa: S608
        rows = cursor.fetchall()
    return Vocabulary([word for word, _n in rows], [n for _word, n in rows])


def corrected(query: str, known: Vocabulary | None = None) -> str:
    """Return a query with each unknown word replaced by the nearest known one, of all songs if nothing else is given.

    Returns:
        Folded words; empty if all are known already, or one is near to none.
    """
    known, terms = known or vocabulary(), search_terms(query)[:12]
    words = [term if known.begins(term) else known.nearest(term) for term in terms]
    return "" if words == terms or not all(words) else " ".join(words)
