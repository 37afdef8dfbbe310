"""Who may sign up: anyone, or people with an invitation.

The token of an invitation is its number, signed: the database holds no secret, and the staff can copy a link again.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.core import signing
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from mer_site.models import Installation, Invitation

Signup = Installation.Signup
_signer = signing.Signer(salt="mer_site.invitation")


class NotInvitedError(Exception):
    """Somebody signs up without an invitation that is usable."""


def signup_mode() -> Installation.Signup:
    """Return who may sign up: MOODPLANE_SIGNUP decides, else what the staff chose, else anyone may."""
    if settings.MOODPLANE_SIGNUP:
        return Signup(settings.MOODPLANE_SIGNUP)
    chosen = Installation.objects.values_list("signup", flat=True).first()
    return Signup(chosen or Signup.OPEN)


def signup_is_offered() -> bool:
    """Whether pages offer an account to every visitor."""
    return signup_mode() == Signup.OPEN


def signup_choose(mode: Installation.Signup) -> None:
    """Decide who may sign up."""
    Installation.objects.update_or_create(pk=1, defaults={"signup": mode})


def invitation_create(*, note: str, n_most: int, days: int) -> Invitation:
    """Make an invitation for so many accounts within so many days."""
    return Invitation.objects.create(note=note, n_most=n_most, expires_at=timezone.now() + timedelta(days=days))


def invitation_revoke(*, invitation: Invitation) -> None:
    """End an invitation; accounts that were made with it stay."""
    Invitation.objects.filter(pk=invitation.pk, revoked_at=None).update(revoked_at=timezone.now())


def invitation_token(invitation: Invitation) -> str:
    """Return what stands in an invitation's link."""
    return _signer.sign(str(invitation.pk))


def invitation_of(token: str) -> Invitation | None:
    """Return the usable invitation of a token, if it is one."""
    with suppress(signing.BadSignature):
        invitation = Invitation.objects.filter(pk=int(_signer.unsign(token))).first()
        return invitation if invitation is not None and invitation.is_usable else None
    return None


def may_sign_up(token: str) -> bool:
    """Whether a visitor with this token, or with none, may sign up."""
    return signup_mode() == Signup.OPEN or invitation_of(token) is not None


@transaction.atomic
def account_create(*, user: User, token: str) -> User:
    """Store a new account; where an invitation is needed, one of its places is taken.

    Raises:
        NotInvitedError: The invitation is not usable, or somebody took its last place meanwhile.
    """
    if signup_mode() != Signup.OPEN:
        invitation = invitation_of(token)
        if invitation is None:
            raise NotInvitedError
        # One UPDATE, which looks again after it has waited for another's.
        places = Invitation.objects.filter(pk=invitation.pk, revoked_at=None, n_used__lt=F("n_most"))
        if not places.update(n_used=F("n_used") + 1):
            raise NotInvitedError
    user.save()
    return user
