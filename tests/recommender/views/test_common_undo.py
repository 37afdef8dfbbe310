"""What is undone: a rating, its withdrawal, a song taken out of a list, a deleted list."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from catalog.models import Song
from recommender import selectors
from recommender.models import FeltRating, Playlist
from recommender.requests import Listener, Target
from recommender.services import feedback, playlists, sharing
from recommender.tasks import playlists_purge
from tests.factories import FIXED_IDS, EstimateFactory, PlaylistFactory, RatingFactory

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
JSON = {"Accept": "application/json"}
HAPPY_FEELING = {"felt": ["valence", "arousal"], "felt_valence": "0.8", "felt_arousal": "0.4"}


@pytest.fixture
def song() -> Song:
    return EstimateFactory().song


@pytest.fixture
def playlist(alice: User) -> Playlist:
    """A list of Alice's, six songs long."""
    for number in range(12):
        EstimateFactory(seed=number, song__pk=FIXED_IDS + number)
    return playlists.playlist_create(listener=Listener(alice), target=Target(0.5, 0.5), length=6, seed=1)


def felt_url(song: Song, what: str = "felt") -> str:
    return reverse(f"recommender:song_{what}", args=[song.pk])


def token_in(page: str) -> str:
    found = re.search(r'name="undo" value="([^"]+)"', page)
    assert found is not None, page
    return found[1]


def rate(client: Client, song: Song, **values: object) -> dict[str, Any]:
    answer: dict[str, Any] = client.post(felt_url(song), values, headers=JSON).json()
    return answer


def undone(client: Client, song: Song, **values: object) -> dict[str, Any]:
    answer: dict[str, Any] = client.post(felt_url(song, "felt_undo"), values, headers=JSON).json()
    return answer


def said(alice: User, song: Song) -> tuple[object, ...] | None:
    rating = FeltRating.objects.filter(listener=alice, song=song).first()
    return None if rating is None else (rating.felt_valence, rating.felt_arousal, rating.liked, rating.familiar)


# --- Ratings ----------------------------------------------------------------------------------------------------


def test_a_first_rating_is_undone_once(client_alice: Client, alice: User, song: Song) -> None:
    answer = rate(client_alice, song, **HAPPY_FEELING)
    assert answer["sentence"] == "Saved."
    removed = undone(client_alice, song, undo=answer["undo"]["token"])
    assert removed["sentence"] == "Undone: your rating is removed."
    assert said(alice, song) is None
    again = undone(client_alice, song, undo=answer["undo"]["token"])
    assert (again["saved"], "another answer for this song since" in again["sentence"]) == (False, True)
    assert said(alice, song) is None


def test_a_changed_rating_goes_back_to_what_was_said_and_stays_as_old(
    client_alice: Client, alice: User, song: Song
) -> None:
    before = RatingFactory(listener=alice, song=song, felt_valence=-0.62, felt_arousal=0.1, liked=True, familiar=None)
    FeltRating.objects.filter(pk=before.pk).update(created_at=timezone.now() - timedelta(days=40))
    token = rate(client_alice, song, **HAPPY_FEELING, liked="no", familiar="yes")["undo"]["token"]
    # Songs played meanwhile stay played.
    feedback.listen_finish(listener=Listener(alice), song=song, listened_s=50.0, completed=True)
    assert undone(client_alice, song, undo=token)["sentence"] == "Undone: your previous answer is back."
    rating = FeltRating.objects.get(listener=alice, song=song)
    assert said(alice, song) == (-0.62, 0.1, True, None)
    assert (rating.listened_s, (timezone.now() - rating.created_at).days) == (50.0, 40)


def test_a_withdrawn_rating_comes_back_with_where_it_was_given(
    client_alice: Client, alice: User, playlist: Playlist
) -> None:
    item = playlist.items.select_related("song").get(position=2)
    rate(client_alice, item.song, **HAPPY_FEELING, playlist=playlist.pk)
    where = {"playlist": playlist.pk}
    withdrawn = client_alice.post(felt_url(item.song, "felt_withdraw"), where, headers=JSON).json()
    assert said(alice, item.song) is None
    assert "Your withdrawn rating of" in withdrawn["reranked"]
    answer = undone(client_alice, item.song, **where, undo=withdrawn["undo"]["token"])
    rating = FeltRating.objects.get(listener=alice)
    assert (rating.felt_valence, rating.playlist_id, rating.position) == (0.8, playlist.pk, 2)
    # The rest of the list follows, and the page says what changed.
    assert "Your changed rating of" in answer["reranked"]


def test_what_was_said_since_is_not_overwritten(client_alice: Client, alice: User, song: Song) -> None:
    token = rate(client_alice, song, **HAPPY_FEELING)["undo"]["token"]
    feedback.feedback_record(user=alice, song=song, liked=False)
    page = client_alice.post(felt_url(song, "felt_undo"), {"undo": token}, follow=True).content.decode()
    assert "another answer for this song since" in page
    assert said(alice, song) == (0.8, 0.4, False, None)


def test_an_undo_is_of_one_listener_one_song_and_one_hour(
    client: Client, client_alice: Client, client_bob: Client, alice: User, song: Song, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = {"undo": rate(client_alice, song, **HAPPY_FEELING)["undo"]["token"]}
    other = EstimateFactory().song
    tried = [(client_bob, song, token), (client_alice, other, token), (client_alice, song, {"undo": "made:up"})]
    for who, what, values in tried:
        assert undone(who, what, **values)["sentence"] == "This can no longer be undone."
    assert client.post(felt_url(song, "felt_undo"), token)["Location"].startswith(reverse("accounts:login"))
    monkeypatch.setattr("recommender.views.common.HOLDS_S", -1)
    assert undone(client_alice, song, **token)["sentence"] == "This can no longer be undone."
    assert said(alice, song) is not None


def test_without_javascript_the_next_page_offers_the_undo_once(client_alice: Client, alice: User, song: Song) -> None:
    page = client_alice.post(felt_url(song), HAPPY_FEELING, follow=True).content.decode()
    assert f'action="{felt_url(song, "felt_undo")}"' in page
    assert 'class="undo"' not in client_alice.get(f"/songs/{song.pk}/").content.decode()
    back = client_alice.post(felt_url(song, "felt_undo"), {"undo": token_in(page)}, follow=True).content.decode()
    assert "Undone" in back
    assert said(alice, song) is None


def test_a_rating_withdrawn_in_the_mood_map_comes_back(client_alice: Client, alice: User, song: Song) -> None:
    rating = RatingFactory(listener=alice, song=song, felt_valence=0.5, felt_arousal=-0.5)
    where = reverse("recommender:me_rating_withdraw", args=[rating.pk])
    page = client_alice.post(where, follow=True).content.decode()
    assert f"Your rating of “{song.title}” was withdrawn." in page
    restore = reverse("recommender:me_rating_restore", args=[song.pk])
    assert f'action="{restore}"' in page
    back = client_alice.post(restore, {"undo": token_in(page)}, follow=True).content.decode()
    assert "is back." in back
    assert FeltRating.objects.get(listener=alice).felt_valence == 0.5


# --- Songs of a list --------------------------------------------------------------------------------------------


def test_a_song_taken_out_comes_back_to_its_place_as_it_was(client_alice: Client, playlist: Playlist) -> None:
    before = list(playlist.items.order_by("position").values_list("song_id", "reason", "felt_valence", "terms"))
    song_id = before[2][0]
    remove = reverse("recommender:playlist_item_remove", args=[playlist.pk, song_id])
    page = client_alice.post(remove, headers=HTMX).content.decode()
    assert "was removed from the list." in page
    assert playlist.items.count() == 5
    restore = reverse("recommender:playlist_item_restore", args=[playlist.pk])
    values = {"undo": token_in(page)}
    page = client_alice.post(restore, values, headers=HTMX).content.decode()
    assert "is now at place 3." in page
    after = list(playlist.items.order_by("position").values_list("song_id", "reason", "felt_valence", "terms"))
    assert after == before
    assert Playlist.objects.get().requested_length == 6
    # A second press changes nothing, and says why.
    assert client_alice.post(restore, values, headers=HTMX).status_code == 409
    assert playlist.items.count() == 6


def test_a_song_is_put_at_a_place_by_one_step_or_by_dragging(client_alice: Client, playlist: Playlist) -> None:
    before = list(playlist.items.order_by("position").values_list("song_id", flat=True))
    move = reverse("recommender:playlist_item_move", args=[playlist.pk, before[0]])
    page = client_alice.post(move, {"to": 4}, headers=HTMX).content.decode()
    assert "is now at place 4." in page
    after = list(playlist.items.order_by("position").values_list("song_id", flat=True))
    assert after == [*before[1:4], before[0], *before[4:]]
    for values in ({}, {"to": "0"}, {"by": "7"}):
        assert client_alice.post(move, values).status_code == 404


# --- Lists ------------------------------------------------------------------------------------------------------


def test_a_deleted_list_is_gone_for_everybody_and_comes_back(
    client: Client, client_alice: Client, client_bob: Client, alice: User, playlist: Playlist
) -> None:
    shared = reverse("recommender:shared_playlist", args=[sharing.playlist_share(playlist=playlist)])
    page = client_alice.post(reverse("recommender:playlist_delete", args=[playlist.pk]), follow=True).content.decode()
    restore = reverse("recommender:playlist_restore", args=[playlist.pk])
    # Once where it was just done, once among those of the last day.
    assert page.count(f'action="{restore}"') == 2
    assert client.get(shared).status_code == 404
    assert client_alice.get(reverse("recommender:playlist_detail", args=[playlist.pk])).status_code == 404
    assert not selectors.playlists_of(Listener(alice)).exists()
    for stranger in (client, client_bob):
        assert stranger.post(restore).status_code == 404
        assert restore not in stranger.get(reverse("recommender:playlist_list")).content.decode()
    back = client_alice.post(restore, follow=True).content.decode()
    assert f"“{playlist.title}” is back." in back
    assert client.get(shared).status_code == 200


def test_after_a_day_a_deleted_list_is_deleted_for_good(client_alice: Client, alice: User) -> None:
    old, new = (PlaylistFactory(owner=alice) for _ in range(2))
    for playlist, days in ((old, 2), (new, 0)):
        Playlist.objects.filter(pk=playlist.pk).update(trashed_at=timezone.now() - timedelta(days=days))
    assert client_alice.post(reverse("recommender:playlist_restore", args=[old.pk])).status_code == 404
    for _ in range(2):
        playlists_purge()
        assert list(Playlist.objects.values_list("pk", flat=True)) == [new.pk]


def test_lists_are_found_by_title_and_by_section(client_alice: Client, alice: User) -> None:
    for number in range(10):
        PlaylistFactory(owner=alice, title=f"Number {number}")
    PlaylistFactory(owner=alice, title="Rain at sea", kind=Playlist.Kind.IMPORTED, saved_at=timezone.now())
    where = reverse("recommender:playlist_list")
    page = client_alice.get(where, {"q": "rain"}, headers=HTMX).content.decode()
    assert "1 playlist found" in page
    assert "Rain at sea" in page
    assert "<html" not in page
    for show in ("saved", "imported"):
        assert "Number 3" not in client_alice.get(where, {"show": show}).content.decode()
    assert "No playlist has this text" in client_alice.get(where, {"q": "nonesuch"}).content.decode()
    assert client_alice.get(where, {"show": "unheard of", "q": "\x00"}).status_code == 200
