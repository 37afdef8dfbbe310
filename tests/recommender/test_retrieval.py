"""The songs a playlist may choose from: the index, newer songs, and those that still exist."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from catalog.models import UNKNOWN_ARTIST, Song
from emotion.inference.quadrants import Quadrant
from emotion.library.services import Override, library_edit, library_undo
from emotion.models import UNKNOWN_SD, EmotionEstimate, QuadrantOverride
from recommender import retrieval
from recommender.index.songs import FeltQuery
from recommender.requests import NO_FILTERS, Filters
from recommender.retrieval import Pool, retrieve, songs_index, songs_ranked_alike
from recommender.services import indexing
from tests.factories import EMBEDDING_SIZE, AlbumFactory, ArtistFactory, SongFactory, unit_embedding
from tests.recommender.conftest import SongMaker, tag
from tests.recommender.made_songs import best, query_of

HAPPY = query_of(0.6, 0.6, EMBEDDING_SIZE)
SAD = query_of(-0.6, -0.6, EMBEDDING_SIZE)


def found(query: FeltQuery = HAPPY, filters: Filters = NO_FILTERS, **more: Any) -> list[int]:
    song_ids: list[int] = pool(query, filters, **more).song_ids.tolist()
    return song_ids


def pool(query: FeltQuery = HAPPY, filters: Filters = NO_FILTERS, **more: Any) -> Pool:
    return retrieve(songs_index(), [query], filters, **more)


def settle() -> None:
    """Let every row be old, so that the index has seen it, and publish."""
    old = timezone.now() - timedelta(minutes=5)
    EmotionEstimate.objects.update(updated_at=old)
    QuadrantOverride.objects.update(changed_at=old)
    Song.objects.exclude(tags_changed_at=None).update(tags_changed_at=old)
    indexing.index_rebuild()


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pools of five, so that the nearest songs decide."""
    monkeypatch.setattr(retrieval, "POOL_SIZE", 5)
    monkeypatch.setattr(retrieval, "ALIKE_SIZE", 3)


def test_a_pool_has_what_the_rows_have(make_songs: SongMaker) -> None:
    songs = make_songs(6)
    album = AlbumFactory(artist=songs[0].artist)
    Song.objects.filter(pk=songs[0].pk).update(album=album, year=1984)
    nameless = SongFactory(artist=ArtistFactory(name=UNKNOWN_ARTIST))
    tag(nameless, 0.5, 0.5)
    settle()
    made = pool()
    assert made.song_ids.tolist() == sorted([*(song.pk for song in songs), nameless.pk])
    for row, song_id in enumerate(made.song_ids.tolist()):
        estimate = EmotionEstimate.objects.get(song_id=song_id)
        assert made.perceived[row].tolist() == [estimate.valence, estimate.arousal]
        assert made.embeddings[row] == pytest.approx(estimate.embedding)
        assert (made.quadrants[row], made.confidence[row]) == (estimate.quadrant, estimate.confidence)
        assert made.artist_ids[row] == (-song_id if song_id == nameless.pk else estimate.song.artist_id)
        assert (made.album_ids[row], made.years[row]) == ((album.pk, 1984) if song_id == songs[0].pk else (0, 0))


@pytest.mark.usefixtures("few")
def test_what_changed_since_the_index_was_built_counts_at_once(make_songs: SongMaker) -> None:
    songs = make_songs(12, around=(-0.5, -0.5), spread=0.2)
    settle()
    assert len(found()) == 5
    new = SongFactory()
    tag(new, 0.6, 0.6)
    assert new.pk in found()
    moved = songs[3].estimates.get()
    moved.valence = moved.arousal = 0.61
    moved.save()
    assert {new.pk, songs[3].pk} <= set(found())
    row = pool().row_of(songs[3].pk)
    assert row is not None
    assert pool().perceived[row].tolist() == [0.61, 0.61]
    assert [0.61, 0.61] in pool(SAD).perceived.tolist()
    assert len(found(SAD)) == len(set(found(SAD)))
    gone = new.pk
    new.delete()
    Song.objects.filter(pk=songs[3].pk).update(state=Song.State.FAILED)
    assert not {gone, songs[3].pk} & set(found())
    kept = found(always=[songs[3].pk, gone])
    assert songs[3].pk in kept
    assert gone not in kept


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("built", [True, False])
def test_an_override_and_its_undo_count_at_once(make_songs: SongMaker, cleo: User, built: bool) -> None:
    song = make_songs(12, around=(-0.5, -0.5), spread=0.2)[3]
    if built:
        settle()
    as_modelled = pool(always=[song.pk])

    def seen() -> tuple[Quadrant, float, list[float]]:
        now = pool(always=[song.pk])
        row = now.row_of(song.pk)
        assert row is not None
        return now.quadrants[row], now.confidence[row], now.perceived[row].tolist()

    row = as_modelled.row_of(song.pk)
    assert row is not None
    change = library_edit(song_ids=[song.pk], values={}, override=Override(Quadrant.Q1), editor=cleo)
    assert change is not None
    contradicted = np.abs(as_modelled.perceived[row])
    inside: Any = pytest.approx((np.sqrt(contradicted**2 + 8 * UNKNOWN_SD**2) - contradicted) / 4)
    assert (as_modelled.perceived[row] < 0).all()
    assert seen() == (Quadrant.Q1, 1.0, inside)
    assert song.pk in found()
    if built:
        settle()
        assert seen() == (Quadrant.Q1, 1.0, inside)
        assert song.pk in found()
    library_undo(change=change, editor=cleo)
    assert seen() == (as_modelled.quadrants[row], as_modelled.confidence[row], as_modelled.perceived[row].tolist())


@pytest.mark.usefixtures("few")
def test_tags_that_a_curator_changed_count_at_once(make_songs: SongMaker, cleo: User) -> None:
    songs = make_songs(8, genre="Rock")
    settle()
    assert found(filters=Filters(genre="jazz")) == []
    change = library_edit(song_ids=[songs[0].pk], values={"genre": "Jazz"}, editor=cleo)
    assert found(filters=Filters(genre="jazz")) == [songs[0].pk]
    assert change is not None
    library_undo(change=change, editor=cleo)
    assert found(filters=Filters(genre="jazz")) == []


@pytest.mark.usefixtures("few")
def test_a_song_that_was_retagged_is_neither_found_nor_missed_for_long(make_songs: SongMaker) -> None:
    songs = make_songs(8, genre="Rock")
    settle()
    Song.objects.filter(pk=songs[0].pk).update(genre="Jazz")
    assert songs[0].pk not in found(filters=Filters(genre="rock"))
    indexing.index_refresh()
    assert found(filters=Filters(genre="JAZZ")) == [songs[0].pk]


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("built", [True, False])
def test_filters_are_applied_before_choosing(make_songs: SongMaker, built: bool) -> None:
    make_songs(20, around=(0.6, 0.6), spread=0.05, genre="Rock", year=1991)
    far = make_songs(4, around=(-0.6, -0.6), spread=0.1, genre="Jazz", year=1973)
    if built:
        settle()
    ids = sorted(song.pk for song in far)
    assert found(filters=Filters(genre="jazz")) == ids
    assert found(filters=Filters(decade=1970)) == ids
    assert found(filters=Filters(artist_id=far[2].artist_id)) == [far[2].pk]
    assert found(filters=Filters(genre="jazz", decade=1990)) == []
    assert found(filters=Filters(genre="jazz\x00")) == ids


@pytest.mark.usefixtures("few")
def test_excluded_songs_make_room_for_others(make_songs: SongMaker) -> None:
    make_songs(20)
    settle()
    nearest = found()
    others = found(without=nearest)
    assert len(others) == 5
    assert not set(others) & set(nearest)
    assert set(found(without=nearest, always=nearest[:2])) == {*others, *nearest[:2]}


def alike_to(song_id: int, k: int) -> list[int]:
    """Return the songs most like one, without those that are gone."""
    there = set(Song.objects.values_list("pk", flat=True))
    return [each for each in songs_ranked_alike(song_id, k) if each in there][:k]


@pytest.mark.usefixtures("few")
def test_songs_that_sound_alike_join_wherever_they_are(make_songs: SongMaker) -> None:
    make_songs(20)
    asked, twin = SongFactory(), SongFactory()
    tag(asked, -0.9, -0.9, embedding_bytes=unit_embedding(77))
    tag(twin, -0.8, -0.9, embedding_bytes=unit_embedding(77))
    settle()
    assert twin.pk not in found()
    alike = EmotionEstimate.objects.get(song=asked).embedding
    assert twin.pk in retrieve(songs_index(), [HAPPY], alike=alike).song_ids.tolist()
    assert alike_to(asked.pk, 5)[0] == twin.pk
    late = SongFactory()
    tag(late, 0.0, 0.0, embedding_bytes=unit_embedding(77))
    assert set(alike_to(asked.pk, 5)[:2]) == {twin.pk, late.pk}
    twin.delete()
    assert alike_to(asked.pk, 5)[0] == late.pk
    assert alike_to(twin.pk or 0, 5) == []


def test_model_versions_are_never_mixed(make_songs: SongMaker) -> None:
    songs = make_songs(9)
    for song in songs[:3]:
        song.estimates.update(model_version="another", embedding_bytes=unit_embedding(1, size=32))
    settle()
    late = SongFactory()
    tag(late, 0.6, 0.6, model_version="another")
    made = pool()
    assert len(made.song_ids) == 10
    for row, song_id in enumerate(made.song_ids.tolist()):
        own = EmotionEstimate.objects.get(song_id=song_id).model_version == made.model_version
        assert made.embeddings[row].any() == own
    assert not {*(song.pk for song in songs[:3]), late.pk} & set(alike_to(songs[5].pk, 20))


def test_songs_are_read_again_only_when_they_changed(
    make_songs: SongMaker, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_songs(6)
    settle()
    pool()
    with django_assert_num_queries(3):
        pool()
    make_songs(1)
    with django_assert_num_queries(4):
        pool()
    with django_assert_num_queries(3):
        assert len(found()) == 7


def test_without_an_index_the_newest_songs_serve(
    make_songs: SongMaker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(retrieval, "WITHOUT_INDEX_LIMIT", 4)
    assert found() == []
    songs = make_songs(7)
    with caplog.at_level(logging.WARNING, "recommender.retrieval"):
        assert found() == [song.pk for song in songs[-4:]]
    assert "run index_rebuild" in caplog.text
    newest = make_songs(1)[0]
    assert found() == [*(song.pk for song in songs[-3:]), newest.pk]
    indexing.index_rebuild()
    assert len(found()) == 8


def test_many_queries_share_the_pool(make_songs: SongMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval, "POOL_SIZE", 10)
    monkeypatch.setattr(retrieval, "LEAST_PER_QUERY", 3)
    make_songs(80, around=(0.0, 0.0), spread=0.9)
    settle()
    queries = [query_of(at, at, EMBEDDING_SIZE) for at in np.linspace(-0.8, 0.8, 5)]
    made = retrieve(songs_index(), queries)
    assert len(made.song_ids) <= 15
    for query in queries:
        nearest = best(songs_index(), query, 3).song_ids.tolist()
        assert set(nearest) <= set(made.song_ids.tolist())
