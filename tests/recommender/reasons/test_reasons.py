"""Reasons in words: only what decided, and never what did not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from emotion.inference.quadrants import Quadrant
from recommender.ranking.journeys import Reach, path_quality
from recommender.ranking.lists import TERM_NAMES
from recommender.reasons.reasons import (
    MAX_DECIDING,
    NOTICEABLE_ADVANTAGE,
    NOTICEABLE_SHIFT,
    Evidence,
    Factor,
    LikeSignal,
    RerankTrigger,
    Stage,
    deciding_factors,
    direction,
    factors,
    journey_note,
    list_note,
    mood_name,
    public_reason,
    reason,
    rerank_sentence,
    share_of_pad,
)

PLAIN = Evidence(quadrant=Quadrant.Q4, confidence=0.82, distance=0.4)
BASE = "Calm and positive, 82 % sure; close to your target"

# Words that betray each factor, so that a reason can be searched for unfounded claims.
MARKS = {
    Factor.LIKENESS: "sounds ",
    Factor.STAGE: "; step ",
    Factor.OWN_RATING: "your own rating",
    Factor.SIMILAR_RATINGS: "similar song",
    Factor.ALL_RATINGS: "all your ratings",
    Factor.MOOD: "you said you were",
    Factor.OWN_LIKE: "you liked it",
    Factor.REPLAYED: "more than once",
    Factor.HEARD_OUT: "to the end",
    Factor.SIMILAR_LIKES: "based on your likes",
    Factor.SHARED_LIKING: "listeners tend to like",
    Factor.EXPLORATION: "something new for you",
    Factor.FRESH: "played lately",
    Factor.CONTRAST: "a change from the sound",
    Factor.KEPT_APART: "one artist apart",
    Factor.ALBUM_APART: "one album apart",
    Factor.SMALL_STEP: "a smaller step",
    Factor.FORWARD: "turning back",
    Factor.OWN_DISLIKE: "disliked it",
    Factor.SKIPPED: "you skipped it",
    Factor.RECENT: "played recently",
}


def evidence(*decided: str, **known: Any) -> Evidence:
    """Return evidence in which some terms decided and helped."""
    return replace(PLAIN, **{"decided": dict.fromkeys(decided, 0.2), "helped": frozenset(decided), **known})


@pytest.mark.parametrize(
    ("given", "expected", "sentence"),
    [
        (PLAIN, [], f"{BASE}."),
        (replace(PLAIN, distance=0.1), [], "Calm and positive, 82 % sure; very close to your target."),
        (replace(PLAIN, distance=0.8), [], "Calm and positive, 82 % sure; some distance from your target."),
        (replace(PLAIN, distance=1.5), [], "Calm and positive, 82 % sure; far from your target."),
        (replace(PLAIN, confidence=0.38), [], "Perhaps calm and positive, only 38 % sure; close to your target."),
        (
            evidence("ratings", by_ratings=(0.05, -0.3), n_similar=3),
            [Factor.SIMILAR_RATINGS],
            f"{BASE}; your ratings of 3 similar songs made it calmer.",
        ),
        (
            evidence("ratings", by_ratings=(0.3, 0.1), n_similar=1),
            [Factor.SIMILAR_RATINGS],
            f"{BASE}; your rating of a similar song made it happier.",
        ),
        (
            evidence("ratings", by_ratings=(-0.3, 0.1), n_similar=2, by_own_rating=True),
            [Factor.OWN_RATING],
            f"{BASE}; your own rating made it sadder.",
        ),
        (
            evidence("ratings", by_ratings=(0.0, 0.2)),
            [Factor.ALL_RATINGS],
            f"{BASE}; based on all your ratings, it feels more energetic to you than it sounds.",
        ),
        (evidence("ratings", by_ratings=(0.05, 0.05), n_similar=4), [], f"{BASE}."),
        (evidence(by_ratings=(0.3, 0.3), n_similar=4), [], f"{BASE}."),
        (
            evidence("mood", by_mood=(0.0, -0.2), mood=(-0.6, 0.5)),
            [Factor.MOOD],
            f"{BASE}; you said you were tense: it should make you feel calmer.",
        ),
        (evidence("mood", by_mood=(0.0, -0.2)), [], f"{BASE}."),
        (evidence("mood", by_mood=(0.0, -0.02), mood=(-0.6, 0.5)), [], f"{BASE}."),
        (evidence(by_mood=(0.0, -0.2), mood=(-0.6, 0.5)), [], f"{BASE}."),
        (evidence("liking", likes_known=True), [Factor.SIMILAR_LIKES], None),
        (evidence("liking"), [Factor.SHARED_LIKING], None),
        (evidence("liking", helped=frozenset(), likes_known=True), [], None),
        (evidence("liking", like_signal=LikeSignal.LIKED), [Factor.OWN_LIKE], None),
        (evidence("liking", like_signal=LikeSignal.REPLAYED), [Factor.REPLAYED], None),
        (evidence("liking", like_signal=LikeSignal.COMPLETED), [Factor.HEARD_OUT], None),
        (evidence(like_signal=LikeSignal.LIKED), [], None),
        (evidence(like_signal=LikeSignal.DISLIKED), [Factor.OWN_DISLIKE], None),
        (evidence(like_signal=LikeSignal.SKIPPED), [Factor.SKIPPED], None),
        (evidence("exploration"), [Factor.EXPLORATION], f"{BASE}; something new for you: we are not sure yet."),
        (evidence("exploration", like_signal=LikeSignal.LIKED), [], None),
        (evidence("exploration", by_own_rating=True), [], None),
        (evidence("exploration", recency=0.2), [], None),
        (evidence("exploration", helped=frozenset()), [], None),
        (evidence("novelty"), [Factor.FRESH], None),
        (evidence("diversity"), [Factor.CONTRAST], None),
        (evidence("artist"), [Factor.KEPT_APART], None),
        (evidence("artist", kept_apart=True), [Factor.KEPT_APART], None),
        (evidence(kept_apart=True), [Factor.KEPT_APART], None),
        (evidence("album"), [Factor.ALBUM_APART], None),
        (evidence("confidence", "closeness", "likeness"), [], f"{BASE}."),
        (evidence(decided={"exploration": 0.01, "diversity": 0.02}), [], f"{BASE}."),
        (evidence(recency=1.0), [Factor.RECENT], None),
        (evidence(recency=0.1), [], None),
    ],
)
def test_a_reason_claims_what_decided_and_nothing_else(
    given: Evidence, expected: list[Factor], sentence: str | None
) -> None:
    assert list(factors(given)) == [Factor.TAG, Factor.CLOSENESS, *expected]
    said = reason(given)
    assert {factor for factor, mark in MARKS.items() if mark in said} == set(expected)
    if sentence is not None:
        assert said == sentence


def test_every_factor_is_known_by_its_words() -> None:
    assert set(MARKS) | {Factor.TAG, Factor.CLOSENESS} == set(Factor)


# Which term must have decided for a factor to be named.
TERM_OF = {
    Factor.OWN_RATING: "ratings",
    Factor.SIMILAR_RATINGS: "ratings",
    Factor.ALL_RATINGS: "ratings",
    Factor.MOOD: "mood",
    Factor.OWN_LIKE: "liking",
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
        named = deciding_factors(given)
        assert len(named) == len(set(named)) <= MAX_DECIDING
        for factor in named:
            decided_by = given.decided.get(TERM_OF[factor], 0.0)
            assert decided_by >= NOTICEABLE_ADVANTAGE or (factor is Factor.KEPT_APART and given.kept_apart)
            if TERM_OF[factor] == "ratings":
                assert np.abs(given.by_ratings).max() >= NOTICEABLE_SHIFT
            if factor is Factor.MOOD:
                assert given.mood is not None
                assert np.abs(given.by_mood).max() >= NOTICEABLE_SHIFT
            if factor is Factor.EXPLORATION:
                assert given.like_signal is None
        advantages = [given.decided[TERM_OF[factor]] for factor in named if TERM_OF[factor] in given.decided]
        assert advantages == sorted(advantages, reverse=True)
        said = reason(given)
        assert {factor for factor, mark in MARKS.items() if mark in said} == set(factors(given)) & set(MARKS)


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
        recency=float(rng.choice([0.0, 0.7])),
    )


def test_around_a_song_its_sound_is_named_first() -> None:
    given = replace(PLAIN, around="Northern Lights", alike=0.85, distance=0.1)
    assert reason(given) == "Calm and positive, 82 % sure; sounds very like “Northern Lights”; very close to its mood."
    assert "sounds like “Northern Lights”" in reason(replace(given, alike=0.6))
    assert "sounds only a little like “Northern Lights”" in reason(replace(given, alike=0.2))


@pytest.mark.parametrize(
    ("stage", "distance", "words"),
    [
        (Stage(4, 10, end=(0.6, -0.6)), 0.2, "step 4 of 10, on the way to calm"),
        (Stage(1, 3, end=(0.05, 0.1)), 0.2, "step 1 of 3, on the way to neutral"),
        (Stage(3, 3, end=(0.6, 0.6)), 0.2, "step 3 of 3, arriving at happy"),
        (Stage(2, 3, end=(0.6, 0.6), moves=False), 0.2, "step 2 of 3, staying happy"),
        (Stage(2, 3, end=(0.6, 0.6)), 0.7, "step 2 of 3, on the way to happy, though some distance from that step"),
    ],
)
def test_a_journey_names_the_step(stage: Stage, distance: float, words: str) -> None:
    given = replace(PLAIN, stage=stage, distance=distance)
    assert factors(given) == (Factor.TAG, Factor.STAGE)
    assert reason(given) == f"Calm and positive, 82 % sure; {words}."
    stepping = replace(given, decided={"step": 0.3, "progress": 0.2})
    assert factors(stepping)[2:] == (Factor.SMALL_STEP, Factor.FORWARD)
    assert "the songs around it" in reason(replace(given, decided={"diversity": 0.3}))


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
            RerankTrigger.WITHDRAWN,
            "Your changed rating of “X” moved 1 song: a different order, the same mood.",
        ),
        (
            0,
            (0.0, 0.0),
            "X",
            RerankTrigger.RATING,
            "Your rating of “X” was saved; the rest of this list does not change.",
        ),
        (0, (0.0, 0.0), "X", RerankTrigger.SKIP, "Your skip of “X” was saved; the rest of this list does not change."),
        (4, (0.0, 0.2), "", RerankTrigger.RATING, "4 songs moved: the rest now leans more energetic."),
        (0, (0.0, 0.0), "", RerankTrigger.RATING, "The rest does not change."),
    ],
)
def test_a_reranking_says_what_it_did_and_why(
    n_moved: int, lean: tuple[float, float], title: str, trigger: RerankTrigger, sentence: str
) -> None:
    assert rerank_sentence(n_moved=n_moved, lean=lean, title=title, trigger=trigger) == sentence


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


DOWN = ((-0.6, 0.6), (0.6, -0.6))


@pytest.mark.parametrize(
    ("found", "n_places", "note"),
    [
        (Reach(np.asarray(DOWN)), 12, ""),
        (Reach(np.asarray(DOWN)), 1, ""),
        (Reach(np.asarray(DOWN)), 3, "With 3 songs a step is 42 % of the pad; with 8 songs the steps would be small."),
        (
            Reach(np.asarray(DOWN), from_start=0.6),
            12,
            "No song is closer than 30 % of the pad to where you are (tense); this journey starts with the closest.",
        ),
        (
            Reach(np.asarray(DOWN), from_end=0.6),
            12,
            "No song is closer than 30 % of the pad to where you want to be (calm); this journey ends"
            " with the closest.",
        ),
        (
            Reach(np.asarray(DOWN), gap=0.7, hole=0.3, via=(-0.6, -0.6)),
            12,
            "On the direct route one step would be 35 % of the pad, because there are no songs in "
            "between; this journey takes a detour via sad, and its largest step is 8 % of the pad.",
        ),
        (
            Reach(np.asarray(DOWN), gap=0.4, hole=0.6, via=(-0.6, -0.6)),
            12,
            "No song is closer than 30 % of the pad to part of the direct route; this journey takes a"
            " detour via sad, and its largest step is 8 % of the pad.",
        ),
        (
            Reach(np.asarray(DOWN), gap=0.4, hole=0.6, via=(-0.6, 0.2)),
            12,
            "No song is closer than 30 % of the pad to part of the direct route; this journey takes a"
            " detour, and its largest step is 8 % of the pad.",
        ),
        (
            Reach(np.asarray(DOWN), gap=1.2, hole=0.6, from_end=0.8, stops=True),
            12,
            "No song is closer than 30 % of the pad to part of the direct route; this journey stops "
            "where small steps lead, 40 % of the pad short of its end.",
        ),
        (
            Reach(np.asarray(DOWN), gap=1.2, hole=0.6),
            12,
            "No song is closer than 30 % of the pad to part of the direct route; there is no way "
            "round it, so the largest step is 8 % of the pad.",
        ),
    ],
)
def test_a_journey_says_what_the_catalog_could_not_do(found: Reach, n_places: int, note: str) -> None:
    points = np.linspace(DOWN[0], DOWN[1], n_places)
    quality = path_quality(points, found.path)
    assert journey_note(found, quality, asked=DOWN, n_places=n_places) == note


def test_distances_are_given_as_parts_of_the_pad() -> None:
    assert share_of_pad(2.0) == "100 % of the pad"
    assert share_of_pad(0.5) == "25 % of the pad"
