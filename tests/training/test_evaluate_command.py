import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from emotion.inference.checkpoint import Card, card_path, read_card, write_card
from emotion.zoo.efficientnet_b3 import EfficientNetConfig
from emotion.zoo.frontends import MelConfig
from tests.training.made_run import made_predictions, made_run
from training.evaluation.metrics import score
from training.evaluation.report.tables import card_page, scores_table
from training.recipes.distilled_b3 import cards

pytestmark = pytest.mark.slow


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return made_run(tmp_path / "b3-made-1", ("held_out", "artist_grouped"))


def options(tmp_path: Path) -> dict[str, Any]:
    """Point at no data: what a run left behind must do."""
    return {"data": tmp_path / "nowhere", "work": tmp_path / "work"}


def write_weights(folder: Path, facts: dict[str, Any]) -> Path:
    weights = folder / "b3-made.safetensors"
    weights.write_bytes(b"not read here")
    write_card(Card("b3-made", MelConfig(), EfficientNetConfig(), 1.0, "fed", facts), weights)
    return weights


def test_a_run_is_shown_as_tables_page_and_json(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("evaluate", run, html=tmp_path / "report.html", json=tmp_path / "scores.json", **options(tmp_path))
    said = capsys.readouterr().out
    stored = json.loads((tmp_path / "scores.json").read_text())
    assert set(stored) == {"held_out", "artist_grouped"}
    assert f"**{stored['held_out']['4qaed']['accuracy']:.3f}**" in said
    assert np.sum(stored["held_out"]["4qaed"]["confusion"]) == 240
    page = (tmp_path / "report.html").read_text()
    assert "Tested on 560 clips" in page
    assert not list(tmp_path.rglob("*.part*"))


def test_other_runs_and_the_teacher_stand_beside_it(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = made_run(tmp_path / "older", ("held_out",), seed=7)
    made_predictions(("held_out",), seed=9).save(run / "teacher.npz")
    # The made clips have the same names and other labels; this run's own are the ones that hold.
    call_command("evaluate", run, against=[other], **options(tmp_path))
    said = capsys.readouterr().out
    assert "Against other systems" in said
    assert "\n| older | 560 |" in said
    assert "\n| teacher | 560 |" in said


def test_a_run_without_predictions_gives_a_page_but_no_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "young"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({"version": "b3-young"}))
    call_command("evaluate", folder, html=tmp_path / "report.html", **options(tmp_path))
    assert "no predictions of labelled clips yet" in (tmp_path / "report.html").read_text()
    with pytest.raises(CommandError, match="no predictions of labelled clips yet"):
        call_command("evaluate", folder, **options(tmp_path))


def test_a_run_s_scores_go_into_its_card(run: Path, tmp_path: Path) -> None:
    weights = write_weights(
        run, {"datasets": {"4qaed": {"clips": 240, "licence": "made"}}, "split": {"protocol": "p", "sha256": "s"}}
    )
    call_command("evaluate", run, write_card=True, **options(tmp_path))
    card = read_card(weights)
    assert card.facts["test"]["model"]["emopia"]["n"] == 140
    titles = [table["title"] for table in card.facts["tables"]]
    assert "Folds that keep artists together: by fold" in titles
    assert (run / "README.md").read_text() == card_page(card)
    card_path(weights).unlink()
    with pytest.raises(CommandError, match="no weights with a card"):
        call_command("evaluate", run, write_card=True, **options(tmp_path))


def test_tables_that_a_recipe_wrote_stay(run: Path, tmp_path: Path) -> None:
    own = [{"title": "Seeds", "note": "", "columns": ["seed"], "rows": [[1]]}]
    weights = write_weights(run, {"datasets": {}, "split": {"protocol": "p", "sha256": "s"}, "tables": own})
    call_command("evaluate", run, write_card=True, **options(tmp_path))
    assert read_card(weights).facts["tables"] == own


def test_weights_are_scored_through_the_serving_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = np.arange(40) % 4
    asked: list[SimpleNamespace] = []

    def evaluate(weights: Path, **given: Any) -> dict[str, Any]:
        asked.append(SimpleNamespace(weights=weights, **given))
        return {"4qaed": score(truth, np.eye(4)[truth] * 0.6 + 0.1, np.arange(40))}

    monkeypatch.setattr(cards, "evaluate", evaluate)
    weights = write_weights(
        tmp_path,
        {"datasets": {}, "split": {"protocol": "p", "sha256": "s"}, "test": {"model": {}}},
    )
    call_command(
        "evaluate", weights, write_card=True, json=tmp_path / "scores.json", engine="torch", **options(tmp_path)
    )
    assert (asked[0].weights, asked[0].engine, asked[0].data_root) == (weights, "torch", tmp_path / "nowhere")
    stored = json.loads((tmp_path / "scores.json").read_text())
    assert stored["4qaed"]["accuracy"] == 1
    assert scores_table(stored) in capsys.readouterr().out
    assert read_card(weights).facts["test"]["model"] == stored
    assert scores_table(stored) in (tmp_path / "README.md").read_text()
    with pytest.raises(CommandError, match="--html and --against need the folder of a run"):
        call_command("evaluate", weights, html=tmp_path / "x.html", **options(tmp_path))
    assert not (tmp_path / "x.html").exists()


def test_a_path_that_is_neither_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="is not a run folder"):
        call_command("evaluate", tmp_path, **options(tmp_path))
    with pytest.raises(CommandError, match="missing"):
        call_command("evaluate", tmp_path / "nothing.safetensors", **options(tmp_path))
