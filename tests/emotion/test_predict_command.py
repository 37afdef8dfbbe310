import csv
import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.audio_fixtures import make_audio

pytestmark = pytest.mark.slow


def run(*arguments: str, weights: Path) -> None:
    call_command("predict", *arguments, "--weights", str(weights), "--engine", "torch", "--device", "cpu")


def test_a_table_of_files(small_weights: Path, tmp_path: Path) -> None:
    music = tmp_path / "music"
    for seed in range(3):
        make_audio(music / f"{seed}.wav", 6, seed=seed)
    (music / "notes.txt").write_text("not music, and not asked for")
    out = tmp_path / "out.csv"
    run(str(music), "--csv", str(out), weights=small_weights)
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    assert list(rows[0]) == ["path", "quadrant", "p_q1", "p_q2", "p_q3", "p_q4", "valence", "arousal", "model_version"]
    assert [Path(row["path"]).name for row in rows] == ["0.wav", "1.wav", "2.wav"]
    for row in rows:
        probabilities = [float(row[f"p_q{i}"]) for i in range(1, 5)]
        assert sum(probabilities) == pytest.approx(1, abs=1e-5)
        assert row["quadrant"] == f"Q{probabilities.index(max(probabilities)) + 1}"
        assert row["model_version"] == "small-1"


def test_a_file_that_fails_is_reported_and_the_others_still_come(
    small_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.mp3"
    bad.write_text("words")
    good = make_audio(tmp_path / "good.wav", 6)
    with pytest.raises(CommandError, match="1 of 2 files could not be analysed"):
        run(str(bad), str(good), weights=small_weights)
    printed = capsys.readouterr()
    assert [row["path"] for row in csv.DictReader(io.StringIO(printed.out))] == [str(good)]
    assert f"{bad}: The audio could not be decoded" in printed.err
