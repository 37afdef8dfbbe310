"""Access rights: every address of the recommender, tried by another user and by a visitor.

A new address that is not in `RULES` fails the walk, so nothing is published by oversight.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.forms.models import model_to_dict
from django.test import Client
from django.urls import URLPattern, URLResolver, reverse
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

import recommender.api_urls
import recommender.urls
from catalog.models import Album, Song
from recommender.models import (
    AlbumLike,
    FeltRating,
    Listen,
    MoodCheckIn,
    Playlist,
    PlaylistItem,
    ScrobbleAccount,
    SmartList,
    SubsonicKey,
)
from recommender.requests import Listener, Target
from recommender.services import collecting, feedback, playlists, sharing
from recommender.subsonic import credentials
from tests.factories import PASSWORD, AlbumFactory
from tests.recommender.conftest import SongMaker

HAPPY = Target.of_point(0.6, 0.6)
SAID = {"valence": "0.5", "arousal": "0.5"}


@dataclass(frozen=True)
class Alices:
    """Alice's private objects."""

    playlist: Playlist
    song: Song
    rating: FeltRating
    mood: MoodCheckIn
    token: str
    smart: SmartList
    album: Album
    key: SubsonicKey
    scrobbled: ScrobbleAccount

    def arguments(self, *names: str) -> list[Any]:
        known = {
            "playlist": self.playlist.pk,
            "song": self.song.pk,
            "rating": self.rating.pk,
            "mood": self.mood.pk,
            "token": self.token,
            "suffix": "m3u8",
            "takeout": "json",
            "position": 1,
            "smart": self.smart.pk,
            "album": self.album.pk,
            "artist": self.song.artist_id,
            "ready": "liked-long-unheard",
            "scrobbled": self.scrobbled.pk,
            "key": self.key.pk,
        }
        return [known[name] for name in names]


@dataclass(frozen=True)
class Rule:
    """How an address is tried, and the answer that another user (or a visitor) gets.

    `private` means that the object in the address is Alice's: everyone else gets 404. Otherwise the answer is about the
    caller's objects, or about songs, which are public. `refused` is the status that even Alice gets where an earlier
    step is missing: there is nothing to undo.
    """

    methods: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    private: bool = False
    account: bool = False
    refused: int = 0
    values: dict[str, Any] = field(default_factory=dict)


MINE: dict[str, Any] = {"private": True, "arguments": ("playlist",)}
RULES: dict[str, Rule] = {
    # Pages
    "home": Rule(("get",)),
    "home_body": Rule(("get",)),
    "analysis_progress": Rule(("get",)),
    "pad_points": Rule(("get",)),
    "pad_song": Rule(("get",), ("song",)),
    "artist_options": Rule(("get",), values={"artist_name": "a"}),
    "mood_check_in": Rule(("post",), values=SAID),
    "mood_withdraw": Rule(("post",)),
    "journey": Rule(("get", "post"), values={"start_valence": 0, "start_arousal": 0, "preset": "lift", "length": 3}),
    "library": Rule(("get",)),
    "folder_list": Rule(("get",)),
    "album_list": Rule(("get",)),
    "album_detail": Rule(("get",), ("album",)),
    "album_add": Rule(("get", "post"), ("album",), values={"title": "New"}),
    "album_like": Rule(("post",), ("album",), account=True),
    "album_unlike": Rule(("post",), ("album",), account=True),
    "artist_list": Rule(("get",)),
    "artist_detail": Rule(("get",), ("artist",)),
    "genre_list": Rule(("get",)),
    "decade_list": Rule(("get",)),
    "search": Rule(("get",), values={"q": "a"}),
    "ready_list": Rule(("get",), ("ready",)),
    "smart_list_new": Rule(("post",), values={"title": "Mine", "rules": "liked=on"}),
    "smart_list": Rule(("get",), ("smart",), private=True),
    "smart_list_save": Rule(("post",), ("smart",), private=True, values={"title": "Mine", "rules": "liked=on"}),
    "smart_list_delete": Rule(("post",), ("smart",), private=True),
    "song_list": Rule(("get",)),
    "songs_queue": Rule(("get",), values={"liked": "on"}),
    "songs_more": Rule(("post",), values={"heard": "1"}),
    "song_add": Rule(("get", "post"), ("song",), values={"title": "New"}),
    "song_detail": Rule(("get",), ("song",)),
    "song_playlist": Rule(("post",), ("song",)),
    "song_felt": Rule(("get", "post"), ("song",), values={"liked": "yes"}),
    "song_felt_withdraw": Rule(("post",), ("song",)),
    "song_felt_undo": Rule(("post",), ("song",), values={"undo": "made up"}),
    "song_played": Rule(("post",), ("song",)),
    "song_skipped": Rule(("post",), ("song",), values={"listened_s": 1}),
    "song_completed": Rule(("post",), ("song",), values={"listened_s": 1}),
    "playlist_list": Rule(("get", "post"), values={"quadrant": "1"}),
    "playlist_import": Rule(("post",), values={"file": "a playlist"}),
    "playlist_detail": Rule(("get",), **MINE),
    "playlist_items": Rule(("get",), **MINE),
    "playlist_item_move": Rule(("post",), ("playlist", "song"), private=True, values={"by": "1"}),
    "playlist_item_remove": Rule(("post",), ("playlist", "song"), private=True),
    "playlist_regenerate": Rule(("post",), **MINE),
    "playlist_rerank": Rule(("post",), **MINE),
    "playlist_describe": Rule(("post",), **MINE, values={"title": "Mine now"}),
    "playlist_new": Rule(("get", "post"), values={"title": "New"}),
    "playlist_save": Rule(("post",), **MINE),
    "playlist_unsave": Rule(("post",), **MINE),
    "playlist_share": Rule(("post",), **MINE),
    "playlist_unshare": Rule(("post",), **MINE),
    "playlist_export": Rule(("get",), ("playlist", "suffix"), private=True),
    "playlist_delete": Rule(("post",), **MINE),
    "playlist_restore": Rule(("post",), **MINE, refused=404),
    "playlist_item_restore": Rule(("post",), **MINE, refused=409, values={"undo": "made up"}),
    "shared_playlist": Rule(("get",), ("token",)),
    "shared_copy": Rule(("post",), ("token",)),
    "songs_delete": Rule(("get", "post"), account=True, refused=403),
    "me": Rule(("get",)),
    "me_rating_withdraw": Rule(("post",), ("rating",), private=True, account=True),
    "me_rating_restore": Rule(("post",), ("song",), account=True, values={"undo": "made up"}),
    "me_mood_withdraw": Rule(("post",), ("mood",), private=True, account=True),
    "me_export": Rule(("get",), ("takeout",), account=True),
    "me_forget": Rule(("get", "post"), account=True),
    "me_delete": Rule(("get", "post"), account=True, values={"password": PASSWORD}),
    "players": Rule(("get",), account=True),
    "elsewhere": Rule(("get",), account=True),
    "elsewhere_change": Rule(("post",), ("scrobbled",), private=True, account=True, values={"action": "remove"}),
    "player_key_make": Rule(("post",), account=True, values={"name": "Phone"}),
    "player_key_revoke": Rule(("post",), ("key",), private=True, account=True),
    "player_secret_make": Rule(("post",), account=True),
    "player_secret_revoke": Rule(("post",), account=True),
    "player_moods_renew": Rule(("post",), account=True),
    # API
    "me-export": Rule(("get",), account=True),
    "me-export-csv": Rule(("get",), account=True),
    "me-forget": Rule(("post",), account=True),
    "me-delete": Rule(("post",), account=True, values={"password": PASSWORD}),
    "playlist-list": Rule(("get", "post"), values={"quadrant": 1}),
    "playlist-now": Rule(("get",), values={"mood": "calm"}),
    "playlist-import": Rule(("post",), values={"file": "a playlist"}),
    "playlist-detail": Rule(("get", "patch", "delete"), **MINE, values={"title": "Mine now"}),
    "playlist-regenerate": Rule(("post",), **MINE),
    "playlist-rerank": Rule(("post",), **MINE),
    "playlist-played": Rule(("post",), ("playlist", "position"), private=True),
    "playlist-move": Rule(("post",), **MINE, values={"song": 1, "position": 1}),
    "playlist-remove": Rule(("delete",), ("playlist", "song"), private=True),
    "playlist-share": Rule(("post", "delete"), **MINE),
    "playlist-export": Rule(("get",), ("playlist", "suffix"), private=True),
    "rating-list": Rule(("get", "post"), account=True, values={"liked": True}),
    "rating-detail": Rule(("get", "delete"), ("rating",), private=True, account=True),
    "listen-list": Rule(("get", "post")),
    "mood-list": Rule(("get", "post"), values={"valence": 0.5, "arousal": 0.5}),
    "mood-detail": Rule(("delete",), ("mood",), private=True),
    "shared-detail": Rule(("get",), ("token",)),
    "shared-copy": Rule(("post",), ("token",)),
}
CALLS = [(name, method) for name, rule in RULES.items() for method in rule.methods]
PRIVATE = [call for call in CALLS if RULES[call[0]].private]
PUBLIC = [call for call in CALLS if not RULES[call[0]].private]


def names_of(patterns: Sequence[URLPattern | URLResolver]) -> Iterator[str | None]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from names_of(pattern.url_patterns)
        else:
            yield pattern.name


def test_every_address_has_a_rule() -> None:
    published = [*names_of(recommender.urls.urlpatterns), *names_of(recommender.api_urls.urlpatterns)]
    assert set(published) == set(RULES)


@pytest.fixture
def alices(alice: User, make_songs: SongMaker) -> Alices:
    make_songs(12)
    listener = Listener(alice)
    playlist = playlists.playlist_create(listener=listener, target=HAPPY, length=5, seed=4)
    playlists.playlist_rename(playlist=playlist, title="Alice's own")
    song = playlist.items.get(position=1).song
    rating = feedback.feedback_record(
        user=alice, song=song, felt_valence=-0.6213, felt_arousal=0.4457, playlist=playlist
    ).rating
    mood = feedback.check_in_create(listener=listener, valence=-0.7791, arousal=0.3387)
    feedback.listen_finish(listener=listener, song=song, listened_s=7.2519, completed=False)
    smart = collecting.smart_list_create(listener=listener, title="Alice's rules", query="liked=on")
    album = AlbumFactory()
    collecting.album_like(user=alice, album=album, liked=True)
    key = credentials.key_make(user=alice, name="Alice's phone")[0]
    scrobbled = ScrobbleAccount.objects.create(listener=alice, service="listenbrainz", url="https://a.example")
    token = sharing.playlist_share(playlist=playlist)
    return Alices(playlist, song, rating, mood, token, smart, album, key, scrobbled)


def rows() -> list[dict[str, Any]]:
    """Everything that is Alice's, as it is stored."""
    stored: list[Any] = []
    for model in (Playlist, SmartList, FeltRating, MoodCheckIn, Listen, AlbumLike, SubsonicKey, ScrobbleAccount):
        owner = "owner" if model in (Playlist, SmartList) else "listener"
        stored += model._default_manager.filter(**{f"{owner}__username": "alice"}).order_by("pk")
    stored += PlaylistItem.objects.filter(playlist__owner__username="alice").order_by("position")
    return [model_to_dict(row) for row in stored]


def call(client: Any, name: str, method: str, alices: Alices) -> Any:
    rule = RULES[name]
    api = "-" in name
    where = reverse(name if api else f"recommender:{name}", args=alices.arguments(*rule.arguments))
    values = dict(rule.values)
    if name in ("rating-list", "listen-list") and method == "post":
        values["song"] = alices.song.pk
    if "file" in values:
        content = f"#EXTM3U\n#EXTINF:60,{alices.song.artist.name} - {alices.song.title}\na.mp3\n"
        values["file"] = SimpleUploadedFile("mix.m3u8", content.encode())
        return client.post(where, values, **({"format": "multipart"} if api else {}))
    return getattr(client, method)(where, values)


def text_of(response: Any) -> str:
    """All that an answer says, streamed or not."""
    content = b"".join(response.streaming_content) if response.streaming else response.content
    return str(content.decode(errors="replace"))


def assert_asked_to_sign_in(response: Any, name: str) -> None:
    assert response.status_code == (401 if "-" in name else 302), name
    assert "-" in name or "/accounts/login/" in response["Location"]


def client_for(request: pytest.FixtureRequest, who: str, name: str) -> Client | APIClient:
    if who == "nobody":
        return APIClient() if "-" in name else Client()
    client: Client | APIClient = request.getfixturevalue(f"api_{who}" if "-" in name else f"client_{who}")
    return client


@pytest.mark.parametrize("who", ["bob", "staff", "cleo", "nobody"])
def test_alices_objects_are_not_found_by_anyone_else(request: pytest.FixtureRequest, alices: Alices, who: str) -> None:
    before = rows()
    # One after the other on the same rows: none of them may change anything.
    for name, method in PRIVATE:
        response = call(client_for(request, who, name), name, method, alices)
        if who == "nobody" and RULES[name].account:
            assert_asked_to_sign_in(response, name)
        else:
            assert response.status_code == 404, (name, method)
        assert "Alice" not in text_of(response), (name, method)
        assert rows() == before, (name, method)


@contextmanager
def undone() -> Iterator[None]:
    """Undo what an address did, so that the next one is tried on the same rows; recreating them takes far longer."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.mark.parametrize("who", ["bob", "nobody"])
def test_public_addresses_show_and_change_nothing_of_alices(
    request: pytest.FixtureRequest, alices: Alices, who: str
) -> None:
    before, user = rows(), None if who == "nobody" else request.getfixturevalue(who)
    for name, method in PUBLIC:
        with undone():
            response = call(signed_in(user, name), name, method, alices)
            text = text_of(response)
            if who == "nobody" and RULES[name].account:
                assert_asked_to_sign_in(response, name)
            else:
                assert response.status_code in (200, 201, 204, 302, RULES[name].refused), (name, method, text)
            secrets = ("0.6213", "0.4457", "0.7791", "0.3387", "7.2519", "alice")
            assert not any(secret in text for secret in secrets), (name, method)
            if "shared" not in name:
                assert "Alice" not in text, (name, method)
            assert rows() == before, (name, method)


def test_alice_reaches_all_of_it(alice: User, alices: Alices) -> None:
    for name, method in CALLS:
        with undone():
            response = call(signed_in(alice, name), name, method, alices)
            if refused := RULES[name].refused:
                assert response.status_code == refused, (name, method)
                continue
            # Moving the song with the id 1, which is not in the list, is refused by its words, not by its owner.
            reached = response.status_code in (200, 201, 204, 302)
            assert reached or response.json()["code"] == "playlist_item_not_found", (name, method)


def signed_in(user: User | None, name: str) -> Client | APIClient:
    """Return a new client: one that deleted its account, or signed out, knows no session any more."""
    client: Client | APIClient = APIClient() if "-" in name else Client()
    if user is not None:
        client.force_authenticate(user) if isinstance(client, APIClient) else client.force_login(user)
    return client


def test_a_closed_site_shows_nobody_anything(settings: Settings, alices: Alices) -> None:
    settings.MOODPLANE_PUBLIC = False
    before, n_playlists = rows(), Playlist.objects.count()
    for name, method in CALLS:
        response = call(APIClient() if "-" in name else Client(), name, method, alices)
        assert_asked_to_sign_in(response, name)
        assert (rows(), Playlist.objects.count()) == (before, n_playlists), (name, method)


def test_a_browser_session_is_not_another(make_songs: SongMaker, post_mood: Callable[[Client], None]) -> None:
    make_songs(4)
    mine, other = Client(), Client()
    post_mood(mine)
    mine.post(reverse("recommender:playlist_list"), {"quadrant": "1"})
    playlist = Playlist.objects.get()
    where = reverse("recommender:playlist_detail", args=[playlist.pk])
    assert mine.get(where).status_code == 200
    post_mood(other)
    assert other.get(where).status_code == 404
    assert MoodCheckIn.objects.count() == 2


@pytest.fixture
def post_mood() -> Callable[[Client], None]:
    def post(client: Client) -> None:
        assert client.post(reverse("recommender:mood_check_in"), SAID).status_code == 302

    return post
