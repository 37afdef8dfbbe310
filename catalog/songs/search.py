"""Folds text for the search in the same way as the SQL function `catalog_search_fold`.

The database may use the C locale, without ICU or `unaccent`, so both decompose, drop accents and lower letters by the
same tables; `tests/catalog/songs/test_search.py` compares them.
"""

import unicodedata

# Apostrophes vanish ("don't" is "dont"); all other punctuation separates words.
DROPPED = "'’‘`´"
SEPARATORS = '"#$%&()*+,-./:;<=>?@[\\]^_{|}~!–—…·•“”„«»¿¡‐‑'


UPPER = "".join(
    char
    for char in map(chr, range(0x80, 0x2000))
    if char.lower() != char and len(char.lower()) == 1 and unicodedata.normalize("NFKD", char) == char
)
LOWER = UPPER.lower()
_TABLE = str.maketrans({**dict(zip(UPPER, LOWER, strict=True)), **dict.fromkeys(SEPARATORS, " ")})
_COMBINING = dict.fromkeys(range(0x300, 0x370))
_DROPPED = dict.fromkeys([*map(ord, DROPPED), *range(0x20), 0x7F], None)


def search_terms(query: str) -> list[str]:
    """Split a query into folded words without the syntax of tsquery."""
    text = unicodedata.normalize("NFKD", " ".join(query.split())).translate(_COMBINING).translate(_DROPPED)
    ascii_lowered = "".join(char.lower() if char.isascii() else char for char in text)
    return ascii_lowered.translate(_TABLE).split()


def prefix_query(query: str) -> str:
    """Return a raw tsquery that matches every word as a prefix; empty without words."""
    return " & ".join(f"'{term}':*" for term in search_terms(query)[:12])
