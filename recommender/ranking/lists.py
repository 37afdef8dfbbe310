"""Rank candidates for the places of a list: a greedy choice whose every term can be inspected afterwards.

Each place takes the song with the largest sum of terms, given the songs before it. A place depends on nothing after it,
so ranking again with the same ratings, whatever was played since, gives the same rest: what moves, moves for a reason.

Closeness to the target is split by where it comes from: the shared model, the change by the listener's ratings, the
change by the mood before, and the change by a draw from the posterior (Thompson sampling). The four add up to
the closeness of the drawn prediction. A term decided a place if another song would have had the place without it.

A quadrant is a region: every song well inside it is as close as can be, and its songs come before all others. Which of
them opens goes by the probability of that quadrant and, between near ties, by chance.

Source: Carbonell and Goldstein (1998), The use of MMR, section 2 (the diversity term); Chapelle and Li (2011), An
empirical evaluation of Thompson sampling, section 3 (a draw narrower than the posterior regrets less).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

import numpy as np

from emotion.inference.quadrants import Quadrant
from recommender.arrays import Bools, Floats, Ints

# The distance on the plane at which closeness has halved; it never reaches zero, so far songs keep an order.
HALF_DISTANCE = 0.5
# What an artist's or album's last song costs the next one shrinks by this with every place between them.
SPACING_DECAY = 0.8
# An advantage smaller than this is a rounding error.
EPSILON = 1e-9
# Nearer to an axis than this, a song of a quadrant is less typical of it than one further inside.
INSIDE = 0.2


@dataclass(frozen=True, slots=True)
class Candidates:
    """Songs to choose from, one row each; points are (valence, arousal) in [-1, 1].

    `song_ids`, `artist_ids` and `album_ids` `(n,)`, an album id not above 0 meaning none; `embeddings` `(n, d)`,
    L2-normalised or zero; `shared` `(n, 2)`, the shared prediction of the felt point; `rated` `(n, 2)`, the same after
    this listener's ratings; `felt` `(n, 2)`, after the mood before as well; `drawn` `(n, 2)`, a draw of `felt`;
    `confidence` `(n,)` in [0, 1], the probability of the quadrant that is aimed at; `liking` and `drawn_liking` `(n,)`
    in [-1, 1]; `recency` `(n,)`, 1 for a song played within a day, falling to 0; `likeness` `(n,)`, the cosine with the
    song that the list is around, else 0.
    """

    song_ids: Ints
    artist_ids: Ints
    album_ids: Ints
    embeddings: Floats
    shared: Floats
    rated: Floats
    felt: Floats
    drawn: Floats
    confidence: Floats
    liking: Floats
    drawn_liking: Floats
    recency: Floats
    likeness: Floats

    def __len__(self) -> int:
        return len(self.song_ids)

    def take(self, rows: Ints) -> Candidates:
        """Return some rows, in the given order."""
        return Candidates(*(getattr(self, each.name)[rows] for each in fields(self)))


# Songs whose scores differ by less than this times the variety are drawn by chance.
_CHANCE = 0.5
# The song that opens a list is drawn from the best, if they differ by less than this times the variety.
_OPENERS = 6
_OPENER_CHANCE = 1.0
# What the probability of a quadrant counts in a list for it, whose songs are all close.
_OF_QUADRANT = 0.25
# A like counts as much as leaves a list no farther from its target than without (docs/listeners_simulation.md), and a
# dislike more: a song that one cannot bear spoils a list that the best song does not make.
_LIKING, _LIKING_IN_QUADRANT, _LIKING_ON_JOURNEY = 0.2, 0.15, 0.15
_DISLIKE = 3.0
# A song played within a day loses to any other within about 0.8 of the target, and to none beyond.
_NOVELTY = 0.7


@dataclass(frozen=True, slots=True)
class Weights:
    """What each term counts relative to closeness at the very target; make them with `Weights.of`."""

    closeness: float
    likeness: float
    diversity: float
    confidence: float = 0.1
    liking: float = _LIKING
    novelty: float = _NOVELTY
    artist: float = 0.12
    album: float = 0.08
    chance: float = 0.0
    opener_chance: float = 0.0

    @classmethod
    def of(cls, variety: float, *, around: bool = False, journey: bool = False, region: bool = False) -> Weights:
        """Return the weights for a variety in [0, 1]; `around` a song, sounding like it counts more than its mood.

        Diversity is `variety / 2`, so nothing at 0 and .15 at the usual .3. On a `journey` the way comes first: a
        change of sound, or a song not played lately, is worth half as much, and how sure a mood is nothing, because it
        may not be the one of that place. In a `region`, where all songs are close, liking counts more.
        """
        closeness, likeness = (0.5, 1.0) if around else (1.0, 0.0)
        if journey:
            return cls(
                closeness,
                likeness,
                diversity=0.25 * variety,
                confidence=0.0,
                liking=_LIKING_ON_JOURNEY,
                novelty=0.5 * _NOVELTY,
            )
        liking = _LIKING_IN_QUADRANT if region else _LIKING
        chance, opener_chance = _CHANCE * variety, _OPENER_CHANCE * variety
        return cls(closeness, likeness, 0.5 * variety, liking=liking, chance=chance, opener_chance=opener_chance)


def draw_temperature(variety: float) -> float:
    """Return how many posterior standard deviations a draw may go, for a variety in [0, 1].

    It is the square of the variety: 0 never leaves what is known best, 1 is Thompson sampling proper, and the usual .3
    draws so little that lists end no farther from their target (docs/listeners_simulation.md).
    """
    return min(max(variety, 0.0), 1.0) ** 2


@dataclass(frozen=True, slots=True)
class Terms:
    """What each term added to a song's score, weights included; their sum is the score.

    `step` and `progress` belong to journeys: leaps from song to song, and steps back.
    """

    closeness: float = 0.0
    ratings: float = 0.0
    mood: float = 0.0
    exploration: float = 0.0
    confidence: float = 0.0
    liking: float = 0.0
    novelty: float = 0.0
    likeness: float = 0.0
    diversity: float = 0.0
    artist: float = 0.0
    album: float = 0.0
    chance: float = 0.0
    step: float = 0.0
    progress: float = 0.0

    def as_dict(self) -> dict[str, float]:
        """Return the terms by name."""
        return {name: getattr(self, name) for name in TERM_NAMES}


TERM_NAMES = tuple(each.name for each in fields(Terms))
TERM_ROW = {name: row for row, name in enumerate(TERM_NAMES)}


@dataclass(frozen=True, slots=True)
class RankedSong:
    """A candidate at a place.

    `distance` is that of its predicted felt point to the place's target; `decided` names the terms without which
    another song would have had the place, each with its advantage over that song; `kept_apart` when a better one was
    passed over to space an artist's songs.
    """

    position: int
    row: int
    song_id: int
    terms: Terms
    distance: float
    kept_apart: bool
    decided: dict[str, float] = field(default_factory=dict)


def rank(
    candidates: Candidates,
    targets: Floats,
    *,
    weights: Weights,
    fixed: Mapping[int, int] | None = None,
    quadrant: Quadrant | None = None,
    seed: int = 0,
) -> list[RankedSong]:
    """Fill the free places of a list.

    Args:
        candidates: `n` songs; the same ones in another order of rows give the same list.
        targets: `(length, 2)`, the (valence, arousal) in [-1, 1] of each place, counted from 1.
        weights: what counts how much.
        fixed: places that are taken, each by the row of a candidate.
        quadrant: the region that the list is for; songs felt in it come first. None for a list for its targets.
        seed: decides between near ties.

    Returns:
        A song for each free place, in order; fewer when the candidates run out.
    """
    order = np.argsort(candidates.song_ids, kind="stable")
    place_of = np.empty_like(order)
    place_of[order] = np.arange(len(order))
    fixed = {position: int(place_of[row]) for position, row in (fixed or {}).items()}
    greedy = _Greedy(candidates.take(order), targets, weights, fixed, quadrant, seed)
    ranked: list[RankedSong] = []
    for position in range(1, len(targets) + 1):
        if position in fixed:
            greedy.place(fixed[position])
        elif greedy.n_left:
            ranked.append(greedy.choose(position))
    return [replace(song, row=int(order[song.row])) for song in ranked]


def distances(felt: Floats, target: tuple[float, float] | Floats) -> Floats:
    """Return the distance `(n,)` of predicted felt points `(n, 2)` to the target, on a plane 2 wide and 2 high."""
    offset = np.asarray(felt, np.float64) - np.asarray(target)
    return np.asarray(np.sqrt(offset[:, 0] ** 2 + offset[:, 1] ** 2))


def lies_in(points: Floats, quadrant: Quadrant) -> Bools:
    """Return which points `(n, 2)` lie in a quadrant."""
    return np.asarray(((points > 0) == (np.asarray(quadrant.corner) > 0)).all(axis=1))


def nearest_inside(points: Floats, quadrant: Quadrant, margin: float = 0.0) -> Floats:
    """Return the points `(n, 2)` of a quadrant, at least a margin from the axes, that are nearest to given ones."""
    corner = np.asarray(quadrant.corner)
    return np.asarray(np.maximum(points * corner, margin) * corner)


def chances(song_ids: Ints, seed: int) -> Floats:
    """Return a number in [0, 1) for each song `(n,)`: the same for a song and seed, whatever the others are.

    Source: Steele, Lea and Flood (2014), Fast splittable pseudorandom number generators (the mixing of SplitMix64).
    """
    mixed = np.asarray(song_ids).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray((mixed ^ (mixed >> np.uint64(31))) / 2.0**64, np.float64)


def closeness(points: Floats, target: Floats) -> Floats:
    """Return how close points `(n, 2)` are to a target or to one each: 1 there, a half at `HALF_DISTANCE`, never 0."""
    offset = (points - target) / HALF_DISTANCE
    return np.asarray(1.0 / (1.0 + offset[:, 0] ** 2 + offset[:, 1] ** 2))


def liking_value(liking: Floats) -> Floats:
    """Return what likes in [-1, 1] are worth: a dislike counts `_DISLIKE` times."""
    return np.where(liking < 0, _DISLIKE * liking, liking)


def typicality(points: Floats, quadrant: Quadrant) -> Floats:
    """Return how well points `(n, 2)` stand for a quadrant, above 0.

    It is 1 well inside, less the further away, and more by the quadrant's probability there, where the plane shows a
    side of the probability P at 2 P - 1.
    """
    probability = ((1.0 + points * np.asarray(quadrant.corner)) / 2).prod(axis=1)
    return closeness(points, nearest_inside(points, quadrant, INSIDE)) + _OF_QUADRANT * probability


def terms_at(candidates: Candidates, target: Floats, weights: Weights, quadrant: Quadrant | None = None) -> Floats:
    """Return the terms `(n_terms, n)` that depend on a song and its place only; the others are 0.

    What is aimed at is the target `(2,)`, or the region of a quadrant.
    """
    terms = np.zeros((len(TERM_NAMES), len(candidates)))
    points = candidates.shared, candidates.rated, candidates.felt, candidates.drawn
    shared, rated, felt, drawn = (
        weights.closeness * (closeness(each, target) if quadrant is None else typicality(each, quadrant))
        for each in points
    )
    terms[TERM_ROW["closeness"]] = shared
    terms[TERM_ROW["ratings"]] = rated - shared
    terms[TERM_ROW["mood"]] = felt - rated
    liking, drawn_liking = liking_value(candidates.liking), liking_value(candidates.drawn_liking)
    terms[TERM_ROW["exploration"]] = drawn - felt + weights.liking * (drawn_liking - liking)
    terms[TERM_ROW["confidence"]] = weights.confidence * candidates.confidence
    terms[TERM_ROW["liking"]] = weights.liking * liking
    terms[TERM_ROW["novelty"]] = -weights.novelty * candidates.recency
    terms[TERM_ROW["likeness"]] = weights.likeness * candidates.likeness
    return terms


def what_decided(terms: Floats, allowed: Bools, row: int) -> dict[str, float]:
    """Return the terms without which a place would not have gone to a song.

    Args:
        terms: `(n_terms, n)`, in the order of `TERM_NAMES`.
        allowed: `(n,)`, the songs that might have had the place, the chosen one included.
        row: the chosen song, the best of the allowed ones by the sum of all terms.

    Returns:
        By term, its advantage over the song that the place would have gone to without it.
    """
    scores = np.where(allowed, terms.sum(axis=0), -np.inf)
    if scores[row] < scores.max() - EPSILON:
        return {}
    without = scores - terms
    rivals = without.argmax(axis=1)
    each = np.arange(len(terms))
    lost = without[each, rivals] - without[:, row] > EPSILON
    advantage = terms[:, row] - terms[each, rivals]
    return {TERM_NAMES[term]: float(advantage[term]) for term in np.flatnonzero(lost)}


class _Greedy:
    """The state of one ranking: the songs left, and what the songs placed so far cost them."""

    def __init__(
        self,
        candidates: Candidates,
        targets: Floats,
        weights: Weights,
        fixed: Mapping[int, int],
        quadrant: Quadrant | None,
        seed: int,
    ) -> None:
        self._candidates = candidates
        self._targets = np.asarray(targets, np.float64)
        self._weights = weights
        self._fixed = fixed
        self._quadrant = quadrant
        self._seed = seed
        self._chance = weights.chance * chances(candidates.song_ids, seed)
        self._artists, self._artist_of = np.unique(candidates.artist_ids, return_inverse=True)
        self._is_left = np.ones(len(candidates), bool)
        self._is_left[list(fixed.values())] = False
        self._comes_first = np.ones(len(candidates), bool) if quadrant is None else lies_in(candidates.felt, quadrant)
        self._slots_left = len(targets) - sum(1 for position in fixed if position <= len(targets))
        self._last_artist = -1
        self._likeness = np.zeros(len(candidates))
        self._artist_heat = np.zeros(len(candidates))
        self._album_heat = np.zeros(len(candidates))
        self._terms = np.zeros((len(TERM_NAMES), len(candidates)))
        self._target: Floats | None = None

    @property
    def n_left(self) -> int:
        return int(self._is_left.sum())

    def choose(self, position: int) -> RankedSong:
        terms = self.terms(position)
        left, apart = self.allowed(position)
        scores = terms.sum(axis=0)
        row = int(np.argmax(np.where(apart, scores, -np.inf)))
        freest = int(np.argmax(np.where(left, scores, -np.inf)))
        felt = self._candidates.felt[row : row + 1]
        aim = self._targets[position - 1] if self._quadrant is None else nearest_inside(felt, self._quadrant)
        ranked = RankedSong(
            position=position,
            row=row,
            song_id=int(self._candidates.song_ids[row]),
            terms=Terms(*terms[:, row].tolist()),
            distance=float(distances(felt, aim)[0]),
            kept_apart=row != freest,
            decided=what_decided(terms, apart, row),
        )
        self._is_left[row] = False
        self._slots_left -= 1
        self.place(row)
        return ranked

    def place(self, row: int) -> None:
        """Take note of a song at the present place, so that what follows differs from it."""
        candidates = self._candidates
        np.maximum(self._likeness, candidates.embeddings @ candidates.embeddings[row], out=self._likeness)
        self._artist_heat *= SPACING_DECAY
        self._artist_heat += self._artist_of == self._artist_of[row]
        self._album_heat *= SPACING_DECAY
        if candidates.album_ids[row] > 0:
            self._album_heat += candidates.album_ids == candidates.album_ids[row]
        self._last_artist = int(self._artist_of[row])

    def terms(self, position: int) -> Floats:
        """Return all terms `(n_terms, n)` of every song at a place, given the songs before it."""
        target = self._targets[position - 1]
        if self._target is None or (target != self._target).any():
            self._target = target
            self._terms = terms_at(self._candidates, target, self._weights, self._quadrant)
        self._terms[TERM_ROW["diversity"]] = -self._weights.diversity * self._likeness
        self._terms[TERM_ROW["artist"]] = -self._weights.artist * self._artist_heat
        self._terms[TERM_ROW["album"]] = -self._weights.album * self._album_heat
        self._terms[TERM_ROW["chance"]] = self._chance if position > 1 else 0.0
        if position == 1 and self._weights.opener_chance:
            self._draw_opener()
        return self._terms

    def _draw_opener(self) -> None:
        """Lift one of the best songs to the top; as many seeds in a row as there are of them draw each of them once."""
        _, apart = self.allowed(1)
        scores = np.where(apart, self._terms.sum(axis=0), -np.inf)
        best = np.argsort(-scores, kind="stable")[:_OPENERS]
        best = best[scores[best] > scores[best[0]] - self._weights.opener_chance]
        drawn = best[self._seed % len(best)]
        self._terms[TERM_ROW["chance"], drawn] = scores[best[0]] - scores[drawn] + 2 * EPSILON

    def allowed(self, position: int) -> tuple[Bools, Bools]:
        """Return the songs that come now, and those of them that keep artists apart, or all when none does."""
        first = self._is_left & self._comes_first
        left = first if first.any() else self._is_left
        apart = left & (self._artist_of != self._last_artist)
        if position + 1 in self._fixed:
            apart &= self._artist_of != self._artist_of[self._fixed[position + 1]]
        crowding = self._crowding_artist(left)
        if crowding is not None and (apart & (self._artist_of == crowding)).any():
            apart &= self._artist_of == crowding
        return left, apart if apart.any() else left

    def _crowding_artist(self, left: Bools) -> int | None:
        """Return the artist who must come now, because later there are too few others to put in between.

        With s places to fill and b songs by others, an artist's songs can still be kept apart after another's song
        only while s <= 2 b.
        """
        counts = np.bincount(self._artist_of[left], minlength=len(self._artists))
        n_left = int(counts.sum())
        busiest = int(np.argmax(counts))
        others = n_left - int(counts[busiest])
        return busiest if min(self._slots_left, n_left) > 2 * others else None
