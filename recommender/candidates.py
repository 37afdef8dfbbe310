"""What a playlist may choose from: rows of estimates, as arrays."""

from __future__ import annotations

import functools
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from django.conf import settings
from django.db.models import Count, Max, QuerySet, Sum
from numpy.typing import NDArray

from catalog.models import Song
from emotion.models import EmotionEstimate
from emotion.quadrants import Quadrant
from emotion.selectors import prevailing_model_version
from recommender.exceptions import IndexUnavailable
from recommender.index import IndexInfo, IndexReader, SongIndex
from recommender.values import NO_FILTERS, Filters

logger = logging.getLogger(__name__)

# Songs taken from the index for one list: several times the longest list, so that terms other than closeness count.
POOL_SIZE = 400
# Rows newer than the index that are looked at beside it; there are more only while a large folder is coming in.
FRESH_LIMIT = 400


@dataclass(frozen=True, slots=True)
class Pool:
    """Estimates as arrays, a row per song in the order of their ids.

    `song_ids`, `artist_ids`, `quadrants` and `confidence` `(n,)`; `perceived` `(n, 2)`; `embeddings` `(n, d)`, zero
    where an estimate is not by `model_version`, the index's, and therefore not comparable.
    """

    song_ids: NDArray[np.int64]
    artist_ids: NDArray[np.int64]
    quadrants: tuple[Quadrant, ...]
    confidence: NDArray[np.float64]
    perceived: NDArray[np.float64]
    embeddings: NDArray[np.float64]
    model_version: str

    def row_of(self, song_id: int) -> int | None:
        """Return the row of a song, None when it is not in the pool."""
        row = int(np.searchsorted(self.song_ids, song_id))
        return row if row < len(self.song_ids) and self.song_ids[row] == song_id else None


def estimates_playable(filters: Filters = NO_FILTERS) -> QuerySet[EmotionEstimate]:
    """Return the current estimates of songs that can be played; a song that is analysed anew stays playable."""
    estimates = EmotionEstimate.objects.filter(is_current=True).exclude(song__state=Song.State.FAILED)
    if filters.genre:
        estimates = estimates.filter(song__genre__iexact=filters.genre.replace("\x00", ""))
    if filters.artist_id is not None:
        estimates = estimates.filter(song__artist_id=filters.artist_id)
    return estimates


def rows_state() -> IndexInfo:
    """Return what an index built now would be built from; songs deleted, added or analysed anew all change it."""
    model_version = prevailing_model_version()
    state = estimates_playable().aggregate(n=Count("pk"), newest=Max("updated_at"), ids=Sum("pk"))
    watermark = state["newest"].isoformat() if state["newest"] else ""
    fingerprint = f"{model_version}|{state['n']}|{state['ids'] or 0}|{watermark}"
    return IndexInfo(model_version=model_version, fingerprint=fingerprint, watermark=watermark)


def index_from_rows() -> SongIndex:
    """Build an index of every playable song; the rows' state is read first, so that it is never newer than the rows."""
    state = rows_state()
    estimates = list(estimates_playable().order_by("song_id").iterator(chunk_size=2000))
    lengths = Counter(len(row.embedding) for row in estimates if row.model_version == state.model_version)
    # What another model embedded has directions that mean something else: such a song is found by its point alone.
    foreign = np.zeros(lengths.most_common(1)[0][0] if lengths else 0, np.float32)
    return SongIndex.build(
        song_ids=[row.song_id for row in estimates],
        embeddings=[row.embedding if row.model_version == state.model_version else foreign for row in estimates],
        valence_arousal=[(row.valence, row.arousal) for row in estimates],
        info=state,
    )


def songs_index() -> SongIndex:
    """Return the published index, or one made from the rows while there is none that can be used."""
    try:
        published = _reader(Path(settings.MOODPLANE_INDEX_DIR)).current()
    except IndexUnavailable as error:
        logger.warning("Using the rows instead of the index: %s", error)
        return index_from_rows()
    # One that was published before the first song was tagged knows no model to compare with.
    return published if len(published) else index_from_rows()


def pool_near(
    index: SongIndex, points: Iterable[tuple[float, float]], filters: Filters, always: Sequence[int] = ()
) -> Pool:
    """Return songs near any of some points of the plane, those newer than the index, and some whatever they are.

    Args:
        index: where to look.
        points: (valence, arousal) pairs.
        filters: limit what is found, but not `always`.
        always: ids of songs that must be in the pool if they still exist.
    """
    playable = estimates_playable(filters)
    within = None
    if filters != NO_FILTERS:
        within = np.asarray(list(playable.values_list("song_id", flat=True)), np.int64)
    found: set[int] = set()
    for valence, arousal in points:
        found.update(index.near_point(valence, arousal, POOL_SIZE, within).song_ids.tolist())
    estimates = list(_lean(playable.filter(song_id__in=found)))
    estimates += _newer_than(playable, index.info.watermark)
    estimates += _lean(EmotionEstimate.objects.filter(is_current=True, song_id__in=always))
    return _pool_of(estimates, index)


def _lean(estimates: QuerySet[EmotionEstimate]) -> QuerySet[EmotionEstimate]:
    """Fetch what a pool is made of and no more: a song is a wide row, with a search vector that nobody reads here."""
    return estimates.select_related("song__artist").only(
        "song__artist__name_key",
        "model_version",
        "quadrant",
        "p_q1",
        "p_q2",
        "p_q3",
        "p_q4",
        "valence",
        "arousal",
        "embedding_bytes",
    )


def _pool_of(estimates: Iterable[EmotionEstimate], index: SongIndex) -> Pool:
    by_song = {estimate.song_id: estimate for estimate in estimates}
    rows = [by_song[song_id] for song_id in sorted(by_song)]
    return Pool(
        song_ids=np.asarray([row.song_id for row in rows], np.int64),
        artist_ids=np.asarray([_performer(row.song) for row in rows], np.int64),
        quadrants=tuple(Quadrant(row.quadrant) for row in rows),
        confidence=np.asarray([row.confidence for row in rows], np.float64),
        perceived=np.asarray([(row.valence, row.arousal) for row in rows], np.float64).reshape(-1, 2),
        embeddings=embedding_matrix(rows, index),
        model_version=index.info.model_version,
    )


def _performer(song: Song) -> int:
    """Return the artist's id; a song nobody put a name to is its own performer, or all such songs would be spaced."""
    return -song.pk if song.artist.is_unknown else song.artist_id


def embedding_matrix(estimates: Sequence[EmotionEstimate], index: SongIndex) -> NDArray[np.float64]:
    """Return embeddings `(n, d)`; a row that the index's model did not make, or that is not finite, is zero."""
    matrix = np.zeros((len(estimates), index.n_dimensions))
    for row, estimate in enumerate(estimates):
        embedding = estimate.embedding
        usable = estimate.model_version == index.info.model_version and len(embedding) == index.n_dimensions
        if usable and np.isfinite(embedding).all():
            matrix[row] = embedding
    return matrix


def _newer_than(playable: QuerySet[EmotionEstimate], watermark: str) -> list[EmotionEstimate]:
    """Return the estimates that the index has not seen."""
    newer = playable.filter(updated_at__gt=watermark) if watermark else playable
    return list(_lean(newer.order_by("-updated_at"))[:FRESH_LIMIT])


@functools.cache
def _reader(directory: Path) -> IndexReader:
    return IndexReader(directory)
