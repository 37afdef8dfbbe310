"""Lists ordered by hand, named, saved and regenerated."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from emotion.inference.quadrants import Quadrant
from recommender.exceptions import (
    PlaylistFixedError,
    PlaylistInvalidError,
    PlaylistItemNotFoundError,
    PlaylistNotFoundError,
)
from recommender.models import Playlist
from recommender.requests import Filters, Listener, Target
from recommender.services import feedback, playlists
from tests.factories import SongFactory
from tests.recommender.conftest import HAPPY, SongMaker, order

HTMX = {"HX-Request": "true"}


@pytest.fixture
def playlist(alice: User, make_songs: SongMaker) -> Playlist:
    make_songs(12)
    return playlists.playlist_create(listener=Listener(alice), target=HAPPY, length=5, seed=3)


# --- Order ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("from_place", "to_place", "expected"),
    [(0, 1, "01234"), (0, 3, "12034"), (4, 1, "40123"), (2, 99, "01342"), (2, -5, "20134")],
)
def test_a_song_is_put_at_another_place(
    alice: User, playlist: Playlist, from_place: int, to_place: int, expected: str
) -> None:
    before = order(playlist)
    playlists.item_move(playlist=playlist, listener=Listener(alice), song_id=before[from_place], position=to_place)
    assert order(playlist) == [before[int(digit)] for digit in expected]
    assert list(playlist.items.values_list("position", flat=True)) == [1, 2, 3, 4, 5]


def test_an_order_made_by_hand_stays_until_asked(alice: User, playlist: Playlist) -> None:
    listener = Listener(alice)
    playlists.item_move(playlist=playlist, listener=listener, song_id=order(playlist)[4], position=1)
    by_hand = order(playlist)
    song = playlist.items.get(position=1).song
    result = feedback.feedback_record(
        user=alice, song=song, felt_valence=-1, felt_arousal=-1, liked=False, playlist=playlist
    )
    assert result.rerank is not None
    assert (result.rerank.changed, "by hand" in result.rerank.sentence) == (False, True)
    assert order(playlist) == by_hand
    playlists.playlist_rerank(playlist=playlist, listener=listener)
    playlist.refresh_from_db()
    assert playlist.arranged_at is None
    assert order(playlist)[0] == by_hand[0], "what was heard keeps its place"


def test_a_song_is_taken_out_and_does_not_come_back_by_itself(alice: User, playlist: Playlist) -> None:
    listener, before = Listener(alice), order(playlist)
    playlists.item_remove(playlist=playlist, listener=listener, song_id=before[1])
    assert order(playlist) == [before[0], *before[2:]]
    assert list(playlist.items.values_list("position", flat=True)) == [1, 2, 3, 4]
    feedback.feedback_record(user=alice, song=playlist.items.get(position=1).song, liked=True, playlist=playlist)
    assert order(playlist) == [before[0], *before[2:]]
    for song_id in order(playlist):
        playlists.item_remove(playlist=playlist, listener=listener, song_id=song_id)
    assert order(playlist) == []


def test_only_songs_of_a_list_of_yours_are_moved(alice: User, bob: User, playlist: Playlist) -> None:
    before = order(playlist)
    with pytest.raises(PlaylistItemNotFoundError):
        playlists.item_move(playlist=playlist, listener=Listener(alice), song_id=SongFactory().pk, position=1)
    with pytest.raises(PlaylistNotFoundError):
        playlists.item_move(playlist=playlist, listener=Listener(bob), song_id=before[0], position=2)
    with pytest.raises(PlaylistNotFoundError):
        playlists.item_remove(playlist=playlist, listener=Listener(bob), song_id=before[0])
    assert order(playlist) == before


def test_buttons_move_and_remove_with_and_without_javascript(client_alice: Client, playlist: Playlist) -> None:
    before = order(playlist)
    page = client_alice.get(reverse("recommender:playlist_detail", args=[playlist.pk]) + "?arrange=1").content.decode()
    title = playlist.items.get(position=2).song.title
    assert f'aria-label="Move {title} up"' in page
    move = reverse("recommender:playlist_item_move", args=[playlist.pk, before[1]])
    assert client_alice.post(move, {"by": "-1"})["Location"].endswith(f"/playlists/{playlist.pk}/?arrange=1")
    assert order(playlist)[:2] == [before[1], before[0]]
    fragment = client_alice.post(move, {"by": "1"}, headers=HTMX).content.decode()
    assert fragment.lstrip().startswith("<ol")
    assert "Remove" in fragment
    assert order(playlist) == before
    assert client_alice.post(move, {"by": "7"}).status_code == 404
    remove = reverse("recommender:playlist_item_remove", args=[playlist.pk, before[1]])
    client_alice.post(remove)
    assert order(playlist) == [before[0], *before[2:]]


# --- Names and keeping ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "kept"), [(" Rain\n\tand  wind ", "Rain and wind"), ("Schön ♥", "Schön ♥"), ("x" * 200, "x" * 200)]
)
def test_a_title_stays_on_one_line(playlist: Playlist, title: str, kept: str) -> None:
    playlists.playlist_rename(playlist=playlist, title=title)
    playlist.refresh_from_db()
    assert playlist.title == kept


@pytest.mark.parametrize("title", ["", "  \n ", "\x00\x07", "x" * 201])
def test_a_title_that_says_nothing_is_refused(playlist: Playlist, title: str) -> None:
    with pytest.raises(PlaylistInvalidError, match="A title has 1 to 200 characters"):
        playlists.playlist_rename(playlist=playlist, title=title)


def test_pages_rename_save_and_rank_again(client_alice: Client, playlist: Playlist) -> None:
    def press(name: str, **values: str) -> str:
        where = reverse(f"recommender:playlist_{name}", args=[playlist.pk])
        return client_alice.post(where, values, follow=True).content.decode()

    assert '<h1 dir="auto">&lt;b&gt; &amp; co</h1>' in press("describe", title="<b> & co")
    assert "message--error" in press("describe", title="")
    saved = reverse("recommender:playlist_list") + "?saved=1"
    assert "No saved playlists" in client_alice.get(saved).content.decode()
    assert "Saved</button>" in press("save")
    assert f"/playlists/{playlist.pk}/" in client_alice.get(saved).content.decode()
    assert ">Save</button>" in press("unsave")
    assert "The rest does not change." in press("rerank")


def test_a_title_says_what_was_asked(nobody: Listener, make_songs: SongMaker) -> None:
    make_songs(3, year=1994)
    calm = playlists.playlist_create(
        listener=nobody, target=Target.of_quadrant(Quadrant.Q4), filters=Filters(genre="Rock", decade=1990)
    )
    assert calm.title.startswith("Calm · Rock · 1990s · ")
    assert calm.filters == {"genre": "Rock", "decade": 1990}


# --- Around a song, and regenerated --------------------------------------------------------------------------------


def test_a_list_around_a_song(client_alice: Client, alice: User, make_songs: SongMaker) -> None:
    song = make_songs(8)[2]
    response = client_alice.post(reverse("recommender:song_playlist", args=[song.pk]), follow=True)
    playlist = Playlist.objects.get()
    assert (playlist.kind, playlist.seed_song) == ("song", song)
    assert song.pk not in order(playlist)
    assert f"“{song.title}”" in response.content.decode()
    other = playlists.playlist_regenerate(playlist=playlist, listener=Listener(alice))
    assert (other.kind, other.seed_song, other.title) == ("song", song, playlist.title)
    song.delete()
    playlist.refresh_from_db()
    page = client_alice.get(reverse("recommender:playlist_detail", args=[playlist.pk])).content.decode()
    assert "Songs like one that was deleted" in page


def test_there_is_nothing_around_a_song_that_was_not_analysed(client_alice: Client, db: None) -> None:
    song = SongFactory(title="Unheard")
    response = client_alice.post(reverse("recommender:song_playlist", args=[song.pk]))
    assert response.status_code == 400
    assert "has not analysed “Unheard” yet" in response.content.decode()


def test_a_regenerated_journey_goes_the_same_way(alice: User, make_songs: SongMaker) -> None:
    make_songs(60, around=(0.0, 0.0), spread=0.9)
    path = [(-0.5, 0.5), (0.5, -0.5)]
    journey = playlists.journey_create(
        listener=Listener(alice), path=path, length=6, seed=1, variety=0.9, filters=Filters(genre="Rock")
    )
    same = playlists.playlist_regenerate(playlist=journey, listener=Listener(alice), seed=1)
    others = [playlists.playlist_regenerate(playlist=journey, listener=Listener(alice)) for _ in range(4)]
    assert order(same) == order(journey)
    assert {tuple(order(other)) for other in others} != {tuple(order(journey))}
    assert all(other.path == journey.path and other.variety == 0.9 for other in others)


@pytest.mark.parametrize("path", [[], [(0.0, 0.0)], [(0.0, 0.0)] * 7, [(0.0, 0.0), (0.0, 1.1)]])
def test_a_way_that_cannot_be_is_refused(nobody: Listener, path: list[tuple[float, float]]) -> None:
    with pytest.raises(PlaylistInvalidError):
        playlists.journey_create(listener=nobody, path=path)


def test_imported_songs_are_not_chosen_again(alice: User, playlist: Playlist) -> None:
    Playlist.objects.update(kind=Playlist.Kind.IMPORTED)
    playlist.refresh_from_db()
    before = order(playlist)
    for change in (playlists.playlist_rerank, playlists.playlist_regenerate):
        with pytest.raises(PlaylistFixedError):
            change(playlist=playlist, listener=Listener(alice))
    song = playlist.items.get(position=1).song
    rerank = feedback.feedback_record(user=alice, song=song, liked=False, playlist=playlist).rerank
    assert rerank is not None
    assert "was imported" in rerank.sentence
    assert order(playlist) == before


# --- The journey page -----------------------------------------------------------------------------------------------

WAY = {"start_valence": "-0.5", "start_arousal": "0.5", "end_valence": "0.5", "end_arousal": "-0.5", "length": "6"}


@pytest.fixture
def whole_plane(make_songs: SongMaker) -> None:
    make_songs(60, around=(0.0, 0.0), spread=0.9)


def test_a_journey_is_shown_before_it_is_made(client: Client, whole_plane: None) -> None:
    url = reverse("recommender:journey")
    page = client.get(url, {**WAY, "seed": "5"}).content.decode()
    assert not Playlist.objects.exists()
    assert page.count('<circle class="way__song"') == 6
    assert 'name="seed" value="5"' in page
    assert "Another one" in page
    assert "sessionid" not in client.cookies
    fragment = client.get(url, {**WAY, "seed": "5"}, headers=HTMX).content.decode()
    assert fragment.startswith("<section")
    client.post(url, {**WAY, "seed": "5"})
    journey = Playlist.objects.get()
    shown = [int(part.split('"')[0]) for part in fragment.split('data-track data-song="')[1:]]
    assert order(journey) == shown
    assert (journey.kind, journey.path) == ("journey", [[-0.5, 0.5], [0.5, -0.5]])
    detail = client.get(reverse("recommender:playlist_detail", args=[journey.pk])).content.decode()
    assert detail.count('<circle class="way__song"') == 6


def test_a_preset_knows_its_end_and_a_way_point_counts_when_ticked(client: Client, whole_plane: None) -> None:
    url = reverse("recommender:journey")
    client.post(url, {**WAY, "preset": "calm", "via_valence": "0.1", "via_arousal": "0.2"})
    assert Playlist.objects.get().path == [[-0.5, 0.5], list(Quadrant.Q4.target)]
    Playlist.objects.all().delete()
    client.post(url, {**WAY, "via": "1", "via_valence": "0.1", "via_arousal": "0.2"})
    assert Playlist.objects.get().path == [[-0.5, 0.5], [0.1, 0.2], [0.5, -0.5]]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"start_valence": "0"}, "Set where you are"),
        ({"start_valence": "0", "start_arousal": "0"}, "Set where you want to be"),
        ({**WAY, "via": "1"}, "The waypoint needs valence and arousal"),
        ({**WAY, "start_valence": "3"}, "Start valence"),
        ({**WAY, "preset": "sideways"}, "Preset"),
        ({**WAY, "seed": "-4"}, "Seed"),
    ],
)
def test_a_journey_that_makes_no_sense_is_explained(
    client: Client, db: None, values: dict[str, str], sentence: str
) -> None:
    url = reverse("recommender:journey")
    assert sentence in client.get(url, values).content.decode()
    assert sentence in client.post(url, values, follow=True).content.decode()
    assert not Playlist.objects.exists()


def test_an_empty_catalog_has_no_way(client: Client, db: None) -> None:
    page = client.get(reverse("recommender:journey"), WAY).content.decode()
    assert "No songs have been analysed yet" in page
