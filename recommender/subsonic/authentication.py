"""Who asks: by a key, by a token of the secret and a salt, or by the secret in hexadecimal. Cookies count for nothing.

Source: OpenSubsonic, https://opensubsonic.netlify.app/docs/api-reference/#authentication
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
from typing import NamedTuple, cast

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from catalog.permissions import can_listen
from recommender.models import SubsonicKey, SubsonicSecret
from recommender.subsonic import credentials
from recommender.subsonic.answers import Code, SubsonicError
from recommender.subsonic.calls import Parameters, missing

_ENCODED = "enc:"


class Known(NamedTuple):
    """Who asks, and the key that they used, if it was one."""

    user: User
    key: SubsonicKey | None = None


def authenticate(request: HttpRequest, parameters: Parameters) -> Known:
    """Return who asks.

    Raises:
        SubsonicError: it is not said, cannot be believed, or too many requests came.
    """
    wrong = _WrongThrottle()
    if wrong.is_full(request):
        raise _too_many(wrong)
    try:
        known = _known(parameters)
    except SubsonicError as error:
        if error.code in (Code.WRONG_SECRET, Code.WRONG_KEY):
            wrong.allow_request(cast("Request", request), cast("APIView", None))
        raise
    limit = _CallThrottle(known)
    if not limit.allow_request(cast("Request", request), cast("APIView", None)):
        raise _too_many(limit)
    return known


def _known(parameters: Parameters) -> Known:
    if "apiKey" in parameters:
        if any(name in parameters for name in ("u", "p", "t", "s")):
            raise SubsonicError(Code.CONFLICTING, _("An API key comes alone, without a user name, password or token."))
        return _by_key(parameters.text("apiKey"))
    name = parameters.text("u")
    if not name:
        raise missing("apiKey" if "u" not in parameters else "u")
    has_token = "t" in parameters or "s" in parameters
    if "p" in parameters and has_token:
        raise SubsonicError(Code.CONFLICTING, _("A password and a token exclude each other."))
    if "p" in parameters:
        return Known(_by_password(name, parameters.text("p")))
    for each in ("t", "s"):
        if not parameters.text(each):
            raise missing(each)
    token, salt = parameters.text("t").lower(), parameters.text("s")
    row, secret = _secret_of(name)
    # MD5 is the protocol's.
    wanted = hashlib.md5(f"{secret}{salt}".encode(), usedforsecurity=False).hexdigest()
    return Known(_checked(row, wanted, token))


def _by_key(key: str) -> Known:
    row = SubsonicKey.objects.select_related("listener").filter(key_hash=credentials.key_hash(key)).first()
    if row is None or not _may(row.listener):
        raise SubsonicError(Code.WRONG_KEY, _("This API key is not known here, or was revoked."))
    credentials.used(row)
    return Known(row.listener, row)


def _by_password(name: str, password: str) -> User:
    if not password.startswith(_ENCODED):
        raise SubsonicError(
            Code.NOT_SUPPORTED, _("Passwords are not taken in clear: use an API key, a token, or “enc:”.")
        )
    try:
        given = binascii.unhexlify(password.removeprefix(_ENCODED)).decode()
    except ValueError:
        given = ""
    row, secret = _secret_of(name)
    return _checked(row, secret, given)


def _secret_of(name: str) -> tuple[SubsonicSecret | None, str]:
    row = SubsonicSecret.objects.select_related("listener").filter(listener__username=name).first()
    secret = "" if row is None else credentials.secret_read(row)
    if secret is None:
        raise SubsonicError(
            Code.WRONG_SECRET,
            _("The server's SECRET_KEY has changed, so this secret can no longer be read: make a new one here."),
        )
    return row, secret


def _checked(row: SubsonicSecret | None, wanted: str, given: str) -> User:
    # One answer for a wrong name, a wrong secret and none: it tells nobody which names there are.
    is_right = hmac.compare_digest(wanted.encode(), given.encode())
    if row is None or not is_right or not _may(row.listener):
        sentence = _("The name or the secret is wrong. Players use the secret of the account page, not the password.")
        raise SubsonicError(Code.WRONG_SECRET, sentence)
    credentials.used(row)
    return row.listener


def _may(user: User) -> bool:
    return user.is_active and can_listen(user)


# --- Limits -----------------------------------------------------------------------------------------------------------


class _CallThrottle(SimpleRateThrottle):
    """Requests of one key, or of all players with the secret of one listener."""

    scope = "subsonic"

    def __init__(self, known: Known) -> None:
        super().__init__()
        self._known = known

    def get_cache_key(self, request: Request, view: APIView) -> str:
        user, key = self._known
        return self.cache_format % {"scope": self.scope, "ident": f"key-{key.pk}" if key else f"user-{user.pk}"}


class _WrongThrottle(SimpleRateThrottle):
    """Wrong secrets and keys from one address; they count together with attempts at the API's tokens."""

    scope = "auth"
    num_requests: int | None
    duration: int | None

    def get_cache_key(self, request: Request, view: APIView) -> str:
        return self.cache_format % {"scope": self.scope, "ident": self.get_ident(request)}

    def is_full(self, request: HttpRequest) -> bool:
        """Whether so many came that none is looked at."""
        if self.rate is None:
            return False
        assert self.num_requests is not None
        assert self.duration is not None
        self.key = self.get_cache_key(cast("Request", request), cast("APIView", None))
        self.now = self.timer()
        self.history = [at for at in self.cache.get(self.key, []) if at > self.now - self.duration]
        return len(self.history) >= self.num_requests


def _too_many(throttle: SimpleRateThrottle) -> SubsonicError:
    wait_s = round(throttle.wait() or 1)
    return SubsonicError(Code.GENERIC, _("Too many requests: try again later."), status=429, retry_s=max(wait_s, 1))
