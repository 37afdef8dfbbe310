"""Builds the index from rows, a part at a time, while the published one serves."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

import numpy as np
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from numpy.typing import NDArray

from catalog.models import Song
from recommender.exceptions import IndexUnavailableError
from recommender.index.songs import N_DIRECTIONS, IndexInfo, SongIndex, SongTable, TableWriter
from recommender.index.versions import load, publish_staged, publishing, staging
from recommender.retrieval import estimates_newer, estimates_playable, n_dimensions_of, rows_state, song_rows

logger = logging.getLogger(__name__)

# Up to so many songs, every change rebuilds the index: it takes less than two seconds.
ALWAYS_BELOW = 20_000
# With more songs, this share may change before a rebuild: until then lists search the newer songs as well.
CHANGED_SHARE = 0.01
# However few have changed: deleted songs leave the files, and new tags count.
AT_LATEST = timedelta(hours=1)
_PART = 10_000


def index_rebuild(*, progress: Callable[[int], None] | None = None) -> IndexInfo:
    """Build the index from the rows and publish it; `progress` is called with the number of songs read so far."""
    directory = Path(settings.MOODPLANE_INDEX_DIR)
    with publishing(directory):
        return _rebuild(directory, progress)


def index_refresh() -> IndexInfo | None:
    """Rebuild the index if it is due or cannot be read.

    A burst of announcements costs one build: the second call finds the rows unchanged. A few changes of a large catalog
    cost none: lists search the changed songs as well.
    """
    directory = Path(settings.MOODPLANE_INDEX_DIR)
    with publishing(directory):
        try:
            if not _is_due(load(directory).info, rows_state()):
                return None
        except IndexUnavailableError as error:
            logger.info("The index is rebuilt: %s", error)
        return _rebuild(directory)


def _rebuild(directory: Path, progress: Callable[[int], None] | None = None) -> IndexInfo:
    with staging(directory) as folder:
        n_read = n_skipped = 0
        with transaction.atomic():
            # Read first, so that it is never newer than the rows.
            state = rows_state()
            n_dimensions = n_dimensions_of(state.model_version)
            with TableWriter(folder, n_dimensions) as writer:
                rows = song_rows(estimates_playable().order_by("song_id"))
                while part := list(islice(rows, _PART)):
                    table, n_unusable = SongTable.of_rows(part, state.model_version, n_dimensions)
                    writer.add(table)
                    n_read, n_skipped = n_read + len(part), n_skipped + n_unusable
                    if progress is not None:
                        progress(n_read)
        table = writer.mapped()
        shape = (len(table), min(N_DIRECTIONS, table.n_dimensions) + 2)
        places = _mapped_for_writing(folder / "places.bin", shape)
        index = SongIndex.build(table, replace(state, n_skipped=n_skipped), places)
        info = publish_staged(index, folder, directory)
    logger.info("Published index %s with %d songs.", info.index_version, info.n_songs)
    if info.n_skipped:
        logger.warning("%d songs are not in the index, because their embedding is not usable.", info.n_skipped)
    return info


def _mapped_for_writing(path: Path, shape: tuple[int, int]) -> NDArray[np.float32]:
    if 0 in shape:
        path.touch()
        return np.zeros(shape, np.float32)
    return np.memmap(path, "<f4", "w+", shape=shape)


def _is_due(published: IndexInfo, state: IndexInfo) -> bool:
    if published.fingerprint == state.fingerprint:
        return False
    if published.n_songs < ALWAYS_BELOW or published.model_version != state.model_version:
        return True
    seen_at = datetime.fromisoformat(published.watermark)
    if timezone.now() - seen_at > AT_LATEST:
        return True
    n_newer = estimates_newer(published.watermark).exclude(song__state=Song.State.FAILED).count()
    n_gone = published.n_songs + n_newer - state.n_songs
    return max(n_newer, n_gone) > CHANGED_SHARE * published.n_songs
