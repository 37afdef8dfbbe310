"""Settings: bad values stop the start with a sentence; the secret key is made once and stays private."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mer_site.local.paths import EmbeddedPaths, secret_key

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent.parent


def check(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `manage.py check` with these settings."""
    return subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "MOODPLANE_VAR": str(tmp_path), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("MOODPLANE_DEVICE", "gpu", "MOODPLANE_DEVICE is 'gpu', but must be one of auto, cpu, cuda, cuda:N."),
        ("MOODPLANE_ENGINE", "onnx", "MOODPLANE_ENGINE is 'onnx', but must be one of auto, torch, openvino."),
        ("MOODPLANE_MODEL", "b3", "MOODPLANE_MODEL is 'b3', but must be one of hybrid-b3, b3-fast."),
        ("MOODPLANE_MAX_UPLOAD_BYTES", "0", "MOODPLANE_MAX_UPLOAD_BYTES is 0, but must be above zero."),
        ("MOODPLANE_WEIGHTS", "/nowhere.safetensors", "MOODPLANE_WEIGHTS names /nowhere.safetensors, and there is no"),
        ("MOODPLANE_MEDIA_ORIGIN", "https://x.example", "MOODPLANE_MEDIA_ORIGIN is set, but files on this machine"),
        ("MUSIC_FOLDERS", "/srv/music:/", "MUSIC_FOLDERS names /, which holds what Moodplane stores itself"),
        ("DATABASE_URL", "sqlite:///x.db", "DATABASE_URL names a sqlite3 database; Moodplane needs PostgreSQL"),
    ],
)
def test_a_bad_value_stops_the_start_with_a_sentence(name: str, value: str, sentence: str, tmp_path: Path) -> None:
    result = check(tmp_path, **{name: value})
    assert result.returncode != 0
    assert sentence in result.stderr


def test_folders_of_music_are_separated_by_colons(tmp_path: Path) -> None:
    script = "from mer_site import settings as s; print(*map(str, s.MUSIC_FOLDERS), sep=chr(10))"
    folders = "/srv/Crosby, Stills & Nash: :music"
    said = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "MOODPLANE_VAR": str(tmp_path), "SECRET_KEY": "x", "MUSIC_FOLDERS": folders},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.splitlines() == ["/srv/Crosby, Stills & Nash", str(ROOT / "music")]


@pytest.mark.parametrize(
    ("name", "weights", "is_chosen"),
    [("", "hybrid-b3", False), ("hybrid-b3", "hybrid-b3", True), ("b3-fast", "b3-fast", True)],
)
def test_a_bundled_model_is_chosen_by_its_name(name: str, weights: str, is_chosen: bool, tmp_path: Path) -> None:
    script = "from mer_site import settings as s; print(s.MOODPLANE_WEIGHTS, s.MOODPLANE_MODEL_CHOSEN)"
    environment = {"PATH": os.environ["PATH"], "MOODPLANE_VAR": str(tmp_path), "SECRET_KEY": "for this test"}
    said = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**environment, "MOODPLANE_MODEL": name},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.stdout.split() == [str(ROOT / "emotion" / "weights" / f"{weights}.safetensors"), str(is_chosen)]


def test_defaults_pass(tmp_path: Path) -> None:
    result = check(tmp_path)
    assert result.returncode == 0, result.stderr
    assert "no issues" in result.stdout


def test_an_empty_name_of_a_folder_is_none() -> None:
    script = "from mer_site import settings; print(settings.MOODPLANE_VAR, settings.MEDIA_ROOT)"
    environment = {"PATH": os.environ["PATH"], "MOODPLANE_VAR": "", "MEDIA_ROOT": "", "SECRET_KEY": "for this test"}
    said = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert said.stdout.split() == [str(ROOT / "var"), str(ROOT / "var" / "media")], said.stderr


def test_the_secret_key_is_made_once_and_private(tmp_path: Path) -> None:
    key = secret_key(tmp_path / "var")
    assert len(key) >= 50
    assert secret_key(tmp_path / "var") == key
    assert stat.S_IMODE((tmp_path / "var" / "secret_key").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "var").iterdir()] == ["secret_key"]


def test_an_empty_secret_key_left_by_a_crash_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "secret_key").touch(mode=0o600)
    assert secret_key(tmp_path) == (tmp_path / "secret_key").read_text() != ""


def test_sockets_stay_short_however_long_the_path(tmp_path: Path) -> None:
    paths = EmbeddedPaths(tmp_path / ("deep" * 60))
    assert len(str(paths.redis_socket)) < 60
    assert paths.socket_dir != EmbeddedPaths(tmp_path).socket_dir
