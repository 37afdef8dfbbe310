"""Signing in, which takes a visitor's session along, and what ends with a password."""

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from rest_framework.authtoken.models import Token

from recommender.services.feedback import pending_answers_record, session_adopt
from recommender.subsonic import credentials


def login_keeping_session(request: HttpRequest, user: User) -> None:
    """Sign somebody in, with what they did here as a visitor."""
    # Signing in changes the key of the session.
    session_key = request.session.session_key
    login(request, user)
    if session_key:
        session_adopt(user=user, session_key=session_key)
    # Signing in keeps a visitor's session, and empties that of another account.
    titles = pending_answers_record(user=user, session=request.session)
    if len(titles) == 1:
        messages.success(request, _("Your rating of “%(title)s” was saved.") % {"title": titles[0]})
    elif titles:
        sentence = ngettext("Your %(count)d rating was saved.", "Your %(count)d ratings were saved.", len(titles))
        messages.success(request, sentence % {"count": len(titles)})


def programs_sign_out(user: User) -> None:
    """End what opens the API, or is a player's, for an account: whoever knew its password may have made one."""
    Token.objects.filter(user=user).delete()
    credentials.all_revoke(user=user)
