"""Documentation that went stale fails here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from emotion.inference.checkpoint import read_card, shipped_weights
from training.evaluation.report.card import card_page, headline_table

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    broken = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert broken == []


def test_every_setting_is_explained() -> None:
    settings = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', (ROOT / "mer_site" / "settings.py").read_text()))
    explained = (ROOT / "docs" / "operations.md").read_text()
    assert sorted(name for name in settings if name not in explained) == []


def test_every_command_is_named() -> None:
    commands = {path.stem for path in ROOT.glob("*/management/commands/[a-z]*.py")}
    pages = "\n".join(page.read_text() for page in PAGES)
    assert sorted(name for name in commands if not re.search(rf"\b{name}\b", pages)) == []


def test_the_readme_quotes_the_card() -> None:
    card = read_card(shipped_weights())
    assert headline_table(card) in (ROOT / "README.md").read_text()
    assert (shipped_weights().parent / "README.md").read_text() == card_page(card)
