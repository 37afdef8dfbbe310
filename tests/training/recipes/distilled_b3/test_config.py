import tomllib
from dataclasses import asdict
from pathlib import Path

import pytest

from training.recipes.distilled_b3.features import config_of

RECIPES = Path(__file__).resolve().parents[4] / "training" / "recipes"
SHIPPED = tomllib.loads((RECIPES / "distilled_b3.toml").read_text())


def test_the_shipped_configuration_reads_and_ends_with_the_whole_window() -> None:
    config = config_of(SHIPPED, "distilled_b3.toml")
    assert config.distil.stages[-1].crop_columns == config.mel.network_shape[1]
    assert config.distil.stages[-1].last_rate == 0
    assert config.distil.stages[0].scene is None
    assert config.distil.stages[-1].scene is not None
    assert config.backbone == "efficientnet-b3"


def test_a_card_s_dictionaries_give_the_same_configuration() -> None:
    config = config_of(SHIPPED, "distilled_b3.toml")
    assert config_of(asdict(config), "the card") == config


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("speed = 3", "is not a configuration of the recipe distilled_b3: .*speed"),
        ("datasets = ['nothing']", r"unknown datasets \['nothing'\]"),
        ("[mel]\nframes_as_channels = false", "set frames_as_channels = true"),
        ("[distil]\nstages = [{steps = 3}]", "is not a configuration of the recipe distilled_b3"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(line: str, sentence: str) -> None:
    key, raw = line.split("=")[0].strip(), "version = 'x'\nseed = 1\n"
    parts = {"datasets": "datasets = ['4qaed']", "[mel]\nframes_as_channels": "[mel]\nframes_as_channels = true"}
    parts["[distil]\nstages"] = "[distil]\nstages = []"
    top = [text for name, text in {**parts, key: line}.items() if not text.startswith("[")]
    tables = [text for name, text in {**parts, key: line}.items() if text.startswith("[")]
    with pytest.raises(ValueError, match=f"bad.toml.*{sentence}"):
        config_of(tomllib.loads(raw + "\n".join(top + tables)), "bad.toml")
