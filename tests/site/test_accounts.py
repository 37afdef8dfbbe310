"""Signing up, in and out; data of the session before belongs to the account afterwards."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse
from pytest_django import Settings
from rest_framework.test import APIClient

from mer_site.installation.joining import account_create
from recommender.models import Playlist
from tests.factories import PASSWORD, PlaylistFactory

pytestmark = pytest.mark.django_db
SIGNUP = {"username": "dora", "password1": PASSWORD, "password2": PASSWORD}


def anonymous_playlist(client: Client) -> Playlist:
    """Return a playlist of this browser's session."""
    session = client.session
    session["visited"] = True
    session.save()
    return PlaylistFactory(owner=None, session_key=session.session_key)


def test_signing_up_signs_in_and_keeps_what_was_gathered(client: Client) -> None:
    playlist = anonymous_playlist(client)
    response = client.post(reverse("accounts:signup"), SIGNUP)
    assert (response.status_code, response["Location"]) == (302, "/")
    dora = User.objects.get(username="dora")
    assert client.session["_auth_user_id"] == str(dora.pk)
    playlist.refresh_from_db()
    assert (playlist.owner, playlist.session_key) == (dora, "")
    assert not dora.is_staff
    assert not dora.groups.exists()


def test_signing_in_keeps_what_was_gathered(client: Client, alice: User) -> None:
    playlist = anonymous_playlist(client)
    client.post(reverse("accounts:login"), {"username": "alice", "password": PASSWORD})
    playlist.refresh_from_db()
    assert playlist.owner == alice


@pytest.mark.parametrize("page", ["accounts:signup", "accounts:login"])
def test_next_leads_back_but_never_away(client: Client, alice: User, page: str) -> None:
    data = SIGNUP if page == "accounts:signup" else {"username": "alice", "password": PASSWORD}
    assert client.post(reverse(page), {**data, "next": "/songs/"})["Location"] == "/songs/"
    client.logout()
    data = {**data, "username": "eve"} if page == "accounts:signup" else data
    assert client.post(reverse(page), {**data, "next": "https://evil.example/"})["Location"] == "/"


def test_a_taken_name_and_a_weak_password_are_said(client: Client, alice: User) -> None:
    response = client.post(reverse("accounts:signup"), {"username": "alice", "password1": "abc", "password2": "abc"})
    assert response.status_code == 200
    assert b"A user with that username already exists." in response.content
    assert b"too short" in response.content
    assert User.objects.count() == 1


def test_a_name_that_is_taken_meanwhile_is_said_too(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(*, user: User, token: str) -> User:
        User.objects.create_user(user.username)
        return account_create(user=user, token=token)

    monkeypatch.setattr("mer_site.accounts.account_create", late)
    response = client.post(reverse("accounts:signup"), SIGNUP)
    assert (response.status_code, User.objects.count()) == (200, 1)
    assert b"A user with that username already exists." in response.content


def test_pages_show_and_send_people_on_who_are_signed_in(client: Client, client_alice: Client) -> None:
    for page in ("accounts:signup", "accounts:login"):
        shown = client.get(reverse(page), {"next": "/songs/"})
        assert shown.status_code == 200
        assert b'value="/songs/"' in shown.content
        assert client_alice.get(reverse(page)).status_code == 302


def test_signing_out_takes_a_post(client_alice: Client) -> None:
    assert client_alice.get(reverse("accounts:logout")).status_code == 405
    assert client_alice.post(reverse("accounts:logout")).status_code == 302
    assert "_auth_user_id" not in client_alice.session


def test_a_closed_site_asks_to_sign_in(client: Client, client_alice: Client, settings: Settings) -> None:
    settings.MOODPLANE_PUBLIC = False
    assert client.get("/songs/")["Location"] == "/accounts/login/?next=/songs/"
    assert client.get(reverse("accounts:signup")).status_code == 200
    assert client_alice.get("/songs/").status_code == 200
    assert client.get("/api/v1/songs/").status_code == 401


def test_a_token_is_given_for_a_password_and_opens_the_api(alice: User) -> None:
    api = APIClient()
    token = api.post("/api/v1/auth/token/", {"username": "alice", "password": PASSWORD}).json()["token"]
    api.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    assert api.get("/api/v1/ratings/").status_code == 200


def test_guessing_passwords_for_a_token_is_slowed(alice: User) -> None:
    api = APIClient()
    answers = [api.post("/api/v1/auth/token/", {"username": "alice", "password": f"no {n}"}) for n in range(21)]
    assert [answer.status_code for answer in answers[:20]] == [400] * 20
    assert answers[20].status_code == 429
    assert answers[20].json()["code"] == "throttled"
    assert int(answers[20]["Retry-After"]) > 0


# --- The account, the theme and the pages of errors -----------------------------------------------------------------


def test_the_account_page_needs_a_signed_in_user(client: Client, client_alice: Client) -> None:
    assert client.get(reverse("accounts:account"))["Location"] == "/accounts/login/?next=/accounts/"
    page = client_alice.get(reverse("accounts:account")).content.decode()
    assert "<h1>alice</h1>" in page
    assert reverse("recommender:me") in page


def test_a_password_is_changed_and_the_session_stays(client_alice: Client, alice: User) -> None:
    new = "a much longer secret 17"
    answer = client_alice.post(
        reverse("accounts:password"),
        {"old_password": PASSWORD, "new_password1": new, "new_password2": new},
        follow=True,
    )
    assert "Your password was changed." in answer.content.decode()
    alice.refresh_from_db()
    assert alice.check_password(new)


def test_a_theme_is_stored_and_returned(client: Client) -> None:
    choose = reverse("accounts:theme")
    answer = client.post(choose, {"theme": "dark", "next": "/songs/"})
    assert answer["Location"] == "/songs/"
    assert 'data-theme="dark"' in client.get("/songs/").content.decode()
    client.post(choose, {"theme": "auto"})
    assert "data-theme=" not in client.get("/songs/").content.decode()


@pytest.mark.parametrize("theme", ["", "pink", '"><script>'])
def test_an_unknown_theme_is_the_systems(client: Client, theme: str) -> None:
    client.cookies["theme"] = theme
    assert "data-theme=" not in client.get("/songs/").content.decode()


def test_a_theme_never_leads_away(client: Client) -> None:
    answer = client.post(reverse("accounts:theme"), {"theme": "dark", "next": "https://evil.example/"})
    assert answer["Location"] == "/"


def test_a_lost_page_offers_a_search(client: Client) -> None:
    page = client.get("/nothing-is-here/")
    assert page.status_code == 404
    assert f'action="{reverse("recommender:song_list")}"' in page.content.decode()


def test_a_refusal_says_what_to_do(client_alice: Client) -> None:
    page = client_alice.get(reverse("training:models"))
    assert page.status_code == 403
    assert "You are signed in as alice." in page.content.decode()
    assert "ask the operator of this server" in page.content.decode()


@pytest.mark.parametrize("template", ["400.html", "500.html"])
def test_pages_that_stand_alone_need_nothing(template: str) -> None:
    assert 'href="/"' in render_to_string(template)
