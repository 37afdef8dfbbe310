"""The first steps: the first account, the link by which its owner takes it over, and their end.

They are offered where `up` or `manage.py setup` made the first account, until somebody finishes or skips them. Whoever
takes them proves by the printed password or by the link that they started this server: a person on the same network
has neither.
"""

from __future__ import annotations

import secrets

from django.contrib.auth.models import Group, User
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.db import transaction

from catalog.permissions import CURATOR_GROUP
from mer_site.models import Installation

FIRST_NAME = "curator"


class _Tokens(PasswordResetTokenGenerator):
    """Django's tokens: nothing is stored, and one ends when its account signs in or gets another password."""

    key_salt = "mer_site.installation.first_steps"

    def _make_hash_value(self, user: User, timestamp: int) -> str:
        # Django rounds the last sign-in to seconds; a second use must fail within the same one, too.
        return f"{super()._make_hash_value(user, timestamp)}{user.last_login}"


_tokens = _Tokens()


@transaction.atomic
def first_account_create() -> str:
    """Make the first account, a curator and one of the staff, and offer the first steps; return its password.

    Returns:
        An empty string where there are accounts.
    """
    if User.objects.exists():
        return ""
    password = secrets.token_urlsafe(12)
    user = User.objects.create_user(FIRST_NAME, password=password, is_staff=True)
    user.groups.add(Group.objects.get_or_create(name=CURATOR_GROUP)[0])
    Installation.objects.update_or_create(pk=1, defaults={"is_setting_up": True})
    return password


def is_setting_up() -> bool:
    """Whether the first steps are offered, and neither finished nor skipped."""
    return Installation.objects.filter(is_setting_up=True).exists()


def setup_end() -> None:
    """Note that the first steps were finished or skipped; they are never shown again."""
    Installation.objects.filter(is_setting_up=True).update(is_setting_up=False)


def setup_token() -> str:
    """Return what stands in the link to the first steps; empty where they are not offered."""
    user = _owner()
    return _tokens.make_token(user) if user is not None and is_setting_up() else ""


def token_owner(token: str) -> User | None:
    """Return the account of a token, locked until the transaction around ends; None where the token does not hold.

    The caller signs the account in within the same transaction, so that of two who use it at once the second finds it
    used.
    """
    user = _owner()
    if user is None or not is_setting_up():
        return None
    user = User.objects.select_for_update().get(pk=user.pk)
    return user if _tokens.check_token(user, token) else None


def _owner() -> User | None:
    return User.objects.filter(is_staff=True, is_active=True).order_by("pk").first()
