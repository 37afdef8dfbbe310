"""Held-out songs of held-out listeners, on miniatures in the layout of SiTunes and on made listeners."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from recommender.felt_model.model import Ratings
from training.datasets.base import DatasetError
from training.listener_study import situnes
from training.listener_study.protocol import (
    METHODS,
    Cohort,
    HeldOut,
    detail_table,
    evaluate,
    interval,
    listener_model,
    principal_directions,
)

pytestmark = pytest.mark.slow

SONG_COLUMNS = ["", "item_id", "popularity", "loudness", "energy", "key", "valence", "tempo", "general_genre"]
ANSWER_COLUMNS = [
    "inter_id", "user_id", "item_id", "timestamp", "rating", "emo_pre_valence", "emo_pre_arousal",
    "emo_post_valence", "emo_post_arousal", "duration", "rec_type",
]  # fmt: skip


@pytest.fixture
def miniature(tmp_path: Path) -> Path:
    """Write a folder as SiTunes has it: 30 songs, 4 listeners of whom one answered three times only."""
    rng = np.random.default_rng(0)
    (tmp_path / "Stage2").mkdir()
    (tmp_path / "music_metadata").mkdir()
    songs = [
        [
            n,
            n + 100,
            40 + n,
            -9.5,
            round(rng.random(), 3),
            2,
            round(rng.random(), 3),
            120 + n,
            "pop" if n % 2 else "jazz",
        ]
        for n in range(30)
    ]
    songs[3][3] = ""
    answers: list[list[object]] = []
    for user, n_songs in ((1, 30), (2, 30), (3, 30), (9, 3)):
        for n in range(n_songs):
            before, after = rng.uniform(-0.5, 0.5, 2), rng.uniform(-0.9, 0.9, 2)
            answers.append([len(answers), user, n + 100, 1.6e9, 1 + n % 5, *before.round(3), *after.round(3), "", ""])
    write(tmp_path / situnes.SONGS, SONG_COLUMNS, songs)
    write(tmp_path / situnes.INTERACTIONS, ANSWER_COLUMNS, answers)
    return tmp_path


def write(path: Path, columns: list[str], rows: Iterable[Iterable[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])


def made_cohort(n_listeners: int = 6, shift: float = -0.3, n_songs: int = 25) -> Cohort:
    """Make listeners who feel everything calmer than it sounds, by an amount that is their own."""
    rng = np.random.default_rng(1)
    embeddings = rng.normal(size=(n_songs, 16))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    listeners = {}
    for n in range(n_listeners):
        perceived = rng.uniform(-0.5, 0.5, (n_songs, 2))
        felt = perceived + np.array([0.0, shift * n / n_listeners]) + rng.normal(0, 0.05, (n_songs, 2))
        nothing = np.full((n_songs, 2), np.nan)
        one = np.ones(n_songs)
        listeners[str(n)] = Ratings(
            np.arange(n_songs), perceived, np.clip(felt, -1, 1), embeddings, one, one, one, nothing, 0 * one
        )
    return Cohort("made", listeners, principal_directions(embeddings, 2), np.arange(len(embeddings)))


def test_the_layout_is_read(miniature: Path) -> None:
    cohort = situnes.load(miniature)
    assert {who: len(said.song_ids) for who, said in cohort.listeners.items()} == {"1": 30, "2": 30, "3": 30, "9": 3}
    said = cohort.listeners["1"]
    assert cohort.knows_mood
    assert np.abs(said.moods).max() <= 0.5
    assert np.linalg.norm(said.embeddings, axis=1) == pytest.approx(np.ones(30))
    assert set(said.likes) == {-1.0, -0.5, 0.0, 0.5, 1.0}
    assert cohort.basis @ cohort.basis.T == pytest.approx(np.eye(len(cohort.basis)), abs=1e-9)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"music_info\.csv cannot be read"):
        situnes.load(tmp_path)


def test_a_cell_that_is_no_number_is_reported(miniature: Path) -> None:
    path = miniature / situnes.INTERACTIONS
    path.write_text(
        path.read_text(encoding="utf-8").replace("1600000000.0,1,", "1600000000.0,often,", 1), encoding="utf-8"
    )
    with pytest.raises(DatasetError, match="often"):
        situnes.load(miniature)


def test_nobody_is_predicted_from_their_own_songs(miniature: Path) -> None:
    """What a method is given of the listener is the support, and nothing asked is in it."""
    cohort = situnes.load(miniature)
    seen: list[HeldOut] = []

    def spy(held_out: HeldOut) -> np.ndarray:
        seen.append(held_out)
        return held_out.tested.perceived

    outcome = evaluate(cohort, supports=(0, 5), n_draws=3, methods={"spy": spy})
    assert outcome.listeners == ("1", "2", "3")
    assert len(seen) == 3 * 2 * 3
    for held_out in seen:
        assert not set(held_out.support.song_ids) & set(held_out.tested.song_ids)
        assert len(held_out.support.song_ids) in (0, 5)


def test_a_near_duplicate_of_a_known_song_is_not_predicted() -> None:
    cohort = made_cohort(n_listeners=2)
    # Each song comes twice, under two ids.
    cohort = replace(cohort, recordings=np.arange(25) // 2)
    seen: list[HeldOut] = []

    def spy(held_out: HeldOut) -> np.ndarray:
        seen.append(held_out)
        return held_out.tested.perceived

    evaluate(cohort, supports=(0, 5), n_draws=4, methods={"spy": spy})
    for held_out in seen:
        known, tested = (set(cohort.recordings[part.song_ids]) for part in (held_out.support, held_out.tested))
        assert not known & tested
    assert {len(held_out.tested.song_ids) for held_out in seen} <= {25, *range(15, 20)}


def test_with_no_ratings_ours_is_what_everybody_gets_and_learns_from_there() -> None:
    outcome = evaluate(made_cohort(), supports=(0, 10), n_draws=4)
    own, shifted = outcome.errors["ours"], outcome.errors["everybody + bias"]
    assert own.absolute[0] == pytest.approx(shifted.absolute[0])
    assert own.absolute[10].mean() < own.absolute[0].mean()
    assert own.harmed(0) == (0, 6)
    assert set(outcome.errors) == set(METHODS)


def test_the_same_seed_gives_the_same_figures() -> None:
    cohort, methods = made_cohort(4), {"ours": listener_model}
    first = evaluate(cohort, supports=(0, 5), n_draws=2, methods=methods, seed=3)
    second = evaluate(cohort, supports=(0, 5), n_draws=2, methods=methods, seed=3)
    other = evaluate(cohort, supports=(0, 5), n_draws=2, methods=methods, seed=4)
    assert np.array_equal(first.errors["ours"].absolute[5], second.errors["ours"].absolute[5])
    assert not np.array_equal(first.errors["ours"].absolute[5], other.errors["ours"].absolute[5])


def test_a_listener_with_too_few_songs_left_is_not_counted_at_that_size() -> None:
    outcome = evaluate(made_cohort(4, n_songs=16), supports=(0, 10, 20), n_draws=2, methods={"ours": listener_model})
    assert np.isnan(outcome.errors["ours"].absolute[20]).all()
    assert outcome.errors["ours"].harmed(20) == (0, 0)
    assert "| 20 | 0 | – (– to –)" in detail_table(outcome)


def test_an_interval_is_of_the_mean_over_listeners() -> None:
    mean, low, high = interval(np.array([0.1, 0.2, 0.3, np.nan]))
    assert mean == pytest.approx(0.2)
    assert low < 0.2 < high


def test_the_command_prints_both_protocols_and_writes_the_figures(
    miniature: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = tmp_path / "figures.json"
    call_command("listeners", "situnes", data=miniature, draws=1, json=figures)
    said = capsys.readouterr().out
    assert "with the mood before: 3 listeners" in said
    assert "without the mood before" in said
    written = json.loads(figures.read_text(encoding="utf-8"))
    assert [each["with_mood"] for each in written] == [True, False]
    assert len(written[0]["methods"]["ours"]["10"]["per_listener"]) == 3


def test_the_command_names_the_missing_files(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="Name the folder"):
        call_command("listeners", "situnes", data=tmp_path)


@pytest.mark.needs_data
def test_on_the_real_listeners_the_mood_and_the_ratings_both_help() -> None:
    folder = Path(settings.MER_DATA) / "situnes"
    if not folder.is_dir():
        pytest.skip(f"SiTunes is not at {folder}.")
    cohort = situnes.load(folder)
    methods = {"ours": listener_model}
    known = evaluate(cohort, supports=(0, 10), n_draws=3, methods=methods).errors["ours"]
    unknown = evaluate(cohort.without_mood(), supports=(0, 10), n_draws=3, methods=methods).errors["ours"]
    assert known.absolute[10].mean() < known.absolute[0].mean() < unknown.absolute[10].mean()
    assert unknown.absolute[10].mean() < unknown.absolute[0].mean()
