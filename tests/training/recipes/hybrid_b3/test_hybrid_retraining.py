"""The shipped hybrid learns from local labels without any data set, or says why it does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pytest_django import Settings

from emotion.inference import checkpoint
from emotion.inference.predict import Prediction, Predictor
from emotion.inference.quadrants import Quadrant
from tests.audio_fixtures import make_audio
from tests.training.made_models import few_shipped_clips
from training.data.splits import Folds
from training.datasets import Clip
from training.evaluation.predictions import Predictions
from training.exceptions import RetrainRefusedError
from training.recipes.hybrid_b3 import retraining
from training.recipes.registry import RECIPES, RetrainJob
from training.registry.services import gate_check, model_import_run, shipped_register

pytestmark = pytest.mark.slow

Teller = Callable[[Quadrant], Quadrant]


@pytest.fixture(scope="module")
def estimated(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Quadrant]]:
    """Made recordings, and what the shipped model says of each."""
    folder = tmp_path_factory.mktemp("songs")
    paths = [make_audio(folder / f"{n}.wav", 26, channels=1, seed=n) for n in range(24)]
    predictor = Predictor.load(checkpoint.shipped_weights(), device="cpu")
    results = list(predictor.predict(paths))
    return [
        (path, result.quadrant) for path, result in zip(paths, results, strict=True) if isinstance(result, Prediction)
    ]


@pytest.fixture(scope="module")
def work_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the features of the recordings stay between refits, as they do in an installation."""
    return tmp_path_factory.mktemp("work")


def contradicting(said: Quadrant) -> Quadrant:
    return Quadrant((said.value + 1) % 4 + 1)


@pytest.fixture(scope="module")
def job(estimated: list[tuple[Path, Quadrant]], work_dir: Path) -> Callable[[Teller, Path], RetrainJob]:
    def make(tell: Teller, place: Path) -> RetrainJob:
        clips = [
            Clip(
                id=f"own/{path.stem}",
                dataset="own",
                song_id=path.stem,
                artist=path.stem,
                audio=path,
                quadrant=tell(said),
            )
            for path, said in estimated
        ]
        targets = {clip.id: [0.85 if quadrant is clip.quadrant else 0.05 for quadrant in Quadrant] for clip in clips}
        places = {"data_root": place / "none", "work_dir": work_dir, "run_dir": place / "run"}
        return RetrainJob("own-1", checkpoint.shipped_weights(), (), **places, local_clips=clips, local_targets=targets)  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="module")
def taught(
    job: Callable[[Teller, Path], RetrainJob], tmp_path_factory: pytest.TempPathFactory
) -> tuple[RetrainJob, list[str]]:
    """A refit with labels that all contradict the model, and what it logged."""
    lines: list[str] = []
    made = job(contradicting, tmp_path_factory.mktemp("taught"))
    RECIPES["refit"].run(made, lines.append)
    return made, lines


def test_labels_that_all_contradict_the_model_teach_it(taught: tuple[RetrainJob, list[str]]) -> None:
    made, lines = taught
    assert any("Without the labels" in line for line in lines)
    _, card = checkpoint.load(made.run_dir / "own-1.safetensors")
    shipped = checkpoint.read_card(checkpoint.shipped_weights())
    assert (card.version, card.reading, card.architecture) == ("own-1", shipped.reading, "hybrid_b3")
    assert card.facts["own"]["with_labels"]["log_loss"] < card.facts["own"]["without_labels"]["log_loss"]
    said = Predictions.load(made.run_dir / "predictions.npz")
    live = Predictions.load(checkpoint.shipped_weights().with_suffix(".predictions.npz"))
    assert said.clip.tolist() == live.clip.tolist()
    [fold] = Folds.load(made.run_dir / "splits.json").folds
    assert {clip.id for clip in made.local_clips} <= set(fold.train)
    assert not {clip.id for clip in made.local_clips} & set(said.clip)
    # What was learned serves.
    predictor = Predictor.load(made.run_dir / "own-1.safetensors", device="cpu")
    results = list(predictor.predict([clip.audio for clip in made.local_clips]))
    right = [
        isinstance(result, Prediction) and result.quadrant is clip.quadrant
        for result, clip in zip(results, made.local_clips, strict=True)
    ]
    assert np.mean(right) > 0.8


def test_labels_that_change_nothing_are_refused_with_the_figures(
    job: Callable[[Teller, Path], RetrainJob], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retraining, "OWN_WEIGHT", 1e-9)
    with pytest.raises(RetrainRefusedError, match=r"labels do not help yet\. .* log loss is \d\.\d+ with them and \d"):
        RECIPES["refit"].run(job(contradicting, tmp_path), lambda _: None)
    assert not (tmp_path / "run").exists()


def test_labels_drawn_at_random_and_the_models_own_tags_teach_nothing(
    job: Callable[[Teller, Path], RetrainJob], tmp_path: Path
) -> None:
    draws = np.random.default_rng(1)
    tellers: list[Teller] = [lambda said: Quadrant(int(draws.integers(4)) + 1), lambda said: said]
    for tell in tellers:
        with pytest.raises(RetrainRefusedError, match="labels do not help yet"):
            RECIPES["refit"].run(job(tell, tmp_path), lambda _: None)


@pytest.mark.django_db
def test_the_run_is_a_model_of_the_registry_and_the_gate_judges_it(
    taught: tuple[RetrainJob, list[str]], tmp_path: Path, settings: Settings
) -> None:
    model = model_import_run(folder=taught[0].run_dir, retrained=True).model
    assert model.report["n"] == 720
    assert model.card["facts"]["datasets"]["own"]["clips"] == 24
    settings.MOODPLANE_HELD_OUT = few_shipped_clips(tmp_path, per_source=10)
    shipped_register()
    checked = gate_check(version="own-1").gate
    verdicts = {verdict["code"]: verdict for verdict in checked["verdicts"]}
    assert verdicts["serves"]["passed"]
    # Its training names no held-out clip, and its networks read the stored spectra.
    assert verdicts["comparable"]["passed"], verdicts
    assert checked["comparison"]["overall"]["n"] == 40


def test_other_models_and_features_are_refused(job: Callable[[Teller, Path], RetrainJob], tmp_path: Path) -> None:
    made = job(lambda said: said, tmp_path)
    fast = replace(made, live_weights=checkpoint.SHIPPED_DIR / "b3-fast.safetensors")
    with pytest.raises(RetrainRefusedError, match="is a efficientnet_b3, not a hybrid"):
        retraining.refit(fast, lambda _: None)
    other = retraining.PublicFeatures.load(retraining.FEATURES)
    replace(other, components_sha256=np.array("0" * 64)).save(tmp_path / "other.npz")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retraining, "FEATURES", tmp_path / "other.npz")
        with pytest.raises(RetrainRefusedError, match="not those of the live model's networks"):
            retraining.refit(made, lambda _: None)
        patch.setattr(retraining, "FEATURES", tmp_path / "none.npz")
        with pytest.raises(RetrainRefusedError, match="cannot be read"):
            retraining.refit(made, lambda _: None)


def test_the_features_that_ship_are_those_of_the_shipped_model() -> None:
    public = retraining.PublicFeatures.load(retraining.FEATURES)
    facts = json.loads(checkpoint.card_path(checkpoint.shipped_weights()).read_text())["facts"]
    assert {part: int(np.sum(public.part == part)) for part in facts["split"]["sizes"]} == facts["split"]["sizes"]
    assert retraining.FEATURES.stat().st_size < 25e6
    assert np.isfinite(public.reduced).all()
