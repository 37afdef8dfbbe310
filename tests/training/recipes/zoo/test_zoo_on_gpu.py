"""The script for the whole table on a borrowed GPU, on the CPU with made clips: a file there, rows back."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from emotion.signal.audio import read_window
from emotion.zoo.frontends import MelConfig, log_mel_image
from tests.training.made_qaed import made_qaed
from tools import zoo_on_gpu

pytestmark = pytest.mark.slow


@pytest.fixture
def carry(tmp_path: Path) -> Path:
    """A made 4QAED of 20 clips, in the file that is carried."""
    made_qaed(tmp_path / "data", clips=5, artists=5)
    path = tmp_path / "zoo.tar"
    zoo_on_gpu.main(["prepare", str(path), "--data", str(tmp_path / "data"), "--work", str(tmp_path / "work")])
    return path


def test_the_table_is_trained_from_the_file_alone(
    carry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    options = ["run", str(carry), str(out), "majority", "logistic_means", "--protocols", "artist5", "--device", "cpu"]
    zoo_on_gpu.main([*options, "--minutes", "0"])
    assert "The time is over" in capsys.readouterr().out
    assert not (out / "zoo.json").exists()
    zoo_on_gpu.main(options)
    floor, means = sorted(json.loads((out / "zoo.json").read_text()), key=lambda row: row["macro_f1"])
    assert (floor["system"], floor["n"]) == ("majority", 20)
    assert means["macro_f1"] > floor["macro_f1"]
    zoo_on_gpu.main(options)
    assert "is in the table" in capsys.readouterr().out


def test_a_killed_extraction_is_begun_again(carry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(self: tarfile.TarFile, path: Path, **options: Any) -> None:
        self.extract(self.getmembers()[0], path, **options)
        raise KeyboardInterrupt

    out = tmp_path / "out"
    options = ["run", str(carry), str(out), "majority", "--protocols", "artist5", "--device", "cpu"]
    with monkeypatch.context() as patch:
        patch.setattr(tarfile.TarFile, "extractall", killed)
        with pytest.raises(KeyboardInterrupt):
            zoo_on_gpu.main(options)
    zoo_on_gpu.main(options)
    [row] = json.loads((out / "zoo.json").read_text())
    assert row["n"] == 20
    assert not list(out.glob("data.*"))


def test_a_window_sounds_as_it_did(tmp_path: Path) -> None:
    made_qaed(tmp_path, clips=1, seconds=30.0)
    [audio] = (tmp_path / "4qaed" / "Q1").glob("*.opus")
    zoo_on_gpu.write_window(audio, tmp_path / "window.opus", 18_000)
    assert soundfile.info(tmp_path / "window.opus").duration == pytest.approx(24.5, abs=0.01)
    before, after = (
        log_mel_image(read_window(each).waveform, MelConfig()) for each in (audio, tmp_path / "window.opus")
    )
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.9


def test_what_cannot_be_done_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="4qaed"):
        zoo_on_gpu.main(["prepare", str(tmp_path / "zoo.tar"), "--data", str(tmp_path)])
    made_qaed(tmp_path, clips=1)
    monkeypatch.setattr(zoo_on_gpu, "LIMIT_BYTES", 100)
    with pytest.raises(SystemExit, match="ask for fewer bits"):
        zoo_on_gpu.main(["prepare", str(tmp_path / "zoo.tar"), "--data", str(tmp_path), "--work", str(tmp_path)])
    with pytest.raises(SystemExit, match="No such file"):
        zoo_on_gpu.main(["run", str(tmp_path / "none.tar"), str(tmp_path / "out")])
