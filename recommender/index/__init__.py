"""The index of songs: found by what somebody will feel, or by what they sound like; published atomically. Pure."""

from recommender.index.columns import Columns, ColumnsWriter, SongRow
from recommender.index.felt import FeltQuery
from recommender.index.generations import (
    IndexReader,
    load,
    publish,
    publish_staged,
    publishing,
    staging,
    verify,
)
from recommender.index.songs import Hits, IndexInfo, SongIndex

__all__ = [
    "Columns",
    "ColumnsWriter",
    "FeltQuery",
    "Hits",
    "IndexInfo",
    "IndexReader",
    "SongIndex",
    "SongRow",
    "load",
    "publish",
    "publish_staged",
    "publishing",
    "staging",
    "verify",
]
