"""Playlists as files: out, in, and out and in again."""

from __future__ import annotations

import codecs
import json
import random
from contextlib import suppress
from xml.etree import ElementTree

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from catalog.models import Song, Upload
from recommender.exceptions import ExchangeError, PlaylistInvalidError
from recommender.formats.files import (
    EXTENSION,
    FORMATS,
    MAX_BYTES,
    MAX_ENTRIES,
    NAMESPACE,
    FileEntry,
    Track,
    sheet_read,
)
from recommender.formats.matching import Candidate, choose, wanted
from recommender.models import Playlist
from recommender.requests import Listener
from recommender.services import playlists, sharing
from tests.factories import ArtistFactory, EstimateFactory, SongFactory, UploadFactory
from tests.recommender.conftest import HAPPY, SongMaker, order

SITE = "http://testserver/"
AWKWARD = Track(
    location="http://testserver/songs/7/audio",
    page="http://testserver/songs/7/",
    title='Rock & "Roll", <b>part</b> 2\nécho',
    artist="A - B, C",
    album="Ⅳ",
    duration_s=61.4,
    reason="Calm & positive; 82 % sure.",
    valence=0.25,
    arousal=-0.5,
    quadrant="Q4",
)

# --- Writing and reading files --------------------------------------------------------------------------------------


def test_m3u8_is_what_players_read() -> None:
    lines = FORMATS["m3u8"].write("My\nlist", [AWKWARD]).splitlines()
    assert lines[:3] == [
        "#EXTM3U",
        "#PLAYLIST:My list",
        '#EXTINF:61,A - B, C - Rock & "Roll", <b>part</b> 2 écho',
    ]
    assert json.loads(lines[3].removeprefix("#MOODPLANE:"))["valence"] == 0.25
    assert lines[4:] == ["http://testserver/songs/7/audio"]


def test_xspf_is_whole_xml_whatever_the_titles_say() -> None:
    text = FORMATS["xspf"].write("My <list> \x00\x0b\ud800", [AWKWARD])
    names = {"x": NAMESPACE, "mood": EXTENSION}
    playlist = ElementTree.fromstring(text.encode())  # noqa: S314  # We wrote it ourselves.
    track = playlist.find("x:trackList/x:track", names)
    assert track is not None
    assert playlist.findtext("x:title", "", names).startswith("My <list>")
    assert track.findtext("x:title", "", names) == AWKWARD.title
    assert track.findtext("x:duration", "", names) == "61400"
    extension = track.find("x:extension", names)
    assert extension is not None
    assert extension.get("application") == EXTENSION
    said = {element.tag.split("}")[1]: element.text for element in extension}
    assert said == {"reason": AWKWARD.reason, "valence": "0.25", "arousal": "-0.5", "quadrant": "Q4"}


def test_jspf_holds_the_same() -> None:
    playlist = json.loads(FORMATS["jspf"].write("My list", [AWKWARD]))["playlist"]
    track = playlist["track"][0]
    assert (playlist["title"], track["creator"], track["duration"]) == ("My list", "A - B, C", 61_400)
    assert track["extension"][EXTENSION] == [
        {"reason": AWKWARD.reason, "valence": 0.25, "arousal": -0.5, "quadrant": "Q4"}
    ]


def test_a_plain_list_of_paths_is_a_playlist() -> None:
    sheet = sheet_read(b"C:\\Music\\01 Song.mp3\r\n\r\n# a comment\r\n/music/Artist - Other.flac\r\n")
    assert [entry.location for entry in sheet.entries] == ["C:\\Music\\01 Song.mp3", "/music/Artist - Other.flac"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_encodings_of_other_players_are_read(encoding: str) -> None:
    sheet = sheet_read("#EXTM3U\n#EXTINF:100,Björk - Jóga\nx.mp3\n".encode(encoding))
    assert sheet.entries[0].label == "Björk - Jóga"


@pytest.mark.parametrize(
    ("line", "label", "duration_s"),
    [
        ("#EXTINF:123,Artist - Title", "Artist - Title", 123.0),
        ('#EXTINF:-1 tvg-id="a,b" group="c",Title, with comma', "Title, with comma", None),
        ("#EXTINF:0,", "", None),
        ("#EXTINF:12.5", "", 12.5),
        ("#EXTINF:nonsense", "", None),
        ("#EXTINF:" + "9" * 400 + ",Title", "Title", None),
        ('#EXTINF:1,an "unclosed quote', 'an "unclosed quote', 1.0),
    ],
)
def test_what_stands_before_a_path_is_read_as_far_as_it_makes_sense(
    line: str, label: str, duration_s: float | None
) -> None:
    entry = sheet_read(f"#EXTM3U\n{line}\nx.mp3".encode()).entries[0]
    assert (entry.label, entry.duration_s) == (label, duration_s)


def test_a_jspf_with_fields_of_another_kind_is_read_as_far_as_it_makes_sense() -> None:
    tracks = [
        {"title": 3, "creator": None, "location": "http://a/b.mp3", "duration": "long"},
        "not a track",
        {"title": "T\x00\ud800", "location": [None, "x.mp3"], "duration": 1e400, "identifier": {}},
        {"location": "y.mp3", "duration": 10**400},
    ]
    sheet = sheet_read(json.dumps({"playlist": {"title": ["x"], "track": tracks}}).encode())
    assert sheet.title == ""
    assert sheet.entries == (
        FileEntry(location="http://a/b.mp3"),
        FileEntry(location="x.mp3", title="T?"),
        FileEntry(location="y.mp3"),
    )


def test_our_comment_in_an_m3u_may_nest_without_end() -> None:
    nested = "#MOODPLANE:" + "[" * 2000

    def read_deep_in_a_request(depth: int) -> FileEntry:
        return read_deep_in_a_request(depth - 1) if depth else sheet_read(f"{nested}\nx.mp3".encode()).entries[0]

    assert read_deep_in_a_request(100) == FileEntry(location="x.mp3")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "This file lists no songs"),
        (b"#EXTM3U\n# nothing\n", "This file lists no songs"),
        (b"\x00\x01\x02", "not a text file"),
        (b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>", "document type"),
        (b"{", "not valid JSON"),
        (b"{}", 'needs a "playlist"'),
        (b'{"playlist": {"track": {}}}', 'needs a "playlist"'),
        (b"{" * 100_000, "not valid JSON"),
        (b'{"playlist":' + b"[" * 100_000, "not valid JSON"),
        (b"#EXTM3U\n#EXT-X-VERSION:3\nx.ts", "stream manifest"),
        (b"a.mp3\n" * (MAX_ENTRIES + 1), f"at most {MAX_ENTRIES} songs"),
        (b"a" * (MAX_BYTES + 1), "at most 2 MB"),
        (codecs.BOM_UTF16_LE, "This file lists no songs"),
    ],
)
def test_a_bad_file_gets_a_sentence(content: bytes, sentence: str) -> None:
    with pytest.raises(ExchangeError, match=sentence):
        sheet_read(content)


def test_whatever_a_file_holds_it_is_read_or_refused_with_a_sentence() -> None:
    rng = random.Random(7)
    whole = [FORMATS[suffix].write("A list", [AWKWARD] * 2).encode() for suffix in FORMATS]
    whole.append(b"[playlist]\nFile1=/music/a%20b.mp3\nTitle1=A - B\nLength1=60\nFile2=C:\\x\\y.mp3\n")
    pieces = [b"(", b'"', b"<", b"&#0;", b"[", b"?", b"#", b"\\u0000", b"\xff", b"\n", b"//[", b"%zz", b"feat.", b" - "]
    pieces += [b"1e999", b"null", b"{"]
    for _ in range(1500):
        content = bytearray(rng.choice(whole))
        for _ in range(rng.randint(1, 10)):
            place = rng.randrange(len(content))
            content[place : place + rng.randint(0, 8)] = rng.choice(pieces)
        entries: tuple[FileEntry, ...] = ()
        # Any other error fails the test.
        with suppress(ExchangeError):
            entries = sheet_read(bytes(content)).entries
        for entry in entries:
            assert entry.words
            choose(entry, wanted(entry, SITE), SONGS)


# --- Which song an entry means --------------------------------------------------------------------------------------

HASH = "a" * 64
SONGS = (
    Candidate(1, "Jóga", "Björk", 305.0, HASH, ("joga.mp3",)),
    Candidate(2, "Jóga (Live)", "Björk", 340.0),
    Candidate(3, "Don’t Stop", "The Band feat. Somebody", 200.0),
    Candidate(4, "Hello", "Artist A", 100.0),
    Candidate(5, "Hello", "Artist B", 200.0),
    Candidate(6, "Twice", "Same", 100.0),
    Candidate(7, "Twice", "Same", 100.5),
    Candidate(8, "A-ha - Take", "X", 100.0),
)


@pytest.mark.parametrize(
    ("entry", "song_id", "others"),
    [
        (FileEntry(location="http://testserver/songs/4/audio"), 4, ()),
        (FileEntry(page="http://testserver/songs/4/", title="Hello", artist="Artist A"), 4, ()),
        (FileEntry(location="/songs/4/audio"), 4, ()),
        (FileEntry(location="http://elsewhere/songs/4/audio"), None, ()),
        # Our own number, but of another day: the name decides.
        (FileEntry(location="http://testserver/songs/4/audio", title="Jóga", artist="Björk"), 1, ()),
        (FileEntry(location="http://testserver/songs/4/audio", title="Renamed", artist="Since"), 4, ()),
        (FileEntry(location=f"/media/audio/aa/{HASH}.ogg"), 1, ()),
        (FileEntry(location="C:\\Music\\Joga.MP3"), 1, ()),
        (FileEntry(location="http://[", label="bjork - JOGA"), 1, ()),
        (FileEntry(label="Björk - Jóga (Live)"), 2, ()),
        (FileEntry(label="Jóga - Björk"), 1, ()),
        (FileEntry(location="/music/03 - Bjork - Joga.flac"), 1, ()),
        (FileEntry(location="/music/03%20Bj%C3%B6rk%20-%20J%C3%B3ga.flac"), 1, ()),
        (FileEntry(title="Dont Stop", artist="Band"), 3, ()),
        (FileEntry(title="Don't Stop (feat. Somebody)", artist="The Band"), 3, ()),
        (FileEntry(title="Don't Stop [Remastered]", artist="The Band ft. Somebody"), 3, ()),
        (FileEntry(title="Hello", artist="Artist B"), 5, ()),
        (FileEntry(title="Hello"), None, (4, 5)),
        (FileEntry(title="Hello", duration_s=199.0), 5, ()),
        (FileEntry(title="Twice", artist="Same"), 6, (7,)),
        (FileEntry(label="X - A-ha - Take"), 8, ()),
        (FileEntry(title="Hello", artist="Nobody"), None, ()),
        (FileEntry(title="???", artist="!!!"), None, ()),
        (FileEntry(), None, ()),
    ],
)
def test_an_entry_means_a_song(entry: FileEntry, song_id: int | None, others: tuple[int, ...]) -> None:
    match = choose(entry, wanted(entry, SITE), SONGS)
    assert (match.song_id, match.others) == (song_id, others)


# --- The catalog ----------------------------------------------------------------------------------------------------


def bring(user: User, content: str, name: str = "mix.m3u8") -> Playlist:
    return sharing.playlist_import(listener=Listener(user), content=content.encode(), file_name=name, site=SITE)


def test_a_file_becomes_a_list_with_a_report(alice: User, make_songs: SongMaker) -> None:
    bjork = EstimateFactory(song__title="Jóga", song__artist=ArtistFactory(name="Björk", name_key="björk")).song
    unheard = SongFactory(title="Unheard", state=Song.State.QUEUED)
    twins = SongFactory.create_batch(2, title="Twin", artist=ArtistFactory(name="Same", name_key="same"))
    arrived = SongFactory()
    UploadFactory(file_name="old name.mp3", song=arrived)
    UploadFactory(file_name="gone.mp3", song=None, outcome=Upload.Outcome.FAILED)
    SongFactory(title="Broken", state=Song.State.FAILED)
    playlist = bring(
        alice,
        "#EXTM3U\n#PLAYLIST:For the road\n"
        "#EXTINF:60,BJORK - joga\na.mp3\n"
        "#EXTINF:60,Nobody - Nothing\nb.mp3\n"
        f"#EXTINF:60,{unheard.artist.name} - Unheard\nc.mp3\n"
        "#EXTINF:60,Same - Twin\nd.mp3\n"
        "#EXTINF:60,Björk - Jóga\ne.mp3\n"
        "/somewhere/old name.mp3\n"
        "/somewhere/gone.mp3\n"
        "Broken.mp3\n",
    )
    assert order(playlist) == [bjork.pk, unheard.pk, twins[0].pk, arrived.pk]
    assert (playlist.title, playlist.kind, bool(playlist.arranged_at)) == ("For the road", "imported", True)
    report = playlist.import_report
    assert (report["n_entries"], report["n_found"], report["file_name"]) == (8, 4, "mix.m3u8")
    assert [line["number"] for line in report["not_found"]] == [2, 7, 8]
    assert report["not_found"][0]["words"] == "Nobody - Nothing"
    assert [(line["number"], line["songs"]) for line in report["ambiguous"]] == [(4, [song.pk for song in twins])]
    assert [line["number"] for line in report["repeated"]] == [5]
    first, second = playlist.items.all()[:2]
    assert first.reason.startswith("From your file. ")
    assert (first.felt_valence is not None, second.felt_valence) == (True, None)


@pytest.mark.parametrize("content", ["", "nothing here.mp3", "{", "#EXTM3U\n#EXTINF:1,A - B\n\x07.mp3"])
def test_a_file_without_one_of_our_songs_makes_no_list(alice: User, make_songs: SongMaker, content: str) -> None:
    make_songs(3)
    with pytest.raises(ExchangeError):
        bring(alice, content)
    assert not Playlist.objects.exists()


def test_a_list_from_a_file_has_an_owner(db: None) -> None:
    with pytest.raises(PlaylistInvalidError):
        sharing.playlist_import(listener=Listener(None), content=b"a.mp3", file_name="a.m3u", site=SITE)


def test_text_that_searches_for_everything_finds_nothing(alice: User, make_songs: SongMaker) -> None:
    make_songs(3)
    with pytest.raises(ExchangeError, match="None of the 4 songs"):
        bring(alice, "#EXTINF:1,' | *:* & - !\na\n%.mp3\n_.mp3\n' OR 1=1 --.mp3\n")


@pytest.mark.parametrize("suffix", FORMATS)
def test_out_and_in_again_gives_the_same_songs_in_order(
    client_alice: Client, alice: User, make_songs: SongMaker, suffix: str
) -> None:
    songs = make_songs(10)
    # Names that would be mistaken for each other, or for a separator.
    Song.objects.filter(pk=songs[0].pk).update(title=songs[1].title)
    Song.objects.filter(pk=songs[2].pk).update(title='A - B, "C" <&> ?')
    playlist = playlists.playlist_create(listener=Listener(alice), target=HAPPY, length=8, seed=9)
    playlists.playlist_rename(playlist=playlist, title='Rain / "wind": <b> ⛈')
    where = reverse("recommender:playlist_export", args=[playlist.pk, suffix])
    response = client_alice.get(where)
    assert response["Content-Type"] == FORMATS[suffix].content_type
    assert response["Content-Disposition"].startswith("attachment; filename")
    file = SimpleUploadedFile(f"anything.{suffix}", response.content)
    page = client_alice.post(reverse("recommender:playlist_import"), {"file": file}, follow=True).content.decode()
    brought = Playlist.objects.exclude(pk=playlist.pk).get()
    assert order(brought) == order(playlist)
    assert brought.title == playlist.title
    assert "8 of the 8 songs" in page
    assert brought.import_report["not_found"] == brought.import_report["ambiguous"] == []


def test_every_format_is_offered_and_no_other(client_alice: Client, alice: User, make_songs: SongMaker) -> None:
    make_songs(3)
    playlist = playlists.playlist_create(listener=Listener(alice), target=HAPPY, length=3)
    page = client_alice.get(reverse("recommender:playlist_detail", args=[playlist.pk])).content.decode()
    for suffix in FORMATS:
        where = reverse("recommender:playlist_export", args=[playlist.pk, suffix])
        assert f'href="{where}"' in page
        assert "http://testserver/songs/" in client_alice.get(where).content.decode()
    assert client_alice.get(where.replace("jspf", "exe")).status_code == 404


def test_what_was_not_found_is_shown(client_alice: Client, make_songs: SongMaker) -> None:
    song = make_songs(1)[0]
    content = f"#EXTINF:60,{song.artist.name} - {song.title}\na.mp3\n#EXTINF:1,<i>No</i> - Such\nb.mp3\n"
    file = SimpleUploadedFile("mix.m3u", content.encode())
    page = client_alice.post(reverse("recommender:playlist_import"), {"file": file}, follow=True).content.decode()
    assert "1 of the 2 songs" in page
    assert "2: &lt;i&gt;No&lt;/i&gt; - Such" in page


@pytest.mark.parametrize("content", [b"", b"nothing here.mp3", b"\x00", b"a" * (MAX_BYTES + 1)])
def test_a_page_says_why_a_file_was_refused(client_alice: Client, content: bytes) -> None:
    file = SimpleUploadedFile("mix.m3u", content)
    response = client_alice.post(reverse("recommender:playlist_import"), {"file": file}, follow=True)
    assert b"message--error" in response.content
    assert b"message--error" in client_alice.post(reverse("recommender:playlist_import"), follow=True).content


def test_the_api_takes_files_and_explains(api_alice: APIClient, make_songs: SongMaker) -> None:
    song = make_songs(1)[0]
    where = "/api/v1/playlists/import/"
    file = SimpleUploadedFile("mix.m3u", f"http://testserver/songs/{song.pk}/audio".encode())
    made = api_alice.post(where, {"file": file}, format="multipart")
    assert made.status_code == 201
    assert made.json()["import_report"]["n_found"] == 1
    exported = api_alice.get(f"/api/v1/playlists/{made.json()['id']}/export/xspf/")
    assert exported["Content-Type"] == FORMATS["xspf"].content_type
    assert 'filename="mix.xspf"' in exported["Content-Disposition"]
    refused = api_alice.post(where, {"file": SimpleUploadedFile("x.m3u", b"{")}, format="multipart")
    assert (refused.status_code, refused.json()["code"]) == (400, "exchange_invalid")
    assert api_alice.post(where, {}, format="multipart").json()["code"] == "invalid"
    assert api_alice.post(where, {"file": "x"}).status_code == 415
