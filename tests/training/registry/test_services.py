"""Models come in whole, once, and the shipped one finds its place."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import BinaryIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from pytest_django import Settings

from emotion.models import ModelVersion
from emotion.selectors import live_model, served_model, served_version
from tests.training.made_models import held_out, made_run_folder, made_weights
from training.data.splits import Fold, Folds, Protocol
from training.evaluation.predictions import Predictions
from training.exceptions import ModelFileError
from training.models import ModelEvent
from training.registry import services

pytestmark = pytest.mark.django_db


def test_the_shipped_model_is_registered_once_and_is_live(shipped: Path, settings: Settings) -> None:
    first, again = services.shipped_register(), services.shipped_register()
    assert first is not None
    assert again is not None
    assert (first.is_new, again.is_new) == (True, False)
    model = ModelVersion.objects.get()
    assert (model.version, model.state, model.origin) == ("shipped-1", "live", "shipped")
    assert model.weights == Path(settings.MOODPLANE_MODELS_DIR) / "shipped-1" / "shipped-1.safetensors"
    assert model.weights.read_bytes() == shipped.read_bytes()
    assert model.predictions.is_file()
    assert services.model_files_problem(model) == ""
    assert served_model().weights == model.weights


def test_before_it_is_registered_the_shipped_model_serves_all_the_same(shipped: Path) -> None:
    assert (served_model().weights, served_version()) == (shipped, "shipped-1")


def test_a_pinned_file_serves_whatever_is_live(live: ModelVersion, settings: Settings, tmp_path: Path) -> None:
    settings.MOODPLANE_WEIGHTS = made_weights(tmp_path, "pinned-1")
    settings.MOODPLANE_WEIGHTS_PINNED = True
    assert served_version() == "pinned-1"
    assert services.shipped_register() is None


def test_an_upgrade_brings_its_model_along(live: ModelVersion, settings: Settings, tmp_path: Path) -> None:
    settings.MOODPLANE_WEIGHTS = made_weights(tmp_path, "shipped-2", bias=1.0)
    assert services.shipped_register() is not None
    newer = live_model()
    assert newer is not None
    assert (newer.version, newer.live_before) == ("shipped-2", live)
    live.refresh_from_db()
    assert live.state == ModelVersion.State.RETIRED
    # A rollback to the older one is not overruled by the next start.
    services.model_rollback()
    services.shipped_register()
    assert live_model() == live


def test_beside_a_promoted_model_an_upgrade_is_only_offered(
    live: ModelVersion, settings: Settings, tmp_path: Path
) -> None:
    services.model_import_run(folder=made_run_folder(tmp_path, "mine-1"))
    services.gate_check(version="mine-1")
    services.model_promote(version="mine-1")
    settings.MOODPLANE_WEIGHTS = made_weights(tmp_path, "shipped-2", bias=1.0)
    out = StringIO()
    call_command("models", "register", stdout=out)
    assert "which was promoted, stays live; manage.py promote shipped-2" in " ".join(out.getvalue().split())
    assert live_model() == ModelVersion.objects.get(version="mine-1")
    assert ModelVersion.objects.get(version="shipped-2").state == ModelVersion.State.IMPORTED


def choose(settings: Settings, weights: Path, *, by_name: bool = True) -> None:
    """Do what MOODPLANE_MODEL does, or what its default does."""
    settings.MOODPLANE_WEIGHTS, settings.MOODPLANE_MODEL_CHOSEN = weights, by_name
    services.shipped_register()


def test_a_bundled_model_that_is_chosen_replaces_another_that_is_live(
    live: ModelVersion, shipped: Path, settings: Settings, tmp_path: Path
) -> None:
    weights = made_weights(tmp_path, "b3-fast", bias=1.0)
    choose(settings, weights)
    fast = ModelVersion.objects.get(version="b3-fast")
    assert (live_model(), fast.live_before) == (fast, live)
    choose(settings, shipped, by_name=False)
    assert live_model() == fast
    choose(settings, shipped)
    assert live_model() == live
    choose(settings, weights)
    choose(settings, weights)
    assert live_model() == fast
    events = ModelEvent.objects.filter(kind="shipped").order_by("pk")
    assert [event.model for event in events] == [live, fast, live, fast]


def test_a_bundled_model_that_is_chosen_does_not_replace_a_promoted_one(
    live: ModelVersion, settings: Settings, tmp_path: Path
) -> None:
    services.model_import_run(folder=made_run_folder(tmp_path, "mine-1"))
    services.gate_check(version="mine-1")
    services.model_promote(version="mine-1")
    choose(settings, made_weights(tmp_path, "b3-fast", bias=1.0))
    choose(settings, Path(settings.MOODPLANE_WEIGHTS))
    assert live_model() == ModelVersion.objects.get(version="mine-1")
    assert ModelVersion.objects.get(version="b3-fast").state == ModelVersion.State.IMPORTED


def test_a_run_comes_in_with_its_scores_and_curves(live: ModelVersion, staff: User, tmp_path: Path) -> None:
    folder = made_run_folder(tmp_path, "mine-1")
    imported = services.model_import_run(folder=folder, user=staff)
    report = imported.model.report
    assert list(report["scores"]) == ["4qaed", "emomusic", "emopia"]
    assert report["n"] == len(held_out())
    assert report["accuracy"] == pytest.approx(
        (held_out().probabilities.argmax(1) == held_out().truth).mean(), abs=1e-4
    )
    assert [curve["figure"] for curve in report["curves"]] == ["loss", "validation_loss", "validation_accuracy"]
    assert report["curves"][0]["lines"]["0"] == pytest.approx([1.4, 1.3, 1.2, 1.1, 1.0, 0.9])
    assert sum(part["n"] for part in report["reliability"]) == report["n"]
    assert report["run"]["seed"] == 1
    assert services.model_import_run(folder=folder).is_new is False
    event = ModelEvent.objects.get(model=imported.model)
    assert (event.kind, event.by) == ("imported", staff)


def test_the_shipped_model_comes_with_what_it_said_of_its_held_out_clips(settings: Settings) -> None:
    from emotion.inference.checkpoint import shipped_weights

    weights = shipped_weights()
    model = services.model_import_weights(weights=weights).model
    report = model.report
    card = json.loads(weights.with_suffix(".json").read_text())
    said = Predictions.load(weights.with_suffix(".predictions.npz"))
    assert set(said.protocol) == {"held_out"}
    assert {name: scores["n"] for name, scores in report["scores"].items()} == {
        name: scores["n"] for name, scores in card["facts"]["test"]["model"].items()
    }
    assert 0.5 < report["accuracy"] < 1.0
    folds = Folds.load(model.weights.with_suffix(".splits.json"))
    assert folds.is_named(card["facts"]["split"]["sha256"])
    assert sorted(said.clip) == sorted(folds.folds[0].test)


def test_ids_of_folds_are_added_to_a_model_that_came_without(live: ModelVersion, shipped: Path) -> None:
    Folds(Protocol.HELD_OUT, (Fold(("a",), ("b",), ("c",)),)).save(shipped.with_suffix(".splits.json"))
    assert services.model_import_weights(weights=shipped).is_new is False
    assert live.weights.with_suffix(".splits.json").read_bytes() == shipped.with_suffix(".splits.json").read_bytes()


def test_another_file_of_the_same_version_is_refused(live: ModelVersion, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="There is another model shipped-1 already"):
        services.model_import_weights(weights=made_weights(tmp_path, "shipped-1", bias=1.0))


def test_a_damaged_copy_is_noticed_and_an_import_mends_it(live: ModelVersion, shipped: Path) -> None:
    live.weights.write_bytes(b"rubbish")
    assert "its hash differs" in services.model_files_problem(live)
    services.model_import_weights(weights=shipped)
    assert services.model_files_problem(live) == ""
    live.weights.unlink()
    assert "cannot be read" in services.model_files_problem(live)


def test_a_folder_without_a_model_is_refused_and_leaves_nothing(settings: Settings, db: None, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ModelFileError, match="holds no weights: expected the folder of a finished run"):
        services.model_import_run(folder=empty)
    weights = made_weights(tmp_path / "a", "good-1")
    weights.with_suffix(".json").unlink()
    with pytest.raises(ModelFileError, match=r"card .* is missing"):
        services.model_import_weights(weights=weights)
    weights = made_weights(tmp_path / "b", "good-2")
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ModelFileError, match="hash differs"):
        services.model_import_weights(weights=weights)
    weights = made_weights(tmp_path / "c", "good-3")
    card = json.loads(weights.with_suffix(".json").read_text())
    weights.with_suffix(".json").write_text(json.dumps({**card, "version": "../../etc"}))
    with pytest.raises(ModelFileError, match=r"names the version '\.\./\.\./etc'"):
        services.model_import_weights(weights=weights)
    folder = made_run_folder(tmp_path, "good-4")
    (folder / "predictions.npz").write_bytes(b"rubbish")
    with pytest.raises(ModelFileError, match="cannot be read"):
        services.model_import_run(folder=folder)
    assert not ModelVersion.objects.exists()
    assert not list(Path(settings.MOODPLANE_MODELS_DIR).rglob("*.part"))


def test_a_full_disk_leaves_no_half_file_and_no_row(
    shipped: Path, settings: Settings, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: BinaryIO, target: BinaryIO) -> None:
        target.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("training.registry.services.shutil.copyfileobj", full)
    with pytest.raises(ModelFileError, match=r"could not be copied .* No space left"):
        services.shipped_register()
    assert not ModelVersion.objects.exists()
    assert not [path for path in Path(settings.MOODPLANE_MODELS_DIR).rglob("*") if path.is_file()]


def test_a_models_directory_that_cannot_be_made_is_named(shipped: Path, settings: Settings, db: None) -> None:
    blocked = shipped.parent / "a file"
    blocked.write_text("in the way")
    settings.MOODPLANE_MODELS_DIR = blocked / "models"
    with pytest.raises(ModelFileError, match="cannot be made: Not a directory; see MOODPLANE_MODELS_DIR"):
        services.shipped_register()


def test_the_command_imports_checks_and_lists(live: ModelVersion, tmp_path: Path) -> None:
    out = StringIO()
    call_command("models", "import", str(made_run_folder(tmp_path, "mine-1")), stdout=out)
    assert "Model mine-1 is imported." in out.getvalue()
    assert "Model mine-1 passes the gate." in out.getvalue()
    out = StringIO()
    call_command("models", stdout=out)
    assert [line.split()[:2] for line in out.getvalue().splitlines()] == [["live", "shipped-1"], ["imported", "mine-1"]]
    with pytest.raises(CommandError, match="does not exist; name the folder of a run"):
        call_command("models", "import", str(tmp_path / "nowhere"))
    with pytest.raises(CommandError, match="Model nobody has not been imported; known models: mine-1, shipped-1"):
        call_command("models", "check", "nobody")
