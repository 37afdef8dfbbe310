"""Nothing goes live past the gate without a reason, and the way back is one command."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from pytest_django import Settings

from emotion.exceptions import CheckpointError
from emotion.models import EmotionEstimate, ModelVersion, Reanalysis
from emotion.selectors import live_model
from emotion.services import analysis
from tests.factories import EstimateFactory
from tests.together import together
from tests.training.made_models import held_out, made_run_folder, made_weights, stored_clips, worse
from training.data.splits import Fold, Folds, Protocol
from training.evaluation.predictions import Predictions
from training.exceptions import ModelFileError, PromotionRefusedError, RollbackImpossibleError
from training.models import ModelEvent
from training.registry import services
from training.registry.gate import CRITERIA

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[3]


def candidate(
    tmp_path: Path, version: str, says: Predictions | None = None, bias: float = 1.0, **options: float
) -> ModelVersion:
    services.model_import_run(folder=made_run_folder(tmp_path, version, says, bias=bias, **options))
    return services.gate_check(version=version)


def failed(model: ModelVersion) -> list[str]:
    return [verdict["code"] for verdict in model.gate["verdicts"] if not verdict["passed"]]


def test_the_page_about_the_gate_quotes_every_criterion() -> None:
    page = " ".join((ROOT / "docs" / "model-gate.md").read_text().split())
    assert [code for code, text in CRITERIA.items() if " ".join(text.split()) not in page] == []


def test_an_equal_model_passes_and_goes_live(live: ModelVersion, staff: User, tmp_path: Path) -> None:
    EstimateFactory(model_version="shipped-1")
    model = candidate(tmp_path, "mine-1")
    assert failed(model) == []
    assert (model.gate["against"], model.state) == ("shipped-1", "imported")
    services.model_promote(version="mine-1", user=staff)
    now = live_model()
    assert now is not None
    assert (now.version, now.live_before) == ("mine-1", live)
    assert ModelVersion.objects.get(pk=live.pk).state == ModelVersion.State.RETIRED
    event = ModelEvent.objects.filter(kind="promoted").get()
    assert (event.model, event.before, event.by, event.gate["passed"]) == (now, live, staff, True)
    # Old estimates stay, and their replacement has begun.
    assert EmotionEstimate.objects.get().is_current
    assert Reanalysis.objects.get().model_version == "mine-1"


def test_a_model_that_is_worse_on_one_source_is_refused(live: ModelVersion, tmp_path: Path) -> None:
    model = candidate(tmp_path, "mine-1", worse(held_out(), "emopia"))
    assert "not_worse" in failed(model)
    assert model.state == ModelVersion.State.REFUSED
    assert "emopia" in model.gate["verdicts"][2]["sentence"]
    assert model.gate["comparison"]["worse_on"] == ["emopia"]
    with pytest.raises(PromotionRefusedError, match="Model mine-1 does not pass the gate\\. Worse beyond chance on 1"):
        services.model_promote(version="mine-1")
    assert live_model() == live


def test_a_model_that_is_too_sure_is_refused(live: ModelVersion, tmp_path: Path) -> None:
    assert failed(candidate(tmp_path, "mine-1", temperature=0.1)) == ["calibrated"]


def test_a_model_that_is_never_sure_is_refused(live: ModelVersion, tmp_path: Path) -> None:
    assert failed(candidate(tmp_path, "mine-1", temperature=3.0)) == ["calibrated"]


def test_calibration_may_be_bad_where_the_live_one_is_as_bad(
    shipped: Path, tmp_path: Path, settings: Settings, db: None
) -> None:
    settings.MOODPLANE_WEIGHTS = made_weights(tmp_path, "shipped-1", temperature=0.1)
    services.shipped_register()
    assert failed(candidate(tmp_path, "mine-1", temperature=0.1)) == []


def test_weights_alone_are_enough(live: ModelVersion, tmp_path: Path) -> None:
    services.model_import_weights(weights=made_weights(tmp_path, "bare-1", bias=1.0))
    model = services.gate_check(version="bare-1")
    assert failed(model) == []
    assert model.gate["verdicts"][1]["sentence"] == (
        f"Both were run on the same {len(stored_clips())} held-out clips of 4qaed, emomusic, emopia."
    )


def test_what_a_folder_claims_counts_for_nothing(live: ModelVersion, tmp_path: Path) -> None:
    folder = made_run_folder(tmp_path, "forged-1", worse(held_out(), "emopia"))
    truth = np.eye(4, dtype=np.float32)[held_out().truth] * 0.9 + 0.025
    replace(held_out(), probabilities=truth).save(folder / "predictions.npz")
    services.model_import_run(folder=folder)
    model = services.gate_check(version="forged-1")
    assert model.report["accuracy"] == 1.0
    assert "not_worse" in failed(model)
    assert model.gate["comparison"]["sources"]["emopia"]["candidate_accuracy"] < 0.6


def test_a_model_that_names_held_out_clips_as_its_training_is_refused(live: ModelVersion, tmp_path: Path) -> None:
    folder = made_run_folder(tmp_path, "mine-1")
    first, second, *_ = held_out().clip.tolist()
    Folds(Protocol.HELD_OUT, (Fold(("a", first), (second,), ("c",)),)).save(folder / "splits.json")
    services.model_import_run(folder=folder)
    model = services.gate_check(version="mine-1")
    assert failed(model) == ["comparable", "not_worse", "calibrated"]
    assert f"It learned from 2 of the 72 held-out clips, such as {first}" in model.gate["verdicts"][1]["sentence"]
    (model.weights.with_suffix(".splits.json")).write_text("[]")
    assert "is no such list" in services.gate_check(version="mine-1").gate["verdicts"][1]["sentence"]


def test_without_a_live_model_a_constant_has_to_be_beaten(shipped: Path, tmp_path: Path, db: None) -> None:
    model = candidate(tmp_path, "mine-1")
    assert failed(model) == []
    assert model.gate["against"] == ""
    never = replace(held_out(), probabilities=np.full((len(held_out()), 4), 0.25, np.float32))
    assert failed(candidate(tmp_path, "mine-2", never)) == ["not_worse", "calibrated"]
    assert failed(candidate(tmp_path, "mine-3", temperature=0.05)) == ["calibrated"]


def test_a_live_model_or_clips_that_cannot_be_read_are_named(
    live: ModelVersion, tmp_path: Path, settings: Settings
) -> None:
    live.weights.write_bytes(b"rubbish")
    sentence = candidate(tmp_path, "mine-1").gate["verdicts"][1]["sentence"]
    assert sentence.startswith("The live model shipped-1 cannot be run:")
    settings.MOODPLANE_HELD_OUT.write_bytes(b"rubbish")
    sentence = services.gate_check(version="mine-1").gate["verdicts"][1]["sentence"]
    assert sentence.startswith("The held-out clips that come with the program")


def test_a_card_that_serving_cannot_honour_is_refused_even_with_force(live: ModelVersion, tmp_path: Path) -> None:
    folder = made_run_folder(tmp_path, "mine-1", bias=1.0)
    card = folder / "mine-1.json"
    card.write_text(card.read_text().replace('"efficientnet-b0"', '"efficientnet-b1"'))
    services.model_import_run(folder=folder)
    model = services.gate_check(version="mine-1")
    assert failed(model) == ["serves", "comparable", "not_worse", "calibrated"]
    assert model.gate["verdicts"][0]["sentence"].startswith("It cannot serve:")
    with pytest.raises(PromotionRefusedError, match="It cannot serve"):
        services.model_promote(version="mine-1", force=True, reason="I want to")


def test_force_needs_a_reason_which_is_stored(live: ModelVersion, staff: User, tmp_path: Path) -> None:
    candidate(tmp_path, "mine-1", worse(held_out(), "emopia"))
    with pytest.raises(PromotionRefusedError, match="needs a reason"):
        services.model_promote(version="mine-1", force=True, reason="  ")
    services.model_promote(version="mine-1", user=staff, force=True, reason="EMOPIA is piano only.")
    event = ModelEvent.objects.filter(kind="forced").get()
    assert (event.reason, event.by, event.gate["passed"]) == ("EMOPIA is piano only.", staff, False)


def test_verdicts_against_another_live_model_no_longer_count(live: ModelVersion, tmp_path: Path) -> None:
    candidate(tmp_path, "mine-1")
    candidate(tmp_path, "mine-2", bias=2.0)
    services.model_promote(version="mine-1")
    with pytest.raises(PromotionRefusedError, match="was checked against shipped-1, but mine-1 is live now"):
        services.model_promote(version="mine-2")
    with pytest.raises(PromotionRefusedError, match="is already live"):
        services.model_promote(version="mine-1")
    services.gate_check(version="mine-2")
    services.model_promote(version="mine-2")
    assert str(live_model()) == "mine-2"


def test_an_unchecked_or_damaged_model_is_refused(live: ModelVersion, tmp_path: Path) -> None:
    services.model_import_run(folder=made_run_folder(tmp_path, "mine-1", bias=1.0))
    with pytest.raises(PromotionRefusedError, match="has not been checked at the gate yet"):
        services.model_promote(version="mine-1")
    model = services.gate_check(version="mine-1")
    model.weights.write_bytes(b"rubbish")
    with pytest.raises(ModelFileError, match="not the file that was imported"):
        services.model_promote(version="mine-1")
    assert live_model() == live


def test_rollback_goes_back_step_by_step_and_brings_the_estimates_along(live: ModelVersion, tmp_path: Path) -> None:
    estimate = EstimateFactory(model_version="shipped-1")
    for number in (1, 2):
        candidate(tmp_path, f"mine-{number}", bias=number)
        services.model_promote(version=f"mine-{number}")
    EmotionEstimate.objects.update(is_current=False)
    EstimateFactory(song=estimate.song, model_version="mine-2")
    assert str(services.model_rollback(reason="worse by ear")) == "mine-1"
    assert str(services.model_rollback()) == "shipped-1"
    current = EmotionEstimate.objects.get(is_current=True)
    assert (current.pk, Reanalysis.objects.latest("pk").n_adopted) == (estimate.pk, 1)
    with pytest.raises(RollbackImpossibleError, match="no earlier model"):
        services.model_rollback()
    assert str(services.model_rollback(to="mine-2")) == "mine-2"
    assert str(services.model_rollback()) == "mine-1"
    reasons = ModelEvent.objects.filter(kind="rolled_back").values_list("reason", flat=True)
    assert "worse by ear" in reasons


def test_rollback_leads_only_where_a_model_was(live: ModelVersion, tmp_path: Path) -> None:
    candidate(tmp_path, "mine-1")
    with pytest.raises(RollbackImpossibleError, match="was never live"):
        services.model_rollback(to="mine-1")
    with pytest.raises(RollbackImpossibleError, match="already live"):
        services.model_rollback(to="shipped-1")
    services.model_promote(version="mine-1")
    live.weights.unlink()
    with pytest.raises(ModelFileError, match="cannot be read"):
        services.model_rollback()
    assert str(live_model()) == "mine-1"


def test_pinned_weights_cannot_be_promoted_past(live: ModelVersion, settings: Settings, tmp_path: Path) -> None:
    candidate(tmp_path, "mine-1")
    settings.MOODPLANE_WEIGHTS_PINNED = True
    with pytest.raises(PromotionRefusedError, match="MOODPLANE_WEIGHTS names"):
        services.model_promote(version="mine-1")
    with pytest.raises(PromotionRefusedError, match="MOODPLANE_WEIGHTS names"):
        services.model_rollback()


def test_the_process_takes_up_the_new_model_and_back_again(live: ModelVersion, tmp_path: Path) -> None:
    first = analysis.predictor_get()
    assert analysis.predictor_get() is first
    candidate(tmp_path, "mine-1")
    services.model_promote(version="mine-1")
    assert analysis.predictor_get().card.version == "mine-1"
    services.model_rollback()
    assert analysis.predictor_get().card.version == "shipped-1"


def test_a_live_model_that_is_gone_is_reported_and_rollback_helps(live: ModelVersion, tmp_path: Path) -> None:
    from emotion.models import AnalysisWorker

    model = candidate(tmp_path, "mine-1")
    services.model_promote(version="mine-1")
    model.weights.unlink()
    with pytest.raises(
        CheckpointError, match=r"are missing\. It is the live model mine-1: manage\.py rollback leads back"
    ):
        analysis.predictor_get()
    analysis.worker_report(name="gpu@here")
    assert "are missing" in AnalysisWorker.objects.get().problem
    services.model_rollback()
    assert analysis.predictor_get().card.version == "shipped-1"
    analysis.worker_report(name="gpu@here")
    assert AnalysisWorker.objects.get().problem == ""


def test_the_commands_promote_and_roll_back(live: ModelVersion, tmp_path: Path) -> None:
    services.model_import_run(folder=made_run_folder(tmp_path, "mine-1", bias=1.0))
    services.model_import_run(folder=made_run_folder(tmp_path, "mine-2", worse(held_out(), "4qaed"), bias=2.0))
    out = StringIO()
    call_command("promote", "mine-1", stdout=out)
    assert "Model mine-1 is live." in out.getvalue()
    with pytest.raises(CommandError, match="Model mine-2 does not pass the gate"):
        call_command("promote", "mine-2", stdout=StringIO())
    with pytest.raises(CommandError, match="needs a reason"):
        call_command("promote", "mine-2", "--force", stdout=StringIO())
    call_command("promote", "mine-2", "--force", "--reason", "to hear it", stdout=out)
    call_command("rollback", stdout=out)
    assert out.getvalue().endswith("Model mine-1 is live again.\n")
    with pytest.raises(CommandError, match="Model nobody has not been imported"):
        call_command("rollback", "--to", "nobody")


@pytest.mark.django_db(transaction=True)
def test_of_two_promotions_at_once_one_wins(live: ModelVersion, tmp_path: Path) -> None:
    for number in (1, 2):
        candidate(tmp_path, f"mine-{number}", bias=number)
    outcomes = together(*(partial(services.model_promote, version=f"mine-{number}") for number in (1, 2)))
    (refused,) = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert isinstance(refused, PromotionRefusedError)
    assert "is live now; check it again" in str(refused)
    assert ModelVersion.objects.filter(state=ModelVersion.State.LIVE).count() == 1


def test_the_check_runs_in_a_worker_and_may_run_twice(live: ModelVersion, tmp_path: Path) -> None:
    from training.tasks import gate_check

    services.model_import_run(folder=made_run_folder(tmp_path, "mine-1", bias=1.0))
    services.gate_check_request(version="mine-1")
    assert "queued_at" in ModelVersion.objects.get(version="mine-1").gate
    gate_check("mine-1")
    gate_check("mine-1")
    assert ModelVersion.objects.get(version="mine-1").gate["passed"]
    gate_check("deleted meanwhile")
