"""Which song a playlist from another program means, by the names of files and by what is said of them."""

from __future__ import annotations

import time
import unicodedata

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.files.tags import file_name_clean
from catalog.models import UNKNOWN_ARTIST, Artist, FurtherArtist, Song
from recommender.formats.files import FileEntry, sheet_read
from recommender.formats.matching import Candidate, choose, file_key, wanted
from recommender.models import Playlist
from recommender.requests import Listener
from recommender.services import sharing
from tests.factories import SongFactory, UploadFactory
from tests.recommender.conftest import order

SITE = "http://testserver/"
ANCHOR = "anchor.mp3"
# As macOS has it, with the marks behind their letters.
CAFE = unicodedata.normalize("NFD", "Café Zürich.mp3")


ROWS = [
    ("01.mp3", "Alpha Row", "First light"),
    ("UPPER.MP3", "Mara Dell", "Loud letters"),
    ("What's Up?.mp3", "Nina Krell", "Greetings at noon"),
    ("#9 Dreamer.mp3", "Mara Dell", "Ninth sleep"),
    ("a%20b.mp3", "Olo Vint", "Percent literal"),
    ("Song #1.mp3", "Olo Vint", "Opening number"),
    (CAFE, "Mara Dell", "Southern room"),
    ("Кино.mp3", "Olo Vint", "Cinema"),
    ("歌.mp3", "Olo Vint", "Song"),
    ("...и Straße.mp3", "Olo Vint", "Street"),
    ("İstanbul.mp3", "Olo Vint", "Ferry"),
    ("Re: Side A.mp3", "Olo Vint", "Reply"),
    ("dont.mp3", "Los Niños", "Don’t Wait… Please"),
    ("untagged.mp3", UNKNOWN_ARTIST, "Second sun"),
    (ANCHOR, "Nobody", "Anchor"),
]
CANDIDATES = [
    Candidate(number, title, artist, 15.0, "", (file_name_clean(file_name),), artist != UNKNOWN_ARTIST)
    for number, (file_name, artist, title) in enumerate(ROWS)
]


def arrive(file_name: str, artist: str, title: str, duration_s: float = 15.0) -> Song:
    """Add a song as an upload of this file would."""
    by, _made = Artist.objects.get_or_create(name_key=artist.casefold(), defaults={"name": artist})
    song = SongFactory(title=title, artist=by, duration_s=duration_s)
    UploadFactory(file_name=file_name_clean(file_name), song=song)
    return song


@pytest.fixture
def library(db: None) -> dict[str, Song]:
    """Songs by the name of the file that they arrived in."""
    return {row[0]: arrive(*row) for row in ROWS}


def meant(content: str) -> str:
    """Return the name of the file that the only entry of a playlist means; empty for none."""
    [entry] = sheet_read(content.encode()).entries
    song_id = choose(entry, wanted(entry, SITE), CANDIDATES).song_id
    return "" if song_id is None else ROWS[song_id][0]


def bring(user: User, content: str | bytes) -> Playlist:
    """Import a file and, so that there is a list in any case, one song that is always found."""
    content = content.encode() if isinstance(content, str) else content
    return sharing.playlist_import(
        listener=Listener(user), content=content + f"\n{ANCHOR}\n".encode(), file_name="x.m3u", site=SITE
    )


def found(user: User, library: dict[str, Song], content: str | bytes) -> list[str]:
    names = {song.pk: name for name, song in library.items()}
    *songs, last = [names[song_id] for song_id in order(bring(user, content))]
    assert last == ANCHOR
    return songs


PATHS = [
    # Case and composition.
    ("/music/upper.mp3", "UPPER.MP3"),
    ("/music/Upper.Mp3", "UPPER.MP3"),
    ("/music/" + CAFE, CAFE),
    ("/music/CAFÉ ZÜRICH.mp3", CAFE),
    ("/music/кино.MP3", "Кино.mp3"),
    ("/music/...И STRAßE.mp3", "...и Straße.mp3"),
    ("/music/İstanbul.mp3", "İstanbul.mp3"),
    # Characters that end or escape something in a URL.
    ("/music/Test/What's Up?.mp3", "What's Up?.mp3"),
    ("./#9 Dreamer.mp3", "#9 Dreamer.mp3"),
    ("Song #1.mp3", "Song #1.mp3"),
    ("/music/a%20b.mp3", "a%20b.mp3"),
    ("file:///music/a%2520b.mp3", "a%20b.mp3"),
    ("file:///music/What%27s%20Up%3F.mp3", "What's Up?.mp3"),
    ("file:///music/What's Up?.mp3", "What's Up?.mp3"),
    ("file:///music/#9 Dreamer.mp3", "#9 Dreamer.mp3"),
    ("file:/music/%239%20Dreamer.mp3", "#9 Dreamer.mp3"),
    ("/music/Song%20%231.mp3", "Song #1.mp3"),
    ("http://music.example/Song%20%231.mp3?token=1#t=9", "Song #1.mp3"),
    ("/music/upper.mp3?token=1", "UPPER.MP3"),
    # Escapes in code pages.
    ("Caf%C3%A9%20Z%C3%BCrich.mp3", CAFE),
    ("file:///music/Cafe%CC%81%20Zu%CC%88rich.mp3", CAFE),
    ("file:///music/Caf%E9%20Z%FCrich.mp3", CAFE),
    ("file:///music/%CA%E8%ED%EE.mp3", "Кино.mp3"),
    ("/music/%ca%e8%ed%ee.mp3", "Кино.mp3"),
    ("file:///music/%89%CC.mp3", "歌.mp3"),
    # Windows.
    ("C:\\Musik\\Café Zürich.mp3", CAFE),
    ("E:upper.mp3", "UPPER.MP3"),
    ("..\\x\\upper.mp3", "UPPER.MP3"),
    ("\\\\server\\share\\upper.mp3", "UPPER.MP3"),
    ("file:///C:/Musik/upper.mp3", "UPPER.MP3"),
    ("file:///C%3A%5CMusik%5Cupper.mp3", "UPPER.MP3"),
    ("/music/Re: Side A.mp3", "Re: Side A.mp3"),
    # No name can hold these; an upload has them replaced.
    ("/music/upper%00%0A%1F.mp3/%00UPPER.MP3", "UPPER.MP3"),
    ("file:///music/%85UPPER.MP3%00", "UPPER.MP3"),
]


@pytest.mark.parametrize(("path", "file_name"), PATHS)
def test_a_path_means_a_file_however_it_is_written(path: str, file_name: str) -> None:
    assert meant(path) == meant(f"[playlist]\nFile1={path}\nTitle1=") == file_name


def test_the_catalog_finds_a_file_however_its_path_is_written(alice: User, library: dict[str, Song]) -> None:
    files = list(dict.fromkeys(file_name for _path, file_name in PATHS))
    assert found(alice, library, "\n".join(path for path, _file_name in PATHS)) == files
    assert Playlist.objects.get().import_report["not_found"] == []


def test_a_playlist_in_windows_1252_is_found_by_what_it_says(alice: User, library: dict[str, Song]) -> None:
    content = "#EXTM3U\r\n#EXTINF:15,Los Niños - Don’t Wait… Please\r\nE:\\x\\other.mp3\r\n"
    assert found(alice, library, content.encode("cp1252")) == found(alice, library, content) == ["dont.mp3"]


def test_a_pls_holds_its_songs_and_nothing_else(alice: User, library: dict[str, Song]) -> None:
    playlist = bring(
        alice,
        "[playlist]\nNumberOfEntries=3\nFile1=/music/UPPER.MP3\nTitle1=Mara Dell - Loud letters\nLength1=16\n"
        f"File2=/music/x.mp3\nTitle2=Olo Vint - Opening number\nLength2=10\nFile3={ANCHOR}\nVersion=2",
    )
    assert order(playlist) == [library[name].pk for name in ("UPPER.MP3", "Song #1.mp3", ANCHOR)]
    assert (playlist.import_report["n_entries"], playlist.import_report["not_found"]) == (3, [])


def test_an_xspf_of_another_program_is_found(alice: User, library: dict[str, Song]) -> None:
    tracks = [
        "<location>file:///music/%239%20Dreamer.mp3</location>",
        "<location>x.mp3</location><creator>mara dell</creator><title>Loud Letters</title>",
        "<location>01.mp3</location><creator>Beta Field</creator><title>First light</title>",
        "<title>Nobody - Anchor</title>",
    ]
    listed = "".join(f"<track>{track}</track>" for track in tracks)
    content = f'<?xml version="1.0"?><playlist xmlns="http://xspf.org/ns/0/"><trackList>{listed}</trackList></playlist>'
    playlist = sharing.playlist_import(
        listener=Listener(alice), content=content.encode(), file_name="x.xspf", site=SITE
    )
    assert order(playlist) == [library[name].pk for name in ("#9 Dreamer.mp3", "UPPER.MP3", ANCHOR)]
    assert [line["number"] for line in playlist.import_report["not_found"]] == [3]


ENTRIES = [
    # The song that the line above names, never another one of the same file name.
    ("#EXTINF:200,Beta Field - Second sun\n/music/CD2/01.mp3", ""),
    ("#EXTINF:15,Beta Field - First light\n/music/CD2/01.mp3", ""),
    ("#EXTINF:15,Second sun\n/music/CD2/01.mp3", "untagged.mp3"),
    ("#EXTINF:15,Light\n/music/01.mp3", ""),
    ("#EXTINF:15,First\n/music/01.mp3", ""),
    ("#EXTINF:15,Alpha Row\n/music/01.mp3", ""),
    ("#EXTINF:15,!!! - First light\n/music/01.mp3", ""),
    ("#EXTINF:15,Mara Dell - Loud letters\n/music/01.mp3", "UPPER.MP3"),
    # More or fewer words for the same song.
    ("#EXTINF:15,Alpha Row - First light - Remastered\n/music/01.mp3", "01.mp3"),
    ("#EXTINF:15,Alpha Row feat. Mara Dell - First light\n/music/01.mp3", "01.mp3"),
    ("#EXTINF:15,Alpha - First light\n/music/01.mp3", "01.mp3"),
    ("#EXTINF:15,Beta Field - Second sun\n/music/untagged.mp3", "untagged.mp3"),
    ("#EXTINF:15,Beta Field - Other\n/music/untagged.mp3", ""),
    # A line that only repeats the file's name says nothing.
    ("#EXTINF:15,01.mp3\n/music/01.mp3", "01.mp3"),
    ("#EXTINF:15,01\n/music/01.mp3", "01.mp3"),
    ("#EXTINF:15,/music/01.mp3\n/music/01.mp3", "01.mp3"),
    ("#EXTINF:15,\n/music/01.mp3", "01.mp3"),
    ("/music/CD2/01.mp3", "01.mp3"),
]


@pytest.mark.parametrize(("content", "file_name"), ENTRIES)
def test_an_entry_is_the_song_that_it_names(content: str, file_name: str) -> None:
    assert meant(content) == file_name


def test_the_catalog_finds_the_songs_that_entries_name(alice: User, library: dict[str, Song]) -> None:
    files = list(dict.fromkeys(file_name for _entry, file_name in ENTRIES if file_name))
    assert found(alice, library, "\n".join(entry for entry, _file_name in ENTRIES)) == files
    missing = [number for number, (_entry, file_name) in enumerate(ENTRIES, start=1) if not file_name]
    assert [line["number"] for line in Playlist.objects.get().import_report["not_found"]] == missing


def test_a_bare_file_name_of_several_songs_is_not_found(alice: User, library: dict[str, Song]) -> None:
    second = arrive("01.mp3", "Beta Field", "Second sun", duration_s=200.0)
    arrive("01.MP3", UNKNOWN_ARTIST, "01", duration_s=90.0)
    arrive("01.mp3", UNKNOWN_ARTIST, "01", duration_s=91.0)
    playlist = bring(
        alice,
        "/music/01.mp3\n#EXTINF:300,\n01.mp3\n#EXTINF:90,\n01.mp3\n#EXTINF:200,\n01.mp3\n"
        "#EXTINF:15,Alpha Row - First light\n01.mp3",
    )
    assert order(playlist) == [second.pk, library["01.mp3"].pk, library[ANCHOR].pk]
    assert [line["number"] for line in playlist.import_report["not_found"]] == [1, 2, 3]
    assert playlist.import_report["ambiguous"] == []


def test_of_two_songs_of_one_name_the_file_decides(alice: User, library: dict[str, Song]) -> None:
    live = arrive("loud-live.mp3", "Mara Dell", "Loud letters", duration_s=15.0)
    label = "#EXTINF:15,Mara Dell - Loud letters\n"
    assert order(bring(alice, f"{label}LOUD-live.mp3\n{label}upper.mp3"))[:2] == [live.pk, library["UPPER.MP3"].pk]


def test_a_name_on_disk_goes_before_the_name_that_its_escapes_stand_for(alice: User, library: dict[str, Song]) -> None:
    plain = arrive("a b.mp3", "Olo Vint", "No percent")
    content = "/music/a%20b.mp3\nfile:///music/a%20b.mp3\n/music/a b.mp3"
    assert order(bring(alice, content))[:2] == [library["a%20b.mp3"].pk, plain.pk]


def test_a_song_that_arrived_twice_is_found_by_both_names(alice: User, library: dict[str, Song]) -> None:
    UploadFactory(file_name="other name.mp3", song=library["01.mp3"])
    assert found(alice, library, "OTHER NAME.mp3\n") == ["01.mp3"]
    assert found(alice, library, "01.mp3\n") == ["01.mp3"]


def test_a_thousand_songs_of_one_file_name_cost_no_more_than_a_few(alice: User, library: dict[str, Song]) -> None:
    for n in range(40):
        arrive("01.mp3", f"Artist {n}", "Track")
    content = "#EXTINF:15,Alpha Row - First light\n/music/01.mp3\n/music/01.mp3"
    assert found(alice, library, content) == ["01.mp3"]


def test_file_names_are_looked_up_in_one_query(alice: User, library: dict[str, Song]) -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        bring(alice, "".join(f"/music/{n}%E9.mp3\n" for n in range(20)))
    assert sum("catalog_upload" in query["sql"] for query in queries) == 1


@pytest.mark.parametrize(
    ("one", "other"), [("É.MP3", "é.mp3"), ("Straße.mp3", "STRASSE.MP3"), ("..a  b.mp3", "A b.mp3")]
)
def test_spellings_of_one_name_have_one_key(one: str, other: str) -> None:
    assert file_key(one) == file_key(other)


def test_no_escape_reaches_the_database_that_it_cannot_hold(alice: User, library: dict[str, Song]) -> None:
    paths = [f"/music/%{byte:02x}a%{byte:02X} - b.mp3" for byte in range(256)]
    paths += ["file:///music/%ED%A0%80.mp3", "/music/%F4%90%80%80.mp3", "/music/%", "%.%", "/music/%zz%.mp3"]
    assert found(alice, library, "\n".join(paths)) == []


def test_an_entry_with_symbols_only_is_not_any_song() -> None:
    song = Candidate(1, "First light", "Alpha Row", 15.0, file_names=("01.mp3",))
    entry = FileEntry(location="01.mp3", label="???")
    assert choose(entry, wanted(entry, SITE), [song]).song_id is None


def test_an_entry_made_to_cost_much_costs_little() -> None:
    songs = [Candidate(n, f"Song {n}", f"Artist {n}", 15.0, file_names=("01.mp3",)) for n in range(25)]
    labels = ["Song - " * 140, "(feat " * 160, "Song - " + "(a" * 490, "Song - " + "- " * 490]
    entries = [FileEntry(location="/01.mp3", label=f"{label}{n}") for label in labels for n in range(100)]
    entries += [FileEntry(location="/" + "%E9" * 4000 + f"{n}.mp3") for n in range(100)]
    began = time.process_time()
    for entry in entries:
        choose(entry, wanted(entry, SITE), songs)
    # It needs half a second on an idle machine; without remembering what names fold to, a minute.
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    "label", ["Mara Dell - Loud letters", "Nobody {n} - Nothing", "a{n} - b{n} - c{n} - d{n} - e{n}", "a - w " * 150]
)
def test_all_entries_are_looked_up_together(alice: User, library: dict[str, Song], label: str) -> None:
    entries = "".join(f"#EXTINF:15,{label.format(n=n)}\n{n}.mp3\n" for n in range(498))
    with CaptureQueriesContext(connection) as queries:
        assert found(alice, library, f"{entries}UPPER.MP3\n") == ["UPPER.MP3"]
    assert len(queries) <= 40
    assert sum("catalog_song" in query["sql"] for query in queries) <= 20


def test_a_further_artist_and_the_name_of_many_songs_are_found(alice: User, library: dict[str, Song]) -> None:
    song = arrive("duet.mp3", "Mara Dell", "Duet")
    Song.objects.filter(pk=song.pk).update(credit="Mara Dell; Olo Vint")
    FurtherArtist.objects.create(song=song, artist=Artist.objects.get(name="Olo Vint"), place=1)
    for n in range(30):
        arrive(f"{n}.mp3", "Beta Field", "Again")
    playlist = bring(alice, "#EXTINF:15,Olo Vint - duet\nx.mp3\n#EXTINF:15,BETA  FIELD - Again\ny.mp3\n")
    assert order(playlist)[0] == song.pk
    [line] = playlist.import_report["ambiguous"]
    assert (line["number"], len(line["songs"])) == (2, 25)


def test_a_label_is_read_as_far_as_a_name_is_long() -> None:
    assert wanted(FileEntry(label="a - w " * 150), SITE) == wanted(FileEntry(label=("a - w " * 150)[:300]), SITE)
