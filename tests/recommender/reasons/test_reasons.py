"""Reasons in words: only what decided, and never what did not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.inference.quadrants import Quadrant
from recommender.ranking.journeys import Reach, Walk, place_targets
from recommender.ranking.lists import TERM_NAMES
from recommender.reasons.reasons import (
    NOTICEABLE_ADVANTAGE,
    NOTICEABLE_SHIFT,
    Evidence,
    Factor,
    LikeSignal,
    RerankTrigger,
    deciding,
    direction,
    journey_note,
    list_note,
    mood_name,
    public_reason,
    reasons,
    region_note,
    rerank_sentence,
    share_of_pad,
)

PLAIN = Evidence()

# Words that betray each factor, so that a reason can be searched for unfounded claims.
MARKS = {
    Factor.LIKENESS: "Sounds ",
    Factor.OWN_RATING: "Your own rating",
    Factor.SIMILAR_RATINGS: "similar song",
    Factor.ALL_RATINGS: "all your ratings",
    Factor.MOOD: "You said you were",
    Factor.OWN_LIKE: "You liked it",
    Factor.MANY_STARS: "four or five stars",
    Factor.REPLAYED: "more than once",
    Factor.HEARD_OUT: "to the end",
    Factor.SIMILAR_LIKES: "Based on your likes",
    Factor.SHARED_LIKING: "Listeners tend to like",
    Factor.EXPLORATION: "Something new for you",
    Factor.FRESH: "played lately",
    Factor.CONTRAST: "A change from the sound",
    Factor.KEPT_APART: "one artist apart",
    Factor.ALBUM_APART: "one album apart",
    Factor.SMALL_STEP: "A smaller step",
    Factor.FORWARD: "turning back",
    Factor.OWN_DISLIKE: "disliked it",
    Factor.FEW_STARS: "one or two stars",
    Factor.SKIPPED: "you skipped it",
}


def evidence(*decided: str, **known: Any) -> Evidence:
    """Return evidence in which some terms decided and helped."""
    return replace(PLAIN, **{"decided": dict.fromkeys(decided, 0.2), "helped": frozenset(decided), **known})


@pytest.mark.parametrize(
    ("given", "expected", "sentence"),
    [
        (PLAIN, None, ""),
        (
            evidence("ratings", by_ratings=(0.05, -0.3), n_similar=3),
            Factor.SIMILAR_RATINGS,
            "Your ratings of 3 similar songs made it calmer.",
        ),
        (
            evidence("ratings", by_ratings=(0.3, 0.1), n_similar=1),
            Factor.SIMILAR_RATINGS,
            "Your rating of a similar song made it happier.",
        ),
        (
            evidence("ratings", by_ratings=(-0.3, 0.1), n_similar=2, by_own_rating=True),
            Factor.OWN_RATING,
            "Your own rating made it sadder.",
        ),
        (
            evidence("ratings", by_ratings=(0.0, 0.2)),
            Factor.ALL_RATINGS,
            "Based on all your ratings, it feels more energetic to you than it sounds.",
        ),
        (evidence("ratings", by_ratings=(0.05, 0.05), n_similar=4), None, ""),
        (evidence(by_ratings=(0.3, 0.3), n_similar=4), None, ""),
        (
            evidence("mood", by_mood=(0.0, -0.2), mood=(-0.6, 0.5), target=(0.6, -0.6)),
            Factor.MOOD,
            "You said you were tense: it should make you feel calmer.",
        ),
        # For a happy list, "it should make you feel sadder" would be no reason.
        (evidence("mood", by_mood=(-0.2, 0.0), mood=(-0.6, -0.6), target=(0.6, 0.6)), None, ""),
        (evidence("mood", by_mood=(0.0, -0.2)), None, ""),
        (evidence("mood", by_mood=(0.0, -0.02), mood=(-0.6, 0.5)), None, ""),
        (evidence(by_mood=(0.0, -0.2), mood=(-0.6, 0.5)), None, ""),
        (evidence("liking", likes_known=True), Factor.SIMILAR_LIKES, None),
        (evidence("liking"), Factor.SHARED_LIKING, None),
        (evidence("liking", helped=frozenset(), likes_known=True), None, ""),
        (evidence("liking", like_signal=LikeSignal.LIKED), Factor.OWN_LIKE, None),
        (evidence("liking", like_signal=LikeSignal.MANY_STARS), Factor.MANY_STARS, None),
        (evidence("liking", like_signal=LikeSignal.REPLAYED), Factor.REPLAYED, None),
        (evidence("liking", like_signal=LikeSignal.COMPLETED), Factor.HEARD_OUT, None),
        (evidence(like_signal=LikeSignal.LIKED), None, ""),
        (evidence(like_signal=LikeSignal.DISLIKED), Factor.OWN_DISLIKE, None),
        (evidence(like_signal=LikeSignal.FEW_STARS), Factor.FEW_STARS, "Here although you gave it one or two stars."),
        (evidence("diversity", like_signal=LikeSignal.SKIPPED), Factor.SKIPPED, "Here although you skipped it before."),
        (evidence("exploration", is_new=True), Factor.EXPLORATION, "Something new for you: we are not sure yet."),
        (evidence("exploration", is_new=True, like_signal=LikeSignal.LIKED), None, ""),
        (evidence("exploration", is_new=True, by_own_rating=True), None, ""),
        (evidence("exploration"), None, ""),
        (evidence("exploration", is_new=True, helped=frozenset()), None, ""),
        (
            evidence("likeness", around="Northern Lights", alike=0.85),
            Factor.LIKENESS,
            "Sounds very like “Northern Lights”.",
        ),
        (evidence("likeness", around="Northern Lights", alike=0.6), Factor.LIKENESS, "Sounds like “Northern Lights”."),
        (evidence("likeness", around="Northern Lights", alike=0.2), None, ""),
        (evidence("novelty"), Factor.FRESH, None),
        (evidence("diversity"), Factor.CONTRAST, "A change from the sound of the songs before it."),
        (evidence("diversity", on_journey=True), Factor.CONTRAST, "A change from the sound of the songs around it."),
        (evidence("step"), Factor.SMALL_STEP, None),
        (evidence("progress"), Factor.FORWARD, None),
        (evidence("artist"), Factor.KEPT_APART, None),
        (evidence(kept_apart=True), Factor.KEPT_APART, None),
        (evidence("album"), Factor.ALBUM_APART, None),
        (evidence("confidence", "closeness", "chance"), None, ""),
        (evidence(decided={"exploration": 0.01, "diversity": 0.02}), None, ""),
        (evidence(decided={"album": 0.1, "diversity": 0.2}), Factor.CONTRAST, None),
    ],
)
def test_a_reason_claims_what_decided_most_and_nothing_else(
    given: Evidence, expected: Factor | None, sentence: str | None
) -> None:
    found = deciding(given)
    assert (None if found is None else found.factor) == expected
    said = reasons([given])[0]
    assert [factor for factor, mark in MARKS.items() if mark in said] == ([] if expected is None else [expected])
    if sentence is not None:
        assert said == sentence


def test_every_factor_is_known_by_its_words() -> None:
    assert set(MARKS) == set(Factor)


def test_no_more_than_a_third_of_a_list_gives_the_same_reason() -> None:
    ratings = [
        evidence(decided={"ratings": 0.1 + n / 100}, by_ratings=(0.3, 0.0), n_similar=1 + n % 3) for n in range(12)
    ]
    said = reasons(ratings)
    assert [bool(words) for words in said] == [False] * 8 + [True] * 4
    mixed = [*ratings[:6], *[evidence("diversity")] * 6]
    assert sum(bool(words) for words in reasons(mixed)) == 8
    assert reasons([evidence("diversity")]) == ["A change from the sound of the songs before it."]
    assert reasons([]) == []


# Which term must have decided for a factor to be named.
TERM_OF = {
    Factor.OWN_RATING: "ratings",
    Factor.SIMILAR_RATINGS: "ratings",
    Factor.ALL_RATINGS: "ratings",
    Factor.MOOD: "mood",
    Factor.OWN_LIKE: "liking",
    Factor.MANY_STARS: "liking",
    Factor.REPLAYED: "liking",
    Factor.HEARD_OUT: "liking",
    Factor.SIMILAR_LIKES: "liking",
    Factor.SHARED_LIKING: "liking",
    Factor.EXPLORATION: "exploration",
    Factor.FRESH: "novelty",
    Factor.CONTRAST: "diversity",
    Factor.KEPT_APART: "artist",
    Factor.ALBUM_APART: "album",
    Factor.SMALL_STEP: "step",
    Factor.FORWARD: "progress",
}


def test_whatever_is_named_decided_and_was_there() -> None:
    rng = np.random.default_rng(0)
    for _ in range(500):
        given = _any_evidence(rng)
        found = deciding(given)
        if found is None:
            continue
        if found.factor in (Factor.OWN_DISLIKE, Factor.FEW_STARS, Factor.SKIPPED):
            assert given.like_signal in (LikeSignal.DISLIKED, LikeSignal.FEW_STARS, LikeSignal.SKIPPED)
            continue
        decided_by = given.decided.get(TERM_OF[found.factor], 0.0)
        assert decided_by >= NOTICEABLE_ADVANTAGE or (found.factor is Factor.KEPT_APART and given.kept_apart)
        if TERM_OF[found.factor] == "ratings":
            assert np.abs(given.by_ratings).max() >= NOTICEABLE_SHIFT
        if found.factor is Factor.MOOD:
            assert given.mood is not None
            assert np.abs(given.by_mood).max() >= NOTICEABLE_SHIFT
        if found.factor is Factor.EXPLORATION:
            assert given.like_signal is None
        assert [factor for factor, mark in MARKS.items() if mark in reasons([given])[0]] == [found.factor]


def _any_evidence(rng: np.random.Generator) -> Evidence:
    decided = {name: float(rng.uniform(0.01, 1)) for name in TERM_NAMES if rng.uniform() < 0.4}
    shifts = [tuple(rng.uniform(-0.2, 0.2, 2).tolist()) for _ in range(2)]
    return replace(
        PLAIN,
        decided=decided,
        helped=frozenset(name for name in decided if rng.uniform() < 0.7),
        by_ratings=shifts[0],
        by_mood=shifts[1],
        mood=(0.5, -0.5) if rng.uniform() < 0.5 else None,
        n_similar=int(rng.integers(0, 3)),
        by_own_rating=bool(rng.uniform() < 0.2),
        like_signal=[None, *LikeSignal][rng.integers(0, len(LikeSignal) + 1)],
        likes_known=bool(rng.uniform() < 0.5),
        kept_apart=bool(rng.uniform() < 0.3),
        is_new=bool(rng.uniform() < 0.5),
    )


def test_readers_who_may_not_know_the_listener_read_about_the_song() -> None:
    assert public_reason(Quadrant.Q2, 0.9) == "Energetic and dark, 90 % sure."
    assert public_reason(Quadrant.Q2, 0.4) == "Perhaps energetic and dark, only 40 % sure."


@pytest.mark.parametrize(
    ("point", "name"),
    [
        ((0.5, 0.5), "happy"),
        ((-0.5, 0.5), "tense"),
        ((-0.5, -0.5), "sad"),
        ((0.5, -0.2), "calm"),
        ((0, 0.1), "neutral"),
    ],
)
def test_a_point_is_named_as_a_mood(point: tuple[float, float], name: str) -> None:
    assert mood_name(point) == name


@pytest.mark.parametrize(
    ("shift", "word"),
    [((0.3, 0.1), "happier"), ((-0.3, 0.1), "sadder"), ((0.1, 0.3), "more energetic"), ((0.1, -0.3), "calmer")],
)
def test_a_direction_is_named_by_its_larger_part(shift: tuple[float, float], word: str) -> None:
    assert direction(shift) == word


@pytest.mark.parametrize(
    ("n_moved", "lean", "title", "trigger", "sentence"),
    [
        (4, (0.0, -0.2), "X", RerankTrigger.RATING, "Your rating of “X” moved 4 songs: the rest now leans calmer."),
        (1, (0.2, 0.0), "X", RerankTrigger.LIKE, "Your like of “X” moved 1 song: the rest now leans happier."),
        (4, (0.0, 0.0), "X", RerankTrigger.SKIP, "Your skip of “X” moved 4 songs: a different order, the same mood."),
        (2, (-0.2, 0.0), "X", RerankTrigger.DISLIKE, "Your dislike of “X” moved 2 songs: the rest now leans sadder."),
        (
            1,
            (0.0, 0.0),
            "X",
            RerankTrigger.CHANGED,
            "Your changed rating of “X” moved 1 song: a different order, the same mood.",
        ),
        (
            1,
            (0.0, 0.0),
            "X",
            RerankTrigger.WITHDRAWN,
            "Your withdrawn rating of “X” moved 1 song: a different order, the same mood.",
        ),
        (
            0,
            (0.0, 0.0),
            "X",
            RerankTrigger.WITHDRAWN,
            "Your withdrawn rating of “X” does not change the rest of this list.",
        ),
        (0, (0.0, 0.0), "X", RerankTrigger.RATING, "Your rating of “X” does not change the rest of this list."),
        (0, (0.0, 0.0), "X", RerankTrigger.SKIP, "Your skip of “X” does not change the rest of this list."),
        (4, (0.0, 0.2), "", RerankTrigger.RATING, "4 songs moved: the rest now leans more energetic."),
        (0, (0.0, 0.0), "", RerankTrigger.RATING, "The rest does not change."),
    ],
)
def test_a_reranking_says_what_it_did_and_why(
    n_moved: int, lean: tuple[float, float], title: str, trigger: RerankTrigger, sentence: str
) -> None:
    assert rerank_sentence(n_moved=n_moved, lean=lean, title=title, trigger=trigger) == sentence


@pytest.mark.parametrize(
    ("n_moved", "n_new", "lean", "title", "sentence"),
    [
        (2, 1, 0.0, "A", "Your rating of “A” moved 2 songs and replaced 1: the same mood."),
        (0, 1, 0.0, "A", "Your rating of “A” replaced 1 song: the same mood."),
        (3, 2, 0.3, "", "3 songs moved and 2 replaced: the rest now leans happier."),
        (0, 2, 0.0, "", "2 songs replaced: the same mood."),
    ],
)
def test_a_reranking_tells_new_songs_from_moved_ones(
    n_moved: int, n_new: int, lean: float, title: str, sentence: str
) -> None:
    assert rerank_sentence(n_moved=n_moved, n_new=n_new, lean=(lean, 0.0), title=title) == sentence


@pytest.mark.parametrize(
    ("length", "n_analysed", "n_reachable", "filtered", "distances", "n_recent", "note"),
    [
        (12, 30, 20, False, [0.2] * 12, 0, ""),
        (12, 3, 3, False, [0.2] * 3, 0, "Only 3 songs have been analysed so far, so this list has 3 instead of 12."),
        (12, 1, 1, False, [0.2], 0, "Only 1 song has been analysed so far, so this list has 1 instead of 12."),
        (12, 2, 2, True, [0.2] * 2, 0, "Only 2 analysed songs match these filters, so this list has 2 instead of 12."),
        (12, 0, 0, False, [], 0, "No songs have been analysed yet, so this list is empty."),
        (12, 0, 0, True, [], 0, "No analysed song matches these filters, so this list is empty."),
        (3, 9, 1, False, [0.2, 1.2, 1.4], 0, "2 of them are far from your target, because there are no closer songs."),
        (3, 9, 5, False, [0.2, 0.3, 1.4], 0, "1 of them is far from your target."),
        (2, 9, 0, False, [1.2, 1.4], 0, "All of them are far from your target, because there are no closer songs."),
        (
            3,
            9,
            3,
            False,
            [0.2] * 3,
            2,
            "2 of them were played recently, because too few others are close to your target.",
        ),
    ],
)
def test_a_note_names_the_missing_data(
    length: int, n_analysed: int, n_reachable: int, filtered: bool, distances: list[float], n_recent: int, note: str
) -> None:
    said = list_note(
        length=length,
        n_analysed=n_analysed,
        n_reachable=n_reachable,
        filtered=filtered,
        distances=distances,
        n_recent=n_recent,
    )
    assert said == note


@pytest.mark.parametrize(
    ("quadrant", "inside", "filtered", "note"),
    [
        (Quadrant.Q2, [True] * 8 + [False] * 4, False, "8 tense songs here; the last four are the nearest."),
        (Quadrant.Q4, [True] * 11 + [False], False, "11 calm songs here; the last one is the nearest."),
        (Quadrant.Q3, [True] + [False] * 13, False, "1 sad song here; the last 13 are the nearest."),
        (Quadrant.Q1, [False, True, False], True, "1 happy song matches these filters; another two are the nearest."),
        (Quadrant.Q1, [False] * 3, False, "0 happy songs here; these are the nearest."),
        (Quadrant.Q1, [True] * 3, False, ""),
        (Quadrant.Q1, [], False, ""),
    ],
)
def test_a_quadrant_with_too_few_songs_says_so(
    quadrant: Quadrant, inside: list[bool], filtered: bool, note: str
) -> None:
    assert region_note(quadrant, inside, filtered=filtered) == note


DOWN = ((-0.6, 0.6), (0.6, -0.6))
CALM = Reach(np.asarray(DOWN), quadrant=Quadrant.Q4)


@pytest.mark.parametrize(
    ("found", "n_places", "note"),
    [
        (CALM, 12, ""),
        (
            CALM,
            3,
            "The largest step is 42 % of the pad. "
            "With 3 songs a step is 42 % of the pad on average; small steps take 11 songs.",
        ),
        (replace(CALM, from_start=0.6), 12, "The nearest song is 30 % of the pad from where you are (tense)."),
        (
            replace(CALM, quadrant=Quadrant.Q1, from_end=0.6),
            12,
            "There is no happy song to end with, so the last one is calm.",
        ),
        (
            replace(CALM, gap=0.7, hole=0.3, via=(-0.6, -0.6), needed=9),
            12,
            "This journey takes a detour via sad to avoid a long step; its largest step is 8 % of the pad.",
        ),
        (
            replace(CALM, gap=0.4, hole=0.6, via=(-0.6, 0.2), needed=9),
            12,
            "This journey takes a detour to avoid a long step; its largest step is 8 % of the pad.",
        ),
    ],
)
def test_a_journey_says_what_the_catalog_could_not_do(found: Reach, n_places: int, note: str) -> None:
    assert journey_note(_walked(np.linspace(DOWN[0], DOWN[1], n_places), found), asked=DOWN) == note


def test_a_journey_owns_up_to_an_end_that_is_not_where_it_was_to_be() -> None:
    points = np.linspace(DOWN[0], (0.2, -0.2), 12)
    assert (
        journey_note(_walked(points, CALM), asked=DOWN) == "The last song is 28 % of the pad from where you want to be."
    )


def test_a_journey_owns_up_to_a_long_step_and_to_a_step_back() -> None:
    points = np.vstack([np.linspace(DOWN[0], (-0.2, 0.2), 5), np.linspace((0.2, -0.2), DOWN[1], 5)])
    found = replace(CALM, gap=0.57)
    alone = "No way in small steps was found; the largest step is 28 % of the pad."
    assert journey_note(_walked(points, found), asked=DOWN) == alone
    known = "The largest step is 28 % of the pad."
    assert journey_note(_walked(points, replace(found, needed=12)), asked=DOWN) == known
    points[[2, 3]] = points[[3, 2]]
    assert journey_note(_walked(points, found), asked=DOWN) == f"{alone} 1 step leads back."


def _walked(points: NDArray[np.float64], found: Reach) -> Walk:
    return Walk(found, place_targets(found.path, len(points)), points, np.arange(len(points)), ())


def test_distances_are_given_as_parts_of_the_pad() -> None:
    assert share_of_pad(2.0) == "100 % of the pad"
    assert share_of_pad(0.5) == "25 % of the pad"
