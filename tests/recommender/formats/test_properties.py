"""Playlist files of any content: written files read back, and other bytes are read or refused with a sentence."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recommender.exceptions import ExchangeError
from recommender.formats.files import (
    FORMATS,
    MAX_ENTRIES,
    FileEntry,
    Sheet,
    Track,
    clean,
    jspf_read,
    jspf_write,
    m3u_read,
    m3u_write,
    sheet_read,
    xspf_read,
    xspf_write,
)

names = st.text(max_size=60)
# Training flushes subnormal numbers to zero in its process, where hypothesis then cannot draw them.
points = st.floats(-1, 1, allow_subnormal=False)
tracks = st.builds(
    Track,
    location=st.integers(0, 10**6).map("https://music.example.org/songs/{}/audio".format),
    page=st.integers(0, 10**6).map("https://music.example.org/songs/{}/".format),
    title=names,
    artist=names,
    duration_s=st.floats(0.6, 7200, allow_subnormal=False),
    reason=names,
    album=names,
    valence=points,
    arousal=points,
    quadrant=st.sampled_from(["Q1", "Q2", "Q3", "Q4"]),
)
lists = st.lists(tracks, min_size=1, max_size=5)
# Where a format begins decides which reader gets the rest.
beginnings = st.sampled_from(
    [
        *(b"", b"\xff\xfe", b"\xef\xbb\xbf", b"#EXTM3U\n", b"[playlist]\nFile1="),
        *(b"{", b'{"playlist": {"track": [', b"<", b"<playlist><trackList><track><title>"),
    ]
)


@settings(deadline=None)
@given(title=names, tracks=lists)
@example(title="", tracks=[Track("https://x.example/1", "https://x.example/2", "", "", 1.0, reason="a\x85b")])
@pytest.mark.parametrize(("write", "read"), [(m3u_write, m3u_read), (jspf_write, jspf_read)])
def test_a_list_comes_back_in_order(
    write: Callable[[str, Iterable[Track]], str], read: Callable[[str], Sheet], title: str, tracks: list[Track]
) -> None:
    sheet = read(write(title, tracks))
    assert sheet.title == clean(title)
    assert [(entry.location, entry.page) for entry in sheet.entries] == [(one.location, one.page) for one in tracks]
    for entry, track in zip(sheet.entries, tracks, strict=True):
        assert clean(track.title) in (entry.title or entry.label)


# XML holds no control characters: the writer leaves them out.
@settings(deadline=None)
@given(title=names, tracks=lists)
def test_an_xspf_comes_back_in_order(title: str, tracks: list[Track]) -> None:
    sheet = xspf_read(xspf_write(title, tracks).encode())
    assert [(entry.location, entry.page) for entry in sheet.entries] == [(one.location, one.page) for one in tracks]
    for text, written in [
        (sheet.title, title),
        *((e.title, t.title) for e, t in zip(sheet.entries, tracks, strict=True)),
    ]:
        assert "".join(filter(str.isalnum, text)) == "".join(filter(str.isalnum, written))
    for entry, track in zip(sheet.entries, tracks, strict=True):
        assert entry.duration_s == round(1000 * track.duration_s) / 1000


@settings(deadline=None)
@given(title=names, tracks=lists)
def test_every_format_is_well_formed(title: str, tracks: list[Track]) -> None:
    assert len(ElementTree.fromstring(xspf_write(title, tracks).encode()).findall(".//{*}track")) == len(tracks)  # noqa: S314
    assert len(json.loads(jspf_write(title, tracks))["playlist"]["track"]) == len(tracks)
    assert {each.suffix for each in FORMATS.values()} == set(FORMATS)


# Whatever JSON can hold where a number, a word or a list of words belongs; integers go beyond every float.
numbers = st.integers() | st.integers(300, 420).map(lambda n: 10**n) | st.floats(allow_subnormal=False)
values = numbers | st.none() | st.booleans() | names | st.lists(names | numbers, max_size=3)
fields = st.sampled_from(["location", "identifier", "info", "title", "creator", "duration"])


@settings(deadline=None)
@given(title=values, entries=st.lists(st.dictionaries(fields, values) | values, max_size=5))
@example(title="", entries=[{"duration": 10**400}])
def test_a_jspf_with_any_values_is_read_or_refused_in_words(title: Any, entries: list[Any]) -> None:
    content = json.dumps({"playlist": {"title": title, "track": entries}}).encode()
    if not any(isinstance(entry, dict) for entry in entries):
        with pytest.raises(ExchangeError):
            sheet_read(content)
        return
    for entry in sheet_read(content).entries:
        assert entry.duration_s is None or 0 < entry.duration_s < math.inf


@settings(deadline=None)
@given(seconds=numbers, rest=names)
@example(seconds=10**400, rest=",x")
def test_an_m3u_with_any_duration_is_read(seconds: float, rest: str) -> None:
    [entry] = m3u_read(f"#EXTINF:{seconds}{' '.join(rest.split())}\nx.mp3").entries
    assert entry.duration_s is None or 0 < entry.duration_s < math.inf


@settings(deadline=None)
@given(beginning=beginnings, rest=st.binary(max_size=400))
def test_any_bytes_are_read_or_refused_in_words(beginning: bytes, rest: bytes) -> None:
    try:
        sheet = sheet_read(beginning + rest)
    except ExchangeError as error:
        refusal = str(error)
    else:
        assert 0 < len(sheet.entries) <= MAX_ENTRIES
        assert all(isinstance(entry, FileEntry) and "\x00" not in entry.words for entry in sheet.entries)
        return
    assert refusal.endswith(".")
