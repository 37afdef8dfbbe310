"""Sizes, times and shares as people read them."""

from __future__ import annotations

import pytest
from django.utils import translation

from catalog.core.wording import clock, file_size, percent


@pytest.mark.parametrize(
    ("n_bytes", "text", "german"),
    [
        (0, "0 bytes", "0 Bytes"),
        (1023, "1023 bytes", "1023 Bytes"),
        (1024, "1 KiB", "1 KiB"),
        (1536, "1.5 KiB", "1,5 KiB"),
        (500 * 2**20, "500 MiB", "500 MiB"),
        (5 * 2**40, "5120 GiB", "5120 GiB"),
    ],
)
def test_sizes_are_in_the_largest_unit_that_they_fill(n_bytes: int, text: str, german: str) -> None:
    assert file_size(n_bytes) == text
    with translation.override("de"):
        assert file_size(n_bytes) == german


@pytest.mark.parametrize(
    ("duration_s", "text"), [(None, "0:00"), (7.4, "0:07"), (59.6, "1:00"), (187.0, "3:07"), (3729.0, "1:02:09")]
)
def test_clock(duration_s: float | None, text: str) -> None:
    assert clock(duration_s) == text


@pytest.mark.parametrize(("share", "text"), [(0.0, "0\u00a0%"), (0.824, "82\u00a0%"), (1.0, "100\u00a0%")])
def test_percent_is_the_same_in_both_languages(share: float, text: str) -> None:
    assert percent(share) == text
    with translation.override("de"):
        assert percent(share) == text
