"""What a listener does in a player: kept as what it is, never as something felt."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from catalog.models import Song
from recommender.listener import history_of, liking_of_stars
from recommender.models import AlbumLike, ArtistLike, FeltRating, Listen, Player, StarRating
from recommender.reasons.reasons import LikeSignal
from recommender.requests import Listener
from recommender.retrieval import songs_index
from tests.recommender.conftest import SongMaker
from tests.recommender.subsonic.conftest import Ask, Library, now_ms

STARTED, COMPLETED, SKIPPED = Listen.Outcome.STARTED, Listen.Outcome.COMPLETED, Listen.Outcome.SKIPPED


@pytest.fixture
def songs(make_songs: SongMaker) -> list[Song]:
    """Songs of a minute."""
    return make_songs(4)


def outcomes(user: User) -> list[tuple[int, str]]:
    return list(Listen.objects.filter(listener=user).order_by("id").values_list("song_id", "outcome"))


@pytest.mark.parametrize(
    ("stars", "signal"),
    [
        (5, LikeSignal.MANY_STARS),
        (4, LikeSignal.MANY_STARS),
        (3, None),
        (2, LikeSignal.FEW_STARS),
        (1, LikeSignal.FEW_STARS),
    ],
)
def test_stars_are_a_liking_and_nothing_felt(
    alice: User, songs: list[Song], ask: Ask, stars: int, signal: LikeSignal | None
) -> None:
    ask("setRating", id=f"tr-{songs[0].pk}", rating=stars)
    assert not FeltRating.objects.exists()
    found = history_of(Listener(alice), songs_index())
    assert found.like_signals.get(songs[0].pk) is signal
    if signal is not None:
        assert found.ratings.likes.tolist() == [liking_of_stars(stars)]
        assert found.ratings.like_weights.tolist() == [1.0]
        assert np.isnan(found.ratings.felt).all()
    # What was said of liking it comes first.
    ask("star", id=f"tr-{songs[0].pk}")
    assert history_of(Listener(alice), songs_index()).like_signals[songs[0].pk] is LikeSignal.LIKED
    ask("setRating", id=f"tr-{songs[0].pk}", rating=0)
    assert not StarRating.objects.exists()


def test_a_star_is_a_like_of_songs_albums_and_artists(library: Library, alice: User, ask: Ask, refused: Ask) -> None:
    song, album, artist = f"tr-{library.songs[1].pk}", f"al-{library.album.pk}", f"ar-{library.album.artist_id}"
    ask("star", id=[song, album], artistId=artist)
    rating = FeltRating.objects.get(song=library.songs[1])
    assert (rating.liked, rating.felt_valence, rating.felt_nothing) == (True, None, False)
    starred = ask("getStarred2")["starred2"]
    assert {each["id"] for each in starred["song"]} == {song, f"tr-{library.songs[0].pk}"}
    assert [len(starred[name]) for name in ("album", "artist")] == [1, 1]
    ask("unstar", id=song, albumId=album, artistId=artist)
    assert (AlbumLike.objects.count(), ArtistLike.objects.count()) == (0, 0)
    assert not FeltRating.objects.filter(song=library.songs[1]).exists()
    assert (refused("star"), refused("star", id="tr-999999"), refused("setRating", id=song, rating=6)) == (10, 70, 0)


def test_a_song_that_was_felt_keeps_that_when_its_star_goes(library: Library, alice: User, ask: Ask) -> None:
    rated = FeltRating.objects.get(song=library.songs[0])
    ask("unstar", id=f"tr-{rated.song_id}")
    rated.refresh_from_db()
    assert (rated.liked, rated.felt_valence) == (None, 0.5)


# --- Plays ------------------------------------------------------------------------------------------------------------


def test_a_scrobble_ends_the_play_that_was_announced(alice: User, songs: list[Song], ask: Ask) -> None:
    song = songs[0]
    ask("scrobble", id=f"tr-{song.pk}", submission="false")
    assert [each["title"] for each in ask("getNowPlaying")["nowPlaying"]["entry"]] == [song.title]
    for _ in range(2):
        # A player that got no answer says it again.
        ask("scrobble", id=f"tr-{song.pk}", time=now_ms())
    assert outcomes(alice) == [(song.pk, COMPLETED)]


def test_plays_of_a_journey_arrive_days_later_and_once(alice: User, songs: list[Song], ask: Ask) -> None:
    day = 86_400_000
    times = [now_ms() - 3 * day, now_ms() - 2 * day]
    for _ in range(2):
        ask("scrobble", id=[f"tr-{song.pk}" for song in songs[:2]], time=times)
    assert outcomes(alice) == [(song.pk, COMPLETED) for song in songs[:2]]
    first = Listen.objects.order_by("id")[0]
    assert abs((timezone.now() - first.started_at) - timedelta(days=3)) < timedelta(minutes=1)
    # No one listens tomorrow.
    ask("scrobble", id=f"tr-{songs[2].pk}", time=now_ms() + day)
    assert Listen.objects.order_by("-id")[0].started_at <= timezone.now()


def test_the_song_that_a_player_left_was_skipped_where_it_was(alice: User, songs: list[Song], ask: Ask) -> None:
    ask("scrobble", id=f"tr-{songs[0].pk}", submission="false")
    Player.objects.update(begun_at=timezone.now() - timedelta(seconds=12))
    ask("scrobble", id=f"tr-{songs[1].pk}", submission="false")
    assert outcomes(alice) == [(songs[0].pk, SKIPPED), (songs[1].pk, STARTED)]
    skipped = Listen.objects.order_by("id")[0]
    assert skipped.listened_s == pytest.approx(12.0, abs=2.0)
    assert history_of(Listener(alice), songs_index()).like_signals == {songs[0].pk: LikeSignal.SKIPPED}
    assert not FeltRating.objects.exists()


@pytest.mark.parametrize(
    ("position_ms", "outcome"), [(9_000, SKIPPED), (45_000, SKIPPED), (58_000, COMPLETED), (99_000, COMPLETED)]
)
def test_a_report_says_how_a_song_ended(
    alice: User, songs: list[Song], ask: Ask, position_ms: int, outcome: str
) -> None:
    song = {"mediaId": f"tr-{songs[0].pk}", "mediaType": "song"}
    ask("reportPlayback", **song, positionMs=0, state="starting")
    ask("reportPlayback", **song, positionMs=5_000, state="playing", playbackRate=1.5)
    [playing] = ask("getNowPlaying")["nowPlaying"]["entry"]
    assert (playing["state"], playing["playbackRate"], playing["positionMs"] >= 5_000) == ("playing", 1.5, True)
    ask("reportPlayback", **song, positionMs=position_ms, state="stopped")
    assert outcomes(alice) == [(songs[0].pk, outcome)]
    listen = Listen.objects.get()
    assert listen.listened_s == min(position_ms / 1000, 60.0)
    assert ask("getNowPlaying")["nowPlaying"]["entry"] == []


def test_a_report_may_be_for_show_alone(alice: User, songs: list[Song], ask: Ask, refused: Ask) -> None:
    song = {"mediaId": f"tr-{songs[0].pk}", "mediaType": "song", "ignoreScrobble": "true"}
    ask("reportPlayback", **song, positionMs=1_000, state="playing")
    ask("reportPlayback", **song, positionMs=2_000, state="stopped")
    assert not Listen.objects.exists()
    assert refused("reportPlayback", mediaId="tr-1", mediaType="song", positionMs=1) == 10
    assert refused("reportPlayback", mediaId="tr-1", mediaType="podcast", positionMs=1, state="playing") == 0


# --- Queue and bookmarks ----------------------------------------------------------------------------------------------


def test_a_queue_moves_from_one_player_to_another(library: Library, ask: Ask, refused: Ask) -> None:
    numbers = [f"tr-{library.songs[n].pk}" for n in (0, 1, 0)]
    ask("savePlayQueueByIndex", id=numbers, currentIndex=2, position=1500, c="Phone")
    queue = ask("getPlayQueueByIndex")["playQueueByIndex"]
    assert (queue["currentIndex"], queue["position"], queue["changedBy"], len(queue["entry"])) == (2, 1500, "Phone", 3)
    assert ask("getPlayQueue")["playQueue"]["current"] == numbers[0]
    library.songs[1].delete()
    assert ask("getPlayQueueByIndex")["playQueueByIndex"]["currentIndex"] == 1
    assert refused("savePlayQueueByIndex", id=numbers, currentIndex=3) == 10
    assert refused("savePlayQueue", id=numbers, current="tr-999999") == 0
    ask("savePlayQueue")
    assert ask("getPlayQueue")["playQueue"]["entry"] == []
