"""The tokens keep what they promise: hues apart in lightness, words readable on everything they stand on."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path

import pytest

CSS = Path("static/css")
TOKENS = (CSS / "tokens.css").read_text(encoding="utf-8")
THEMES = ("light", "dark")
READABLE = 4.5
_TOKEN = re.compile(r"^\s*--([\w-]+): light-dark\(oklch\(([^)]*)\), oklch\(([^)]*)\)\);$", re.MULTILINE)
_HUES = ("q1", "q2", "q3", "q4")
_GROUNDS = ("paper", "surface", "surface-sunken", *(f"{hue}-tint" for hue in _HUES))


def colours(theme: str) -> dict[str, tuple[float, float, float]]:
    """Return lightness, chroma and hue in degrees of every opaque colour of a theme."""
    found = {}
    for name, *pair in _TOKEN.findall(TOKENS):
        values = pair[THEMES.index(theme)]
        if "/" not in values:
            lightness, chroma, hue = (float(value) for value in values.split())
            found[name] = (lightness, chroma, hue)
    return found


def luminance(colour: tuple[float, float, float]) -> float:
    """Return the relative luminance of an OKLCH colour (CSS Color 4 for the matrices, WCAG 2.2 for the sum)."""
    lightness, chroma, hue = colour
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    red = 4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short
    green = -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short
    blue = -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short
    return sum(
        weight * min(max(part, 0.0), 1.0)
        for weight, part in zip((0.2126, 0.7152, 0.0722), (red, green, blue), strict=True)
    )


def contrast(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    """Return the contrast ratio of WCAG 2.2."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_the_measure_is_right() -> None:
    assert contrast((1, 0, 0), (0, 0, 0)) == pytest.approx(21.0, abs=0.01)
    assert contrast((0.5, 0.1, 30), (0.5, 0.1, 30)) == 1.0


@pytest.mark.parametrize("theme", THEMES)
def test_hues_differ_in_lightness(theme: str) -> None:
    known = colours(theme)
    order = sorted(known[hue][0] for hue in _HUES)
    assert min(b - a for a, b in itertools.pairwise(order)) >= 0.1 - 1e-9


@pytest.mark.parametrize("theme", THEMES)
def test_words_are_readable_on_every_ground(theme: str) -> None:
    known = colours(theme)
    poor = {
        f"{ink} on {ground}": round(contrast(known[ink], known[ground]), 2)
        for ink in ("ink", "ink-soft")
        for ground in _GROUNDS
        if contrast(known[ink], known[ground]) < READABLE
    }
    assert poor == {}
    assert contrast(known["button-text"], known["ink"]) >= READABLE
    assert contrast(known["danger"], known["surface"]) >= READABLE


@pytest.mark.parametrize("theme", THEMES)
def test_graphics_stand_out_three_to_one(theme: str) -> None:
    known = colours(theme)
    for name in ("focus", "line-strong"):
        for ground in ("paper", "surface"):
            assert contrast(known[name], known[ground]) >= 3.0, (name, ground)


def test_colours_are_written_in_the_tokens_alone() -> None:
    literal = re.compile(
        r"#[0-9a-f]{3,8}\b|\b(?:rgb|rgba|hsl|hwb|lab|lch|oklab|oklch|light-dark)\((?!from var)", re.IGNORECASE
    )
    for sheet in CSS.glob("*.css"):
        if sheet.name == "tokens.css":
            continue
        css = re.sub(r"/\*.*?\*/", "", sheet.read_text(encoding="utf-8"), flags=re.DOTALL)
        found = [line.strip()[:100] for line in css.splitlines() if literal.search(line)]
        assert found == [], sheet.name


def test_every_token_that_is_used_is_known() -> None:
    sheets = {sheet.name: sheet.read_text(encoding="utf-8") for sheet in CSS.glob("*.css")}
    set_by_scripts = set(
        re.findall(r"setProperty\(\s*[\"'`](--[\w-]+)", "".join(s.read_text() for s in Path("static/js").rglob("*.js")))
    )
    defined = set(re.findall(r"(--[\w-]+)\s*:", "".join(sheets.values()))) | set_by_scripts
    for name, css in sheets.items():
        assert set(re.findall(r"var\((--[\w-]+)\)", css)) <= defined, name
