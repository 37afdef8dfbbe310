"""Networks of tags on made data: rows, resume, segments, and data sets whose audio is not here."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from django.conf import settings
from django.core.management import CommandError, call_command

from emotion.inference.checkpoint import read_card
from tests.audio_fixtures import make_audio
from tests.training.listener_study.made_emotify import HEADER, row
from tests.training.miniatures import write
from training.datasets import DATASETS
from training.datasets.emotify import GEMS
from training.fit import loop
from training.recipes.zoo import recipe, systems, tags
from training.recipes.zoo.table import rows_of
from training.recipes.zoo.tags import TAG_PROTOCOLS, TAG_SETS, agreement_of_halves, audio_of
from training.recipes.zoo.tags_page import tags_page

TINY = """
title = "Made"
paper = "none"
architecture = "liu_simple"
[network]
maps = [4, 4, 4, 4]
hidden = [8]
dropout = 0.0
[front_end]
name = "power_spectrogram"
size = 65
window_s = 5.0
[training]
learning_rate = 5.0e-3
epochs = 4
batch_size = 2
bf16 = false
"""
N_SONGS = 20
FIGURES = {
    "macro_precision", "macro_recall", "macro_f1", "micro_precision", "micro_recall", "micro_f1",
    "hamming_loss", "auc", "average_precision", "one_error",
}  # fmt: skip
TIMED = ("train_s", "infer_ms")


def made_tags(root: Path) -> None:
    """Write an Emotify of twenty songs: hiss is tension, rumble calmness and, for half of its listeners, sadness."""
    rows = []
    for number in range(1, N_SONGS + 1):
        noise = np.random.default_rng(number).normal(0, 0.1, 121_275)
        is_rumble = number % 2 == 0
        waveform = noise if not is_rumble else np.convolve(noise, np.ones(64) / 8, "same")
        make_audio(
            root / "emotify" / "classical" / f"{number}.mp3", channels=1, waveform=waveform[:, None].astype(np.float32)
        )
        felt = ("calmness",) if is_rumble else ("tension",)
        rows += [row(number, felt), row(number, (*felt, "sadness") if is_rumble else felt)]
    write(root / "emotify" / "data.csv", HEADER, *rows)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    made_tags(root)
    return root


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A zoo of a system that can learn tags and one that cannot."""
    folder = tmp_path / "systems"
    folder.mkdir()
    (folder / "tiny.toml").write_text(TINY)
    (folder / "means.toml").write_text('title = "Means"\npaper = "none"\narchitecture = "logistic_means"\n')
    monkeypatch.setattr(systems, "FOLDER", folder)
    monkeypatch.setattr(recipe, "FOLDER", folder)
    return tmp_path


def run(zoo: Path, data: Path, *words: str) -> tuple[list[dict[str, Any]], str]:
    """Return the table after a command, and what the command said."""
    said, results = StringIO(), zoo / "results" / "tags.json"
    arguments = ["--data-sets", "emotify", "--system", "tiny", "--budget", "1", *words]
    places = {"data": data, "work": zoo / "work", "runs": zoo / "runs", "results": results}
    call_command("zoo", "tags", *arguments, stdout=said, **places)
    return json.loads(results.read_text()) if results.exists() else [], said.getvalue()


def test_both_heads_leave_a_row_with_every_figure_and_learn(zoo: Path, data: Path) -> None:
    run(zoo, data)
    rows, said = run(zoo, data, "--head", "softmax")
    assert [row["system"] for row in rows] == ["tiny-sigmoid", "tiny-softmax"]
    assert "tiny-softmax on emotify, fold 5 of 5" in said
    for each in rows:
        assert (each["n"], each["n_tags"], each["tags_per_clip"], each["leaks"]) == (20, 3, 1.5, False)
        assert each["figures"].keys() == each["intervals"].keys() == each["floor"].keys() == FIGURES
        assert each["low"] <= each["macro_f1"] == each["figures"]["macro_f1"] <= each["high"]
        assert list(each["by_tag"]) == list(GEMS)
        assert each["epochs"] == [4] * 5
        assert each["figures"]["auc"] > 0.9 > each["floor"]["auc"] == 0.5
        assert each["figures"]["one_error"] < each["floor"]["one_error"]
    assert rows[0]["folds"] == rows[1]["folds"]
    card = read_card(zoo / "runs" / "tags-emotify-tiny-softmax-artist5" / "folds" / "0.safetensors")
    assert card.classes == GEMS
    assert card.facts["threshold"] == pytest.approx(rows[1]["thresholds"][0], abs=1e-4)


def test_a_killed_run_goes_on_to_the_same_row(zoo: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ([whole], _), trained, folds = run(zoo, data), loop.train, 0
    (zoo / "runs").rename(zoo / "finished")

    def killed(*args: Any) -> Any:
        nonlocal folds
        folds += 1
        if folds == 3:
            raise KeyboardInterrupt
        return trained(*args)

    monkeypatch.setattr(tags, "train", killed)
    with pytest.raises(KeyboardInterrupt):
        run(zoo, data)
    [resumed], _ = run(zoo, data)
    assert folds == 6
    assert {k: v for k, v in resumed.items() if k not in TIMED} == {k: v for k, v in whole.items() if k not in TIMED}
    # Finished folds are read.
    assert run(zoo, data)[0][0]["macro_f1"] == whole["macro_f1"]
    assert folds == 6
    with pytest.raises(CommandError, match="holds another run of tiny-sigmoid"):
        run(zoo, data, "--budget", "2")


def test_random_folds_are_the_papers_and_say_that_they_leak(zoo: Path, data: Path) -> None:
    [each], _ = run(zoo, data, "--protocol", "random10")
    assert (each["protocol"], each["leaks"], len(each["by_fold"])) == ("random10", True, 10)
    assert "leak" in each["about"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--data-sets", "4qaed"], "4qaed has no tags of emotion that are all labelled; emotify, cal500, cal500exp"),
        (["--protocol", "stratified5"], "for tags it can be artist5 or random10"),
        (["--head", "tanh"], "tiny cannot learn tags so: head is 'tanh'; it can be softmax or sigmoid"),
        (["--system", "means"], "means cannot learn tags"),
        (["--system", "none"], "There is no system 'none'"),
    ],
)
def test_what_cannot_be_run_is_a_sentence(zoo: Path, data: Path, words: Sequence[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        run(zoo, data, *words)


VOCABULARY = ("Emotion-Happy", "NOT-Emotion-Happy", "Emotion-Sad", "Usage-Driving")


def test_labels_without_audio_have_a_floor_and_no_figures(zoo: Path, tmp_path: Path) -> None:
    folder, labels = tmp_path / "cal500", np.random.default_rng(0).integers(0, 2, (12, 4))
    write(folder / "songNames.txt", *(f"artist {number}-song" for number in range(12)))
    write(folder / "vocab.txt", *VOCABULARY)
    write(folder / "hardAnnotations.txt", *(",".join(map(str, each)) for each in labels))
    [each], said = run(zoo, tmp_path, "--data-sets", "cal500")
    assert "tiny-sigmoid on cal500 was not run. The labels of 12 clips are here, their audio is not, such as" in said
    assert (each["macro_f1"], each["not_run"]) == (None, "the labels are here, the audio is not")
    assert (each["n"], each["n_tags"], each["floor"]["auc"]) == (12, 2, 0.5)
    assert each["tags_per_clip"] == pytest.approx(labels[:, [0, 2]].sum(axis=1).mean(), abs=1e-4)
    assert TAG_SETS["cal500"].tags(folder) == ["Emotion-Happy", "Emotion-Sad"]


def test_clips_without_audio_are_counted(zoo: Path, data: Path, tmp_path: Path) -> None:
    shutil.copytree(data / "emotify", tmp_path / "emotify")
    (tmp_path / "emotify" / "classical" / "3.mp3").unlink()
    [each], said = run(zoo, tmp_path)
    assert "emotify is run without 1 of 20 clips, whose audio is not here." in said
    assert each["n"] == 19


def test_segments_are_cut_from_their_songs_and_stay_on_one_side(zoo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cal500exp"
    for number in range(12):
        name = f"artist {number}-song"
        # The first segment is silent but for a click, the second is noise.
        waveform = np.random.default_rng(number).normal(0, 0.1, (12 * 22_050, 1)).astype(np.float32)
        waveform[: 4 * 22_050] *= 0.1
        make_audio(folder / "CAL500_32kps" / f"{name}.mp3", channels=1, waveform=waveform)
        write(
            folder / "SegLabelHard" / f"{name}.csv",
            "Start_Time,End_Time,Emotion-Happy,Emotion-Sad,Vocals-Rapping",
            "0,3.5,0,1,0",
            "4.5,12,1,0,1",
        )
    clips = DATASETS["cal500exp"].load(folder, tmp_path / "work")
    quiet, loud = (soundfile.read(path)[0] for path in audio_of(clips[:2], tmp_path / "segments"))
    assert (len(quiet), len(loud)) == (round(6.5 * 22_050), round(7.5 * 22_050))
    assert 5 * quiet.std() < loud.std()
    crossing = []
    for protocol in TAG_PROTOCOLS.values():
        folds = protocol.folds(clips, range(len(clips)))
        songs = [
            [{name.rsplit("/", 1)[0] for name in part} for part in (each.train, each.test)] for each in folds.folds
        ]
        crossing.append(sum(bool(trained & tested) for trained, tested in songs))
    assert crossing[0] == 0 < crossing[1]
    [each], said = run(zoo, tmp_path, "--data-sets", "cal500exp")
    assert (each["n"], each["n_tags"], list(each["by_tag"])) == (24, 2, ["Emotion-Happy", "Emotion-Sad"])
    assert each["agreement"] is None
    assert "not run" not in said


def test_halves_of_like_listeners_agree(data: Path, tmp_path: Path) -> None:
    write(tmp_path / "data.csv", HEADER, *(row(n, (GEMS[n],)) for n in range(1, 9) for _ in range(4)))
    # Amazement is felt by none, and counts 0.
    assert agreement_of_halves(tmp_path) == pytest.approx(8 / 9)
    assert agreement_of_halves(data / "emotify") < 1


def test_the_page_has_every_row_beside_its_floor_and_the_paper(zoo: Path, data: Path, tmp_path: Path) -> None:
    [whole], _ = run(zoo, data)
    labels = {name: whole[name] for name in ("system", "protocol", "floor")}
    labels |= {"data": "cal500", "leaks": True, "not_run": "the audio is not here"}
    page = tags_page([whole, labels])
    figures, (low, high) = whole["figures"], whole["intervals"]["auc"]
    assert f"| AUC, macro | {figures['auc']:.3f} ({low:.3f}–{high:.3f}) | 0.500 |" in page
    assert f"| macro-F1 | 0.472 | {labels['floor']['macro_f1']:.3f} | 0.596 | not run |" in page
    assert "`manage.py zoo tags --data-sets emotify --system tiny --head sigmoid --protocol artist5 --budget 1`" in page
    assert "- `tiny-sigmoid` on cal500, artist5: not run, the audio is not here." in page
    assert "| calmness | 0.50 |" in page
    assert "nostalgia" not in page


def test_the_page_in_the_documentation_is_that_of_the_results() -> None:
    page = Path(settings.BASE_DIR) / "docs" / "zoo_tags.md"
    anew = tags_page(rows_of(settings.MOODPLANE_ZOO_RESULTS.with_name("tags.json")))
    assert page.read_text(encoding="utf-8") == anew, "run manage.py zoo table"
