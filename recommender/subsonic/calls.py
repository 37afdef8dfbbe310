"""One request of a player: who asks, and with which parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from recommender.models import SubsonicKey
from recommender.requests import Listener
from recommender.subsonic.answers import Code, SubsonicError

# A queue or a playlist of 5,000 songs, and as many ratings.
MOST_PARAMETERS = 20_000
# Longer numbers are none of ours.
_MOST_DIGITS = 15

Answer = Mapping[str, Any] | HttpResponseBase
Handler = Callable[["Call"], Answer]


class Parameters:
    """The parameters of a request, each of which may come several times."""

    def __init__(self, request: HttpRequest) -> None:
        # Django's own reading stops at 1,000 parameters, and a queue may have more.
        sources = [request.META.get("QUERY_STRING", "")]
        if request.method == "POST" and request.content_type == "application/x-www-form-urlencoded":
            sources.append(request.body.decode("utf-8", "replace"))
        self._values: dict[str, list[str]] = {}
        for source in sources:
            try:
                pairs = parse_qsl(source, keep_blank_values=True, max_num_fields=MOST_PARAMETERS)
            except ValueError as error:
                raise SubsonicError(Code.GENERIC, _("The request has too many parameters.")) from error
            for name, value in pairs:
                self._values.setdefault(name, []).append(value.replace("\x00", ""))

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str, default: str = "") -> str:
        """Return a value, the last one where it came several times."""
        return self._values.get(name, [default])[-1]

    def texts(self, name: str) -> list[str]:
        """Return all values of a name, in order."""
        return self._values.get(name, [])


@dataclass(frozen=True, slots=True)
class Call:
    """A request of somebody who is known; `key` is what they signed in with, None for the secret."""

    request: HttpRequest
    parameters: Parameters
    user: User
    key: SubsonicKey | None = None

    @property
    def listener(self) -> Listener:
        """Whose library it is."""
        return Listener(user=self.user)

    @property
    def player(self) -> str:
        """The name of the player."""
        return self.parameters.text("c")[:200] or "?"

    def text(self, name: str, default: str = "") -> str:
        """Return a parameter, or the default without one."""
        return self.parameters.text(name, default)

    def texts(self, name: str) -> list[str]:
        """Return all values of a parameter."""
        return self.parameters.texts(name)

    def required(self, name: str) -> str:
        """Return a parameter.

        Raises:
            SubsonicError: it is missing.
        """
        value = self.text(name)
        if not value:
            raise missing(name)
        return value

    def number(self, name: str, default: int, *, least: int = 0, most: int = 10**_MOST_DIGITS) -> int:
        """Return a whole number within limits; what is none counts as the default."""
        text = self.text(name)
        digits = text.removeprefix("-")
        is_number = digits.isascii() and digits.isdecimal() and len(digits) <= _MOST_DIGITS
        return min(max(int(text) if is_number else default, least), most)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return whether a parameter is true."""
        return self.text(name, str(default)).lower() in ("true", "1", "yes")


def missing(name: str) -> SubsonicError:
    """Return the error of a request without a parameter that it needs."""
    return SubsonicError(Code.MISSING, _("The parameter “%(name)s” is missing.") % {"name": name})


def not_found() -> SubsonicError:
    """Return the error of a request for what is not there, or not this listener's: the answer does not say which."""
    return SubsonicError(Code.NOT_FOUND, _("There is nothing of this number."))


def not_allowed(sentence: str = "") -> SubsonicError:
    """Return the error of a request that this listener may not make."""
    return SubsonicError(Code.NOT_ALLOWED, sentence or _("You do not have permission to do this."))
