import numpy as np
import pytest

from emotion.inference.quadrants import Quadrant, place_words, valence_arousal_from_probabilities


@pytest.mark.parametrize(
    ("valence", "arousal", "expected"),
    [(0.5, 0.5, Quadrant.Q1), (-0.5, 0.5, Quadrant.Q2), (-0.5, -0.5, Quadrant.Q3), (0.5, -0.5, Quadrant.Q4)],
)
def test_a_point_is_in_the_quadrant_of_its_signs(valence: float, arousal: float, expected: Quadrant) -> None:
    assert Quadrant.from_valence_arousal(valence, arousal) is expected


def test_the_midpoint_counts_as_low() -> None:
    assert Quadrant.from_valence_arousal(0.0, 0.0) is Quadrant.Q3


@pytest.mark.parametrize("quadrant", list(Quadrant))
def test_certainty_projects_onto_the_corner(quadrant: Quadrant) -> None:
    certain = np.eye(4)[quadrant.index]
    valence, arousal = valence_arousal_from_probabilities(certain)
    assert (float(valence), float(arousal)) == quadrant.corner
    assert Quadrant.from_valence_arousal(*quadrant.target) is quadrant


def test_batches_project_row_by_row_and_stay_on_the_plane() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(4), size=100)
    valence, arousal = valence_arousal_from_probabilities(probabilities)
    assert valence.shape == arousal.shape == (100,)
    assert np.all(np.abs(valence) + np.abs(arousal) <= 2)
    assert np.abs([valence, arousal]).max() <= 1


def test_signs_are_those_of_the_literature() -> None:
    assert [quadrant.sign for quadrant in Quadrant] == ["A+V+", "A+V-", "A-V-", "A-V+"]


@pytest.mark.parametrize(
    ("point", "words"),
    [
        ((0.6, 0.6), "bright and lively"),
        ((-0.9, 0.16), "dark and driving"),
        ((-0.9, 0.14), "dark"),
        ((-0.5, -0.6), "sad and quiet"),
        ((0.6, -0.4), "warm and calm"),
        ((0.0, -1.0), "quiet"),
        ((0.39, 0.2), "slightly bright and lively"),
        ((0.0, 0.0), "balanced"),
        ((-0.1, 0.14), "balanced"),
    ],
)
def test_a_point_is_described_without_numbers(point: tuple[float, float], words: str) -> None:
    assert place_words(*point) == words


def test_the_words_of_a_point_agree_with_its_quadrant() -> None:
    for quadrant in Quadrant:
        assert place_words(*quadrant.target) == place_words(*quadrant.corner)
    assert len({place_words(*quadrant.target) for quadrant in Quadrant}) == 4
