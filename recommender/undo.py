"""The offer to undo what a listener just did: a signed token in a form, and no state of its own.

A fragment shows its offer at once. A page that is led to elsewhere finds it in the session, once.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from django.core import signing
from django.http import HttpRequest
from django.utils.translation import gettext as _

from recommender.exceptions import UndoTooLateError

HOLDS_S = 3600
_SALT = "recommender.undo"
_KEY = "undo_offer"


@dataclass(frozen=True, slots=True)
class Undo:
    """What was done, in a sentence, and where to undo it; `token` says how."""

    sentence: str
    url: str
    token: str = ""


def undo_token(request: HttpRequest, what: str, **values: Any) -> str:
    """Sign what must be known to undo something; only this listener can use it, and only for `what`."""
    return signing.dumps({**values, "who": request.user.pk, "what": what}, salt=_SALT, compress=True)


def undo_values(request: HttpRequest, what: str) -> dict[str, Any]:
    """Return what was signed.

    Raises:
        UndoTooLateError: it was signed too long ago, for something else or somebody else, or not by this server.
    """
    try:
        values: dict[str, Any] = signing.loads(request.POST.get("undo", ""), salt=_SALT, max_age=HOLDS_S)
    except signing.BadSignature:
        raise UndoTooLateError(_("This can no longer be undone.")) from None
    if (values.pop("who"), values.pop("what")) != (request.user.pk, what):
        raise UndoTooLateError(_("This can no longer be undone."))
    return values


def undo_offer(request: HttpRequest, undo: Undo) -> None:
    """Offer it on the next page."""
    request.session[_KEY] = asdict(undo)


def undo_offered(request: HttpRequest) -> Undo | None:
    """Return what the last page offered, once."""
    # A visitor without a session has been offered nothing, and gets none for asking.
    offer = request.session.pop(_KEY, None) if request.session.session_key else None
    return Undo(**offer) if offer else None
