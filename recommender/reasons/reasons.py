"""Reasons: why a song is in a list, what a re-ranking did, and what of a request is missing.

Every reason names the song's mood and how close it comes. Anything else is named only if it decided by a noticeable
margin: without that term of the ranking another song would have had the place (`ranking.lists.what_decided`). Two facts
against a song are named as well: that it was played recently, and that the listener disliked or skipped it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from catalog.core.charts import Point
from catalog.core.wording import gettext as _
from catalog.core.wording import gettext_noop, ngettext, ngettext_noop
from emotion.inference.quadrants import CURATOR_CONFIDENCE, Quadrant
from recommender.ranking.journeys import NEAR, SMALL_STEP, PathQuality, Reach, path_length, places_needed

CLOSE_DISTANCE = 0.6
VERY_CLOSE_DISTANCE = 0.25
FAR_DISTANCE = 1.0
SURE = 0.5
# A person does not notice a factor below these.
NOTICEABLE_SHIFT = 0.08
NOTICEABLE_RECENCY = 0.5
NOTICEABLE_LEAN = 0.02
# Of many songs that are nearly the same, next to nothing decides; the very target is worth 1.
NOTICEABLE_ADVANTAGE = 0.05
# A mood closer to the middle of the plane than this is none of the four.
NEUTRAL_DISTANCE = 0.15
VERY_ALIKE = 0.8
ALIKE = 0.5
# More would be a paragraph; the ones that decided most are named.
MAX_DECIDING = 3


class Factor(StrEnum):
    """A factor that a reason may name."""

    TAG = "tag"
    LIKENESS = "likeness"
    CLOSENESS = "closeness"
    STAGE = "stage"
    OWN_RATING = "own_rating"
    SIMILAR_RATINGS = "similar_ratings"
    ALL_RATINGS = "all_ratings"
    MOOD = "mood"
    OWN_LIKE = "own_like"
    REPLAYED = "replayed"
    HEARD_OUT = "heard_out"
    SIMILAR_LIKES = "similar_likes"
    SHARED_LIKING = "shared_liking"
    EXPLORATION = "exploration"
    FRESH = "fresh"
    CONTRAST = "contrast"
    KEPT_APART = "kept_apart"
    ALBUM_APART = "album_apart"
    SMALL_STEP = "small_step"
    FORWARD = "forward"
    OWN_DISLIKE = "own_dislike"
    SKIPPED = "skipped"
    RECENT = "recent"


class LikeSignal(StrEnum):
    """A listener's stated or implied like or dislike of a song."""

    LIKED = "liked"
    DISLIKED = "disliked"
    REPLAYED = "replayed"
    COMPLETED = "completed"
    SKIPPED = "skipped"


class RerankTrigger(StrEnum):
    """The listener's action after which the rest of a list is re-ranked."""

    RATING = "rating"
    LIKE = "like"
    DISLIKE = "dislike"
    SKIP = "skip"
    WITHDRAWN = "withdrawn"


# Terms that stand for one factor whenever they decided.
_PLAIN_FACTORS = {
    "novelty": Factor.FRESH,
    "diversity": Factor.CONTRAST,
    "artist": Factor.KEPT_APART,
    "album": Factor.ALBUM_APART,
    "step": Factor.SMALL_STEP,
    "progress": Factor.FORWARD,
}
_LIKE_FACTORS = {
    LikeSignal.LIKED: Factor.OWN_LIKE,
    LikeSignal.REPLAYED: Factor.REPLAYED,
    LikeSignal.COMPLETED: Factor.HEARD_OUT,
}
_OBJECTIONS = {LikeSignal.DISLIKED: Factor.OWN_DISLIKE, LikeSignal.SKIPPED: Factor.SKIPPED}


@dataclass(frozen=True, slots=True)
class Stage:
    """Where on a journey a song is: its place, counted from 1, of so many, and the end; `moves` unless it stays."""

    place: int
    n_places: int
    end: Point
    moves: bool = True


@dataclass(frozen=True, slots=True)
class Evidence:
    """The facts behind one song's place.

    `distance` is that of the predicted felt point to the place's target; `decided` the terms without which another song
    would have had the place, with their advantage over it, and `helped` those that are above 0 for this song;
    `by_ratings` and `by_mood` are what the listener's ratings and their mood before changed in the shared prediction;
    `like_signal` is theirs for this song; `likes_known` whether its liking comes from their own likes; `alike` the
    cosine with the song, of title `around`, that the list is made around.
    """

    quadrant: Quadrant
    confidence: float
    distance: float
    decided: Mapping[str, float] = field(default_factory=dict)
    helped: frozenset[str] = frozenset()
    by_ratings: Point = (0.0, 0.0)
    by_mood: Point = (0.0, 0.0)
    mood: Point | None = None
    n_similar: int = 0
    by_own_rating: bool = False
    like_signal: LikeSignal | None = None
    likes_known: bool = False
    recency: float = 0.0
    kept_apart: bool = False
    around: str = ""
    alike: float = 0.0
    stage: Stage | None = None


def factors(evidence: Evidence) -> tuple[Factor, ...]:
    """Return the factors worth naming, in the order in which they are named."""
    named = [Factor.TAG]
    if evidence.around:
        named.append(Factor.LIKENESS)
    named.append(Factor.STAGE if evidence.stage else Factor.CLOSENESS)
    named += deciding_factors(evidence)
    if evidence.like_signal in _OBJECTIONS:
        named.append(_OBJECTIONS[evidence.like_signal])
    return (*named, Factor.RECENT) if evidence.recency >= NOTICEABLE_RECENCY else tuple(named)


def deciding_factors(evidence: Evidence) -> tuple[Factor, ...]:
    """Return the factors that decided the place, at most `MAX_DECIDING`, the strongest first."""
    noticeable = [term for term, advantage in evidence.decided.items() if advantage >= NOTICEABLE_ADVANTAGE]
    noticeable.sort(key=lambda term: -evidence.decided[term])
    named = [factor for term in noticeable if (factor := _factor_of(term, evidence))]
    if evidence.kept_apart and Factor.KEPT_APART not in named:
        named.append(Factor.KEPT_APART)
    return tuple(named[:MAX_DECIDING])


def reason(evidence: Evidence) -> str:
    """Return why a song is in the list, such as "Calm and positive, 82 % sure; close to your target."."""
    return _sentence("; ".join(_words(factor, evidence) for factor in factors(evidence)))


def public_reason(quadrant: Quadrant, confidence: float) -> str:
    """Return only the song's mood, for readers who may not know what its listener felt."""
    return _sentence(_tag_words(quadrant, confidence))


def direction(shift: Point) -> str:
    """Name the larger part of a move on the plane, such as "calmer"."""
    valence, arousal = shift
    if abs(arousal) >= abs(valence):
        return _("more energetic") if arousal > 0 else _("calmer")
    return _("happier") if valence > 0 else _("sadder")


def mood_name(point: Point) -> str:
    """Name a point of the plane as a mood, such as "calm"."""
    valence, arousal = point
    if max(abs(valence), abs(arousal)) < NEUTRAL_DISTANCE:
        return _("neutral")
    return Quadrant.from_valence_arousal(valence, arousal).label.lower()


def rerank_sentence(
    *, n_moved: int, lean: Point, title: str = "", trigger: RerankTrigger = RerankTrigger.RATING
) -> str:
    """Return a sentence on what a re-ranking did to the unplayed songs, and after which action.

    Args:
        n_moved: songs that are new or at another place.
        lean: how far the mean perceived (valence, arousal) of the rest moved.
        title: the song of the action; empty without one.
        trigger: what the listener did with that song.
    """
    what = {"cause": _(_TRIGGERS[trigger]) % {"title": title}} if title else {}
    if n_moved == 0 and what:
        return _("%(cause)s was saved; the rest of this list does not change.") % what
    if n_moved == 0:
        return _("The rest does not change.")
    songs = ngettext("%(n)d song", "%(n)d songs", n_moved) % {"n": n_moved}
    moved = _("%(cause)s moved %(songs)s") if what else _("%(songs)s moved")
    begin = moved % {**what, "songs": songs}
    if max(abs(lean[0]), abs(lean[1])) < NOTICEABLE_LEAN:
        return _("%(what_moved)s: a different order, the same mood.") % {"what_moved": begin}
    return _("%(what_moved)s: the rest now leans %(direction)s.") % {"what_moved": begin, "direction": direction(lean)}


_TRIGGERS = {
    RerankTrigger.RATING: gettext_noop("Your rating of “%(title)s”"),
    RerankTrigger.LIKE: gettext_noop("Your like of “%(title)s”"),
    RerankTrigger.DISLIKE: gettext_noop("Your dislike of “%(title)s”"),
    RerankTrigger.SKIP: gettext_noop("Your skip of “%(title)s”"),
    RerankTrigger.WITHDRAWN: gettext_noop("Your changed rating of “%(title)s”"),
}


def _factor_of(term: str, evidence: Evidence) -> Factor | None:
    """Return the factor of a deciding term, None when no true sentence names it alone."""
    match term:
        case "ratings" if _noticeable(evidence.by_ratings):
            others = Factor.SIMILAR_RATINGS if evidence.n_similar else Factor.ALL_RATINGS
            return Factor.OWN_RATING if evidence.by_own_rating else others
        case "mood" if evidence.mood and _noticeable(evidence.by_mood):
            return Factor.MOOD
        case "liking" if term in evidence.helped and evidence.like_signal is not None:
            return _LIKE_FACTORS.get(evidence.like_signal)
        case "liking" if term in evidence.helped:
            return Factor.SIMILAR_LIKES if evidence.likes_known else Factor.SHARED_LIKING
        case "exploration" if term in evidence.helped:
            is_new = evidence.like_signal is None and not evidence.by_own_rating and not evidence.recency
            return Factor.EXPLORATION if is_new else None
    return _PLAIN_FACTORS.get(term)


def _noticeable(shift: Point) -> bool:
    return max(abs(shift[0]), abs(shift[1])) >= NOTICEABLE_SHIFT


_MESSAGES = {
    Factor.OWN_RATING: gettext_noop("your own rating made it %(direction)s"),
    Factor.ALL_RATINGS: gettext_noop("based on all your ratings, it feels %(direction)s to you than it sounds"),
    Factor.MOOD: gettext_noop("you said you were %(mood)s: it should make you feel %(direction)s"),
    Factor.CONTRAST: gettext_noop("a change from the sound of the songs before it"),
    Factor.OWN_LIKE: gettext_noop("you liked it"),
    Factor.REPLAYED: gettext_noop("you played it more than once"),
    Factor.HEARD_OUT: gettext_noop("you listened to it to the end before"),
    Factor.SIMILAR_LIKES: gettext_noop("based on your likes, you may like it"),
    Factor.SHARED_LIKING: gettext_noop("listeners tend to like songs like this"),
    Factor.EXPLORATION: gettext_noop("something new for you: we are not sure yet"),
    Factor.FRESH: gettext_noop("chosen over a song you played lately"),
    Factor.KEPT_APART: gettext_noop("placed here to keep songs by one artist apart"),
    Factor.ALBUM_APART: gettext_noop("placed here to keep songs from one album apart"),
    Factor.SMALL_STEP: gettext_noop("a smaller step than the alternatives"),
    Factor.FORWARD: gettext_noop("the alternatives would mean turning back"),
    Factor.OWN_DISLIKE: gettext_noop("here although you disliked it before"),
    Factor.SKIPPED: gettext_noop("here although you skipped it before"),
    Factor.RECENT: gettext_noop("played recently"),
}


def _words(factor: Factor, evidence: Evidence) -> str:
    match factor:
        case Factor.TAG:
            return _tag_words(evidence.quadrant, evidence.confidence)
        case Factor.STAGE:
            return _stage_words(evidence)
        case Factor.LIKENESS if evidence.alike >= VERY_ALIKE:
            words = _("sounds very like “%(title)s”")
        case Factor.LIKENESS if evidence.alike >= ALIKE:
            words = _("sounds like “%(title)s”")
        case Factor.LIKENESS:
            words = _("sounds only a little like “%(title)s”")
        case Factor.CLOSENESS:
            step = sum(evidence.distance > limit for limit in (VERY_CLOSE_DISTANCE, CLOSE_DISTANCE, FAR_DISTANCE))
            words = _((_TO_MOOD if evidence.around else _TO_TARGET)[step])
        case Factor.CONTRAST if evidence.stage:
            words = _("a change from the sound of the songs around it")
        case Factor.SIMILAR_RATINGS:
            words = ngettext(
                "your rating of a similar song made it %(direction)s",
                "your ratings of %(n)d similar songs made it %(direction)s",
                evidence.n_similar,
            )
        case _:
            words = _(_MESSAGES[factor])
    return words % {
        "title": evidence.around,
        "direction": direction(evidence.by_mood if factor is Factor.MOOD else evidence.by_ratings),
        "mood": mood_name(evidence.mood or (0.0, 0.0)),
        "n": evidence.n_similar,
    }


def _stage_words(evidence: Evidence) -> str:
    stage = evidence.stage
    assert stage is not None
    if not stage.moves:
        where = _("step %(place)d of %(n_places)d, staying %(mood)s")
    elif stage.place == stage.n_places:
        where = _("step %(place)d of %(n_places)d, arriving at %(mood)s")
    else:
        where = _("step %(place)d of %(n_places)d, on the way to %(mood)s")
    where %= {"place": stage.place, "n_places": stage.n_places, "mood": mood_name(stage.end)}
    if evidence.distance <= CLOSE_DISTANCE:
        return where
    if evidence.distance <= FAR_DISTANCE:
        return _("%(where)s, though some distance from that step") % {"where": where}
    return _("%(where)s, though far from that step") % {"where": where}


def _tag_words(quadrant: Quadrant, confidence: float) -> str:
    if confidence >= CURATOR_CONFIDENCE:
        return _("%(description)s, set by a curator") % {"description": quadrant.description}
    values = {"description": quadrant.description, "percent": round(100 * confidence)}
    if confidence < SURE:
        return _("perhaps %(description)s, only %(percent)d %% sure") % values
    return _("%(description)s, %(percent)d %% sure") % values


_TO_TARGET = (
    gettext_noop("very close to your target"),
    gettext_noop("close to your target"),
    gettext_noop("some distance from your target"),
    gettext_noop("far from your target"),
)
_TO_MOOD = (
    gettext_noop("very close to its mood"),
    gettext_noop("close to its mood"),
    gettext_noop("some distance from its mood"),
    gettext_noop("far from its mood"),
)


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def list_note(
    *,
    length: int,
    n_analysed: int,
    n_reachable: int,
    filtered: bool,
    distances: Sequence[float],
    n_recent: int,
    what: str = "list",
) -> str:
    """Return what of the request a list does not meet; empty when it meets all of it.

    Args:
        length: songs asked for.
        n_analysed: songs there are to choose from.
        n_reachable: how many of them are within `FAR_DISTANCE` of the target.
        filtered: whether a filter limited them.
        distances: of the songs in the list to the target.
        n_recent: songs in the list that were played recently.
        what: "list" or "journey".
    """
    n_songs = len(distances)
    if n_analysed == 0:
        return _(_EMPTY[what, filtered])
    sentences = []
    if n_songs < length <= n_analysed:
        sentences.append(_(_SHORT[what]) % {"n_songs": n_songs, "length": length})
    elif n_songs < length:
        few = ngettext(*_FEW[what, filtered], n_analysed)
        sentences.append(few % {"n": n_analysed, "n_songs": n_songs, "length": length})
    n_far = sum(1 for distance in distances if distance > FAR_DISTANCE)
    if n_far:
        sentences.append(_far_words(n_far, n_songs, all_there_is=n_songs - n_far >= n_reachable))
    if n_recent:
        sentences.append(_recent_words(n_recent, n_songs))
    return " ".join(sentences)


# In full, because languages say "this list" and "this journey" differently; True is with filters.
_EMPTY = {
    ("list", True): gettext_noop("No analysed song matches these filters, so this list is empty."),
    ("list", False): gettext_noop("No songs have been analysed yet, so this list is empty."),
    ("journey", True): gettext_noop("No analysed song matches these filters, so this journey is empty."),
    ("journey", False): gettext_noop("No songs have been analysed yet, so this journey is empty."),
}
_SHORT = {
    "list": gettext_noop("This list has %(n_songs)d songs instead of %(length)d."),
    "journey": gettext_noop("This journey has %(n_songs)d songs instead of %(length)d."),
}
_FEW = {
    ("list", True): ngettext_noop(
        "Only %(n)d analysed song matches these filters, so this list has %(n_songs)d instead of %(length)d.",
        "Only %(n)d analysed songs match these filters, so this list has %(n_songs)d instead of %(length)d.",
    ),
    ("list", False): ngettext_noop(
        "Only %(n)d song has been analysed so far, so this list has %(n_songs)d instead of %(length)d.",
        "Only %(n)d songs have been analysed so far, so this list has %(n_songs)d instead of %(length)d.",
    ),
    ("journey", True): ngettext_noop(
        "Only %(n)d analysed song matches these filters, so this journey has %(n_songs)d instead of %(length)d.",
        "Only %(n)d analysed songs match these filters, so this journey has %(n_songs)d instead of %(length)d.",
    ),
    ("journey", False): ngettext_noop(
        "Only %(n)d song has been analysed so far, so this journey has %(n_songs)d instead of %(length)d.",
        "Only %(n)d songs have been analysed so far, so this journey has %(n_songs)d instead of %(length)d.",
    ),
}


def _far_words(n_far: int, n_songs: int, *, all_there_is: bool) -> str:
    if n_far == n_songs and all_there_is:
        words = ngettext(
            "It is far from your target, because there are no closer songs.",
            "All of them are far from your target, because there are no closer songs.",
            n_songs,
        )
    elif n_far == n_songs:
        words = ngettext("It is far from your target.", "All of them are far from your target.", n_songs)
    elif all_there_is:
        words = ngettext(
            "%(n)d of them is far from your target, because there are no closer songs.",
            "%(n)d of them are far from your target, because there are no closer songs.",
            n_far,
        )
    else:
        words = ngettext("%(n)d of them is far from your target.", "%(n)d of them are far from your target.", n_far)
    return words % {"n": n_far}


def _recent_words(n_recent: int, n_songs: int) -> str:
    if n_recent == n_songs:
        return ngettext(
            "It was played recently, because too few others are close to your target.",
            "All of them were played recently, because too few others are close to your target.",
            n_songs,
        )
    return ngettext(
        "%(n)d of them was played recently, because too few others are close to your target.",
        "%(n)d of them were played recently, because too few others are close to your target.",
        n_recent,
    ) % {"n": n_recent}


def journey_note(found: Reach, quality: PathQuality, *, asked: Sequence[tuple[float, float]], n_places: int) -> str:
    """Return how a journey differs from the `asked` path, and why; empty when it does not."""
    sentences = []
    if found.from_start:
        closest = _(
            "No song is closer than %(share)s to where you are (%(mood)s); this journey starts with the closest."
        )
        sentences.append(closest % {"mood": mood_name(asked[0]), "share": share_of_pad(found.from_start)})
    if found.from_end and not found.stops:
        closest = _(
            "No song is closer than %(share)s to where you want to be (%(mood)s); this journey ends with the closest."
        )
        sentences.append(closest % {"mood": mood_name(asked[-1]), "share": share_of_pad(found.from_end)})
    if found.gap or found.hole:
        sentences.append(_gap_words(found, quality, asked))
    # More songs help when the length, not the catalog, makes the steps large.
    even = path_length(found.path) / max(n_places - 1, 1)
    if n_places >= 2 and min(even, quality.largest_step) > SMALL_STEP:
        more = _("With %(n_places)d songs a step is %(share)s; with %(needed)d songs the steps would be small.")
        needed = places_needed(np.asarray(found.path))
        sentences.append(more % {"n_places": n_places, "share": share_of_pad(even), "needed": needed})
    return " ".join(sentences)


def share_of_pad(distance: float) -> str:
    """Return a distance on the plane as a share of the pad's width, such as "30 % of the pad"."""
    return _("%(percent)d %% of the pad") % {"percent": round(50 * distance)}


def _gap_words(found: Reach, quality: PathQuality, asked: Sequence[tuple[float, float]]) -> str:
    if found.hole > NEAR:
        why = _("No song is closer than %(share)s to part of the direct route") % {"share": share_of_pad(found.hole)}
    else:
        why = _("On the direct route one step would be %(share)s, because there are no songs in between")
        why %= {"share": share_of_pad(found.gap)}
    via = "" if found.via is None else mood_name(found.via)
    if found.stops:
        words = _("%(why)s; this journey stops where small steps lead, %(short)s short of its end.")
    elif not via:
        words = _("%(why)s; there is no way round it, so the largest step is %(largest)s.")
    elif via in {mood_name(corner) for corner in asked}:
        # Where a detour leads is named, unless the asked path itself goes there.
        words = _("%(why)s; this journey takes a detour, and its largest step is %(largest)s.")
    else:
        words = _("%(why)s; this journey takes a detour via %(via)s, and its largest step is %(largest)s.")
    short, largest = share_of_pad(found.from_end), share_of_pad(quality.largest_step)
    return words % {"why": why, "short": short, "largest": largest, "via": via}
