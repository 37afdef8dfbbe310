"""What is made of folds: references, the gap, and finished folds that are not trained again."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from emotion.inference.checkpoint import load
from emotion.inference.quadrants import Quadrant
from emotion.zoo.efficientnet_b3 import EfficientNetB3, EfficientNetConfig
from emotion.zoo.frontends import MelConfig
from tests.networks import efficientnet
from tests.training.made_run import made_predictions
from training.data.splits import Fold, Folds, Protocol, Rows, SplitError
from training.datasets import Clip
from training.evaluation.metrics import accuracy_of, confusion_of
from training.fit.cross_validation import Study, cross_validate, gap, reference_lift
from training.fit.loop import ClipSet, FitConfig, Start, alone
from training.fit.run_folder import CHECKPOINT, RunFolder

pytestmark = pytest.mark.slow

MEL = MelConfig(window_s=6.0, image_size=32)
N = 24


def clips() -> list[Clip]:
    quadrants = list(Quadrant)
    return [
        Clip(
            id=f"{'ab'[i % 2]}/{i}",
            dataset="ab"[i % 2],
            song_id=str(i),
            artist=f"artist {i // 2}",
            audio=Path("none"),
            quadrant=quadrants[i // 2 % 4],
            valence=0.5 if i % 2 else None,
            arousal=-0.5 if i % 2 else None,
            genre="jazz" if i % 2 else "",
        )
        for i in range(N)
    ]


def two_folds(protocol: Protocol = Protocol.PAPER) -> Folds:
    ids = [clip.id for clip in clips()]
    halves = (ids[:8], ids[8:16])
    return Folds(protocol, tuple(Fold(tuple(halves[i]), tuple(halves[1 - i]), tuple(ids[16:])) for i in range(2)))


def make_network(seed: int, _: Rows) -> EfficientNetB3:
    torch.manual_seed(seed)
    return efficientnet(EfficientNetConfig("efficientnet-b0", image_size=32))


@pytest.fixture
def study() -> Study:
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 0.8, (N, 1, 32, 32)).astype(np.float16)
    targets = np.eye(4, dtype=np.float32)[[clip.quadrant.index for clip in clips() if clip.quadrant]]
    return Study(
        version="made",
        clips=clips(),
        data=ClipSet(images, targets),
        peaks=images.max(axis=(1, 2, 3)).astype(np.float32),
        loudness_db=np.arange(N, dtype=np.float32) - 30,
        begin=lambda seed, rows: Start(make_network(seed, rows)),
        config=FitConfig(epochs=1, batch_size=4, learning_rate=1e-3, bf16=False),
        front_end=MEL,
        seed=9,
        identity={"architecture": "made"},
    )


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", "seed = 9\n", {})


def test_each_fold_leaves_weights_and_predictions_of_its_test_clips(study: Study, run: RunFolder) -> None:
    said: list[str] = []
    results = cross_validate(study, two_folds(), run, alone("cpu"), said.append)
    assert [line.split(":")[0] for line in said] == ["paper fold 1 of 2", "paper fold 2 of 2"]
    assert not (run.path / CHECKPOINT).exists()
    assert [(line["protocol"], line["fold"]) for line in run.history()] == [("paper", 0), ("paper", 1)]
    for number, result in enumerate(results):
        found = result.predictions
        assert found.clip.tolist() == [clip.id for clip in clips()[16:]]
        assert set(found.fold.tolist()) == {number}
        assert found.truth.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
        assert np.allclose(found.probabilities.sum(axis=1), 1)
        assert np.isnan(found.valence_true[::2]).all()
        assert found.arousal_true[1] == -0.5
        assert found.genre.tolist() == ["", "jazz"] * 4
        assert found.loudness_db[0] == -14
        assert found.embedding.shape == (8, 64)
        network, card = load(result.weights)
        assert card.facts["validation_loss"] == result.validation_loss
        # The card's reference is what the lift did to the average training clip.
        rows = np.arange(8) + 8 * number
        assert study.peaks is not None
        assert isinstance(card.frontend, MelConfig)
        lift = reference_lift(study.clips, study.peaks, rows)[rows].mean()
        assert card.frontend.reference_db == pytest.approx(MEL.reference_db - MEL.range_db * lift, abs=0.01)
        assert network.config == make_network(0, two_folds().rows(study.clips)[0]).config


def test_a_finished_fold_is_read_and_not_trained_again(
    study: Study, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = cross_validate(study, two_folds(), run, alone("cpu"), lambda _: None)
    trained: list[int] = []

    def counted(seed: int, rows: Rows) -> Start:
        trained.append(seed)
        return Start(make_network(seed, rows))

    after = cross_validate(replace(study, begin=counted), two_folds(), run, alone("cpu"), lambda _: None)
    assert trained == []
    assert all(np.array_equal(a.predictions.logits, b.predictions.logits) for a, b in zip(before, after, strict=True))
    (run.path / "folds" / "paper-1.npz").unlink()
    again = cross_validate(replace(study, begin=counted), two_folds(), run, alone("cpu"), lambda _: None)
    assert trained == [10]
    assert np.array_equal(again[1].predictions.logits, before[1].predictions.logits)


def test_folds_of_other_clips_are_refused(study: Study, run: RunFolder) -> None:
    strangers = Folds(Protocol.PAPER, (Fold(("c/1",), ("c/2",), ("c/3",)),))
    with pytest.raises(SplitError, match="c/1"):
        cross_validate(study, strangers, run, alone("cpu"), lambda _: None)


def test_references_are_fitted_on_training_clips_of_each_dataset() -> None:
    given = clips()
    peaks = np.where([clip.dataset == "a" for clip in given], 0.5, 0.8).astype(np.float32)
    # The loudest clip of all is a test clip, and must have no influence.
    peaks[20] = 1.0
    lift = reference_lift(given, peaks, np.arange(16))
    assert lift[::2] == pytest.approx(np.full(12, 0.5))
    assert lift[1::2] == pytest.approx(np.full(12, 0.2))
    only_a: Sequence[int] = range(0, 16, 2)
    assert reference_lift(given, peaks, np.array(only_a))[1::2].tolist() == [0.0] * 12


def test_the_gap_is_what_knowing_the_artist_is_worth() -> None:
    grouped, leaky = (made_predictions((name,)) for name in ("artist_grouped", "stratified"))
    found = gap(leaky, grouped)
    accuracies = [float(accuracy_of(confusion_of(each))) for each in (leaky, grouped)]
    assert found["accuracy"]["difference"] == pytest.approx(accuracies[0] - accuracies[1], abs=1e-4)
    for figure in found.values():
        low, high = figure["interval"]
        assert low < figure["difference"] < high
    none = gap(grouped, grouped)
    assert none["macro_f1"]["difference"] == 0
    assert none["macro_f1"]["interval"][0] < 0 < none["macro_f1"]["interval"][1]
