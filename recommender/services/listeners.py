"""Who is listening."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest

from recommender.models import Listen, MoodCheckIn, Playlist
from recommender.values import Listener


def listener_from_request(request: HttpRequest) -> Listener:
    """Return who is asking; somebody not signed in gets a session, so that what they make belongs to somebody.

    Only requests that may write make one: without a session there is nothing of theirs to read.
    """
    if request.user.is_authenticated:
        return Listener(user=request.user)
    if not request.session.session_key and request.method not in {"GET", "HEAD", "OPTIONS"}:
        request.session.create()
    return Listener(user=None, session_key=request.session.session_key or "")


@transaction.atomic
def session_adopt(*, user: User, session_key: str) -> None:
    """Give a user what they made before they signed in; a second call finds nothing left to give."""
    if not session_key:
        return
    Playlist.objects.filter(owner=None, session_key=session_key).update(owner=user, session_key="")
    Listen.objects.filter(listener=None, session_key=session_key).update(listener=user, session_key="")
    MoodCheckIn.objects.filter(listener=None, session_key=session_key).update(listener=user, session_key="")
