"""Tempo, key and loudness in words, as surely as they are known."""

from __future__ import annotations

import pytest
from django.utils.translation import override

from emotion.measures.words import KEYS, key_name, key_words, loudness_words, tempo_words

pytestmark = pytest.mark.unit


def test_what_is_not_sure_says_so() -> None:
    assert tempo_words(119.6, None, 1.0) == "120 BPM"
    assert tempo_words(119.6, None, 0.6) == "about 120 BPM"
    assert tempo_words(119.6, 59.8, 1.0) == "about 120 BPM, or 60"
    assert key_words(21, 0.9) == "A minor"
    assert key_words(10, 0.7) == "perhaps B flat major"
    assert loudness_words(-14.26) == "\u221214.3 LUFS"


def test_there_are_24_keys_and_german_has_its_own_names() -> None:
    assert len(set(KEYS)) == 24
    with override("de"):
        assert [key_name(key) for key in (1, 10, 11, 13, 21, 22)] == [
            "Des-Dur", "B-Dur", "H-Dur", "cis-Moll", "a-Moll", "b-Moll",
        ]  # fmt: skip
        assert loudness_words(-14.26) == "\u221214,3 LUFS"
