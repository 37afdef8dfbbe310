"""What a listener should know of a list that is not all that was asked for, in sentences. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from catalog.core.wording import gettext as _
from catalog.core.wording import gettext_noop, ngettext, ngettext_noop
from recommender.ranking.journey_path import NEAR, SMALL_STEP, PathQuality, Reach, path_length, places_needed
from recommender.reasons.reasons import FAR_DISTANCE, mood_name


def list_note(
    *,
    length: int,
    n_tagged: int,
    n_reachable: int,
    filtered: bool,
    distances: Sequence[float],
    n_recent: int,
    what: str = "list",
) -> str:
    """Say what a listener should know of a list that is not all that was asked for; empty when it is.

    Args:
        length: songs asked for.
        n_tagged: songs there are to choose from.
        n_reachable: how many of them are within `FAR_DISTANCE` of the target.
        filtered: whether a filter limited them.
        distances: of the songs in the list to the target.
        n_recent: songs in the list that were heard recently.
        what: "list" or "journey".
    """
    return _LIST_WORDS[what].note(length, n_tagged, n_reachable, distances, n_recent, filtered=filtered)


@dataclass(frozen=True, slots=True)
class _ListWords:
    """The messages that name the list: every language must be free to say "this list" in its own way."""

    no_match: str
    none_tagged: str
    short: str
    few_match: tuple[str, str]
    few_tagged: tuple[str, str]

    def note(
        self,
        length: int,
        n_tagged: int,
        n_reachable: int,
        distances: Sequence[float],
        n_recent: int,
        *,
        filtered: bool,
    ) -> str:
        if n_tagged == 0:
            return _(self.no_match if filtered else self.none_tagged)
        n_songs = len(distances)
        sentences = [self._shorter(length, n_tagged, n_songs, filtered=filtered)] if n_songs < length else []
        n_far = sum(1 for distance in distances if distance > FAR_DISTANCE)
        if n_far:
            sentences.append(_far_words(n_far, n_songs, all_there_is=n_songs - n_far >= n_reachable))
        if n_recent:
            sentences.append(_recent_words(n_recent, n_songs))
        return " ".join(sentences)

    def _shorter(self, length: int, n_tagged: int, n_songs: int, *, filtered: bool) -> str:
        if n_tagged >= length:
            return _(self.short) % {"n_songs": n_songs, "length": length}
        words = self.few_match if filtered else self.few_tagged
        return ngettext(*words, n_tagged) % {"n": n_tagged, "n_songs": n_songs, "length": length}


_LIST_WORDS = {
    "list": _ListWords(
        no_match=gettext_noop("No tagged song matches these filters, so this list is empty."),
        none_tagged=gettext_noop("No songs are tagged yet, so this list is empty."),
        short=gettext_noop("This list has %(n_songs)d instead of %(length)d."),
        few_match=ngettext_noop(
            "Only %(n)d tagged song matches these filters, so this list has %(n_songs)d instead of %(length)d.",
            "Only %(n)d tagged songs match these filters, so this list has %(n_songs)d instead of %(length)d.",
        ),
        few_tagged=ngettext_noop(
            "Only %(n)d song is tagged so far, so this list has %(n_songs)d instead of %(length)d.",
            "Only %(n)d songs are tagged so far, so this list has %(n_songs)d instead of %(length)d.",
        ),
    ),
    "journey": _ListWords(
        no_match=gettext_noop("No tagged song matches these filters, so this journey is empty."),
        none_tagged=gettext_noop("No songs are tagged yet, so this journey is empty."),
        short=gettext_noop("This journey has %(n_songs)d instead of %(length)d."),
        few_match=ngettext_noop(
            "Only %(n)d tagged song matches these filters, so this journey has %(n_songs)d instead of %(length)d.",
            "Only %(n)d tagged songs match these filters, so this journey has %(n_songs)d instead of %(length)d.",
        ),
        few_tagged=ngettext_noop(
            "Only %(n)d song is tagged so far, so this journey has %(n_songs)d instead of %(length)d.",
            "Only %(n)d songs are tagged so far, so this journey has %(n_songs)d instead of %(length)d.",
        ),
    ),
}


def _far_words(n_far: int, n_songs: int, *, all_there_is: bool) -> str:
    if n_far == n_songs:
        far = (
            ngettext(
                "It is far from your target, for want of closer ones.",
                "All of them are far from your target, for want of closer ones.",
                n_songs,
            )
            if all_there_is
            else ngettext("It is far from your target.", "All of them are far from your target.", n_songs)
        )
    else:
        far = (
            ngettext(
                "%(n)d of them is far from your target, for want of closer ones.",
                "%(n)d of them are far from your target, for want of closer ones.",
                n_far,
            )
            if all_there_is
            else ngettext("%(n)d of them is far from your target.", "%(n)d of them are far from your target.", n_far)
        )
    return far % {"n": n_far}


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
    """Say what of a journey the catalog could not do, and what was done instead; empty when it could do all of it.

    Args:
        found: the path that was followed in the end.
        quality: how the songs follow it.
        asked: the path that was asked for, `m >= 2` points.
        n_places: songs in the journey.
    """
    sentences = [
        *_ends_words(found, asked),
        *_gap_words(found, quality, asked),
        *_length_words(quality, found, n_places),
    ]
    return " ".join(sentences)


def share_of_pad(distance: float) -> str:
    """Say a distance on the plane as a part of the pad's width, such as "30 % of the pad"."""
    return _("%(percent)d %% of the pad") % {"percent": round(50 * distance)}


def _ends_words(found: Reach, asked: Sequence[tuple[float, float]]) -> list[str]:
    words = []
    if found.from_start:
        away = {"mood": mood_name(asked[0]), "share": share_of_pad(found.from_start)}
        words.append(
            _("No song is nearer to where you are (%(mood)s) than %(share)s; this journey begins with the nearest.")
            % away
        )
    if found.from_end and not found.stops:
        away = {"mood": mood_name(asked[-1]), "share": share_of_pad(found.from_end)}
        words.append(
            _("No song is nearer to where you want to be (%(mood)s) than %(share)s; this journey ends at the nearest.")
            % away
        )
    return words


def _gap_words(found: Reach, quality: PathQuality, asked: Sequence[tuple[float, float]]) -> list[str]:
    if not (found.gap or found.hole):
        return []
    if found.hole > NEAR:
        why = _("No song is nearer to a part of the straight way than %(share)s") % {"share": share_of_pad(found.hole)}
    else:
        why = _("On the straight way one step would be %(share)s, for want of songs between") % {
            "share": share_of_pad(found.gap)
        }
    return [_(_consequence(found, asked)) % _consequence_values(found, quality, why)]


def _consequence(found: Reach, asked: Sequence[tuple[float, float]]) -> str:
    if found.stops:
        return gettext_noop("%(why)s; this journey stops where small steps lead, %(short)s short of its end.")
    if found.via is None:
        return gettext_noop("%(why)s; nothing leads round it, so the largest step is %(largest)s.")
    # Where a detour leads is named, unless the asked path itself goes there.
    if mood_name(found.via) in {mood_name(corner) for corner in asked}:
        return gettext_noop("%(why)s; this journey goes round, its largest step %(largest)s.")
    return gettext_noop("%(why)s; this journey goes round by way of %(via)s, its largest step %(largest)s.")


def _consequence_values(found: Reach, quality: PathQuality, why: str) -> dict[str, str]:
    return {
        "why": why,
        "short": share_of_pad(found.from_end),
        "largest": share_of_pad(quality.largest_step),
        "via": mood_name(found.via) if found.via is not None else "",
    }


def _length_words(quality: PathQuality, found: Reach, n_places: int) -> list[str]:
    """Say that more songs would make smaller steps, when it is the length and not the catalog that makes them large."""
    even = path_length(found.path) / max(n_places - 1, 1)
    if n_places < 2 or even <= SMALL_STEP or quality.largest_step <= SMALL_STEP:
        return []
    sizes = {"n_places": n_places, "share": share_of_pad(even), "needed": places_needed(np.asarray(found.path))}
    return [_("With %(n_places)d songs a step is %(share)s; %(needed)d songs would make small ones.") % sizes]
