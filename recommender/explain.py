"""The reason for a song in words, made only of the factors that were at work. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from emotion.quadrants import Quadrant

CLOSE_DISTANCE = 0.6
VERY_CLOSE_DISTANCE = 0.25
FAR_DISTANCE = 1.0
SURE = 0.5
# Below these a factor was there, but decided nothing that a person would notice.
NOTICEABLE_SHIFT = 0.08
NOTICEABLE_LIKING = 0.05
NOTICEABLE_RECENCY = 0.5
NOTICEABLE_LEAN = 0.02


class Factor(StrEnum):
    """A factor that a reason may name."""

    TAG = "tag"
    CLOSENESS = "closeness"
    OWN_RATING = "own_rating"
    SIMILAR_RATINGS = "similar_ratings"
    ALL_RATINGS = "all_ratings"
    OWN_LIKE = "own_like"
    OWN_DISLIKE = "own_dislike"
    SIMILAR_LIKES = "similar_likes"
    RECENT = "recent"
    KEPT_APART = "kept_apart"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was at work for one song: the terms of its rank and where they came from.

    `distance` is that of the predicted felt point to the target; `shift` what the listener's model added to the shared
    one; `liking` the term as it entered the score; `own_like` what was said of this very song, None when nothing.
    """

    quadrant: Quadrant
    confidence: float
    distance: float
    shift: tuple[float, float] = (0.0, 0.0)
    n_similar: int = 0
    by_own_rating: bool = False
    liking: float = 0.0
    own_like: float | None = None
    recency: float = 0.0
    kept_apart: bool = False


def factors(evidence: Evidence) -> tuple[Factor, ...]:
    """Return the factors worth naming, in the order in which they are named."""
    named = [Factor.TAG, Factor.CLOSENESS]
    if max(abs(evidence.shift[0]), abs(evidence.shift[1])) >= NOTICEABLE_SHIFT:
        named.append(_shift_factor(evidence))
    if abs(evidence.liking) >= NOTICEABLE_LIKING:
        named.extend(_liking_factors(evidence))
    if evidence.recency >= NOTICEABLE_RECENCY:
        named.append(Factor.RECENT)
    if evidence.kept_apart:
        named.append(Factor.KEPT_APART)
    return tuple(named)


def reason(evidence: Evidence) -> str:
    """Say why a song is in the list, such as "Calm and positive, 82 % sure; close to your target."."""
    words = "; ".join(_words(factor, evidence) for factor in factors(evidence))
    return f"{words[0].upper()}{words[1:]}."


def direction(shift: tuple[float, float]) -> str:
    """Name the larger part of a move on the plane, such as "calmer"."""
    valence, arousal = shift
    if abs(arousal) >= abs(valence):
        return "more energetic" if arousal > 0 else "calmer"
    return "happier" if valence > 0 else "sadder"


def rerank_sentence(*, n_moved: int, lean: tuple[float, float], title: str = "") -> str:
    """Say what a re-ranking did to the songs not played yet.

    Args:
        n_moved: songs that are new there or at another place.
        lean: how far the mean perceived (valence, arousal) of the rest went.
        title: the song whose rating caused it; empty when none did.
    """
    cause = f"Your rating of “{title}”" if title else ""
    if n_moved == 0:
        return f"{cause} is kept; the rest of this list stays as it is." if cause else "The rest stays as it is."
    songs = _count(n_moved, "song")
    begin = f"{cause} moved {songs}" if cause else f"{songs[0].upper()}{songs[1:]} moved"
    if max(abs(lean[0]), abs(lean[1])) < NOTICEABLE_LEAN:
        return f"{begin}: another order, the same mood."
    return f"{begin}: the rest now leans {direction(lean)}."


def list_note(
    *, length: int, n_tagged: int, n_reachable: int, filtered: bool, distances: Sequence[float], n_recent: int
) -> str:
    """Say what a listener should know of a list that is not all that was asked for; empty when it is.

    Args:
        length: songs asked for.
        n_tagged: songs there are to choose from.
        n_reachable: how many of them are within `FAR_DISTANCE` of the target.
        filtered: whether a filter limited them.
        distances: of the songs in the list to the target.
        n_recent: songs in the list that were heard recently.
    """
    if n_tagged == 0:
        why = "No tagged song matches these filters" if filtered else "No songs are tagged yet"
        return f"{why}, so this list is empty."
    sentences = []
    n_songs = len(distances)
    if n_songs < length:
        why = f"Only {_there_are(n_tagged, filtered=filtered)}, so this" if n_tagged < length else "This"
        sentences.append(f"{why} list has {n_songs} instead of {length}.")
    n_close = sum(1 for distance in distances if distance <= FAR_DISTANCE)
    if n_close < n_songs:
        why = ", for want of closer ones" if n_close >= n_reachable else ""
        sentences.append(f"{_n_of(n_songs - n_close, n_songs)} far from your target{why}.")
    if n_recent:
        why = "because too few others are close to your target"
        sentences.append(f"{_n_of(n_recent, n_songs, verb='were')} played recently, {why}.")
    return " ".join(sentences)


def _shift_factor(evidence: Evidence) -> Factor:
    if evidence.by_own_rating:
        return Factor.OWN_RATING
    return Factor.SIMILAR_RATINGS if evidence.n_similar else Factor.ALL_RATINGS


def _liking_factors(evidence: Evidence) -> list[Factor]:
    if evidence.own_like is None:
        # That songs like it were disliked spoke against it; it is here for other reasons, which are named.
        return [Factor.SIMILAR_LIKES] if evidence.liking > 0 else []
    return [Factor.OWN_LIKE if evidence.liking > 0 else Factor.OWN_DISLIKE]


def _words(factor: Factor, evidence: Evidence) -> str:
    moved = direction(evidence.shift)
    match factor:
        case Factor.TAG:
            return _tag_words(evidence)
        case Factor.CLOSENESS:
            return f"{_closeness_words(evidence.distance)} your target"
        case Factor.OWN_RATING:
            return f"your own rating moved it {moved}"
        case Factor.SIMILAR_RATINGS:
            return f"your {_ratings_of(evidence.n_similar)} moved it {moved}"
        case Factor.ALL_RATINGS:
            return f"going by all your ratings, you feel it {moved} than it sounds"
        case Factor.OWN_LIKE:
            return "you liked it"
        case Factor.OWN_DISLIKE:
            return "here although you did not take to it before"
        case Factor.SIMILAR_LIKES:
            return "like songs that you liked"
        case Factor.RECENT:
            return "played recently"
        case Factor.KEPT_APART:
            return "placed here to keep songs by one artist apart"


def _tag_words(evidence: Evidence) -> str:
    sure = f"{round(100 * evidence.confidence)} % sure"
    if evidence.confidence < SURE:
        return f"perhaps {evidence.quadrant.description}, only {sure}"
    return f"{evidence.quadrant.description}, {sure}"


def _closeness_words(distance: float) -> str:
    if distance <= VERY_CLOSE_DISTANCE:
        return "very close to"
    if distance <= CLOSE_DISTANCE:
        return "close to"
    return "some way from" if distance <= FAR_DISTANCE else "far from"


def _ratings_of(n_songs: int) -> str:
    return "rating of a similar song" if n_songs == 1 else f"ratings of {n_songs} similar songs"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _there_are(n_tagged: int, *, filtered: bool) -> str:
    if filtered:
        return f"{_count(n_tagged, 'tagged song')} {'matches' if n_tagged == 1 else 'match'} these filters"
    return f"{_count(n_tagged, 'song')} {'is' if n_tagged == 1 else 'are'} tagged so far"


def _n_of(part: int, whole: int, *, verb: str = "are") -> str:
    singular = {"are": "is", "were": "was"}[verb]
    if part == whole:
        return f"All of them {verb}" if whole > 1 else f"It {singular}"
    return f"{part} of them {verb if part > 1 else singular}"
