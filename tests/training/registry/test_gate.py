"""The gate on real weights: it finds out what a model does, whatever lies beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from emotion.inference import checkpoint
from emotion.inference.checkpoint import SHIPPED_DIR
from emotion.inference.estimate import Axis, Reading
from emotion.inference.predict import Predictor
from emotion.zoo.efficientnet_b3 import EfficientNetB3
from emotion.zoo.frontends import MelConfig
from tests.networks import load_efficientnet
from tests.training.made_models import few_shipped_clips
from training.data.splits import Folds
from training.evaluation import held_out
from training.evaluation.held_out import PER_SOURCE, HeldOut
from training.evaluation.predictions import Predictions
from training.registry import gate

pytestmark = pytest.mark.slow

FAST = SHIPPED_DIR / "b3-fast.safetensors"
SHIPPED_CLIPS = SHIPPED_DIR / "held-out.npz"

Change = Callable[[EfficientNetB3, checkpoint.Card], checkpoint.Card]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return few_shipped_clips(tmp_path_factory.mktemp("clips"), per_source=20)


@pytest.fixture(scope="module")
def fewest_clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As few as the gate compares on: what these models do shows on them already."""
    return few_shipped_clips(tmp_path_factory.mktemp("fewest"), per_source=gate.MIN_CLIPS // 4)


@pytest.fixture(scope="module", autouse=True)
def _one_live_model() -> Iterator[None]:
    """Load the live model once and ask it once about the same clips, as it is the same for every model judged here."""
    load, ask = Predictor.load, held_out.said_of_spectra
    live = cache(lambda: load(FAST, engine="auto", device="cpu"))
    said: dict[tuple[str, ...], Predictions] = {}

    def load_once(weights: Path, **options: str) -> Predictor:
        return live() if weights == FAST else load(weights, **options)  # type: ignore[arg-type]

    def ask_once(predictor: Predictor, clips: HeldOut) -> Predictions:
        if predictor is not live():
            return ask(predictor, clips)
        asked = tuple(clips.clip.tolist())
        if asked not in said:
            said[asked] = ask(predictor, clips)
        return said[asked]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Predictor, "load", load_once)
        patch.setattr(held_out, "said_of_spectra", ask_once)
        yield


def judged(weights: Path, clips: Path) -> dict[str, gate.Verdict]:
    """Return the verdicts against b3-fast on a machine without data sets."""
    verdicts, _ = gate.judge(
        weights,
        live=FAST,
        live_version="b3-fast",
        held_out=clips,
        data_root=clips.parent / "none",
        work_dir=clips.parent / "work",
        engine="auto",
        device="cpu",
    )
    return {verdict.code: verdict for verdict in verdicts}


def failed(verdicts: dict[str, gate.Verdict]) -> set[str]:
    return {code for code, verdict in verdicts.items() if not verdict.passed}


def random_head(network: EfficientNetB3, card: checkpoint.Card) -> checkpoint.Card:
    torch.manual_seed(1)
    for layer in (network.classifier, network.regressor):
        for parameter in layer.parameters():  # type: ignore[union-attr]
            torch.nn.init.normal_(parameter, std=0.3)
    return card


def swapped_quadrants(network: EfficientNetB3, card: checkpoint.Card) -> checkpoint.Card:
    for parameter in network.classifier.parameters():
        parameter.copy_(parameter[[1, 0, 3, 2]])
    return card


def other_spectrogram(network: EfficientNetB3, card: checkpoint.Card) -> checkpoint.Card:
    assert isinstance(card.frontend, MelConfig)
    return replace(card, frontend=replace(card.frontend, f_max_hz=11_025.0))


def too_sharp_a_temperature(network: EfficientNetB3, card: checkpoint.Card) -> checkpoint.Card:
    return replace(card, temperature=card.temperature / 3)


def too_sharp_a_reading(network: EfficientNetB3, card: checkpoint.Card) -> checkpoint.Card:
    def tripled(axis: Axis) -> Axis:
        return replace(axis, margin=3 * axis.margin, regression=3 * axis.regression)

    return replace(card, reading=Reading(tripled(card.reading.valence), tripled(card.reading.arousal)))


def points_that_are_all_alike(network: EfficientNetB3, card: checkpoint.Card) -> checkpoint.Card:
    axes = (replace(card.reading.valence, reach=1e6), card.reading.arousal)
    return replace(card, reading=Reading(*axes))


@pytest.mark.parametrize(
    ("change", "criterion", "sentence"),
    [
        (random_head, "not_worse", "Worse beyond chance on"),
        (swapped_quadrants, "not_worse", "Worse beyond chance on"),
        (other_spectrogram, "comparable", "It reads another input (128x516 log-mel image of 24 s"),
        (points_that_are_all_alike, "comparable", "It gives nearly the same point to clips"),
        (too_sharp_a_temperature, "calibrated", "Its log loss is"),
        (too_sharp_a_reading, "calibrated", "Its log loss is"),
    ],
)
def test_a_model_that_is_not_what_its_folder_says_is_refused(
    change: Change, criterion: str, sentence: str, fewest_clips: Path, tmp_path: Path
) -> None:
    network, card = load_efficientnet(FAST)
    weights = tmp_path / "forged.safetensors"
    with torch.no_grad():
        card = change(network, card)
    # Card and hash are honest, and the predictions claim perfection.
    checkpoint.save(network, replace(card, version="forged"), weights)
    said = Predictions.load(FAST.with_suffix(".predictions.npz"))
    perfect = np.eye(4, dtype=np.float32)[said.truth] * 0.96 + 0.01
    replace(said, probabilities=perfect).save(weights.with_suffix(".predictions.npz"))
    verdicts = judged(weights, fewest_clips)
    assert verdicts["serves"].passed, verdicts["serves"].sentence
    assert criterion in failed(verdicts)
    assert verdicts[criterion].sentence.startswith(sentence)


def test_the_bundled_hybrid_passes_against_the_fast_model(clips: Path) -> None:
    verdicts = judged(checkpoint.shipped_weights(), clips)
    assert failed(verdicts) == set(), verdicts
    assert verdicts["comparable"].sentence == (
        "Both were run on the same 80 held-out clips of deam, emomusic, emopia, emotify."
    )


def test_the_clips_that_ship_are_even_and_of_the_test_of_both_models() -> None:
    clips = HeldOut.load(SHIPPED_CLIPS)
    assert SHIPPED_CLIPS.stat().st_size < 20e6
    sources, counts = np.unique(clips.dataset, return_counts=True)
    assert (len(sources), {*counts.tolist()}) == (4, {PER_SOURCE})
    for source in sources:
        quadrants = np.bincount(clips.quadrant[clips.dataset == source], minlength=4)
        assert {*quadrants.tolist()} == {PER_SOURCE // 4}
        assert len(np.unique(clips.artist[clips.dataset == source])) > 0.7 * PER_SOURCE
    for weights in (checkpoint.shipped_weights(), FAST):
        assert clips.fits(checkpoint.read_card(weights).frontend)
        [fold] = Folds.load(weights.with_suffix(".splits.json")).folds
        assert {*clips.clip.tolist()} <= {*fold.test}
