"""What pages and the API read."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog.models import Song
from emotion.inference.quadrants import Quadrant
from emotion.models import EmotionEstimate
from recommender import selectors
from recommender.requests import Listener, Target
from recommender.services import indexing, playlists
from tests.factories import ArtistFactory, EstimateFactory, RatingFactory, SongFactory
from tests.recommender.conftest import SongMaker


def test_quadrants_are_counted_with_the_empty_ones(make_songs: SongMaker) -> None:
    make_songs(3)
    make_songs(2, around=(-0.6, -0.6))
    EstimateFactory(quadrant=Quadrant.Q2, is_current=False)
    EstimateFactory(quadrant=Quadrant.Q2, song=SongFactory(state=Song.State.FAILED))
    assert selectors.quadrant_counts() == {Quadrant.Q1: 3, Quadrant.Q2: 0, Quadrant.Q3: 2, Quadrant.Q4: 0}


def listed(song: Song) -> list[EmotionEstimate]:
    estimates: list[EmotionEstimate] = song.current_estimates  # type: ignore[attr-defined]
    return estimates


def test_songs_are_browsed_by_quadrant_with_their_estimates(make_songs: SongMaker) -> None:
    happy = make_songs(3)
    sad = make_songs(2, around=(-0.6, -0.6), genre="Jazz")
    waiting = SongFactory(state=Song.State.QUEUED)
    assert {song.pk for song in selectors.songs_browse()} == {song.pk for song in [*happy, *sad, waiting]}
    assert {song.pk for song in selectors.songs_browse(quadrant=Quadrant.Q3)} == {song.pk for song in sad}
    assert list(selectors.songs_browse(quadrant=Quadrant.Q3, genre="Rock")) == []
    with CaptureQueriesContext(connection) as queries:
        found = {song.pk: listed(song) for song in selectors.songs_browse()}
    assert len(queries) == 3
    assert [estimate.song_id for estimate in found[happy[0].pk]] == [happy[0].pk]
    assert found[waiting.pk] == []


@pytest.mark.django_db
def test_songs_are_read_a_page_at_a_time_and_in_the_order_that_is_asked() -> None:
    old = SongFactory(title="Beta", year=1961)
    new = SongFactory(title="alpha", year=1999)
    undated = SongFactory(title="Alpha", year=None)
    for sort, songs in {
        "": [undated, new, old],
        "oldest": [old, new, undated],
        "title": [undated, new, old],
        "year": [new, old, undated],
        "no such order": [undated, new, old],
    }.items():
        assert list(selectors.songs_browse(sort=sort)) == songs, sort
    found = selectors.songs_browse(sort="year")
    with CaptureQueriesContext(connection) as queries:
        assert (len(found), found[1:3], found[0]) == (3, [old, undated], new)
    assert len(queries) == 1 + 3 + 3
    assert list(selectors.songs_browse(decade=1990)) == [new]
    assert list(selectors.songs_browse(query="alpha", sort="oldest")) == [new, undated]


@pytest.mark.django_db
def test_a_word_of_very_many_songs_finds_the_newest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    best = SongFactory(title="Rain rain", artist=ArtistFactory(name="Rain"))
    newest = SongFactory(title="Rain")
    assert list(selectors.songs_browse(query="rain")) == [best, newest]
    monkeypatch.setattr(selectors, "RANKED_AT_MOST", 1)
    assert list(selectors.songs_browse(query="rain")) == [newest, best]


def test_a_song_that_failed_is_not_among_the_similar_ones(make_songs: SongMaker) -> None:
    song, *_ = make_songs(5)
    indexing.index_rebuild()
    first = selectors.song_estimates(song.pk).similar[0]
    Song.objects.filter(pk=first.pk).update(state=Song.State.FAILED)
    heard = selectors.song_estimates(song.pk)
    assert first not in heard.similar
    assert [estimate.song_id for estimate in heard.estimates] == [song.pk]
    assert selectors.song_estimates(SongFactory().pk) == ([], [])


def test_similar_songs_come_best_first_and_without_the_song(make_songs: SongMaker) -> None:
    song, twin, *_ = make_songs(10)
    estimate = twin.estimates.get()
    estimate.embedding_bytes = song.estimates.get().embedding_bytes
    estimate.save()
    for _ in ("from rows", "from the index"):
        found = selectors.song_estimates(song.pk, k=3).similar
        assert found[0] == twin
        assert song not in found
        assert len(found) <= 3
        assert listed(found[0]) == [estimate]
        indexing.index_rebuild()


def test_a_playlist_is_read_in_few_queries(alice: User, make_songs: SongMaker) -> None:
    make_songs(10)
    listener = Listener(alice)
    made = playlists.playlist_create(listener=listener, target=Target.of_quadrant(Quadrant.Q1))
    with CaptureQueriesContext(connection) as queries:
        playlist = selectors.playlist_visible(listener, made.pk)
        shown = [(item.song.artist.name, listed(item.song)[0].quadrant) for item in playlist.items.all()]
    assert len(shown) == 10
    assert len(queries) == 3


def test_ratings_are_read_by_who_gave_them(alice: User, bob: User) -> None:
    rating = RatingFactory(listener=alice)
    assert list(selectors.ratings_of(alice)) == [rating]
    assert list(selectors.ratings_of(bob)) == []
    assert selectors.rating_of(alice, rating.song) == rating
    assert selectors.rating_of(bob, rating.song) is None
