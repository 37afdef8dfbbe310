"""The walls of the house, where a linter cannot see them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tools import structure

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
_HEAVY = ("torch", "librosa", "openvino", "faiss", "efficientnet_pytorch", "numba")


def test_the_url_configuration_loads_no_model_library(process_env: Callable[[], dict[str, str]]) -> None:
    script = (
        "import sys, django; django.setup()\n"
        "from django.urls import get_resolver; get_resolver().url_patterns\n"
        f"print(*[name for name in {_HEAVY!r} if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=process_env(), capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == []


def test_no_modules_import_one_another_in_a_circle() -> None:
    assert structure.import_circles() == []


def test_audio_is_reached_through_the_storage_alone() -> None:
    assert structure.audio_paths() == []


def test_no_app_knows_the_url_names_of_a_higher_one() -> None:
    assert structure.upward_url_names() == []


@pytest.mark.parametrize("command", [["help"], ["check"], ["collectstatic", "--dry-run", "--noinput"]])
def test_commands_without_a_database_start_no_server(command: list[str], tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "MOODPLANE_VAR": str(tmp_path), "SECRET_KEY": "for this test only"}
    result = subprocess.run(
        [sys.executable, "manage.py", *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert not (tmp_path / "postgres").exists()
    assert not (tmp_path / "redis").exists()


def test_only_the_storage_module_knows_where_files_lie() -> None:
    forbidden = re.compile(r"\.(audio|cover)\.path\b|settings\.MEDIA_ROOT|default_storage\.path")
    apps = ("catalog", "emotion", "recommender", "training", "mer_site")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for app in apps
        for path in (ROOT / app).rglob("*.py")
        if path != ROOT / "catalog" / "files" / "storage.py"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if forbidden.search(line)
    ]
    assert found == []


def test_only_the_zoo_names_its_members() -> None:
    zoo = ROOT / "emotion" / "zoo"
    members = {path.stem for path in zoo.glob("*.py")} - {"__init__", "frontends", "registry"}
    assert members
    forbidden = re.compile(rf"emotion\.zoo(\.| import )({'|'.join(members)})\b")
    found = [
        str(path.relative_to(ROOT))
        for app in ("catalog", "emotion", "recommender", "training", "mer_site", "bench")
        for path in (ROOT / app).rglob("*.py")
        # A recipe trains members that it names; nothing that serves, shows or compares models does.
        if not {zoo, ROOT / "training" / "recipes"} & {*path.parents} and forbidden.search(path.read_text())
    ]
    assert found == []


def test_templates_hold_no_inline_script_or_style() -> None:
    # The Content-Security-Policy would block them in the browser, silently unless the console is open.
    forbidden = ("<style", " style=", " onclick=", " onload=", " onchange=", " onsubmit=", "hx-on", "javascript:")
    found = [
        f"{path.relative_to(ROOT)}: {needle}"
        for path in (ROOT / "templates").rglob("*.html")
        for needle in forbidden
        if needle in path.read_text().lower()
    ]
    assert found == []
