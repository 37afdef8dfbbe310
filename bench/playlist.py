"""How much the index saves when a playlist is made: ranking what it finds, against ranking every song.

Run: python bench/playlist.py [number of songs]. Prints both times and their ratio, measured in this run.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from recommender.index import IndexInfo, SongIndex
from recommender.ranking import Candidates, rank

POOL_SIZE = 400
TARGET = (0.6, -0.6)
LENGTH = 12
REPEATS = 5


def catalog(n_songs: int) -> Candidates:
    """Make songs spread over the whole plane, ten to an artist."""
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(n_songs, 64))
    return Candidates(
        song_ids=np.arange(n_songs),
        artist_ids=np.arange(n_songs) // 10,
        embeddings=embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True),
        felt=rng.uniform(-1, 1, size=(n_songs, 2)),
        confidence=rng.uniform(0.3, 1.0, size=n_songs),
        liking=np.zeros(n_songs),
        recency=np.zeros(n_songs),
    )


def rows_of(songs: Candidates, rows: np.ndarray) -> Candidates:
    """Keep some rows."""
    return Candidates(
        song_ids=songs.song_ids[rows],
        artist_ids=songs.artist_ids[rows],
        embeddings=songs.embeddings[rows],
        felt=songs.felt[rows],
        confidence=songs.confidence[rows],
        liking=songs.liking[rows],
        recency=songs.recency[rows],
    )


def best_ms(work: Callable[[], object]) -> float:
    """Return the shortest of several runs, in milliseconds."""
    times = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return 1000 * min(times)


def main() -> None:
    n_songs = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    songs = catalog(n_songs)
    points = [(float(valence), float(arousal)) for valence, arousal in songs.felt]
    index = SongIndex.build(songs.song_ids.tolist(), list(songs.embeddings), points, IndexInfo())

    def through_the_index() -> object:
        found = np.sort(index.near_point(*TARGET, POOL_SIZE).song_ids)
        return rank(rows_of(songs, found), TARGET, length=LENGTH, seed=1)

    indexed = best_ms(through_the_index)
    everything = best_ms(lambda: rank(songs, TARGET, length=LENGTH, seed=1))
    print(f"{n_songs} songs, {LENGTH} places: through the index {indexed:.1f} ms, every song {everything:.1f} ms.")
    print(f"ratio: {everything / indexed:.1f}")


if __name__ == "__main__":
    main()
