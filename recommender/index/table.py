"""Songs as a table of columns, in memory or mapped from files that all processes share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

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

    song_ids: NDArray[np.int64]
    artist_ids: NDArray[np.int64]
    album_ids: NDArray[np.int64]
    updated_us: NDArray[np.int64]
    genre_codes: NDArray[np.int32]
    years: NDArray[np.int16]
    quadrants: NDArray[np.uint8]
    unnamed: NDArray[np.bool_]
    comparable: NDArray[np.bool_]
    confidence: NDArray[np.float64]
    perceived: NDArray[np.float64]
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
    def of_arrays(
        cls,
        song_ids: NDArray[np.int64],
        perceived: NDArray[np.float64],
        embeddings: NDArray[np.float32],
        **others: Any,
    ) -> SongTable:
        """Return songs of which little else is known.

        Args:
            song_ids: `(n,)`, ascending.
            perceived: `(n, 2)`, in [-1, 1].
            embeddings: `(n, d)`, L2-normalised; a zero row counts as not comparable.
            others: columns by name; a missing one is 0.
        """
        n_songs, n_dimensions = embeddings.shape
        given: dict[str, Any] = {"song_ids": song_ids, "perceived": perceived, "embeddings": embeddings}
        given |= {"comparable": np.any(embeddings != 0, axis=1)} | others
        genres = tuple(given.pop("genres", ("",)))
        filled = {name: given.get(name, np.zeros((n_songs, *_tail(name, n_dimensions)))) for name in DTYPES}
        return cls(**{name: np.asarray(filled[name], DTYPES[name]) for name in DTYPES}, genres=genres)

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
        own = [row.model_version == model_version for row in right]
        foreign = bytes(size)
        payload = b"".join(row.embedding if is_own else foreign for row, is_own in zip(right, own, strict=True))
        table = cls(
            song_ids=np.asarray([row.song_id for row in right], np.int64),
            artist_ids=np.asarray([row.artist_id for row in right], np.int64),
            album_ids=np.asarray([row.album_id or 0 for row in right], np.int64),
            updated_us=np.asarray([microseconds(row.written_at) for row in right], np.int64),
            genre_codes=np.asarray(codes, np.int32),
            years=np.asarray([min(row.year or 0, 9999) for row in right], np.int16),
            quadrants=np.asarray([row.quadrant for row in right], np.uint8),
            unnamed=np.asarray([row.is_unnamed for row in right], np.bool_),
            comparable=np.asarray(own, np.bool_),
            confidence=np.asarray([row.confidence for row in right], np.float64),
            perceived=np.asarray([(row.valence, row.arousal) for row in right], np.float64),
            embeddings=np.frombuffer(payload, "<f4").reshape(len(right), n_dimensions),
            genres=tuple(code_of),
        ).finite()
        return table, len(rows) - len(table)

    @classmethod
    def join(cls, parts: Sequence[SongTable], n_dimensions: int = 0) -> SongTable:
        """Return several parts as one, in the order of their ids."""
        if not parts:
            return cls.none(n_dimensions)
        genres = tuple(dict.fromkeys(genre for part in parts for genre in part.genres))
        parts = [part.recoded(genres) for part in parts]
        joined = cls(
            **{name: np.concatenate([getattr(part, name) for part in parts]) for name in DTYPES}, genres=genres
        )
        return joined.take(np.argsort(joined.song_ids, kind="stable"))

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_] | slice) -> SongTable:
        """Return some rows; of a slice, a view."""
        return SongTable(**{name: np.asarray(getattr(self, name)[rows]) for name in DTYPES}, genres=self.genres)

    def finite(self) -> SongTable:
        """Return the rows whose point and embedding are finite."""
        usable = np.asarray(np.isfinite(self.perceived).all(axis=1) & np.isfinite(self.embeddings).all(axis=1))
        return self if usable.all() else self.take(np.flatnonzero(usable))

    def recoded(self, genres: tuple[str, ...]) -> SongTable:
        """Return the same songs with codes that are places in another, larger list of genres."""
        place = {genre: code for code, genre in enumerate(genres)}
        codes = np.asarray([place[genre] for genre in self.genres], np.int32)
        return replace(self, genre_codes=codes[self.genre_codes] if len(codes) else self.genre_codes, genres=genres)

    def rows_of(self, song_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the row of each song `(m,)`, -1 for one that is not here."""
        if not len(self):
            return np.full(len(song_ids), -1)
        rows = np.minimum(np.searchsorted(self.song_ids, song_ids), len(self) - 1)
        return np.where(self.song_ids[rows] == song_ids, rows, -1)

    def matching(self, genre: str = "", artist_id: int | None = None, decade: int | None = None) -> NDArray[np.bool_]:
        """Return which songs `(n,)` match a genre, an artist and a decade; a missing filter matches all."""
        allowed = np.ones(len(self), bool)
        if genre:
            key = genre.casefold()
            allowed &= self.genre_codes == (self.genres.index(key) if key in self.genres else -1)
        if artist_id is not None:
            allowed &= self.artist_ids == artist_id
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


class TableWriter:
    """Appends songs to files, a part at a time; afterwards they are mapped."""

    def __init__(self, folder: Path, n_dimensions: int) -> None:
        self._folder = folder
        self._n_dimensions = n_dimensions
        self._stack = ExitStack()
        self._files = {name: self._stack.enter_context((folder / f"{name}.bin").open("wb")) for name in DTYPES}
        self._genres: dict[str, None] = {}
        self._n_songs = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def add(self, part: SongTable) -> None:
        """Append songs whose ids are all above those before."""
        self._genres |= dict.fromkeys(part.genres)
        part = part.recoded(tuple(self._genres))
        for name, file in self._files.items():
            file.write(np.ascontiguousarray(getattr(part, name), DTYPES[name]).data)
        self._n_songs += len(part)

    def mapped(self) -> SongTable:
        """Return what was appended, mapped from the files."""
        self._stack.close()
        return map_table(self._folder, self._n_songs, self._n_dimensions, tuple(self._genres))


def map_table(folder: Path, n_songs: int, n_dimensions: int, genres: tuple[str, ...]) -> SongTable:
    """Map a table that a `TableWriter` wrote.

    Raises:
        OSError: a file is missing.
        ValueError: a file is too short.
    """
    shapes = {name: (n_songs, *_tail(name, n_dimensions)) for name in DTYPES}
    return SongTable(
        **{name: map_array(folder / f"{name}.bin", DTYPES[name], shapes[name]) for name in DTYPES}, genres=genres
    )


def map_array(path: Path, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Map an array for reading; one without elements, which cannot be mapped, is made."""
    if 0 in shape:
        return np.zeros(shape, dtype)
    # Plain arrays over the map: the memmap class costs more at every slice than the slice does.
    return np.asarray(np.memmap(path, dtype, "r", shape=shape))


def _tail(name: str, n_dimensions: int) -> tuple[int, ...]:
    tails: Mapping[str, tuple[int, ...]] = {"perceived": (2,), "embeddings": (n_dimensions,)}
    return tails.get(name, ())
