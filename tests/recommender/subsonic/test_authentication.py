"""Who is let in, by what, and with which code others are turned away."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings
from rest_framework.throttling import SimpleRateThrottle

from recommender.models import SubsonicKey, SubsonicSecret
from recommender.subsonic import credentials
from tests.factories import PASSWORD
from tests.recommender.subsonic.conftest import SALT, said, signed


def ping(**parameters: str) -> Any:
    return Client().get("/rest/ping.view", {"f": "json", **parameters})


def code(response: Any) -> int | None:
    answer = said(response)
    return None if answer["status"] == "ok" else answer["error"]["code"]


def encoded(secret: str) -> str:
    return f"enc:{secret.encode().hex()}"


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        (None, lambda secret, key: signed(secret)),
        (None, lambda secret, key: {"u": "alice", "p": encoded(secret)}),
        (None, lambda secret, key: {"apiKey": key}),
        (10, lambda secret, key: {}),
        (10, lambda secret, key: {"u": "alice"}),
        (10, lambda secret, key: {**signed(secret), "s": ""}),
        (40, lambda secret, key: signed("another secret")),
        (40, lambda secret, key: signed(secret, "bob")),
        (40, lambda secret, key: signed("", "nobody of this name")),
        # The password of the site opens nothing here.
        (40, lambda secret, key: signed(PASSWORD)),
        (40, lambda secret, key: {"u": "alice", "p": encoded(PASSWORD)}),
        (40, lambda secret, key: {"u": "alice", "p": "enc:xyz"}),
        (42, lambda secret, key: {"u": "alice", "p": secret}),
        (43, lambda secret, key: {"apiKey": key, "u": "alice"}),
        (43, lambda secret, key: {**signed(secret), "p": encoded(secret)}),
        (44, lambda secret, key: {"apiKey": key + "x"}),
        (44, lambda secret, key: {"apiKey": ""}),
    ],
)
def test_each_way_in_and_each_way_out(
    alice: User, bob: User, wanted: int | None, given: Callable[[str, str], dict[str, str]]
) -> None:
    secret, key = credentials.secret_make(user=alice), credentials.key_make(user=alice)[1]
    assert code(ping(**given(secret, key))) == wanted


def test_what_was_revoked_or_deactivated_opens_nothing(alice: User) -> None:
    secret, (row, key) = credentials.secret_make(user=alice), credentials.key_make(user=alice)
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert (code(ping(**signed(secret))), code(ping(apiKey=key))) == (40, 44)
    User.objects.filter(pk=alice.pk).update(is_active=True)
    newer = credentials.secret_make(user=alice)
    assert (code(ping(**signed(secret))), code(ping(**signed(newer)))) == (40, None)
    credentials.key_revoke(user=alice, pk=row.pk)
    credentials.secret_revoke(user=alice)
    assert (code(ping(**signed(newer))), code(ping(apiKey=key))) == (40, 44)


def test_a_new_secret_key_of_the_server_is_said_and_an_old_one_still_read(alice: User, settings: Settings) -> None:
    secret = credentials.secret_make(user=alice)
    assert secret not in SubsonicSecret.objects.get().encrypted
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another key"
    answer = said(ping(**signed(secret)))
    assert (answer["error"]["code"], "SECRET_KEY has changed" in answer["error"]["message"]) == (40, True)
    settings.SECRET_KEY_FALLBACKS = [old]
    assert code(ping(**signed(secret))) is None


def test_a_cookie_counts_for_nothing(alice: User, client_alice: Client) -> None:
    assert code(client_alice.get("/rest/ping", {"f": "json"})) == 10
    assert client_alice.get("/rest/getOpenSubsonicExtensions", {"f": "json"}).status_code == 200


def test_a_closed_site_opens_to_keys_alone(alice: User, settings: Settings) -> None:
    settings.MOODPLANE_PUBLIC = False
    assert code(ping(apiKey=credentials.key_make(user=alice)[1])) is None
    assert code(ping(u="alice")) == 10
    assert said(Client().get("/rest/getOpenSubsonicExtensions.view", {"f": "json"}))["status"] == "ok"


def test_the_last_use_is_noted_once_a_minute(alice: User) -> None:
    _row, key = credentials.key_make(user=alice)
    ping(apiKey=key)
    first = SubsonicKey.objects.get().last_used_at
    assert first is not None
    ping(apiKey=key)
    assert SubsonicKey.objects.get().last_used_at == first
    SubsonicKey.objects.update(last_used_at=timezone.now() - timedelta(minutes=2))
    ping(apiKey=key)
    assert (SubsonicKey.objects.get().last_used_at or first) > first


def test_each_key_has_its_limit_and_wrong_ones_share_that_of_signing_in(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = {"subsonic": "3/min", "auth": "2/min"}
    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", rates)
    phone, kitchen = (credentials.key_make(user=alice)[1] for _ in range(2))
    assert [ping(apiKey=phone).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert ping(apiKey=kitchen).status_code == 200
    assert int(ping(apiKey=phone)["Retry-After"]) > 0
    assert [ping(apiKey="wrong").status_code for _ in range(3)] == [200, 200, 429]
    # So that nobody learns by trying whether the next one would have been right.
    assert ping(apiKey=kitchen).status_code == 429


def test_the_command_prints_a_key_that_works_alone_on_its_last_line(alice: User) -> None:
    out = io.StringIO()
    call_command("subsonic_key", "alice", "--name", "Kitchen radio", stdout=out)
    key = out.getvalue().splitlines()[-1]
    assert said(Client().get("/rest/tokenInfo", {"apiKey": key, "f": "json"}))["tokenInfo"] == {"username": "alice"}
    assert [str(row) for row in SubsonicKey.objects.all()] == ["Kitchen radio"]
    for arguments, words in ((["alice", "--name", "Kitchen radio"], "already"), (["nobody"], "no user")):
        with pytest.raises(CommandError, match=words):
            call_command("subsonic_key", *arguments, stdout=out)
    assert SALT not in out.getvalue()
