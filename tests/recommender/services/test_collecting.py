"""Playlists by hand: made, filled, described; nobody adds to another's, and nothing re-ranks them."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from recommender.exceptions import PlaylistFixedError, PlaylistInvalidError, PlaylistNotFoundError
from recommender.models import Playlist
from recommender.requests import NOBODY, Listener
from recommender.services import collecting, playlists
from tests.factories import AlbumFactory, EstimateFactory, SongFactory

pytestmark = pytest.mark.django_db


def songs_of(playlist: Playlist) -> list[int]:
    return list(playlist.items.order_by("position").values_list("song_id", flat=True))


def test_songs_are_added_at_the_end_and_once(alice: User, bob: User) -> None:
    first, second = (EstimateFactory().song for _ in range(2))
    waiting = SongFactory()
    made = collecting.playlist_create_by_hand(
        listener=Listener(alice), title=" Mine ", description=" words ", song_ids=[second.pk, second.pk, 10**9]
    )
    assert (made.title, made.description, made.kind) == ("Mine", "words", "by_hand")
    added = collecting.playlist_add(playlist=made, listener=Listener(alice), song_ids=[first.pk, second.pk, waiting.pk])
    assert added == [first.pk, waiting.pk]
    assert songs_of(made) == [second.pk, first.pk, waiting.pk]
    assert made.items.get(song=first).felt_valence is not None
    with pytest.raises(PlaylistNotFoundError):
        collecting.playlist_add(playlist=made, listener=Listener(bob), song_ids=[first.pk])
    for title, description in (("", ""), ("x" * 201, ""), ("x", "y" * 2001)):
        with pytest.raises(PlaylistInvalidError):
            collecting.playlist_create_by_hand(listener=Listener(alice), title=title, description=description)
    with pytest.raises(PlaylistInvalidError):
        collecting.playlist_create_by_hand(listener=NOBODY, title="Mine")


def test_a_list_has_an_end(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "MAX_SONGS", 2)
    ids = [song.pk for song in SongFactory.create_batch(3)]
    made = collecting.playlist_create_by_hand(listener=Listener(alice), title="Mine", song_ids=ids[:2])
    with pytest.raises(PlaylistInvalidError, match="2 songs"):
        collecting.playlist_add(playlist=made, listener=Listener(alice), song_ids=ids)
    assert songs_of(made) == ids[:2]


def test_nothing_chooses_other_songs_for_it(alice: User) -> None:
    made = collecting.playlist_create_by_hand(listener=Listener(alice), title="Mine", song_ids=[SongFactory().pk])
    for again in (playlists.playlist_regenerate, playlists.playlist_rerank):
        with pytest.raises(PlaylistFixedError):
            again(playlist=made, listener=Listener(alice))


def test_a_song_or_an_album_is_added_from_its_row(client: Client, client_bob: Client) -> None:
    album = AlbumFactory()
    songs = [SongFactory(album=album, track_number=n) for n in (2, 1)]
    url = reverse("recommender:song_add", args=[songs[0].pk])
    all_of_it = reverse("recommender:album_add", args=[album.pk])
    fragment = {"HX-Request": "true"}
    assert "New playlist" in client.get(url, headers=fragment).content.decode()
    assert "Added to “Fresh”" in client.post(url, {"title": "Fresh"}, headers=fragment).content.decode()
    [made] = Playlist.objects.all()
    response = client.post(all_of_it, {"playlist": made.pk}, follow=True)
    assert songs_of(made) == [song.pk for song in songs]
    assert "Added to “Fresh”" in response.content.decode()
    assert "already" in client.post(all_of_it, {"playlist": made.pk}, headers=fragment).content.decode()
    assert client_bob.post(url, {"playlist": made.pk}).status_code == 404
    for wrong in ({}, {"playlist": "x"}, {"title": "x" * 300}):
        assert client.post(url, wrong).status_code == 400
    assert client.get(reverse("recommender:song_add", args=[10**9])).status_code == 404


def test_title_and_description_are_changed_and_shown_as_text(client_alice: Client) -> None:
    new = reverse("recommender:playlist_new")
    assert client_alice.post(new, {"title": ""}).status_code == 200
    page = client_alice.post(new, {"title": "Mine", "description": "<b>so</b>"}, follow=True)
    assert "&lt;b&gt;so&lt;/b&gt;" in page.content.decode()
    [made] = Playlist.objects.all()
    client_alice.post(reverse("recommender:playlist_describe", args=[made.pk]), {"title": "Other", "description": ""})
    made.refresh_from_db()
    assert (made.title, made.description) == ("Other", "")
