"""Which candidate goes where: a greedy choice whose every term can be looked at afterwards. Pure.

Each slot takes the song with the largest sum of terms, given the songs before it. A slot depends on nothing after it,
so ranking again with the same ratings, whatever was played since, gives the same rest: what moves, moves for a reason.

Source: Carbonell and Goldstein (1998), The use of MMR, section 2 (the diversity term).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

# Weights of the terms, relative to closeness at the very target, which is 1.
CONFIDENCE_WEIGHT = 0.15
LIKING_WEIGHT = 0.3
EXPLORATION_WEIGHT = 0.08
DIVERSITY_WEIGHT = 0.15
# A song heard within a day loses to any other within about 0.8 of the target, and to none beyond.
NOVELTY_WEIGHT = 0.7
ARTIST_SHARE_WEIGHT = 0.3
# The distance on the plane at which closeness has halved; it never reaches zero, so far songs keep an order.
HALF_DISTANCE = 0.5
# An artist may fill this part of a list before it costs.
ARTIST_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Candidates:
    """Songs to choose from, one row each.

    `song_ids` and `artist_ids` `(n,)`; `embeddings` `(n, d)`, L2-normalised or zero; `felt` `(n, 2)`, predicted felt
    (valence, arousal) in [-1, 1]; `confidence` `(n,)` in [0, 1]; `liking` `(n,)` in [-1, 1]; `recency` `(n,)`, 1 for
    a song heard within a day, falling to 0.
    """

    song_ids: NDArray[np.int64]
    artist_ids: NDArray[np.int64]
    embeddings: NDArray[np.float64]
    felt: NDArray[np.float64]
    confidence: NDArray[np.float64]
    liking: NDArray[np.float64]
    recency: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Terms:
    """What each term added to a song's score, weights included; `total` is the score."""

    closeness: float
    confidence: float
    liking: float
    novelty: float
    exploration: float
    diversity: float
    artist_share: float

    @property
    def total(self) -> float:
        """Sum of all terms."""
        return sum(getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True, slots=True)
class RankedSong:
    """A candidate at a place; `kept_apart` when a better one was passed over to space an artist's songs."""

    position: int
    row: int
    song_id: int
    terms: Terms
    distance: float
    kept_apart: bool


def rank(
    candidates: Candidates,
    target: tuple[float, float],
    *,
    length: int,
    seed: int,
    fixed: Mapping[int, int] | None = None,
) -> list[RankedSong]:
    """Fill the free places of a list.

    Args:
        candidates: `n` songs.
        target: (valence, arousal) in [-1, 1].
        length: places in the list, counted from 1.
        seed: decides the exploration; the same seed and candidates give the same list, in any row order.
        fixed: places that are taken, each by the row of a candidate.

    Returns:
        A song for each free place, in order; fewer when the candidates run out.
    """
    fixed = dict(fixed or {})
    greedy = _Greedy(candidates, target, length=length, seed=seed, fixed=fixed)
    ranked: list[RankedSong] = []
    for position in range(1, length + 1):
        if position in fixed:
            greedy.place(fixed[position])
        elif greedy.n_left:
            ranked.append(greedy.choose(position))
    return ranked


def distances(felt: NDArray[np.float64], target: tuple[float, float]) -> NDArray[np.float64]:
    """Return the distance `(n,)` of predicted felt points `(n, 2)` to the target, on a plane 2 wide and 2 high."""
    return np.linalg.norm(np.asarray(felt, np.float64) - np.asarray(target), axis=1)


def exploration_noise(seed: int, song_ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return a number in [-1, 1) per song that depends on the seed and the song only, never on its row.

    Source: Steele et al. (2014), Fast splittable pseudorandom number generators (the SplitMix64 finaliser).
    """
    mixed = np.asarray(song_ids).astype(np.uint64) + np.array([seed & 0xFFFFFFFFFFFFFFFF], np.uint64)
    mixed = mixed * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(11)).astype(np.float64) / 2.0**52 - 1.0


class _Greedy:
    """The state of one ranking: what is left, and what the songs placed so far cost the others."""

    def __init__(
        self,
        candidates: Candidates,
        target: tuple[float, float],
        *,
        length: int,
        seed: int,
        fixed: Mapping[int, int],
    ) -> None:
        self._candidates = candidates
        self._distances = distances(candidates.felt, target)
        self._fixed = fixed
        self._closeness = 1.0 / (1.0 + (self._distances / HALF_DISTANCE) ** 2)
        self._confidence = CONFIDENCE_WEIGHT * candidates.confidence
        self._liking = LIKING_WEIGHT * candidates.liking
        self._novelty = -NOVELTY_WEIGHT * candidates.recency
        self._exploration = EXPLORATION_WEIGHT * exploration_noise(seed, candidates.song_ids)
        self._likeness = np.zeros(len(candidates.song_ids))
        self._artists, self._artist_of = np.unique(candidates.artist_ids, return_inverse=True)
        self._placed_by_artist = np.zeros(len(self._artists), np.int64)
        self._artist_limit = max(1, int(np.ceil(ARTIST_SHARE * length)))
        self._left = np.ones(len(candidates.song_ids), bool)
        self._left[list(fixed.values())] = False
        self._slots_left = length - sum(1 for position in fixed if position <= length)
        self._last_artist = -1

    @property
    def n_left(self) -> int:
        return int(self._left.sum())

    def choose(self, position: int) -> RankedSong:
        score = self._static_score() + self._diversity() + self._artist_share()
        allowed = self._allowed(position)
        row = int(np.argmax(np.where(allowed, score, -np.inf)))
        freest = int(np.argmax(np.where(self._left, score, -np.inf)))
        ranked = RankedSong(
            position=position,
            row=row,
            song_id=int(self._candidates.song_ids[row]),
            terms=self._terms(row),
            distance=float(self._distances[row]),
            kept_apart=row != freest,
        )
        self._left[row] = False
        self._slots_left -= 1
        self.place(row)
        return ranked

    def place(self, row: int) -> None:
        """Take note of a song at the present place, so that what follows differs from it."""
        alike = self._candidates.embeddings @ self._candidates.embeddings[row]
        self._likeness = np.maximum(self._likeness, alike)
        self._placed_by_artist[self._artist_of[row]] += 1
        self._last_artist = int(self._artist_of[row])

    def _static_score(self) -> NDArray[np.float64]:
        return self._closeness + self._confidence + self._liking + self._novelty + self._exploration

    def _diversity(self) -> NDArray[np.float64]:
        return -DIVERSITY_WEIGHT * self._likeness

    def _artist_share(self) -> NDArray[np.float64]:
        over = self._placed_by_artist >= self._artist_limit
        return -ARTIST_SHARE_WEIGHT * over[self._artist_of].astype(np.float64)

    def _terms(self, row: int) -> Terms:
        return Terms(
            closeness=float(self._closeness[row]),
            confidence=float(self._confidence[row]),
            liking=float(self._liking[row]),
            novelty=float(self._novelty[row]),
            exploration=float(self._exploration[row]),
            diversity=float(self._diversity()[row]),
            artist_share=float(self._artist_share()[row]),
        )

    def _allowed(self, position: int) -> NDArray[np.bool_]:
        """Return the songs left that keep artists apart, or all that are left when none does."""
        neighbours = [self._last_artist]
        if position + 1 in self._fixed:
            neighbours.append(int(self._artist_of[self._fixed[position + 1]]))
        apart = self._left & ~np.isin(self._artist_of, neighbours)
        crowding = self._crowding_artist()
        if crowding is not None and (apart & (self._artist_of == crowding)).any():
            apart &= self._artist_of == crowding
        return apart if apart.any() else self._left

    def _crowding_artist(self) -> int | None:
        """Return the artist who must come now, because later there are too few others to put in between.

        With s places to fill and b songs by others, an artist's songs can still be kept apart after another's song
        only while s <= 2 b.
        """
        counts = np.bincount(self._artist_of[self._left], minlength=len(self._artists))
        slots = min(self._slots_left, int(counts.sum()))
        busiest = int(np.argmax(counts))
        others = int(counts.sum() - counts[busiest])
        return busiest if slots > 2 * others else None
