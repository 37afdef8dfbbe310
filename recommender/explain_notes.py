"""What a listener should know of a list that is not all that was asked for, in sentences. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recommender.explain import FAR_DISTANCE, mood_name
from recommender.journey import NEAR, SMALL_STEP, PathQuality, Reach, path_length, places_needed


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
    if n_tagged == 0:
        why = "No tagged song matches these filters" if filtered else "No songs are tagged yet"
        return f"{why}, so this {what} is empty."
    sentences = []
    n_songs = len(distances)
    if n_songs < length:
        why = f"Only {_there_are(n_tagged, filtered=filtered)}, so this" if n_tagged < length else "This"
        sentences.append(f"{why} {what} has {n_songs} instead of {length}.")
    n_close = sum(1 for distance in distances if distance <= FAR_DISTANCE)
    if n_close < n_songs:
        why = ", for want of closer ones" if n_close >= n_reachable else ""
        sentences.append(f"{_n_of(n_songs - n_close, n_songs)} far from your target{why}.")
    if n_recent:
        why = "because too few others are close to your target"
        sentences.append(f"{_n_of(n_recent, n_songs, verb='were')} played recently, {why}.")
    return " ".join(sentences)


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
    return f"{round(50 * distance)} % of the pad"


def _ends_words(found: Reach, asked: Sequence[tuple[float, float]]) -> list[str]:
    words = []
    if found.from_start:
        start = mood_name(asked[0])
        words.append(
            f"No song is nearer to where you are ({start}) than {share_of_pad(found.from_start)}; "
            "this journey begins with the nearest."
        )
    if found.from_end and not found.stops:
        end = mood_name(asked[-1])
        words.append(
            f"No song is nearer to where you want to be ({end}) than {share_of_pad(found.from_end)}; "
            "this journey ends at the nearest."
        )
    return words


def _gap_words(found: Reach, quality: PathQuality, asked: Sequence[tuple[float, float]]) -> list[str]:
    if not (found.gap or found.hole):
        return []
    if found.hole > NEAR:
        why = f"No song is nearer to a part of the straight way than {share_of_pad(found.hole)}"
    else:
        why = f"On the straight way one step would be {share_of_pad(found.gap)}, for want of songs between"
    largest = share_of_pad(quality.largest_step)
    if found.stops:
        return [f"{why}; this journey stops where small steps lead, {share_of_pad(found.from_end)} short of its end."]
    if found.via is not None:
        return [f"{why}; this journey goes round{_by_way_of(found.via, asked)}, its largest step {largest}."]
    return [f"{why}; nothing leads round it, so the largest step is {largest}."]


def _by_way_of(via: tuple[float, float], asked: Sequence[tuple[float, float]]) -> str:
    """Name where a detour leads, unless the asked path itself goes there."""
    where = mood_name(via)
    return "" if where in {mood_name(corner) for corner in asked} else f" by way of {where}"


def _length_words(quality: PathQuality, found: Reach, n_places: int) -> list[str]:
    """Say that more songs would make smaller steps, when it is the length and not the catalog that makes them large."""
    even = path_length(found.path) / max(n_places - 1, 1)
    if n_places < 2 or even <= SMALL_STEP or quality.largest_step <= SMALL_STEP:
        return []
    needed = places_needed(np.asarray(found.path))
    return [f"With {n_places} songs a step is {share_of_pad(even)}; {needed} songs would make small ones."]


def _there_are(n_tagged: int, *, filtered: bool) -> str:
    if filtered:
        return f"{_count(n_tagged, 'tagged song')} {'matches' if n_tagged == 1 else 'match'} these filters"
    return f"{_count(n_tagged, 'song')} {'is' if n_tagged == 1 else 'are'} tagged so far"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _n_of(part: int, whole: int, *, verb: str = "are") -> str:
    singular = {"are": "is", "were": "was"}[verb]
    if part == whole:
        return f"All of them {verb}" if whole > 1 else f"It {singular}"
    return f"{part} of them {verb if part > 1 else singular}"
