"""Made songs for the scale benchmarks: embeddings in clusters, and what they express as a linear map with noise."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from recommender.felt_model.model import LinearFelt
from recommender.index.songs import FeltQuery, SongIndex, SongTable
from tests.recommender.made_songs import table_of

N_DIMENSIONS = 64
N_CLUSTERS = 300
N_GENRES = 24
SONGS_PER_ARTIST = 20
SONGS_PER_ALBUM = 10
PART = 50_000
# A day in microseconds; made songs were analysed one after the other over the two years before 2026.
_NEWEST_US = 1_767_225_600_000_000
_SPAN_US = 2 * 365 * 86_400_000_000
_SYLLABLES = tuple("kalomirunesativobadefagahojumanopiraso"[n : n + 2] for n in range(0, 38, 2))
_N_WORDS = 4000


def made_songs(n_songs: int) -> Iterator[SongTable]:
    """Yield songs 1 to `n_songs`, a part at a time; genres follow the clusters."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(N_CLUSTERS, N_DIMENSIONS)) * (np.arange(N_DIMENSIONS) + 1.0) ** -0.5
    onto_plane = rng.normal(size=(N_DIMENSIONS, 2)) * 1.2
    genre_of = rng.integers(N_GENRES, size=N_CLUSTERS)
    for start in range(0, n_songs, PART):
        yield _part(np.arange(start, min(start + PART, n_songs)), n_songs, (centres, onto_plane, genre_of))


def all_songs(n_songs: int) -> SongTable:
    """Return songs 1 to `n_songs` in memory."""
    return SongTable.join(list(made_songs(n_songs)))


def made_word(rank: int) -> str:
    """Return the word that is the `rank`-th most frequent in made titles, from 0."""
    first, second = divmod(rank * 37 % _N_WORDS, len(_SYLLABLES))
    return "".join(_SYLLABLES[each % len(_SYLLABLES)] for each in (second, first, first // len(_SYLLABLES)))


def made_title(song_id: int) -> str:
    """Return a title of two to four words, some of them in very many titles, and the song's number."""
    rng = random.Random(song_id)
    # By Zipf's law the n-th most frequent word comes up in proportion to 1/n.
    words = [made_word(int(_N_WORDS ** rng.random()) - 1) for _ in range(rng.randint(2, 4))]
    return f"{' '.join(words).capitalize()} {song_id}"


def made_query(index: SongIndex, rng: np.random.Generator, differs: float) -> FeltQuery:
    """Return what a made listener wants.

    Args:
        index: whose basis the listener's model lives on.
        rng: decides who they are.
        differs: how far they are from everybody, in the standard deviations of the built-in prior.
    """
    n_directions = len(index.basis)
    return FeltQuery(
        rng.uniform(-0.8, 0.8, 2),
        LinearFelt(
            offset=differs * rng.normal(size=2) * 0.1,
            on_perceived=np.eye(2) + differs * rng.normal(size=(2, 2)) * 0.1,
            on_embedding=differs * (rng.normal(size=(2, n_directions)) * 0.1) @ index.basis,
            liking=differs * (rng.normal(size=n_directions) * 0.39) @ index.basis,
        ),
    )


def _part(
    numbers: NDArray[np.int64],
    n_songs: int,
    world: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]],
) -> SongTable:
    centres, onto_plane, genre_of = world
    rng = np.random.default_rng(1 + int(numbers[0]))
    artists = numbers // SONGS_PER_ARTIST
    # Most of an artist's songs are of one cluster.
    clusters = np.where(rng.random(len(numbers)) < 0.7, artists * 7919 % N_CLUSTERS, rng.integers(N_CLUSTERS))
    raw = centres[clusters] + rng.normal(size=(len(numbers), N_DIMENSIONS)) * 0.25
    embeddings = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    perceived = np.tanh(embeddings @ onto_plane + rng.normal(size=(len(numbers), 2)) * 0.15)
    quadrants = np.array([[3, 2], [4, 1]])[(perceived[:, 0] > 0).astype(int), (perceived[:, 1] > 0).astype(int)]
    return table_of(
        song_ids=numbers + 1,
        perceived=perceived,
        embeddings=embeddings.astype(np.float32),
        artist_ids=artists + 1,
        album_ids=numbers // SONGS_PER_ALBUM + 1,
        updated_us=_NEWEST_US - _SPAN_US + numbers * (_SPAN_US // n_songs),
        genre_codes=genre_of[clusters],
        genres=tuple(f"genre {code}" for code in range(N_GENRES)),
        years=1960 + rng.integers(60, size=len(numbers)),
        quadrants=quadrants,
        confidence=rng.uniform(0.4, 0.95, len(numbers)),
    )
