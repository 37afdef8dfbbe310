"""The listener of a request."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest

from recommender.models import Listen, MoodCheckIn, Playlist
from recommender.values import Listener


def listener_from_request(request: HttpRequest) -> Listener:
    """Return the listener of a request; a visitor gets a session, which owns what they create.

    Only requests that may write create one: without a session there is nothing to read.
    """
    if request.user.is_authenticated:
        return Listener(user=request.user)
    if not request.session.session_key and request.method not in {"GET", "HEAD", "OPTIONS"}:
        request.session.create()
    return Listener(user=None, session_key=request.session.session_key or "")


@transaction.atomic
def session_adopt(*, user: User, session_key: str) -> None:
    """Give a user what they created before they signed in; a second call finds nothing."""
    if not session_key:
        return
    Playlist.objects.filter(owner=None, session_key=session_key).update(owner=user, session_key="")
    Listen.objects.filter(listener=None, session_key=session_key).update(listener=user, session_key="")
    MoodCheckIn.objects.filter(listener=None, session_key=session_key).update(listener=user, session_key="")
