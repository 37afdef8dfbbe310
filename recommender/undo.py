"""The offer to undo a listener's last action: a signed token in a form, without server state.

A fragment shows its offer at once. A page after a redirect finds it in the session, once.
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
    """A sentence on what was done, the address that undoes it, and the signed `token` for it."""

    sentence: str
    url: str
    token: str = ""


def undo_token(request: HttpRequest, what: str, **values: Any) -> str:
    """Sign the values that undo an action; only this listener can use them, and only for `what`."""
    return signing.dumps({**values, "who": request.user.pk, "what": what}, salt=_SALT, compress=True)


def undo_values(request: HttpRequest, what: str) -> dict[str, Any]:
    """Return what was signed.

    Raises:
        UndoTooLateError: it was signed too long ago, for another action or user, or not by this server.
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
