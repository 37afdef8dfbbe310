"""Other servers are asked where they may be, and secrets are stored so that a database alone does not tell them."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from pytest_django import Settings

from catalog.core.secrets import decrypt, encrypt
from catalog.exceptions import AddressRefusedError, ServiceAwayError
from catalog.web import address_check, ask, is_public
from tests.service import other_server


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "192.168.0.4", "172.16.9.9", "169.254.169.254", "100.64.0.1", "224.0.0.1"),
        *("::1", "fe80::1%eth0", "fd00::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "::"),
    ],
)
def test_private_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


def test_those_of_the_internet_are() -> None:
    assert is_public("151.101.1.69")
    assert is_public("2606:4700::1")


@pytest.mark.parametrize(
    "url", ["", "file:///etc/passwd", "ftp://x.example/", "http://", "http://u:p@x.example/", "http://x:99999/"]
)
def test_only_addresses_of_web_servers_are_taken(url: str) -> None:
    with pytest.raises(AddressRefusedError):
        address_check(url)


def test_a_private_server_is_not_asked_whatever_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with other_server() as other:
        for host in ("127.0.0.1", "localhost", "0x7f.1", "2130706433"):
            with pytest.raises((AddressRefusedError, ServiceAwayError)):
                ask("GET", other.url.replace("127.0.0.1", host))

        # A name that answers with a public address first, and with a private one to those who ask again.
        answers = iter([("203.0.114.9", 80), ("127.0.0.1", 80)])

        def resolve(*_: Any, **__: Any) -> list[Any]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", next(answers))]

        reached: list[str] = []

        def connect(address: tuple[str, int], *_: Any) -> socket.socket:
            reached.append(address[0])
            raise OSError("nobody there")

        monkeypatch.setattr("catalog.web.socket.getaddrinfo", resolve)
        monkeypatch.setattr("catalog.web.sockets.create_connection", connect)
        with pytest.raises(ServiceAwayError):
            ask("GET", "http://rebinding.example/")
        assert reached == ["203.0.114.9"]
    assert other.asked == []


def test_redirects_are_not_followed_and_long_answers_not_read() -> None:
    with other_server() as other:
        other.answers = lambda asked: (302, b"http://127.0.0.1:1/") if asked.path == "/away" else (200, b"x" * 2000)
        assert ask("GET", f"{other.url}/away", may_be_private=True).status == 302
        with pytest.raises(ServiceAwayError, match="too long"):
            ask("GET", f"{other.url}/long", may_be_private=True, max_bytes=1000)
        assert [asked.path for asked in other.asked] == ["/away", "/long"]


def test_a_secret_is_read_again_by_this_server_alone(settings: Settings) -> None:
    stored = encrypt("token", "scrobbling")
    assert "token" not in stored
    assert decrypt(stored, "scrobbling") == "token"
    assert decrypt(stored, "webhooks") == ""
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [settings.SECRET_KEY]
    assert decrypt(stored, "scrobbling") == "token"
    settings.SECRET_KEY_FALLBACKS = []
    assert decrypt(stored, "scrobbling") == ""
