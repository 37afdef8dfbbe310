"""A search forgives a wrong letter, and leaves alone what is known or too short to guess."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from catalog.songs.spelling import corrected, vocabulary
from tests.factories import AlbumFactory, ArtistFactory, SongFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def songs() -> Iterator[None]:
    vocabulary.forget()
    beatles = ArtistFactory(name="The Beatles")
    SongFactory(title="Yesterday", artist=beatles, album=AlbumFactory(title="Help!", artist=beatles))
    SongFactory(title="Jóga", artist=ArtistFactory(name="Björk"), genre="Trip-Hop")
    SongFactory(title="Yesteryear", artist=ArtistFactory(name="Abba"))
    SongFactory(title="99 Luftballons", artist=ArtistFactory(name="Nena"))
    yield
    vocabulary.forget()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("beetles", "beatles"),  # a wrong letter
        ("beatls", "beatles"),  # one left out
        ("beaatles", "beatles"),  # one too many
        ("Bjrok", "bjork"),  # two that changed places
        ("beetles yesterdy", "beatles yesterday"),
        ("the beetels", "the beatles"),
        ("luftbalons", "luftballons"),
        # As one types: the beginning of a word.
        ("luftbsl", "luftballons"),
        # Known words stay as they are, also unfinished ones and those with accents.
        ("yest", ""),
        ("jóga", ""),
        # Too short, a number, or like nothing.
        ("abx", ""),
        ("98", ""),
        ("xylophone", ""),
        ("beetles xylophone", ""),
        ("", ""),
        ("'); --", ""),
    ],
)
def test_a_word_that_no_song_has_becomes_the_nearest(songs: None, typed: str, meant: str) -> None:
    assert corrected(typed) == meant


def test_of_two_words_that_are_as_near_the_more_common_is_taken(songs: None) -> None:
    SongFactory.create_batch(2, title="Yesterway")
    assert corrected("yestervay") == "yesterway"
