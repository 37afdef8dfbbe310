"""Documentation that went stale fails here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from emotion.inference.checkpoint import read_card, shipped_weights
from mer_site.settings import environment
from mer_site.settings.environment import VARIABLES
from tools import env_example
from training.evaluation.report.card import card_page, headline_table

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    broken = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert broken == []


def test_every_setting_is_explained() -> None:
    read = "\n".join(path.read_text() for path in (ROOT / "mer_site").rglob("*.py"))
    names = set(re.findall(r'(?:env\.\w+|environ\.get)\(\s*"([A-Z_]+)"', read)) - {"DJANGO_SETTINGS_MODULE"}
    assert names == {variable.name for variable in VARIABLES}


def test_the_generated_parts_are_up_to_date() -> None:
    assert env_example.EXAMPLE.read_text() == environment.env_example()
    assert env_example.PAGE.read_text() == env_example.page_with_table()


def test_every_command_is_named() -> None:
    commands = {path.stem for path in ROOT.glob("*/management/commands/[a-z]*.py")}
    pages = "\n".join(page.read_text() for page in PAGES)
    assert sorted(name for name in commands if not re.search(rf"\b{name}\b", pages)) == []


def test_the_readme_quotes_the_card() -> None:
    card = read_card(shipped_weights())
    assert headline_table(card) in (ROOT / "README.md").read_text()
    assert (shipped_weights().parent / "README.md").read_text() == card_page(card)
