"""The index of songs: which a listener will feel nearest to a target, and which sound alike, as inner products.

A listener's felt point is linear in y = [v, a, z]: the perceived point, and the embedding projected onto the few
directions z in which the catalog's embeddings differ most. Its squared distance to a target is then a quadratic in y,
and every quadratic in y is an inner product with [y, upper triangle of y y']. Songs are stored so lifted; the query is
made from the listener's own linear map, so a rating changes what the listener feels and no song is stored again.

While songs are few, each is scored; from `FLAT_BELOW` on, they lie in partitions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from catalog.core.names import name_key, name_keys
from recommender.arrays import Bools, Floats, Ints
from recommender.felt_model.model import LinearFelt
from recommender.index.partitions import Part, Partitions, build
from recommender.ranking.lists import HALF_DISTANCE, Weights

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STEP = 65_536


class SongRow(NamedTuple):
    """One song as the database has it; `embedding` is float32, little-endian."""

    song_id: int
    artist_id: int
    is_unnamed: bool
    album_id: int | None
    genre: str
    year: int | None
    written_at: datetime
    quadrant: int
    confidence: float
    valence: float
    arousal: float
    model_version: str
    embedding: bytes


@dataclass(frozen=True, slots=True)
class SongTable:
    """Songs in the order of their ids, one row each.

    `song_ids`, `artist_ids`, `album_ids` (0 for none) and `updated_us` (microseconds since 1970) `(n,)`; `genre_codes`
    `(n,)`, places in `genres`, which are casefolded; `years` (0 for none) and `quadrants` `(n,)`; `unnamed`, whether
    the artist is the placeholder for unknown ones; `comparable`, whether the index's model made the embedding;
    `confidence` `(n,)`; `perceived` `(n, 2)`; `embeddings` `(n, d)`, zero where not comparable.
    """

    song_ids: Ints
    artist_ids: Ints
    album_ids: Ints
    updated_us: Ints
    genre_codes: NDArray[np.int32]
    years: NDArray[np.int16]
    quadrants: NDArray[np.uint8]
    unnamed: Bools
    comparable: Bools
    confidence: Floats
    perceived: Floats
    embeddings: NDArray[np.float32]
    genres: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.song_ids)

    @property
    def n_dimensions(self) -> int:
        """Length of an embedding."""
        return int(self.embeddings.shape[1])

    @classmethod
    def none(cls, n_dimensions: int = 0) -> SongTable:
        """Return no songs."""
        return cls(
            **{name: np.zeros((0, *_tail(name, n_dimensions)), dtype) for name, dtype in DTYPES.items()}, genres=()
        )

    @classmethod
    def of_rows(cls, rows: Sequence[SongRow], model_version: str, n_dimensions: int) -> tuple[SongTable, int]:
        """Return the rows that can be used, in order, and how many cannot.

        Another model's embedding has other directions: such a song keeps only its point. A row is
        left out when its point is not finite, or when it is by the index's model and its embedding is not finite or
        not of `n_dimensions`.
        """
        size = 4 * n_dimensions
        right = [row for row in rows if row.model_version != model_version or len(row.embedding) == size]
        if not right:
            return cls.none(n_dimensions), len(rows)
        code_of: dict[str, int] = {}
        codes = [code_of.setdefault(row.genre.casefold(), len(code_of)) for row in right]
        comparable = [row.model_version == model_version for row in right]
        foreign = bytes(size)
        payload = b"".join(row.embedding if is_own else foreign for row, is_own in zip(right, comparable, strict=True))
        table = cls(
            song_ids=np.asarray([row.song_id for row in right], np.int64),
            artist_ids=np.asarray([row.artist_id for row in right], np.int64),
            album_ids=np.asarray([row.album_id or 0 for row in right], np.int64),
            updated_us=np.asarray([microseconds(row.written_at) for row in right], np.int64),
            genre_codes=np.asarray(codes, np.int32),
            years=np.asarray([min(row.year or 0, 9999) for row in right], np.int16),
            quadrants=np.asarray([row.quadrant for row in right], np.uint8),
            unnamed=np.asarray([row.is_unnamed for row in right], np.bool_),
            comparable=np.asarray(comparable, np.bool_),
            confidence=np.asarray([row.confidence for row in right], np.float64),
            perceived=np.asarray([(row.valence, row.arousal) for row in right], np.float64),
            embeddings=np.frombuffer(payload, "<f4").reshape(len(right), n_dimensions),
            genres=tuple(code_of),
        )
        usable = np.asarray(np.isfinite(table.perceived).all(axis=1) & np.isfinite(table.embeddings).all(axis=1))
        return table.take(usable), len(rows) - int(usable.sum())

    @classmethod
    def join(cls, parts: Sequence[SongTable]) -> SongTable:
        """Return one or several parts as one, in the order of their ids."""
        genres = tuple(dict.fromkeys(genre for part in parts for genre in part.genres))
        parts = [part.recoded(genres) for part in parts]
        joined = cls(
            **{name: np.concatenate([getattr(part, name) for part in parts]) for name in DTYPES}, genres=genres
        )
        return joined.take(np.argsort(joined.song_ids, kind="stable"))

    def take(self, rows: Ints | Bools | slice) -> SongTable:
        """Return some rows; of a slice, a view."""
        return SongTable(**{name: np.asarray(getattr(self, name)[rows]) for name in DTYPES}, genres=self.genres)

    def recoded(self, genres: tuple[str, ...]) -> SongTable:
        """Return the same songs with codes that are places in another, larger list of genres."""
        place = {genre: code for code, genre in enumerate(genres)}
        codes = np.asarray([place[genre] for genre in self.genres], np.int32)
        return replace(self, genre_codes=codes[self.genre_codes] if len(codes) else self.genre_codes, genres=genres)

    def rows_of(self, song_ids: Ints) -> Ints:
        """Return the row of each song `(m,)`, -1 for one that is not here."""
        if not len(self):
            return np.full(len(song_ids), -1)
        rows = np.minimum(np.searchsorted(self.song_ids, song_ids), len(self) - 1)
        return np.where(self.song_ids[rows] == song_ids, rows, -1)

    def matching(
        self,
        genre: str = "",
        artist_id: int | None = None,
        decade: int | None = None,
        further: Sequence[int] = (),
    ) -> Bools:
        """Return which songs `(n,)` match a genre, an artist and a decade; a missing filter matches all.

        The artist is a song's first one, or the song is one of `further`.
        """
        allowed = np.ones(len(self), bool)
        if genre:
            key = name_key(genre)
            allowed &= np.isin(
                self.genre_codes, [code for code, each in enumerate(self.genres) if key in name_keys(each)]
            )
        if artist_id is not None:
            allowed &= (self.artist_ids == artist_id) | np.isin(self.song_ids, further)
        if decade is not None:
            allowed &= (self.years >= decade) & (self.years < decade + 10)
        return np.asarray(allowed)

    def parts(self) -> Iterator[tuple[int, SongTable]]:
        """Yield the songs a part at a time, each with its first row, so that a mapped catalog may exceed memory."""
        for start in range(0, len(self), STEP):
            yield start, self.take(slice(start, start + STEP))


DTYPES = {
    "song_ids": "<i8",
    "artist_ids": "<i8",
    "album_ids": "<i8",
    "updated_us": "<i8",
    "genre_codes": "<i4",
    "years": "<i2",
    "quadrants": "u1",
    "unnamed": "?",
    "comparable": "?",
    "confidence": "<f8",
    "perceived": "<f8",
    "embeddings": "<f4",
}


def microseconds(moment: datetime) -> int:
    """Return whole microseconds since 1970, exactly."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


class TableWriter(ExitStack):
    """Appends songs to files, a part at a time; afterwards they are mapped."""

    def __init__(self, folder: Path, n_dimensions: int) -> None:
        super().__init__()
        self._folder = folder
        self._n_dimensions = n_dimensions
        self._files = {name: self.enter_context((folder / f"{name}.bin").open("wb")) for name in DTYPES}
        self._genres: dict[str, None] = {}
        self._n_songs = 0

    def add(self, part: SongTable) -> None:
        """Append songs whose ids are all above those before."""
        self._genres |= dict.fromkeys(part.genres)
        part = part.recoded(tuple(self._genres))
        for name, file in self._files.items():
            file.write(np.ascontiguousarray(getattr(part, name), DTYPES[name]).data)
        self._n_songs += len(part)

    def mapped(self) -> SongTable:
        """Return what was appended, mapped from the files."""
        self.close()
        return map_table(self._folder, self._n_songs, self._n_dimensions, tuple(self._genres))


def map_table(folder: Path, n_songs: int, n_dimensions: int, genres: tuple[str, ...]) -> SongTable:
    """Map a table that a `TableWriter` wrote.

    Raises:
        OSError: a file is missing.
        ValueError: a file is too short.
    """
    columns = {
        name: map_array(folder / f"{name}.bin", dtype, (n_songs, *_tail(name, n_dimensions)))
        for name, dtype in DTYPES.items()
    }
    return SongTable(**columns, genres=genres)


def map_array(path: Path, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Map an array for reading; one without elements, which cannot be mapped, is made."""
    if 0 in shape:
        return np.zeros(shape, dtype)
    # Plain arrays over the map: the memmap class costs more at every slice than the slice does.
    return np.asarray(np.memmap(path, dtype, "r", shape=shape))


def _tail(name: str, n_dimensions: int) -> tuple[int, ...]:
    return {"perceived": (2,), "embeddings": (n_dimensions,)}.get(name, ())


# Directions of the embeddings that felt points may depend on; more make the lifted vectors longer by their square.
N_DIRECTIONS = 8
# The ranking's own weights, near the target: there its closeness falls by 4 times the squared distance.
DISTANCE_WEIGHT = 1.0 / HALF_DISTANCE**2
LIKING_WEIGHT = Weights.of(0.0).liking
# The norms that a listener's coefficients on the directions have if each is as large as the built-in prior expects.
USUAL_MOVED = 0.1 * (2 * N_DIRECTIONS) ** 0.5
USUAL_LIKED = LIKING_WEIGHT * 0.39 * N_DIRECTIONS**0.5


@dataclass(frozen=True, slots=True)
class FeltQuery:
    """A `target` `(2,)` to be felt, and the linear map of the listener who is to feel it."""

    target: Floats
    felt: LinearFelt


@dataclass(frozen=True, slots=True)
class Form:
    """A query on y `(r + 2,)`: score = -DISTANCE_WEIGHT |felt @ y + off|^2 + liking @ y.

    `felt` `(2, r + 2)`, `off` `(2,)`, `liking` `(r + 2,)`.
    """

    felt: Floats
    off: Floats
    liking: Floats

    @classmethod
    def of(cls, query: FeltQuery, basis: Floats) -> Form:
        """Project a query onto the directions of a basis `(r, d)`."""
        return cls(
            felt=np.hstack([query.felt.on_perceived, query.felt.on_embedding @ basis.T]),
            off=query.felt.offset - query.target,
            liking=np.concatenate([np.zeros(2), LIKING_WEIGHT * (basis @ query.felt.liking)]),
        )

    @property
    def reach(self) -> float:
        """How much the directions of embeddings decide: 0 not at all, 1 as for a typical, well known listener."""
        moved = np.linalg.norm(self.felt[:, 2:]) / USUAL_MOVED
        return float(moved + np.linalg.norm(self.liking) / USUAL_LIKED) / 2

    def scores(self, y: NDArray[np.floating]) -> Floats:
        """Return the scores `(n,)` of songs `(n, r + 2)`."""
        away = y @ self.felt.T.astype(y.dtype) + self.off.astype(y.dtype)
        liked = y @ self.liking.astype(y.dtype)
        return np.asarray(liked - DISTANCE_WEIGHT * (away[:, 0] ** 2 + away[:, 1] ** 2), np.float64)

    def lifted(self) -> NDArray[np.float32]:
        """Return the vector whose inner product with a lifted song is its score, up to a constant."""
        first, second = np.triu_indices(self.felt.shape[1])
        squares = self.felt.T @ self.felt
        twice = np.where(first == second, 1.0, 2.0)
        linear = self.liking - 2 * DISTANCE_WEIGHT * (self.felt.T @ self.off)
        return np.concatenate([linear, -DISTANCE_WEIGHT * twice * squares[first, second]]).astype(np.float32)


def lift(y: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return songs `(n, m)` as `(n, m + m (m + 1) / 2)`."""
    first, second = np.triu_indices(y.shape[1])
    return np.ascontiguousarray(np.hstack([y, y[:, first] * y[:, second]]), np.float32)


def principal_directions(total: Floats, products: Floats, n_songs: int) -> Floats:
    """Return the directions `(r, d)` in which embeddings differ most, as orthonormal rows.

    `total` `(d,)` is the sum of the embeddings, `products` `(d, d)` that of their outer products.
    """
    mean = total / max(n_songs, 1)
    _, vectors = np.linalg.eigh(products / max(n_songs, 1) - np.outer(mean, mean))
    rows = vectors[:, ::-1].T[:N_DIRECTIONS]
    # An eigenvector's sign means nothing; fixed, the same catalog gives the same basis.
    signs = np.where((rows**3).sum(axis=1) < 0, -1.0, 1.0)
    return np.ascontiguousarray(rows * signs[:, None])


FORMAT_VERSION = 2
# Scoring so many songs costs as much as searching them in partitions; docs/scale.md has both times.
FLAT_BELOW = 50_000
# Up to so many allowed songs are scored one by one: that takes 3 ms, as long as searching the partitions.
FEW_ALLOWED = 100_000
# Partitions per root of the number of songs; embeddings have many values, and assigning them is most of a build.
FELT_PARTITIONS = 4.0
ALIKE_PARTITIONS = 1.0
# The share of all partitions to search; the more a listener's felt points depend on embeddings, the more are searched.
# docs/scale.md has the recall.
FELT_PROBES = 1 / 48
ALIKE_PROBES = 1 / 12
LEAST_PROBES = 64
# How the number of partitions grows as the share of allowed songs falls.
FILTER_POWER = 0.75
# A step along a direction of the embedding moves a felt point about a quarter as far as one on the plane.
DIRECTION_SCALE = 0.25


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """What a version of the index is: `fingerprint` identifies the rows that it was built from.

    `watermark` is the moment up to which it has seen every change.
    """

    model_version: str = ""
    fingerprint: str = ""
    watermark: str = ""
    n_songs: int = 0
    n_skipped: int = 0
    index_version: str = ""
    sha256: str = ""
    format_version: int = FORMAT_VERSION


@dataclass(frozen=True, slots=True)
class Hits:
    """Songs found, best first: `song_ids`, `scores` and `rows` of the table, `(k,)` each."""

    song_ids: Ints
    scores: Floats
    rows: Ints


NO_HITS = Hits(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64))


@dataclass(frozen=True, slots=True)
class SongIndex:
    """Songs to search. Searches may run in several threads at once; nothing changes it once built.

    `basis` `(r, d)` has orthonormal rows; `places` `(n, r + 2)` are the songs' perceived points and their embeddings
    projected onto it.
    """

    table: SongTable
    basis: Floats
    places: NDArray[np.float32]
    felt: Partitions | None
    alike: Partitions | None
    info: IndexInfo

    @classmethod
    def build(cls, table: SongTable, info: IndexInfo, places: NDArray[np.float32] | None = None) -> SongIndex:
        """Build an index.

        Args:
            table: the songs, in memory or mapped.
            info: where they come from.
            places: `(n, r + 2)` to fill in, r as in `basis_of(table)`; None allocates it.
        """
        basis = basis_of(table)
        places = np.zeros((len(table), len(basis) + 2), np.float32) if places is None else places
        for start, part in table.parts():
            places[start : start + len(part)] = places_of(part, basis)
        counted = replace(info, n_songs=len(table))
        return cls(table, basis, places, _felt_partitions(places), _alike_partitions(table), counted)

    def of_newer(self, table: SongTable) -> SongIndex:
        """Return an unpartitioned index of other songs with this one's basis, for the few that are newer."""
        return SongIndex(table, self.basis, places_of(table, self.basis), None, None, self.info)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def n_dimensions(self) -> int:
        """Length of an embedding."""
        return self.table.n_dimensions

    def best_each(self, queries: Sequence[FeltQuery], k: int, allowed: Bools | None = None) -> list[Hits]:
        """Find, for each query, the songs that its listener will feel nearest to its target and like.

        Args:
            queries: the listeners' maps and targets.
            k: at most this many songs each.
            allowed: `(n,)`, the rows to choose from; None for all.

        Returns:
            Hits whose score is `Form.scores`, exactly.
        """
        if not queries or not len(self) or k <= 0:
            return [NO_HITS for _ in queries]
        forms = [Form.of(query, self.basis) for query in queries]
        rows = self._few(self.felt, allowed)
        if self.felt is None or rows is not None:
            places = self.places if rows is None else self.places[rows]
            return [self._hits(rows, form.scores(places), k) for form in forms]
        return [self._in_partitions(self.felt, form, k, allowed) for form in forms]

    def like_embedding(
        self, embedding: NDArray[np.floating], k: int, without: int | None = None, allowed: Bools | None = None
    ) -> Hits:
        """Find the songs most like an embedding `(d,)`; scores are cosines, and none that is not above 0 is alike."""
        query = np.asarray(embedding, np.float32)
        if not len(self) or k <= 0 or not query.any():
            return NO_HITS
        rows = self._few(self.alike, allowed)
        if self.alike is not None and rows is None:
            probes = self._probes(self.alike, ALIKE_PROBES, allowed)
            # Partitions hold 16-bit floats, which order near ties wrongly; the exact cosines put them right.
            rows = self.alike.search(query, 2 * k + 1, probes, allowed)
        embeddings = self.table.embeddings if rows is None else self.table.embeddings[rows]
        cosines = np.asarray(embeddings @ query, np.float64)
        rows = np.arange(len(self)) if rows is None else rows
        alike = (cosines > 0) & (self.table.song_ids[rows] != (-1 if without is None else without))
        return self._hits(rows[alike], cosines[alike], k)

    def _in_partitions(self, partitions: Partitions, form: Form, k: int, allowed: Bools | None) -> Hits:
        probes = self._probes(partitions, FELT_PROBES * (1.0 + 2.0 * form.reach), allowed)
        rows = partitions.search(form.lifted(), k, probes, allowed)
        return self._hits(rows, form.scores(self.places[rows]), k)

    def _few(self, partitions: Partitions | None, allowed: Bools | None) -> Ints | None:
        """Return the allowed rows if they are few enough to be scored one by one; None otherwise, or for all."""
        if allowed is None:
            return None
        rows = np.flatnonzero(allowed)
        return rows if partitions is None or len(rows) < FEW_ALLOWED else None

    def _probes(self, partitions: Partitions, share: float, allowed: Bools | None) -> int:
        """Return how many partitions to search: the more, the fewer of their songs are allowed."""
        probes = max(LEAST_PROBES, share * partitions.n_partitions)
        if allowed is not None:
            probes *= (len(self) / max(int(np.count_nonzero(allowed)), 1)) ** FILTER_POWER
        return round(probes)

    def _hits(self, rows: Ints | None, scores: Floats, k: int) -> Hits:
        """Return the `k` best of some rows, None for all; of two alike, the one with the lower row."""
        order = np.argpartition(-scores, k)[:k] if len(scores) > k else np.arange(len(scores))
        order = order[np.lexsort((order, -scores[order]))]
        best = order if rows is None else rows[order]
        return Hits(np.asarray(self.table.song_ids[best]), scores[order], best)


def basis_of(table: SongTable) -> Floats:
    """Return the directions `(r, d)` in which the comparable embeddings differ most, as orthonormal rows."""
    n_dimensions = table.n_dimensions
    total, products, n_songs = np.zeros(n_dimensions), np.zeros((n_dimensions, n_dimensions)), 0
    for _, part in table.parts():
        embeddings = part.embeddings[part.comparable].astype(np.float64)
        total += embeddings.sum(axis=0)
        products += embeddings.T @ embeddings
        n_songs += len(embeddings)
    return principal_directions(total, products, n_songs)


def places_of(table: SongTable, basis: Floats) -> NDArray[np.float32]:
    """Return perceived points and projected embeddings, `(n, r + 2)`."""
    return np.hstack([table.perceived, table.embeddings @ basis.T]).astype(np.float32)


def _felt_partitions(places: NDArray[np.float32]) -> Partitions | None:
    n_songs, n_values = places.shape
    if n_songs < FLAT_BELOW:
        return None
    scale = np.ones(n_values, np.float32)
    scale[2:] = DIRECTION_SCALE

    def parts() -> Iterator[Part]:
        for start in range(0, n_songs, STEP):
            stop = min(start + STEP, n_songs)
            yield np.arange(start, stop), np.asarray(places[start:stop])

    return build(parts, n_songs, scale, lift, FELT_PARTITIONS)


def _alike_partitions(table: SongTable) -> Partitions | None:
    n_songs = int(table.comparable.sum())
    if n_songs < FLAT_BELOW:
        return None

    def parts() -> Iterator[Part]:
        for start, part in table.parts():
            yield start + np.flatnonzero(part.comparable), part.embeddings[part.comparable]

    scale = np.ones(table.n_dimensions, np.float32)
    return build(parts, n_songs, scale, np.ascontiguousarray, ALIKE_PARTITIONS, is_half=True)
