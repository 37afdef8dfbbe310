import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from emotion.inference.quadrants import Quadrant
from emotion.zoo.efficientnet_b3 import EfficientNetConfig
from tests.networks import efficientnet
from training.data.splits import Fold, Protocol, artist_grouped_folds, linked_groups
from training.datasets import Clip
from training.evaluation.predictions import Predictions
from training.recipes.distilled_b3.features import ClipFeatures, config_of, quadrant_targets, sampling_weights
from training.recipes.distilled_b3.head import HeadConfig
from training.recipes.distilled_b3.mixtures import Spectra
from training.recipes.distilled_b3.recipe import deal, judge_fold, judge_protocols, with_local_labels

pytestmark = pytest.mark.slow

RECIPES = Path(__file__).resolve().parents[4] / "training" / "recipes"
SHIPPED = config_of(tomllib.loads((RECIPES / "distilled_b3.toml").read_text()), "distilled_b3.toml")


def clip(i: int, dataset: str, quadrant: Quadrant, artist: str, point: tuple[float, float] | None = None) -> Clip:
    valence, arousal = point or (None, None)
    return Clip(f"{dataset}/{i}", dataset, str(i), artist, Path("x"), quadrant, valence, arousal)


@pytest.fixture
def features() -> ClipFeatures:
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
    return ClipFeatures(
        clips, [silence] * 160, [[]] * 160, teacher, quadrant_targets(clips, 0.3), truth, points, np.arange(160)
    )


def test_every_clip_is_tested_once_and_no_part_shares_what_it_must_not(features: ClipFeatures) -> None:
    # A clip of one source is the same recording as one of the other, under another artist.
    features.duplicates[[5, 90]] = 5
    dealt = deal(features, replace(SHIPPED, folds=4, seed=1))
    assert {folds.protocol: len(folds.folds) for folds in dealt} == {
        Protocol.HELD_OUT: 1,
        Protocol.ARTIST_GROUPED: 4,
        Protocol.STRATIFIED: 4,
        Protocol.LEAVE_ONE_SOURCE_OUT: 2,
    }
    assert features.groups[5] == features.groups[90]
    for folds in dealt:
        kept_apart = features.duplicates if folds.protocol is Protocol.STRATIFIED else features.groups
        rows = folds.rows(features.clips)
        if folds.protocol is not Protocol.HELD_OUT:
            assert sorted(np.concatenate([fold.test for fold in rows])) == list(range(160))
        for fold in rows:
            train, validation, test = (set(kept_apart[part]) for part in fold)
            assert not train & validation
            assert not (train | validation) & test
            if folds.protocol is Protocol.LEAVE_ONE_SOURCE_OUT:
                assert len(set(features.sources[fold.test])) == 1


def test_with_one_source_none_is_left_out(features: ClipFeatures) -> None:
    one = replace(features, clips=features.clips[:80], duplicates=features.duplicates[:80])
    dealt = deal(one, replace(SHIPPED, folds=4, seed=1))
    assert Protocol.LEAVE_ONE_SOURCE_OUT not in {folds.protocol for folds in dealt}


def test_student_and_teacher_are_judged_on_the_same_rows(features: ClipFeatures) -> None:
    network = efficientnet(EfficientNetConfig("efficientnet-b0", image_size=32, regresses=True))
    vectors = torch.randn(160, 1280) + torch.randn(4, 1280)[torch.from_numpy(features.truth)]
    head = HeadConfig(epochs=60, batch_size=32, learning_rate=2e-3, mixup_alpha=0.0)
    config = replace(SHIPPED, folds=2, head=head)
    pooled = vectors, torch.zeros(160, 0, 1280)
    lines: list[str] = []
    grouped = artist_grouped_folds(features.clips, seed=config.seed, n_folds=config.folds)
    judged = judge_protocols(network, features, pooled, config, dealt=[grouped], log=lines.append)
    said, taught = (Predictions.concatenate([getattr(each, who) for each in judged]) for who in ("student", "teacher"))
    assert len(lines) == 2
    assert all(each.head_weights == {} for each in judged)
    assert len(said) == len(taught) == 160
    assert np.array_equal(said.clip, taught.clip)
    assert np.mean(said.probabilities.argmax(axis=1) == said.truth) > 0.8
    assert np.allclose(said.probabilities.sum(axis=1), 1, atol=1e-5)
    for row in range(160):
        named = Quadrant(int(said.probabilities[row].argmax()) + 1)
        assert Quadrant.from_valence_arousal(said.valence[row], said.arousal[row]) is named
    assert np.isnan(said.valence_true[said.dataset == "4qaed"]).all()


def test_a_head_that_is_kept_is_put_back_on_its_backbone(features: ClipFeatures) -> None:
    network = efficientnet(EfficientNetConfig("efficientnet-b0", image_size=32, regresses=True))
    pooled = torch.randn(160, 1280), torch.zeros(160, 0, 1280)
    config = replace(SHIPPED, head=HeadConfig(epochs=2, batch_size=32))
    folds = artist_grouped_folds(features.clips, seed=1, n_folds=2)
    first, second = judge_fold(network, features, pooled, folds, 0, config, seeds=(1, 2), keeps_weights=True)
    of_head = {name for name in network.state_dict() if not name.startswith("backbone.")}
    assert first.head_weights.keys() == second.head_weights.keys() == of_head
    assert {name.partition(".")[0] for name in of_head} == {"head", "classifier", "regressor"}
    tested = pooled[0][torch.from_numpy(folds.rows(features.clips)[0].test)]
    for judged in (first, second):
        network.load_state_dict({**network.state_dict(), **judged.head_weights})
        with torch.inference_mode():
            logits = network.eval().judge(tested)[0].numpy()
        assert np.array_equal(logits, judged.student.logits)


def test_targets_are_hard_for_quadrants_and_soft_for_ratings() -> None:
    clips = [clip(0, "4qaed", Quadrant.Q3, "a"), clip(1, "deam", Quadrant.Q1, "a", (0.1, 0.6))]
    targets = quadrant_targets(clips, 0.3)
    assert targets[0].tolist() == [0, 0, 1, 0]
    assert targets[1].argmax() == Quadrant.Q1.index
    assert targets[1, Quadrant.Q2.index] > 0.3


def test_power_zero_gives_every_cell_the_same_weight() -> None:
    clips = [clip(i, "a", Quadrant.Q1, "x") for i in range(9)] + [clip(9, "b", Quadrant.Q2, "x")]
    weights = sampling_weights(clips, 0.0)
    assert weights.sum() == pytest.approx(1)
    assert np.sum(weights[:9]) == pytest.approx(weights[9])
    assert np.allclose(sampling_weights(clips, 1.0), 0.1)


def test_own_clips_join_the_part_of_their_group_and_never_two() -> None:
    public = [clip(i, "4qaed", Quadrant.Q1, f"artist {i}") for i in range(10)]
    names = [each.id for each in public]
    held_out = Fold(tuple(names[:6]), tuple(names[6:8]), tuple(names[8:]))
    own = [clip(i, "own", Quadrant.Q2, "artist 8") for i in range(2)]
    own += [clip(i, "own", Quadrant.Q3, f"local {i // 4}") for i in range(2, 202)]
    # The last is the recording of a test clip, under another artist; the first of the public ones is one too.
    everything = [*public, *own, clip(202, "own", Quadrant.Q3, "nobody")]
    duplicates = np.arange(len(everything))
    duplicates[[0, 8, 212]] = 8
    groups = linked_groups(everything, duplicates)
    ids = {each.id for each in everything if each.dataset == "own"}
    [joined] = with_local_labels(held_out, everything, groups, local=ids, seed=1).folds
    parts = (joined.train, joined.validation, joined.test)
    assert sorted([i for part in parts for i in part]) == sorted(each.id for each in everything[1:])
    assert {"own/0", "own/1", "own/202", *names[8:]} <= set(joined.test)
    group_of = {each.id: group for each, group in zip(everything, groups.tolist(), strict=True)}
    train, validation, test = ({group_of[i] for i in part} for part in parts)
    assert not train & validation
    assert not train & test
    assert not validation & test
    assert 90 < len(joined.train) < 190
