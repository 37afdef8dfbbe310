"""`manage.py listeners`, on studies in little."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from tests.training.listener_study.made_emotify import N_SONGS, made_emotify
from tests.training.made_models import made_weights
from tests.training.miniatures import write
from training.listener_study import emotify

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Options that name a small model and the folder with its predictions for the songs of Emotify."""
    place = tmp_path_factory.mktemp("heard")
    weights = made_weights(place, "small-1")
    emotify.load(made_emotify(place), weights, place)
    return {"weights": weights, "work": place}


def _made_situnes(root: Path) -> None:
    """Write three listeners with twelve songs each, before and after which they said how they felt."""
    rng = np.random.default_rng(1)
    songs = [f"{n},pop,{rng.random():.3f},{rng.random():.3f},{rng.random():.3f}" for n in range(12)]
    write(
        root / "situnes" / "music_metadata" / "music_info.csv", "item_id,general_genre,valence,energy,loudness", *songs
    )
    answers = [
        ",".join([str(who), str(song), str(rng.integers(1, 6)), *(f"{value:.3f}" for value in rng.uniform(-1, 1, 4))])
        for who in range(3)
        for song in range(12)
    ]
    columns = "user_id,item_id,rating,emo_pre_valence,emo_pre_arousal,emo_post_valence,emo_post_arousal"
    write(root / "situnes" / "Stage2" / "interactions.csv", columns, *answers)


def _called(*arguments: str, **options: Any) -> str:
    out = io.StringIO()
    call_command("listeners", *arguments, stdout=out, stderr=io.StringIO(), **options)
    return out.getvalue()


def test_emotify_is_predicted_and_its_figures_are_written(tmp_path: Path, heard: dict[str, Path]) -> None:
    folder, figures = made_emotify(tmp_path), tmp_path / "figures.json"

    said = _called("emotify", data=folder, draws=2, json=figures, **heard)

    assert f"Emotify: 2 listeners, {2 * N_SONGS} answers." in said
    assert "| ours |" in said
    (written,) = json.loads(figures.read_text())
    assert (written["cohort"], written["with_mood"]) == ("Emotify", False)
    assert written["listeners"] == ["30, 0, Dutch", "40, 1, French"]


def test_a_simulation_says_what_it_is_and_repeats_itself(tmp_path: Path, heard: dict[str, Path]) -> None:
    made_emotify(tmp_path)
    _made_situnes(tmp_path)

    first, again = (_called("simulate", data=tmp_path, listeners=2, **heard) for _ in range(2))

    assert first.startswith("A simulation: the listeners are not real.")
    assert f"2 listeners, {N_SONGS} songs." in first
    assert "| all-knowing | 0.000" in first
    assert first == again


@pytest.mark.parametrize("study", ["situnes", "emotify", "vgmidi", "again", "change", "simulate"])
def test_a_folder_that_is_not_there_is_named(study: str, tmp_path: Path, heard: dict[str, Path]) -> None:
    with pytest.raises(CommandError, match="nowhere"):
        _called(study, data=tmp_path / "nowhere", **heard)
