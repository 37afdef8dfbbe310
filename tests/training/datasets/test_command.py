"""`manage.py datasets`: its output for people and for programs."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.training.miniatures import MINIATURES, silence
from training.datasets import DATASETS


def listed(root: Path, *arguments: str) -> str:
    out = io.StringIO()
    call_command("datasets", *arguments, "--data", str(root), "--work", str(root / "work"), stdout=out)
    return out.getvalue()


def test_all_datasets_are_listed_with_their_local_state(tmp_path: Path) -> None:
    MINIATURES["4qaed"](tmp_path)
    MINIATURES["jamendo"](tmp_path)
    lines = listed(tmp_path).splitlines()
    rows = {line.split()[0]: line.split() for line in lines if not line.startswith(" ")}
    assert rows.keys() >= DATASETS.keys()
    assert rows["4qaed"][1:8] == ["4", "4", "1", "1", "1", "1", "2"]
    assert " ".join(rows["4qaed"][8:]) == DATASETS["4qaed"].licence
    assert rows["jamendo"][1:8] == ["3", "3", "-", "-", "-", "-", "2"]
    assert rows["bimodal"] == ["bimodal", "not", "here"]
    place = tmp_path / "pmemo" / "annotations" / "static_annotations.csv"
    assert any(line.strip().startswith(f"Expected static_annotations.csv at {place}") for line in lines)


def test_a_named_dataset_must_be_whole(tmp_path: Path) -> None:
    MINIATURES["pmemo"](tmp_path)
    assert "pmemo" in listed(tmp_path, "pmemo")
    missing = tmp_path / "pmemo" / "chorus" / "2.mp3"
    missing.unlink()
    with pytest.raises(CommandError, match=r"Incomplete: pmemo\.") as caught:
        listed(tmp_path, "pmemo", "--json")
    assert caught.value.returncode == 1
    assert "1 of 4 audio files are missing" in listed(tmp_path)


def test_only_the_whole_check_opens_the_audio(tmp_path: Path) -> None:
    MINIATURES["bimodal"](tmp_path)
    silence(tmp_path / "bimodal" / "Q1" / "SQ1.mp3")
    assert "0 s long" not in listed(tmp_path, "bimodal")
    with pytest.raises(CommandError, match="Incomplete: bimodal"):
        listed(tmp_path, "bimodal", "--check")
    assert "SQ1.mp3 is 0 s long." in listed(tmp_path, "--check")


def test_many_problems_are_counted_and_all_given_to_programs(tmp_path: Path) -> None:
    MINIATURES["4qaed"](tmp_path)
    table = tmp_path / "4qaed" / "panda_dataset_taffc_annotations.csv"
    table.write_text(table.read_text() + "".join(f"X{i},Q9\n" for i in range(8)))
    assert "... and 3 more; --json names them all." in listed(tmp_path)
    found = {one["name"]: one for one in json.loads(listed(tmp_path, "--json"))}
    assert list(found) == list(DATASETS)
    assert len(found["4qaed"]["problems"]) == 8
    assert found["4qaed"]["quadrants"] == {"Q1": 1, "Q2": 1, "Q3": 1, "Q4": 1}
    assert found["4qaed"]["folder"] == str(tmp_path / "4qaed")
    assert found["merge"]["is_here"] is False


def test_an_unrendered_dataset_is_no_problem(tmp_path: Path) -> None:
    MINIATURES["vgmidi"](tmp_path)
    next((tmp_path / "work" / "vgmidi").iterdir()).unlink()
    assert "1 clips are rendered from MIDI when they are first needed." in listed(tmp_path, "vgmidi")


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"No dataset deem; available: 4qaed, pmemo, .*deam"):
        listed(tmp_path, "deem", "deam")
