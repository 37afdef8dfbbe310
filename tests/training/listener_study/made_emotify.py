"""Emotify in little: players of twenty songs, in the official layout."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from tests.audio_fixtures import make_audio
from tests.training.miniatures import write
from training.datasets.emotify import GEMS

HEADER = f"track id, genre, {', '.join(GEMS)}, mood, liked, disliked, age, gender, mother tongue"
N_SONGS = 20


@cache
def recording(number: int) -> bytes:
    """Return a recording just long enough for the model, noise of its own so that no two are near-duplicates."""
    noise = np.random.default_rng(number).normal(0, 0.1, (121_275, 1)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        return make_audio(Path(folder) / "recording.mp3", 5.5, channels=1, waveform=noise).read_bytes()


def row(track: int, ticked: tuple[str, ...], *, like: int = 0, who: str = "21,1,English") -> str:
    """Return a row; `like` is 1, 0 or -1."""
    flags = ",".join(str(int(name in ticked)) for name in GEMS)
    return f"{track},classical,{flags},3,{int(like > 0)},{int(like < 0)},{who}"


def made_emotify(root: Path, *rows: str) -> Path:
    """Write two players of every song, one of whom felt power and liked it and one calmness, then further rows."""
    folder = root / "emotify"
    players = [
        row(track, ticked, like=like, who=who)
        for track in range(1, N_SONGS + 1)
        for ticked, like, who in ((("power",), 1, "30,0,Dutch"), (("calmness",), -1, "40,1,French"))
    ]
    write(folder / "data.csv", HEADER, *players, *rows)
    (folder / "classical").mkdir()
    for number in range(1, N_SONGS + 1):
        (folder / "classical" / f"{number}.mp3").write_bytes(recording(number))
    return folder
