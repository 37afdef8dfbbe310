"""What the mood pad and the journey's plane are sent: dots, a density, the song pointed at, names of artists."""

from __future__ import annotations

from math import hypot

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from numpy.typing import NDArray
from pytest_django import Settings

from catalog.models import Song
from emotion.inference.quadrants import Quadrant
from recommender.exceptions import PlaylistInvalidError
from recommender.models import MoodCheckIn, Playlist
from recommender.pad import CELLS, encode, pad_picture, varints
from recommender.requests import Listener
from recommender.services import playlists
from recommender.services.indexing import index_rebuild
from tests.factories import ArtistFactory, EstimateFactory, SongFactory
from tests.recommender.conftest import SongMaker, tag
from tests.recommender.made_points import decode
from tests.recommender.real_songs import REAL
from tests.recommender.real_songs import points as real_points

HTMX = {"HX-Request": "true"}
WAY = {"start_valence": "-0.5", "start_arousal": "0.5", "end_valence": "0.5", "end_arousal": "-0.5", "length": "6"}


def made(n_songs: int) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.uint8]]:
    """Songs with gaps between their ids, a few of them on the very edge."""
    rng = np.random.default_rng(n_songs)
    song_ids = np.cumsum(rng.integers(1, 300, n_songs))
    perceived = np.clip(rng.normal(0, 0.5, (n_songs, 2)), -1, 1)
    return song_ids, perceived, rng.integers(1, 5, n_songs).astype(np.uint8)


# --- The answer, encoded --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_songs", [0, 1, 2_000])
def test_every_dot_comes_back_where_it_was(n_songs: int) -> None:
    song_ids, perceived, quadrants = made(n_songs)
    dots = decode(encode(song_ids, perceived, quadrants))
    assert (dots.n_songs, dots.cells.size) == (n_songs, 0)
    assert dots.song_ids == song_ids.tolist()
    assert dots.quadrants == quadrants.tolist()
    # A third of a pixel on a plane of 600.
    np.testing.assert_allclose(dots.perceived, perceived, atol=1 / 2047 + 1e-9)


def test_real_songs_lie_in_the_quadrant_of_their_tag_and_fill_the_pad() -> None:
    quadrants = (REAL["probabilities"].argmax(axis=1) + 1).astype(np.uint8)
    dots = decode(encode(np.arange(1, 97), real_points(), quadrants))
    assert [Quadrant.from_valence_arousal(*point) for point in dots.perceived.tolist()] == dots.quadrants
    # Neither in a heap in the middle nor on a line beside an axis.
    assert np.quantile(np.abs(dots.perceived), 0.75, axis=0).min() > 0.4
    assert (np.abs(dots.perceived) < 0.02).any(axis=1).mean() < 0.1


def test_ten_thousand_songs_weigh_forty_kilobytes() -> None:
    rng = np.random.default_rng(1)
    perceived = rng.uniform(-1, 1, (10_000, 2))
    payload = encode(np.arange(1, 10_001), perceived, np.ones(10_000, np.uint8))
    assert len(payload) == 16 + 10_000 * 4


def test_numbers_of_every_length_come_back() -> None:
    numbers = np.asarray([0, 1, 127, 128, 300, 16_383, 16_384, 2**31, 2**53])
    payload = varints(numbers)
    assert payload[:4] == bytes([0, 1, 127, 128])
    assert len(payload) == 1 + 1 + 1 + 2 + 2 + 2 + 3 + 5 + 8
    assert varints(np.zeros(0, np.int64)) == b""


def test_many_songs_become_a_density_that_counts_each_of_them() -> None:
    song_ids, perceived, quadrants = made(6_000)
    # Far from all others, a song alone.
    perceived[:, 0] = np.minimum(perceived[:, 0], 0.5)
    perceived[17] = (0.97, 0.97)
    dots = decode(encode(song_ids, perceived, quadrants, limit=500))
    assert dots.n_songs == 6_000
    assert int(dots.cells.sum()) == 6_000
    assert dots.cells[CELLS - 1, CELLS - 1] == 1
    assert int(dots.cells[:, : CELLS // 2].sum()) == int((perceived[:, 0] < 0).sum())
    assert set(dots.song_ids) <= set(song_ids.tolist())
    assert len(dots.song_ids) < 3_000
    assert int(song_ids[17]) in dots.song_ids, "what is alone in its cell is always a dot"
    rows = np.searchsorted(song_ids, dots.song_ids)
    np.testing.assert_allclose(dots.perceived, perceived[rows], atol=1 / 2047 + 1e-9)


# --- Points ---------------------------------------------------------------------------------------------------------


def points(client: Client) -> dict[int, tuple[float, float, int]]:
    response = client.get(reverse("recommender:pad_points"))
    assert response.status_code == 200
    dots = decode(response.content)
    return {
        song_id: (round(float(v), 2), round(float(a), 2), quadrant)
        for song_id, (v, a), quadrant in zip(dots.song_ids, dots.perceived, dots.quadrants, strict=True)
    }


def test_the_pad_shows_each_song_where_it_is_with_and_without_an_index(client: Client, make_songs: SongMaker) -> None:
    songs = make_songs(3)
    failed = EstimateFactory(song__state=Song.State.FAILED).song
    expected = {song.pk: where(song) for song in songs}
    assert points(client) == expected
    index_rebuild()
    assert points(client) == expected
    # Newer than the index: a new song, and one that was analysed again.
    new = SongFactory()
    tag(new, -0.25, 0.75)
    songs[0].estimates.all().delete()
    tag(songs[0], -0.5, -0.5)
    assert points(client) == expected | {new.pk: (-0.25, 0.75, 2), songs[0].pk: (-0.5, -0.5, 3)}
    assert failed.pk not in points(client)


def where(song: Song) -> tuple[float, float, int]:
    estimate = song.estimates.get()
    return round(estimate.valence, 2), round(estimate.arousal, 2), estimate.quadrant


def test_a_browser_with_the_points_gets_none_until_a_song_is_new(client: Client, make_songs: SongMaker) -> None:
    make_songs(5)
    index_rebuild()
    url = reverse("recommender:pad_points")
    first = client.get(url)
    assert first["Cache-Control"] == "private, no-cache"
    known = {"If-None-Match": first["ETag"]}
    with CaptureQueriesContext(
        connection,
    ) as queries:
        again = client.get(url, headers=known)
    assert (again.status_code, again.content) == (304, b"")
    assert len(queries) <= 1
    tag(SongFactory(), 0.1, 0.1)
    assert client.get(url, headers=known).status_code == 200


def test_points_of_many_songs_are_small(client: Client, make_songs: SongMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "__kwdefaults__", {"limit": 10})
    make_songs(40)
    dots = decode(client.get(reverse("recommender:pad_points")).content)
    assert (dots.n_songs, int(dots.cells.sum())) == (40, 40)
    assert len(dots.song_ids) <= 40


# --- The song pointed at, and names ---------------------------------------------------------------------------------


def test_a_song_under_the_pointer_shows_title_artist_and_quadrant(client: Client, db: None) -> None:
    song = EstimateFactory(quadrant=Quadrant.Q4, song__title="<Tide> & שלום").song
    page = client.get(reverse("recommender:pad_song", args=[song.pk])).content.decode()
    assert "&lt;Tide&gt; &amp; שלום" in page
    assert song.artist.name in page
    assert f"by {song.artist.name}, Calm." in page
    assert client.get(reverse("recommender:pad_song", args=[song.pk + 1])).status_code == 404
    waiting = SongFactory(state=Song.State.QUEUED)
    assert (
        f"by {waiting.artist.name}." in client.get(reverse("recommender:pad_song", args=[waiting.pk])).content.decode()
    )


def test_a_closed_site_shows_visitors_no_songs(client: Client, settings: Settings, make_songs: SongMaker) -> None:
    song = make_songs(1)[0]
    settings.MOODPLANE_PUBLIC = False
    for name, args in (("pad_points", []), ("pad_song", [song.pk]), ("artist_options", [])):
        assert client.get(reverse(f"recommender:{name}", args=args)).status_code == 302


@pytest.mark.parametrize(
    ("typed", "found"), [("bea", True), ("  THE  beat", True), ("eatles", False), ("\x00", False), ("", False)]
)
def test_artists_are_found_by_the_beginning_of_a_word(client: Client, db: None, typed: str, found: bool) -> None:
    SongFactory(artist=ArtistFactory(name="The Beatles"))
    ArtistFactory(name="Beat without songs")
    page = client.get(reverse("recommender:artist_options"), {"artist_name": typed}).content.decode()
    assert ('value="The Beatles"' in page) is found
    assert "without songs" not in page


def test_a_list_is_limited_to_an_artist_by_name(client: Client, make_songs: SongMaker) -> None:
    songs = make_songs(8, n_artists=2)
    name = songs[0].artist.name
    client.post(reverse("recommender:playlist_list"), {"quadrant": "1", "artist_name": f" {name.upper()} "})
    playlist = Playlist.objects.get()
    assert playlist.filters == {"artist": songs[0].artist_id}
    assert set(playlist.items.values_list("song__artist_id", flat=True)) == {songs[0].artist_id}
    page = client.post(reverse("recommender:playlist_list"), {"quadrant": "1", "artist_name": "Nobody"}, follow=True)
    assert "No artist in this catalog is called “Nobody”." in page.content.decode()
    assert Playlist.objects.count() == 1


# --- The home page --------------------------------------------------------------------------------------------------


def test_the_mood_said_is_marked_for_its_owner_alone(
    client: Client, client_alice: Client, make_songs: SongMaker
) -> None:
    make_songs(1)
    client_alice.post(reverse("recommender:mood_check_in"), {"valence": "-0.4", "arousal": "0.2"})
    assert MoodCheckIn.objects.count() == 1
    assert 'data-valence="-0.400" data-arousal="0.200"' in client_alice.get("/").content.decode()
    assert 'id="mood-now" role="status">' in client.get("/").content.decode()


def test_each_quadrant_shows_the_cover_of_a_song_of_its_own(client: Client, make_songs: SongMaker) -> None:
    make_songs(6, around=(-0.6, -0.6), spread=0.3)
    only = make_songs(1, around=(0.6, 0.6), spread=0.0)[0]
    typical = pad_picture().typical
    assert [len(typical[quadrant]) for quadrant in Quadrant] == [1, 0, 1, 0]
    assert typical[Quadrant.Q1] == [only.pk]
    distances = {
        song_id: hypot(valence + 0.6, arousal + 0.6) for song_id, (valence, arousal, _) in points(client).items()
    }
    assert typical[Quadrant.Q3] == [min(distances, key=distances.__getitem__)]
    page = client.get("/").content.decode()
    assert page.count('class="cover quadrant__cover"') == 2
    assert f'src="/songs/{only.pk}/cover"' in page


def test_home_of_one_song_counts_one(client: Client, make_songs: SongMaker) -> None:
    make_songs(1)
    page = client.get("/").content.decode()
    assert "1 song<" in page
    assert "0 songs<" in page
    assert "How it works" in page


def test_the_point_of_the_pad_becomes_the_end_of_a_journey(client: Client, make_songs: SongMaker) -> None:
    make_songs(20, around=(0.0, 0.0), spread=0.9)
    aim = {"aim": "1", "valence": "0.44", "arousal": "-0.3", "length": "6", "genre": "Rock", "csrfmiddlewaretoken": "x"}
    response = client.post(reverse("recommender:journey"), aim)
    assert not Playlist.objects.exists()
    assert "csrf" not in response["Location"]
    page = client.get(response["Location"]).content.decode()
    assert page.count('class="way__song"') == 6
    assert 'name="end_valence" min="-1" max="1" step="0.01" value="0.44"' in page
    client.post(reverse("recommender:mood_check_in"), {"valence": "-0.7", "arousal": "-0.5"})
    assert "start_valence=-0.70" in client.post(reverse("recommender:journey"), aim)["Location"]
    nowhere = client.post(reverse("recommender:journey"), {"aim": "1"}, follow=True)
    assert "message--error" in nowhere.content.decode()


# --- Way-points -----------------------------------------------------------------------------------------------------


def test_a_journey_passes_its_ticked_way_points_in_order(client: Client, make_songs: SongMaker) -> None:
    make_songs(30, around=(0.0, 0.0), spread=0.9)
    vias = {
        "via": "1", "via_valence": "-0.2", "via_arousal": "0.6",
        "via2_valence": "0.9", "via2_arousal": "0.9",
        "via3": "1", "via3_valence": "0.4", "via3_arousal": "0.1",
    }  # fmt: skip
    url = reverse("recommender:journey")
    page = client.get(url, {**WAY, **vias}).content.decode()
    assert page.count('class="way__song"') == 6
    client.post(url, {**WAY, **vias})
    assert Playlist.objects.get().path == [[-0.5, 0.5], [-0.2, 0.6], [0.4, 0.1], [0.5, -0.5]]
    Playlist.objects.all().delete()
    client.post(url, {**WAY, **vias, "via2": "1", "preset": "lift"})
    assert Playlist.objects.get().path == [[-0.5, 0.5], [-0.2, 0.6], [0.9, 0.9], [0.4, 0.1], list(Quadrant.Q1.target)]


def test_a_way_with_a_name_shows_its_points_on_the_form(client: Client, make_songs: SongMaker) -> None:
    make_songs(20)
    url = reverse("recommender:journey")
    page = " ".join(client.get(url, {**WAY, "preset": "focus"}).content.decode().split())
    assert 'name="end_valence" min="-1" max="1" step="0.01" value="0.30"' in page
    assert 'name="variety" min="0" max="1" step="0.1" value="0.1"' in page
    assert (
        'value="focus" data-preset data-valence="0.30" data-arousal="-0.15" data-variety="0.1" aria-pressed="true"'
        in page
    )
    stays = client.get(url, {**WAY, "preset": "match"}).content.decode()
    assert 'name="end_valence" min="-1" max="1" step="0.01" value="-0.5"' in stays


def test_a_fragment_brings_the_line_for_the_plane(client: Client, make_songs: SongMaker) -> None:
    make_songs(20)
    fragment = client.get(reverse("recommender:journey"), WAY, headers=HTMX).content.decode()
    assert fragment.startswith("<section")
    assert fragment.count("<svg") - fragment.count('<svg class="journey-way') >= 6
    assert 'id="journey-way" viewBox="0 0 100 100" hx-swap-oob="true"' in fragment
    assert fragment.count("data-journey-stop=") == fragment.count("data-journey-row=") == 6
    assert "hx-swap-oob" not in client.get(reverse("recommender:journey"), WAY).content.decode()
    wrong = client.get(reverse("recommender:journey"), {"start_valence": "0"}, headers=HTMX).content.decode()
    assert "Set where you are" in wrong
    assert "hx-swap-oob" in wrong


def test_a_journey_of_the_service_passes_four_way_points_and_refuses_five(alice: User, make_songs: SongMaker) -> None:
    make_songs(12)
    path = [(-0.5, -0.5), (-0.3, 0.0), (0.0, 0.2), (0.2, 0.3), (0.4, 0.5), (0.6, 0.6)]
    journey = playlists.journey_create(listener=Listener(alice), path=path, length=8)
    assert [tuple(point) for point in journey.path] == path
    with pytest.raises(PlaylistInvalidError):
        playlists.journey_create(listener=Listener(alice), path=[(-0.9, -0.9), *path])
