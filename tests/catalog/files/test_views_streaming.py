"""Range, ETag, If-Range, HEAD and 416 as RFC 9110 wants them, on a real file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from catalog.exceptions import RangeNotSatisfiableError
from catalog.files.views import byte_range_parse
from catalog.models import Song


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-99", range(100)),
        ("bytes=100-", range(100, 1000)),
        ("bytes=-10", range(990, 1000)),
        ("bytes=-5000", range(1000)),
        ("bytes=990-5000", range(990, 1000)),
        ("BYTES=0-0", range(1)),
        ("bytes=0-1,5-6", None),
        ("bytes=9-3", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("items=0-1", None),
        ("bytes=٣-٤", None),
    ],
)
def test_range_headers(header: str, expected: range | None) -> None:
    assert byte_range_parse(header, 1000) == expected


@pytest.mark.parametrize("header", ["bytes=1000-", "bytes=5000-6000", "bytes=-0"])
def test_ranges_without_a_byte(header: str) -> None:
    with pytest.raises(RangeNotSatisfiableError):
        byte_range_parse(header, 1000)


def test_of_an_empty_file_no_range_is_satisfiable() -> None:
    with pytest.raises(RangeNotSatisfiableError):
        byte_range_parse("bytes=-5", 0)


def body(response: Any) -> bytes:
    return bytes(response.getvalue())


def url(song: Song) -> str:
    return reverse("catalog:song_audio", args=[song.pk])


def data(song: Song) -> bytes:
    return Path(song.audio.path).read_bytes()


def etag(song: Song) -> str:
    return f'"{song.content_hash}"'


def test_the_whole_file(client: Client, stored_song: Song) -> None:
    response = client.get(url(stored_song))

    assert response.status_code == 200
    assert body(response) == data(stored_song)
    assert response["Content-Type"] == "audio/mpeg"
    assert response["Content-Length"] == str(stored_song.size_bytes)
    assert response["Accept-Ranges"] == "bytes"
    assert response["ETag"] == etag(stored_song)
    assert response["Content-Disposition"] == 'inline; filename="Ann - Tide.mp3"'


@pytest.mark.parametrize(("header", "first", "last"), [("bytes=100-299", 100, 299), ("bytes=-50", -50, None)])
def test_a_part(client: Client, stored_song: Song, header: str, first: int, last: int | None) -> None:
    whole = data(stored_song)
    start = first % len(whole)
    end = last if last is not None else len(whole) - 1

    response = client.get(url(stored_song), headers={"range": header})

    assert response.status_code == 206
    assert body(response) == whole[start : end + 1]
    assert response["Content-Range"] == f"bytes {start}-{end}/{len(whole)}"
    assert response["Content-Length"] == str(end - start + 1)


def test_a_range_behind_the_end(client: Client, stored_song: Song) -> None:
    response = client.get(url(stored_song), headers={"range": "bytes=99999999-"})

    assert response.status_code == 416
    assert response["Content-Range"] == f"bytes */{stored_song.size_bytes}"


def test_several_ranges_are_answered_with_the_whole(client: Client, stored_song: Song) -> None:
    response = client.get(url(stored_song), headers={"range": "bytes=0-1,5-6"})

    assert response.status_code == 200
    assert body(response) == data(stored_song)


def test_head_has_the_headers_and_no_body(client: Client, stored_song: Song) -> None:
    response = client.head(url(stored_song), headers={"range": "bytes=0-9"})

    assert response.status_code == 200
    assert response.content == b""
    assert response["Content-Length"] == str(stored_song.size_bytes)
    assert response["Accept-Ranges"] == "bytes"


def test_what_the_browser_has_is_not_sent_again(client: Client, stored_song: Song) -> None:
    for tag in (etag(stored_song), f"W/{etag(stored_song)}", f'"other", {etag(stored_song)}', "*"):
        response = client.get(url(stored_song), headers={"if-none-match": tag, "range": "bytes=0-9"})
        assert (response.status_code, response.content, response["ETag"]) == (304, b"", etag(stored_song))

    modified = client.head(url(stored_song))["Last-Modified"]
    assert client.get(url(stored_song), headers={"if-modified-since": modified}).status_code == 304
    assert client.get(url(stored_song), headers={"if-none-match": '"other"'}).status_code == 200


def test_if_range(client: Client, stored_song: Song) -> None:
    modified = client.head(url(stored_song))["Last-Modified"]

    def status(condition: str) -> int:
        headers = {"range": "bytes=0-9", "if-range": condition}
        return client.get(url(stored_song), headers=headers).status_code

    assert status(etag(stored_song)) == status(modified) == 206
    assert status('"other"') == status(f"W/{etag(stored_song)}") == 200
    assert status("Sat, 01 Jan 2000 00:00:00 GMT") == 200


def test_only_reading_is_possible(client: Client, stored_song: Song) -> None:
    assert client.post(url(stored_song)).status_code == 405


def test_behind_nginx_the_file_is_handed_over(client: Client, stored_song: Song, settings: Settings) -> None:
    settings.MOODPLANE_X_ACCEL = "/protected/"
    response = client.get(url(stored_song), headers={"range": "bytes=0-9"})

    assert response["X-Accel-Redirect"] == f"/protected/{stored_song.audio.name}"
    assert response["Content-Type"] == "audio/mpeg"
    assert response.content == b""


def test_a_lost_file_is_reported(client: Client, stored_song: Song) -> None:
    Path(stored_song.audio.path).unlink()

    assert client.get(url(stored_song)).status_code == 404


def test_an_unknown_song(client: Client, db: None) -> None:
    assert client.get(reverse("catalog:song_audio", args=[999_999])).status_code == 404


def test_an_open_catalog_plays_for_nobody_in_particular(client: Client, client_bob: Client, stored_song: Song) -> None:
    assert client.get(url(stored_song)).status_code == 200
    assert client_bob.get(url(stored_song)).status_code == 200


def test_a_closed_catalog_asks_to_sign_in(
    client: Client, client_bob: Client, stored_song: Song, settings: Settings
) -> None:
    settings.MOODPLANE_PUBLIC = False
    for name in ("catalog:song_audio", "emotion:song_cover"):
        address = reverse(name, args=[stored_song.pk])
        response = client.get(address)
        assert response.status_code == 302
        assert response["Location"].startswith(reverse("accounts:login"))
        assert client_bob.get(address).status_code == 200
