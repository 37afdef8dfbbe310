"""The same song weeks later: what of an answer comes again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.training.miniatures import write
from training.datasets.base import DatasetError
from training.listener_study.situnes import retest_reliability, retest_table


def _made(root: Path, *, same: bool = True, n_songs: int = 30) -> Path:
    """Write six listeners who rate each song in both stages, alike if `same`; what they feel differs each time."""
    rng = np.random.default_rng(8)
    first, second = [], []
    for who in range(6):
        for song in range(n_songs):
            rating = int(rng.integers(1, 6))
            later = rating if same else int(rng.integers(1, 6))
            felt = rng.uniform(-1, 1, 4).round(3)
            first.append(f"{who},{song},{rating},{felt[0]},{felt[1]}")
            second.append(f"{who},{song}.0,{later},{felt[2]},{felt[3]}")
    write(root / "Stage1" / "interactions.csv", "user_id,item_id,rating,emo_valence,emo_arousal", *first)
    write(root / "Stage2" / "interactions.csv", "user_id,item_id,rating,emo_post_valence,emo_post_arousal", *second)
    return root


def test_ratings_alike_both_times_correlate_and_others_do_not(tmp_path: Path) -> None:
    found = retest_reliability(_made(tmp_path))

    n_pairs, (value, low, high) = found["rating"]
    assert n_pairs == 180
    assert (value, low, high) == pytest.approx((1.0, 1.0, 1.0))
    _, (value, low, high) = found["felt valence"]
    assert low < value < high
    assert abs(value) < 0.2
    assert "| rating | 180 | 1.00 (1.00 to 1.00) |" in retest_table(found)


def test_independent_ratings_do_not_correlate(tmp_path: Path) -> None:
    _, (value, low, high) = retest_reliability(_made(tmp_path, same=False))["rating"]

    assert low < 0.0 < high
    assert abs(value) < 0.2


def test_stages_without_a_song_in_common_are_refused(tmp_path: Path) -> None:
    folder = _made(tmp_path, n_songs=3)
    write(
        folder / "Stage2" / "interactions.csv", "user_id,item_id,rating,emo_post_valence,emo_post_arousal", "9,9,3,0,0"
    )

    with pytest.raises(DatasetError, match="hardly a song"):
        retest_reliability(folder)


def test_a_cell_that_is_no_answer_is_named(tmp_path: Path) -> None:
    folder = _made(tmp_path, n_songs=3)
    with (folder / "Stage1" / "interactions.csv").open("a") as file:
        file.write("1,9,7,0,0\n")

    with pytest.raises(DatasetError, match="rating is '7'"):
        retest_reliability(folder)


@pytest.mark.needs_data
def test_a_real_rating_comes_again_and_a_real_feeling_does_not(mer_data: Path) -> None:
    found = retest_reliability(mer_data / "situnes")

    assert found["rating"][0] == 163
    assert found["rating"][1][0] == pytest.approx(0.48, abs=0.01)
    assert abs(found["felt valence"][1][0]) < 0.1
