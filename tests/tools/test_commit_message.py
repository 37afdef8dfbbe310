"""The rule for commit messages, as the hook applies it."""

from __future__ import annotations

import pytest

from tools.commit_message import problems

BODY = "\n\nWhat was wrong, and what was chosen.\n"


def test_a_message_with_area_sentence_and_body_passes() -> None:
    assert problems("catalog: Read the year of a song.\n\nPlayers sort by it.\n# a comment of git's\n") == []


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ("Read the year of a song." + BODY, "area"),
        ("catalog: read the year of a song." + BODY, "area"),
        ("catalog: Read the year of a song" + BODY, "area"),
        (f"catalog: Read {'x' * 70}." + BODY, "limit"),
        ("catalog: Read the year of a song.\nPlayers sort by it.\n", "blank line"),
        ("catalog: Read the year of a song.\n\n# only a comment\n", "why"),
        ("", "area"),
    ],
)
def test_other_messages_are_refused_with_a_sentence(message: str, problem: str) -> None:
    assert any(problem in sentence for sentence in problems(message))


def test_messages_that_git_writes_pass() -> None:
    assert problems("Merge branch 'main'") == []
