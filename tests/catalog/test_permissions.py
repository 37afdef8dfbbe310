"""Who may listen and who may upload."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.auth.models import AnonymousUser, Group, User
from pytest_django import Settings

from catalog.permissions import CURATOR_GROUP, can_listen, can_manage_upload, can_upload, is_staff
from catalog.selectors import uploads_visible
from tests.factories import UploadFactory, UserFactory

NOBODY = AnonymousUser()


@pytest.mark.django_db
def test_the_group_of_curators_comes_with_the_database() -> None:
    Group.objects.all().delete()  # Whether it is still there depends on the tests before this one.
    import_module("catalog.migrations.0002_curator_group").curator_group_create(apps, None)
    assert Group.objects.filter(name=CURATOR_GROUP).exists()


def test_who_may_upload(alice: User, cleo: User, staff: User) -> None:
    boss = UserFactory(is_superuser=True)

    assert [can_upload(user) for user in (NOBODY, alice, cleo, staff, boss)] == [False, False, True, True, True]
    assert [is_staff(user) for user in (NOBODY, alice, cleo, staff, boss)] == [False, False, False, True, True]


def test_an_account_that_was_closed_may_nothing(cleo: User, staff: User, settings: Settings) -> None:
    settings.MOODPLANE_PUBLIC = False
    for user in (cleo, staff):
        user.is_active = False
        assert [can_upload(user), can_listen(user), is_staff(user)] == [False, False, False]


def test_who_may_listen(alice: User, settings: Settings) -> None:
    assert can_listen(NOBODY)
    assert can_listen(alice)
    settings.MOODPLANE_PUBLIC = False
    assert not can_listen(NOBODY)
    assert can_listen(alice)


def test_whose_uploads_are_whose(alice: User, bob: User, cleo: User, staff: User) -> None:
    upload = UploadFactory(owner=cleo)
    ownerless = UploadFactory(owner=None)

    assert list(uploads_visible(cleo)) == [upload]
    assert list(uploads_visible(staff)) == [ownerless, upload]
    for user in (NOBODY, alice, bob):
        assert list(uploads_visible(user)) == []
    assert [can_manage_upload(user, upload) for user in (NOBODY, bob, cleo, staff)] == [False, False, True, True]
    assert not can_manage_upload(NOBODY, ownerless)
    assert not can_manage_upload(cleo, ownerless)
