"""`manage.py train`: which configuration, which recipe, stopped and gone on with."""

import multiprocessing
import os
import signal
import time
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
import torch
from django.core.management import CommandError, call_command

from emotion.zoo.registry import list_models
from tests.training.made_qaed import SMALL_RUN, made_qaed
from training.fit.run_folder import RunFolder
from training.recipes.distilled_b3 import recipe
from training.recipes.registry import recipe_of, systems

pytestmark = pytest.mark.slow

RECIPES = Path(__file__).resolve().parents[2] / "training" / "recipes"
SMALL = {**SMALL_RUN, "protocols": ["paper"], "training": {**SMALL_RUN["training"], "checkpoint_steps": 1}}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a made dataset and a configuration for it."""
    root = tmp_path_factory.mktemp("train")
    made_qaed(root / "data")
    (root / "small.toml").write_text(tomli_w.dumps(SMALL))
    return root


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def train(place: Path, *arguments: str, config: str | None = "small.toml", **options: Any) -> str:
    from io import StringIO

    out = StringIO()
    chosen = ["--config", str(place / config) if config.endswith(".toml") else config] if config else []
    places = ["--data", str(place / "data"), "--work", str(place / "work"), "--device", "cpu"]
    call_command("train", *chosen, *places, *arguments, stdout=out, **options)
    return out.getvalue()


def test_a_run_takes_the_configuration_with_its_overrides(place: Path, tmp_path: Path) -> None:
    said = train(place, "--run", str(tmp_path / "run"), "--set", "training.epochs=1", "--set", "version=b0-other")
    assert f"The run is in {tmp_path / 'run'}." in said
    assert "paper fold 2 of 2: accuracy" in said
    run = RunFolder.open(tmp_path / "run")
    values = tomllib.loads(run.config_toml)
    assert (values["training"]["epochs"], values["training"]["batch_size"], values["version"]) == (1, 8, "b0-other")
    assert [line["epoch"] for line in run.history()] == [1, 1]
    assert (run.path / "b0-other.safetensors").exists()
    assert len(run.predictions()) == 12
    with pytest.raises(CommandError, match="is not empty"):
        train(place, "--run", str(tmp_path / "run"))
    finished = train(place, "--resume", str(tmp_path / "run"), config=None)
    assert "is finished: there is nothing to resume" in finished


def _train_in_a_process(place: Path, run: Path) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()
    torch.set_num_threads(1)
    train(place, "--run", str(run))


def test_a_killed_run_goes_on_and_says_the_same(place: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.training.small_training", "training.recipes.paper"])
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    child = context.Process(target=_train_in_a_process, args=(place, killed))
    child.start()
    deadline = time.monotonic() + 300
    # In the second fold, after its first checkpoint.
    while not ((killed / "folds" / "paper-0.npz").exists() and (killed / "checkpoint.pt").exists()):
        assert time.monotonic() < deadline
        assert child.is_alive()
        time.sleep(0.002)
    child.kill()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert not RunFolder.open(killed).is_finished
    train(place, "--resume", str(killed), config=None)
    train(place, "--run", str(whole))
    one, other = RunFolder.open(killed), RunFolder.open(whole)
    assert len(one.facts()["resumed"]) == 1
    assert np.array_equal(one.predictions().logits, other.predictions().logits)
    assert one.metrics() == other.metrics()
    assert (killed / "b0-made.safetensors").read_bytes() == (whole / "b0-made.safetensors").read_bytes()
    timeless = [
        [{k: v for k, v in line.items() if k not in ("seconds", "worked_s", "images_per_s")} for line in run.history()]
        for run in (one, other)
    ]
    assert timeless[0] == timeless[1]


def test_a_dry_run_says_what_would_be_done_and_leaves_nothing(place: Path, tmp_path: Path) -> None:
    said = train(place, "--dry-run", "--run", str(tmp_path / "run"))
    assert "4qaed: 24 clips" in said
    assert "images/s on cpu" in said
    assert not (tmp_path / "run").exists()


def test_a_bare_name_is_a_shipped_configuration(place: Path, tmp_path: Path) -> None:
    # The made dataset has too few clips for the paper's own shares, which shows that its configuration was read.
    with pytest.raises(CommandError, match=r"None of 4qaed, pmemo, emomusic, bimodal can be trained on"):
        train(place, "--run", str(tmp_path / "run"), "--set", "init=scratch", config="paper")


@pytest.mark.parametrize(("name", "notice"), [("distilled_b3", ""), ("flagship", "is now called distilled_b3")])
def test_the_configuration_chooses_the_recipe(
    place: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    notice: str,
) -> None:
    called: dict[str, Any] = {}

    def record(text: str, **options: Any) -> None:
        called.update(options, values=tomllib.loads(text))

    monkeypatch.setattr(recipe, "run", record)
    train(place, "--run", str(tmp_path / "run"), "--set", "seed=5", config=name)
    said = capsys.readouterr().err
    assert notice in said if notice else said == ""
    assert called["values"]["seed"] == 5
    assert called["values"]["datasets"]
    assert called["run_dir"] == tmp_path / "run"
    assert called["resumes"] is False
    assert called["data_root"] == place / "data"


@pytest.mark.parametrize(
    ("arguments", "config", "sentence"),
    [
        ((), "nothing", "There is no configuration nothing; name a file, or one of .*paper"),
        (("--set", "recipe=magic"), "small.toml", "recipe is 'magic'; it can be distilled_b3 or hybrid_b3 or paper"),
        (("--set", "mel.image_size.x=1"), "small.toml", "mel.image_size.x cannot be set: image_size is no"),
        (("--set", "training.speed=1"), "small.toml", "speed"),
        (("--set", "epochs"), "small.toml", "is not KEY=VALUE"),
        (("--resume", "nowhere"), None, r"nowhere is not a run folder"),
        (("--resume", "nowhere", "--set", "seed=1"), None, "leave --set, --run and --dry-run out"),
    ],
)
def test_what_makes_no_sense_is_refused(
    place: Path, tmp_path: Path, arguments: tuple[str, ...], config: str | None, sentence: str
) -> None:
    run = [] if "--resume" in arguments else ["--run", str(tmp_path / "run")]
    with pytest.raises(CommandError, match=sentence):
        train(place, *arguments, *run, config=config)
    assert not (tmp_path / "run").exists()


def test_an_audio_file_that_is_nothing_stops_the_run_before_training(place: Path, tmp_path: Path) -> None:
    broken = made_qaed(tmp_path / "data").parent
    (broken / "small.toml").write_text(tomli_w.dumps(SMALL))
    victim = sorted((tmp_path / "data" / "4qaed" / "Q2").iterdir())[0]
    victim.write_bytes(b"not audio")
    with pytest.raises(CommandError, match=victim.name):
        train(broken, "--run", str(tmp_path / "run"))
    assert not (tmp_path / "run" / "predictions.npz").exists()


def test_a_run_of_the_release_before_names_its_method(place: Path, tmp_path: Path) -> None:
    old = {**{key: value for key, value in SMALL.items() if key != "recipe"}, "method": "paper"}
    (tmp_path / "old.toml").write_text(tomli_w.dumps(old))
    said = train(place, "--dry-run", config=str(tmp_path / "old.toml"))
    assert "4qaed: 24 clips" in said
    assert recipe_of('method = "flagship"') == "distilled_b3"


def test_every_system_is_listed_with_an_architecture_that_is_there(place: Path) -> None:
    said = train(place, "--list", config=None)
    for system in systems().values():
        assert f"{system.name}: {system.about}" in said
        assert f"recipe {system.recipe}, architecture {system.architecture}" in said
        assert system.architecture in list_models()


def test_the_configurations_are_named_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        call_command("train", "--help")
    printed = capsys.readouterr().out
    assert all(path.stem in printed for path in RECIPES.glob("*.toml"))
