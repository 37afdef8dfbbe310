"""Playlist files as other programs write them, and files that are made to cost much."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from recommender.exceptions import ExchangeError
from recommender.formats.files import MAX_ADDRESS, MAX_BYTES, MAX_ENTRIES, FileEntry, sheet_read

# Each needs a tenth of it on an idle machine.
AT_MOST_S = 5.0

PLS = """; written by a player

[Playlist]
NumberOfEntries=3
File2=http://radio.example/a%20b.mp3
Title10=Only - A title
File1=/music/A = B.mp3
title1=Mara Dell - Loud letters
LENGTH1=16
Length2=-1
File3=
Version=2
"""

XSPF = """
<?xml version="1.0" encoding="{encoding}"?>
<playlist version="1" xmlns="http://xspf.org/ns/0/" xmlns:vlc="http://www.videolan.org/vlc/playlist/ns/0/">
  <title>Für  die
    Fahrt</title>
  <creator>nobody</creator>
  <trackList>
    <track>
      <location/>
      <location>file:///music/a%20b.mp3</location>
      <location>file:///music/second.mp3</location>
      <title>Grüße &amp; K&#252;sse</title>
      <creator>Mara <!-- a comment --> Dell</creator>
      <duration>16500</duration>
      <extension application="x"><title>not this</title><vlc:id>0</vlc:id></extension>
    </track>
    <track><title/><location>b.mp3</location><duration>1e999</duration></track>
    <track><identifier>http://testserver/songs/4/</identifier><duration>long</duration></track>
  </trackList>
</playlist>
"""


def test_a_pls_is_read_in_the_order_of_its_numbers() -> None:
    assert sheet_read(PLS.encode()).entries == (
        FileEntry(location="/music/A = B.mp3", label="Mara Dell - Loud letters", duration_s=16.0),
        FileEntry(location="http://radio.example/a%20b.mp3"),
        FileEntry(label="Only - A title"),
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "windows-1252"])
def test_an_xspf_is_read_in_its_encoding(encoding: str) -> None:
    text = XSPF.format(encoding=encoding)
    sheet = sheet_read((text.strip() if encoding == "utf-16" else text).encode(encoding))
    assert sheet.title == "Für die Fahrt"
    assert sheet.entries == (
        FileEntry(location="file:///music/a%20b.mp3", title="Grüße & Küsse", artist="Mara Dell", duration_s=16.5),
        FileEntry(location="b.mp3"),
        FileEntry(page="http://testserver/songs/4/"),
    )


def test_an_xspf_without_the_namespace_is_read_all_the_same() -> None:
    sheet = sheet_read(b"<playlist><trackList><track><title>T</title></track></trackList></playlist>")
    assert sheet.entries == (FileEntry(title="T"),)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('<!DOCTYPE x [<!ENTITY a "b">]><playlist>&a;</playlist>', "document type"),
        ('<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><playlist>&a;</playlist>', "document type"),
        ('<!DOCTYPE playlist SYSTEM "http://x.example/a.dtd"><playlist/>', "document type"),
        ('<!DOCTYPE playlist [<!ATTLIST a b CDATA "long">]><playlist><a/></playlist>', "document type"),
        ("<playlist>&a;</playlist>", "not valid XML from line 1, column 11"),
        ("<playlist>\n<track", "not valid XML from line 2"),
        ("<smil><body/></smil>", "no XSPF playlist"),
        ('<?xml version="1.0" encoding="klingon"?><playlist/>', "Save it as UTF-8"),
        ('<?xml version="1.0" encoding="shift_jis"?><playlist/>', "Save it as UTF-8"),
        ("<playlist/>", "lists no songs"),
        ("[playlist]\nNumberOfEntries=0\nVersion=2", "lists no songs"),
    ],
)
def test_what_is_no_playlist_gets_a_sentence(content: str, sentence: str) -> None:
    with pytest.raises(ExchangeError, match=sentence):
        sheet_read(content.encode())


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_a_line_that_is_not_utf_8_is_windows_1252(ending: str) -> None:
    # In it 0x85 is an ellipsis; read as Latin-1 it would be a line break.
    lines = ["#EXTM3U", "#EXTINF:15,Los Niños - Don’t Wait… Please", "E:\\x\\Señor….mp3"]
    utf8_line = f"{ending}Café…\u2028Zürich.mp3".encode()
    entries = sheet_read(ending.join(lines).encode("cp1252") + utf8_line).entries
    assert entries == (
        FileEntry(location="E:\\x\\Señor….mp3", label="Los Niños - Don’t Wait… Please", duration_s=15.0),
        FileEntry(location="Café… Zürich.mp3"),
    )


def test_a_line_in_no_code_page_is_latin_1() -> None:
    [entry] = sheet_read(b"Caf\xe9 \x81.mp3").entries
    assert entry.location == "Café \x81.mp3"


def test_a_pls_and_a_jspf_in_windows_1252_are_read() -> None:
    pls = "[playlist]\nFile1=Señor….mp3\nTitle1=Niño".encode("cp1252")
    jspf = '{"playlist": {"track": [{"title": "Niño…"}]}}'.encode("cp1252")
    assert sheet_read(pls).entries == (FileEntry(location="Señor….mp3", label="Niño"),)
    assert sheet_read(jspf).entries == (FileEntry(title="Niño…"),)


def test_a_long_path_keeps_its_file_name() -> None:
    path = "/music/" + "%E6%AD%8C" * 250 + "/name.mp3"
    assert 1000 < len(path) < MAX_ADDRESS
    jspf = f'{{"playlist": {{"track": [{{"location": ["{path}"]}}]}}}}'
    xspf = f"<playlist><trackList><track><location>{path}</location></track></trackList></playlist>"
    for content in (path, f"[playlist]\nFile1={path}", jspf, xspf):
        assert sheet_read(content.encode()).entries[0].location == path


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (lambda: b"a\n" * 950_000, "lists more"),
        (lambda: b"\xe9\n" * 950_000, "lists more"),
        (lambda: b"#\x81\n" * 650_000, "no songs"),
        (lambda: b"# " * 950_000, "no songs"),
        (lambda: b"#EXTINF:1,a\n" * 160_000, "no songs"),
        (lambda: b";\n" * 950_000, "lists more"),
        (lambda: b"[playlist]\n" + b"".join(b"File%d=a\n" % n for n in range(140_000)), "lists more"),
        (lambda: b"[playlist]\n" + b"Length1=9\n" * 190_000, "no songs"),
        (lambda: b'{"playlist":{"track":[' + b"{}," * 600_000 + b"{}]}}", "lists more"),
        (lambda: b'{"playlist":' + b"[" * 20_000, "nested too deeply"),
        (lambda: b'{"a":' * 390_000, "nested too deeply"),
        (lambda: b"<playlist><trackList>" + b"<track/>" * 240_000, "lists more"),
        (lambda: b"<playlist>" + b"<a/>" * 490_000, "too many elements"),
        (lambda: b"<playlist>" + b"<a>" * 600_000, "too many elements"),
        (lambda: b"<playlist>" + b"<a xmlns:b='c'>" * 130_000, "too many elements"),
        (lambda: b"<playlist a='" + b"x" * 1_900_000, "not valid XML"),
        (lambda: b"<playlist><title>" + b"&#65;" * 390_000, "not valid XML"),
    ],
)
def test_a_file_made_to_cost_much_costs_little(content: Callable[[], bytes], sentence: str) -> None:
    made = content()
    assert len(made) <= MAX_BYTES
    began = time.process_time()
    with pytest.raises(ExchangeError, match=sentence):
        sheet_read(made)
    assert time.process_time() - began < AT_MOST_S


@pytest.mark.parametrize(
    "content",
    [
        lambda: b"[playlist]\nFile1=x.mp3\nLength1=" + b"9" * 1_900_000,
        lambda: b'{"playlist":{"track":[{"location":"x.mp3","duration":' + b"9" * 1_900_000 + b"}]}}",
        lambda: b'{"playlist":{"track":[{"location":[' + b"0," * 900_000 + b'"x.mp3"]}]}}',
        lambda: b"#MOODPLANE:" + b"[" * 1_900_000 + b"\nx.mp3",
        lambda: b"#EXTINF:" + b"9" * 400 + b',"' * 900_000 + b"\nx.mp3",
    ],
)
def test_a_file_with_one_absurd_value_is_read(content: Callable[[], bytes]) -> None:
    began = time.process_time()
    [entry] = sheet_read(content()).entries
    assert (entry.location, entry.duration_s, entry.page) == ("x.mp3", None, "")
    assert time.process_time() - began < AT_MOST_S


def test_as_many_songs_as_allowed_are_read_in_every_format() -> None:
    track = "<track><location>a.mp3</location>" + "<meta/>" * 50 + "</track>"
    for content in (
        "a.mp3\n" * MAX_ENTRIES,
        "[playlist]\n" + "".join(f"File{n}=a.mp3\n" for n in range(MAX_ENTRIES)),
        f'{{"playlist":{{"track":[{",".join(["{}"] * MAX_ENTRIES)}]}}}}',
        f"<playlist><trackList>{track * MAX_ENTRIES}</trackList></playlist>",
    ):
        assert len(sheet_read(content.encode()).entries) == MAX_ENTRIES
