"""Reasons in words: only what was at work, and never what was not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from emotion.quadrants import Quadrant
from recommender.explain import Evidence, Factor, direction, factors, list_note, reason, rerank_sentence

PLAIN = Evidence(quadrant=Quadrant.Q4, confidence=0.82, distance=0.4)

# A word that betrays each factor, so that a reason can be searched for claims nobody made.
MARKS = {
    Factor.OWN_RATING: "your own rating",
    Factor.SIMILAR_RATINGS: "similar song",
    Factor.ALL_RATINGS: "all your ratings",
    Factor.OWN_LIKE: "you liked it",
    Factor.OWN_DISLIKE: "did not take to it",
    Factor.SIMILAR_LIKES: "songs that you liked",
    Factor.RECENT: "played recently",
    Factor.KEPT_APART: "one artist apart",
}


@pytest.mark.parametrize(
    ("evidence", "expected", "sentence"),
    [
        (PLAIN, [], "Calm and positive, 82 % sure; close to your target."),
        (replace(PLAIN, distance=0.1), [], "Calm and positive, 82 % sure; very close to your target."),
        (replace(PLAIN, distance=0.8), [], "Calm and positive, 82 % sure; some way from your target."),
        (replace(PLAIN, distance=1.5), [], "Calm and positive, 82 % sure; far from your target."),
        (
            replace(PLAIN, confidence=0.38),
            [],
            "Perhaps calm and positive, only 38 % sure; close to your target.",
        ),
        (
            replace(PLAIN, shift=(0.05, -0.3), n_similar=3),
            [Factor.SIMILAR_RATINGS],
            "Calm and positive, 82 % sure; close to your target; your ratings of 3 similar songs moved it calmer.",
        ),
        (
            replace(PLAIN, shift=(0.3, 0.1), n_similar=1),
            [Factor.SIMILAR_RATINGS],
            "Calm and positive, 82 % sure; close to your target; your rating of a similar song moved it happier.",
        ),
        (
            replace(PLAIN, shift=(-0.3, 0.1), n_similar=2, by_own_rating=True),
            [Factor.OWN_RATING],
            "Calm and positive, 82 % sure; close to your target; your own rating moved it sadder.",
        ),
        (
            replace(PLAIN, shift=(0.0, 0.2)),
            [Factor.ALL_RATINGS],
            "Calm and positive, 82 % sure; close to your target; "
            "going by all your ratings, you feel it more energetic than it sounds.",
        ),
        (replace(PLAIN, shift=(0.05, 0.05), n_similar=4), [], "Calm and positive, 82 % sure; close to your target."),
        (replace(PLAIN, liking=0.2), [Factor.SIMILAR_LIKES], None),
        (replace(PLAIN, liking=-0.2), [], None),
        (replace(PLAIN, liking=0.02), [], None),
        (replace(PLAIN, liking=0.3, own_like=1.0), [Factor.OWN_LIKE], None),
        (replace(PLAIN, liking=-0.3, own_like=-1.0), [Factor.OWN_DISLIKE], None),
        (replace(PLAIN, recency=1.0), [Factor.RECENT], None),
        (replace(PLAIN, recency=0.1), [], None),
        (replace(PLAIN, kept_apart=True), [Factor.KEPT_APART], None),
    ],
)
def test_a_reason_claims_its_factors_and_no_other(
    evidence: Evidence, expected: list[Factor], sentence: str | None
) -> None:
    assert list(factors(evidence)) == [Factor.TAG, Factor.CLOSENESS, *expected]
    said = reason(evidence)
    assert {factor for factor, mark in MARKS.items() if mark in said} == set(expected)
    if sentence is not None:
        assert said == sentence


@pytest.mark.parametrize(
    ("shift", "word"),
    [((0.3, 0.1), "happier"), ((-0.3, 0.1), "sadder"), ((0.1, 0.3), "more energetic"), ((0.1, -0.3), "calmer")],
)
def test_a_direction_is_named_by_its_larger_part(shift: tuple[float, float], word: str) -> None:
    assert direction(shift) == word


@pytest.mark.parametrize(
    ("n_moved", "lean", "title", "sentence"),
    [
        (4, (0.0, -0.2), "X", "Your rating of “X” moved 4 songs: the rest now leans calmer."),
        (1, (0.2, 0.0), "X", "Your rating of “X” moved 1 song: the rest now leans happier."),
        (4, (0.0, 0.0), "X", "Your rating of “X” moved 4 songs: another order, the same mood."),
        (0, (0.0, 0.0), "X", "Your rating of “X” is kept; the rest of this list stays as it is."),
        (4, (0.0, 0.2), "", "4 songs moved: the rest now leans more energetic."),
        (0, (0.0, 0.0), "", "The rest stays as it is."),
    ],
)
def test_a_reranking_says_what_it_did(n_moved: int, lean: tuple[float, float], title: str, sentence: str) -> None:
    assert rerank_sentence(n_moved=n_moved, lean=lean, title=title) == sentence


@pytest.mark.parametrize(
    ("length", "n_tagged", "n_reachable", "filtered", "distances", "n_recent", "note"),
    [
        (12, 30, 20, False, [0.2] * 12, 0, ""),
        (12, 3, 3, False, [0.2] * 3, 0, "Only 3 songs are tagged so far, so this list has 3 instead of 12."),
        (12, 1, 1, False, [0.2], 0, "Only 1 song is tagged so far, so this list has 1 instead of 12."),
        (12, 2, 2, True, [0.2] * 2, 0, "Only 2 tagged songs match these filters, so this list has 2 instead of 12."),
        (12, 0, 0, False, [], 0, "No songs are tagged yet, so this list is empty."),
        (12, 0, 0, True, [], 0, "No tagged song matches these filters, so this list is empty."),
        (3, 9, 1, False, [0.2, 1.2, 1.4], 0, "2 of them are far from your target, for want of closer ones."),
        (3, 9, 5, False, [0.2, 0.3, 1.4], 0, "1 of them is far from your target."),
        (2, 9, 0, False, [1.2, 1.4], 0, "All of them are far from your target, for want of closer ones."),
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
def test_a_note_says_what_is_missing(
    length: int, n_tagged: int, n_reachable: int, filtered: bool, distances: list[float], n_recent: int, note: str
) -> None:
    said = list_note(
        length=length,
        n_tagged=n_tagged,
        n_reachable=n_reachable,
        filtered=filtered,
        distances=distances,
        n_recent=n_recent,
    )
    assert said == note
