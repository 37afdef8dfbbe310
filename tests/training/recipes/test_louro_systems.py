"""The systems of Louro et al.: their files name what exists, and what fits together."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from emotion.zoo.frontends import EXTRACTORS, Chunked, front_end_of
from emotion.zoo.registry import architecture, create_model
from training.fit.loop import FitConfig

FILES = sorted((Path(__file__).parents[3] / "training" / "recipes" / "zoo").glob("louro_*.toml"))
PARTS = {"network", "front_end", "training", "budget", "augment", "before"}
# What a system's training asks of others than the loop.
OWN_TRAINING = {"stop_accuracy", "evaluations"}
STAGES = {"autoencoder", "deepsmote", "artists", "tagger", "hybrid"}


def test_all_twenty_are_there() -> None:
    assert len(FILES) == 20


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def system(request: pytest.FixtureRequest) -> dict[str, Any]:
    """A system's file."""
    return tomllib.loads(request.param.read_text())


def test_its_parts_are_known(system: dict[str, Any]) -> None:
    assert all(system[name] for name in ("title", "paper", "architecture", "note"))
    assert set(system) - {"title", "paper", "architecture", "note"} <= PARTS
    assert set(system.get("training", {})) <= {field.name for field in fields(FitConfig)} | OWN_TRAINING
    FitConfig(**{key: value for key, value in system.get("training", {}).items() if key not in OWN_TRAINING})
    assert system.get("before", {"stage": "hybrid"})["stage"] in STAGES


def test_its_network_reads_its_front_end(system: dict[str, Any]) -> None:
    raw = dict(system["front_end"])
    extractor = raw.get("extractor")
    if extractor is not None and extractor not in EXTRACTORS:
        pytest.skip(f"the extractor {extractor} is not there")
    frontend = front_end_of({"frontend": raw})
    member = architecture(system["architecture"])
    options = dict(system.get("network", {}))
    if extractor is not None:
        options["n_features"] = EXTRACTORS[extractor][1]
    config = member.config(**options)
    assert config.input_shape == frontend.input_shape
    assert (frontend.chunks > 1) == isinstance(member.front_end, Chunked)
    create_model(member.name, config)
