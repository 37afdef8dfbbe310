from pathlib import Path

import numpy as np
import pytest

from emotion.quadrants import Quadrant
from training.datasets import Clip
from training.flagship import read_config, sampling_weights, soft_targets


def clip(dataset: str, quadrant: Quadrant, valence: float | None = None, arousal: float | None = None) -> Clip:
    return Clip("id", dataset, "song", "artist", Path("x"), quadrant, valence, arousal)


def test_the_shipped_configuration_reads() -> None:
    config = read_config(Path(__file__).resolve().parents[2] / "training" / "configs" / "first-continued.toml")
    assert config.loop.stages[-1].image_size == 300
    assert set(config.datasets) == {"4qaed", "emomusic", "deam", "emotify", "emopia"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("version = 'x'", "is not a training configuration"),
        ("datasets = []\n[loop]\nstages = []\nspeed = 3", "is not a training configuration"),
        (
            "version='x'\ndatasets=['nothing']\nseed=1\nrating_spread=0.3\ncell_power=0.5\n[loop]\nstages=[]",
            r"unknown datasets \['nothing'\]",
        ),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(ValueError, match=sentence):
        read_config(tmp_path / "bad.toml")


def test_targets_are_hard_for_quadrants_and_soft_for_ratings() -> None:
    targets = soft_targets([clip("4qaed", Quadrant.Q3), clip("deam", Quadrant.Q1, 0.1, 0.6)], 0.3)
    assert targets[0].tolist() == [0, 0, 1, 0]
    assert targets[1].argmax() == Quadrant.Q1.index
    assert targets[1, Quadrant.Q2.index] > 0.3


def test_power_zero_gives_every_cell_the_same_weight() -> None:
    clips = [clip("a", Quadrant.Q1)] * 9 + [clip("b", Quadrant.Q2)]
    weights = sampling_weights(clips, 0.0)
    assert weights.sum() == pytest.approx(1)
    assert np.sum(weights[:9]) == pytest.approx(weights[9])
    assert np.allclose(sampling_weights(clips, 1.0), 0.1)
