"""Search over title, artist, album and genre; the database folds letters exactly as Python does."""

from __future__ import annotations

import pytest
from django.db import connection

from catalog.models import Song
from catalog.selectors import failure_counts, genres, song_search, song_searches, state_counts
from catalog.songs.search import DROPPED, SEPARATORS, prefix_query, search_terms
from tests.factories import AlbumFactory, ArtistFactory, SongFactory

pytestmark = pytest.mark.django_db


def titles(query: str, **filters: object) -> list[str]:
    return [song.title for song in song_search(query=query, **filters)]  # type: ignore[arg-type]


@pytest.mark.parametrize("word", ["Tide", "tid", "ANN", "ocean songs", "fol", "tide ann", "ocean tide folk"])
def test_the_beginning_of_every_word_is_enough(word: str) -> None:
    artist = ArtistFactory(name="Ann Lee")
    SongFactory(title="High Tide", artist=artist, album=AlbumFactory(title="Ocean Songs", artist=artist), genre="Folk")
    SongFactory(title="Else", genre="Rock")

    assert titles(word) == ["High Tide"]


def test_every_word_must_be_there() -> None:
    SongFactory(title="High Tide")

    assert titles("high mountain") == []


def test_title_weighs_more_than_artist_album_and_genre() -> None:
    artist = ArtistFactory(name="Someone")
    blue = ArtistFactory(name="Blue")
    SongFactory(title="by genre", artist=artist, genre="Blue")
    SongFactory(title="by album", artist=artist, genre="", album=AlbumFactory(title="Blue", artist=artist))
    SongFactory(title="by artist", artist=blue, genre="")
    SongFactory(title="Blue", artist=artist, genre="")

    assert titles("blue") == ["Blue", "by artist", "by album", "by genre"]


@pytest.mark.parametrize(
    ("title", "query"),
    [
        ("Beyoncé", "beyonce"),
        ("Naive", "naïve"),
        ("КИНО – Группа крови", "кино кров"),
        ("Ελλάδα", "ΕΛΛΑΔΑ"),
        ("東京", "東"),
        ("AC/DC live", "ac dc"),
        ("R.E.M.", "r.e.m."),
        ("Don't stop", "dont"),
        ("Don’t stop", "don't"),
        ("8-bit_remix", "remix 8"),
        ("Sea 🌊", "🌊"),
        ("ÆRØ", "ærø"),
    ],
)
def test_accents_case_and_punctuation_do_not_matter(title: str, query: str) -> None:
    SongFactory(title=title, artist=ArtistFactory(name="x"), genre="")

    assert titles(query) == [title]


@pytest.mark.parametrize("query", ["'", "\\", "a' | 'b", ":*", "!!!", "a & b", "\x00", "🌊:A", "x" * 5000, "('"])
def test_nothing_typed_can_break_the_query(query: str) -> None:
    SongFactory(title="Tide")

    assert "Tide" not in titles(query)


def test_blank_is_everything_newest_first() -> None:
    songs = [SongFactory(), SongFactory()]

    assert list(song_search(query="  ")) == songs[::-1]


def test_renaming_an_artist_or_album_is_found_at_once() -> None:
    artist = ArtistFactory(name="Old")
    album = AlbumFactory(title="Early", artist=artist)
    SongFactory(title="Tide", artist=artist, album=album)
    artist.name = "Fresh"
    artist.save()
    album.title = "Late"
    album.save()

    assert titles("fresh late") == ["Tide"]
    assert titles("old") == titles("early") == []


def test_filters() -> None:
    ann = ArtistFactory(name="Ann")
    SongFactory(title="one", artist=ann, genre="Folk")
    SongFactory(title="two", artist=ann, genre="Rock", state=Song.State.FAILED)
    SongFactory(title="three", genre="folk")

    assert titles("", artist_id=ann.pk) == ["one", "two"]
    assert titles("", genre="FOLK") == ["three", "one"]
    assert titles("", state="failed") == ["two"]
    assert titles("one", genre="Folk", state="tagged", artist_id=ann.pk) == ["one"]


def test_lists_and_counts() -> None:
    ann = ArtistFactory(name="Ann")
    SongFactory(artist=ann, genre="Rock")
    SongFactory(artist=ann, genre="", state=Song.State.FAILED, failure_code="silent")
    SongFactory(artist=ann, genre="Folk", state=Song.State.QUEUED)

    assert genres() == ["Folk", "Rock"]
    assert state_counts() == {"uploaded": 0, "queued": 1, "analysing": 0, "tagged": 1, "failed": 1}
    assert failure_counts() == {"silent": 1}


_SAMPLES = [
    "Beyoncé's “Halo” — AC/DC",
    "ŻÓŁĆ ÆØÅ ŁÓDŹ İstanbul",
    "ΆΈΉΊΌΎΏ ΣΊΣΥΦΟΣ",
    "ЁЛКА Їжак Ђорђе",
    "ﬁne Ⅷ ½ ①",
    "ԱՐԱՐԱՏ ᏣᎳᎩ",
    "tab\tnew\nline\u00a0space",
    "한국어 日本語 ไทย हिन्दी",
    DROPPED + SEPARATORS + "end",
]


@pytest.mark.parametrize("text", _SAMPLES)
def test_database_and_python_fold_alike(text: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT catalog_search_fold(%s)", [text])
        folded = cursor.fetchone()[0]

    assert folded.split() == search_terms(text)


def test_a_query_has_at_most_twelve_words() -> None:
    assert prefix_query("a " * 50).count(":*") == 12


def test_many_searches_at_once_find_what_each_finds() -> None:
    ann = ArtistFactory(name="Ann Sun")
    for n in range(6):
        SongFactory(title=f"Sun {n}", artist=ann)
        SongFactory(title=f"Élan {n}", artist=ann, genre="sun")
    queries = ["sun", "SUN", "elan ann", "ann sun 3", "nothing", "", "!!!", "' | *:* & ("]
    found = song_searches(queries, limit=4)
    expected = {query: [song.pk for song in song_search(query=query)[:4]] if query else [] for query in queries}
    assert found == expected
    assert len(found["sun"]) == 4
