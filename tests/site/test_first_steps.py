"""The first steps: who may take them, that a link works once, what they change, and that they are over for good."""

from __future__ import annotations

import io
import re
import threading
from pathlib import Path

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from pytest_django import Settings
from rest_framework.authtoken.models import Token

from catalog.models import Song, WatchedFolder
from catalog.permissions import can_upload, is_staff
from mer_site.installation import demo, first_steps, joining
from mer_site.installation.first_steps import first_account_create, is_setting_up, setup_token, token_owner
from tests.factories import PASSWORD, SongFactory, UserFactory

pytestmark = pytest.mark.django_db
NEW = "seven poplars in a row 41"
STEPS = ("you", "music", "demo", "people")


@pytest.fixture
def printed(db: None) -> str:
    """The password that was printed at the first start."""
    return first_account_create()


@pytest.fixture
def owner(printed: str) -> Client:
    """A browser that opened the printed link."""
    client = Client()
    assert client.post("/setup/", {"token": setup_token()})["Location"] == "/setup/you/"
    return client


def setup_says(*words: str) -> str:
    out = io.StringIO()
    call_command("setup", *words, stdout=out)
    return out.getvalue()


def test_the_command_makes_the_first_account_once_and_links_until_the_steps_are_over() -> None:
    first, again = setup_says(), setup_says()
    shown = re.search(r"name curator, password (\S+)  \(shown only this once\)", first)
    assert shown is not None
    curator = authenticate(username="curator", password=shown[1])
    assert curator is not None
    assert can_upload(curator)
    assert is_staff(curator)
    assert "password" not in again
    assert User.objects.count() == 1
    for said in (first, again):
        link = re.search(r"/setup/#(\S+)", said)
        assert link is not None
        with transaction.atomic():
            assert token_owner(link[1]) == curator
    first_steps.setup_end()
    assert setup_says() == "Moodplane is set up. The staff find its settings at /settings/.\n"


def test_somebody_becomes_staff_without_createsuperuser(alice: User) -> None:
    assert setup_says("--staff", "alice") == "alice is one of the staff now.\n"
    alice.refresh_from_db()
    assert is_staff(alice)
    with pytest.raises(CommandError, match='There is no account "zoe"'):
        setup_says("--staff", "zoe")


def test_a_site_that_has_accounts_already_offers_no_first_steps(alice: User, client: Client) -> None:
    assert first_account_create() == ""
    assert (is_setting_up(), setup_token()) == (False, "")
    assert client.get("/setup/")["Location"] == "/"
    UserFactory(username="staff", is_staff=True)
    answer = client.post("/accounts/login/", {"username": "staff", "password": PASSWORD})
    assert answer["Location"] == "/"


# --- Who may take them ----------------------------------------------------------------------------------------------


def test_a_link_signs_in_once(printed: str) -> None:
    token, first, second = setup_token(), Client(), Client()
    assert first.get("/setup/").status_code == 200
    assert first.post("/setup/", {"token": token}).status_code == 302
    assert first.get("/setup/you/").status_code == 200
    refused = second.post("/setup/", {"token": token})
    assert "This link was used" in refused.content.decode()
    assert second.get("/setup/you/")["Location"] == "/setup/"


@pytest.mark.parametrize("how", ["signing in", "another password", "the end"])
def test_a_link_ends_with(how: str, printed: str, client: Client) -> None:
    token = setup_token()
    if how == "signing in":
        answer = Client().post("/accounts/login/", {"username": "curator", "password": printed})
        assert answer["Location"] == "/setup/"
    elif how == "another password":
        curator = User.objects.get()
        curator.set_password(NEW)
        curator.save()
    else:
        first_steps.setup_end()
    client.post("/setup/", {"token": token})
    assert "_auth_user_id" not in client.session


@pytest.mark.django_db(transaction=True)
def test_of_two_who_use_a_link_at_once_one_gets_in() -> None:
    first_account_create()
    token, barrier, answers = setup_token(), threading.Barrier(2), []

    def use() -> None:
        client = Client()
        client.get("/setup/")
        barrier.wait()
        answers.append(client.post("/setup/", {"token": token}).status_code)
        connection.close()

    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 302]


def test_others_see_and_change_nothing(printed: str, client: Client, client_alice: Client) -> None:
    for one in (client, client_alice):
        for step in STEPS:
            assert one.get(f"/setup/{step}/")["Location"] == "/setup/"
            values = {"username": "eve", "password1": NEW, "password2": NEW, "demo": "remove", "signup": "invited"}
            assert one.post(f"/setup/{step}/", values)["Location"] == "/setup/"
        one.post("/setup/end/")
        for wrong in ("", "x", "curator", setup_token()[:-1]):
            assert one.post("/setup/", {"token": wrong}).status_code == 200
    assert is_setting_up()
    assert authenticate(username="curator", password=printed) is not None
    assert joining.signup_mode() == joining.Signup.OPEN
    assert demo.demo_is_wanted()


def test_another_site_cannot_take_the_steps(owner: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = owner.cookies
    for step in ("", *(f"{step}/" for step in STEPS), "end/"):
        assert strict.post(f"/setup/{step}", {"demo": "remove"}).status_code == 403
    assert is_setting_up()


# --- What they change -----------------------------------------------------------------------------------------------


def test_a_new_password_ends_the_printed_one_and_every_other_sign_in(owner: Client, printed: str) -> None:
    other, curator = Client(), User.objects.get()
    other.post("/accounts/login/", {"username": "curator", "password": printed})
    key = Token.objects.create(user=curator).key
    answer = owner.post("/setup/you/", {"username": "anna", "password1": NEW, "password2": NEW})
    assert answer["Location"] == "/setup/music/"
    assert authenticate(username="anna", password=NEW) is not None
    assert authenticate(username="anna", password=printed) is None
    assert owner.get("/setup/music/").status_code == 200, "still signed in"
    assert other.get("/settings/").status_code == 302
    assert Client(headers={"Authorization": f"Token {key}"}).get("/api/v1/ratings/").status_code == 401


def test_a_name_may_change_without_the_password(owner: Client, printed: str) -> None:
    owner.post("/setup/you/", {"username": "anna", "password1": "", "password2": ""})
    assert authenticate(username="anna", password=printed) is not None


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"username": "ALICE"}, "A user with that username already exists."),
        ({"username": "a b"}, "Enter a valid username."),
        ({"password1": NEW, "password2": "another"}, "The two password fields didn"),
        ({"password1": NEW}, "This field is required."),
        ({"password1": "1234", "password2": "1234"}, "This password is too short."),
        ({"username": "annamaria", "password1": "annamaria", "password2": "annamaria"}, "too similar to the username"),
    ],
)
def test_a_name_or_password_that_will_not_do_changes_nothing(
    owner: Client, printed: str, alice: User, values: dict[str, str], sentence: str
) -> None:
    page = owner.post("/setup/you/", {"username": "curator", "password1": "", "password2": "", **values})
    assert sentence in page.content.decode()
    assert '<span class="site-account__name">curator</span>' in page.content.decode()
    assert authenticate(username="curator", password=printed) is not None


def test_a_folder_is_looked_at_and_followed(owner: Client, tmp_path: Path, settings: Settings) -> None:
    settings.MOODPLANE_VAR = tmp_path / "var"
    settings.MOODPLANE_VAR.mkdir()
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "a.mp3").write_bytes(b"x")
    refused = owner.post("/setup/music/", {"path": f"{tmp_path}/var/..", "follow": "1"}).content.decode()
    assert "holds what Moodplane stores itself" in refused
    looked = owner.post("/setup/music/", {"path": f"{tmp_path}/music", "look": ""}).content.decode()
    assert "1 audio file in this folder." in looked
    owner.post("/setup/music/", {"path": f"{tmp_path}/music", "is_watched": "yes", "follow": "1"})
    assert WatchedFolder.objects.get().mode == WatchedFolder.Mode.WATCH
    assert f"{tmp_path}/music" in owner.get("/setup/music/").content.decode()


def make_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    songs = [SongFactory() for _ in range(2)]
    SongFactory(title="Mine")
    monkeypatch.setattr(demo, "_contents", lambda: [song.content_hash for song in songs])


def test_the_demo_songs_go_and_stay_away(owner: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    make_demo(monkeypatch)
    assert "2 songs that were made for Moodplane" in " ".join(owner.get("/setup/demo/").content.decode().split())
    assert owner.post("/setup/demo/", {"demo": "keep"})["Location"] == "/setup/people/"
    assert Song.objects.count() == 3
    owner.post("/setup/demo/", {"demo": "remove"})
    assert Song.objects.get().title == "Mine"
    assert not demo.demo_is_wanted()
    assert "There are no demo songs" in owner.get("/setup/demo/").content.decode()


def test_an_import_that_still_runs_leaves_no_demo_songs(monkeypatch: pytest.MonkeyPatch) -> None:
    def ingest(*_: object, **__: object) -> None:
        demo.demo_remove()
        make_demo(monkeypatch)

    monkeypatch.setattr("mer_site.management.commands.demo.call_command", ingest)
    demo.demo_remove()
    call_command("demo")
    assert Song.objects.get().title == "Mine"
    monkeypatch.setattr("mer_site.management.commands.demo.call_command", lambda *_, **__: make_demo(monkeypatch))
    call_command("demo")
    assert demo.demo_songs().count() == 2, "whoever asks for them by hand wants them again"


def test_the_staff_remove_them_later(client_staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    make_demo(monkeypatch)
    assert "2 demo songs are in the catalog." in " ".join(client_staff.get("/settings/").content.decode().split())
    client_staff.post("/settings/demo/remove/")
    assert Song.objects.count() == 1


# --- Their end ------------------------------------------------------------------------------------------------------


def test_every_step_can_be_skipped_and_gone_back_to_and_the_end_is_for_good(owner: Client, printed: str) -> None:
    for step, after in zip(STEPS, (*STEPS[1:], None), strict=True):
        page = owner.get(f"/setup/{step}/").content.decode()
        assert (f'href="/setup/{after}/"' in page) is (after is not None)
        assert 'action="/setup/end/"' in page
    assert "The first steps are not done yet." in owner.get("/settings/").content.decode()
    answer = owner.post("/setup/people/", {"signup": "invited"})
    assert answer["Location"] == "/"
    assert joining.signup_mode() == joining.Signup.INVITED
    for step in STEPS:
        assert owner.get(f"/setup/{step}/")["Location"] == "/settings/"
    assert owner.get("/setup/")["Location"] == "/settings/"
    again = Client().post("/accounts/login/", {"username": "curator", "password": printed})
    assert again["Location"] == "/"
    assert "The first steps are not done yet." not in owner.get("/settings/").content.decode()


def test_all_of_it_can_be_skipped(owner: Client) -> None:
    assert owner.post("/setup/end/")["Location"] == "/"
    assert not is_setting_up()


def test_what_the_environment_fixed_is_not_asked(owner: Client, settings: Settings) -> None:
    settings.MOODPLANE_SIGNUP = "invited"
    page = owner.get("/setup/people/").content.decode()
    assert "MOODPLANE_SIGNUP" in page
    assert "Save and finish" not in page
