"""Playlist files: M3U8, XSPF and JSPF out, M3U and JSPF in, and which song of a catalog an entry means. Pure."""

from recommender.exchange.formats import FORMATS, FileFormat, sheet_read
from recommender.exchange.matching import (
    Candidate,
    Match,
    candidate_query,
    choose,
)
from recommender.exchange.values import (
    Entry,
    ExchangeError,
    Sheet,
    Track,
)

__all__ = [
    "FORMATS",
    "Candidate",
    "Entry",
    "ExchangeError",
    "FileFormat",
    "Match",
    "Sheet",
    "Track",
    "candidate_query",
    "choose",
    "sheet_read",
]
