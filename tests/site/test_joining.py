"""Who may sign up, invitations, and what the staff change of accounts."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings
from rest_framework.authtoken.models import Token

from catalog.permissions import CURATOR_GROUP
from mer_site.installation import joining
from mer_site.installation.joining import NotInvitedError, Signup, account_create, invitation_token
from mer_site.models import Invitation
from tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db
SIGNUP_PAGE, LOGIN_PAGE = "/accounts/signup/", "/accounts/login/"


def person(name: str) -> dict[str, str]:
    return {"username": name, "password1": PASSWORD, "password2": PASSWORD}


@pytest.fixture
def invitation(db: None) -> Invitation:
    """An invitation for two people, on a server that is for the invited only."""
    joining.signup_choose(Signup.INVITED)
    return joining.invitation_create(note="the choir", n_most=2, days=7)


def test_without_an_invitation_there_is_no_account(invitation: Invitation, client: Client) -> None:
    for answer in (client.get(SIGNUP_PAGE), client.post(SIGNUP_PAGE, person("eve"))):
        assert answer.status_code == 403
        assert "By invitation" in answer.content.decode()
    assert not User.objects.exists()
    assert SIGNUP_PAGE not in client.get(LOGIN_PAGE).content.decode(), "nor is one offered"


def test_an_invitation_makes_as_many_accounts_as_it_says(invitation: Invitation) -> None:
    address = f"{SIGNUP_PAGE}?invitation={invitation_token(invitation)}"
    for name in ("ann", "ben", "eve"):
        client = Client()
        assert client.get(address).status_code == (200 if name != "eve" else 403)
        answer = client.post(SIGNUP_PAGE, {**person(name), "invitation": invitation_token(invitation)})
        assert answer.status_code == (302 if name != "eve" else 403)
    assert "This invitation no longer works" in answer.content.decode()
    assert sorted(User.objects.values_list("username", flat=True)) == ["ann", "ben"]
    invitation.refresh_from_db()
    assert (invitation.n_used, invitation.is_usable) == (2, False)


def test_what_the_form_refuses_takes_no_place(invitation: Invitation, client: Client) -> None:
    values = {**person("ann"), "password2": "another", "invitation": invitation_token(invitation)}
    page = client.post(SIGNUP_PAGE, values)
    assert page.status_code == 200
    assert invitation_token(invitation) in page.content.decode()
    assert Invitation.objects.get().n_used == 0


@pytest.mark.parametrize("how", ["revoked", "expired", "forged", "another's signature", "none"])
def test_an_invitation_that_does_not_hold_is_refused(invitation: Invitation, client: Client, how: str) -> None:
    token = invitation_token(invitation)
    if how == "revoked":
        joining.invitation_revoke(invitation=invitation)
    elif how == "expired":
        Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    elif how == "forged":
        token = token[:-2] + ("AA" if not token.endswith("AA") else "BB")
    elif how == "another's signature":
        token = f"{invitation.pk + 1}:{token.partition(':')[2]}"
    else:
        Invitation.objects.all().delete()
    assert client.post(SIGNUP_PAGE, {**person("eve"), "invitation": token}).status_code == 403
    assert not User.objects.exists()


def test_the_environment_counts_before_what_was_chosen(
    invitation: Invitation, client: Client, client_staff: Client, settings: Settings
) -> None:
    settings.MOODPLANE_SIGNUP = "open"
    assert client.get(SIGNUP_PAGE).status_code == 200
    assert "MOODPLANE_SIGNUP in the server" in client_staff.get("/settings/").content.decode()
    joining.signup_choose(Signup.OPEN)
    settings.MOODPLANE_SIGNUP = "invited"
    assert client.get(SIGNUP_PAGE).status_code == 403


@pytest.mark.django_db(transaction=True)
def test_of_two_who_take_the_last_place_at_once_one_gets_it() -> None:
    joining.signup_choose(Signup.INVITED)
    token = invitation_token(joining.invitation_create(note="", n_most=1, days=1))
    barrier, refused = threading.Barrier(2), []

    def sign_up(name: str) -> None:
        barrier.wait()
        try:
            account_create(user=User(username=name), token=token)
        except NotInvitedError:
            refused.append(name)
        finally:
            connection.close()

    threads = [threading.Thread(target=sign_up, args=[name]) for name in ("ann", "ben")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert User.objects.count() == len(refused) == 1


def test_the_staff_make_list_and_take_back_links(client_staff: Client, client: Client) -> None:
    client_staff.post("/settings/signup/", {"signup": "invited"})
    answer = client_staff.post("/settings/invitations/", {"note": "Ben", "n_most": "1", "days": "7"}, follow=True)
    invitation = Invitation.objects.get()
    assert f"http://testserver{SIGNUP_PAGE}?invitation={invitation.pk}%3A" in answer.content.decode()
    wrong = client_staff.post("/settings/invitations/", {"note": "", "n_most": "0", "days": "7"})
    assert "greater than or equal to 1" in wrong.content.decode()

    client_staff.post(f"/settings/invitations/{invitation.pk}/revoke/")
    assert client.get(f"{SIGNUP_PAGE}?invitation={invitation_token(invitation)}").status_code == 403
    assert "taken back" in client_staff.get("/settings/").content.decode()


@pytest.mark.parametrize("who", ["client", "client_alice", "client_cleo"])
def test_settings_are_for_the_staff_alone(request: pytest.FixtureRequest, who: str, bob: User) -> None:
    client = request.getfixturevalue(who)
    pages = ["/settings/", "/settings/accounts/"]
    posts = ["/settings/signup/", "/settings/invitations/", f"/settings/accounts/{bob.pk}/"]
    answers = [client.get(page) for page in pages] + [
        client.post(page, {"signup": "invited", "change": "staff yes", "n_most": 1, "days": 7}) for page in posts
    ]
    assert {answer.status_code for answer in answers} == ({302} if who == "client" else {403})
    bob.refresh_from_db()
    assert not bob.is_staff
    assert joining.signup_mode() == Signup.OPEN


@pytest.fixture
def other(db: None) -> Client:
    """Bob's browser, signed in."""
    client = Client()
    client.force_login(UserFactory(username="bob"))
    return client


def test_the_staff_give_and_take_rights(client_staff: Client, other: Client) -> None:
    bob = User.objects.get(username="bob")
    change = reverse("settings:account_change", args=[bob.pk])
    for what in ("curator yes", "staff yes"):
        client_staff.post(change, {"change": what})
    bob.refresh_from_db()
    assert (bob.is_staff, bob.groups.get().name) == (True, CURATOR_GROUP)
    assert other.get("/settings/").status_code == 200

    token = Token.objects.create(user=bob)
    for what in ("staff no", "curator no", "active no"):
        client_staff.post(change, {"change": what})
    assert not Group.objects.get(name=CURATOR_GROUP).user_set.exists()
    assert other.get("/settings/").status_code == 302, "signed out"
    assert Client(headers={"Authorization": f"Token {token.key}"}).get("/api/v1/ratings/").status_code == 401
    client_staff.post(change, {"change": "active yes"})
    assert other.get("/accounts/").status_code == 200
    assert client_staff.post(change, {"change": "root yes"}).status_code == 302


def test_nobody_takes_the_last_rights_from_themselves_or_from_the_operator(client_staff: Client, staff: User) -> None:
    root = User.objects.create_superuser("root", password=PASSWORD)
    for user, sentence in ((staff, "You cannot take this from yourself"), (root, "made on the server")):
        for what in ("staff no", "active no"):
            answer = client_staff.post(f"/settings/accounts/{user.pk}/", {"change": what}, follow=True)
            assert sentence in answer.content.decode()
        user.refresh_from_db()
        assert (user.is_staff, user.is_active) == (True, True)


def test_accounts_are_found_by_name(client_staff: Client, alice: User, bob: User) -> None:
    page = client_staff.get("/settings/accounts/?q=ALI").content.decode()
    assert '<strong dir="auto">alice</strong>' in page
    assert '<strong dir="auto">bob</strong>' not in page
    for words in ("nobody", "%00nobody"):
        assert "No account has such a name." in client_staff.get(f"/settings/accounts/?q={words}").content.decode()
