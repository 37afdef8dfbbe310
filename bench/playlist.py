"""How much the index saves when a playlist is made: ranking what it finds, against ranking every song.

Run: python bench/playlist.py [number of songs]. Prints both times and their ratio, measured in this run.
bench/scale.py and bench/scale_rows.py measure the index itself and whole playlists.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from numpy.typing import NDArray

from bench.scale_songs import all_songs
from recommender.index.songs import IndexInfo, SongIndex, SongTable
from recommender.ranking.lists import Candidates, RankedSong, Weights, rank
from tests.recommender.made_songs import near_point

POOL_SIZE = 400
TARGET = (0.6, -0.6)
LENGTH = 12
REPEATS = 5


def candidates_of(songs: SongTable) -> Candidates:
    """Return songs as somebody takes them who never rated one: felt as they are perceived."""
    nothing: NDArray[np.float64] = np.zeros(len(songs))
    return Candidates(
        song_ids=songs.song_ids,
        artist_ids=songs.artist_ids,
        album_ids=songs.album_ids,
        embeddings=songs.embeddings.astype(np.float64),
        shared=songs.perceived,
        rated=songs.perceived,
        felt=songs.perceived,
        drawn=songs.perceived,
        confidence=songs.confidence,
        liking=nothing,
        drawn_liking=nothing,
        recency=nothing,
        likeness=nothing,
    )


def ranked(songs: SongTable) -> list[RankedSong]:
    """Rank songs for the target."""
    return rank(candidates_of(songs), np.tile(np.asarray(TARGET), (LENGTH, 1)), weights=Weights.of(0.3))


def best_ms(work: Callable[[], object]) -> float:
    """Return the fastest of several runs, in milliseconds."""
    times = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return 1000 * min(times)


def main() -> None:
    n_songs = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    songs = all_songs(n_songs)
    index = SongIndex.build(songs, IndexInfo())

    def through_the_index() -> object:
        return ranked(songs.take(np.sort(near_point(index, *TARGET, POOL_SIZE).rows)))

    indexed = best_ms(through_the_index)
    everything = best_ms(lambda: ranked(songs))
    print(f"{n_songs} songs, {LENGTH} places: through the index {indexed:.1f} ms, every song {everything:.1f} ms.")
    print(f"ratio: {everything / indexed:.1f}")


if __name__ == "__main__":
    main()
