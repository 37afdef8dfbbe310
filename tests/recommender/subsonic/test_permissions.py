"""Every endpoint, asked by everybody about what is Alice's: nothing of hers is said to others, and nothing changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.forms.models import model_to_dict
from rest_framework.throttling import SimpleRateThrottle

from catalog.models import Song
from recommender.models import (
    AlbumLike,
    ArtistLike,
    Bookmark,
    FeltRating,
    Listen,
    MoodList,
    Player,
    Playlist,
    PlaylistItem,
    PlayQueue,
    SmartList,
    StarRating,
)
from recommender.requests import Listener
from recommender.services import feedback
from recommender.subsonic import credentials, moods
from recommender.subsonic.endpoints import HANDLERS, MISSING, OPEN
from tests.recommender.subsonic.conftest import Library, call, said
from tests.recommender.subsonic.test_schema import BINARY, given, kept

__all__ = ["kept"]

SECRETS = ("By hand", "For tea", "Early", "<here>", "Kitchen", "alice")
OF_ALICE: tuple[Any, ...] = (
    AlbumLike, ArtistLike, Bookmark, FeltRating, Listen, MoodList, Player, Playlist, PlayQueue, SmartList, StarRating,
)  # fmt: skip
# Of a list of Alice's, or of herself.
HERS = {"updatePlaylist", "updateShare", "deleteShare", "getUser", "getAvatar"}


@pytest.fixture
def keys(alice: User, bob: User) -> dict[str, str]:
    """What each of those asks with."""
    revoked, key = credentials.key_make(user=alice)
    credentials.key_revoke(user=alice, pk=revoked.pk)
    return {
        "alice": credentials.key_make(user=alice)[1],
        "bob": credentials.key_make(user=bob)[1],
        "nobody": "",
        "wrong": "mpk_wrong",
        "revoked": key,
    }


def rows(user: User) -> list[Any]:
    """Everything that is a listener's, as it is stored."""
    stored: list[Any] = []
    for model in OF_ALICE:
        owner = "owner" if model in (Playlist, SmartList) else "listener"
        stored += [model_to_dict(row) for row in model._default_manager.filter(**{owner: user}).order_by("pk")]
    return stored + list(PlaylistItem.objects.filter(playlist__owner=user).order_by("pk").values())


def calls(library: Library) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every endpoint with every set of parameters, about what is Alice's."""
    song = {"id": f"tr-{library.songs[0].pk}"}
    asked: dict[str, Any] = given(library) | {
        "stream": song, "download": song, "getCoverArt": {"id": f"pl-{library.playlist.pk}"},
        "getAvatar": {"username": "alice"}, "deletePlaylist": {"id": f"pl-{library.playlist.pk}"},
    }  # fmt: skip
    for name in [*HANDLERS, *MISSING]:
        several = asked.get(name, {})
        for parameters in several if isinstance(several, list) else [several]:
            yield name, dict(parameters)


@pytest.mark.parametrize("who", ["nobody", "wrong", "revoked"])
def test_who_is_not_known_gets_nothing_of_any_endpoint(
    kept: Library, alice: User, keys: dict[str, str], who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without that, a few wrong keys are looked at, and no more.
    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", {"auth": None, "subsonic": None})
    before = rows(alice)
    for name, parameters in calls(kept):
        answer = said(call(name, keys[who], **parameters))
        assert (answer["status"], answer["error"]["code"]) == ("failed", 44), name
        assert not answer.keys() - {"status", "version", "type", "serverVersion", "openSubsonic", "error"}
    assert rows(alice) == before
    assert said(call(next(iter(OPEN)), keys[who]))["status"] == "ok"


def test_bob_learns_nothing_of_alice_and_changes_nothing_of_hers(
    kept: Library, alice: User, bob: User, keys: dict[str, str]
) -> None:
    feedback.listen_record(listener=Listener(alice), song=kept.songs[4])
    moods.mood_lists(alice)
    before = rows(alice)
    own = said(call("getSong", keys["bob"], id=f"tr-{kept.songs[0].pk}"))["song"]
    assert not {"userRating", "bookmarkPosition", "starred", "playCount", "played"} & own.keys()
    for name, parameters in calls(kept):
        response = call(name, keys["bob"], **parameters)
        text = b"".join(response) if response.streaming else response.content
        for secret in SECRETS:
            assert secret.encode() not in text, (name, parameters)
        if name in HERS or "playlistId" in parameters or str(parameters.get("id", "")).startswith("pl-"):
            assert said(response)["error"]["code"] in (50, 70), (name, parameters)
        assert rows(alice) == before, (name, parameters)


def test_alice_is_told_what_is_hers(kept: Library, keys: dict[str, str]) -> None:
    told = ""
    for name in ("getPlaylists", "getBookmarks", "getPlayQueue", "getNowPlaying", "getStarred2", "getUser"):
        told += call(name, keys["alice"], username="alice").content.decode()
    assert all(secret in told for secret in SECRETS)
    assert Song.objects.count() == 9
    assert set(HANDLERS) >= BINARY
