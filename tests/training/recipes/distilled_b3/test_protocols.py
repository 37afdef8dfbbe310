from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from emotion.inference.quadrants import Quadrant
from emotion.zoo.efficientnet_b3 import EfficientNetConfig
from emotion.zoo.registry import create_model
from training.data.splits import Split
from training.datasets import Clip
from training.recipes.distilled_b3.config import read_config
from training.recipes.distilled_b3.features import Material, sampling_weights, soft_targets
from training.recipes.distilled_b3.head import HeadConfig
from training.recipes.distilled_b3.protocols import folds_of, judge_protocols
from training.recipes.distilled_b3.retraining import with_own
from training.recipes.distilled_b3.spectra import Spectra

SHIPPED = Path(__file__).resolve().parents[4] / "training" / "recipes" / "distilled_b3.toml"


def clip(i: int, dataset: str, quadrant: Quadrant, artist: str, point: tuple[float, float] | None = None) -> Clip:
    valence, arousal = point or (None, None)
    return Clip(f"{dataset}/{i}", dataset, str(i), artist, Path("x"), quadrant, valence, arousal)


@pytest.fixture
def material() -> Material:
    clips = []
    for i in range(160):
        quadrant = Quadrant(i % 4 + 1)
        valence, arousal = quadrant.target
        dataset = "4qaed" if i < 80 else "deam"
        # One artist is in both sources.
        artist = "everywhere" if i % 40 == 3 else f"{dataset} artist {i // 4}"
        clips.append(clip(i, dataset, quadrant, artist, None if dataset == "4qaed" else (valence, arousal)))
    rng = np.random.default_rng(0)
    truth = np.array([c.quadrant.index for c in clips if c.quadrant])
    teacher = (np.eye(4)[truth] * 2 + rng.normal(size=(160, 4))).astype(np.float32)
    points = np.array([(np.nan, np.nan) if c.valence is None else (c.valence, c.arousal) for c in clips], np.float32)
    silence = Spectra(np.zeros((1, 1), np.float16), np.zeros((1, 1), np.float16), -20.0)
    return Material(clips, [silence] * 160, [[]] * 160, teacher, soft_targets(clips, 0.3), truth, points)


@pytest.mark.parametrize(
    ("protocol", "n_folds"), [("artist_grouped", 4), ("stratified", 4), ("leave_one_source_out", 2)]
)
def test_every_clip_is_tested_once_and_no_part_shares_an_artist_that_must_not(
    material: Material, protocol: str, n_folds: int
) -> None:
    folds = folds_of(material, protocol, n=4, seed=1)
    assert len(folds) == n_folds
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(160))
    for fold in folds:
        train, validation, test = (set(material.artists[part]) for part in (fold.train, fold.validation, fold.test))
        assert not train & validation
        if protocol != "stratified":
            assert not (train | validation) & test
        if protocol == "leave_one_source_out":
            assert len(set(material.sources[fold.test])) == 1


def test_an_unknown_protocol_is_named(material: Material) -> None:
    with pytest.raises(ValueError, match="no protocol 'bootstrap'"):
        folds_of(material, "bootstrap", n=2, seed=0)


def test_student_and_teacher_are_judged_on_the_same_rows(material: Material) -> None:
    network = create_model("efficientnet_b3", EfficientNetConfig("efficientnet-b0", image_size=32, regresses=True))
    features = torch.randn(160, 1280) + torch.randn(4, 1280)[torch.from_numpy(material.truth)]
    head = HeadConfig(epochs=60, batch_size=32, learning_rate=2e-3, mixup_alpha=0.0)
    config = replace(read_config(SHIPPED), folds=2, head=head)
    heard = features, torch.zeros(160, 0, 1280)
    lines: list[str] = []
    said, taught = judge_protocols(network, material, heard, config, protocols=("artist_grouped",), say=lines.append)
    assert len(lines) == 2
    assert len(said) == len(taught) == 160
    assert np.array_equal(said.clip, taught.clip)
    assert np.mean(said.probabilities.argmax(axis=1) == said.truth) > 0.8
    assert np.allclose(said.probabilities.sum(axis=1), 1, atol=1e-5)
    for row in range(160):
        named = Quadrant(int(said.probabilities[row].argmax()) + 1)
        assert Quadrant.from_valence_arousal(said.valence[row], said.arousal[row]) is named
    assert np.isnan(said.valence_true[said.dataset == "4qaed"]).all()


def test_targets_are_hard_for_quadrants_and_soft_for_ratings() -> None:
    clips = [clip(0, "4qaed", Quadrant.Q3, "a"), clip(1, "deam", Quadrant.Q1, "a", (0.1, 0.6))]
    targets = soft_targets(clips, 0.3)
    assert targets[0].tolist() == [0, 0, 1, 0]
    assert targets[1].argmax() == Quadrant.Q1.index
    assert targets[1, Quadrant.Q2.index] > 0.3


def test_power_zero_gives_every_cell_the_same_weight() -> None:
    clips = [clip(i, "a", Quadrant.Q1, "x") for i in range(9)] + [clip(9, "b", Quadrant.Q2, "x")]
    weights = sampling_weights(clips, 0.0)
    assert weights.sum() == pytest.approx(1)
    assert np.sum(weights[:9]) == pytest.approx(weights[9])
    assert np.allclose(sampling_weights(clips, 1.0), 0.1)


def test_own_clips_join_the_part_of_their_artist_and_never_two() -> None:
    public = [clip(i, "4qaed", Quadrant.Q1, f"artist {i}") for i in range(10)]
    split = Split(tuple(range(6)), (6, 7), (8, 9))
    own = [clip(i, "own", Quadrant.Q2, "artist 8") for i in range(2)]
    own += [clip(i, "own", Quadrant.Q3, f"local {i // 4}") for i in range(2, 202)]
    joined = with_own(split, public, own, seed=1)
    everything = [*public, *own]
    assert sorted([*joined.train, *joined.validation, *joined.test]) == list(range(212))
    assert {10, 11} <= set(joined.test)
    parts = [{everything[i].artist for i in part} for part in (joined.train, joined.validation, joined.test)]
    assert not parts[0] & parts[1]
    assert not parts[0] & parts[2]
    assert not parts[1] & parts[2]
    assert 90 < len(joined.train) < 190
