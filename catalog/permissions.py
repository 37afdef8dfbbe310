"""Permissions of the catalog, and the guard of its pages."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, TypeAlias

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, Group
from django.contrib.auth.models import User as DjangoUser
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext_lazy
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from catalog.models import Upload

if TYPE_CHECKING:
    # The framework's views import this module while they are being imported, as the default permission.
    from rest_framework.views import APIView

User: TypeAlias = AbstractBaseUser | AnonymousUser
View: TypeAlias = Callable[..., HttpResponseBase]

CURATOR_GROUP = "curator"


def user_of(request: HttpRequest | Request) -> DjangoUser:
    """Return the account of a request that only accounts may make."""
    assert isinstance(request.user, DjangoUser)
    return request.user


def is_staff(user: User) -> bool:
    """Whether the user is active staff or an active superuser."""
    return isinstance(user, DjangoUser) and user.is_active and (user.is_staff or user.is_superuser)


def can_listen(user: User) -> bool:
    """Whether the user may read the catalog and play its songs."""
    return bool(settings.MOODPLANE_PUBLIC) or (user.is_authenticated and user.is_active)


def can_upload(user: User) -> bool:
    """Whether the user may add songs: a curator or a member of the staff."""
    if is_staff(user) or not isinstance(user, DjangoUser) or not user.is_active:
        return is_staff(user)
    # CuratorBackend loads this with the account of a session.
    is_curator: bool | None = getattr(user, "is_curator", None)
    return user.groups.filter(name=CURATOR_GROUP).exists() if is_curator is None else is_curator


class CuratorBackend(ModelBackend):
    """Loads the account of a session together with `is_curator`, which every page needs."""

    def get_user(self, user_id: int) -> DjangoUser | None:
        groups = Group.objects.filter(name=CURATOR_GROUP, user=OuterRef("pk"))
        user = DjangoUser.objects.filter(pk=user_id).annotate(is_curator=Exists(groups)).first()
        return user if user is not None and self.user_can_authenticate(user) else None


def can_manage_upload(user: User, upload: Upload) -> bool:
    """Whether the user may retry an upload: its owner while a curator, or a member of the staff."""
    return is_staff(user) or (upload.owner_id is not None and upload.owner_id == user.pk and can_upload(user))


class CanListen(BasePermission):
    """`can_listen` for API views."""

    message = gettext_lazy("This catalog is private: sign in to see it.")

    def has_permission(self, request: Request, view: APIView) -> bool:
        return can_listen(request.user)


class CanUpload(BasePermission):
    """`can_upload` for API views."""

    message = gettext_lazy('Only curators can add songs. Ask the staff to add you to the group "curator".')

    def has_permission(self, request: Request, view: APIView) -> bool:
        return can_upload(request.user)


def allowed(check: Callable[..., bool], *, words: str = "") -> Callable[[View], View]:
    """Admit users for whom the check is true; others sign in, or get the template `words` if they are signed in."""

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapped(request: HttpRequest, **kwargs: int | str) -> HttpResponseBase:
            if check(request.user):
                return view(request, **kwargs)
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            if words:
                return render(request, words, status=403)
            raise PermissionDenied

        return wrapped

    return decorate
