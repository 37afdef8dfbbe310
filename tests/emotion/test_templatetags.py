"""How numbers are written on pages."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.template import Context, Template
from django.utils import timezone

from emotion.templatetags.moodplane import ago, plane_x, plane_y, roughly, signed


def test_the_shared_formats_are_filters() -> None:
    template = Template("{% load moodplane %}{{ 187|clock }} {{ 1536|file_size }} {{ 0.5|percent }}")
    assert template.render(Context()) == "3:07 1.5 KiB 50\u00a0%"


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [(3.0, "less than a minute"), (61.0, "about 1 minute"), (250.0, "about 4 minutes"), (7200.0, "about 2 hours")],
)
def test_roughly(duration_s: float, text: str) -> None:
    assert roughly(duration_s) == text


def test_ago() -> None:
    now = timezone.now()
    assert ago(now) == "just now"
    assert ago(now - timedelta(hours=3, minutes=20)) == "3\u00a0hours\u00a0ago"


def test_signed_has_a_true_minus() -> None:
    assert signed(0.4) == "+0.40"
    assert signed(-0.4) == "\u22120.40"


def test_the_plane_keeps_a_point_on_the_edge_whole() -> None:
    assert (plane_x(-1.0), plane_x(0.0), plane_x(1.0)) == ("5.00", "50.00", "95.00")
    # High arousal is at the top, where SVG counts from.
    assert (plane_y(1.0), plane_y(-1.0)) == ("5.00", "95.00")
