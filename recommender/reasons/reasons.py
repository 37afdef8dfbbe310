"""Reasons: why a song is in a list, what a re-ranking did, and what of a request is missing.

A reason names the one factor that decided most: without that term of the ranking another song would have had the place,
by a noticeable margin (`ranking.lists.what_decided`). Where closeness or chance decided there is nothing to say, and
what was not asked or answered is never spoken of. One kind of fact comes instead of a deciding factor: that the
listener disliked or skipped the very song.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import dist
from typing import NamedTuple

from catalog.core.charts import Point
from catalog.core.wording import gettext as _
from catalog.core.wording import gettext_noop, ngettext, ngettext_noop, pgettext, pgettext_noop
from emotion.inference.quadrants import CURATOR_CONFIDENCE, Quadrant
from recommender.ranking.journeys import NEAR, NEUTRAL_DISTANCE, SMALL_STEP, Reach, Walk, path_length, places_needed

CLOSE_DISTANCE = 0.6
FAR_DISTANCE = 1.0
SURE = 0.5
# A person does not notice a factor below these.
NOTICEABLE_SHIFT = 0.08
NOTICEABLE_LEAN = 0.02
# Of many songs that are nearly the same, next to nothing decides; the very target is worth 1.
NOTICEABLE_ADVANTAGE = 0.05
VERY_ALIKE = 0.8
ALIKE = 0.5
# Of a list's songs, the share that may give the same reason; said more often, it tells no song from another.
SAME_SHARE = 1 / 3


class Factor(StrEnum):
    """A factor that a reason may name."""

    LIKENESS = "likeness"
    OWN_RATING = "own_rating"
    SIMILAR_RATINGS = "similar_ratings"
    ALL_RATINGS = "all_ratings"
    MOOD = "mood"
    OWN_LIKE = "own_like"
    MANY_STARS = "many_stars"
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
    FEW_STARS = "few_stars"
    SKIPPED = "skipped"


class LikeSignal(StrEnum):
    """A listener's stated or implied like or dislike of a song."""

    LIKED = "liked"
    DISLIKED = "disliked"
    # Four or five of five, and one or two; three say nothing.
    MANY_STARS = "many_stars"
    FEW_STARS = "few_stars"
    REPLAYED = "replayed"
    COMPLETED = "completed"
    SKIPPED = "skipped"


class RerankTrigger(StrEnum):
    """The listener's action after which the rest of a list is re-ranked."""

    RATING = "rating"
    LIKE = "like"
    DISLIKE = "dislike"
    SKIP = "skip"
    CHANGED = "changed"
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
    LikeSignal.MANY_STARS: Factor.MANY_STARS,
    LikeSignal.REPLAYED: Factor.REPLAYED,
    LikeSignal.COMPLETED: Factor.HEARD_OUT,
}
_OBJECTIONS = {
    LikeSignal.DISLIKED: Factor.OWN_DISLIKE,
    LikeSignal.FEW_STARS: Factor.FEW_STARS,
    LikeSignal.SKIPPED: Factor.SKIPPED,
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """The facts behind one song's place.

    `decided` the terms without which another song would have had the place, with their advantage over it, and `helped`
    those that are above 0 for this song; `by_ratings` and `by_mood` are what the listener's ratings and their mood
    before changed in the shared prediction, `mood` that mood if they said it, `target` where the list is to be;
    `like_signal` is theirs for this song;
    `likes_known` whether its liking comes from their own likes; `is_new` whether they played or rated other songs, but
    did not play this one lately; `alike` the cosine with the song, of title `around`, that the list is made around.
    """

    decided: Mapping[str, float] = field(default_factory=dict)
    helped: frozenset[str] = frozenset()
    by_ratings: Point = (0.0, 0.0)
    by_mood: Point = (0.0, 0.0)
    mood: Point | None = None
    target: Point = (0.0, 0.0)
    n_similar: int = 0
    by_own_rating: bool = False
    like_signal: LikeSignal | None = None
    likes_known: bool = False
    is_new: bool = False
    kept_apart: bool = False
    around: str = ""
    alike: float = 0.0
    on_journey: bool = False


class Deciding(NamedTuple):
    """A factor worth naming, and its advantage over the next best song; 0 for one without a number."""

    factor: Factor
    advantage: float


def deciding(evidence: Evidence) -> Deciding | None:
    """Return the one factor that a reason names, None when nothing that can be named decided."""
    if evidence.like_signal in _OBJECTIONS:
        return Deciding(_OBJECTIONS[evidence.like_signal], 0.0)
    for term in sorted(evidence.decided, key=lambda term: -evidence.decided[term]):
        advantage = evidence.decided[term]
        factor = _factor_of(term, evidence) if advantage >= NOTICEABLE_ADVANTAGE else None
        if factor is not None:
            return Deciding(factor, advantage)
    return Deciding(Factor.KEPT_APART, 0.0) if evidence.kept_apart else None


def reasons(songs: Sequence[Evidence]) -> list[str]:
    """Return why each song of a list is there, in order, such as "You liked it."; empty where there is nothing to say.

    At most `SAME_SHARE` of the songs give the same reason: those for which it decided most.
    """
    found = [deciding(evidence) for evidence in songs]
    most = max(int(SAME_SHARE * len(songs)), 1)
    named = set()
    for factor in Factor:
        places = [place for place, each in enumerate(found) if each is not None and each.factor is factor]
        named.update(sorted(places, key=lambda place: -_advantage(found[place]))[:most])
    return [
        _sentence(_words(each.factor, evidence)) if each is not None and place in named else ""
        for place, (each, evidence) in enumerate(zip(found, songs, strict=True))
    ]


def _advantage(found: Deciding | None) -> float:
    return 0.0 if found is None else found.advantage


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
    *, n_moved: int, lean: Point, n_new: int = 0, title: str = "", trigger: RerankTrigger = RerankTrigger.RATING
) -> str:
    """Return a sentence on what a re-ranking did to the unplayed songs, and after which action.

    Args:
        n_moved: songs at another place.
        lean: how far the mean perceived (valence, arousal) of the rest moved.
        n_new: songs that came in place of others.
        title: the song of the action; empty without one.
        trigger: what the listener did with that song.
    """
    what = {"cause": _(_TRIGGERS[trigger]) % {"title": title}} if title else {}
    if n_moved == n_new == 0 and what:
        return _("%(cause)s does not change the rest of this list.") % what
    if n_moved == n_new == 0:
        return _("The rest does not change.")
    first = n_moved or n_new
    songs = ngettext("%(n)d song", "%(n)d songs", first) % {"n": first}
    message = _RERANKED[bool(what), bool(n_moved), bool(n_new)]
    begin = _(message) % {**what, "songs": songs, "n_new": n_new}
    if max(abs(lean[0]), abs(lean[1])) < NOTICEABLE_LEAN:
        if n_new:
            return _("%(what_moved)s: the same mood.") % {"what_moved": begin}
        return _("%(what_moved)s: a different order, the same mood.") % {"what_moved": begin}
    return _("%(what_moved)s: the rest now leans %(direction)s.") % {"what_moved": begin, "direction": direction(lean)}


# Whether an action is named, whether songs moved, and whether some are new.
_RERANKED = {
    (True, True, True): gettext_noop("%(cause)s moved %(songs)s and replaced %(n_new)d"),
    (True, True, False): gettext_noop("%(cause)s moved %(songs)s"),
    (True, False, True): gettext_noop("%(cause)s replaced %(songs)s"),
    (False, True, True): gettext_noop("%(songs)s moved and %(n_new)d replaced"),
    (False, True, False): gettext_noop("%(songs)s moved"),
    (False, False, True): gettext_noop("%(songs)s replaced"),
}
_TRIGGERS = {
    RerankTrigger.RATING: gettext_noop("Your rating of “%(title)s”"),
    RerankTrigger.LIKE: gettext_noop("Your like of “%(title)s”"),
    RerankTrigger.DISLIKE: gettext_noop("Your dislike of “%(title)s”"),
    RerankTrigger.SKIP: gettext_noop("Your skip of “%(title)s”"),
    RerankTrigger.CHANGED: gettext_noop("Your changed rating of “%(title)s”"),
    RerankTrigger.WITHDRAWN: gettext_noop("Your withdrawn rating of “%(title)s”"),
}


def _factor_of(term: str, evidence: Evidence) -> Factor | None:
    """Return the factor of a deciding term, None when no true sentence names it alone."""
    match term:
        case "ratings" if _noticeable(evidence.by_ratings):
            others = Factor.SIMILAR_RATINGS if evidence.n_similar else Factor.ALL_RATINGS
            return Factor.OWN_RATING if evidence.by_own_rating else others
        case "mood" if evidence.mood and _noticeable(evidence.by_mood):
            # A mood that moves a song away from what was asked for brings it nearer at most by chance.
            return Factor.MOOD if _leads(evidence.by_mood, evidence.target) else None
        case "liking" if term in evidence.helped:
            others = Factor.SIMILAR_LIKES if evidence.likes_known else Factor.SHARED_LIKING
            return _LIKE_FACTORS.get(evidence.like_signal) if evidence.like_signal else others
        case "exploration" if term in evidence.helped:
            is_new = evidence.like_signal is None and not evidence.by_own_rating and evidence.is_new
            return Factor.EXPLORATION if is_new else None
        case "likeness" if evidence.alike >= ALIKE:
            return Factor.LIKENESS
    return _PLAIN_FACTORS.get(term)


def _leads(shift: Point, target: Point) -> bool:
    axis = 0 if abs(shift[0]) > abs(shift[1]) else 1
    return shift[axis] * target[axis] > 0


def _noticeable(shift: Point) -> bool:
    return max(abs(shift[0]), abs(shift[1])) >= NOTICEABLE_SHIFT


_MESSAGES = {
    Factor.OWN_RATING: gettext_noop("your own rating made it %(direction)s"),
    Factor.ALL_RATINGS: gettext_noop("based on all your ratings, it feels %(direction)s to you than it sounds"),
    Factor.MOOD: gettext_noop("you said you were %(mood)s: it should make you feel %(direction)s"),
    Factor.CONTRAST: gettext_noop("a change from the sound of the songs before it"),
    Factor.OWN_LIKE: gettext_noop("you liked it"),
    Factor.MANY_STARS: gettext_noop("you gave it four or five stars"),
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
    Factor.FEW_STARS: gettext_noop("here although you gave it one or two stars"),
    Factor.SKIPPED: gettext_noop("here although you skipped it before"),
}


def _words(factor: Factor, evidence: Evidence) -> str:
    match factor:
        case Factor.LIKENESS if evidence.alike >= VERY_ALIKE:
            words = _("sounds very like “%(title)s”")
        case Factor.LIKENESS:
            words = _("sounds like “%(title)s”")
        case Factor.CONTRAST if evidence.on_journey:
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


def _tag_words(quadrant: Quadrant, confidence: float) -> str:
    if confidence >= CURATOR_CONFIDENCE:
        return _("%(description)s, set by a curator") % {"description": quadrant.description}
    values = {"description": quadrant.description, "percent": round(100 * confidence)}
    if confidence < SURE:
        return _("perhaps %(description)s, only %(percent)d %% sure") % values
    return _("%(description)s, %(percent)d %% sure") % values


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
        sentences.append(ngettext(*_SHORT[what], n_songs) % {"n_songs": n_songs, "length": length})
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
    "list": ngettext_noop(
        "This list has %(n_songs)d song instead of %(length)d.",
        "This list has %(n_songs)d songs instead of %(length)d.",
    ),
    "journey": ngettext_noop(
        "This journey has %(n_songs)d song instead of %(length)d.",
        "This journey has %(n_songs)d songs instead of %(length)d.",
    ),
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


_NUMBERS = (
    pgettext_noop("number", "one"),
    pgettext_noop("number", "two"),
    pgettext_noop("number", "three"),
    pgettext_noop("number", "four"),
    pgettext_noop("number", "five"),
    pgettext_noop("number", "six"),
    pgettext_noop("number", "seven"),
    pgettext_noop("number", "eight"),
    pgettext_noop("number", "nine"),
    pgettext_noop("number", "ten"),
    pgettext_noop("number", "eleven"),
    pgettext_noop("number", "twelve"),
)
# Each in full, because languages inflect the mood.
_OF_REGION = {
    Quadrant.Q1: ngettext_noop("%(n)d happy song here", "%(n)d happy songs here"),
    Quadrant.Q2: ngettext_noop("%(n)d tense song here", "%(n)d tense songs here"),
    Quadrant.Q3: ngettext_noop("%(n)d sad song here", "%(n)d sad songs here"),
    Quadrant.Q4: ngettext_noop("%(n)d calm song here", "%(n)d calm songs here"),
}
_OF_REGION_FILTERED = {
    Quadrant.Q1: ngettext_noop("%(n)d happy song matches these filters", "%(n)d happy songs match these filters"),
    Quadrant.Q2: ngettext_noop("%(n)d tense song matches these filters", "%(n)d tense songs match these filters"),
    Quadrant.Q3: ngettext_noop("%(n)d sad song matches these filters", "%(n)d sad songs match these filters"),
    Quadrant.Q4: ngettext_noop("%(n)d calm song matches these filters", "%(n)d calm songs match these filters"),
}


def region_note(quadrant: Quadrant, inside: Sequence[bool], *, filtered: bool) -> str:
    """Return that a quadrant has too few songs, such as "8 tense songs here; the last four are the nearest".

    Args:
        quadrant: what was asked for.
        inside: whether each song of the list is felt in it, in order.
        filtered: whether a filter limited them.

    Returns:
        Empty when all are.
    """
    n_inside = sum(inside)
    n_others = len(inside) - n_inside
    if not n_others:
        return ""
    here = ngettext(*(_OF_REGION_FILTERED if filtered else _OF_REGION)[quadrant], n_inside) % {"n": n_inside}
    if not n_inside:
        rest = _("these are the nearest")
    elif not any(inside[n_inside:]):
        rest = ngettext("the last one is the nearest", "the last %(number)s are the nearest", n_others)
    else:
        rest = ngettext("another one is the nearest", "another %(number)s are the nearest", n_others)
    number = pgettext("number", _NUMBERS[n_others - 1]) if n_others <= len(_NUMBERS) else str(n_others)
    return _("%(here)s; %(rest)s.") % {"here": here, "rest": rest % {"number": number}}


def journey_note(plan: Walk, *, asked: Sequence[Point]) -> str:
    """Return how a journey differs from the `asked` path, and why; empty when it does not."""
    found, quality, n_places = plan.found, plan.quality, len(plan.rows)
    sentences = []
    if found.from_start:
        nearest = _("The nearest song is %(share)s from where you are (%(mood)s).")
        sentences.append(nearest % {"mood": mood_name(asked[0]), "share": share_of_pad(found.from_start)})
    last = Quadrant.from_valence_arousal(*plan.points[-1].tolist())
    if found.quadrant is not None and last is not found.quadrant:
        sentences.append(_(_NO_END[found.quadrant]) % {"mood": last.label.lower()})
    elif (arrival := dist(plan.points[-1], asked[-1])) > NEAR:
        further = _("The last song is %(share)s from where you want to be.")
        sentences.append(further % {"share": share_of_pad(arrival)})
    if quality.largest_step > SMALL_STEP or found.via is not None:
        sentences.append(_step_words(found, quality.largest_step, asked))
    # More songs help when the length, not the catalog, makes the steps large.
    even = path_length(found.path) / max(n_places - 1, 1)
    if n_places >= 2 and min(even, quality.largest_step) > SMALL_STEP:
        more = _("With %(n_places)d songs a step is %(share)s on average; small steps take %(needed)d songs.")
        needed = places_needed(found.path)
        sentences.append(more % {"n_places": n_places, "share": share_of_pad(even), "needed": needed})
    n_back = round((1.0 - quality.monotone_share) * (n_places - 1))
    if n_back:
        back = ngettext("%(n)d step leads back.", "%(n)d steps lead back.", n_back)
        sentences.append(back % {"n": n_back})
    return " ".join(sentences)


_NO_END = {
    Quadrant.Q1: gettext_noop("There is no happy song to end with, so the last one is %(mood)s."),
    Quadrant.Q2: gettext_noop("There is no tense song to end with, so the last one is %(mood)s."),
    Quadrant.Q3: gettext_noop("There is no sad song to end with, so the last one is %(mood)s."),
    Quadrant.Q4: gettext_noop("There is no calm song to end with, so the last one is %(mood)s."),
}


def share_of_pad(distance: float) -> str:
    """Return a distance on the plane as a share of the pad's width, such as "30 % of the pad"."""
    return _("%(percent)d %% of the pad") % {"percent": round(50 * distance)}


def _step_words(found: Reach, largest: float, asked: Sequence[Point]) -> str:
    via = "" if found.via is None else mood_name(found.via)
    if via and via in {mood_name(corner) for corner in asked}:
        # Where a detour leads is named, unless the asked path itself goes there.
        words = _("This journey takes a detour to avoid a long step; its largest step is %(largest)s.")
    elif via:
        words = _("This journey takes a detour via %(via)s to avoid a long step; its largest step is %(largest)s.")
    elif found.gap and not found.needed:
        words = _("No way in small steps was found; the largest step is %(largest)s.")
    else:
        words = _("The largest step is %(largest)s.")
    return words % {"largest": share_of_pad(largest), "via": via}
