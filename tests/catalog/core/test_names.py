"""Artists in one text are told apart, and the names of files without tags are read as people mean them."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog.core.names import (
    FolderHint,
    NameRead,
    artists_split,
    credit_join,
    credit_shown,
    file_name_read,
    folder_hint,
    names_join,
)


@pytest.mark.parametrize(
    ("credit", "artists"),
    [
        ("Ann", ["Ann"]),
        ("Ann; Bob;Cyd", ["Ann", "Bob", "Cyd"]),
        ("Ann / Bob", ["Ann", "Bob"]),
        ("AC/DC", ["AC/DC"]),
        ("Simon & Garfunkel", ["Simon & Garfunkel"]),
        ("Earth, Wind & Fire", ["Earth, Wind & Fire"]),
        ("Ann feat. Bob", ["Ann", "Bob"]),
        ("Ann Featuring Bob", ["Ann", "Bob"]),
        ("Ann (feat. Bob)", ["Ann", "Bob"]),
        ("Ann [ft. Bob (UK)]", ["Ann", "Bob (UK)"]),
        ("Ann ft. Bob; Cyd", ["Ann", "Bob", "Cyd"]),
        ("Feat", ["Feat"]),
        ("The Defeat", ["The Defeat"]),
        ("Ann; ANN", ["Ann"]),
        (" ; ", []),
    ],
)
def test_artists_of_a_credit(credit: str, artists: list[str]) -> None:
    assert artists_split(credit) == artists


@pytest.mark.parametrize(
    ("written", "artists", "credit"),
    [
        (["Ann", "Bob"], [], "Ann; Bob"),
        (["Ann feat. Bob"], [], "Ann feat. Bob"),
        (["Ann feat. Bob"], ["Ann", "Bob"], "Ann feat. Bob"),
        (["Ann feat. Bob & Cyd"], ["Ann", "Bob", "Cyd"], "Ann feat. Bob; Cyd"),
        (["Ann & Bob"], ["Ann", "Bob"], "Ann; Bob"),
        ([], ["Ann", "Bob"], "Ann; Bob"),
        ([], [], ""),
    ],
)
def test_a_credit_is_as_written_where_it_names_the_artists(written: list[str], artists: list[str], credit: str) -> None:
    assert credit_join(written, artists, 100) == credit
    assert not artists or artists_split(credit) == artists


def test_what_is_too_long_loses_whole_names() -> None:
    assert names_join(["Ann", "Bob", "Cyd"], 10) == "Ann; Bob"
    assert names_join(["A" * 20], 10) == "A" * 10
    assert credit_join(["x"], ["Ann", "Bob", "Cyd"], 10) == "Ann; Bob"


def test_people_read_commas() -> None:
    assert credit_shown("Ann feat. Bob; Cyd") == "Ann feat. Bob, Cyd"


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("Ann Lee - High Tide.mp3", NameRead("High Tide", "Ann Lee")),
        ("Ann – Tide (Live - 1999).mp3", NameRead("Tide (Live - 1999)", "Ann")),
        ("01 High Tide.mp3", NameRead("High Tide", track_number=1)),
        ("01. Tide.mp3", NameRead("Tide", track_number=1)),
        ("1-03 Tide.mp3", NameRead("Tide", track_number=3, disc_number=1)),
        ("03 - Tide.mp3", NameRead("Tide", track_number=3)),
        ("03 - Ann - Tide.mp3", NameRead("Tide", "Ann", track_number=3)),
        ("Ann - Sea - 03 - Tide.mp3", NameRead("Tide", "Ann", "Sea", 3)),
        ("99 Luftballons.mp3", NameRead("99 Luftballons")),
        ("2 Become 1.mp3", NameRead("2 Become 1")),
        ("311 - Amber.mp3", NameRead("Amber", "311")),
        ("24-7 Blues.mp3", NameRead("24-7 Blues")),
        ("1999.mp3", NameRead("1999")),
        ("tide.mp3", NameRead("tide")),
        ("Mr. Blue Sky", NameRead("Mr. Blue Sky")),
        ("AC_DC - Thunder.mp3", NameRead("Thunder", "AC_DC")),
        ("01_Ann_-_HIGH_Tide.mp3", NameRead("HIGH Tide", "Ann", track_number=1)),
        ("jason-shaw-audionautix-com-code-blue.ogg", NameRead("Jason Shaw Audionautix Com Code Blue")),
        ("a-night-of-the-bees (copy).ogg", NameRead("A Night of the Bees")),
        ("- .mp3", NameRead("-")),
        ("", NameRead("")),
    ],
)
def test_a_name_alone(name: str, read: NameRead) -> None:
    assert file_name_read(name) == read


def test_the_other_files_of_a_folder_say_what_a_name_means() -> None:
    numbered = FolderHint("Nena", ("98 Nur geträumt.mp3", "100 Kino.mp3"))
    assert file_name_read("99 Luftballons.mp3", numbered) == NameRead("Luftballons", track_number=99)
    mixed = FolderHint("Singles", ("Kino.mp3", "7 Seconds.mp3"))
    assert file_name_read("99 Luftballons.mp3", mixed) == NameRead("99 Luftballons")

    title_first = FolderHint("Downloads", ("Ebb - Ann.mp3", "Flow - Ann.mp3"))
    assert file_name_read("Tide - Ann.mp3", title_first) == NameRead("Tide", "Ann")
    assert file_name_read("Tide - Ann.mp3", FolderHint("ann")) == NameRead("Tide", "Ann")


def test_words_that_begin_several_names_are_the_artist() -> None:
    folder = FolderHint("x", ("jason-shaw-audionautix-com-thought-bot.ogg", "tad-florist.ogg", "eric-skiff-ninja.ogg"))
    read = file_name_read("jason-shaw-audionautix-com-code-blue.ogg", folder)
    assert read == NameRead("Code Blue", "Jason Shaw Audionautix Com")
    assert file_name_read("tad-oceanside.ogg", folder) == NameRead("Tad Oceanside"), "one word may be chance"

    skiff = FolderHint("x", ("eric-skiff-a-ninja.ogg", "eric-skiff-jumpshot.ogg", "the-bees.ogg", "the-sea.ogg"))
    assert file_name_read("eric-skiff-a-night.ogg", skiff) == NameRead("A Night", "Eric Skiff")
    assert file_name_read("the-tide.ogg", skiff) == NameRead("The Tide")


def test_the_hint_of_a_folder(tmp_path: Path) -> None:
    for name in ("01 a.mp3", "02 b.mp3", "cover.jpg"):
        (tmp_path / name).touch()

    assert folder_hint(tmp_path / "02 b.mp3") == FolderHint(tmp_path.name, ("01 a.mp3",))
    assert folder_hint(tmp_path / "gone" / "02 b.mp3") == FolderHint()
