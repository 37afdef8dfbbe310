"""Emotify's players: who counts as one, what they felt, and the model's estimates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emotion.inference.quadrants import Quadrant
from tests.training.listener_study.made_emotify import N_SONGS, made_emotify, row
from tests.training.made_models import made_weights
from training.datasets.base import DatasetError
from training.datasets.emotify import _COLUMNS, GEMS
from training.listener_study import emotify

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def heard_by(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A small model, and its predictions for the twenty songs."""
    place = tmp_path_factory.mktemp("heard")
    weights = made_weights(place, "small-1")
    emotify.load(made_emotify(place), weights, place / "work")
    return weights, place / "work"


def test_players_are_distinguished_by_their_profile_and_keep_their_answers(
    tmp_path: Path, heard_by: tuple[Path, Path]
) -> None:
    folder = made_emotify(tmp_path)

    study = emotify.load(folder, *heard_by)

    assert list(study.cohort.listeners) == ["30, 0, Dutch", "40, 1, French"]
    powerful, calm = study.cohort.listeners.values()
    assert powerful.felt.tolist() == [list(emotify.POINTS["power"])] * N_SONGS
    assert calm.felt.tolist() == [list(emotify.POINTS["calmness"])] * N_SONGS
    assert powerful.likes.tolist() == [1.0] * N_SONGS
    assert calm.likes.tolist() == [-1.0] * N_SONGS
    assert sorted(powerful.song_ids.tolist()) == list(range(N_SONGS))
    assert not study.cohort.knows_mood


def test_songs_carry_the_models_predictions(tmp_path: Path, heard_by: tuple[Path, Path]) -> None:
    study = emotify.load(made_emotify(tmp_path), *heard_by)

    said = study.cohort.listeners["30, 0, Dutch"]
    assert study.estimates.embeddings.shape == (N_SONGS, 64)
    assert np.allclose(np.linalg.norm(study.estimates.embeddings, axis=1), 1.0, atol=1e-6)
    assert np.array_equal(said.perceived, study.estimates.perceived[said.song_ids])
    assert np.array_equal(said.embeddings, study.estimates.embeddings[said.song_ids])
    assert np.abs(study.estimates.perceived).max() <= 1.0


def test_a_profile_that_rated_a_song_twice_is_several_people(tmp_path: Path, heard_by: tuple[Path, Path]) -> None:
    twice = row(1, ("tension",), who="30,0,Dutch")

    study = emotify.load(made_emotify(tmp_path, twice), *heard_by)

    assert list(study.cohort.listeners) == ["40, 1, French"]


def test_who_answered_little_is_left_out(tmp_path: Path, heard_by: tuple[Path, Path]) -> None:
    few = [row(track, ("sadness",), who="50,0,Greek") for track in range(1, emotify.MIN_ANSWERS)]

    study = emotify.load(made_emotify(tmp_path, *few), *heard_by)

    assert "50, 0, Greek" not in study.cohort.listeners


def test_a_row_with_a_wrong_cell_is_nobodys(tmp_path: Path, heard_by: tuple[Path, Path]) -> None:
    wrong = row(1, (), who="40,1,French").replace("1,classical,0", "1,classical,7", 1)

    study = emotify.load(made_emotify(tmp_path, wrong), *heard_by)

    assert len(study.cohort.listeners["40, 1, French"].song_ids) == N_SONGS


def test_several_emotions_are_felt_between_them_and_none_is_not_known() -> None:
    ticked = np.zeros((3, len(GEMS)))
    ticked[0, [GEMS.index("power"), GEMS.index("tension")]] = 1
    ticked[1, GEMS.index("sadness")] = 1

    points = emotify.felt_point(ticked)

    assert points[0] == pytest.approx([-0.1, 0.65])
    assert points[1].tolist() == list(emotify.POINTS["sadness"])
    assert np.isnan(points[2]).all()


@pytest.mark.parametrize("quadrant", Quadrant)
def test_the_points_lie_where_the_training_data_reads_the_emotions(quadrant: Quadrant) -> None:
    valence, arousal = np.mean([emotify.POINTS[name] for name in _COLUMNS[quadrant]], axis=0)

    assert Quadrant.from_valence_arousal(float(valence), float(arousal)) is quadrant


def test_predictions_are_cached_until_the_model_or_the_clips_change(
    tmp_path: Path, heard_by: tuple[Path, Path]
) -> None:
    folder = made_emotify(tmp_path)
    (folder / "classical" / "3.mp3").unlink()
    weights, work_dir = heard_by

    study = emotify.load(folder, weights, work_dir)

    assert [kept.name for kept in (work_dir / "estimates").iterdir()] == ["emotify.small-1.npz"]
    assert study.estimates.embeddings.shape == (N_SONGS, 64)
    # Another model has to analyse them itself, and one recording is gone by now.
    with pytest.raises(DatasetError, match=r"3\.mp3 is missing"):
        emotify.load(folder, made_weights(tmp_path, "small-2"), work_dir)


def test_one_recording_under_two_names_has_one_label(tmp_path: Path, heard_by: tuple[Path, Path]) -> None:
    folder = made_emotify(tmp_path)
    (folder / "classical" / "2.mp3").write_bytes((folder / "classical" / "1.mp3").read_bytes())

    cohort = emotify.load(folder, heard_by[0], tmp_path).cohort

    assert cohort.recordings[0] == cohort.recordings[1]
    assert len(set(cohort.recordings.tolist())) == N_SONGS - 1


def test_a_recording_that_cannot_be_decoded_is_named(tmp_path: Path, heard_by: tuple[Path, Path]) -> None:
    folder = made_emotify(tmp_path)
    (folder / "classical" / "5.mp3").write_bytes(b"no music")

    with pytest.raises(DatasetError, match=r"5\.mp3 cannot be analysed"):
        emotify.load(folder, heard_by[0], tmp_path)


@pytest.mark.needs_data
def test_the_real_players(mer_data: Path) -> None:
    listeners = emotify._listeners(mer_data / "emotify")

    assert len(listeners) == 82
    assert sum(len(rows) for rows in listeners.values()) == 1935
