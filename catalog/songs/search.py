"""Folds text for the full-text search in the same way as the SQL function `catalog_search_fold`.

The database may run in the C locale, without ICU or `unaccent`; so both sides decompose, drop accents and lower
letters by the same tables. `tests/catalog/songs/test_search.py` compares them.
"""

from __future__ import annotations

import unicodedata

# Apostrophes vanish ("don't" is "dont"); all other punctuation separates words.
DROPPED = "'’‘`´"
SEPARATORS = '"#$%&()*+,-./:;<=>?@[\\]^_{|}~!–—…·•“”„«»¿¡‐‑'


def _case_pairs() -> tuple[str, str]:
    uppers = [
        char
        for char in map(chr, range(0x80, 0x2000))
        if char.lower() != char and len(char.lower()) == 1 and unicodedata.normalize("NFKD", char) == char
    ]
    return "".join(uppers), "".join(uppers).lower()


UPPER, LOWER = _case_pairs()
_TABLE = str.maketrans({**dict(zip(UPPER, LOWER, strict=True)), **dict.fromkeys(SEPARATORS, " ")})
_COMBINING = dict.fromkeys(range(0x300, 0x370))
_DROPPED = dict.fromkeys([*map(ord, DROPPED), *range(0x20), 0x7F], None)


def search_terms(query: str) -> list[str]:
    """Split what a person typed into folded words, without anything that means something to a tsquery."""
    text = unicodedata.normalize("NFKD", " ".join(query.split())).translate(_COMBINING).translate(_DROPPED)
    ascii_lowered = "".join(char.lower() if char.isascii() else char for char in text)
    return ascii_lowered.translate(_TABLE).split()


def prefix_query(query: str) -> str:
    """Return a raw tsquery that matches every word as a prefix; empty without a word."""
    return " & ".join(f"'{term}':*" for term in search_terms(query)[:12])
