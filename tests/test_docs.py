"""Documentation that went stale fails here."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from django.core.management import CommandError, get_commands, load_command_class

from emotion.inference.checkpoint import read_card, shipped_weights
from mer_site.settings import environment
from mer_site.settings.environment import VARIABLES
from tools import env_example
from training.evaluation.report.tables import card_page, scores_table

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), ROOT / "emotion" / "weights" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# A command stands in an indented block or between backticks; a comment may follow it after two spaces.
_COMMAND = re.compile(
    r"(?:^ {4}|`)(?:\.venv/bin/)?(?:python )?((?:manage\.py|make|-m tools|bench/)[^`#\n]*)", re.MULTILINE
)

# A file or folder of the repository; a placeholder such as `<name>` makes it none.
_PATH = re.compile(
    r"`((?:bench|catalog|docs|emotion|locale|mer_site|recommender|static|templates|tests|tools|training"
    r"|\.(?:ci|devcontainer|github))/[\w./-]*)`"
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    broken = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_of_the_repository_exists(page: Path) -> None:
    assert [path for path in _PATH.findall(page.read_text()) if not (ROOT / path).exists()] == []


def test_every_setting_is_explained() -> None:
    read = "\n".join(path.read_text() for path in (ROOT / "mer_site").rglob("*.py"))
    names = set(re.findall(r'(?:env\.\w+|environ\.get|_folder)\(\s*"([A-Z_]+)"', read)) - {"DJANGO_SETTINGS_MODULE"}
    assert names == {variable.name for variable in VARIABLES}


def test_the_generated_parts_are_up_to_date() -> None:
    assert env_example.EXAMPLE.read_text() == environment.env_example()
    assert env_example.PAGE.read_text() == env_example.page_with_table()


def test_every_command_is_named() -> None:
    commands = {path.stem for path in ROOT.glob("*/management/commands/[a-z]*.py")}
    pages = "\n".join(page.read_text() for page in PAGES)
    assert sorted(name for name in commands if not re.search(rf"\b{name}\b", pages)) == []


def test_the_page_of_figures_quotes_the_card() -> None:
    card = read_card(shipped_weights())
    assert scores_table(card.facts["test"]["model"]) in (ROOT / "docs" / "accuracy.md").read_text()
    assert (shipped_weights().parent / "README.md").read_text() == card_page(card)


def documented_commands() -> list[tuple[str, str]]:
    """Return the page and the text of every command in the documentation."""
    return sorted(
        {
            (page.name, part.strip())
            for page in PAGES
            for command in _COMMAND.findall(page.read_text())
            for part in command.split("&&")[:1]
        }
    )


@pytest.mark.parametrize(("page", "command"), documented_commands())
def test_every_documented_command_is_understood(page: str, command: str) -> None:
    program, *arguments = shlex.split(command.replace("[", "").replace("]", ""))
    if program == "make":
        targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        assert {one for one in arguments if "=" not in one} <= targets
    elif program == "manage.py" and arguments:
        name, *rest = arguments
        parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
        try:
            parser.parse_args(rest)
        except CommandError as error:
            # A sentence that mentions a command leaves out what it works on.
            if "arguments are required" not in str(error):
                raise
    elif program == "-m":
        assert (ROOT / f"{arguments[0].replace('.', '/')}.py").is_file() or (
            ROOT / arguments[0].replace(".", "/") / "__main__.py"
        ).is_file()
    else:
        script = (ROOT / program).read_text()
        assert [one for one in arguments if one.startswith("--") and f'"{one.split("=")[0]}"' not in script] == []
