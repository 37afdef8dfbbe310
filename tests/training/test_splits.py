from pathlib import Path

import numpy as np

from emotion.quadrants import Quadrant
from training.datasets import Clip
from training.splits import artist_grouped_split


def clips(n: int = 400) -> list[Clip]:
    rng = np.random.default_rng(0)
    return [
        Clip(
            f"a/{i}", "a" if i % 2 else "b", str(i), f"artist {rng.integers(0, n // 3)}", Path("x"), Quadrant(i % 4 + 1)
        )
        for i in range(n)
    ]


def test_no_artist_is_in_two_parts_and_nothing_is_lost() -> None:
    made = clips()
    split = artist_grouped_split(made, seed=1)
    parts = [{made[i].artist for i in part} for part in (split.train, split.validation, split.test)]
    assert not (parts[0] & parts[1])
    assert not (parts[0] & parts[2])
    assert not (parts[1] & parts[2])
    assert sorted(split.train + split.validation + split.test) == list(range(len(made)))
    assert 0.15 < len(split.test) / len(made) < 0.25


def test_a_published_split_is_kept() -> None:
    made = clips() + [
        Clip(f"e/{i}", "e", str(i), f"song {i}", Path("x"), Quadrant.Q1, split="val" if i < 20 else "train")
        for i in range(60)
    ]
    split = artist_grouped_split(made, seed=1)
    assert {i for i in split.test if made[i].dataset == "e"} == set(range(400, 420))


def test_the_fingerprint_names_the_exact_ids() -> None:
    made = clips()
    one, same, other = (artist_grouped_split(made, seed=seed).fingerprint(made) for seed in (1, 1, 2))
    assert one == same != other
