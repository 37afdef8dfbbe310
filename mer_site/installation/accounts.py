"""Accounts as the staff see them, and what the staff may change of them."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.models import Group, User
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext as _

from catalog.permissions import CURATOR_GROUP


def accounts(query: str = "") -> QuerySet[User]:
    """Return the accounts whose name holds the query, by name; each has `is_curator`."""
    curators = Group.objects.filter(name=CURATOR_GROUP, user=OuterRef("pk"))
    found = User.objects.filter(username__icontains=query) if query else User.objects.all()
    return found.annotate(is_curator=Exists(curators)).order_by("username")


def _curator_set(user: User, value: bool) -> None:
    group = Group.objects.get_or_create(name=CURATOR_GROUP)[0]
    (user.groups.add if value else user.groups.remove)(group)


def _flag_set(name: str) -> Callable[[User, bool], None]:
    def change(user: User, value: bool) -> None:
        setattr(user, name, value)
        user.save(update_fields=[name])

    return change


_CHANGES: dict[str, Callable[[User, bool], None]] = {
    "curator": _curator_set,
    "staff": _flag_set("is_staff"),
    "active": _flag_set("is_active"),
}


def changes(by: User, user: User) -> list[tuple[str, str]]:
    """Return what somebody may change of an account from `accounts`: what the button says to us, and to people."""
    curator = ("curator no", _("No longer a curator")) if user.is_curator else ("curator yes", _("Make a curator"))  # type: ignore[attr-defined]
    staff = ("staff no", _("No longer staff")) if user.is_staff else ("staff yes", _("Make staff"))
    if not user.is_active:
        return [("active yes", _("Enable"))]
    return [curator] if user.pk == by.pk else [curator, staff, ("active no", _("Disable"))]


def account_change(*, by: User, user: User, right: str, value: bool) -> str:
    """Give an account a right, or take it away: `curator`, `staff`, or `active`, which may sign in.

    An account that may no longer sign in is signed out everywhere by that.

    Returns:
        Why it was refused; empty where it was done.
    """
    if user.pk == by.pk and right != "curator":
        return _("You cannot take this from yourself, so that somebody stays who can give it back.")
    if user.is_superuser and not by.is_superuser:
        return _("This account was made on the server's command line, and is changed there.")
    _CHANGES[right](user, value)
    return ""
