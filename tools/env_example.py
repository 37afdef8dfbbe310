"""`python -m tools.env_example`: write `.env.example` and the table of settings in docs/operations.md."""

from __future__ import annotations

import re
from pathlib import Path

from mer_site.settings.environment import env_example, settings_table

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / ".env.example"
PAGE = ROOT / "docs" / "operations.md"
_TABLE = re.compile(r"^\| name \| default \| meaning \|\n(?:\|.*\n)+", re.MULTILINE)


def page_with_table() -> str:
    """Return docs/operations.md with the table of settings as it should be."""
    return _TABLE.sub(lambda _: settings_table() + "\n", PAGE.read_text())


if __name__ == "__main__":
    EXAMPLE.write_text(env_example())
    PAGE.write_text(page_with_table())
