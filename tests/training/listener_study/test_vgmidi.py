"""VGMIDI's listeners: distinguished by their annotations, and predicted from one piece."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.listener_study.made_emotify import recording
from tests.training.made_models import made_weights
from tests.training.miniatures import write
from training.datasets.base import DatasetError
from training.listener_study import vgmidi
from training.listener_study.protocol import Cohort

pytestmark = pytest.mark.slow

Load = Callable[[Path, dict[str, Any]], Cohort]
_PIECES = ("A_N64_A_One", "A_N64_A_Two", "B_N64_B_Three")


def _said(valence: float, arousal: float, wrote: str, *, known: bool = False) -> dict[str, Any]:
    profile = {"age": "21-25", "country": "US", "gender": "Male", "musicianship": 1}
    practice = {"ex1_valence": "1", "ex2_valence": "2", "ex1_arousal": "1", "ex1_description": wrote}
    curve = {"valence": [valence, valence], "arousal": [arousal, arousal + 0.1], "isKnown": known}
    return {**profile, **practice, "ex2_arousal": wrote and "rises", **curve}


def _made(root: Path, annotations: dict[str, Any]) -> Path:
    folder = root / "vgmidi"
    rows = [f"{number},A,N64,A,{stem},midi/{stem}.mid,1,1" for number, stem in enumerate(_PIECES)]
    write(folder / "vgmidi_labelled.csv", "id,series,console,game,piece,midi,valence,arousal", *rows)
    pieces = {f"piece{n}": {"midi": f"{stem}.mid", "duration": 4.0} for n, stem in enumerate(_PIECES)}
    for part, said in ((1, annotations), (2, {})):
        raw = json.dumps({"pieces": pieces, "annotations": said}).encode()
        (folder / f"vgmidi_raw_{part}.json.gz").write_bytes(gzip.compress(raw))
    rendered = root / "work" / "vgmidi"
    rendered.mkdir(parents=True, exist_ok=True)
    for number, stem in enumerate(_PIECES):
        (rendered / f"{stem}.flac").write_bytes(recording(number))
    return folder


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    """Reads annotations as VGMIDI would hold them; the model analyses the pieces once."""
    weights = made_weights(tmp_path_factory.mktemp("model"), "small-1")
    estimates = tmp_path_factory.mktemp("estimates")

    def loaded(root: Path, annotations: dict[str, Any]) -> Cohort:
        folder = _made(root, annotations)
        (root / "work" / "estimates").symlink_to(estimates)
        return vgmidi.load(folder, weights, root / "work")

    return loaded


def test_a_listener_is_one_wording_of_the_practice_answers(tmp_path: Path, load: Load) -> None:
    cohort = load(
        tmp_path,
        {
            "piece0_1": _said(0.5, 0.2, "upbeat"),
            "piece1_1": _said(-0.5, 0.4, "upbeat", known=True),
            "piece0_2": _said(0.1, 0.1, "jolly"),
            "piece2_1": _said(0.1, 0.1, ""),
            "piece1_2": _said(0.1, 0.1, ""),
        },
    )

    # "jolly" drew one piece only; the two who wrote nothing may be anybody.
    (said,) = cohort.listeners.values()
    assert said.felt == pytest.approx(np.array([[0.5, 0.25], [-0.5, 0.45]]))
    assert said.familiar.tolist() == [-1.0, 1.0]
    assert said.song_ids.tolist() == [0, 1]
    assert np.isnan(said.likes).all()
    assert np.isnan(said.moods).all()


def test_a_piece_drawn_twice_counts_once(tmp_path: Path, load: Load) -> None:
    cohort = load(
        tmp_path,
        {
            "piece0_1": _said(0.5, 0.2, "upbeat"),
            "piece0_2": _said(-0.9, 0.2, "upbeat"),
            "piece1_1": _said(0.3, 0.2, "upbeat"),
        },
    )

    (said,) = cohort.listeners.values()
    assert said.felt[:, 0].tolist() == pytest.approx([0.5, 0.3])


@pytest.mark.parametrize(("valence", "arousal"), [(1.5, 0.0), (0.0, float("nan"))])
def test_a_curve_beyond_the_scale_is_named(tmp_path: Path, load: Load, valence: float, arousal: float) -> None:
    with pytest.raises(DatasetError, match="fetch it again"):
        load(tmp_path, {"piece0_1": _said(valence, arousal, "upbeat")})


def test_one_piece_helps_to_predict_a_listener_whose_answers_all_lie_to_one_side(tmp_path: Path, load: Load) -> None:
    rng = np.random.default_rng(3)
    annotations: dict[str, Any] = {}
    for number in range(40):
        side = 0.6 if number % 2 else -0.6
        for piece in (0, 1):
            noise = 0.02 * rng.standard_normal()
            annotations[f"piece{piece}_{number}"] = _said(side + noise, 0.0, f"listener {number}")

    outcome = vgmidi.second_pieces(load(tmp_path, annotations))

    assert outcome["n_listeners"] == 40
    assert outcome["change"][2] < 0.0
    assert outcome["improved"] > 0.9
    assert outcome["own"][0] < outcome["shared"][0]
    assert "| ours, after one piece |" in vgmidi.pair_table(outcome)
    assert json.loads(json.dumps(outcome))["n_listeners"] == 40


@pytest.mark.needs_data
def test_the_real_listeners(mer_data: Path) -> None:
    answers = vgmidi._answers(mer_data / "vgmidi")

    pieces = [len(drawn) for drawn in answers.values()]
    assert len(pieces) == 2527
    assert sum(n >= vgmidi.MIN_PIECES for n in pieces) == 864
