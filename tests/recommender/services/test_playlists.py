"""Playlists: made, played, saved, deleted."""

from __future__ import annotations

import threading
from datetime import timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone
from django.utils.formats import date_format

from catalog.models import UNKNOWN_ARTIST, Song
from recommender import selectors
from recommender.exceptions import PlaylistInvalidError
from recommender.generate import GeneratedPlaylist, generate
from recommender.models import FeltRating, Listen, Playlist
from recommender.requests import Filters, Listener, Target
from recommender.retrieval import estimates_playable
from recommender.services import feedback, indexing, playlists
from recommender.services import playlists as playlist_services
from tests.factories import ArtistFactory, EstimateFactory, ListenFactory, RatingFactory, SongFactory
from tests.recommender.conftest import HAPPY, SongMaker, order, tag

# --- Making a playlist --------------------------------------------------------------------------------------------


def _named(mood: str, playlist: Playlist) -> str:
    first = playlist.items.select_related("song__artist").get(position=1)
    day = date_format(timezone.localdate(playlist.created_at), "MONTH_DAY_FORMAT")
    return f"{mood} · {day} · {first.song.artist}"


def test_a_playlist_is_stored_with_reasons(alice: User, make_songs: SongMaker) -> None:
    make_songs(20)
    playlist = playlist_services.playlist_create(listener=Listener(alice), target=HAPPY, length=8)
    items = list(playlist.items.all())
    assert [item.position for item in items] == list(range(1, 9))
    assert all(item.reason == "" or (item.reason.endswith(".") and item.reason.count(".") == 1) for item in items)
    assert (playlist.owner, playlist.session_key, playlist.title) == (alice, "", _named("Happy", playlist))
    assert (playlist.model_version, playlist.note) == ("test-model-1", "")


def test_two_lists_of_one_mood_have_titles_that_differ(nobody: Listener, make_songs: SongMaker) -> None:
    make_songs(2)
    unnamed = SongFactory(artist=ArtistFactory(name=UNKNOWN_ARTIST))
    tag(unnamed, 0.6, 0.6)
    titles = set()
    for song in Song.objects.all():
        filters = Filters(artist_id=song.artist_id)
        playlist = playlist_services.playlist_create(listener=nobody, target=HAPPY, filters=filters)
        named = _named("Happy", playlist)
        assert playlist.title == (named.rpartition(" · ")[0] if song == unnamed else named)
        titles.add(playlist.title)
    assert len(titles) == 3


def test_songs_of_the_target_come_first(nobody: Listener, make_songs: SongMaker) -> None:
    happy = {song.pk for song in make_songs(15)}
    make_songs(16, around=(-0.6, -0.6))
    playlist = playlist_services.playlist_create(listener=nobody, target=HAPPY, length=12)
    assert set(order(playlist)) <= happy


def test_a_point_is_a_target_too(nobody: Listener, make_songs: SongMaker) -> None:
    make_songs(30, around=(0.0, 0.0), spread=1.0)
    playlist = playlist_services.playlist_create(listener=nobody, target=Target.of_point(-0.5, 0.2), length=6)
    assert playlist.target_quadrant is None
    assert playlist.title == _named("Dark and driving", playlist)
    points = estimates_playable().filter(song_id__in=order(playlist)).values_list("valence", "arousal")
    assert np.linalg.norm(np.asarray(points) - [-0.5, 0.2], axis=1).mean() < 0.5


def test_the_same_seed_gives_the_same_playlist(alice: User, bob: User, make_songs: SongMaker) -> None:
    make_songs(40)
    first, second = (
        playlist_services.playlist_create(listener=Listener(user), target=HAPPY, length=10, seed=7)
        for user in (alice, bob)
    )
    assert order(first) == order(second)


def test_without_a_seed_a_new_list_is_another(alice: User, make_songs: SongMaker) -> None:
    make_songs(60, spread=0.05)
    lists = [
        tuple(order(playlist_services.playlist_create(listener=Listener(alice), target=HAPPY, length=10)))
        for _ in range(3)
    ]
    assert len(set(lists)) > 1


def test_songs_of_nobody_s_name_are_not_one_artist(nobody: Listener, make_songs: SongMaker) -> None:
    unknown = ArtistFactory(name=UNKNOWN_ARTIST)
    nameless = make_songs(6)
    for song in nameless:
        song.artist = unknown
        song.save()
    named = make_songs(2, around=(-0.6, -0.6))
    songs = order(playlist_services.playlist_create(listener=nobody, target=HAPPY, length=6, seed=1))
    assert not set(songs) & {song.pk for song in named}


def test_artists_are_spaced(nobody: Listener, make_songs: SongMaker) -> None:
    make_songs(30, n_artists=4)
    songs = order(playlist_services.playlist_create(listener=nobody, target=HAPPY, length=20))
    artists = [Song.objects.get(pk=song_id).artist_id for song_id in songs]
    assert all(one != other for one, other in pairwise(artists))


def test_filters_limit_it(nobody: Listener, make_songs: SongMaker) -> None:
    make_songs(10)
    jazz = make_songs(3, genre="Jazz", around=(-0.5, -0.5))
    playlist = playlist_services.playlist_create(listener=nobody, target=HAPPY, filters=Filters(genre="jazz"))
    assert set(order(playlist)) == {song.pk for song in jazz}
    assert playlist.filters == {"genre": "jazz"}
    assert playlist.note == (
        "0 happy songs match these filters; these are the nearest. "
        "Only 3 analysed songs match these filters, so this list has 3 instead of 12."
    )
    by_artist = playlist_services.playlist_create(
        listener=nobody, target=HAPPY, filters=Filters(artist_id=jazz[0].artist_id), length=1
    )
    assert order(by_artist) == [jazz[0].pk]


def test_a_tiny_catalog_gives_a_shorter_list_that_says_so(nobody: Listener, make_songs: SongMaker) -> None:
    make_songs(3)
    playlist = playlist_services.playlist_create(listener=nobody, target=HAPPY, length=12)
    assert len(order(playlist)) == 3
    assert playlist.note == "Only 3 songs have been analysed so far, so this list has 3 instead of 12."


def test_an_empty_catalog_gives_an_empty_list_that_says_so(db: None, nobody: Listener) -> None:
    SongFactory(state=Song.State.QUEUED)
    playlist = playlist_services.playlist_create(listener=nobody, target=HAPPY)
    assert order(playlist) == []
    assert playlist.note == "No songs have been analysed yet, so this list is empty."


def test_songs_of_another_mood_and_far_from_a_point_are_owned_up_to(nobody: Listener, make_songs: SongMaker) -> None:
    happy = make_songs(4)
    make_songs(8, around=(-0.6, -0.6))
    playlist = playlist_services.playlist_create(listener=nobody, target=HAPPY, length=6)
    assert set(order(playlist)[:4]) == {song.pk for song in happy}
    assert playlist.note == "4 happy songs here; the last two are the nearest."
    playlist = playlist_services.playlist_create(listener=nobody, target=Target(0.6, 0.6), length=6)
    assert playlist.note == "2 of them are far from your target, because there are no closer songs."


@pytest.mark.parametrize("length", [0, -1, 101])
def test_a_length_out_of_range_is_refused(nobody: Listener, length: int) -> None:
    with pytest.raises(PlaylistInvalidError, match=f"1 to 100 songs, not {length}"):
        playlist_services.playlist_create(listener=nobody, target=HAPPY, length=length)


def test_a_playlist_has_an_owner(db: None) -> None:
    with pytest.raises(PlaylistInvalidError, match="must belong"):
        playlist_services.playlist_create(listener=Listener(user=None), target=HAPPY)


@pytest.mark.parametrize("point", [(1.5, 0.0), (0.0, float("nan")), (0.0, float("-inf"))])
def test_a_point_outside_the_plane_is_refused(point: tuple[float, float]) -> None:
    with pytest.raises(PlaylistInvalidError, match="between -1 and 1"):
        Target.of_point(*point)


# --- What was played recently -------------------------------------------------------------------------------------


def test_songs_played_recently_are_left_out_while_there_are_others(alice: User, make_songs: SongMaker) -> None:
    songs = make_songs(30)
    for song in songs[:8]:
        ListenFactory(listener=alice, song=song)
    playlist = playlist_services.playlist_create(listener=Listener(alice), target=HAPPY, length=10)
    assert not set(order(playlist)) & {song.pk for song in songs[:8]}
    assert playlist.note == ""


def test_songs_played_recently_come_back_when_too_few_are_left(alice: User, make_songs: SongMaker) -> None:
    songs = make_songs(6)
    for song in songs[:4]:
        ListenFactory(listener=alice, song=song)
    playlist = playlist_services.playlist_create(listener=Listener(alice), target=HAPPY, length=6)
    assert set(order(playlist)[:2]) == {song.pk for song in songs[4:]}
    assert playlist.note == "4 of them were played recently, because too few others are close to your target."


def test_what_others_played_and_what_was_played_last_week_does_not_count(
    alice: User, bob: User, make_songs: SongMaker
) -> None:
    songs = make_songs(6)
    for song in songs[:3]:
        ListenFactory(listener=bob, song=song)
        old = ListenFactory(listener=alice, song=song)
        Listen.objects.filter(pk=old.pk).update(started_at=timezone.now() - timedelta(days=8))
    playlist = playlist_services.playlist_create(listener=Listener(alice), target=HAPPY, length=6)
    assert playlist.note == ""


def test_a_browser_session_has_recent_songs_too(nobody: Listener, make_songs: SongMaker) -> None:
    songs = make_songs(30)
    for song in songs[:8]:
        feedback.listen_record(listener=nobody, song=song)
    playlist = playlist_services.playlist_create(listener=nobody, target=HAPPY, length=10)
    assert not set(order(playlist)) & {song.pk for song in songs[:8]}


# --- The rows and the index ---------------------------------------------------------------------------------------


def test_songs_deleted_or_failed_since_the_index_was_built_are_not_offered(
    nobody: Listener, make_songs: SongMaker
) -> None:
    songs = make_songs(8)
    indexing.index_rebuild()
    songs[0].delete()
    Song.objects.filter(pk=songs[1].pk).update(state=Song.State.FAILED)
    playlist = playlist_services.playlist_create(listener=nobody, target=HAPPY, length=8)
    assert set(order(playlist)) == {song.pk for song in songs[2:]}


def test_songs_tagged_since_the_index_was_built_are_offered(nobody: Listener, make_songs: SongMaker) -> None:
    indexing.index_rebuild()
    songs = make_songs(4)
    assert set(order(playlist_services.playlist_create(listener=nobody, target=HAPPY, length=8))) == {
        s.pk for s in songs
    }
    indexing.index_rebuild()
    more = make_songs(3)
    found = order(playlist_services.playlist_create(listener=nobody, target=HAPPY, length=8))
    assert set(found) == {song.pk for song in [*songs, *more]}


def test_a_song_that_is_analysed_again_stays_playable(nobody: Listener, make_songs: SongMaker) -> None:
    songs = make_songs(2)
    Song.objects.update(state=Song.State.ANALYSING)
    assert len(order(playlist_services.playlist_create(listener=nobody, target=HAPPY))) == len(songs)


def test_only_current_estimates_count(nobody: Listener, make_songs: SongMaker) -> None:
    song = make_songs(1)[0]
    EstimateFactory(song=song, is_current=False, model_version="older", valence=-1.0, arousal=-1.0)
    item = playlist_services.playlist_create(listener=nobody, target=HAPPY).items.get()
    assert (item.felt_valence, item.felt_arousal) > (0.0, 0.0)


def test_embeddings_of_another_model_are_not_compared(alice: User, make_songs: SongMaker) -> None:
    """While a new model works through the catalog, old estimates keep their place on the plane and nothing else."""
    songs = make_songs(6)
    old = SongFactory()
    tag(old, 0.6, 0.6, model_version="older", embedding_bytes=np.ones(9, "<f4").tobytes())
    songs[0].estimates.get().save()  # The newest estimate names the live model.
    RatingFactory(listener=alice, song=old, felt_valence=-0.5, felt_arousal=-0.5, liked=True)
    playlist = playlist_services.playlist_create(listener=Listener(alice), target=HAPPY, length=7)
    assert set(order(playlist)) == {song.pk for song in [*songs, old]}
    indexing.index_rebuild()
    assert selectors.song_estimates(old.pk).similar == []
    assert old not in selectors.song_estimates(songs[0].pk).similar


@pytest.mark.django_db(transaction=True)
def test_a_song_deleted_between_choosing_and_storing_is_chosen_around(
    nobody: Listener, make_songs: SongMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    songs = make_songs(5)

    def lose_the_first_song() -> None:
        Song.objects.filter(pk=songs[0].pk).delete()
        connection.close()

    def compose_and_lose_a_song(**asked: Any) -> GeneratedPlaylist:
        generated = generate(**asked)
        thread = threading.Thread(target=lose_the_first_song)
        thread.start()
        thread.join()
        return generated

    monkeypatch.setattr(playlists, "generate", compose_and_lose_a_song)
    playlist = playlist_services.playlist_create(listener=nobody, target=HAPPY)
    assert set(order(playlist)) == {song.pk for song in songs[1:]}


# --- Listens and sessions -----------------------------------------------------------------------------------------


def test_a_listen_marks_the_item_and_a_double_report_is_one(nobody: Listener, make_songs: SongMaker) -> None:
    make_songs(4)
    playlist = playlist_services.playlist_create(listener=nobody, target=HAPPY)
    item = playlist.items.get(position=1)
    first = feedback.listen_record(listener=nobody, song=item.song, playlist=playlist)
    assert feedback.listen_record(listener=nobody, song=item.song, playlist=playlist) == first
    item.refresh_from_db()
    assert item.played_at is not None
    assert Listen.objects.get().session_key == nobody.session_key


def test_signing_in_keeps_what_the_session_made(alice: User, nobody: Listener, make_songs: SongMaker) -> None:
    song = make_songs(4)[0]
    playlist = playlist_services.playlist_create(listener=nobody, target=HAPPY)
    others = playlist_services.playlist_create(listener=Listener(None, "another-browser"), target=HAPPY)
    feedback.listen_record(listener=nobody, song=song)
    feedback.session_adopt(user=alice, session_key="")
    for _ in range(2):
        feedback.session_adopt(user=alice, session_key=nobody.session_key)
    assert list(selectors.playlists_of(Listener(alice))) == [playlist]
    assert list(selectors.playlists_of(nobody)) == []
    assert Listen.objects.get().listener == alice
    others.refresh_from_db()
    assert others.owner is None


def test_a_deleted_playlist_leaves_ratings_and_listens(alice: User, make_songs: SongMaker) -> None:
    make_songs(4)
    playlist = playlist_services.playlist_create(listener=Listener(alice), target=HAPPY)
    song = playlist.items.get(position=1).song
    feedback.listen_record(listener=Listener(alice), song=song, playlist=playlist)
    feedback.feedback_record(user=alice, song=song, liked=True, playlist=playlist)
    playlist_services.playlist_delete(playlist=playlist)
    assert Listen.objects.get().playlist is None
    assert FeltRating.objects.get().playlist is None
