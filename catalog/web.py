"""Asks other servers over HTTP, at addresses that people enter: never at private ones, unless they are allowed.

A name is resolved once, and the connection goes to the very address that was checked, so that a name which answers
otherwise the second time leads nowhere else. Redirects are not followed.
"""

from __future__ import annotations

import ipaddress
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util import connection as sockets

from catalog.core.wording import gettext as _
from catalog.exceptions import AddressRefusedError, ServiceAwayError

TIMEOUT_S = 15.0
MAX_ANSWER_BYTES = 8 * 1024 * 1024
USER_AGENT = "Moodplane/0.2 (+https://github.com/moodplane/moodplane)"
# Addresses in which others are wrapped, whatever those are: NAT64 and 6to4.
_WRAPPING = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("2002::/16"))


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a server."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_ok(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> Any:
        """Return the body as JSON; None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def address_check(url: str) -> str:
    """Return an address that may be stored, without what follows a `#`.

    Raises:
        AddressRefusedError: It is no address of a web server.
    """
    try:
        parts = urlsplit(url.strip())
        is_web = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_web = False
    if not is_web or parts.username or parts.password:
        raise AddressRefusedError(_("This is no address of a web server: it begins with https:// and has no password."))
    return parts._replace(fragment="").geturl()


def ask(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, Any] | None = None,
    form: Mapping[str, Any] | None = None,
    data: Any = None,
    body: bytes | None = None,
    may_be_private: bool = False,
    timeout_s: float = TIMEOUT_S,
    max_bytes: int = MAX_ANSWER_BYTES,
) -> Answer:
    """Ask a server, and return its answer, whatever its status.

    Args:
        method: Such as `POST`.
        url: Of the server.
        headers: Beside those that every request has.
        query: Is added to the address.
        form: The body as a form.
        data: The body as JSON.
        body: The body as it is.
        may_be_private: Whether the server may be this machine, or one of its network.
        timeout_s: For the connection, and for each part of the answer.
        max_bytes: Of the answer.

    Raises:
        AddressRefusedError: The address is none, or a private one.
        ServiceAwayError: The server cannot be reached, or its answer is too long or incomplete.
    """
    url = address_check(url)
    sent = {"User-Agent": USER_AGENT, "Accept": "application/json, */*;q=0.5", **(headers or {})}
    if query:
        url += ("&" if "?" in url else "?") + urlencode(query, doseq=True)
    if form is not None:
        body, sent["Content-Type"] = urlencode(form).encode(), "application/x-www-form-urlencoded"
    elif data is not None:
        body, sent["Content-Type"] = json.dumps(data).encode(), "application/json"
    pools = urllib3.PoolManager(num_pools=1, retries=False, timeout=timeout_s)
    if not may_be_private:
        pools.pool_classes_by_scheme = {"http": _PublicHttpPool, "https": _PublicHttpsPool}
    try:
        with pools.request(method, url, body=body, headers=sent, redirect=False, preload_content=False) as response:
            content = response.read(max_bytes + 1, decode_content=True)
            if len(content) > max_bytes:
                raise ServiceAwayError(_("The answer of the other server is too long."))
            return Answer(response.status, response.headers, content)
    except urllib3.exceptions.HTTPError as error:
        sentence = _("The other server cannot be reached: %(reason)s.") % {"reason": _reason(error)}
        raise ServiceAwayError(sentence) from error
    finally:
        pools.clear()


def _reason(error: Exception) -> str:
    return str(error).rpartition("): ")[2].rstrip(".") or type(error).__name__


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        elif any(ip in network for network in _WRAPPING):
            return False
    return ip.is_global and not ip.is_multicast


class _Public:
    """Connects only where all addresses of a name are public, and to the one that was looked at."""

    def _new_conn(self: Any) -> socket.socket:
        try:
            found = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise urllib3.exceptions.NameResolutionError(self.host, self, socket.gaierror(str(error))) from error
        addresses = [str(each[4][0]) for each in found]
        if not addresses or not all(map(is_public, addresses)):
            raise AddressRefusedError(_("This address is in a private network, and may not be asked."))
        try:
            return sockets.create_connection(
                (addresses[0], self.port), self.timeout, self.source_address, self.socket_options
            )
        except OSError as error:
            raise urllib3.exceptions.NewConnectionError(self, str(error)) from error


class _PublicHttp(_Public, HTTPConnection):
    pass


class _PublicHttps(_Public, HTTPSConnection):
    pass


class _PublicHttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _PublicHttp


class _PublicHttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _PublicHttps
